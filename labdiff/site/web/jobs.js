// From a panel to what the worker is asked for, and from what it answers to what the panes show.

// A text with the controls' values in it, or one of the texts that a control has.
const filled = (words, state) =>
  words.texts ? words.texts[state[words.control]] : words.replace(/\{(\w+)\}/g, (_, name) => state[name]);

// What pack() makes of an array, before its buffers are numbered.
const array = (dtype, shape, values) => ({ dtype, shape, values });

function packed(results) {
  const buffers = [];
  const tree = Object.fromEntries(Object.entries(results).map(([key, value]) => {
    if (!value?.dtype) return [key, value];
    const { buffer, byteOffset, byteLength } = value.values;
    buffers.push(new DataView(buffer, byteOffset, byteLength));
    return [key, { buffer: buffers.length - 1, dtype: value.dtype, shape: value.shape }];
  }));
  return { tree, buffers };
}

// (N, C, H, W) -> (N, H, W, C) where to is "last", and back where it is "first"; the same for one channel
function turned(to, x, [N, C, H, W]) {
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
}

function grey(x, shape) {
  const [N, C, H, W] = shape;
  const values = Uint8ClampedArray.from(x, (v) => (Math.min(1, Math.max(-1, v)) + 1) * 127.5); // rounds half to even
  return array("uint8", C === 1 ? [N, H, W] : [N, H, W, C], turned("last", values, shape));
}

// make(state, clean) -> {job, first, shown, says}: first is shown at once, shown(answer) with each answer.
function makeJobs(spec) {
  const { sampler } = spec;
  const { shape } = sampler;
  const source = spec.rows.flat().findLast((pane) => pane.eps); // where a pane shows the x_t from which it goes back
  const [N, C, H, W] = shape;
  let eps = null; // {draw, values}: the noise after "new noise"

  function noise(draw) {
    if (!draw) return source.eps.values;
    if (eps?.draw !== draw) eps = { draw, values: generator(draw)(N * C * H * W) };
    return eps.values;
  }

  // 1 where the drawing is kept: within [top, bottom, left, right]
  function mask([top, bottom, left, right]) {
    const inside = (i, j) => i >= top && i < bottom && j >= left && j < right;
    return Uint8Array.from({ length: H * W }, (_, p) => inside(Math.floor(p / W), p % W));
  }

  return function make(state, clean) {
    const of = (value) => (value?.control ? state[value.control] : value);
    const alphaBar = sampler.alpha_bar.values;
    const T = alphaBar.length - 1;
    const t = sampler.t ? of(sampler.t) : T;
    const most = Math.min(of(sampler.n_steps) || T, T);
    const asked = of(sampler.label) ?? "any";
    const one = () => (Array.isArray(asked) ? asked : Number(asked));
    const job = {
      method: sampler.method, alphaBar, shape, clip: sampler.clip, eta: sampler.eta, t, seed: (of(sampler.seed) || 0) + (of(sampler.reseed) || 0),
      nSteps: Math.max(1, Math.floor((most * t) / T)), scale: of(sampler.scale) ?? 1,
      label: asked === "any" ? null : one(),
    };
    if (source) job.x = turned("first", sum(Math.sqrt(alphaBar[t]), clean, Math.sqrt(1 - alphaBar[t]), noise(state.draw)), shape);
    else if (clean) job.x0 = clean;
    if (sampler.keeps) job.mask = mask(sampler.keeps.boxes[state[sampler.keeps.control]]);

    const captions = Object.entries(sampler.captions || {}).map(([key, words]) => [`${key}_caption`, filled(words, state)]);
    const start = (x) => x.map((v, i) => (job.mask?.[i] ? clean[i] : v));
    function shown({ x, x0Hat, step }) {
      const results = Object.fromEntries(captions);
      for (const [key, what] of Object.entries(sampler.show)) {
        if (what === "x" || what === "x0_hat") results[key] = grey(what === "x" ? x : x0Hat, shape);
        else if (step === 0) results[key] = grey(what === "start" ? start(x) : x0Hat, shape);
      }
      return results;
    }
    const first = source?.fresh && state.draw ? { [source.fresh]: array("float32", [N, H, W, C], noise(state.draw)) } : {};
    return { job, first, shown, says: filled(sampler.says, state) };
  };
}

// The same for a density that was drawn; what the kernel, or an earlier job, has computed for a drawing is known.
function makeCloudJobs({ sampler }, { computed, drawing }) {
  const { levels, side } = sampler.cloud;
  const stack = (values) => array("uint8", [levels.length, 1, side, side], values);
  const walks = (toNoise, back) => ({ to_noise: stack(toNoise), back: stack(back) });
  const { to_noise, back } = unpack(computed.tree, computed.buffers);
  let known = { ink: `${inkOf(drawing)}`, results: walks(to_noise.values, back.values) };

  return function make(_, clean) {
    const ink = `${clean}`;
    if (ink === known.ink) return { known: known.results, says: sampler.says };
    const inked = Array.from(clean.keys()).filter((i) => clean[i] > 0);
    const drawn = inked.flatMap((i) => [(i % 28) / 13.5 - 1, (27 - Math.floor(i / 28)) / 13.5 - 1]);
    const cloud = { ...sampler.cloud, points: Float64Array.from(drawn.length ? drawn : sampler.cloud.points.values) };
    const shown = (said) => {
      const results = walks(said.toNoise, said.back);
      if (said.t === 0) known = { ink, results };
      return results;
    };
    return { job: { alphaBar: sampler.alpha_bar.values, seed: sampler.seed, cloud }, first: {}, shown, says: sampler.says };
  };
}
