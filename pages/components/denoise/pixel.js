// A picture in which a pixel is picked by clicking, or moved with the arrow keys.

export default function ({ data, parentElement, setTriggerValue }) {
  const { address, width, height, scale, row, column } = data;
  const button = parentElement.querySelector("button");
  const picture = button.querySelector("img");
  const frame = button.querySelector("b");
  picture.src = address;
  picture.width = width * scale;
  picture.height = height * scale;
  Object.assign(frame.style, {
    top: `${row * scale}px`, left: `${column * scale}px`, width: `${scale}px`, height: `${scale}px`,
  });
  const pick = (down, across) =>
    setTriggerValue("picked", [Math.min(Math.max(down, 0), height - 1), Math.min(Math.max(across, 0), width - 1)]);
  button.onclick = (event) => {
    const { left, top } = picture.getBoundingClientRect();
    if (event.detail) pick(Math.floor((event.clientY - top) / scale), Math.floor((event.clientX - left) / scale));
  };
  button.onkeydown = (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    pick(row + step[0], column + step[1]);
  };
}
