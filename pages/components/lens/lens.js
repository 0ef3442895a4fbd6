// What every lens does, however its pictures are laid out: one view for all of them, wiping, blinking and differences,
// a pixel that is read in all of them, and all of that by pointer, finger and key.
//
// A layout (`sheet.js`, `panes.js`) extends `Lens`. It makes the `stages`: elements of a `size` in pixels of the page, each
// with a `picture` and the picture `against` which it is wiped or subtracted. A stage has a canvas of its own, or its
// place `at` which it begins on one that it shares, in pixels of the screen.

import { View, onScreen } from "./view.js";
import { copy, difference, frame, valuesAt, wipe } from "./painting.js";

const ZOOM_STEP = 1.5; // by keys and buttons
const GRIP = 14; // pixels around the divider in which it is taken
const BLINK = 600; // milliseconds that either picture is shown
const GAINS = [1, 2, 4, 8, 16, 32];
const TOLERANCES = [0, 1, 2, 4, 8, 16]; // of 255
const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
export const LENS_KEYS =
  "Plus and minus zoom, 0 shows all of a picture. Arrows with Ctrl move the view, with Shift the pixel that is read. " +
  "While O is held, every picture gives way to the one it is compared with.";

const TOOLS = `
  <div class="tools" role="toolbar" aria-label="View">
    <button type="button" data-do="out" aria-label="Zoom out">−</button>
    <output class="zoom"></output>
    <button type="button" data-do="in" aria-label="Zoom in">+</button>
    <button type="button" data-do="fit" aria-label="Show all of every picture">Fit</button>
    <button type="button" data-do="one" class="large-only" aria-label="One pixel of the picture per pixel of the page">1:1</button>
    <label class="compared"><span></span> <select class="against"></select></label>
    <output class="showing"></output>
    <label class="subtracted" title="by which differences are multiplied">gain <select class="gain"></select></label>
    <label class="subtracted" title="differences of at most so many of 255 are black">tolerance <select class="tolerance"></select></label>
    <input class="divider wiped" type="range" min="0" max="100" value="50" step="0.5"
      aria-label="How much of the picture that it is compared with is shown">
    <span class="about"></span>
  </div>`;
const PROBE = `
  <div class="probe">
    <div class="where"></div>
    <table><thead><tr><th></th><th>R</th><th>G</th><th>B</th><th title="mean difference from the original">Δ</th></tr></thead><tbody></tbody></table>
    <div class="hint"></div>
  </div>`;

export class Lens {
  constructor(root) {
    this.root = root;
    this.view = new View();
    this.stages = [];
    this.number = 0;
    this.pinned = this.hovered = null;
    this.share = 0.5; // of a canvas that is left of the divider
    this.chosen = { gain: 4, tolerance: 0 }; // by hand; `against` too
    this.fingers = new Map();
    this.build();
    const put = (mark, html) => root.querySelector(mark).insertAdjacentHTML("beforeend", html);
    put(".tools-place", TOOLS);
    put(".probe-place", PROBE);
    const buttons = { out: () => this.view.scale(1 / ZOOM_STEP), in: () => this.view.scale(ZOOM_STEP), fit: () => this.view.fit(), one: () => this.view.to(1) };
    root.querySelectorAll("[data-do]").forEach((button) => button.addEventListener("click", () => {
      buttons[button.dataset.do]();
      this.changed();
    }));
    for (const name of ["against", "gain", "tolerance"])
      root.querySelector(`.${name}`).addEventListener("change", (event) => {
        this.chosen[name] = name === "against" ? event.target.value : Number(event.target.value);
        this.relate();
        this.draw();
      });
    this.divider = root.querySelector(".divider");
    this.divider.addEventListener("input", () => {
      this.share = this.divider.value / 100;
      this.draw();
    });
    root.addEventListener("keydown", (event) => this.press(event));
    root.addEventListener("keyup", (event) => event.key.toLowerCase() === "o" && this.hold(false));
    root.addEventListener("focusout", () => this.hold(false));
    root.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    root.addEventListener("pointerdown", (event) => this.down(event));
    root.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) root.addEventListener(name, (event) => this.up(event));
    root.addEventListener("pointerleave", () => this.leave());
    new ResizeObserver(() => this.header && root.clientWidth !== this.width && this.arrange()).observe(root);
  }

  // ---- for the layouts to fill

  build() {} // the parts of the page that stay, with .tools-place and .probe-place
  arrange() {} // the canvases, when the pictures or the room for them have changed
  get row() {} // the pictures that are read together: [{ name, picture }], the first of them the original
  settle() {} // the view has changed
  pick() {} // a stage was clicked
  press(event) {
    if (this.keyed(event)) event.preventDefault();
  }

  // ---- what is compared, and how

  /** Offer what pictures can be compared with, and show the tools of this view. */
  tools(names, about = "") {
    const { gain, tolerance, against } = this.chosen;
    this.against = names.includes(against) ? against : names.includes("noisy") && this.header.view !== "Difference" ? "noisy" : names[0];
    options(this.root.querySelector(".against"), names, this.against);
    options(this.root.querySelector(".gain"), GAINS, gain, (value) => `${value}×`);
    options(this.root.querySelector(".tolerance"), TOLERANCES, tolerance, (value) => `±${value}`);
    write(this.root.querySelector(".about"), about);
    write(this.root.querySelector(".compared span"), this.header.view === "Wipe" ? "left" : "against");
    for (const name of ["Wipe", "Blink", "Difference"]) this.root.classList.toggle(name.toLowerCase(), this.header.view === name);
    this.blink(this.header.view === "Blink");
  }

  /** Begin to blink, or end it. New pictures do not disturb it: they come faster than it turns. */
  blink(blinks) {
    if (blinks && this.blinking) return;
    clearInterval(this.blinking);
    this.turned = false;
    // Who wants no motion turns the pictures by a key.
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.blinking = blinks && !isStill && setInterval(() => {
      if (!this.root.isConnected) return this.blink(false);
      this.turned = !this.turned;
      this.draw();
    }, BLINK);
  }

  /** Take the picture that each stage is compared with. */
  relate() {
    this.against = this.root.querySelector(".against").value;
  }

  hold(held) {
    if (this.held !== held) this.draw();
    this.held = held;
  }

  // ---- pixels

  changed() {
    this.draw();
    this.settle();
  }

  draw() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      if (this.header && this.root.isConnected) this.paint();
    });
  }

  paint() {
    const { view } = this.header;
    const { scale, x, y } = this.view.on(this.view.base);
    this.root.classList.toggle("zoomed", this.view.zoom !== null);
    write(this.root.querySelector(".zoom"), scale < 1 ? `${(100 * scale).toFixed(scale < 0.1 ? 1 : 0)}%` : `${+scale.toFixed(1)}×`);
    this.root.dataset.view = [scale, x, y].map((number) => number.toFixed(3)).join(" "); // for tests
    const isTurned = this.held || this.turned;
    write(this.root.querySelector(".showing"), isTurned ? `showing ${this.against}` : "");
    for (const { canvas, at, size, picture, against, isFixed } of this.stages) {
      const map = { ...this.view.map(size), at: at ?? [0, 0] };
      if (!at) resize(canvas, [map.across, map.down]);
      const context = canvas.getContext("2d", { willReadFrequently: true }); // else it would move to another process
      context.clearRect(...map.at, map.across, map.down);
      if (!picture) continue;
      const shape = this.view.picture;
      if (isTurned && !isFixed) copy(context, against, shape, map);
      else if (view === "Wipe") wipe(context, picture, against, this.share, shape, map);
      else if (view === "Difference") difference(context, picture, against, this.chosen.gain, this.chosen.tolerance, shape, map);
      else copy(context, picture, shape, map);
      if (this.probed) frame(context, this.probed, map);
    }
    this.divider.value = 100 * this.share;
    this.read();
  }

  get probed() {
    return this.hovered ?? this.pinned;
  }

  /** Show the values of every picture at the pixel that is read. */
  read() {
    const rows = this.row;
    const at = this.probed;
    const readings = rows.map(({ picture }) => (at && picture ? valuesAt(picture, at) : null));
    write(this.root.querySelector(".where"), at ? `Pixel ${at.join(", ")}` : "Pixel");
    const mean = readings.find((reading) => reading?.isMean);
    const factor = mean && rows[0].picture.layers[0].factor;
    write(this.root.querySelector(".hint"), !at ? "Point at a picture, or tap it." : mean ? `Mean of ${factor}×${factor} pixels.` : "");
    const original = readings[0]?.values;
    const body = this.root.querySelector("tbody");
    while (body.rows.length > rows.length) body.deleteRow(-1);
    rows.forEach(({ name }, place) => {
      const line = body.rows[place] ?? body.appendChild(probeRow());
      const values = readings[place]?.values;
      line.querySelector("i").style.background = values ? `rgb(${values.join(",")})` : "transparent";
      write(line.querySelector("b"), name);
      line.cells[0].title = name;
      const apart = values && place && original ? average(values.map((value, channel) => Math.abs(value - original[channel]))) : null;
      const texts = [...(values ?? ["–", "–", "–"]), apart === null ? "" : apart.toFixed(0)];
      texts.forEach((text, column) => write(line.cells[column + 1], String(text)));
    });
  }

  // ---- by hand

  /** What a key does to the view; whether it does anything. An arrow may move the view by itself, or with Ctrl. */
  keyed(event, pans = event.ctrlKey) {
    if (event.target.closest("select, input") || event.altKey || event.metaKey) return false;
    if (event.ctrlKey && !ARROWS[event.key]) return false; // the browser's own shortcuts
    const step = ARROWS[event.key];
    if (step && event.shiftKey) {
      const { x, y } = this.view.on(this.view.base);
      const from = this.probed ?? [Math.floor(x), Math.floor(y)];
      this.hovered = null;
      this.pinned = this.view.inside(from.map((number, axis) => number + step[axis]));
      this.draw();
    } else if (step && pans) {
      this.view.shift(...step.map((sign, axis) => (sign * this.view.base[axis]) / 8));
      this.changed();
    } else if (event.key === "+" || event.key === "=") this.zoomed(() => this.view.scale(ZOOM_STEP));
    else if (event.key === "-") this.zoomed(() => this.view.scale(1 / ZOOM_STEP));
    else if (event.key === "0") this.zoomed(() => this.view.fit());
    else if (event.key.toLowerCase() === "o") this.hold(true);
    else if (event.key === "Escape") {
      this.pinned = null;
      this.draw();
    } else return false;
    return true;
  }

  zoomed(change) {
    change();
    this.changed();
  }

  stageOf(event) {
    const element = event.target.closest?.(".stage");
    return element && this.stages.find((stage) => stage.element === element);
  }

  wheel(event) {
    const stage = this.stageOf(event);
    if (!stage || !this.zooms(event, stage)) return;
    event.preventDefault();
    this.view.scale(2 ** (-event.deltaY / 300), stage.size, this.from(event, stage));
    this.changed();
  }

  /** Whether the wheel zooms. At the whole picture, turned towards the reader, it moves the page on. */
  zooms(event, stage) {
    return event.ctrlKey || ((stage.isLarge || this.view.zoom !== null) && (event.deltaY < 0 || this.view.zoom !== null));
  }

  // Where a pointer is, from the middle of a stage.
  from(event, { element, size }) {
    const { left, top } = element.getBoundingClientRect();
    return [event.clientX - left - size[0] / 2, event.clientY - top - size[1] / 2];
  }

  down(event) {
    const stage = this.stageOf(event);
    if (!stage || event.button) return;
    this.fingers.set(event.pointerId, { stage, x: event.clientX, y: event.clientY });
    this.moved = this.fingers.size > 1;
    const edge = (this.share - 0.5) * stage.size[0];
    const isNear = Math.abs(this.from(event, stage)[0] - edge) < GRIP;
    this.dividing = this.header.view === "Wipe" && (isNear || this.view.zoom === null);
  }

  move(event) {
    const finger = this.fingers.get(event.pointerId);
    if (!finger) {
      if (event.pointerType !== "mouse") return;
      const stage = this.stageOf(event);
      const pixel = stage ? this.view.pixel(this.from(event, stage), stage.size) : null;
      if (String(pixel) !== String(this.hovered)) this.draw();
      this.hovered = pixel;
      return;
    }
    if (event.pointerType === "mouse" && !event.buttons) return void this.fingers.delete(event.pointerId); // released elsewhere
    const before = [...this.fingers.values()].map(({ x, y }) => [x, y]);
    const [right, down] = [event.clientX - finger.x, event.clientY - finger.y];
    if (!this.moved && Math.hypot(right, down) < 4) return;
    if (!this.moved) this.root.setPointerCapture(event.pointerId); // not before: a click belongs to what lies below
    this.moved = true;
    [finger.x, finger.y] = [event.clientX, event.clientY];
    if (this.dividing) {
      this.share = Math.min(Math.max(this.from(event, finger.stage)[0] / finger.stage.size[0] + 0.5, 0), 1);
      return this.draw();
    }
    const { size } = finger.stage;
    if (this.fingers.size === 1) this.view.shift(-right, -down, size);
    else {
      const after = [...this.fingers.values()].map(({ x, y }) => [x, y]);
      const apart = ([one, other]) => Math.hypot(one[0] - other[0], one[1] - other[1]);
      const middle = { clientX: (after[0][0] + after[1][0]) / 2, clientY: (after[0][1] + after[1][1]) / 2 };
      this.view.scale(apart(after) / Math.max(apart(before), 1), size, this.from(middle, finger.stage));
      this.view.shift(-right / 2, -down / 2, size);
    }
    this.changed();
  }

  up(event) {
    const finger = this.fingers.get(event.pointerId);
    if (!finger) return;
    this.fingers.delete(event.pointerId);
    if (this.moved || event.type === "pointercancel") return;
    this.pinned = this.view.pixel(this.from(event, finger.stage), finger.stage.size);
    this.pick(finger.stage);
    this.draw();
  }

  leave() {
    this.hovered = null;
    this.draw();
  }
}

function options(select, values, chosen, name = String) {
  const texts = values.map(name).join("\n");
  if (select.dataset.texts !== texts) {
    select.dataset.texts = texts;
    select.replaceChildren(...values.map((value) => new Option(name(value), value)));
  }
  select.value = chosen;
}

function probeRow() {
  const line = element("tr");
  const name = element("td");
  name.append(element("i"), element("b"));
  line.append(name, ...["", "", "", ""].map(() => element("td")));
  return line;
}

function average(numbers) {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

export function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** Give a canvas a size, if it has another one: this clears it. */
export function resize(canvas, [width, height]) {
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
}

/** Set an element's text, if it is another one. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
