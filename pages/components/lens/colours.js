// How pictures and their errors become pixels on the screen, as `pages/components/errors.py` computes them.
//
// A Uint8ClampedArray rounds like numpy: to the nearest whole number, of two equally near to the even one, within 0…255.

/** Values of a picture, from 0 to 1, as whole numbers from 0 to 255; values beyond are clipped. */
export function displayed(values, into = new Uint8ClampedArray(values.length)) {
  for (let i = 0; i < values.length; i++) into[i] = Math.fround(values[i] * 255);
  return into;
}

/**
 * The error of each pixel between pictures of whole numbers from 0 to 255, its channels averaged: `absolute`, or
 * `signed`, positive where the output is too bright. `shape` is [channels, height, width].
 */
export function pixelErrors(kind, output, clean, [channels, height, width], into = new Float64Array(height * width)) {
  const size = height * width;
  for (let i = 0; i < size; i++) {
    let sum = 0;
    for (let at = i; at < channels * size; at += size) {
      const difference = (output[at] - clean[at]) / 255;
      sum += kind === "absolute" ? Math.abs(difference) : difference;
    }
    into[i] = sum / channels;
  }
  return into;
}

// The lowest end of a scale, as in errors.py.
const SHORTEST_SCALE = 1e-3;

/**
 * Where the colour scale of several pictures' errors ends: the first of the round numbers `ends` that is not below their
 * 0.99 quantile.
 */
export function scaleEnd(errors, ends) {
  const largest = Math.max(upperQuantile(errors, 0.99), SHORTEST_SCALE);
  return ends.find((end) => end >= largest) ?? largest;
}

const QUANTILE_BINS = 1024;

/** A quantile of the sizes of errors from −1 to 1 in several arrays, interpolated linearly as numpy does. */
function upperQuantile(arrays, share) {
  const counts = new Uint32Array(QUANTILE_BINS + 1);
  const bin = (size) => Math.floor(size * QUANTILE_BINS);
  for (const array of arrays) for (let i = 0; i < array.length; i++) counts[bin(Math.abs(array[i]))]++;
  const count = arrays.reduce((sum, array) => sum + array.length, 0);
  const place = (count - 1) * share;
  const rank = Math.floor(place);
  // Only what lies in the quantile's bin and above it must be sorted.
  let [lowest, below] = [0, 0];
  while (below + counts[lowest] <= rank) below += counts[lowest++];
  const upper = new Float64Array(count - below);
  let filled = 0;
  for (const array of arrays)
    for (let i = 0; i < array.length; i++) {
      const size = Math.abs(array[i]);
      if (bin(size) >= lowest) upper[filled++] = size;
    }
  upper.sort();
  const [low, high = low] = upper.subarray(rank - below);
  const part = place - rank;
  return part < 0.5 ? low + (high - low) * part : high - (high - low) * (1 - part);
}

/**
 * Errors as pixels of a canvas: red, green, blue and opacity of each. `table` lists 256 colours, from 0 (`absolute`) or
 * −`end` (`signed`) to `end`.
 */
export function coloured(kind, errors, end, table, into = new Uint8ClampedArray(4 * errors.length)) {
  const places = new Uint8ClampedArray(errors.length);
  for (let i = 0; i < errors.length; i++)
    places[i] = (kind === "absolute" ? errors[i] / end : (errors[i] / end + 1) / 2) * 255;
  for (let i = 0; i < errors.length; i++) {
    const [red, green, blue] = table[places[i]];
    into[4 * i] = red;
    into[4 * i + 1] = green;
    into[4 * i + 2] = blue;
    into[4 * i + 3] = 255;
  }
  return into;
}
