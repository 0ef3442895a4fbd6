// Models in the browser: ONNX Runtime in workers, which every lens of the page shares.
//
// Each worker holds every model and takes its share of the pictures, so that a model never waits for another's worker.

const MOST_WORKERS = 4; // more only share the memory's bandwidth
const IDLE = 60_000; // milliseconds without a lens on the page after which the workers end
const RUNTIME_EXPORTS = /export\s*\{([^}]*)\}\s*;?\s*(?=\/\/#|$)/;
const RUNTIME_NAMES = ["env", "InferenceSession", "Tensor"];

export class Engine {
  /** The engine of this page for ONNX Runtime at these addresses; `source` is the text of the worker. */
  static of(runtime, source) {
    globalThis.aecoreEngine ??= new Engine(runtime, source);
    return globalThis.aecoreEngine;
  }

  constructor(runtime, source) {
    [this.runtime, this.source] = [runtime, source];
    this.models = new Map(); // by key: a promise
    this.users = new Set(); // elements on the page that want it
    this.asked = new Map(); // by id
    this.count = 0;
  }

  /** Start the workers, once. Rejects with a reason where the browser cannot. */
  start(user) {
    this.users.add(user);
    this.starting ??= this.begin();
    this.watching ??= setInterval(() => this.endIfUnused(), IDLE);
    return this.starting;
  }

  async begin() {
    if (typeof WebAssembly !== "object" || typeof Worker !== "function") throw new Error("this browser does not run WebAssembly");
    if (await this.hasGraphics()) await this.beginWith("webgpu").catch(() => this.beginWith("wasm"));
    else await this.beginWith("wasm");
  }

  // A graphics card, and none that the processor imitates.
  async hasGraphics() {
    if (!this.runtime.webgpu) return false;
    const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
    return Boolean(adapter) && !adapter.info?.isFallbackAdapter;
  }

  async beginWith(provider) {
    this.provider = provider;
    const { module, wasm } = this.runtime[provider];
    const [code, binary] = await Promise.all([text(module), bytes(wasm)]);
    const url = URL.createObjectURL(new Blob([bound(code), this.source], { type: "text/javascript" }));
    const several = provider === "webgpu" ? 1 : Math.min(navigator.hardwareConcurrency || 1, MOST_WORKERS);
    this.workers = Array.from({ length: several }, () => new Worker(url));
    for (const worker of this.workers) {
      worker.onmessage = ({ data }) => this.answered(data);
      worker.onerror = (event) => this.fail(new Error(event.message || "its worker could not be started"));
    }
    // The last of them gets the binary itself, the others copies.
    await Promise.all(this.workers.map((worker, place) =>
      this.ask(worker, { ask: "start", wasm: binary, provider }, place === several - 1 ? [binary] : []),
    ));
  }

  /** Begin anew without the graphics card, which failed or computed something else; false if none was used. */
  async retreat() {
    if (this.provider === "wasm") return false;
    this.workers.forEach((worker) => worker.terminate());
    this.fail(new Error("the graphics card is not used any more"));
    this.models.clear();
    this.starting = this.beginWith("wasm");
    await this.starting;
    return true;
  }

  ask(worker, message, transfer = []) {
    const id = ++this.count;
    return new Promise((resolve, reject) => {
      this.asked.set(id, { resolve, reject });
      worker.postMessage({ id, ...message }, transfer);
    });
  }

  answered({ id, error, ...answer }) {
    const { resolve, reject } = this.asked.get(id) ?? {};
    this.asked.delete(id);
    if (error) reject?.(new Error(error));
    else resolve?.(answer);
  }

  fail(error) {
    for (const { reject } of this.asked.values()) reject(error);
    this.asked.clear();
  }

  /** Load a model from an address, once per key. Rejects with a reason where it is damaged. */
  load(key, address) {
    if (!this.models.has(key)) {
      const loading = bytes(address).then((model) => Promise.all(this.workers.map((worker) => this.ask(worker, { ask: "load", key, model }))));
      this.models.set(key, loading);
      loading.catch(() => this.models.delete(key)); // it may be whole next time
    }
    return this.models.get(key);
  }

  /** Share pictures out to the workers: `{ shape, pictures, kind, seeds }`. */
  async scene({ shape, pictures, kind, seeds }) {
    const rows = this.workers.map((_, worker) => pictures.map((_, row) => row).filter((row) => row % this.workers.length === worker));
    this.rows = rows;
    await Promise.all(this.workers.map((worker, place) =>
      this.ask(worker, { ask: "scene", shape, kind, pictures: rows[place].map((row) => pictures[row]), seeds: rows[place].map((row) => seeds[row]) }),
    ));
  }

  /** What the models `keys` make of the scene at a level: by key `{ pixels, values, errors }`, one of each per picture. */
  async frame(level, keys) {
    const { rows } = this;
    const used = this.workers.filter((_, place) => rows[place].length);
    const answers = await Promise.all(used.map((worker) => this.ask(worker, { ask: "frame", level, keys })));
    const columns = {};
    for (const key of ["noisy", ...keys]) {
      columns[key] = { pixels: [], values: [], errors: [] };
      answers.forEach((answer, place) => {
        const { pixels, values, errors } = answer.columns[key];
        const one = pixels.length / errors.length;
        rows[place].forEach((row, own) => {
          columns[key].pixels[row] = pixels.subarray(own * one, (own + 1) * one);
          columns[key].values[row] = values.subarray(own * one, (own + 1) * one);
          columns[key].errors[row] = errors[own];
        });
      });
    }
    return columns;
  }

  /** The output of a model for numbers of any shape. */
  async run(key, values, shape) {
    return (await this.ask(this.workers[0], { ask: "run", key, values, shape })).values;
  }

  endIfUnused() {
    for (const user of this.users) if (!user.isConnected) this.users.delete(user);
    if (this.users.size) return;
    this.workers?.forEach((worker) => worker.terminate());
    clearInterval(this.watching);
    this.fail(new Error("the page was left"));
    if (globalThis.aecoreEngine === this) delete globalThis.aecoreEngine;
  }
}

// The runtime's text as an expression, so that none of its names meets one of the worker's own text. It is no module any
// more: browsers do not start a module as the worker of a page that was opened as a file.
function bound(code) {
  const [exported, names] = code.match(RUNTIME_EXPORTS);
  const inside = Object.fromEntries(names.split(",").map((pair) => pair.trim().split(/\s+as\s+/).reverse()));
  const result = RUNTIME_NAMES.map((name) => `${name}: ${inside[name]}`);
  const script = code.replace(exported, "").replaceAll("import.meta.url", "self.location.href");
  return `"use strict";\nconst { ${RUNTIME_NAMES} } = (() => {${script}\nreturn { ${result} };\n})();\n`;
}

export async function bytes(address) {
  return (await fetched(address)).arrayBuffer();
}

async function text(address) {
  return (await fetched(address)).text();
}

async function fetched(address) {
  // In a saved page it is an element that holds a data: URL of compressed bytes; else an address below the app's root.
  const isHere = address.startsWith("#");
  const url = isHere ? document.querySelector(address).textContent : (window.__streamlit?.BACKEND_BASE_URL ?? "") + address;
  const response = await fetch(url);
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return isHere ? new Response(response.body.pipeThrough(new DecompressionStream("gzip"))) : response;
}
