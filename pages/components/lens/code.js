// Live code: two pictures, the code between them, and what the decoder makes of it while one changes it.
//
// Data arrives as bytes: the length of a JSON header (4 bytes, little endian), the header, then numbers of 32 bits (the
// codes of the pictures, the mean and spread of each unit, the directions), then the pixels of the pictures and of their
// reconstructions, one byte per value.

import { Engine } from "./engine.js";
import { displayed } from "./colours.js";
import { mse, psnr, psnrText } from "./metrics.js";

const CODE_WIDTH = 420; // pixels of the page that the code gets, where there is room
const PICTURE_SIDE = 160; // pixels of a side of a picture
const THUMB = 40; // pixels of a side of a picture that can be chosen
const REACH = 4; // spreads by which a unit can be moved either way
const MAP_GAP = 2; // pixels between the maps of two channels
const AGREE = 1; // of 255: rounding may differ by one

export class LiveCode {
  constructor(root) {
    this.root = root;
    root.innerHTML = `
      <div class="thumbs" role="radiogroup" aria-label="Picture A"></div>
      <div class="thumbs" role="radiogroup" aria-label="Picture B"></div>
      <label class="between"><span>from A to B</span><input type="range" min="0" max="1" step="0.01" value="0"><output></output></label>
      <div class="bench">
        <figure><canvas class="original" role="img"></canvas><figcaption class="from"></figcaption></figure>
        <figure><canvas class="code" tabindex="0" role="application"></canvas><figcaption class="legend"></figcaption></figure>
        <figure><canvas class="decoded" role="img"></canvas><figcaption class="result"></figcaption></figure>
        <div class="controls">
          <label><span class="unit"></span><input class="amount" type="range" min="${-REACH}" max="${REACH}" step="0.05" value="0"><output></output></label>
          <div class="row"><button type="button" class="zero" aria-pressed="false">Set to zero</button><a class="more" target="_blank">More about it</a></div>
          <label><select class="direction" aria-label="Direction"></select><input class="along" type="range" min="${-REACH}" max="${REACH}" step="0.05" value="0"><output></output></label>
          <div class="row"><button type="button" class="reset">Reset all</button></div>
          <div class="changed" role="status"></div>
        </div>
      </div>
      <div class="said" role="status"></div>`;
    this.number = 0;
    const part = (mark) => root.querySelector(mark);
    [this.between, this.amount, this.direction, this.along] = [part(".between input"), part(".amount"), part(".direction"), part(".along")];
    this.between.addEventListener("input", () => this.change(() => (this.share = Number(this.between.value))));
    this.amount.addEventListener("input", () => this.change(() => this.move(Number(this.amount.value))));
    this.along.addEventListener("input", () => this.change(() => (this.steps[this.direction.value] = Number(this.along.value))));
    this.direction.addEventListener("change", () => this.change(() => {}));
    part(".zero").addEventListener("click", () => this.change(() => this.zero()));
    part(".reset").addEventListener("click", () => this.change(() => this.reset()));
    this.map = part("canvas.code");
    this.map.addEventListener("click", (event) => this.pick(this.under(event)));
    this.map.addEventListener("pointermove", (event) => (this.map.title = this.words(this.under(event))));
    this.map.addEventListener("keydown", (event) => this.press(event));
    new ResizeObserver(() => this.header && root.clientWidth !== this.width && this.draw()).observe(root);
  }

  show(bytes) {
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    if (header.number <= this.number) return; // the same, or older data that arrives late
    this.number = header.number;
    const before = this.header;
    this.header = header;
    const { shape, units, positions, rows, directions } = header;
    const body = bytes.slice(4 + length).buffer;
    let at = 0;
    const take = (Kind, count) => {
      const taken = new Kind(body, at, count);
      at += taken.byteLength;
      return taken;
    };
    this.codes = rows.map(() => take(Float32Array, units * positions));
    [this.mean, this.spread] = [take(Float32Array, units), take(Float32Array, units)];
    this.axes = directions.map(() => take(Float32Array, units));
    const one = shape[0] * shape[1] * shape[2];
    this.pictures = rows.map(() => take(Uint8Array, one));
    this.reconstructions = rows.map(() => take(Uint8Array, one));
    this.root.querySelector(".said").textContent = header.missing;
    if (before?.key !== header.key) [this.unit, this.a, this.b] = [header.first, 0, Math.min(1, rows.length - 1)];
    this.reset();
    this.direction.replaceChildren(...directions.map(({ share }, place) => new Option(`Direction ${place + 1} (${share})`, place)));
    this.thumbs();
    this.ready = false;
    delete this.root.dataset.live;
    this.root.querySelector(".result").textContent = "reconstruction";
    this.draw();
    if (header.runtime) this.prepare(header);
    this.root.dataset.drawn = header.number; // lets tests wait
  }

  reset() {
    [this.share, this.moved, this.zeroed, this.steps] = [0, new Map(), new Set(), this.axes.map(() => 0)];
  }

  async prepare(header) {
    try {
      this.engine = Engine.of(header.runtime, WORKER_SOURCE);
      await this.engine.start(this.root);
      await this.check(header).catch(async (error) => {
        if (!(await this.engine.retreat())) throw error;
        await this.check(header);
      });
      if (header !== this.header) return;
    } catch (error) {
      if (header !== this.header) return;
      this.root.querySelector(".said").textContent = `The code cannot be changed here: ${error.message}.`;
      this.root.dataset.live = "off";
      return;
    }
    this.ready = true;
    this.root.dataset.live = "ready";
    this.draw();
  }

  /** Load the decoder; its first picture must be the server's. */
  async check(header) {
    await this.engine.load(header.decoder, this.engine.workers.slice(0, 1));
    if (header !== this.header) return;
    const own = displayed(await this.decode(this.codes[0]));
    const apart = own.reduce((most, value, place) => Math.max(most, Math.abs(value - this.reconstructions[0][place])), 0);
    if (!(apart <= AGREE)) throw new Error(`the decoder gives another picture here than on the server, by up to ${apart} of 255`);
  }

  decode(code) {
    return this.engine.run(this.header.decoder, code, [1, ...this.header.code]);
  }

  change(make) {
    make();
    this.draw();
  }

  /** The code as it is now: between the two pictures, moved along the directions and unit by unit, then zeroed. */
  get code() {
    const { units, positions } = this.header;
    const [from, to] = [this.codes[this.a], this.codes[this.b]];
    const code = new Float32Array(from.length);
    for (let unit = 0; unit < units; unit++) {
      let step = (this.moved.get(unit) ?? 0) * this.spread[unit];
      this.steps.forEach((along, place) => (step += along * this.header.directions[place].deviation * this.axes[place][unit]));
      for (let place = unit * positions; place < (unit + 1) * positions; place++)
        code[place] = this.zeroed.has(unit) ? 0 : from[place] + this.share * (to[place] - from[place]) + step;
    }
    return code;
  }

  move(amount) {
    if (amount) this.moved.set(this.unit, amount);
    else this.moved.delete(this.unit);
  }

  zero() {
    this.moved.delete(this.unit);
    if (!this.zeroed.delete(this.unit)) this.zeroed.add(this.unit);
  }

  get isChanged() {
    return this.moved.size > 0 || this.zeroed.size > 0 || this.steps.some(Boolean);
  }

  // ---- what is seen

  draw() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      if (this.root.isConnected) this.paint();
    });
  }

  async paint() {
    this.width = this.root.clientWidth;
    const code = this.code;
    this.say();
    this.paintCode(code);
    const { rows } = this.header;
    const [letter, row] = this.share < 0.5 ? ["A", this.a] : ["B", this.b];
    this.paintPicture(".original", this.pictures[row], `original, ${rows[row]}`);
    this.root.querySelector(".from").textContent = `original ${letter}`;
    if (!this.ready) return this.paintPicture(".decoded", this.reconstructions[this.a], `reconstruction of ${rows[this.a]}`);
    if (this.busy) return void (this.again = true);
    this.busy = true;
    try {
      const { header } = this;
      const values = await this.decode(code);
      if (header !== this.header) return this.draw(); // of another code
      this.paintPicture(".decoded", displayed(values), "what the decoder makes of this code");
      const clean = Float32Array.from(this.pictures[row], (byte) => byte / 255);
      const score = `decoded, ${psnrText(psnr(mse(values, clean)), 2)}`;
      this.root.querySelector(".result").textContent = this.share % 1 ? "decoded, between A and B" : score;
      this.root.dataset.frame = (Number(this.root.dataset.frame) || 0) + 1; // for tests
    } catch (error) {
      this.ready = false;
      this.root.querySelector(".said").textContent = `The code cannot be changed any more: ${error.message}.`;
    } finally {
      this.busy = false;
    }
    if (this.again) {
      this.again = false;
      this.draw();
    }
  }

  paintPicture(mark, pixels, words) {
    const [channels, height, width] = this.header.shape;
    const canvas = this.root.querySelector(mark);
    canvas.setAttribute("aria-label", words);
    paintPixels(canvas, pixels, channels, height, width);
    const scale = Math.max(1, Math.floor((PICTURE_SIDE * devicePixelRatio) / Math.max(width, height))) / devicePixelRatio;
    [canvas.style.width, canvas.style.height] = [`${width * scale}px`, `${height * scale}px`];
  }

  // One map per channel, or one square per unit of a flat code.
  paintCode(code) {
    const { units, map: [down, across], table, low, high, isFlat } = this.header;
    const room = Math.min(CODE_WIDTH, this.width - 8);
    this.columns = Math.min(units, Math.ceil(Math.sqrt(units * 1.6)));
    const gap = units > 256 ? 0 : MAP_GAP;
    const factor = Math.max(1, Math.floor(((room / this.columns - gap) * devicePixelRatio) / across));
    this.cell = [across * factor + gap * devicePixelRatio, down * factor + gap * devicePixelRatio].map(Math.round);
    const canvas = this.map;
    [canvas.width, canvas.height] = [this.columns * this.cell[0], Math.ceil(units / this.columns) * this.cell[1]];
    [canvas.style.width, canvas.style.height] = [canvas.width, canvas.height].map((side) => `${side / devicePixelRatio}px`);
    const context = canvas.getContext("2d");
    for (let unit = 0; unit < units; unit++)
      for (let place = 0; place < down * across; place++) {
        const number = code[unit * down * across + place];
        // The units of a flat code have nothing in common but the picture: to each its own scale.
        const value = isFlat ? (number - this.mean[unit]) / (this.spread[unit] || 1) : number;
        const tone = Math.round(255 * Math.min(Math.max((value - low) / (high - low), 0), 1));
        context.fillStyle = `rgb(${table.slice(3 * tone, 3 * tone + 3)})`;
        const [left, top] = this.corner(unit);
        context.fillRect(left + (place % across) * factor, top + Math.floor(place / across) * factor, factor, factor);
      }
    for (const unit of this.zeroed) this.cross(context, unit, factor, down, across);
    const [left, top] = this.corner(this.unit);
    for (const [color, margin] of [["#fff", 1], [getComputedStyle(this.root).getPropertyValue("--st-primary-color") || "#0072b2", 0]]) {
      context.strokeStyle = color;
      context.lineWidth = 2;
      context.strokeRect(left + margin, top + margin, across * factor - 2 * margin, down * factor - 2 * margin);
    }
    canvas.setAttribute("aria-label", `The code: ${units} units. The arrow keys choose one. Chosen: ${this.words(this.unit)}`);
  }

  cross(context, unit, factor, down, across) {
    const [left, top] = this.corner(unit);
    context.strokeStyle = "#fff";
    context.beginPath();
    context.moveTo(left, top);
    context.lineTo(left + across * factor, top + down * factor);
    context.stroke();
  }

  corner(unit) {
    return [(unit % this.columns) * this.cell[0], Math.floor(unit / this.columns) * this.cell[1]];
  }

  say() {
    const { unitName, kind, isFlat } = this.header;
    const amount = this.moved.get(this.unit) ?? 0;
    const texts = {
      ".unit": `${unitName} ${this.unit}`,
      ".legend": `${kind}; brighter is larger${isFlat ? ", in deviations of each unit" : ""}`,
      ".changed": this.isChanged ? `Changed: ${this.summary()}` : "",
    };
    for (const [mark, text] of Object.entries(texts)) this.root.querySelector(mark).textContent = text;
    const signed = (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(2)} σ`;
    this.amount.value = amount;
    this.amount.nextElementSibling.textContent = signed(amount);
    this.along.value = this.steps[this.direction.value] ?? 0;
    this.along.nextElementSibling.textContent = signed(Number(this.along.value));
    this.between.value = this.share;
    this.between.nextElementSibling.textContent = this.share.toFixed(2);
    const zero = this.root.querySelector(".zero");
    zero.setAttribute("aria-pressed", this.zeroed.has(this.unit));
    this.amount.disabled = this.zeroed.has(this.unit);
    const more = this.root.querySelector(".more");
    more.href = `${window.__streamlit?.BACKEND_BASE_URL ?? ""}${this.header.page}${this.unit}`;
    for (const input of this.root.querySelectorAll("input, .controls button, .controls select")) input.toggleAttribute("inert", !this.ready);
    this.root.classList.toggle("waiting", !this.ready);
    for (const [group, chosen] of [[0, this.a], [1, this.b]])
      this.root.querySelectorAll(".thumbs")[group].querySelectorAll("button").forEach((button, row) => {
        button.setAttribute("aria-checked", row === chosen);
        button.tabIndex = row === chosen ? 0 : -1;
      });
  }

  summary() {
    const along = this.steps.filter(Boolean).length;
    const parts = [
      this.moved.size && `${this.moved.size} moved`,
      this.zeroed.size && `${this.zeroed.size} set to zero`,
      along && `${along} direction${along > 1 ? "s" : ""}`,
    ];
    return parts.filter(Boolean).join(", ");
  }

  words(unit) {
    if (unit === null) return "";
    const { unitName, positions } = this.header;
    const own = this.code.subarray(unit * positions, (unit + 1) * positions);
    const value = own.reduce((sum, number) => sum + number, 0) / positions;
    return `${unitName} ${unit}: ${positions > 1 ? "mean " : ""}${value.toPrecision(3)}; over the test pictures ${this.mean[unit].toPrecision(3)} ± ${this.spread[unit].toPrecision(3)}`;
  }

  // ---- by hand

  thumbs() {
    const { rows, shape: [channels, height, width] } = this.header;
    this.root.querySelectorAll(".thumbs").forEach((place, group) => {
      const letter = document.createElement("b");
      letter.textContent = "AB"[group];
      place.replaceChildren(letter, ...this.pictures.map((pixels, row) => {
        const button = document.createElement("button");
        [button.type, button.title] = ["button", rows[row]];
        button.setAttribute("role", "radio");
        button.setAttribute("aria-label", rows[row]);
        const canvas = button.appendChild(document.createElement("canvas"));
        paintPixels(canvas, pixels, channels, height, width);
        canvas.style.width = canvas.style.height = `${THUMB}px`;
        button.addEventListener("click", () => this.change(() => (this["ab"[group]] = row)));
        return button;
      }));
      place.onkeydown = (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        const next = step && place.querySelectorAll("button")[this["ab"[group]] + step];
        if (!next) return;
        event.preventDefault();
        next.focus();
        next.click();
      };
    });
  }

  under(event) {
    const { left, top } = this.map.getBoundingClientRect();
    const [column, row] = [event.clientX - left, event.clientY - top].map((place, axis) => Math.floor((place * devicePixelRatio) / this.cell[axis]));
    const unit = row * this.columns + column;
    return column < this.columns && unit < this.header.units ? unit : null;
  }

  pick(unit) {
    if (unit !== null) this.change(() => (this.unit = unit));
  }

  press(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns }[event.key];
    if (!step) return;
    event.preventDefault();
    const unit = this.unit + step;
    if (unit >= 0 && unit < this.header.units) this.pick(unit);
  }
}

function paintPixels(canvas, pixels, channels, height, width) {
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const one = width * height;
  for (let place = 0; place < one; place++)
    for (let channel = 0; channel < 4; channel++)
      image.data[4 * place + channel] = channel === 3 ? 255 : pixels[(channels === 3 ? channel : 0) * one + place];
  context.putImageData(image, 0, 0);
}

const benches = new WeakMap();

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".live-code");
  if (!benches.has(root)) benches.set(root, new LiveCode(root));
  benches.get(root).show(data);
}
