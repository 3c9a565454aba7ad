// Pictures side by side on one canvas: mixed here from x_0 and eps, or looked up among frames that were sent.

const GAP = 2; // pixels between pictures, mid-grey, as in labdiff.plot.tile
const GREY = 0xff808080;

function makePictures(pane, ui) {
  let [N, H, W, C] = pane.size;
  const canvas = element("canvas", { role: "img" });
  const caption = element("figcaption", {}, ...formula(pane.caption || ""));
  const context = canvas.getContext("2d");
  const mixed = pane.x0 ? new Uint8ClampedArray(N * H * W * C) : null; // a clamped array rounds half to even, as torch does
  let image, words, columns, room;

  function layout(width) {
    room = width;
    const least = W < 64 ? 2 : 1;
    const wide = (n) => n * (W + GAP) - GAP;
    columns = Math.min(pane.columns, N);
    if (wide(columns) * least > width) {
      columns = Math.max(1, Math.floor((width / least + GAP) / (W + GAP)));
      columns = Math.ceil(N / Math.ceil(N / columns)); // rows of equal length
    }
    const scale = Math.max(1, Math.min(pane.scale, Math.floor(width / wide(columns))));
    canvas.width = wide(columns);
    canvas.height = Math.ceil(N / columns) * (H + GAP) - GAP;
    canvas.style.width = `${canvas.width * scale}px`;
    canvas.style.height = `${canvas.height * scale}px`;
    image = context.createImageData(canvas.width, canvas.height);
    words = new Uint32Array(image.data.buffer).fill(GREY);
  }

  function pixels() {
    if (pane.computed) {
      const found = ui.computed[pane.computed];
      const size = found && [...found.shape, 1].slice(0, 4);
      if (size && `${size}` !== `${[N, H, W, C]}`) {
        [N, H, W, C] = size;
        layout(room);
      }
      return found?.values;
    }
    const row = rowOf(pane.axes, ui);
    if (!pane.x0) return pane.frames.values.subarray(row * N * H * W * C, (row + 1) * N * H * W * C);
    const x0 = pane.x0 === "drawing" ? ui.drawing() : pane.x0.values;
    return mix(pane, x0, row, mixed);
  }

  function update() {
    const values = pixels();
    const shown = pane.computed ? ui.computed.says || "" : ui.says();
    canvas.setAttribute("aria-label", `${pane.alt}${shown ? `, ${shown}` : ""}`);
    canvas.style.visibility = values ? "visible" : "hidden"; // keeps its place
    if (pane.computed) caption.replaceChildren(...formula(ui.computed[`${pane.computed}_caption`] || pane.caption));
    if (!values) return;
    for (let n = 0, i = 0; n < N; n += 1) {
      const corner = Math.floor(n / columns) * (H + GAP) * canvas.width + (n % columns) * (W + GAP);
      for (let y = 0; y < H; y += 1) {
        const start = corner + y * canvas.width;
        for (let x = 0; x < W; x += 1, i += C) {
          const [green, blue] = C === 1 ? [values[i], values[i]] : [values[i + 1], values[i + 2]];
          words[start + x] = 0xff000000 | (blue << 16) | (green << 8) | values[i];
        }
      }
    }
    context.putImageData(image, 0, 0);
  }

  const figure = element("figure", { class: `labdiff-pictures${pane.computed ? " labdiff-computed" : ""}` }, canvas);
  if (pane.caption || pane.computed) figure.prepend(caption);
  return { el: figure, layout, update, least: Math.min(2, pane.columns) * (W + GAP) * 2 };
}

// x_t = signal[t] x_0 + noise[t] eps as grey levels, rounded step by step as the kernel's float32 does; with `double` the
// mix itself is in float64. Channels come last.
function mix({ signal, noise, eps, size, double }, x0, row, out) {
  const { fround } = Math;
  const each = out.length / size[0];
  const own = signal.shape.length > 1; // each picture has its own t
  for (let n = 0, i = 0; n < size[0]; n += 1) {
    const a = signal.values[own ? row * size[0] + n : row];
    const b = noise.values[own ? row * size[0] + n : row];
    for (const end = i + each; i < end; i += 1) {
      const e = eps.values[i];
      const v = double ? fround(a * x0[i] + b * e) : fround(fround(a * x0[i]) + fround(b * e));
      out[i] = fround(fround((v < -1 ? -1 : v > 1 ? 1 : v) + 1) * 127.5);
    }
  }
  return out;
}
