// The panes: a photograph and what every model made of it, beside each other and as large as there is room for.
//
// Data names the pictures by their addresses. Of a large photograph there are two: all of it, reduced by a whole factor,
// and the part that is in view, which the server is asked for once the view has come to rest. The view belongs to the
// photograph, so it stays when models or noise change.

import { Lens, LENS_KEYS, element } from "./lens.js";

const PANE_GAP = 8; // pixels between two panes, as in the style sheet
const PANE_HEAD = 26; // pixels above each picture
const PROBE_WIDTH = 244; // pixels of the table of the pixel, with its gap
const ABOVE = 250; // pixels of the page above the pictures
const NARROWEST = 150; // pixels of the narrowest pane
const NARROW = 640; // below this width the table stands under the pictures
const REST = 250; // milliseconds after which the view has come to rest

export class Panes extends Lens {
  build() {
    this.root.classList.add("photograph");
    this.root.innerHTML = `
      <div class="tools-place"></div>
      <div class="body">
        <div class="panes" tabindex="0" role="group" aria-label="The photograph, once per model. The arrow keys move it. ${LENS_KEYS}"></div>
        <div class="probe-place"></div>
      </div>`;
    this.panes = this.root.querySelector(".panes");
    this.bitmaps = new Map(); // by address
    this.observer = new MutationObserver(() => this.wait());
  }

  async show(header) {
    // While this module is loaded for the first time, Streamlit may pass on older data after newer.
    if (header.number < this.number) return;
    this.number = header.number;
    const addresses = header.columns.flatMap(({ whole, part }) => [whole, part]).filter(Boolean);
    // Loaded before anything is touched: the old pictures stay until the new ones can be drawn.
    const loaded = await Promise.all(addresses.map((address) => this.bitmaps.get(address) ?? bitmapAt(address)));
    if (header.number !== this.number) return; // newer data has arrived meanwhile
    const gone = [...this.bitmaps].filter(([address]) => !addresses.includes(address));
    this.bitmaps = new Map(addresses.map((address, place) => [address, loaded[place]]));
    gone.forEach(([, bitmap]) => bitmap?.close()); // megabytes, which would wait for the garbage collector
    const before = this.header;
    this.header = header;
    this.pictures = header.columns.map((column) => this.picture(column));
    if (before?.photograph !== header.photograph) {
      this.view.picture = [header.width, header.height];
      this.view.fit();
      this.pinned = this.hovered = null;
    }
    this.arrange();
    this.settle();
    this.level = this.slider?.value;
    this.wait();
    this.observer.disconnect();
    this.observer.observe(document.body, { subtree: true, attributeFilter: ["aria-valuetext"] });
    this.root.dataset.drawn = header.number; // lets tests and benchmarks wait for the new pixels
  }

  get slider() {
    return document.querySelector(`${this.header.slider} input[type=range]`);
  }

  // Photographs are computed when the slider is released: until then what depends on the noise is dimmed.
  wait() {
    if (!this.root.isConnected) return this.observer.disconnect();
    this.root.classList.toggle("behind", this.slider?.value !== this.level);
  }

  picture({ whole, part }) {
    const { factor, part: rectangle } = this.header;
    const layers = [];
    if (this.bitmaps.get(whole)) layers.push({ bitmap: this.bitmaps.get(whole), factor, at: [0, 0] });
    if (rectangle && this.bitmaps.get(part)) layers.push({ bitmap: this.bitmaps.get(part), factor: 1, at: rectangle.slice(0, 2) });
    return layers.length ? { layers } : null;
  }

  arrange() {
    const { columns, width, height, about } = this.header;
    this.width = this.root.clientWidth;
    this.root.classList.toggle("narrow", this.width < NARROW);
    const room = this.width - (this.width < NARROW ? 0 : PROBE_WIDTH);
    const high = Math.max(innerHeight - ABOVE, 240);
    const shape = Math.min(Math.max(height / width, 0.5), 1.3); // of a pane: a line of pixels gets a pane too
    let across = Math.max(1, Math.min(columns.length, Math.floor((room + PANE_GAP) / (NARROWEST + PANE_GAP))));
    for (let fewer = 1; fewer < across; fewer++) {
      const side = (room - (fewer - 1) * PANE_GAP) / fewer;
      if (Math.ceil(columns.length / fewer) * (side * shape + PANE_HEAD + PANE_GAP) <= high) across = fewer;
    }
    // On whole pixels of the screen, as the places between them.
    const side = Math.floor(((room - (across - 1) * PANE_GAP) / across) * devicePixelRatio) / devicePixelRatio;
    this.panes.style.gap = `${Math.round(PANE_GAP * devicePixelRatio) / devicePixelRatio}px`;
    this.view.base = [side, Math.round(side * shape * devicePixelRatio) / devicePixelRatio];
    this.panes.style.gridTemplateColumns = `repeat(${across}, ${side}px)`;
    this.tools(columns.filter((_, place) => this.pictures[place]).map(({ heading }) => heading), about);
    this.stages = columns.map((column, place) => ({ ...this.pane(column, this.pictures[place]), size: this.view.base, picture: this.pictures[place], isLarge: true }));
    this.panes.replaceChildren(...this.stages.map(({ canvas }) => canvas.closest(".pane")));
    this.relate();
    this.draw();
  }

  relate() {
    super.relate();
    const place = this.header.columns.findIndex(({ heading }) => heading === this.against);
    for (const stage of this.stages) stage.against = this.pictures[place];
  }

  pane({ heading, note, color }, picture) {
    const pane = element("div", "pane");
    const head = element("div", "head");
    head.append(element("b", "", heading), element("span", "", note));
    const mark = element("div", "mark");
    mark.style.background = color || "transparent";
    const stage = element("div", "stage");
    const canvas = stage.appendChild(element("canvas"));
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${heading}, ${note}`);
    [canvas.style.width, canvas.style.height] = this.view.base.map((side) => `${side}px`);
    if (!picture) stage.append(element("div", "wait", note));
    pane.append(head, mark, stage);
    return { element: stage, canvas };
  }

  get row() {
    return this.header.columns.map(({ heading }, place) => ({ name: heading, picture: this.pictures[place] }));
  }

  // There are no cells to move between, so the arrows alone move the view.
  press(event) {
    if (this.keyed(event, event.ctrlKey || event.target === this.panes)) event.preventDefault();
  }

  settle() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.wanted(), REST);
  }

  // Ask for the part in view, with a margin, where the reduced picture would have to be enlarged.
  wanted() {
    const { width, height, factor, most, part, photograph } = this.header;
    const { scale, x, y } = this.view.on(this.view.base);
    if (factor === 1 || scale * devicePixelRatio * factor <= 1.2) return;
    const half = this.view.base.map((side) => side / scale / 2);
    const rectangle = (margin) => [
      Math.max(0, Math.floor(x - half[0] * margin)), Math.max(0, Math.floor(y - half[1] * margin)),
      Math.min(width, Math.ceil(x + half[0] * margin)), Math.min(height, Math.ceil(y + half[1] * margin)),
    ];
    const [left, top, right, bottom] = rectangle(1);
    if (part && part[0] <= left && part[1] <= top && part[2] >= right && part[3] >= bottom) return;
    const wider = [1.6, 1.3, 1].map(rectangle).find(([l, t, r, b]) => (r - l) * (b - t) <= most);
    const asked = JSON.stringify([photograph, wider]);
    if (!wider || asked === this.asked) return;
    this.asked = asked;
    this.ask({ photograph, rectangle: wider });
  }
}

async function bitmapAt(address) {
  try {
    const response = await fetch((window.__streamlit?.BACKEND_BASE_URL ?? "") + address);
    return await createImageBitmap(await response.blob(), { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    return null; // the page has moved on, and with it the server
  }
}
