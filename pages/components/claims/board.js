// Rows and drawings. A click on a row opens its claim on this page; with a key held down, in another tab, as any link.

export default function ({ data, parentElement, setTriggerValue }) {
  const board = parentElement.querySelector(".board");
  if (board.innerHTML !== data.content) board.innerHTML = data.content;
  board.onclick = (event) => {
    const row = event.target.closest("a");
    if (!row || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    document.querySelector('[data-testid="stMain"]')?.scrollTo(0, 0);
    setTriggerValue("opened", row.dataset.claim);
  };
}
