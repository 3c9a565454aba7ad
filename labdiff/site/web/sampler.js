// The samplers of labdiff.sampling in a Web Worker, over the same Schedule. Arrays are (N, C, H, W) as there; every tensor is
// float32, every coefficient float64. Without imports: the page makes the worker from this text, so that it runs from file://.

// torch.randn on the CPU: the Mersenne Twister, 24 bits for each uniform number, Box and Muller over blocks of sixteen.
function generator(seed) {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let i = 1; i < 624; i += 1) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  let at = 624;

  function twist() {
    for (let i = 0; i < 624; i += 1) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
      state[i] = state[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    at = 0;
  }

  function uniform() {
    if (at === 624) twist();
    let y = state[at];
    at += 1;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return (y & 0xffffff) / 0x1000000;
  }

  function boxMuller(out, start) {
    for (let j = start; j < start + 8; j += 1) {
      const radius = Math.sqrt(-2 * Math.log(Math.fround(1 - out[j])));
      const theta = 2 * Math.PI * out[j + 8];
      [out[j], out[j + 8]] = [radius * Math.cos(theta), radius * Math.sin(theta)];
    }
  }

  // n >= 16; where n is no multiple of 16 the last sixteen are drawn anew
  function randn(n) {
    const out = new Float32Array(n);
    for (let i = 0; i < n; i += 1) out[i] = uniform();
    for (let start = 0; start + 16 <= n; start += 16) boxMuller(out, start);
    if (n % 16) {
      for (let i = n - 16; i < n; i += 1) out[i] = uniform();
      boxMuller(out, n - 16);
    }
    return out;
  }
  return Object.assign(randn, { uniform });
}

const sum = (a, x, b, y) => Float32Array.from(x, (v, i) => a * v + b * y[i]);
const clamp = (x) => Float32Array.from(x, (v) => Math.min(1, Math.max(-1, v)));

function evenLevels(t, n) {
  return Array.from({ length: n + 1 }, (_, i) => Math.floor((t * (n - i)) / n));
}

// Each makes step(state, t_prev) -> x from the schedule's alpha_bar; state {t, x, eps, x0Hat}, as labdiff.trajectory's.
const METHODS = {
  ddim: (alphaBar, randn, eta) => ({ t, x0Hat, eps }, to) => {
    const [now, next] = [alphaBar[t], alphaBar[to]];
    const variance = eta ** 2 * ((1 - next) / (1 - now)) * (1 - now / next); // sigma^2
    const x = sum(Math.sqrt(next), x0Hat, Math.sqrt(Math.max(0, 1 - next - variance)), eps);
    return variance ? sum(1, x, Math.sqrt(variance), randn(x.length)) : x;
  },

  ddpm: (alphaBar, randn) => ({ t, x, eps }, to) => {
    const alpha = alphaBar[t] / alphaBar[t - 1];
    const mean = sum(1 / Math.sqrt(alpha), x, -(1 - alpha) / Math.sqrt(1 - alphaBar[t]) / Math.sqrt(alpha), eps);
    return to ? sum(1, mean, Math.sqrt(1 - alpha), randn(x.length)) : mean; // S14: no noise in the last step
  },

  dpm(alphaBar) {
    const lambda = (t) => Math.log(alphaBar[t] / (1 - alphaBar[t])) / 2;
    let last = null;
    return (state, to) => {
      const { t, x } = state;
      let D = state.x0Hat;
      if (last && to > 0 && lambda(t) > lambda(last.t)) {
        const share = (lambda(to) - lambda(t)) / (lambda(t) - lambda(last.t)) / 2;
        D = sum(1 + share, D, -share, last.x0Hat);
      }
      last = state;
      const noise = Math.sqrt(1 - alphaBar[t]);
      const eps = sum(1 / noise, x, -Math.sqrt(alphaBar[t]) / noise, D);
      return sum(Math.sqrt(alphaBar[to]), D, Math.sqrt(1 - alphaBar[to]), eps);
    };
  },
};

// Yields the states of a job, the last at t = 0. network(x, t, label) -> eps_hat, a promise. It starts from x, or from noise,
// or from the x_t of x0 with noise; where mask is 1 it keeps x0.
async function* reverse({ method, alphaBar, shape, nSteps, clip, eta, seed, x, x0, mask, t, label, scale }, network) {
  const randn = generator(seed);
  const levels = method === "ddpm" ? evenLevels(t, t) : evenLevels(t, nSteps);
  const step = METHODS[method](alphaBar, randn, eta || 0);
  let now = x || randn(shape.reduce((a, b) => a * b));
  if (x0 && !x) now = sum(Math.sqrt(alphaBar[t]), x0, Math.sqrt(1 - alphaBar[t]), now);
  for (let i = 0; i < levels.length - 1; i += 1) {
    const at = levels[i];
    const [signal, noise] = [Math.sqrt(alphaBar[at]), Math.sqrt(1 - alphaBar[at])];
    let eps = await guided(network, now, at, label, scale);
    if (mask) {
      const known = sum(1 / noise, now, -signal / noise, x0);
      eps = eps.map((v, j) => (mask[j] ? known[j] : v));
    }
    let x0Hat = sum(1 / signal, now, -noise / signal, eps);
    if (clip) {
      x0Hat = clamp(x0Hat);
      eps = sum(1 / noise, now, -signal / noise, x0Hat);
    }
    const state = { t: at, x: now, eps, x0Hat, step: i, of: levels.length - 1 };
    yield state;
    now = step(state, levels[i + 1]);
  }
  yield { t: 0, x: now, eps: null, x0Hat: now, step: levels.length - 1, of: levels.length - 1 };
}

// Classifier-free guidance, both halves in one call.
async function guided(network, x, t, label, scale) {
  if (label === null || scale === 0) return network(x, t, null, 1);
  if (scale === 1) return network(x, t, label, 1);
  const both = new Float32Array(2 * x.length);
  both.set(x);
  both.set(x, x.length);
  const out = await network(both, t, label, 2);
  const [toLabel, none] = [out.subarray(0, x.length), out.subarray(x.length)];
  return sum(scale, toLabel, 1 - scale, none);
}

async function unzipped(base64) {
  const text = atob(base64);
  const bytes = Uint8Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// network(x, t, label, copies) by onnxruntime-web: label for the first copy, none for the second.
const DAMAGED = "A file in the folder network beside this page is damaged: copy the whole site once more.";

async function openNetwork({ runtime, wasm, weights, classes }) {
  const files = Promise.all([runtime, wasm, weights].map(unzipped));
  const [code, binary, graph] = await files.catch(() => { throw new Error(DAMAGED); }); // gzip has a checksum
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const ort = await import(url);
  URL.revokeObjectURL(url);
  Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary: binary });
  const session = await ort.InferenceSession.create(graph);
  return (shape) => async (x, t, label, copies) => {
    const [N, ...each] = shape;
    const n = N * copies;
    const longs = (f) => new ort.Tensor("int64", BigInt64Array.from({ length: n }, (_, i) => BigInt(f(i))), [n]);
    const feeds = { x: new ort.Tensor("float32", x, [n, ...each]), t: longs(() => t) };
    const labelOf = (i) => (Array.isArray(label) ? label[i] : label);
    if (classes) feeds.label = longs((i) => (label === null || i >= N ? classes : labelOf(i)));
    return (await session.run(feeds)).eps_hat.data;
  };
}

// Messages: {open} once; {owner, id, job} computes, and ends what the owner had asked for before; {owner, id} only ends that.
const wanted = new Map(); // {owner: id of its latest job}
let opened = null;
let before = Promise.resolve(); // the runtime takes one call at a time
const GIVEN_UP = "given up for a newer job";

async function compute(owner, id, job) {
  const network = (await opened)(job.shape);
  const alone = (...given) => {
    before = before.catch(() => {}).then(() => (wanted.get(owner) === id ? network(...given) : Promise.reject(GIVEN_UP)));
    return before;
  };
  for await (const state of job.cloud ? cloudWalk(job) : reverse(job, alone)) {
    await new Promise((done) => { setTimeout(done); }); // so that the next message is heard
    if (wanted.get(owner) !== id) return;
    postMessage({ owner, id, ...state });
  }
}

if (globalThis.WorkerGlobalScope) {
  globalThis.onmessage = ({ data }) => {
    if (data.open) {
      opened = data.open.weights ? openNetwork(data.open) : Promise.resolve(() => null);
      opened.then(() => postMessage({ opened: true }), (error) => postMessage({ error: `${error}` }));
      return;
    }
    wanted.set(data.owner, data.id);
    const failed = (error) => error !== GIVEN_UP && postMessage({ owner: data.owner, id: data.id, error: `${error}` });
    if (data.job) compute(data.owner, data.id, data.job).catch(failed);
  };
}
