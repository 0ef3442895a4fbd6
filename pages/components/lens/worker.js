// The worker: it draws the noise and runs the models, one message after another.
//
// `env`, `InferenceSession` and `Tensor` are ONNX Runtime's. A message is `{ id, ask, … }`; the answer has its id, and
// what was asked for or an `error`.

import { Draw } from "./noise.js";
import { displayed } from "./colours.js";
import { mse, ssim } from "./metrics.js";

const sessions = new Map(); // by key
let scene = null; // { shape, pictures, draws }

const ANSWERS = {
  /** Begin: the machine code of ONNX Runtime, and where to run models: "wasm" or "webgpu". */
  async start({ wasm, provider }) {
    env.wasm.wasmBinary = wasm;
    env.wasm.numThreads = 1; // more need headers that the page does not have; there are several workers instead
    env.logLevel = "error";
    self.provider = provider;
    return {};
  },

  /** Load a model. */
  async load({ key, model }) {
    const options = { executionProviders: [self.provider] };
    const session = await InferenceSession.create(new Uint8Array(model), options).catch((error) => {
      console.warn(error); // of a damaged file it says no more than a number
      const isDamaged = /protobuf|^\d+$|parse/i.test(error?.message ?? error);
      throw new Error(isDamaged ? "ONNX Runtime cannot read its file" : (error?.message ?? String(error)));
    });
    sessions.set(key, session);
    env.wasm.wasmBinary?.transfer?.(0); // compiled by now, and 14 MB
    env.wasm.wasmBinary = undefined;
    return {};
  },

  async forget({ key }) {
    await sessions.get(key)?.release();
    sessions.delete(key);
    return {};
  },

  /** Take the pictures (bytes) that noise is added to, and the seeds of their noise. */
  async scene({ shape, pictures, kind, seeds }) {
    scene = {
      shape,
      pictures: pictures.map((bytes) => Float32Array.from(bytes, (byte) => byte / 255)),
      draws: seeds.map((seed) => new Draw(kind, shape, seed)),
    };
    return {};
  },

  /**
   * The noisy pictures at a level, and what each model makes of them. `compared` is the picture whose structural
   * similarity is wanted: -1 for none, null for all.
   */
  async frame({ level, keys, compared }) {
    const one = scene.shape.reduce((product, side) => product * side);
    const given = new Float32Array(scene.pictures.length * one);
    scene.pictures.forEach((picture, row) => scene.draws[row].at(picture, level, given.subarray(row * one, (row + 1) * one)));
    const columns = { noisy: column(given, one, compared) };
    for (const key of keys) columns[key] = column(await run(sessions.get(key), given, [scene.pictures.length, ...scene.shape]), one, compared);
    return { columns };
  },

  /** Run a model on numbers of any shape. */
  async run({ key, values, shape }) {
    const session = sessions.get(key);
    return { values: await run(session, values, shape) };
  },
};

// What a model returns is a copy that belongs to nobody else, so it is handed on as it is.
async function run(session, values, shape) {
  const outputs = await session.run({ [session.inputNames[0]]: new Tensor("float32", values, shape) });
  return outputs[session.outputNames[0]].data;
}

function column(values, one, compared) {
  const rows = scene.pictures.map((picture, row) => ({ picture, own: values.subarray(row * one, (row + 1) * one) }));
  return {
    pixels: displayed(values),
    errors: rows.map(({ picture, own }) => mse(own, picture)),
    // It takes longer than all else but the models.
    similarities: rows.map(({ picture, own }, row) => (compared === null || compared === row ? ssim(own, picture, scene.shape) : null)),
  };
}

async function answer(message) {
  try {
    const given = await ANSWERS[message.ask](message);
    const buffers = Object.values(given.columns ?? {}).map(({ pixels }) => pixels.buffer);
    self.postMessage({ id: message.id, ...given }, given.values ? [given.values.buffer] : buffers);
  } catch (error) {
    self.postMessage({ id: message.id, error: String(error?.message ?? error) });
  }
}

// One after another: on a graphics card ONNX Runtime cannot do two things at once.
let last = Promise.resolve();
self.onmessage = ({ data }) => (last = last.then(() => answer(data)));
