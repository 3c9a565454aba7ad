// The network in a page without a kernel: its parts come as scripts when a panel first needs them, for fetch() reads no file://;
// a Web Worker computes. `networks` is what the page knows: {parts: {name: [file, ...]}, weights: {fingerprint: {part, classes}}}.

const networks = JSON.parse(document.getElementById("labdiff-networks").textContent);
const parts = {}; // {name: base64}
const workers = {}; // {fingerprint: Promise of a worker}
const listeners = new Map(); // {owner: callback(message)}
const waiting = new Map(); // {owner: callback(status)}, for panels that wait for the network
const tell = (status) => { for (const callback of waiting.values()) callback(status); };

globalThis.labdiffPart = (name, text) => { parts[name] = (parts[name] || "") + text; };

function loadScript(src) {
  return new Promise((done, failed) => {
    const script = element("script", { src });
    script.onload = done;
    script.onerror = () => failed(new Error(`${src} is missing beside this page`));
    document.head.append(script);
  });
}

async function loadParts(names) {
  const files = names.filter((name) => !(name in parts)).flatMap((name) => networks.parts[name]);
  for (const [i, file] of files.entries()) {
    tell(`loading the network, part ${i + 1} of ${files.length} …`);
    await loadScript(file);
  }
  tell("starting the network …");
}

async function startWorker(fingerprint) {
  const { part, classes } = networks.weights[fingerprint];
  await loadParts(["runtime", "wasm", part]);
  const text = document.getElementById("labdiff-sampler").textContent;
  const worker = new Worker(URL.createObjectURL(new Blob([JSON.parse(text)], { type: "text/javascript" })));
  await new Promise((done, failed) => {
    worker.onmessage = ({ data }) => (data.error ? failed(new Error(data.error)) : done());
    worker.onerror = (event) => failed(new Error(event.message));
    worker.postMessage({ open: { runtime: parts.runtime, wasm: parts.wasm, weights: parts[part], classes } });
  });
  worker.onmessage = ({ data }) => listeners.get(data.owner)?.(data);
  return worker;
}

function workerFor(fingerprint) {
  workers[fingerprint] ||= startWorker(fingerprint);
  workers[fingerprint].catch(() => { delete workers[fingerprint]; }); // another try loads again
  return workers[fingerprint];
}

const filled = (words, state) => words.replace(/\{(\w+)\}/g, (_, name) => state[name]);

// Computes a panel as its kernel did: compute(state, give) with the traits, and give(results) for each step.
function makeSampler(spec, owner) {
  const job = spec.sampler;
  const source = spec.rows.flat().find((pane) => pane.fresh); // of renoise() and the pad
  const [N, C, H, W] = job.shape;
  let id = 0;
  let eps = null; // {draw, values}: the noise after "new noise"

  // (N, C, H, W) -> (N, H, W, C) and back; the same for one channel
  const turned = (from, to, x) => {
    if (C === 1) return x;
    const out = new x.constructor(x.length);
    for (let n = 0, i = 0; n < N; n += 1) {
      for (let p = 0; p < H * W; p += 1) {
        for (let c = 0; c < C; c += 1, i += 1) {
          const [last, first] = [i, (n * C + c) * H * W + p];
          if (to === "last") out[last] = x[first];
          else out[first] = x[last];
        }
      }
    }
    return out;
  };
  const grey = (x) => {
    const values = Uint8ClampedArray.from(x, (v) => (Math.min(1, Math.max(-1, v)) + 1) * 127.5); // rounds half to even
    return array("uint8", C === 1 ? [N, H, W] : [N, H, W, C], turned("first", "last", values));
  };

  function noise(draw) {
    if (!draw) return source.eps.values;
    if (eps?.draw !== draw) eps = { draw, values: generator(draw)(N * C * H * W) };
    return eps.values;
  }

  function jobFor(state, clean) {
    const of = (value) => (value?.control ? state[value.control] : value);
    const T = job.alpha_bar.values.length - 1;
    const t = job.t ? of(job.t) : T;
    const most = Math.min(of(job.n_steps) || T, T);
    let x = null;
    if (job.t) {
      const [a, b] = [Math.sqrt(job.alpha_bar.values[t]), Math.sqrt(1 - job.alpha_bar.values[t])];
      x = turned("last", "first", sum(a, clean, b, noise(state.draw)));
    }
    return {
      method: job.method, alphaBar: job.alpha_bar.values, shape: job.shape, clip: job.clip, x, t,
      nSteps: Math.max(1, Math.floor((most * t) / T)), seed: of(job.seed) || 0,
      label: of(job.label) ?? null, scale: of(job.scale) ?? 1,
    };
  }

  return function compute(state, at, clean, give) {
    id += 1;
    const mine = id;
    const fresh = source && state.draw ? { [source.fresh]: array("float32", [N, H, W, C], noise(state.draw)) } : {};
    const shown = {};
    const partial = (status, more = {}) => mine === id && give({ ...fresh, ...shown, ...more, status, at: { partial: true } });
    const broken = (error) => mine === id && give({ ...fresh, ...shown, error: `${error.message || error}`, at });
    listeners.set(owner, ({ id: theirs, t, x, x0Hat, step, of, error }) => {
      if (theirs !== id) return;
      if (error) { broken(error); return; }
      for (const [key, what] of Object.entries(job.show)) {
        if (what !== "first") shown[key] = grey(what === "x" ? x : x0Hat);
        else if (step === 0) shown[key] = grey(x0Hat);
      }
      const captions = Object.fromEntries(Object.entries(job.captions || {}).map(([k, words]) => [`${k}_caption`, filled(words, state)]));
      if (step < of) partial(`t = ${t}: step ${step + 1} of ${of}`, captions);
      else give({ ...fresh, ...shown, ...captions, says: filled(job.says, state), at });
    });
    waiting.set(owner, partial);
    workerFor(job.weights).then((worker) => {
      waiting.delete(owner);
      if (mine === id) worker.postMessage({ owner, id, job: jobFor(state, clean) });
    }, broken);
  };
}

// What pack() makes of an array, before its buffers are numbered.
const array = (dtype, shape, values) => ({ dtype, shape, values });

function packed(results) {
  const buffers = [];
  const tree = Object.fromEntries(Object.entries(results).map(([key, value]) => {
    if (!value?.dtype) return [key, value];
    buffers.push(new DataView(value.values.buffer));
    return [key, { buffer: buffers.length - 1, dtype: value.dtype, shape: value.shape }];
  }));
  return { tree, buffers };
}
