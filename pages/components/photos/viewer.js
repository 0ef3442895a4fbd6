// A photograph and what every model made of it, all under one view: who zooms or moves one, zooms and moves all.
//
// Data names the pictures by their addresses. Of a large photograph there are two: all of it, reduced by a whole factor,
// and the part that is in view, which the server is asked for once the view has come to rest. Pixels are drawn without
// smoothing where they are enlarged. The view belongs to the photograph, so it stays when models or noise change.

const GAP = 8; // pixels between two panes, as in the style sheet
const HEAD = 26; // pixels above each picture
const PANEL = 244; // pixels of the table of the pixel, with its gap
const ABOVE = 250; // pixels of the page above the pictures
const LEAST = 150; // pixels of the narrowest pane
const NARROW = 640; // below this width the table stands under the pictures
const MOST = 40; // pixels of the screen per pixel of the photograph
const STEP = 1.5; // of the zoom, by keys and buttons
const REST = 250; // milliseconds after which the view has come to rest
const GRIP = 14; // pixels around the divider in which it is taken
const GAINS = [1, 2, 4, 8, 16]; // powers of two, because adding a picture to itself doubles it

const viewers = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".viewer");
  if (!viewers.has(root)) viewers.set(root, new Viewer(root));
  const viewer = viewers.get(root);
  viewer.ask = (part) => setStateValue("part", part);
  viewer.show(data);
}

class Viewer {
  constructor(root) {
    this.root = root;
    this.panes = root.querySelector(".panes");
    this.number = 0;
    this.bitmaps = new Map(); // by address
    this.zoom = null; // pixels of the screen per pixel of the photograph; null shows all of it
    this.pinned = this.hovered = null;
    this.share = 0.5; // of the pane that is left of the divider
    this.fingers = new Map();
    this.chosen = { gain: 4 }; // by hand: the pictures left and right of the divider, and what differences are from
    this.pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const buttons = { out: () => this.scale(1 / STEP), in: () => this.scale(STEP), fit: () => this.fit(), one: () => this.to(1) };
    root.querySelectorAll("[data-do]").forEach((button) => button.addEventListener("click", buttons[button.dataset.do]));
    for (const name of ["left", "right", "against", "gain"])
      root.querySelector(`.${name}`).addEventListener("change", (event) => {
        this.chosen[name] = name === "gain" ? Number(event.target.value) : event.target.value;
        this.choices();
        this.draw();
      });
    this.divider = root.querySelector(".divider");
    this.divider.addEventListener("input", () => {
      this.share = this.divider.value / 100;
      this.draw();
    });
    this.panes.addEventListener("keydown", (event) => this.key(event));
    this.panes.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.panes.addEventListener("pointerdown", (event) => this.down(event));
    this.panes.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) this.panes.addEventListener(name, (event) => this.up(event));
    this.panes.addEventListener("pointerleave", () => {
      this.hovered = null;
      this.draw();
    });
    new ResizeObserver(() => this.header && this.root.clientWidth !== this.width && this.build()).observe(root);
  }

  async show(header) {
    // While this module is loaded for the first time, Streamlit may pass on older data after newer.
    if (header.number < this.number) return;
    this.number = header.number;
    const addresses = header.pictures.flatMap(({ whole, part }) => [whole, part]).filter(Boolean);
    // Loaded before anything is touched: the old pictures stay until the new ones can be drawn.
    const loaded = await Promise.all(addresses.map((address) => this.bitmaps.get(address) ?? load(address)));
    if (header.number !== this.number) return; // newer data has arrived meanwhile
    this.bitmaps = new Map(addresses.map((address, place) => [address, loaded[place]]));
    const before = this.header;
    this.header = header;
    if (before?.photograph !== header.photograph) {
      this.fit();
      this.pinned = this.hovered = null;
    }
    this.build();
    this.settle();
    this.root.dataset.drawn = header.number; // lets tests and benchmarks wait for the new pixels
  }

  // ---- how large everything is

  build() {
    const { view, pictures, width, height } = this.header;
    this.width = this.root.clientWidth;
    this.root.classList.toggle("wiping", view === "Wipe");
    this.root.classList.toggle("difference", view === "Difference");
    this.root.classList.toggle("narrow", this.width < NARROW);
    const room = this.width - (this.width < NARROW ? 0 : PANEL);
    const shown = view === "Wipe" ? [pictures[0]] : pictures;
    const high = Math.max(innerHeight - ABOVE, 240);
    const shape = Math.min(Math.max(height / width, 0.5), 1.3); // of a pane: a line of pixels gets a pane too
    let columns = Math.max(1, Math.min(shown.length, Math.floor((room + GAP) / (LEAST + GAP))));
    for (let fewer = 1; fewer < columns; fewer++) {
      const side = (room - (fewer - 1) * GAP) / fewer;
      if (Math.ceil(shown.length / fewer) * (side * shape + HEAD + GAP) <= high) columns = fewer;
    }
    let across = Math.floor((room - (columns - 1) * GAP) / columns);
    if (view === "Wipe") across = Math.min(across, Math.floor((high - HEAD) / shape));
    this.size = [across, Math.round(across * shape)];
    this.panes.style.gridTemplateColumns = `repeat(${columns}, ${across}px)`;
    this.divider.style.width = `${across}px`;
    this.root.querySelector(".about").textContent = this.header.about;
    this.choices();
    this.stages = shown.map((picture) => this.pane(picture));
    this.panes.replaceChildren(...this.stages.map((canvas) => canvas.closest(".pane")));
    this.draw();
  }

  pane({ name, note, color, whole }) {
    const pane = element("div", "pane");
    const head = element("div", "head");
    const wiping = this.header.view === "Wipe";
    head.append(element("b", "", name), element(wiping ? "b" : "span", "", note)); // of a wipe: left and right
    const mark = element("div", "mark");
    mark.style.background = (!wiping && color) || "transparent";
    const stage = element("div", "stage");
    const canvas = stage.appendChild(element("canvas"));
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", wiping ? "two pictures, wiped" : `${name}, ${note}`);
    canvas.style.width = `${this.size[0]}px`;
    canvas.style.height = `${this.size[1]}px`;
    if (!whole && !wiping) stage.append(element("div", "wait", note));
    pane.append(head, mark, stage);
    return canvas;
  }

  choices() {
    const names = this.header.pictures.filter(({ whole }) => whole).map(({ name }) => name);
    const { left, right, against, gain } = this.chosen;
    this.left = names.includes(left) ? left : (names[1] ?? names[0]);
    this.right = names.includes(right) ? right : names.at(-1);
    this.against = names.includes(against) ? against : names[0];
    this.gain = gain;
    for (const [kind, options, chosen] of [
      ["left", names, this.left], ["right", names, this.right], ["against", names, this.against],
      ["gain", GAINS, this.gain],
    ]) {
      const select = this.root.querySelector(`.${kind}`);
      select.replaceChildren(...options.map((value) => {
        const option = element("option", "", kind === "gain" ? `${value}×` : value);
        option.value = value;
        option.selected = value === chosen;
        return option;
      }));
    }
  }

  // ---- the view

  get whole() {
    const { width, height } = this.header;
    return Math.min(this.size[0] / width, this.size[1] / height);
  }

  // The zoom, and the pixel in the middle of each pane, kept where the photograph fills the pane.
  get place() {
    const { width, height } = this.header;
    const zoom = Math.max(this.zoom ?? 0, this.whole);
    const inside = (middle, side, pane) =>
      side * zoom <= pane ? side / 2 : Math.min(Math.max(middle, pane / zoom / 2), side - pane / zoom / 2);
    return { zoom, x: inside(this.x, width, this.size[0]), y: inside(this.y, height, this.size[1]) };
  }

  fit() {
    this.zoom = null;
    [this.x, this.y] = [this.header.width / 2, this.header.height / 2];
    this.size && this.changed();
  }

  to(zoom, [right, down] = [0, 0]) {
    const { zoom: before, x, y } = this.place;
    const after = Math.min(Math.max(zoom, this.whole), MOST);
    // The pixel that lies `right` and `down` of the middle, in pixels of the screen, stays there.
    this.x = x + right / before - right / after;
    this.y = y + down / before - down / after;
    this.zoom = after > this.whole ? after : null;
    this.changed();
  }

  scale(factor, from) {
    this.to(this.place.zoom * factor, from);
  }

  shift(right, down) {
    const { zoom, x, y } = this.place;
    this.x = x + right / zoom;
    this.y = y + down / zoom;
    this.changed();
  }

  changed() {
    this.draw();
    this.settle();
  }

  settle() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.wanted(), REST);
  }

  // Ask for the part in view, with a margin, where the reduced picture would have to be enlarged.
  wanted() {
    const { width, height, factor, most, part, photograph } = this.header;
    const { zoom, x, y } = this.place;
    if (factor === 1 || zoom * devicePixelRatio * factor <= 1.2) return;
    const half = this.size.map((side) => side / zoom / 2);
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

  // ---- pixels

  draw() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      if (this.header && this.root.isConnected) this.paint();
    });
  }

  paint() {
    const { view, pictures } = this.header;
    const { zoom, x, y } = this.place;
    this.root.classList.toggle("zoomed", this.zoom !== null);
    this.root.querySelector(".zoom").textContent = `${(100 * zoom).toFixed(zoom < 0.1 ? 1 : 0)}%`;
    this.root.dataset.view = [zoom, x, y].map((number) => number.toFixed(3)).join(" "); // for tests
    this.stages.forEach((canvas, place) => {
      const [across, down] = this.size.map((side) => Math.round(side * devicePixelRatio));
      if (canvas.width !== across || canvas.height !== down) [canvas.width, canvas.height] = [across, down];
      const context = canvas.getContext("2d");
      context.clearRect(0, 0, across, down);
      if (view === "Wipe") this.wipe(context, canvas.closest(".pane").querySelectorAll("b"));
      else if (view === "Difference") this.difference(context, place);
      else this.copy(context, pictures[place]);
      this.cross(context);
    });
    this.divider.value = 100 * this.share;
    this.read();
  }

  named(name) {
    return this.header.pictures.find((picture) => picture.name === name);
  }

  // From pixels of the photograph to pixels of a canvas: a factor, and where pixel 0, 0 lies.
  get map() {
    const { zoom, x, y } = this.place;
    const scale = zoom * devicePixelRatio;
    const [across, down] = this.size.map((side) => Math.round(side * devicePixelRatio));
    return { scale, left: Math.round(across / 2 - x * scale), top: Math.round(down / 2 - y * scale), across, down };
  }

  copy(context, { whole, part }) {
    const { width, height, factor, part: rectangle } = this.header;
    const { scale, left, top, across, down } = this.map;
    context.save();
    context.beginPath();
    // Whole pixels: one that is covered in part would show as a difference.
    const within = [width, height].map((side) => Math.max(1, Math.floor(side * scale)));
    context.rect(left, top, ...within);
    context.clip();
    const put = (bitmap, size, [x, y]) => {
      if (!bitmap) return;
      context.imageSmoothingEnabled = size * scale < 1;
      context.imageSmoothingQuality = "high";
      // Only what is in view, so that no coordinate becomes too large.
      const first = [Math.floor((-left / scale - x) / size), Math.floor((-top / scale - y) / size)];
      const last = [((across - left) / scale - x) / size, ((down - top) / scale - y) / size];
      const [l, t] = first.map((number) => Math.max(0, number));
      const [r, b] = [Math.min(bitmap.width, Math.ceil(last[0])), Math.min(bitmap.height, Math.ceil(last[1]))];
      if (r <= l || b <= t) return;
      const at = [left + (x + l * size) * scale, top + (y + t * size) * scale];
      context.drawImage(bitmap, l, t, r - l, b - t, ...at, (r - l) * size * scale, (b - t) * size * scale);
    };
    put(this.bitmaps.get(whole), factor, [0, 0]);
    if (rectangle && part) put(this.bitmaps.get(part), 1, rectangle);
    context.restore();
  }

  wipe(context, heads) {
    [this.left, this.right].forEach((name, side) => (heads[side].textContent = name));
    const { across, down } = this.map;
    const edge = Math.round(this.share * across);
    this.copy(context, this.named(this.right));
    context.save();
    context.beginPath();
    context.rect(0, 0, edge, down);
    context.clip();
    context.clearRect(0, 0, edge, down);
    this.copy(context, this.named(this.left));
    context.restore();
    context.fillStyle = "#fff";
    context.globalCompositeOperation = "difference";
    context.fillRect(edge - 1, 0, 2, down);
    context.globalCompositeOperation = "source-over";
  }

  difference(context, place) {
    const picture = this.header.pictures[place];
    if (!picture.whole) return;
    this.copy(context, picture);
    // Elsewhere first: a picture may be drawn in two layers, of which only the upper one counts.
    const { across, down } = this.map;
    const other = new OffscreenCanvas(across, down);
    this.copy(other.getContext("2d"), this.named(this.against));
    context.globalCompositeOperation = "difference";
    context.drawImage(other, 0, 0);
    context.globalCompositeOperation = "lighter";
    for (let gain = 1; gain < this.gain; gain *= 2) context.drawImage(context.canvas, 0, 0);
    context.globalCompositeOperation = "source-over";
  }

  get probe() {
    return this.hovered ?? this.pinned;
  }

  cross(context) {
    if (!this.probe) return;
    const { scale, left, top } = this.map;
    const side = Math.max(scale, 7);
    const at = this.probe.map((number, axis) => [left, top][axis] + (number + 0.5) * scale - side / 2);
    for (const [color, margin] of [["#000", 2], ["#fff", 1]]) {
      context.strokeStyle = color;
      context.strokeRect(at[0] - margin + 0.5, at[1] - margin + 0.5, side + 2 * margin - 1, side + 2 * margin - 1);
    }
  }

  // The values of a picture at a pixel; of a reduced one those of the mean around it.
  values({ whole, part }, [x, y]) {
    const { factor, part: rectangle } = this.header;
    const inPart = this.bitmaps.get(part) && covers(rectangle, x, y);
    const bitmap = this.bitmaps.get(inPart ? part : whole);
    if (!bitmap) return null;
    const at = inPart ? [x - rectangle[0], y - rectangle[1]] : [Math.floor(x / factor), Math.floor(y / factor)];
    this.pixel.drawImage(bitmap, ...at, 1, 1, 0, 0, 1, 1);
    return [...this.pixel.getImageData(0, 0, 1, 1).data].slice(0, 3);
  }

  read() {
    const { pictures, factor, part } = this.header;
    const where = this.root.querySelector(".where");
    const hint = this.root.querySelector(".hint");
    const body = this.root.querySelector("tbody");
    where.textContent = this.probe ? `Pixel ${this.probe.join(", ")}` : "Pixel";
    const isMean = this.probe && factor > 1 && !covers(part, ...this.probe);
    hint.textContent = !this.probe ? "Point at a picture, or tap it." : isMean ? `Mean of ${factor}×${factor} pixels.` : "";
    const original = this.probe && this.values(pictures[0], this.probe);
    body.replaceChildren(...pictures.map((picture, place) => {
      const row = element("tr");
      const values = this.probe && this.values(picture, this.probe);
      const chip = element("i");
      if (values) chip.style.background = `rgb(${values.join(",")})`;
      const name = element("td");
      name.append(chip, picture.name);
      name.title = picture.name;
      const apart = values && place ? mean(values.map((value, channel) => Math.abs(value - original[channel]))) : null;
      const texts = [...(values ?? ["–", "–", "–"]), apart === null ? "" : apart.toFixed(0)];
      row.append(name, ...texts.map((text) => element("td", "", text)));
      return row;
    }));
  }

  // ---- by hand

  key(event) {
    const step = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (step && event.shiftKey) {
      const { x, y } = this.place;
      const from = this.probe ?? [Math.floor(x), Math.floor(y)];
      this.hovered = null;
      this.pinned = this.inside(from.map((number, axis) => number + step[axis]));
      this.draw();
    } else if (step) this.shift(...step.map((sign, axis) => (sign * this.size[axis]) / 8));
    else if (event.key === "+" || event.key === "=") this.scale(STEP);
    else if (event.key === "-") this.scale(1 / STEP);
    else if (event.key === "0") this.fit();
    else return;
    event.preventDefault();
  }

  wheel(event) {
    const stage = event.target.closest(".stage");
    // At the whole photograph the wheel moves the page on.
    if (!stage || (event.deltaY > 0 && this.zoom === null)) return;
    event.preventDefault();
    this.scale(2 ** (-event.deltaY / 300), this.from(event, stage));
  }

  // Where a pointer is, from the middle of its pane.
  from(event, stage) {
    const { left, top } = stage.getBoundingClientRect();
    return [event.clientX - left - this.size[0] / 2, event.clientY - top - this.size[1] / 2];
  }

  at(event, stage) {
    const { zoom, x, y } = this.place;
    const [right, down] = this.from(event, stage);
    const pixel = [Math.floor(x + right / zoom), Math.floor(y + down / zoom)];
    return pixel.every((number, axis) => number === this.inside(pixel)[axis]) ? pixel : null;
  }

  inside(pixel) {
    const { width, height } = this.header;
    return pixel.map((number, axis) => Math.min(Math.max(number, 0), [width, height][axis] - 1));
  }

  down(event) {
    const stage = event.target.closest(".stage");
    if (!stage || event.button) return;
    this.fingers.set(event.pointerId, { stage, x: event.clientX, y: event.clientY });
    stage.setPointerCapture(event.pointerId);
    this.moved = this.fingers.size > 1;
    const edge = (this.share - 0.5) * this.size[0];
    this.dividing = this.header.view === "Wipe" && Math.abs(this.from(event, stage)[0] - edge) < GRIP;
  }

  move(event) {
    const finger = this.fingers.get(event.pointerId);
    if (!finger) {
      const stage = event.target.closest(".stage");
      if (event.pointerType !== "mouse" || !stage) return;
      this.hovered = this.at(event, stage);
      return this.draw();
    }
    const before = [...this.fingers.values()].map(({ x, y }) => [x, y]);
    const [right, down] = [event.clientX - finger.x, event.clientY - finger.y];
    if (!this.moved && Math.hypot(right, down) < 4) return;
    this.moved = true;
    [finger.x, finger.y] = [event.clientX, event.clientY];
    if (this.dividing) {
      this.share = Math.min(Math.max(this.from(event, finger.stage)[0] / this.size[0] + 0.5, 0), 1);
      return this.draw();
    }
    if (this.fingers.size === 1) return this.shift(-right, -down);
    const after = [...this.fingers.values()].map(({ x, y }) => [x, y]);
    const apart = ([one, other]) => Math.hypot(one[0] - other[0], one[1] - other[1]);
    const middle = { clientX: (after[0][0] + after[1][0]) / 2, clientY: (after[0][1] + after[1][1]) / 2 };
    this.scale(apart(after) / Math.max(apart(before), 1), this.from(middle, finger.stage));
    this.shift(-right / 2, -down / 2);
  }

  up(event) {
    const finger = this.fingers.get(event.pointerId);
    if (!finger) return;
    this.fingers.delete(event.pointerId);
    if (this.moved || event.type === "pointercancel") return;
    this.pinned = this.at(event, finger.stage);
    this.draw();
  }
}

async function load(address) {
  try {
    const response = await fetch((window.__streamlit?.BACKEND_BASE_URL ?? "") + address);
    return await createImageBitmap(await response.blob(), { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    return null; // the page has moved on, and with it the server
  }
}

function covers(rectangle, x, y) {
  if (!rectangle) return false;
  const [left, top, right, bottom] = rectangle;
  return left <= x && x < right && top <= y && y < bottom;
}

function mean(numbers) {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
