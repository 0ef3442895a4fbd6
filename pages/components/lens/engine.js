// Models in the browser: ONNX Runtime in workers, which every lens of the page shares.
//
// Each worker holds every model and takes its share of the pictures, so that a model never waits for another's worker.

const MOST_WORKERS = 4; // more only share the memory's bandwidth
const MOST_MODELS = 12; // that are held: the one whose last use is longest ago gives way
const IDLE = 60_000; // milliseconds after which the workers end, if no lens was on the page at either end of them
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
    this.starting ??= this.begin().catch((error) => {
      this.starting = null; // the network may be back next time
      throw error;
    });
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
    if (this.hasEnded) throw new Error("the page was left");
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
    URL.revokeObjectURL(url);
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

  /** Load the model of an address, unless it is held: into every worker, or for `run` into one. */
  load(address, workers = this.workers) {
    const loading = this.models.get(address) ?? bytes(address).then((model) => Promise.all(workers.map((worker) => this.ask(worker, { ask: "load", key: address, model }))));
    this.models.delete(address);
    this.models.set(address, loading); // the last one used is the last in order
    loading.catch(() => this.models.delete(address)); // it may be whole next time
    for (const [other] of this.models) if (this.models.size > MOST_MODELS) this.forget(other);
    return loading;
  }

  /** Whether a model is held, or is on its way. */
  has(address) {
    return this.models.has(address);
  }

  forget(address) {
    this.models.delete(address);
    for (const worker of this.workers) this.ask(worker, { ask: "forget", key: address }).catch(() => {}); // ended by then
  }

  /** Share pictures out to the workers: `{ shape, pictures, kind, seeds }`. What is asked next is of them. */
  scene({ shape, pictures, kind, seeds }) {
    const rows = this.workers.map((_, worker) => pictures.map((_, row) => row).filter((row) => row % this.workers.length === worker));
    this.rows = rows;
    this.workers.forEach((worker, place) =>
      this.ask(worker, { ask: "scene", shape, kind, pictures: rows[place].map((row) => pictures[row]), seeds: rows[place].map((row) => seeds[row]) }).catch(() => {}), // its frames will fail too
    );
  }

  /**
   * What the models `keys` make of the scene at a level: by key `{ pixels, errors, similarities }`, one of each per
   * picture. Only the picture `compared` has a similarity: -1 is none, null all.
   */
  async frame(level, keys, compared = null) {
    const { rows } = this;
    const used = this.workers.map((worker, place) => [worker, rows[place]]).filter(([, own]) => own.length);
    const answers = await Promise.all(
      used.map(([worker, own]) => this.ask(worker, { ask: "frame", level, keys, compared: compared === null ? null : own.indexOf(compared) })),
    );
    const columns = {};
    for (const key of ["noisy", ...keys]) {
      columns[key] = { pixels: [], errors: [], similarities: [] };
      answers.forEach((answer, place) => {
        const { pixels, errors, similarities } = answer.columns[key];
        const one = pixels.length / errors.length;
        rows[place].forEach((row, own) => {
          columns[key].pixels[row] = pixels.subarray(own * one, (own + 1) * one);
          columns[key].errors[row] = errors[own];
          columns[key].similarities[row] = similarities[own];
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
    const wasUnused = this.isUnused;
    this.isUnused = !this.users.size;
    if (!this.isUnused || !wasUnused) return;
    this.hasEnded = true;
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

/** What could not be fetched now, and may be later. */
export class FetchError extends Error {}

async function reason(response) {
  const isText = response.headers.get("content-type")?.startsWith("text/plain");
  return (isText && (await response.text()).slice(0, 300).replace(/\.$/, "")) || `the server answered ${response.status}`;
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
  const response = await fetch(url).catch(({ message }) => {
    throw new FetchError(message);
  });
  if (!response.ok) throw new FetchError(await reason(response));
  return isHere ? new Response(response.body.pipeThrough(new DecompressionStream("gzip"))) : response;
}
