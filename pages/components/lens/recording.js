// What stands for the engine in a saved page whose models do not run there: the server's pictures at a series of levels.
//
// They arrive as the data of a sheet does: a header `{ keys, rows, levels: [{ level, columns: [{ note, numbers }] }] }`,
// then the pixels, level by level and key by key; each level as what is added, modulo 256, to the level before.

import { bytes } from "./engine.js";

export class Recording {
  constructor(address) {
    this.address = address;
  }

  start() {
    this.starting ??= this.begin();
    return this.starting;
  }

  async begin() {
    const message = new Uint8Array(await bytes(this.address));
    const length = new DataView(message.buffer).getUint32(0, true);
    Object.assign(this, JSON.parse(new TextDecoder().decode(message.subarray(4, 4 + length))));
    this.pixels = message.subarray(4 + length);
    const size = this.pixels.length / this.levels.length;
    for (let place = size; place < this.pixels.length; place++) this.pixels[place] += this.pixels[place - size];
  }

  async load() {}

  has() {
    return true;
  }

  scene() {}

  /** The recorded columns of a level, by key. */
  async frame(level, keys) {
    const at = this.levels.findIndex((recorded) => recorded.level === level);
    return Object.fromEntries(["noisy", ...keys].map((key) => [key, this.column(at, this.keys.indexOf(key))]));
  }

  column(at, place) {
    const one = this.pixels.length / (this.levels.length * this.keys.length * this.rows);
    const first = (at * this.keys.length + place) * this.rows;
    const { note, numbers } = this.levels[at].columns[place];
    const pixels = Array.from({ length: this.rows }, (_, row) => this.pixels.subarray((first + row) * one, (first + row + 1) * one));
    return { pixels, note, numbers: (row) => numbers[row] };
  }
}
