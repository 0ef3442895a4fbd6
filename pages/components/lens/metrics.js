// The scores of one picture, as `aecore/measuring/metrics.py` computes them, and their texts, as Python writes them.
//
// Sums are kept in 64 bits, while the server keeps them in 32: its scores are off by some millionths.

const unit = (value) => (value < 0 ? 0 : value > 1 ? 1 : value);

/** Mean squared error over all values, of the output clamped to [0, 1]. */
export function mse(output, clean) {
  let sum = 0;
  for (let i = 0; i < clean.length; i++) {
    const error = unit(output[i]) - clean[i];
    sum += error * error;
  }
  return sum / clean.length;
}

/** Peak signal-to-noise ratio in dB of a mean squared error, with peak 1; infinite if the error is 0. */
export function psnr(error) {
  return -10 * Math.log10(error);
}

/** The PSNR of several pictures, from the mean of their mean squared errors: never above the mean of their PSNRs. */
export function pooledPsnr(errors) {
  return psnr(errors.reduce((sum, error) => sum + error, 0) / errors.length);
}

const SSIM_SIDE = 11;
const SSIM_WEIGHTS = (() => {
  const bell = Array.from({ length: SSIM_SIDE }, (_, place) => Math.exp(-((place - 5) ** 2) / (2 * 1.5 ** 2)));
  const sum = bell.reduce((total, weight) => total + weight, 0);
  return bell.map((weight) => weight / sum);
})();
const SSIM_C1 = 0.01 ** 2;
const SSIM_C2 = 0.03 ** 2;

/**
 * Structural similarity (Wang, Bovik, Sheikh & Simoncelli 2004) of the output clamped to [0, 1]: a Gaussian window of
 * 11×11 and σ 1.5, the valid area of each channel, then averaged. `shape` is [channels, height, width].
 */
export function ssim(output, clean, [channels, height, width]) {
  if (Math.min(height, width) < SSIM_SIDE) throw new RangeError(`SSIM needs pictures of at least 11×11 pixels.`);
  const size = height * width;
  const [x, y, squares, products] = Array.from({ length: 4 }, () => new Float64Array(size));
  let sum = 0;
  for (let first = 0; first < channels * size; first += size) {
    for (let i = 0; i < size; i++) {
      x[i] = unit(output[first + i]);
      y[i] = clean[first + i];
      squares[i] = x[i] * x[i] + y[i] * y[i];
      products[i] = x[i] * y[i];
    }
    const means = [x, y, squares, products].map((map) => windowMeans(map, height, width));
    sum += meanSimilarity(...means);
  }
  return sum / channels;
}

function meanSimilarity(meanX, meanY, meanSquares, meanProducts) {
  let sum = 0;
  for (let i = 0; i < meanX.length; i++) {
    const product = meanX[i] * meanY[i];
    const squares = meanX[i] * meanX[i] + meanY[i] * meanY[i];
    const brightness = (2 * product + SSIM_C1) / (squares + SSIM_C1);
    const structure = (2 * (meanProducts[i] - product) + SSIM_C2) / (meanSquares[i] - squares + SSIM_C2);
    sum += brightness * structure;
  }
  return sum / meanX.length;
}

/** The weighted mean in every window that lies inside the map: first along the rows, then along the columns. */
function windowMeans(map, height, width) {
  const [down, across] = [height - SSIM_SIDE + 1, width - SSIM_SIDE + 1];
  const rows = new Float64Array(height * across);
  for (let row = 0, at = 0; row < height; row++)
    for (let column = 0; column < across; column++, at++) rows[at] = weighted(map, row * width + column, 1);
  const means = new Float64Array(down * across);
  for (let at = 0; at < means.length; at++) means[at] = weighted(rows, at, across);
  return means;
}

const [SSIM_W0, SSIM_W1, SSIM_W2, SSIM_W3, SSIM_W4, SSIM_W5] = SSIM_WEIGHTS;

/** The weighted sum of eleven values, `step` apart. The window is symmetric: this is twice as fast as a loop. */
function weighted(values, at, step) {
  return (
    SSIM_W0 * (values[at] + values[at + 10 * step]) +
    SSIM_W1 * (values[at + step] + values[at + 9 * step]) +
    SSIM_W2 * (values[at + 2 * step] + values[at + 8 * step]) +
    SSIM_W3 * (values[at + 3 * step] + values[at + 7 * step]) +
    SSIM_W4 * (values[at + 4 * step] + values[at + 6 * step]) +
    SSIM_W5 * values[at + 5 * step]
  );
}

/** The names and texts under a picture. */
export function numberTexts(error, similarity) {
  return [
    ["MSE", generalText(error)],
    ["PSNR", psnrText(psnr(error), 2)],
    ["SSIM", fixedText(similarity, 3)],
  ];
}

/** A PSNR in words: `27.3 dB`, or `no error` where it is infinite. */
export function psnrText(decibels, digits = 1) {
  if (Number.isNaN(decibels)) return "not a number";
  return Number.isFinite(decibels) ? `${fixedText(decibels, digits)} dB` : "no error";
}

/** A number below 10²¹ with so many digits behind the point, as Python's `f"{value:.3f}"`. */
export function fixedText(value, digits) {
  if (!Number.isFinite(value)) return specialText(value);
  const text = value.toFixed(digits);
  const signed = Object.is(value, -0) ? `-${text}` : text;
  return isHalfway(value, digits) ? evenText(signed) : signed;
}

/** A number of three significant digits, as Python's `f"{value:.3g}"`. */
export function generalText(value) {
  if (!Number.isFinite(value)) return specialText(value);
  if (value === 0) return fixedText(value, 0);
  let [mantissa, exponent] = value.toExponential(2).split("e");
  if (isHalfway(value, 2 - exponent)) mantissa = evenText(mantissa);
  if (exponent >= -4 && exponent < 3)
    return withoutZeros(Number(`${mantissa}e${exponent}`).toFixed(2 - exponent));
  const power = String(Math.abs(exponent)).padStart(2, "0");
  return `${withoutZeros(mantissa)}e${exponent < 0 ? "-" : "+"}${power}`;
}

const withoutZeros = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
const specialText = (value) => (Number.isNaN(value) ? "nan" : value < 0 ? "-inf" : "inf");

/** Whether a number lies exactly between two of so many digits behind the point (before it, if negative). */
function isHalfway(value, digits) {
  const size = Math.abs(value);
  // A halfway number times 10^digits is n + 1/2, so times 2^(digits + 1) it is odd; that product is exact.
  return digits >= 0 ? (size * 2 ** (digits + 1)) % 2 === 1 : size % 10 ** -digits === 10 ** -digits / 2;
}

/** The text of a halfway number, which JavaScript rounds up, rounded to the even digit as Python does. */
function evenText(text) {
  const last = Number(text.at(-1));
  return last % 2 ? text.slice(0, -1) + (last - 1) : text;
}
