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
    const most = Math.max(1, Math.floor((width / least + GAP) / (W + GAP)));
    columns = Math.min(pane.columns, N, most);
    if (pane.computed || most < pane.columns) columns = Math.ceil(N / Math.ceil(N / columns)); // rows of equal length
    const scale = Math.max(1, Math.min(pane.scale, Math.floor(width / wide(columns))));
    canvas.width = wide(columns);
    canvas.height = Math.ceil(N / columns) * (H + GAP) - GAP;
    canvas.style.width = `${canvas.width * scale}px`;
    canvas.style.height = `${canvas.height * scale}px`;
    figure.style.maxWidth = `${width}px`; // a long caption is broken
    image = context.createImageData(canvas.width, canvas.height);
    words = new Uint32Array(image.data.buffer).fill(GREY);
  }

  function pixels() {
    if (pane.computed) {
      const found = ui.computed[pane.computed];
      const size = found && [...found.shape.slice(pane.axes ? 1 : 0), 1].slice(0, 4);
      if (size && `${size}` !== `${[N, H, W, C]}`) {
        [N, H, W, C] = size;
        layout(room);
      }
      return found && pane.axes ? frame(found.values) : found?.values;
    }
    if (!pane.x0) return frame(pane.frames.values);
    const row = rowOf(pane.axes, ui);
    const eps = (pane.fresh && ui.computed[pane.fresh]) || pane.eps;
    return mix(pane, clean(), eps.values, row, mixed);
  }

  function frame(values) {
    const row = rowOf(pane.axes, ui);
    return values.subarray(row * N * H * W * C, (row + 1) * N * H * W * C);
  }

  const clean = () => (pane.x0 === "drawing" ? ui.drawing() : pane.x0.values);

  // A pixel that is pointed at, ui.pixel: what it is at each t, on curves of its own.
  let first = -1; // row of the frames that the curves begin with
  const onCanvas = ({ n, u, v }) => [(n % columns) * (W + GAP) + u, Math.floor(n / columns) * (H + GAP) + v];
  if (pane.track) (ui.tracks ||= []).push({ name: pane.track, values: pane.frames.values });

  function pointAt(x, y) {
    const [column, row] = [Math.floor(x / (W + GAP)), Math.floor(y / (H + GAP))];
    const [u, v, n] = [x % (W + GAP), y % (H + GAP), row * columns + column];
    if (u < 0 || v < 0 || u >= W || v >= H || column >= columns || n >= N) return;
    ui.pixel = { n, u, v };
    ui.local[pane.path] = pane.frames ? tracked() : mixedPath();
    ui.refresh();
  }

  const inImages = () => ((ui.pixel.n * H + ui.pixel.v) * W + ui.pixel.u) * C;
  const curve = (label, values) => ({ label, y: { values: Float64Array.from(values) }, axes: [] });

  function mixedPath() {
    const { count, value } = ui.controls[pane.axes[0]];
    const places = Array.from({ length: count }, (_, p) => p);
    const [clear, eps] = [clean()[inImages()], pane.eps.values[inImages()]];
    const row = (p) => (pane.signal.shape.length > 1 ? p * N + ui.pixel.n : p); // each picture may have its own t
    const mean = places.map((p) => pane.signal.values[row(p)] * clear);
    return {
      x: { values: Float64Array.from(places, value) },
      series: [
        curve("x_t of this pixel", mean.map((m, p) => m + pane.noise.values[row(p)] * eps)),
        curve("its mean, without the noise", mean),
      ],
    };
  }

  // of a trajectory: the last axis is its places, whose texts are t; as grey as they are shown
  const place0 = () => rowOf(pane.axes, ui) - ui.controls[pane.axes.at(-1)].position(ui.state[pane.axes.at(-1)]);

  function tracked() {
    first = place0();
    const { count, value, text } = ui.controls[pane.axes.at(-1)];
    const t = (p) => Number(text(value(p)));
    const places = Array.from({ length: count }, (_, p) => p).sort((a, b) => t(a) - t(b));
    const at = (values, p) => values[(first + p) * N * H * W * C + inImages()] / 127.5 - 1;
    return {
      x: { values: Float64Array.from(places, t) },
      series: ui.tracks.map(({ name, values }) => curve(`${name} of this pixel`, places.map((p) => at(values, p)))),
      at: () => Number(text(ui.state[pane.axes.at(-1)])),
    };
  }

  if (pane.path) {
    canvas.tabIndex = 0;
    canvas.style.cursor = "crosshair";
    canvas.title = "point at a pixel to see its path over t; arrow keys move it";
    canvas.addEventListener("pointerdown", (event) => {
      const box = canvas.getBoundingClientRect();
      pointAt(Math.floor(((event.clientX - box.left) / box.width) * canvas.width),
        Math.floor(((event.clientY - box.top) / box.height) * canvas.height));
    });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      const [x, y] = ui.pixel ? onCanvas(ui.pixel) : [W >> 1, H >> 1];
      const inside = (k, far) => (k % (far + GAP) >= far ? GAP + 1 : 1); // over the gap between two images
      pointAt(x + step[0] * inside(Math.max(0, x + step[0]), W), y + step[1] * inside(Math.max(0, y + step[1]), H));
    });
  }

  function update() {
    if (pane.track && ui.pixel && first !== place0()) ui.local[pane.path] = tracked(); // another run
    const values = pixels();
    const shown = pane.computed ? ui.computed.says || "" : ui.says();
    canvas.setAttribute("aria-label", `${pane.alt}${shown ? `, ${shown}` : ""}`);
    canvas.style.visibility = values ? "visible" : "hidden"; // keeps its place
    figure.hidden = !values && pane.late; // or not, where none may ever come
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
    place();
  }

  // a frame around the pixel, beside the canvas: what is on the canvas stays true
  function place() {
    if (!ui.pixel || !pane.path) return;
    const [x, y] = onCanvas(ui.pixel);
    const scale = canvas.clientWidth / canvas.width;
    spot.style.cssText = `width:${scale}px;height:${scale}px;left:${canvas.offsetLeft + x * scale}px;` +
      `top:${canvas.offsetTop + y * scale}px`;
    if (!spot.isConnected) figure.append(spot);
  }
  const spot = element("span", { class: "labdiff-spot" });

  const figure = element("figure", { class: `labdiff-pictures${pane.computed ? " labdiff-computed" : ""}` }, canvas);
  if (pane.caption || pane.computed) figure.prepend(caption);
  return { el: figure, layout, update, least: (W < 64 ? Math.max(4, 2 * Math.min(pane.columns, N)) : 2) * (W + GAP) };
}

// x_t = signal[t] x_0 + noise[t] eps as grey levels, rounded step by step as the kernel's float32 does; with `double` the
// mix itself is in float64. Channels come last.
function mix({ signal, noise, size, double }, x0, eps, row, out) {
  const { fround } = Math;
  const each = out.length / size[0];
  const own = signal.shape.length > 1; // each picture has its own t
  for (let n = 0, i = 0; n < size[0]; n += 1) {
    const a = signal.values[own ? row * size[0] + n : row];
    const b = noise.values[own ? row * size[0] + n : row];
    for (const end = i + each; i < end; i += 1) {
      const e = eps[i];
      const v = double ? fround(a * x0[i] + b * e) : fround(fround(a * x0[i]) + fround(b * e));
      out[i] = fround(fround((v < -1 ? -1 : v > 1 ? 1 : v) + 1) * 127.5);
    }
  }
  return out;
}
