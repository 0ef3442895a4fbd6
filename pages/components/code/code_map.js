// The map of codes: points that become pictures when there is room for them.
//
// Data arrives as bytes: the length of a JSON header (4 bytes, little endian), the header, the places (two numbers of
// 4 bytes per picture), the PSNRs (4 bytes), the classes (2 bytes), and a PNG of the chosen picture and its neighbours.
// The atlas with all pictures is fetched by its address. Pixels of pictures are enlarged by whole factors.

const STEP = 1.5; // of the zoom, by keys and buttons
const CLOSEST = 4000; // times as large as the whole map
const ROOM = 0.94; // of the stage that the whole map fills
const SIDE = 250; // pixels of the classes beside the map, with their gap
const NARROW = 640; // below this width the classes stand under the map
const THUMB = 32; // pixels of the smallest thumbnail, about
const FACTORS = [[3, 0.3], [2, 0.35], [1, 0.5]]; // how much larger they are, and which part of the map they may cover
const NEAR = 14; // pixels around a point in which it is pointed at
const CARD = 128; // pixels of a picture that is pointed at or chosen
const TILE = 64; // and of a neighbour
const PATIENCE = 3000; // milliseconds in which the page answers a choice
const OPAQUE = 215; // of 255: how opaque points are, so that those below are seen too

const codeMaps = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".code-map");
  if (!codeMaps.has(root)) codeMaps.set(root, new CodeMap(root));
  const map = codeMaps.get(root);
  map.tell = setStateValue;
  map.show(data);
  // A new run of the page calls this too, and the map stays where it is.
  return () => setTimeout(() => root.isConnected || map.close(), 1000);
}

class CodeMap {
  constructor(root) {
    this.root = root;
    this.stage = root.querySelector(".stage");
    this.over = root.querySelector(".over");
    this.card = root.querySelector(".card");
    this.near = root.querySelector(".near");
    this.number = 0;
    this.zoom = 1;
    this.hidden = new Set(); // classes
    this.chosen = this.pointed = null; // pictures
    this.lasso = new Set(); // pictures
    this.line = null; // of the lasso while it is drawn
    this.fingers = new Map();
    const buttons = {
      out: () => this.scale(1 / STEP), in: () => this.scale(STEP), fit: () => this.fit(),
      sample: () => this.sampling(!this.isSampling), lasso: () => this.lassoing(!this.isLassoing), clear: () => this.enclose([]),
      all: () => this.hide([]), none: () => this.hide(this.header.classes.keys()),
    };
    root.querySelectorAll("[data-do]").forEach((button) => button.addEventListener("click", buttons[button.dataset.do]));
    this.stage.addEventListener("keydown", (event) => this.key(event));
    this.stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.stage.addEventListener("pointerdown", (event) => this.down(event));
    this.stage.addEventListener("pointermove", (event) => this.move(event));
    this.stage.addEventListener("pointerup", (event) => this.up(event));
    this.stage.addEventListener("pointercancel", (event) => this.up(event));
    this.stage.addEventListener("pointerleave", () => this.point(null));
    new ResizeObserver(() => this.header && this.root.clientWidth !== this.width && this.build()).observe(root);
  }

  async show(bytes) {
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    // While this module is loaded for the first time, Streamlit may pass on older data after newer.
    if (header.number < this.number) return;
    this.number = header.number;
    const before = this.header;
    const rest = bytes.slice(4 + length); // a copy, so that its numbers begin at a multiple of their size
    const { count } = header;
    this.places = new Float32Array(rest.buffer, 0, 2 * count);
    this.psnr = new Float32Array(rest.buffer, 8 * count, count);
    this.labels = new Uint16Array(rest.buffer, 12 * count, count);
    const strip = rest.subarray(14 * count);
    this.header = header;
    if (before?.map !== header.map) this.place();
    if (JSON.stringify(before?.classes) !== JSON.stringify(header.classes)) {
      this.hidden.clear();
      this.pointed = null;
      this.legend();
    }
    this.follow(before);
    this.build();
    this.root.classList.remove("waiting");
    this.strip = header.near && (await picture(new Blob([strip], { type: "image/png" })));
    if (header.number !== this.number) return; // newer data has arrived meanwhile
    this.neighbours();
    await this.fetch(header);
    if (header.number === this.number) this.root.dataset.drawn = header.number; // lets tests wait for the pictures
  }

  // What was chosen here stays, unless the page says something new.
  follow(before) {
    const { chosen, lasso, map } = this.header;
    // An answer to an earlier choice may come after a later one.
    const isLate = this.asked && this.asked.picture !== chosen && performance.now() - this.asked.time < PATIENCE;
    if (!isLate) this.asked = null;
    if ((!before || before.chosen !== chosen) && !isLate) {
      const isNews = this.chosen !== chosen;
      this.chosen = chosen;
      if (chosen !== null && isNews) this.reveal(chosen);
    }
    if (!before || before.lasso.join() !== lasso.join() || before.map.split(" ")[1] !== map.split(" ")[1]) {
      this.lasso = new Set(lasso);
    }
  }

  // The atlas, once per data set. Points are drawn until it is there.
  async fetch({ atlas }) {
    if (this.address === atlas) return;
    this.address = atlas;
    this.bitmap = null;
    try {
      const response = await fetch((window.__streamlit?.BACKEND_BASE_URL ?? "") + atlas);
      const bitmap = await picture(await response.blob());
      if (this.address !== atlas) return;
      this.bitmap = bitmap;
      this.drawing.setAtlas(bitmap, this.header);
    } catch {
      this.address = null; // the page has moved on, and with it the server
    }
    this.draw();
  }

  // ---- how large everything is

  build() {
    this.width = this.root.clientWidth;
    const isNarrow = this.width < NARROW;
    this.root.classList.toggle("narrow", isNarrow);
    const across = Math.floor(isNarrow ? this.width : this.width - SIDE);
    const down = Math.round(Math.min(Math.max(innerHeight - 330, 300), isNarrow ? across : across * 0.62));
    this.size = [across, down];
    Object.assign(this.stage.style, { width: `${across}px`, height: `${down}px` });
    this.ready();
    for (const canvas of [this.drawing.canvas, this.over]) {
      const sides = this.size.map((side) => Math.round(side * devicePixelRatio));
      // Setting a size clears a canvas, even if it is the same.
      if (canvas.width !== sides[0] || canvas.height !== sides[1]) [canvas.width, canvas.height] = sides;
      Object.assign(canvas.style, { width: `${across}px`, height: `${down}px` });
    }
    const { about, axes } = this.header;
    this.root.querySelector(".about").textContent = about;
    this.root.querySelector(".axis.across").textContent = axes[0] ? `${axes[0]} →` : "";
    this.root.querySelector(".axis.up").textContent = axes[1] ? `↑ ${axes[1]}` : "";
    this.stage.setAttribute("aria-label", `Map. ${about}. Plus and minus zoom, 0 shows all, the arrow keys ` +
      "move it; with Shift they go from picture to picture, and Enter chooses the one they are at.");
    this.align();
    this.draw();
  }

  // What draws, made again where the browser has taken its graphics away.
  ready() {
    if (!this.drawing) this.begin();
    if (this.drawn !== this.places) {
      this.drawn = this.places;
      const rounds = this.header.colors.length;
      const shapes = Float32Array.from(this.labels, (label) => Math.floor(label / rounds) % SHAPES);
      this.drawing.setPlaces(this.places, shapes);
    }
    this.color();
  }

  begin() {
    const { columns, tile, count } = this.header;
    const largest = Math.max(columns * tile[0], Math.ceil(count / columns) * tile[1]);
    const canvas = this.root.querySelector(".points");
    const drawing = GraphicsDrawing.on(canvas, largest);
    if (!drawing) return this.plainly();
    this.draws(drawing);
    canvas.addEventListener("webglcontextlost", () => {
      if (!this.root.isConnected) return;
      this.plainly();
      this.build();
    });
  }

  // A canvas that had graphics can have nothing else: another one takes its place.
  plainly() {
    const canvas = this.root.querySelector(".points");
    const other = canvas.cloneNode();
    canvas.replaceWith(other);
    this.draws(new PlainDrawing(other));
  }

  draws(drawing) {
    this.drawing = drawing;
    this.drawn = null;
    this.root.dataset.drawing = drawing.kind; // for tests
    if (this.bitmap) drawing.setAtlas(this.bitmap, this.header);
  }

  close() {
    this.drawing?.close();
    this.bitmap?.close();
    codeMaps.delete(this.root);
  }

  // Onto whole pixels of the page: at a fraction of a pixel the browser would blur the edges of the pictures.
  align() {
    this.stage.style.margin = "0";
    const { left, top } = this.stage.getBoundingClientRect();
    this.stage.style.margin = `${Math.ceil(top) - top}px 0 0 ${Math.ceil(left) - left}px`;
  }

  // The whole map, from its lowest to its highest place.
  place() {
    const bounds = [[Infinity, -Infinity], [Infinity, -Infinity]];
    this.places.forEach((number, place) => {
      const bound = bounds[place % 2];
      if (number < bound[0]) bound[0] = number;
      if (number > bound[1]) bound[1] = number;
    });
    this.spans = bounds.map(([low, high]) => high - low || 1);
    this.middle = bounds.map(([low, high]) => (low + high) / 2);
    this.zoom = 1;
    [this.x, this.y] = this.middle;
  }

  // ---- the view

  // Pixels of the page per unit of the plane, equal along both axes.
  get unit() {
    return this.zoom * ROOM * Math.min(this.size[0] / this.spans[0], this.size[1] / this.spans[1]);
  }

  // From the plane to pixels of a canvas: a factor, and where (0, 0) lies.
  get map() {
    const scale = this.unit * devicePixelRatio;
    const [width, height] = [this.over.width, this.over.height];
    return { scale, left: width / 2 - this.x * scale, top: height / 2 + this.y * scale, width, height };
  }

  fit() {
    this.zoom = 1;
    [this.x, this.y] = this.middle;
    this.draw();
  }

  // `from`: what stays where it is, in pixels of the page from the middle.
  scale(factor, [right, down] = [0, 0]) {
    const before = this.unit;
    this.zoom = Math.min(Math.max(this.zoom * factor, 1), CLOSEST);
    this.x += right / before - right / this.unit;
    this.y -= down / before - down / this.unit;
    this.shift(0, 0);
  }

  // Not so far that nothing is left to see.
  shift(right, down) {
    const within = (number, axis) =>
      Math.min(Math.max(number, this.middle[axis] - this.spans[axis] / 2), this.middle[axis] + this.spans[axis] / 2);
    this.x = within(this.x + right / this.unit, 0);
    this.y = within(this.y - down / this.unit, 1);
    if (this.zoom === 1) [this.x, this.y] = this.middle;
    this.draw();
  }

  reveal(index) {
    if (!this.size || this.isInView(index)) return;
    [this.x, this.y] = [this.places[2 * index], this.places[2 * index + 1]];
    this.draw();
  }

  isInView(index, margin = 0) {
    const [x, y] = this.at(index);
    return x >= -margin && y >= -margin && x <= this.size[0] + margin && y <= this.size[1] + margin;
  }

  // Where a picture lies, in pixels of the page.
  at(index) {
    const { unit } = this;
    return [
      this.size[0] / 2 + (this.places[2 * index] - this.x) * unit,
      this.size[1] / 2 - (this.places[2 * index + 1] - this.y) * unit,
    ];
  }

  // ---- pixels

  draw() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      if (this.header && this.root.isConnected) this.paint();
    });
  }

  paint() {
    this.root.classList.toggle("zoomed", this.zoom > 1);
    this.root.querySelector(".zoom").textContent = `${this.zoom.toFixed(this.zoom < 10 ? 1 : 0)}×`;
    const { thumbs, side, isSample } = this.thumbs();
    const { scale, left, top } = this.map;
    const spread = this.header.count > 3000 ? 3.2 : 5;
    this.frame = {
      scale, left, top, thumbs, side, isSample, points: !thumbs.length || isSample,
      size: Math.round(devicePixelRatio * Math.min(spread + 1.2 * Math.log2(this.zoom), 10)),
      corner: (index, width, height) => [
        Math.round(left + this.places[2 * index] * scale - width / 2),
        Math.round(top - this.places[2 * index + 1] * scale - height / 2),
      ],
    };
    this.drawing.draw(this.frame);
    this.mark();
    this.root.dataset.view = [this.zoom, this.x, this.y].map((number) => number.toPrecision(6)).join(" "); // for tests
    this.root.dataset.thumbs = thumbs.length;
  }

  // The pictures in view, where they fit without covering each other much, and how wide they are drawn. Where they do
  // not and a sample is wanted, as many as fit.
  thumbs() {
    const none = { thumbs: [], side: 0 };
    if (!this.bitmap) return none;
    const [across, down] = this.header.tile;
    const least = Math.max(1, Math.round((THUMB * devicePixelRatio) / across));
    const inView = [];
    const { scale, left, top, width, height } = this.map;
    const margin = least * Math.max(across, down);
    for (let index = 0; index < this.header.count; index++) {
      if (!this.isShown(index)) continue;
      const [x, y] = [left + this.places[2 * index] * scale, top - this.places[2 * index + 1] * scale];
      if (x > -margin && y > -margin && x < width + margin && y < height + margin) inView.push(index);
    }
    for (const [factor, most] of FACTORS) {
      const share = (inView.length * across * down * (factor * least) ** 2) / (width * height);
      if (share <= most) return { thumbs: inView, side: factor * least * across };
    }
    const [wide, high] = [least * across, least * down];
    return this.isSampling ? { thumbs: this.apart(inView, scale, wide + 5, high + 5), side: wide, isSample: true } : none;
  }

  // As many of the pictures as lie apart by so much; at one zoom they stay the same wherever the map is moved.
  apart(pictures, scale, wide, high) {
    const taken = new Map(); // by the cell of a grid, of which each holds one at most
    const cell = (column, row) => column * 1e6 + row;
    return pictures.filter((index) => {
      const [x, y] = [this.places[2 * index] * scale, this.places[2 * index + 1] * scale];
      const [column, row] = [Math.floor(x / wide), Math.floor(y / high)];
      for (let beside = -1; beside <= 1; beside++)
        for (let below = -1; below <= 1; below++) {
          const other = taken.get(cell(column + beside, row + below));
          if (other && Math.abs(other[0] - x) < wide && Math.abs(other[1] - y) < high) return false;
        }
      taken.set(cell(column, row), [x, y]);
      return true;
    });
  }

  color() {
    const { count, colors } = this.header;
    const values = colors.map((color) => [1, 3, 5].map((place) => parseInt(color.slice(place, place + 2), 16)));
    const filled = new Uint8Array(4 * count);
    for (let index = 0; index < count; index++) {
      if (!this.isShown(index)) continue;
      const opacity = !this.lasso.size ? OPAQUE : this.lasso.has(index) ? 255 : FAINT;
      filled.set([...values[this.labels[index] % colors.length], opacity], 4 * index);
    }
    this.drawing.setColors(filled);
    this.root.querySelector('[data-do="clear"]').classList.toggle("unused", !this.lasso.size);
  }

  // What lies above the pictures: lines to the nearest codes, the chosen and the pointed one, and the lasso.
  mark() {
    const context = this.over.getContext("2d");
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, ...this.size);
    const text = getComputedStyle(this.root).color;
    const isCurrent = this.header.near && this.header.chosen === this.chosen;
    context.strokeStyle = text;
    context.lineWidth = 1;
    context.globalAlpha = 0.6;
    if (isCurrent)
      for (const other of this.header.near[0].pictures) {
        context.beginPath();
        context.moveTo(...this.at(this.chosen));
        context.lineTo(...this.at(other));
        context.stroke();
      }
    context.globalAlpha = 1;
    if (this.chosen !== null) this.ring(context, this.chosen, text, 3);
    if (this.pointed !== null && this.pointed !== this.chosen) this.ring(context, this.pointed, text, 1.5);
    if (this.line) {
      context.beginPath();
      for (const [x, y] of this.line) context.lineTo(x, y);
      context.closePath();
      // Dashes on a ground of their own, so that they are seen on pictures too.
      context.lineWidth = 3;
      context.strokeStyle = getComputedStyle(this.stage).backgroundColor;
      context.stroke();
      context.setLineDash([5, 4]);
      context.lineWidth = 1.5;
      context.strokeStyle = text;
      context.stroke();
      context.setLineDash([]);
    }
  }

  ring(context, index, color, wide) {
    const [x, y] = this.at(index);
    const { side } = this.frame;
    const isThumb = this.frame.thumbs.includes(index);
    const ground = getComputedStyle(this.stage).backgroundColor;
    for (const [style, width] of [[ground, wide + 2], [color, wide]]) {
      context.strokeStyle = style;
      context.lineWidth = width;
      context.beginPath();
      if (isThumb) {
        const across = side / devicePixelRatio + 6;
        const down = (across * this.header.tile[1]) / this.header.tile[0];
        context.rect(x - across / 2, y - down / 2, across, down);
      } else context.arc(x, y, 8, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  // ---- what is pointed at

  point(index, isKey = false) {
    if (index === this.pointed) return;
    this.pointed = index;
    this.draw();
    this.card.hidden = index === null;
    if (index === null) return;
    const [canvas, about] = this.card.children;
    const { tile, columns } = this.header;
    const factor = Math.max(1, Math.round((this.width < NARROW ? CARD * 0.6 : CARD) / tile[0]));
    size(canvas, tile, factor);
    if (this.bitmap) {
      const spot = [(index % columns) * tile[0], Math.floor(index / columns) * tile[1]];
      canvas.getContext("2d").drawImage(this.bitmap, ...spot, ...tile, 0, 0, ...tile);
    }
    const name = this.name(index);
    about.replaceChildren(element("b", "", name), element("div", "", this.facts(index)));
    const [x, y] = this.at(index);
    const [across, down] = [this.card.offsetWidth, this.card.offsetHeight];
    const room = (this.frame?.thumbs.includes(index) ? this.frame.side : 0) / devicePixelRatio / 2 + 14;
    const beside = x + room + across < this.size[0] ? x + room : Math.max(0, x - room - across);
    Object.assign(this.card.style, {
      left: `${beside}px`, top: `${Math.min(Math.max(0, y - down / 2), Math.max(0, this.size[1] - down))}px`,
    });
    if (isKey) this.say(`${name}, ${this.facts(index)}`);
  }

  name(index) {
    return this.header.classes[this.labels[index]] ?? "";
  }

  facts(index) {
    const decibels = this.psnr[index];
    const error = Number.isNaN(decibels) ? "" : Number.isFinite(decibels) ? `, ${decibels.toFixed(1)} dB` : ", no error";
    return `picture ${index}${error}`;
  }

  say(text) {
    this.root.querySelector(".said").textContent = text;
  }

  // The visible picture at a place of the page: the topmost thumbnail there, or the nearest point.
  under([x, y]) {
    const { thumbs, side, points } = this.frame;
    const half = side / devicePixelRatio / 2;
    const down = (half * this.header.tile[1]) / this.header.tile[0];
    const topmost = thumbs.findLast((index) => {
      const [left, top] = this.at(index);
      return Math.abs(x - left) <= half && Math.abs(y - top) <= down;
    });
    if (topmost !== undefined || !points) return topmost ?? null;
    return this.best((right, down) => {
      const far = Math.hypot(right - x, down - y);
      return far <= NEAR ? far : Infinity;
    });
  }

  // The visible picture with the least cost of its place; null where every cost is infinite.
  best(cost) {
    let [least, best] = [Infinity, null];
    for (let index = 0; index < this.header.count; index++) {
      if (!this.isShown(index)) continue;
      const here = cost(...this.at(index), index);
      if (here < least) [least, best] = [here, index];
    }
    return best;
  }

  // ---- what is chosen

  choose(index) {
    if (index === this.chosen) return;
    this.chosen = index;
    this.asked = { picture: index, time: performance.now() };
    this.root.classList.add("waiting");
    this.tell("chosen", { picture: index ?? -1, time: Date.now() });
    this.say(index === null ? "" : `Chosen: ${this.name(index)}, ${this.facts(index)}`);
    this.draw();
  }

  enclose(pictures) {
    this.lasso = new Set(pictures);
    this.color();
    this.draw();
    this.tell("lasso", { pictures, time: Date.now() });
    this.say(pictures.length ? `${pictures.length} in the lasso` : "");
  }

  hide(classes) {
    this.hidden = new Set(classes);
    this.root.querySelectorAll(".legend button").forEach((button, label) => button.setAttribute("aria-pressed", !this.hidden.has(label)));
    this.point(null);
    this.color();
    this.draw();
  }

  legend() {
    const { classes, colors } = this.header;
    this.root.querySelector(".legend").replaceChildren(...classes.map((name, label) => {
      const button = element("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      const mark = button.appendChild(element("canvas"));
      size(mark, [13, 13], 1, devicePixelRatio);
      const context = mark.getContext("2d");
      context.fillStyle = context.strokeStyle = colors[label % colors.length];
      drawMark(context, Math.floor(label / colors.length) % SHAPES, mark.width / 2, mark.width / 2, 10 * devicePixelRatio);
      button.append(name);
      button.addEventListener("click", () => {
        const hidden = new Set(this.hidden);
        if (!hidden.delete(label)) hidden.add(label);
        this.hide(hidden);
      });
      return button;
    }));
  }

  neighbours() {
    const { near, chosen, picture } = this.header;
    this.near.hidden = !near;
    if (!near) return;
    const factor = (side) => Math.max(1, Math.round(side / picture[0]));
    const own = element("div");
    own.append(element("h4", "", "Chosen"), this.tile(chosen, 0, factor(CARD), this.facts(chosen), "div"));
    const spaces = element("div", "spaces");
    let spot = 1;
    for (const { title, sentence, pictures, distances } of near) {
      const heading = element("h4", "", title);
      heading.append(element("span", "", sentence && ` · ${sentence}`));
      const row = element("div", "row");
      row.append(...pictures.map((index, place) => this.tile(index, spot++, factor(TILE), distances[place])));
      const space = spaces.appendChild(element("div"));
      space.append(heading, row);
    }
    this.near.replaceChildren(own, spaces);
  }

  // A picture of the strip with its class, and something about it; to be chosen unless it is.
  tile(index, spot, factor, about, tag = "button") {
    const { chosen, picture, classes } = this.header;
    const tile = element(tag, "tile");
    tile.classList.toggle("alike", tag === "button" && classes.length > 1 && this.labels[index] === this.labels[chosen]);
    const canvas = tile.appendChild(element("canvas"));
    size(canvas, picture, factor);
    canvas.getContext("2d").drawImage(this.strip, spot * picture[0], 0, ...picture, 0, 0, ...picture);
    tile.append(element("b", "", this.name(index)), element("span", "", about));
    if (tag !== "button") return tile;
    tile.type = "button";
    tile.title = `picture ${index}`;
    tile.setAttribute("aria-label", `${this.name(index)}, picture ${index}, distance ${about}: choose it`);
    tile.addEventListener("click", () => {
      this.reveal(index);
      this.choose(index);
    });
    tile.addEventListener("pointerenter", () => this.point(this.isInView(index) ? index : null));
    tile.addEventListener("pointerleave", () => this.point(null));
    return tile;
  }

  // ---- by hand

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return; // the browser's own shortcuts
    const step = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (step && event.shiftKey) this.next(step);
    else if (step) this.shift(...step.map((sign, axis) => (sign * this.size[axis]) / 8));
    else if (event.key === "+" || event.key === "=") this.scale(STEP);
    else if (event.key === "-") this.scale(1 / STEP);
    else if (event.key === "0") this.fit();
    else if (event.key === "Enter" && this.pointed !== null) this.choose(this.pointed);
    else if (event.key === "Escape" && this.line) this.line = null;
    else return;
    this.draw();
    event.preventDefault();
  }

  // The next picture in a direction: near, and not far off it.
  next([right, down]) {
    const from = this.pointed ?? this.chosen;
    const [x, y] = from === null ? this.size.map((side) => side / 2) : this.at(from);
    const index = this.best((left, top, other) => {
      const along = (left - x) * right + (top - y) * down;
      const aside = Math.abs((left - x) * down) + Math.abs((top - y) * right);
      if (from === null) return Math.hypot(left - x, top - y);
      return other !== from && along > 0 && along >= aside ? along + 2 * aside : Infinity;
    });
    if (index === null) return;
    this.reveal(index);
    this.point(index, true);
  }

  wheel(event) {
    // At the whole map the wheel moves the page on.
    if (event.deltaY > 0 && this.zoom === 1) return;
    event.preventDefault();
    this.scale(2 ** (-event.deltaY / 300), this.from(event));
  }

  // Where a pointer is on the stage, and from its middle.
  on(event) {
    const { left, top } = this.stage.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  from(event) {
    return this.on(event).map((number, axis) => number - this.size[axis] / 2);
  }

  sampling(isOn) {
    this.isSampling = isOn;
    this.root.querySelector('[data-do="sample"]').setAttribute("aria-pressed", isOn);
    this.draw();
  }

  lassoing(isOn) {
    this.isLassoing = isOn;
    this.root.classList.toggle("lassoing", isOn);
    this.root.querySelector('[data-do="lasso"]').setAttribute("aria-pressed", isOn);
  }

  down(event) {
    if (event.button) return;
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.stage.setPointerCapture(event.pointerId);
    this.moved = this.fingers.size > 1;
    this.line = (event.shiftKey || this.isLassoing) && !this.moved ? [this.on(event)] : null;
  }

  move(event) {
    const finger = this.fingers.get(event.pointerId);
    if (!finger) {
      if (event.pointerType === "mouse") this.point(this.under(this.on(event)));
      return;
    }
    const before = [...this.fingers.values()].map(({ x, y }) => [x, y]);
    const [right, down] = [event.clientX - finger.x, event.clientY - finger.y];
    if (!this.moved && Math.hypot(right, down) < 4) return;
    this.moved = true;
    this.point(null);
    [finger.x, finger.y] = [event.clientX, event.clientY];
    if (this.line) {
      this.line.push(this.on(event));
      return this.draw();
    }
    if (this.fingers.size === 1) return this.shift(-right, -down);
    const after = [...this.fingers.values()].map(({ x, y }) => [x, y]);
    const apart = ([one, other]) => Math.hypot(one[0] - other[0], one[1] - other[1]);
    const middle = { clientX: (after[0][0] + after[1][0]) / 2, clientY: (after[0][1] + after[1][1]) / 2 };
    this.scale(apart(after) / Math.max(apart(before), 1), this.from(middle));
    this.shift(-right / 2, -down / 2);
  }

  up(event) {
    if (!this.fingers.delete(event.pointerId)) return;
    const { line } = this;
    this.line = null;
    this.draw();
    if (event.type === "pointercancel") return;
    if (line && line.length > 2) {
      const inside = (index) => this.isShown(index) && encloses(line, this.at(index));
      this.enclose([...Array(this.header.count).keys()].filter(inside));
      this.lassoing(false);
    } else if (!this.moved) this.choose(this.under(this.on(event)));
  }

  isShown(index) {
    return !this.hidden.has(this.labels[index]);
  }
}

// Whether a polygon encloses a point: a line from there crosses it an odd number of times.
function encloses(polygon, [x, y]) {
  let isInside = false;
  polygon.forEach(([left, top], place) => {
    const [right, bottom] = polygon.at(place - 1);
    if (top > y !== bottom > y && x < left + ((right - left) * (y - top)) / (bottom - top)) isInside = !isInside;
  });
  return isInside;
}

// A canvas of so many pixels, each enlarged by a factor.
function size(canvas, [width, height], factor, density = 1) {
  canvas.width = Math.round(width * density);
  canvas.height = Math.round(height * density);
  Object.assign(canvas.style, { width: `${width * factor}px`, height: `${height * factor}px` });
}

function picture(blob) {
  return createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
}

function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
