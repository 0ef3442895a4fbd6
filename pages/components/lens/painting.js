// How pictures are drawn on a canvas: as they are, one over another, or their difference.
//
// A picture is a list of layers; each is a bitmap whose pixels stand for `factor` × `factor` pixels of the picture, and
// which begins at its pixel `at`; or the rows of a bitmap that begin with `from`, of a `height`. Enlarged pixels are drawn
// without smoothing.

/** Draw a picture under the map of a view (`View.map`), which begins on the canvas `at` a pixel of the screen. */
export function copy(context, { layers }, [width, height], { factor, left, top, across, down, at: [right, below] }) {
  context.save();
  context.translate(right, below);
  context.beginPath();
  context.rect(0, 0, across, down);
  context.clip();
  context.beginPath();
  // Whole pixels: one that is covered in part would show as a difference.
  context.rect(left, top, ...[width, height].map((side) => Math.max(1, Math.floor(side * factor))));
  context.clip();
  for (const { bitmap, factor: size, at: [x, y], from = 0, height: rows = bitmap.height } of layers) {
    context.imageSmoothingEnabled = size * factor < 1;
    context.imageSmoothingQuality = "high";
    // Only what is in view, so that no coordinate becomes too large.
    const first = [Math.floor((-left / factor - x) / size), Math.floor((-top / factor - y) / size)];
    const last = [((across - left) / factor - x) / size, ((down - top) / factor - y) / size];
    const [l, t] = first.map((number) => Math.max(0, number));
    const [r, b] = [Math.min(bitmap.width, Math.ceil(last[0])), Math.min(rows, Math.ceil(last[1]))];
    if (r <= l || b <= t) continue;
    const place = [left + (x + l * size) * factor, top + (y + t * size) * factor];
    context.drawImage(bitmap, l, from + t, r - l, b - t, ...place, (r - l) * size * factor, (b - t) * size * factor);
  }
  context.restore();
}

/** Draw one picture over another, as far as a `share` of the canvas. */
export function wipe(context, picture, over, share, size, map) {
  const [left, top] = map.at;
  const edge = Math.round(share * map.across);
  copy(context, picture, size, map);
  context.save();
  context.beginPath();
  context.rect(left, top, edge, map.down);
  context.clip();
  context.clearRect(left, top, edge, map.down);
  copy(context, over, size, map);
  context.restore();
  context.fillStyle = "#fff";
  context.globalCompositeOperation = "difference"; // seen on every picture
  context.fillRect(left + Math.max(edge - 1, 0), top, Math.min(2, map.across - edge + 1), map.down);
  context.globalCompositeOperation = "source-over";
}

/** Draw how far two pictures are apart, times `gain`; values that differ by at most `tolerance` of 255 are black. */
export function difference(context, picture, other, gain, tolerance, size, map) {
  copy(context, picture, size, map);
  const beside = new OffscreenCanvas(map.across, map.down).getContext("2d", { willReadFrequently: true });
  copy(beside, other, size, { ...map, at: [0, 0] });
  const image = context.getImageData(...map.at, map.across, map.down);
  const { data } = image;
  const from = beside.getImageData(0, 0, map.across, map.down).data;
  for (let place = 0; place < data.length; place++) {
    if (place % 4 === 3) continue; // opacity
    const apart = Math.abs(data[place] - from[place]);
    data[place] = apart > tolerance ? apart * gain : 0;
  }
  context.putImageData(image, ...map.at);
}

/** Frame a pixel of the picture. */
export function frame(context, pixel, { factor, left, top, across, down, at: [right, below] }) {
  context.save();
  context.beginPath();
  context.rect(right, below, across, down);
  context.clip();
  context.translate(right, below);
  const side = Math.max(factor, 7);
  const at = pixel.map((number, axis) => [left, top][axis] + (number + 0.5) * factor - side / 2);
  for (const [color, margin] of [["#000", 2], ["#fff", 1]]) {
    context.strokeStyle = color;
    context.strokeRect(at[0] - margin + 0.5, at[1] - margin + 0.5, side + 2 * margin - 1, side + 2 * margin - 1);
  }
  context.restore();
}

/** The values of a picture at a pixel, and whether they are a mean of several; null where it is not there. */
export function valuesAt({ layers }, [x, y]) {
  const covering = layers.filter(({ bitmap, factor, at, height = bitmap.height }) => {
    const [right, down] = [Math.floor((x - at[0]) / factor), Math.floor((y - at[1]) / factor)];
    return right >= 0 && down >= 0 && right < bitmap.width && down < height;
  });
  const layer = covering.at(-1);
  if (!layer) return null;
  const { at, factor, from = 0 } = layer;
  const place = [Math.floor((x - at[0]) / factor), from + Math.floor((y - at[1]) / factor)];
  onePixel ??= new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  onePixel.drawImage(layer.bitmap, ...place, 1, 1, 0, 0, 1, 1);
  return { values: [...onePixel.getImageData(0, 0, 1, 1).data].slice(0, 3), isMean: layer.factor > 1 };
}

let onePixel;
