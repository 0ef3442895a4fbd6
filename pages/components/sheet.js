// The sheet: one row per picture, one column per version of it. Hovering over a cell, or choosing it, enlarges it and
// shows its numbers.
//
// Data arrives as bytes: the length of a JSON header (4 bytes, little endian), the header, then one PNG that holds
// every cell at its own size, without gaps. Each cell is drawn on a canvas of the picture's size; the browser enlarges
// it by a whole factor without smoothing, so that its pixels are exactly the server's.

const NAMES = 76; // pixels of the first column, with its gap
const GAP = 4; // pixels between cells, as in the style sheet
const SPACE = 24; // pixels between the cells and the large picture
const LARGE = 192; // pixels of a side of the large picture, where there is room for it
const LEAST = 128; // and where there is not
const CONTROLS = 230; // pixels above the cells

const sheets = new WeakMap();

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".sheet");
  if (!sheets.has(root)) sheets.set(root, new Sheet(root));
  sheets.get(root).show(data);
}

class Sheet {
  constructor(root) {
    this.grid = root.querySelector(".grid");
    this.panel = root.querySelector(".panel");
    this.root = root;
    this.chosen = { row: 0, column: Infinity };
    this.hovered = null;
    this.number = 0;
    this.picked = null;
    this.before = "";
    this.panel.querySelector("input").addEventListener("input", () => this.wipe());
    this.panel.querySelector("select").addEventListener("change", (event) => {
      this.before = event.target.value;
      this.enlarge();
    });
    this.grid.addEventListener("mouseleave", () => this.hover(null));
    this.grid.addEventListener("keydown", (event) => this.move(event));
    const stage = this.panel.querySelector(".stage");
    stage.addEventListener("pointerdown", (event) => this.drag(event, stage));
    stage.addEventListener("pointermove", (event) => event.buttons && this.drag(event, stage));
    new ResizeObserver(() => this.header && this.root.clientWidth !== this.width && this.redraw()).observe(root);
  }

  async show(bytes) {
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    // While this module is loaded for the first time, Streamlit may pass on older data after newer.
    if (header.number < this.number) return;
    this.number = header.number;
    const file = new Blob([bytes.subarray(4 + length)], { type: "image/png" });
    // Decoded before anything is touched: the old pictures stay until the new ones can be drawn.
    const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    if (header.number !== this.number) return; // newer data has arrived meanwhile
    const shape = JSON.stringify([header.side, header.rows.length, header.columns.length]);
    this.header = header;
    this.bitmap = bitmap;
    if (shape !== this.shape) this.build();
    this.shape = shape;
    if (header.picked !== this.picked && header.picked !== null) this.chosen.row = header.picked;
    this.picked = header.picked;
    this.redraw();
    this.root.dataset.drawn = header.number; // lets tests and benchmarks wait for the new pixels
  }

  redraw() {
    this.fit();
    this.fill();
    this.enlarge();
    this.align();
  }

  // The largest whole factors by which the cells and the large picture fit beside each other.
  fit() {
    const { side, rows, columns, wipe } = this.header;
    this.width = this.root.clientWidth;
    const grid = (scale) => NAMES + columns.length * (side * scale + GAP);
    const [large, least] = [LARGE, LEAST].map((size) => Math.max(1, Math.round(size / side)));
    // Four times only where all rows are then in view, below the page's controls.
    const isHigh = rows.length * (4 * side + GAP) <= innerHeight - CONTROLS;
    const factors = side > 48 ? [2, 1] : wipe ? [2] : isHigh ? [4, 3, 2] : [3, 2];
    this.scale = factors.find((scale) => grid(scale) + SPACE + side * large <= this.width) ?? factors.at(-1);
    const free = Math.floor((this.width - grid(this.scale) - SPACE) / side);
    this.large = Math.min(Math.max(free, least), wipe ? 2 * large : large + 2);
    this.panel.style.width = `${side * this.large}px`;
  }

  build() {
    const { rows, columns } = this.header;
    this.grid.replaceChildren();
    this.heads = columns.map(() => this.grid.appendChild(element("div", "head")));
    this.heads.unshift(this.grid.insertBefore(element("div", "corner"), this.heads[0]));
    this.names = [];
    this.cells = rows.map((_, row) => {
      this.names.push(this.grid.appendChild(element("div", "name")));
      return columns.map((_, column) => this.grid.appendChild(this.cell(row, column)));
    });
  }

  cell(row, column) {
    const cell = element("button", "cell");
    cell.type = "button";
    cell.append(element("canvas", "pixels"));
    cell.addEventListener("mouseenter", () => this.hover({ row, column }));
    cell.addEventListener("focus", () => this.choose({ row, column }));
    cell.addEventListener("click", () => this.choose({ row, column }));
    return cell;
  }

  fill() {
    const { rows, columns, side, numbers, wipe } = this.header;
    const size = side * this.scale;
    this.root.classList.toggle("wiping", wipe);
    this.grid.style.gridTemplateColumns = `${NAMES - GAP}px repeat(${columns.length}, ${size}px)`;
    columns.forEach(({ heading, note, color }, column) => {
      const head = this.heads[column + 1];
      const mark = element("i");
      mark.style.background = color ?? "transparent";
      head.replaceChildren(element("b", "", heading), element("span", "", note), mark);
    });
    rows.forEach(([name, detail], row) => {
      this.names[row].replaceChildren(element("div", "", name), element("span", "", detail));
      columns.forEach(({ heading }, column) => {
        const cell = this.cells[row][column];
        draw(cell.firstChild, this.bitmap, side, row, column, size);
        const scores = numbers[row][column].map((pair) => pair.join(" ")).join(", ");
        cell.setAttribute("aria-label", `${name} ${detail}, ${heading}${scores ? ": " + scores : ""}`);
      });
    });
  }

  // Onto whole pixels of the page: at a fraction of a pixel the browser would blur the edges of the pictures.
  align() {
    this.root.style.margin = "0";
    const { left, top } = this.root.getBoundingClientRect();
    this.root.style.margin = `${Math.ceil(top) - top}px 0 0 ${Math.ceil(left) - left}px`;
  }

  hover(place) {
    this.hovered = place;
    this.enlarge();
  }

  choose(place) {
    this.chosen = place;
    this.hovered = null;
    this.enlarge();
  }

  move(event) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const { row, column } = this.place(this.chosen);
    this.cells[row + step[0]]?.[column + step[1]]?.focus();
  }

  // The chosen place, moved inside the sheet if that has become smaller.
  place({ row, column }) {
    const { rows, columns } = this.header;
    return { row: Math.min(row, rows.length - 1), column: Math.min(column, columns.length - 1) };
  }

  enlarge() {
    const { rows, columns, side, numbers, wipe } = this.header;
    const { large } = this;
    const chosen = this.place(this.chosen);
    this.cells.forEach((cells, row) =>
      cells.forEach((cell, column) => {
        const here = row === chosen.row && column === chosen.column;
        cell.classList.toggle("chosen", here);
        cell.tabIndex = here ? 0 : -1; // one stop for the tab key; the arrows move inside
      }),
    );
    const { row, column } = this.place(this.hovered ?? chosen);
    const size = side * large;
    const [after, before, original] = this.panel.querySelectorAll("canvas");
    draw(after, this.bitmap, side, row, column, size);
    this.panel.querySelector(".what").textContent = rows[row].join(" ");
    this.panel.querySelector(".which").textContent = columns[column].heading;
    const list = this.panel.querySelector("dl");
    list.replaceChildren(...numbers[row][column].flatMap(([term, value]) => [
      element("dt", "", term), element("dd", "", value),
    ]));
    after.setAttribute("aria-label", `${rows[row].join(" ")}, ${columns[column].heading}, enlarged ${large} times`);
    draw(original, this.bitmap, side, row, 0, size);
    this.root.classList.toggle("at-input", column === 0);
    if (!wipe) return;
    const select = this.panel.querySelector("select");
    const options = columns.map(({ heading }) => heading);
    if (this.before === "" || !options.includes(this.before)) this.before = options.includes("noisy") ? "noisy" : "original";
    select.replaceChildren(...options.map((heading) => {
      const option = element("option", "", heading);
      option.selected = heading === this.before;
      return option;
    }));
    draw(before, this.bitmap, side, row, options.indexOf(this.before), size);
    this.wipe();
  }

  // The seam follows the pointer on the picture itself.
  drag(event, stage) {
    if (!this.header?.wipe) return;
    const { left, width } = stage.getBoundingClientRect();
    this.panel.querySelector("input").value = (100 * (event.clientX - left)) / width;
    this.wipe();
  }

  wipe() {
    const share = this.panel.querySelector("input").value;
    const before = this.panel.querySelectorAll("canvas")[1];
    before.style.clipPath = `inset(0 ${100 - share}% 0 0)`;
    this.panel.querySelector(".edge").style.left = `${share}%`;
  }
}

function draw(canvas, bitmap, side, row, column, size) {
  canvas.width = canvas.height = side; // also clears it
  canvas.style.width = canvas.style.height = `${size}px`;
  canvas.getContext("2d").drawImage(bitmap, column * side, row * side, side, side, 0, 0, side, side);
}

function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
