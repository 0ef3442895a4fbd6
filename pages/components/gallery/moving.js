// Pictures through several models at every level of the noise. The slider, and time until somebody touches it, choose
// the level that is shown.
//
// Data arrives as bytes: the length of a JSON header (4 bytes, little endian), the header, then one PNG: the clean
// pictures in its first row, then one row per level with the pictures of every column but the first.

const STEP = 260; // milliseconds between two levels
const SWEEPS = 2; // from no noise to the strongest and back, before it rests

const shown = new WeakMap();

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".moving");
  if (!shown.has(root)) shown.set(root, new Moving(root));
  shown.get(root).show(data);
  return () => shown.get(root).pause();
}

class Moving {
  constructor(root) {
    this.root = root;
    this.columns = root.querySelector(".columns");
    this.slider = root.querySelector("input");
    this.button = root.querySelector(".play");
    this.output = root.querySelector("output");
    this.slider.addEventListener("input", () => {
      this.pause();
      this.draw();
    });
    this.button.addEventListener("click", () => (this.timer ? this.pause() : this.play(Infinity)));
  }

  async show(bytes) {
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    const text = new TextDecoder().decode(bytes.subarray(4, 4 + length));
    if (text === this.text) return; // the page was redrawn: whatever moves goes on
    this.text = text;
    this.header = JSON.parse(text);
    const file = new Blob([bytes.subarray(4 + length)], { type: "image/png" });
    this.bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    this.build();
    this.slider.max = this.header.levels.length - 1;
    this.slider.value = this.header.resting;
    this.draw();
    this.align();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) this.pause();
    else {
      this.slider.value = 0;
      this.play(SWEEPS);
    }
  }

  build() {
    const { columns, pictures, side } = this.header;
    this.columns.replaceChildren();
    this.shots = columns.map(([name, about, color]) => {
      const column = element("div", "column");
      const mark = element("i");
      mark.style.background = color ?? "transparent";
      const grid = element("div", "shots");
      const canvases = pictures.map((picture) => {
        const canvas = grid.appendChild(element("canvas"));
        canvas.width = canvas.height = side;
        canvas.setAttribute("role", "img");
        canvas.setAttribute("aria-label", `${picture}, ${name}`);
        return canvas;
      });
      column.append(element("b", "", name), element("span", "about", about), mark, grid, element("span", "psnr"));
      this.columns.append(column);
      return canvases;
    });
    this.numbers = [...this.columns.querySelectorAll(".psnr")];
  }

  draw() {
    const { columns, pictures, levels, psnr, side } = this.header;
    const level = Number(this.slider.value);
    columns.forEach((_, column) =>
      pictures.forEach((_, picture) => {
        const [across, down] = column ? [(column - 1) * pictures.length + picture, level + 1] : [picture, 0];
        this.shots[column][picture]
          .getContext("2d")
          .drawImage(this.bitmap, across * side, down * side, side, side, 0, 0, side, side);
      }),
    );
    this.numbers.forEach((number, column) => (number.textContent = column ? psnr[level][column - 1] : ""));
    this.output.textContent = `σ ${levels[level].toFixed(2)}`;
    this.slider.setAttribute("aria-valuetext", this.output.textContent);
    this.root.dataset.drawn = level; // lets tests and benchmarks wait for the pixels
  }

  play(sweeps) {
    const last = this.header.levels.length - 1;
    let step = Number(this.slider.value);
    this.button.textContent = "Pause";
    clearInterval(this.timer);
    this.timer = setInterval(() => {
      if (!this.root.isConnected) return this.pause();
      step += 1;
      if (step >= 2 * last * sweeps + this.header.resting) this.pause();
      const place = step % (2 * last);
      this.slider.value = place > last ? 2 * last - place : place;
      this.draw();
    }, STEP);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.button.textContent = "Play";
  }

  // Onto whole pixels of the page: at a fraction of a pixel the browser would blur the edges of the pictures.
  align() {
    this.root.style.margin = "0";
    const { left, top } = this.root.getBoundingClientRect();
    this.root.style.margin = `${Math.ceil(top) - top}px 0 0 ${Math.ceil(left) - left}px`;
  }
}

function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
