// Densities that the browser multiplies itself: prior times likelihood on a grid, and the Gaussian nearest to the product.

// log of a bell over the grid
function logBell({ mean, var: variances }, x, ui) {
  const at = linear(mean, ui);
  const twice = 2 * Math.max(variances.values[rowOf(mean.axes, ui)], 1e-8);
  return Array.from(x, (v) => -((v - at) ** 2) / twice);
}

// log sum_k w_k exp(-(x - signal m_k)^2 / 2 v), noised to the level of the controls
function logMixture({ means, weights, signal, vars, axes }, x, ui) {
  const row = rowOf(axes, ui);
  const [at, twice] = [means.values.map((m) => signal.values[row] * m), 2 * vars.values[row]];
  return Float64Array.from(x, (v) => {
    const logs = weights.values.map((w, k) => w - (v - at[k]) ** 2 / twice);
    const top = logs.reduce((a, b) => Math.max(a, b));
    return top + Math.log(logs.reduce((total, log) => total + Math.exp(log - top), 0));
  });
}

function upToOne(logs) {
  const top = logs.reduce((a, b) => Math.max(a, b));
  return Array.from(logs, (v) => Math.exp(v - top));
}

// The product, scaled to height 1. Its moments, and its KL to the Gaussian that has them, go to ui.measures.
function bayesRule({ bayes: [prior, likelihood] }, series, x, ui) {
  const log = logMixture(series[prior], x, ui);
  const product = upToOne(logBell(series[likelihood], x, ui).map((v, i) => v + log[i]));
  const sum = (f) => product.reduce((total, p, i) => total + f(p, x[i]), 0);
  const mass = sum((p) => p);
  const mean = sum((p, v) => p * v) / mass;
  const variance = sum((p, v) => p * (v - mean) ** 2) / mass;
  const bell = x.map((v) => -((v - mean) ** 2) / (2 * variance));
  const bellMass = bell.reduce((total, v) => total + Math.exp(v), 0);
  const nats = (p, i) => {
    const share = p / mass; // 0 where p is the smallest number there is: 0 log 0 = 0
    return share > 0 ? share * (Math.log(share) - bell[i] + Math.log(bellMass)) : 0;
  };
  const kl = product.reduce((total, p, i) => total + nats(p, i), 0);
  ui.measures = { mean, std: Math.sqrt(variance), kl: Math.max(0, kl), height: mass / bellMass };
  return product;
}

function gaussianLike(x, ui) {
  const { mean, std, height } = ui.measures;
  return x.map((v) => height * Math.exp(-((v - mean) ** 2) / (2 * std ** 2)));
}

// The stretch of x that holds all bells: from the lowest mean less 3.5 standard deviations to the highest one more.
function fitted(series, ui) {
  const ends = series.filter(({ mean }) => mean).map(({ mean, var: variances }) => {
    const far = 3.5 * Math.sqrt(Math.max(variances.values[rowOf(mean.axes, ui)], 1e-8));
    return [linear(mean, ui) - far, linear(mean, ui) + far];
  });
  return [Math.min(...ends.map(([low]) => low)), Math.max(...ends.map(([, high]) => high))];
}
