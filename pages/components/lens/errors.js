// The colours of the errors of a sheet: one scale for all of its outputs.

import { coloured, pixelErrors, scaleEnd } from "./colours.js";

/** The errors of `columns` in the colours that the server gives: `{ kind, table, ends, gradient, meaning }`. */
export class ErrorColours {
  constructor({ kind, table, ends, gradient, meaning }, columns, shape) {
    Object.assign(this, { kind, shape, gradient, meaning });
    this.table = Array.from({ length: table.length / 3 }, (_, place) => table.slice(3 * place, 3 * place + 3));
    const clean = columns.find(({ role }) => role === "clean").pixels;
    const computed = columns.filter(({ role, computing, dim }) => role === "output" && !computing && !dim);
    // The noisy pictures count only where nothing else does: their errors would dim the others.
    const counted = computed.length ? computed : columns.filter(({ role }) => role === "noisy");
    const errors = counted.flatMap(({ pixels }) => pixels.map((output, row) => pixelErrors(kind, output, clean[row], shape)));
    this.end = errors.length ? scaleEnd(errors, ends) : ends.at(-1);
    this.high = String(Number(this.end.toPrecision(6))); // not 0.30000000000000004
    this.low = kind === "absolute" ? "0" : `−${this.high}`;
  }

  /** Fill the pixels of a canvas with the errors of an output. */
  fill(into, output, clean) {
    coloured(this.kind, pixelErrors(this.kind, output, clean, this.shape), this.end, this.table, into);
  }
}
