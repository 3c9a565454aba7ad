// Particles of a density that was drawn, to noise and back by Algorithm 2 with the exact denoiser, in the worker. Points and
// particles are [x, y, x, y, ...] in float64.

// E[eps | x_t] for equal Gaussians of variance `variance` around the points, as GaussianMixture.exact_eps of labdiff.toys.
function exactEps(points, variance, x, alphaBar) {
  const [signal, noise] = [Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar)];
  const v = alphaBar * variance + 1 - alphaBar;
  const out = new Float64Array(x.length);
  const logs = new Float64Array(points.length / 2);
  for (let i = 0; i < x.length; i += 2) {
    let top = -Infinity;
    for (let k = 0, j = 0; j < points.length; k += 1, j += 2) {
      logs[k] = -((x[i] - signal * points[j]) ** 2 + (x[i + 1] - signal * points[j + 1]) ** 2) / (2 * v);
      if (logs[k] > top) top = logs[k];
    }
    let [mass, u, w] = [0, 0, 0];
    for (let k = 0, j = 0; j < points.length; k += 1, j += 2) {
      const p = Math.exp(logs[k] - top);
      mass += p;
      u += p * points[j];
      w += p * points[j + 1];
    }
    out[i] = (noise * (x[i] - (signal * u) / mass)) / v;
    out[i + 1] = (noise * (x[i + 1] - (signal * w) / mass)) / v;
  }
  return out;
}

const blend = (a, x, b, y) => Float64Array.from(x, (v, i) => a * v + b * y[i]);

// Particles as a picture of side x side grey levels: the brighter, the more lie there.
function raster(x, { side, reach }, out) {
  const place = (v) => Math.floor(((v + reach) * side) / (2 * reach));
  for (let i = 0; i < x.length; i += 2) {
    const [column, row] = [place(x[i]), place(-x[i + 1])];
    if (column < 0 || column >= side || row < 0 || row >= side) continue;
    out[row * side + column] = Math.min(255, out[row * side + column] + 120);
  }
}

// Yields {t, toNoise, back}: frames for the levels, (levels, side, side) each; the last at t = 0.
async function* cloudWalk({ alphaBar, seed, cloud }) {
  const { points, variance, n, levels, side } = cloud;
  const T = alphaBar.length - 1;
  const randn = generator(seed);
  const normal = () => Float64Array.from(randn(Math.max(16, 2 * n)).subarray(0, 2 * n));
  const chosen = Array.from({ length: n }, () => 2 * Math.floor(randn.uniform() * (points.length / 2)));
  const x0 = blend(1, chosen.flatMap((j) => [points[j], points[j + 1]]), Math.sqrt(variance), normal());
  const eps = normal();
  const frames = () => new Uint8ClampedArray(levels.length * side * side);
  const [toNoise, back] = [frames(), frames()];
  const put = (x, t, out) => {
    const at = levels.indexOf(t);
    if (at >= 0) raster(x, cloud, out.subarray(at * side * side, (at + 1) * side * side));
  };
  for (const t of levels) put(blend(Math.sqrt(alphaBar[t]), x0, Math.sqrt(1 - alphaBar[t]), eps), t, toNoise);
  put(eps, T, back);
  let x = eps;
  for (let t = T; t > 0; t -= 1) {
    const alpha = alphaBar[t] / alphaBar[t - 1];
    const epsHat = exactEps(points, variance, x, alphaBar[t]);
    x = blend(1 / Math.sqrt(alpha), x, -(1 - alpha) / Math.sqrt(1 - alphaBar[t]) / Math.sqrt(alpha), epsHat);
    if (t > 1) x = blend(1, x, Math.sqrt(1 - alpha), normal());
    put(x, t - 1, back);
    if (t === 1 || t % Math.ceil(T / 20) === 0) yield { t: t - 1, toNoise, back };
  }
}
