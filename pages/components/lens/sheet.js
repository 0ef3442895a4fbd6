// The sheet: one row per picture, one column per version of it, or where it lies across the other way round. Hovering
// over a cell, or choosing it, enlarges it and shows its numbers.
//
// Data arrives as bytes: the length of a JSON header (4 bytes, little endian), the header, then the pixels of every cell:
// one byte per value, column by column, row by row, each picture as [channels, height, width].

import { Lens, LENS_KEYS, element, resize, write } from "./lens.js";
import { ErrorColours } from "./errors.js";
import { Live } from "./live.js";
import { Series } from "./series.js";

const NAMES = 76; // pixels of the first column, with its gap
const CELL_GAP = 4; // pixels between cells, as in the style sheet
const SPACE = 24; // pixels between the cells and the large picture
const LARGE = 192; // pixels of a side of the large picture, where there is room for it
const LEAST_LARGE = 128; // and where there is not
const CONTROLS = 230; // pixels above the cells
const CAPTION = 38; // pixels of the two lines below a cell, with their gap
const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

export class Sheet extends Lens {
  build() {
    this.root.classList.add("sheet");
    this.root.innerHTML = `
      <div class="scroller"><div class="grid" role="group" aria-label="Sheet of pictures. The arrow keys move from cell to cell. ${LENS_KEYS}"></div>
        <div class="legend"></div><div class="said" role="status"></div></div>
      <div class="panel">
        <div class="stage large"><canvas role="img"></canvas></div>
        <div class="tools-place"></div>
        <div class="which"></div><div class="what"></div><dl></dl>
        <div class="original stage"><canvas role="img" aria-label="the original, enlarged"></canvas><div>original</div></div>
        <div class="probe-place"></div>
      </div>`;
    this.grid = this.root.querySelector(".grid");
    this.panel = this.root.querySelector(".panel");
    this.strips = []; // by column
    this.cellAt = { row: 0, column: Infinity };
    this.over = null; // the cell under the pointer
    this.grid.addEventListener("mouseleave", () => this.hover(null));
    // All cells share one canvas: the browser needs longer to put many together than to draw them.
    this.surface = element("canvas", "surface");
    this.surface.ariaHidden = "true";
    new ResizeObserver(() => this.columns && this.lay()).observe(this.grid);
    this.live = new Live(this);
  }

  show(bytes) {
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    // While this module is loaded for the first time, Streamlit may pass on older data after newer.
    if (header.number < this.number) return;
    this.number = header.number;
    this.header = header;
    const { rows, channels, height, width } = header;
    const one = channels * height * width;
    const pixels = bytes.slice(4 + length);
    const columns = header.columns.map((column, place) => ({
      ...column,
      pixels: rows.map((_, row) => pixels.subarray((place * rows.length + row) * one, (place * rows.length + row + 1) * one)),
    }));
    if (header.picked !== this.picked && header.picked !== null) this.cellAt.row = header.picked;
    this.picked = header.picked;
    (header.series ? (this.series ??= new Series(this)) : this.live).serve(header, columns);
    this.root.dataset.height = height;
    this.root.dataset.drawn = header.number; // lets tests and benchmarks wait for the new pixels
  }

  /** Show columns: those of the server, or while the slider is `moving` what the browser has computed of them. */
  present(columns, moving = false) {
    const { rows, width, height, colours, view } = this.header;
    this.columns = columns;
    this.captioned = columns.some(({ captions }) => captions?.length);
    const shape = JSON.stringify([width, height, rows.length, columns.length, this.header.across, this.captioned]);
    if (shape !== this.shape) this.grow(rows, columns);
    if (!this.shape || String(this.view.picture) !== String([width, height])) {
      this.view.picture = [width, height];
      this.view.fit();
      this.pinned = this.hovered = null;
    }
    const errors = colours && new ErrorColours(colours, columns, [this.header.channels, height, width]);
    this.pictures = columns.map((column, place) => this.strip(place, column, column.role === "clean" ? null : errors));
    this.legend(errors);
    this.root.classList.toggle("across", Boolean(this.header.across));
    this.tools(columns.map(({ heading }) => heading));
    this.fill(moving);
    if (shape !== this.shape || this.arranged !== view) this.arrange();
    else this.enlarge();
    this.shape = shape;
    this.arranged = view;
  }

  // The pictures of a column one below another on one canvas, so that they are written at once.
  strip(place, { pixels }, errors) {
    const { channels, width, height } = this.header;
    this.strips[place] ??= new OffscreenCanvas(1, 1);
    const bitmap = this.strips[place];
    resize(bitmap, [width, pixels.length * height]);
    const context = bitmap.getContext("2d", { willReadFrequently: true });
    const isSame = this.image?.width === bitmap.width && this.image.height === bitmap.height;
    this.image = isSame ? this.image : context.createImageData(bitmap.width, bitmap.height);
    pixels.forEach((picture, row) => {
      const into = this.image.data.subarray(4 * width * height * row, 4 * width * height * (row + 1));
      if (errors) errors.fill(into, picture, this.columns[0].pixels[row]);
      else inColour(into, picture, channels);
    });
    context.putImageData(this.image, 0, 0);
    return pixels.map((_, row) => ({ layers: [{ bitmap, factor: 1, at: [0, 0], from: row * height, height }] }));
  }

  // The largest whole factors by which the cells and the large picture fit beside each other.
  arrange() {
    const { width, height, view, across } = this.header;
    const side = Math.max(width, height);
    const counts = [this.header.rows.length, this.columns.length];
    const [rows, columns] = across ? counts.reverse() : counts;
    this.width = this.root.clientWidth;
    const grid = (scale) => NAMES + columns * (width * scale + CELL_GAP);
    const [large, least] = [LARGE, LEAST_LARGE].map((size) => Math.max(1, Math.round(size / side)));
    // Four times only where all rows are then in view, below the page's controls.
    const isHigh = !across && rows * (4 * height + CELL_GAP + (this.captioned ? CAPTION : 0)) <= innerHeight - CONTROLS;
    const isCompared = ["Wipe", "Blink", "Difference"].includes(view);
    const factors = side > 48 ? [2, 1] : isCompared ? [2] : isHigh ? [4, 3, 2] : [3, 2];
    const scale = factors.find((scale) => grid(scale) + SPACE + width * large <= this.width) ?? factors.at(-1);
    const free = Math.floor((this.width - grid(scale) - SPACE) / width);
    const largest = Math.min(Math.max(free, least), isCompared ? 2 * large : large + 2);
    this.size = this.whole(scale);
    this.largeSize = this.view.base = this.whole(largest);
    this.panel.style.width = `${Math.max(this.largeSize[0], 190)}px`;
    this.grid.style.gridTemplateColumns = `${NAMES - CELL_GAP}px repeat(${columns}, ${this.size[0]}px)`;
    for (const cell of this.cells.flat()) [cell.style.width, cell.style.height] = this.size.map((side) => `${side}px`);
    this.align();
    this.lay();
  }

  // A size in pixels of the page at which each pixel gets a whole number of the screen's.
  whole(scale) {
    const { width, height } = this.header;
    const factor = Math.max(1, Math.floor(scale * devicePixelRatio)) / devicePixelRatio;
    return [width * factor, height * factor];
  }

  grow(rows, columns) {
    this.heads = columns.map(() => title("head", "b", "span", "i"));
    this.names = rows.map(() => title("name", "div", "span"));
    this.cells = rows.map((_, row) => columns.map((_, column) => this.cell(row, column)));
    this.captions = this.captioned ? rows.map(() => columns.map(() => title("caption", "span", "span"))) : [];
    const [above, beside] = this.header.across ? [this.names, this.heads] : [this.heads, this.names];
    const lines = beside.map((title, line) => [title, ...(this.header.across ? this.cells.map((cells) => cells[line]) : this.cells[line])]);
    this.captions.forEach((captions, row) => lines[row].push(element("div", "corner"), ...captions));
    this.grid.replaceChildren(this.surface, element("div", "corner"), ...above, ...lines.flat());
    above.forEach((title) => title.classList.add("above"));
    beside.forEach((title) => title.classList.add("beside"));
  }

  cell(row, column) {
    const cell = element("button", "cell stage");
    cell.type = "button";
    cell.addEventListener("mouseenter", () => this.hover({ row, column }));
    cell.addEventListener("focus", () => this.choose({ row, column }));
    return cell;
  }

  // In place: new elements at every frame would cost the browser time.
  fill(moving) {
    const { rows } = this.header;
    this.columns.forEach(({ heading, note, color, dim }, column) => {
      const [title, text, mark] = this.heads[column].children;
      write(title, heading);
      write(text, note);
      mark.style.background = color ?? "transparent";
      this.heads[column].classList.toggle("dim", Boolean(dim));
    });
    rows.forEach(([name, detail], row) => {
      [name, detail].forEach((text, part) => write(this.names[row].children[part], text));
      this.columns.forEach(({ heading, numbers, dim, captions, best }, column) => {
        const cell = this.cells[row][column];
        const caption = this.captions[row]?.[column];
        if (caption) {
          [0, 1].forEach((line) => write(caption.children[line], captions?.[row]?.[line] ?? ""));
          caption.classList.toggle("best", Boolean(best?.[row]));
        }
        cell.classList.toggle("dim", Boolean(dim));
        const scores = moving ? "" : numbers(row).map((pair) => pair.join(" ")).join(", "); // they take time
        describe(cell, `${name} ${detail}, ${heading}${scores ? ": " + scores : ""}${best?.[row] ? ", best of its row" : ""}`);
      });
    });
  }

  // Onto whole pixels of the screen: at a fraction of one the browser would blur the edges of the pictures.
  align() {
    this.root.style.margin = "0";
    const { left, top } = this.root.getBoundingClientRect();
    const rest = (place) => Math.ceil(place * devicePixelRatio - 1e-6) / devicePixelRatio - place;
    this.root.style.margin = `${rest(top)}px 0 0 ${rest(left)}px`;
  }

  hover(place) {
    this.over = place;
    this.enlarge();
  }

  choose(place) {
    this.cellAt = place;
    this.over = null;
    this.enlarge();
  }

  press(event) {
    const step = MOVES[event.key];
    if (step && !event.shiftKey && !event.ctrlKey && !event.altKey && !event.metaKey && event.target.closest(".cell")) {
      const { row, column } = this.place(this.cellAt);
      const [down, right] = this.header.across ? [step[1], step[0]] : step;
      this.cells[row + down]?.[column + right]?.focus();
      event.preventDefault();
    } else super.press(event);
  }

  pick({ place }) {
    if (place) this.choose(place);
  }

  /** The chosen cell, moved inside the sheet if that has become smaller. */
  place({ row, column }) {
    // At first the last column that has pictures.
    if (column === Infinity) column = this.columns.findLastIndex(({ computing }) => !computing);
    return { row: Math.min(row, this.header.rows.length - 1), column: Math.min(column, this.columns.length - 1) };
  }

  relate() {
    super.relate();
    this.enlarge();
  }

  /** Show the cell under the pointer, or else the chosen one, in the panel. */
  enlarge() {
    const { rows } = this.header;
    const chosen = this.place(this.cellAt);
    this.cells.forEach((cells, row) =>
      cells.forEach((cell, column) => {
        const here = row === chosen.row && column === chosen.column;
        cell.classList.toggle("chosen", here);
        cell.tabIndex = here ? 0 : -1; // one stop for the tab key; the arrows move inside
      }),
    );
    const { row, column } = this.place(this.over ?? chosen);
    const { heading, numbers, dim } = this.columns[column];
    const place = this.columns.findIndex((other) => other.heading === this.against);
    const pictures = (row, column) => ({ picture: this.pictures[column][row], against: this.pictures[place][row] });
    this.stages = this.cells.flatMap((cells, row) =>
      cells.map((element, column) => ({ element, canvas: this.surface, at: this.places?.[row]?.[column], size: this.size, place: { row, column }, ...pictures(row, column) })),
    );
    const [large, original] = this.panel.querySelectorAll(".stage canvas");
    for (const [canvas, which] of [[large, column], [original, 0]]) {
      [canvas.style.width, canvas.style.height] = this.largeSize.map((side) => `${side}px`);
      const isFixed = canvas === original;
      this.stages.push({ element: canvas.parentElement, canvas, size: this.largeSize, isLarge: true, isFixed, ...pictures(row, which) });
    }
    write(this.panel.querySelector(".what"), rows[row].join(" "));
    write(this.panel.querySelector(".which"), heading);
    this.list(numbers(row).flat());
    for (const part of [large, this.panel.querySelector("dl")]) part.classList.toggle("dim", Boolean(dim));
    describe(large, `${rows[row].join(" ")}, ${heading}, enlarged`);
    this.root.classList.toggle("at-input", column === 0);
    this.reading = row;
    this.draw();
  }

  /** Give the canvas of the cells the size of the grid, and the cells their places on it, when these have changed. */
  lay() {
    const { left, top, width, height } = this.grid.getBoundingClientRect();
    const onScreen = (numbers) => numbers.map((number) => Math.round(number * devicePixelRatio));
    const size = onScreen([width, height]);
    resize(this.surface, size);
    [this.surface.style.width, this.surface.style.height] = size.map((side) => `${side / devicePixelRatio}px`);
    this.places = this.cells.map((cells) =>
      cells.map((cell) => {
        const place = cell.getBoundingClientRect();
        return onScreen([place.left - left, place.top - top]);
      }),
    );
    this.enlarge();
  }

  /** Show names and values, in turn. */
  list(texts) {
    const list = this.panel.querySelector("dl");
    while (list.children.length > texts.length) list.lastChild.remove();
    while (list.children.length < texts.length) list.append(element(list.children.length % 2 ? "dd" : "dt"));
    texts.forEach((text, place) => write(list.children[place], text));
  }

  get row() {
    return this.columns.map(({ heading }, column) => ({ name: heading, picture: this.pictures[column][this.reading] }));
  }

  legend(errors) {
    const place = this.root.querySelector(".legend");
    if (!errors) return place.replaceChildren();
    if (place.textContent === errors.low + errors.high + errors.meaning) return;
    const bar = element("i");
    bar.style.background = errors.gradient;
    place.replaceChildren(element("span", "", errors.low), bar, element("span", "", errors.high), element("em", "", errors.meaning));
  }

  /** A sentence below the pictures, such as why they do not follow the slider. */
  say(sentence) {
    write(this.root.querySelector(".said"), sentence);
  }
}

function title(className, ...parts) {
  const made = element("div", className);
  made.append(...parts.map((tag) => element(tag)));
  return made;
}

function describe(element, text) {
  if (element.ariaLabel !== text) element.ariaLabel = text;
}

function inColour(into, pixels, channels) {
  const one = pixels.length / channels;
  const [red, green, blue] = channels === 3 ? [0, one, 2 * one] : [0, 0, 0];
  for (let place = 0; place < one; place++) {
    into[4 * place] = pixels[red + place];
    into[4 * place + 1] = pixels[green + place];
    into[4 * place + 2] = pixels[blue + place];
    into[4 * place + 3] = 255;
  }
}
