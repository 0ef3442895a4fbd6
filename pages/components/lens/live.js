// Live noise: while the slider moves, the browser draws the noise and runs the models, and the sheet follows.
//
// The server stays the truth. What it sends for a level replaces what was computed here for it, and a model is only run
// here after its output for the server's own level was compared with the server's. Columns that the browser cannot
// compute are dimmed until the slider is released.

import { Engine, FetchError } from "./engine.js";
import { numberTexts, pooledPsnr, psnrText } from "./metrics.js";

const APART = 1; // of 255: rounding may differ by one
// What is said where the pictures do not follow the slider: of a server, or in a saved page, which has none.
const SERVED = {
  waiting: "when released",
  none: "The pictures follow the slider when it is released, since they cannot be computed here",
  later: "The pictures follow the slider when it is released",
  some: "Computed by the server when the slider is released",
};
const SAVED = {
  waiting: "not at this level",
  none: "The pictures cannot follow the slider here",
  later: "The pictures cannot follow the slider any more",
  some: "Shown only at the level at which this page was saved",
};

export class Live {
  constructor(sheet) {
    this.sheet = sheet;
    this.checked = new Set(); // addresses of models that were compared with the server
    this.failed = new Map(); // by address: why a model is not run here
    this.missed = new Map(); // by address: why it was not fetched, which is tried again
    this.off = ""; // why nothing is computed here
    this.observer = new MutationObserver(() => (sheet.root.isConnected ? this.moved() : this.observer.disconnect()));
  }

  /** Take what the server sends: a header, and columns with `pixels` by row. */
  serve(header, columns) {
    this.served = columns.map((column) => ({ ...column, numbers: (row) => column.numbers[row] ?? [] }));
    this.live = header.live;
    this.words = header.live?.saved ? SAVED : SERVED;
    this.scene = null; // pictures, noise or seed may be others
    this.missed.clear();
    this.report();
    const shape = JSON.stringify([header.rows, header.width, header.height, columns.map(({ key }) => key)]);
    const isAhead = this.frame && shape === this.shape && this.level !== null && this.level !== header.live?.level;
    this.shape = shape;
    if (isAhead) this.frame = {}; // of a scene that may be another
    else this.presentServed();
    this.observer.disconnect();
    if (!this.live?.runtime) return;
    // Not the slider itself: where its range changes, another one takes its place after this data has come.
    this.observer.observe(document.body, { subtree: true, attributeFilter: ["aria-valuetext", "value"] });
    if (isAhead) this.moved();
    if (this.served.some((column) => this.isNew(column))) delete this.sheet.root.dataset.live; // until it is compared
    // Not before the pictures are painted.
    (globalThis.requestIdleCallback ?? setTimeout)(() => this.prepare(this.live), { timeout: 500 });
  }

  get slider() {
    return document.querySelector(`${this.live.slider} input[type=range]`);
  }

  /** The level at which the slider stands; null where it is not on the page. */
  get level() {
    const { slider, live } = this;
    if (!slider || !live) return null;
    if (live.levels) return live.levels[slider.value]; // of a saved page
    const level = Number(slider.value);
    // A link may hold a level between two steps of the slider, which then stands at the nearer one.
    if (Math.abs(level - live.level) <= Number(slider.step) / 2) return live.level;
    return level < live.lowest ? 0 : level;
  }

  /** Load what the browser can compute, and compare it with the server's pictures. */
  async prepare(live) {
    if (live !== this.live || !this.sheet.root.isConnected) return;
    try {
      this.engine = Engine.of(live.runtime, WORKER_SOURCE);
      await this.engine.start(this.sheet.root);
    } catch (error) {
      this.off = `${this.words.none}: ${error.message}.`;
      this.sheet.root.dataset.live = "off";
      return this.report();
    }
    this.off = "";
    if (live !== this.live) return; // newer data has arrived meanwhile
    const isMore = await this.takeAll(live);
    if (live !== this.live) return;
    this.ready = true;
    if (isMore && this.frame) this.frame = {}; // the slider is held, and there is more to show at its level
    this.sheet.root.dataset.live = "ready";
    this.report();
    this.moved();
  }

  /**
   * Take the models that are new here; all of them again where the graphics card is the reason why one fails. Whether
   * there were any.
   */
  async takeAll(live) {
    const wanted = this.served.filter((column) => this.isNew(column));
    await Promise.all(wanted.map((column) => this.take(column, live)));
    const refused = wanted.map(({ key }) => live.models[key]).filter((address) => this.failed.has(address));
    if (refused.length && (await this.engine.retreat?.())) {
      refused.forEach((address) => this.failed.delete(address));
      this.checked.clear();
      this.scene = null;
      await this.takeAll(live);
    }
    return wanted.length > 0;
  }

  /** Whether the browser might compute a column, and has not tried yet. */
  isNew({ key, computing }) {
    const address = this.live.models[key];
    const isKnown = this.failed.has(address) || this.missed.has(address) || (this.checked.has(address) && this.engine?.has(address));
    return address && !computing && !isKnown;
  }

  /** Load a model and compare it with the server's pictures. */
  async take({ key, heading, pixels }, live) {
    const address = live.models[key];
    try {
      await this.engine.load(address);
      if (live !== this.live || !this.sheet.root.isConnected) return;
      const { [address]: own } = await this.compute(live.level, [address], -1);
      if (live !== this.live) return;
      const apart = Math.max(...own.pixels.map((picture, row) => farthest(picture, pixels[row])));
      if (!(apart <= APART)) throw new Error(`its file gives other pictures here than on the server, by up to ${apart} of 255`);
      this.checked.add(address);
    } catch (error) {
      if (live !== this.live) return;
      (error instanceof FetchError ? this.missed : this.failed).set(address, `${heading}: ${error.message}`);
    }
  }

  /** Say what the browser does not compute, and why. */
  report() {
    const addresses = this.served.map(({ key }) => this.live?.models?.[key]);
    const failed = addresses.map((address) => this.failed.get(address) ?? this.missed.get(address)).filter(Boolean);
    const all = failed.length ? `${this.words.some}: ${failed.join("; ")}.` : "";
    this.sheet.say(this.live?.missing ?? (this.off || [this.live?.note, all].filter(Boolean).join(" ")));
  }

  presentServed() {
    this.frame = null;
    this.sheet.present(this.served);
    delete this.sheet.root.dataset.level;
  }

  /** The frame of one level, of the scene that the server described, by the addresses of the models. */
  compute(level, addresses, compared) {
    const { channels, height, width } = this.sheet.header;
    // The workers hold one scene, which may be that of another sheet by now.
    if (!this.scene || this.engine.held !== this.scene) {
      const pictures = this.served.find(({ role }) => role === "clean").pixels;
      this.engine.held = this.scene = { shape: [channels, height, width], pictures, kind: this.live.kind, seeds: this.live.seeds };
      this.engine.scene(this.scene);
    }
    return this.engine.frame(level, addresses, compared);
  }

  /** The slider has moved, or data has come: show its level, unless the server's pictures are of it. */
  async moved() {
    if (!this.ready || this.busy || this.level === null) return;
    this.busy = true;
    let asked = null;
    try {
      while (asked || this.isBehind(this.frame?.level ?? this.live?.level)) {
        if (!asked && this.level === this.live.level) {
          this.presentServed();
          break;
        }
        asked ??= this.asked();
        const { live, level, isWhole } = asked;
        const columns = await asked.columns;
        // The next level is begun before this one is drawn, so that the workers do not wait.
        asked = this.isBehind(level) && this.level !== this.live.level ? this.asked() : null;
        if (live !== this.live) continue; // of another scene
        if (!this.sheet.root.isConnected) return;
        this.frame = { level };
        this.isWhole = false;
        this.sheet.present(this.columns(level, columns), !isWhole);
        this.sheet.root.dataset.level = level; // for tests: that of the pictures that were computed here
      }
    } catch (error) {
      this.ready = false;
      this.presentServed();
      this.sheet.root.dataset.live = "off";
      this.sheet.say(`${this.words.later}: ${error.message}.`);
    } finally {
      this.busy = false;
    }
  }

  /** Whether the slider stands at another level than this one. */
  isBehind(level) {
    return Boolean(this.live) && this.level !== null && this.level !== level;
  }

  /** The columns of the slider's level, which are computed from now on. */
  asked() {
    const { live, level } = this;
    const addresses = this.served.map(({ key }) => live.models[key]).filter((address) => this.checked.has(address) && this.engine.has(address));
    const columns = this.compute(level, addresses, this.isWhole ? null : this.sheet.reading);
    columns.catch(() => {}); // it is awaited after another one
    return { live, level, columns, isWhole: this.isWhole };
  }

  /** Compute the level in view once more, with what is enlarged now, or with all numbers. */
  renew(isWhole = false) {
    if (!this.frame) return;
    this.isWhole = isWhole;
    this.frame = {};
    this.moved();
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
      const own = computed[column.role === "noisy" ? "noisy" : this.live.models[column.key]];
      return own ? this.column(column, own) : { ...column, note: this.words.waiting, dim: true, numbers: () => [] };
    });
  }

  column(column, own) {
    if (own.numbers) return { ...column, ...own }; // recorded
    const { pixels, errors, similarities } = own;
    const numbers = (row) => {
      if (similarities[row] !== null) return numberTexts(errors[row], similarities[row]);
      queueMicrotask(() => this.renew()); // when this row is the one that is enlarged
      return [...numberTexts(errors[row], 0).slice(0, 2), ["SSIM", "…"]];
    };
    return { ...column, pixels, note: psnrText(pooledPsnr(errors)), numbers };
  }
}

function farthest(pixels, others) {
  let most = 0;
  for (let place = 0; place < pixels.length; place++) most = Math.max(most, Math.abs(pixels[place] - others[place]));
  return most;
}
