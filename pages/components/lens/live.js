// Live noise: while the slider moves, the browser draws the noise and runs the models, and the sheet follows.
//
// The server stays the truth. What it sends for a level replaces what was computed here for it, and a model is only run
// here after its output for the server's own level was compared with the server's. Columns that the browser cannot
// compute are dimmed until the slider is released.

import { Engine } from "./engine.js";
import { numberTexts, pooledPsnr, psnrText, ssim } from "./metrics.js";

const APART = 1; // of 255: rounding may differ by one
const WAITING = "when released";

export class Live {
  constructor(sheet) {
    this.sheet = sheet;
    this.checked = new Set(); // keys of models that were compared with the server
    this.failed = new Map(); // by key: why a model is not run here
    this.follow = () => this.moved();
    this.observer = new MutationObserver(this.follow);
  }

  /** Take what the server sends: a header, and columns with `pixels` by row. */
  serve(header, columns) {
    this.served = columns.map((column) => ({ ...column, numbers: (row) => column.numbers[row] ?? [] }));
    this.live = header.live;
    this.scene = null; // pictures, noise or seed may be others
    this.sheet.say(header.live?.missing ?? "");
    const isAhead = this.frame && this.level !== null && this.level !== header.live?.level;
    if (!isAhead) {
      this.frame = null;
      // A link may hold a level between two steps of the slider: where it stands now is the server's level.
      this.start = this.live && this.slider?.value;
      this.sheet.present(this.served);
    }
    this.observer.disconnect();
    if (!this.live?.runtime || this.off) return;
    this.watch();
    if (isAhead) this.moved();
    // Not before the pictures are painted.
    (globalThis.requestIdleCallback ?? setTimeout)(() => this.prepare(this.live), { timeout: 500 });
  }

  watch() {
    const { slider } = this;
    if (!slider) return;
    this.observer.observe(slider, { attributeFilter: ["aria-valuetext", "value"] });
    slider.addEventListener("input", this.follow);
  }

  get slider() {
    return document.querySelector(`${this.live.slider} input[type=range]`);
  }

  /** The level at which the slider stands; null where it is not on the page. */
  get level() {
    const { slider, live } = this;
    if (!slider || !live) return null;
    if (slider.value === this.start) return live.level;
    const level = Number(slider.value);
    return level < live.lowest ? 0 : level;
  }

  /** Load what the browser can compute, and compare it with the server's pictures. */
  async prepare(live) {
    if (live !== this.live || !this.sheet.root.isConnected) return;
    try {
      this.engine = Engine.of(live.runtime, WORKER_SOURCE);
      await this.engine.start(this.sheet.root);
    } catch (error) {
      this.off = true;
      this.sheet.root.dataset.live = "off";
      this.sheet.say(`The pictures follow the slider when it is released, since they cannot be computed here: ${error.message}.`);
      return;
    }
    const wanted = this.served.filter(({ key, computing }) => live.models[key] && !computing && !this.checked.has(key) && !this.failed.has(key));
    await Promise.all(wanted.map((column) => this.take(column, live)));
    if (live !== this.live) return; // newer data has arrived meanwhile
    this.ready = true;
    this.sheet.root.dataset.live = "ready";
    this.report();
    this.moved();
  }

  /** Load a model and compare it with the server's pictures. */
  async take({ key, heading, pixels }, live) {
    try {
      await this.engine.load(key, live.models[key]);
      const { [key]: own } = await this.compute(live.level, [key]);
      if (live !== this.live) return;
      const apart = Math.max(...own.pixels.map((picture, row) => farthest(picture, pixels[row])));
      if (!(apart <= APART)) throw new Error(`its file gives other pictures here than on the server, by up to ${apart} of 255`);
      this.checked.add(key);
    } catch (error) {
      this.failed.set(key, `${heading}: ${error.message}`);
    }
  }

  report() {
    const sentences = [...this.failed.entries()].filter(([key]) => this.served.some((column) => column.key === key)).map(([, sentence]) => sentence);
    if (sentences.length) this.sheet.say(`Computed by the server when the slider is released: ${sentences.join("; ")}.`);
  }

  /** The frame of one level, of the scene that the server described. */
  async compute(level, keys) {
    const { channels, height, width } = this.sheet.header;
    if (!this.scene) {
      const clean = this.served.find(({ role }) => role === "clean").pixels;
      this.scene = this.engine.scene({ shape: [channels, height, width], pictures: clean, kind: this.live.kind, seeds: this.live.seeds });
    }
    await this.scene;
    return this.engine.frame(level, keys);
  }

  /** The slider has moved, or data has come: show its level, unless the server's pictures are of it. */
  async moved() {
    if (!this.ready || this.busy || this.level === null) return;
    this.busy = true;
    try {
      while (this.live && this.level !== null && this.level !== (this.frame?.level ?? this.live.level)) {
        const [live, level] = [this.live, this.level];
        if (level === live.level) {
          this.frame = null;
          this.sheet.present(this.served);
          break;
        }
        const keys = this.served.map(({ key }) => key).filter((key) => this.checked.has(key));
        const columns = await this.compute(level, keys);
        if (live !== this.live) continue; // of another scene
        if (!this.sheet.root.isConnected) return;
        this.frame = { level };
        this.sheet.present(this.columns(level, columns), true);
        this.sheet.root.dataset.level = level; // for tests
      }
    } catch (error) {
      this.ready = false;
      this.sheet.say(`The pictures follow the slider when it is released: ${error.message}.`);
    } finally {
      this.busy = false;
    }
  }

  /** The server's columns with what was computed here in their place. */
  columns(level, computed) {
    const clean = this.served.find(({ role }) => role === "clean");
    const place = this.served.indexOf(clean);
    const listed = this.served.filter(({ role }) => role !== "noisy");
    const served = this.served.find(({ role }) => role === "noisy");
    if (level || served) listed.splice(place + 1, 0, served ?? { ...clean, heading: "noisy", role: "noisy" });
    return listed.map((column) => {
      if (column === clean) return column;
      const own = computed[column.role === "noisy" ? "noisy" : column.key];
      return own ? this.column(column, own, clean) : { ...column, note: WAITING, dim: true };
    });
  }

  column(column, { pixels, values, errors }, clean) {
    const shape = [this.sheet.header.channels, this.sheet.header.height, this.sheet.header.width];
    const floats = (row) => Float32Array.from(clean.pixels[row], (byte) => byte / 255);
    return {
      ...column,
      pixels,
      note: psnrText(pooledPsnr(errors)),
      numbers: (row) => numberTexts(errors[row], ssim(values[row], floats(row), shape)),
    };
  }
}

function farthest(pixels, others) {
  let most = 0;
  for (let place = 0; place < pixels.length; place++) most = Math.max(most, Math.abs(pixels[place] - others[place]));
  return most;
}
