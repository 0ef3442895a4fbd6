// Takes pictures that are pasted anywhere on the page, as files in base64.

export default function ({ data, parentElement, setTriggerValue }) {
  const take = async (event) => {
    const files = [...(event.clipboardData?.files ?? [])].filter(({ type }) => type.startsWith("image/"));
    if (!files.length) return; // text, for a field of the page
    event.preventDefault();
    const taken = files.slice(0, data.most).map(async (file) =>
      // One that is too large is sent without its content, for the server to say so.
      ({ name: file.name, size: file.size, content: file.size > data.bytes ? "" : await base64(file) }));
    setTriggerValue("pasted", await Promise.all(taken));
  };
  document.addEventListener("paste", take);
  parentElement.querySelector("span").dataset.listening = "";
  return () => document.removeEventListener("paste", take);
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
