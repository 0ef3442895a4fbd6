// The noise of one picture, drawn in the browser as `aecore/data/noise.py` draws it for the same 32-bit seed.
//
// torch's generator on the CPU is the Mersenne Twister MT19937, and every kind of noise is computed from its words by
// formulas that are known. Arithmetic in 32 bits is rounded where torch rounds. So uniform, salt-pepper, masking,
// occlusion and Poisson noise are equal bit by bit; Gaussian and speckle noise differ by a few millionths of the level at
// most, because torch approximates the logarithm, sine and cosine in 32 bits. (Poisson noise would differ by a photon
// where the last bit of a 64-bit logarithm decides whether a candidate is rejected: less than once in 10⁹ values.)

const MERSENNE_SIZE = 624;
const MERSENNE_SHIFT = 397;

/** MT19937 (Matsumoto & Nishimura 1998), seeded as torch seeds it. */
class MersenneTwister {
  constructor(seed) {
    this.state = new Uint32Array(MERSENNE_SIZE);
    this.state[0] = seed;
    for (let place = 1; place < MERSENNE_SIZE; place++) {
      const before = this.state[place - 1];
      this.state[place] = Math.imul(1812433253, before ^ (before >>> 30)) + place;
    }
    this.place = MERSENNE_SIZE;
  }

  /** Another one that goes on from here. */
  copy() {
    return Object.assign(new MersenneTwister(0), { state: this.state.slice(), place: this.place });
  }

  /** The next word of 32 bits. */
  word() {
    if (this.place === MERSENNE_SIZE) this.renew();
    let word = this.state[this.place++];
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return (word ^ (word >>> 18)) >>> 0;
  }

  renew() {
    const { state } = this;
    for (let place = 0; place < MERSENNE_SIZE; place++) {
      const next = place + 1 < MERSENNE_SIZE ? place + 1 : 0;
      const far = place + MERSENNE_SHIFT;
      const mixed = (state[place] & 0x80000000) | (state[next] & 0x7fffffff);
      state[place] =
        state[far < MERSENNE_SIZE ? far : far - MERSENNE_SIZE] ^ (mixed >>> 1) ^ (mixed & 1 ? 0x9908b0df : 0);
    }
    this.place = 0;
  }

  /** Uniform in [0, 1), a multiple of 2⁻²⁴: exact in 32 bits. */
  uniform24() {
    return (this.word() & 0xffffff) * 2 ** -24;
  }

  /** Uniform in [0, 1), a multiple of 2⁻⁵³. */
  uniform53() {
    const high = this.word() & 0x1fffff;
    return (high * 2 ** 32 + this.word()) * 2 ** -53;
  }
}

function uniformDraw(generator, count) {
  const draw = new Float32Array(count);
  for (let place = 0; place < count; place++) draw[place] = generator.uniform24();
  return draw;
}

// torch draws and transforms normal numbers in blocks.
const NORMAL_BLOCK = 16;

/** Standard normal numbers by the transform of Box & Muller (1958). */
function normalDraw(generator, count) {
  if (count < NORMAL_BLOCK) return fewNormalDraw(generator, count);
  const draw = uniformDraw(generator, count);
  for (let start = 0; start + NORMAL_BLOCK <= count; start += NORMAL_BLOCK) toNormal(draw, start);
  if (count % NORMAL_BLOCK) {
    const start = count - NORMAL_BLOCK; // the last block overlaps the one before, and is drawn anew
    draw.set(uniformDraw(generator, NORMAL_BLOCK), start);
    toNormal(draw, start);
  }
  return draw;
}

const TURN = Math.fround(2 * Math.PI);

function toNormal(draw, start) {
  const half = NORMAL_BLOCK / 2;
  for (let place = start; place < start + half; place++) {
    const radius = Math.fround(Math.sqrt(Math.fround(-2 * Math.fround(Math.log(1 - draw[place])))));
    const angle = Math.fround(TURN * draw[place + half]);
    draw[place] = radius * Math.fround(Math.cos(angle));
    draw[place + half] = radius * Math.fround(Math.sin(angle));
  }
}

/** Fewer normal numbers than a block: torch computes these in 64 bits, two at a time. */
function fewNormalDraw(generator, count) {
  const draw = new Float32Array(count);
  for (let place = 0; place < count; place += 2) {
    const angle = 2 * Math.PI * generator.uniform53();
    const radius = Math.sqrt(-2 * Math.log1p(-generator.uniform53()));
    draw[place] = radius * Math.cos(angle);
    if (place + 1 < count) draw[place + 1] = radius * Math.sin(angle);
  }
  return draw;
}

// 1 MB of numbers: enough for twelve photons in every value of a picture of 3×59×59.
const STREAM_LIMIT = 2 ** 17;

/** Uniform numbers of 53 bits, to be read again from the beginning: those of a small picture are drawn only once. */
class UniformStream {
  constructor(generator) {
    this.generator = generator;
    this.values = new Float64Array(4096);
    this.count = 0;
    this.rewind();
  }

  rewind() {
    this.place = 0;
    this.beyond = null;
  }

  next() {
    if (this.place === this.count) {
      if (this.count === STREAM_LIMIT) return (this.beyond ??= this.generator.copy()).uniform53();
      this.extend();
    }
    return this.values[this.place++];
  }

  extend() {
    if (this.count === this.values.length) {
      const longer = new Float64Array(2 * this.count);
      longer.set(this.values);
      this.values = longer;
    }
    this.values[this.count++] = this.generator.uniform53();
  }
}

// From here on torch draws a number of photons by rejection and no longer counts them one by one.
const MANY_PHOTONS = 10;

/** A number of photons of a small mean, by multiplication of uniform numbers (Knuth 1969). */
function fewPhotons(stream, mean) {
  const least = Math.exp(-mean);
  let count = 0;
  for (let product = stream.next(); product > least; product *= stream.next()) count++;
  return count;
}

/** A number of photons of a large mean, by transformed rejection (Hörmann 1993, algorithm PTRS). */
function manyPhotons(stream, mean) {
  const logMean = Math.log(mean);
  const b = 0.931 + 2.53 * Math.sqrt(mean);
  const a = -0.059 + 0.02483 * b;
  const inverseAlpha = 1.1239 + 1.1328 / (b - 3.4);
  const accepted = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const u = stream.next() - 0.5;
    const v = stream.next();
    const rest = 0.5 - Math.abs(u);
    const count = Math.floor(((2 * a) / rest + b) * u + mean + 0.43);
    if (rest >= 0.07 && v <= accepted) return count;
    if (count < 0 || (rest < 0.013 && v > rest)) continue;
    const logRatio = Math.log(v) + Math.log(inverseAlpha) - Math.log(a / (rest * rest) + b);
    if (logRatio <= -mean + count * logMean - logFactorial(count)) return count;
  }
}

const FACTORIALS = [1];
while (FACTORIALS.length < 16) FACTORIALS.push(FACTORIALS.length * FACTORIALS.at(-1));

/** The logarithm of k! in 64 bits, for large k by Stirling's series. */
function logFactorial(k) {
  if (k < FACTORIALS.length) return Math.log(FACTORIALS[k]);
  const square = 1 / (k * k);
  const series = 1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188)));
  return (k + 0.5) * Math.log(k) - k + 0.5 * Math.log(2 * Math.PI) + series / k;
}

const pixelsOf = ([, height, width]) => height * width;
const valuesOf = ([channels, height, width]) => channels * height * width;

// What a kind draws, and how a level makes noise of it. A level in 32 bits is `fround` of it, as in torch.
const NOISE_KINDS = {
  gaussian: {
    draw: (generator, shape) => normalDraw(generator, valuesOf(shape)),
    add(pixels, normal, level, into) {
      const strength = Math.fround(level);
      for (let i = 0; i < pixels.length; i++) into[i] = pixels[i] + Math.fround(strength * normal[i]);
    },
  },
  uniform: {
    draw: (generator, shape) => uniformDraw(generator, valuesOf(shape)).map((value) => 2 * value - 1),
    add(pixels, signed, level, into) {
      const strength = Math.fround(level);
      for (let i = 0; i < pixels.length; i++) into[i] = pixels[i] + Math.fround(strength * signed[i]);
    },
  },
  speckle: {
    draw: (generator, shape) => normalDraw(generator, valuesOf(shape)),
    add(pixels, normal, level, into) {
      const strength = Math.fround(level);
      for (let i = 0; i < pixels.length; i++)
        into[i] = pixels[i] * Math.fround(1 + Math.fround(strength * normal[i]));
    },
  },
  "salt-pepper": {
    draw: (generator, shape) => uniformDraw(generator, pixelsOf(shape)),
    add(pixels, uniform, level, into) {
      const [pepper, salt] = [Math.fround(level / 2), Math.fround(1 - level / 2)];
      for (let i = 0, at = 0; i < pixels.length; i++, at = at + 1 < uniform.length ? at + 1 : 0)
        into[i] = uniform[at] > salt ? 1 : uniform[at] < pepper ? 0 : pixels[i];
    },
  },
  poisson: {
    draw: (generator) => new UniformStream(generator),
    add(pixels, stream, level, into) {
      const photons = Math.fround(1 / (level * level));
      stream.rewind();
      for (let i = 0; i < pixels.length; i++) {
        const mean = Math.fround(Math.max(pixels[i], 0) * photons);
        const count = mean >= MANY_PHOTONS ? manyPhotons(stream, mean) : mean > 0 ? fewPhotons(stream, mean) : 0;
        into[i] = Math.fround(count) / photons;
      }
    },
  },
  masking: {
    draw: (generator, shape) => uniformDraw(generator, pixelsOf(shape)),
    add(pixels, uniform, level, into) {
      const share = Math.fround(level);
      for (let i = 0, at = 0; i < pixels.length; i++, at = at + 1 < uniform.length ? at + 1 : 0)
        into[i] = uniform[at] >= share ? pixels[i] : 0;
    },
  },
  occlusion: {
    draw: (generator) => uniformDraw(generator, 2),
    add(pixels, corner, level, into, [, height, width]) {
      const [hiddenHeight, hiddenWidth] = [height, width].map((extent) => toEven(extent * Math.sqrt(level)));
      const top = Math.floor(Math.fround(corner[0] * (height - hiddenHeight + 1)));
      const left = Math.floor(Math.fround(corner[1] * (width - hiddenWidth + 1)));
      into.set(pixels);
      for (let first = 0; first < into.length; first += height * width)
        for (let row = top; row < top + hiddenHeight; row++)
          into.fill(0, first + row * width + left, first + row * width + left + hiddenWidth);
    },
  },
};

/** The nearest whole number; of two equally near the even one, as Python rounds. */
function toEven(value) {
  const nearest = Math.round(value);
  return nearest - value === 0.5 && nearest % 2 ? nearest - 1 : nearest;
}

/** Whether a kind of noise can be drawn here; if not, the server draws it. */
export function canDraw(kind) {
  return Object.hasOwn(NOISE_KINDS, kind);
}

/**
 * The random numbers of one picture's noise of a kind, for every level. `shape` is [channels, height, width], `seed` 32
 * bits from the server (`noise.picture_seed`).
 */
export class Draw {
  constructor(kind, shape, seed) {
    if (!canDraw(kind)) throw new RangeError(`There is no noise called ${kind}.`);
    if (kind === "occlusion" && shape[2] < 2) throw new RangeError("Occlusion needs pictures at least 2 pixels wide.");
    this.kind = kind;
    this.shape = shape;
    this.values = NOISE_KINDS[kind].draw(new MersenneTwister(seed), shape);
  }

  /**
   * The picture `pixels` with this noise at a `level`, not clipped. Both are Float32Array of channels × height × width;
   * the result is written to `into`, which may not be `pixels` itself.
   */
  at(pixels, level, into = new Float32Array(pixels.length)) {
    if (pixels.length !== valuesOf(this.shape)) throw new RangeError(`The picture is not ${this.shape.join("×")}.`);
    if (level) NOISE_KINDS[this.kind].add(pixels, this.values, level, into, this.shape);
    else into.set(pixels);
    return into;
  }
}

/** One noisy picture; whoever needs several levels of it makes a `Draw` once. */
export function noisy(pixels, shape, kind, level, seed) {
  return new Draw(kind, shape, seed).at(pixels, level);
}
