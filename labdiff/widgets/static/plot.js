// Curves over a common x as SVG, with a movable mark. A curve is fixed, one row of a table, or made here (see bayes.js).

const COLORS = ["#1f8fd6", "#e2681c", "#12a37c", "#c87aa8"]; // mid tones, apart for the colour-blind, on any page
const DASHES = ["", "7 3", "2 3", "9 3 2 3"];

function curveTag(i, area, d = "") {
  const [color, dash] = [COLORS[i % 4], DASHES[i % 4]];
  const paint = area ? `class="area" fill="${color}"` : `class="curve" stroke="${color}" stroke-dasharray="${dash}"`;
  return `<path ${paint} d="${d}"/>`;
}

function makeLines(pane, ui) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("role", "img");
  const legend = element("div", { class: "labdiff-legend", "aria-hidden": "true" });
  const figure = element("figure", { class: "labdiff-plot" }, legend, svg);
  let width, shape, paths, dots, peaks, mark, second, drawn, named;

  function source() {
    if (pane.computed) return ui.computed[pane.computed];
    return pane.local ? ui.local[pane.local] : pane;
  }

  function layout(room) {
    width = Math.max(220, Math.min(pane.width, room));
    drawn = null;
  }

  // axes, empty curves: everything that moves is changed in place afterwards
  function build({ x, series }) {
    const height = pane.height;
    const finite = (values) => values.filter(Number.isFinite);
    const all = pane.ylim ? scaled(pane.ylim) : finite(series.flatMap(({ y }) => (y ? scaled(y.values) : [0, 1])));
    const given = along(x.values);
    const [lowX, highX] = limits(given);
    const xs = pane.fit ? given.map((_, i) => lowX + ((highX - lowX) * i) / (given.length - 1)) : given;
    let [lowY, highY] = [Math.min, Math.max].map((far) => all.reduce((a, b) => far(a, b), all[0] ?? 0));
    if (!(highY > lowY)) [lowY, highY] = [lowY - 0.5, highY + 0.5];
    const box = { left: 50, right: width - 18, top: 8, bottom: height - 38 };
    const px = (v) => box.left + ((v - lowX) / (highX - lowX || 1)) * (box.right - box.left);
    const py = (v) => box.bottom - ((Math.min(highY, Math.max(lowY, v)) - lowY) / (highY - lowY)) * (box.bottom - box.top);
    shape = { x: xs, px, py, lowX, highX };
    const text = (cls, a, b, what, more = "") => `<text class="${cls}" x="${a}" y="${b}" ${more}>${what}</text>`;
    const below = ticks(lowX, highX, pane.xlog).map((v) => text("middle", px(v), box.bottom + 16, pane.xlog ? 10 ** v : v));
    const beside = (pane.log ? decades(lowY, highY) : ticks(lowY, highY)).map((v) =>
      `<line class="grid" x1="${box.left}" x2="${box.right}" y1="${py(v)}" y2="${py(v)}"/>` +
      text("end", box.left - 6, py(v) + 4, pane.log ? power(v) : v));
    const middle = (box.top + box.bottom) / 2;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("width", width);
    svg.setAttribute("height", height);
    svg.innerHTML = below.join("") + beside.join("") +
      `<path class="axis" d="M${box.left} ${box.top}V${box.bottom}H${box.right}"/>` +
      text("middle", (box.left + box.right) / 2, height - 5, svgFormula(pane.xlabel)) +
      text("middle", 0, 0, svgFormula(pane.ylabel), `transform="translate(12 ${middle}) rotate(-90)"`) +
      series.map((_, i) => curveTag(i, series[i].area)).join("") +
      `<line class="mark" y1="${box.top}" y2="${box.bottom}"/><line class="mark second" y1="${box.top}" y2="${box.bottom}"/>` +
      series.map((_, i) => `<circle r="4.5" fill="${COLORS[i % 4]}"/>`).join("") +
      series.map(({ peak }, i) => (peak ? text("peak", 0, box.top + 12 + 14 * i, svgFormula(peak)) : "")).join("");
    peaks = [...svg.querySelectorAll(".peak")];
    paths = [...svg.querySelectorAll(".curve, .area")];
    dots = [...svg.querySelectorAll("circle")];
    [mark, second] = svg.querySelectorAll(".mark");
    const names = series.map(({ label }) => label).join("|");
    if (series.length > 1 && names !== named) {
      legend.replaceChildren(...series.map(({ label, area }, i) => {
        const key = element("span", {});
        key.innerHTML = `<svg width="26" height="10">${curveTag(i, area, area ? "M0 10V2H26V10" : "M0 5H26")}</svg>`;
        key.append(element("span", {}, ...formula(label)));
        return key;
      }));
      named = names;
    }
  }

  function limits(xs) {
    if (pane.fit) return fitted(pane.series, ui);
    return pane.xlim ? along(pane.xlim) : [Math.min(...xs), Math.max(...xs)];
  }

  // a dot on top of each bell that has a text, and the text in a row of its own, so that none covers another
  function showPeaks(series) {
    let row = 0;
    series.forEach((bell, i) => {
      if (!bell.peak) return;
      const [x, text] = [shape.px(linear(bell.mean, ui)), peaks[row]];
      dots[i].style.display = "";
      dots[i].setAttribute("cx", x);
      dots[i].setAttribute("cy", shape.py(1));
      text.style.fill = COLORS[i % 4];
      text.setAttribute("x", x);
      text.setAttribute("text-anchor", x > width * 0.75 ? "end" : x < width * 0.25 ? "start" : "middle");
      row += 1;
    });
  }

  function curve(series, others) {
    if (series.mean) return logBell(series, shape.x, ui).map(Math.exp);
    if (series.means) return upToOne(logMixture(series, shape.x, ui));
    if (series.bayes) return bayesRule(series, others, shape.x, ui);
    if (series.gaussian_of !== undefined) return gaussianLike(shape.x, ui);
    if (!series.axes.length) return series.y.values;
    const row = rowOf(series.axes, ui);
    return series.y.values.subarray(row * shape.x.length, (row + 1) * shape.x.length);
  }

  const along = (values) => Array.from(values, (v) => (pane.xlog ? Math.log10(v) : v));
  const scaled = (values) => (pane.log ? Array.from(values, (v) => (v > 0 ? Math.log10(v) : NaN)) : Array.from(values));

  function update() {
    const now = source();
    figure.style.visibility = now ? "visible" : "hidden";
    figure.hidden = !now && pane.late;
    figure.style.display = pane.local && !now ? "none" : "";
    if (!now) return;
    const fresh = drawn !== now || pane.fit; // with fit the axis moves, too
    if (fresh) build(now);
    const marked = () => (typeof pane.mark === "string" ? along([ui.state[pane.mark]])[0] : pane.mark ? linear(pane.mark, ui) : null);
    const at = now.at ? now.at() : marked();
    mark.style.display = at === null ? "none" : "";
    if (at !== null) for (const end of ["x1", "x2"]) mark.setAttribute(end, shape.px(at));
    const other = pane.second ? ui.state[pane.second] : -1;
    second.style.display = other < 0 ? "none" : "";
    if (other >= 0) for (const end of ["x1", "x2"]) second.setAttribute(end, shape.px(along([other])[0]));
    now.series.forEach((series, i) => {
      const moves = !series.y || series.axes.length;
      const ys = moves || at !== null || fresh ? curve(series, now.series) : null;
      if (fresh || moves) paths[i].setAttribute("d", path(scaled(ys), series.area));
      const height = at === null ? NaN : scaled([between(shape.x, ys, at)])[0];
      dots[i].style.display = Number.isFinite(height) ? "" : "none";
      if (Number.isFinite(height)) {
        dots[i].setAttribute("cx", shape.px(at));
        dots[i].setAttribute("cy", shape.py(height));
      }
    });
    showPeaks(now.series);
    svg.setAttribute("aria-label", `${pane.alt}${ui.says() ? `, ${ui.says()}` : ""}`);
    drawn = now;
  }

  function path(ys, area) {
    let d = area ? `M${shape.px(shape.lowX)} ${shape.py(-Infinity)}` : "";
    let pen = area ? "L" : "M"; // lifted over what is no number
    for (let i = 0; i < ys.length; i += 1) {
      const ok = Number.isFinite(ys[i]) && shape.x[i] >= shape.lowX && shape.x[i] <= shape.highX;
      if (ok) d += `${pen}${shape.px(shape.x[i]).toFixed(1)} ${shape.py(ys[i]).toFixed(1)}`;
      pen = ok ? "L" : "M";
    }
    return area ? `${d}V${shape.py(-Infinity)}` : d;
  }

  return { el: figure, layout, update };
}

// The curve's height at x, on the straight line between its points.
function between(xs, ys, x) {
  let i = 0;
  while (i < xs.length - 2 && xs[i + 1] < x) i += 1;
  if (xs.length === 1 || x <= xs[0]) return ys[0];
  const share = Math.min(1, (x - xs[i]) / (xs[i + 1] - xs[i]));
  return share === 1 ? ys[i + 1] : ys[i] + share * (ys[i + 1] - ys[i]);
}

function svgFormula(text) {
  const lowered = (part) => `<tspan dy="3" font-size="9">${part}</tspan><tspan dy="-3">\u200b</tspan>`;
  const escaped = (part) => part.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  return stretches(text)
    .map(([part, sub]) => (sub ? lowered(escaped(part)) : escaped(part)))
    .join("");
}

// Of a logarithmic axis: powers of ten; over less than two of them 1, 2 and 5 of each, or more where even those are few.
function decades(low, high) {
  if (high - low >= 2) return ticks(low, high, true);
  const within = (digits) => {
    const found = [];
    for (let n = Math.floor(low); n <= high; n += 1) found.push(...digits.map((d) => n + Math.log10(d)));
    return found.filter((v) => v >= low && v <= high);
  };
  const few = within([1, 2, 5]);
  return few.length > 2 ? few : within([1, 1.5, 2, 3, 4, 5, 6, 8]);
}

const power = (v) => (Number.isInteger(v) && Math.abs(v) > 2 ? `1e${v}` : `${+(10 ** v).toPrecision(2)}`);

// Three to six round numbers in low..high.
function ticks(low, high, whole = false) {
  const power = 10 ** Math.floor(Math.log10(high - low || 1));
  let step = [0.2, 0.5, 1, 2, 5].map((f) => f * power).find((s) => (high - low) / s <= 6);
  if (whole) step = Math.max(1, Math.round(step));
  const found = [];
  const last = Math.floor(high / step + 1e-9);
  for (let i = Math.ceil(low / step - 1e-9); i <= last; i += 1) found.push(+(i * step).toPrecision(10));
  return found;
}
