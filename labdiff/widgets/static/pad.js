// A pad to draw a digit on, with mouse, pen or finger; what is drawn becomes 28 x 28 grey levels as MNIST's digits
// did: fitted into a box of 20 x 20, anti-aliased, the centre of mass in the middle.

const SIDE = 140; // the pad's own pixels
const STROKE = 12;

function makePad(pane, ui) {
  const canvas = element("canvas", {
    width: SIDE, height: SIDE, role: "img", class: "labdiff-pad",
    "aria-label": "a pad: draw a digit here with mouse, pen or finger",
  });
  const clear = element("button", { type: "button" }, "clear");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let last = null;

  function wipe() {
    context.fillStyle = "black";
    context.fillRect(0, 0, SIDE, SIDE);
  }

  function line(event) {
    const box = canvas.getBoundingClientRect();
    const to = [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
    Object.assign(context, { strokeStyle: "white", lineWidth: STROKE, lineCap: "round", lineJoin: "round" });
    context.beginPath();
    context.moveTo(...(last || to));
    context.lineTo(...to);
    context.stroke();
    last = to;
  }

  const ink = () => context.getImageData(0, 0, SIDE, SIDE).data.filter((_, i) => i % 4 === 0);
  const show = () => ui.draw(likeMnist(ink()));

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = null;
    line(event);
    show();
    event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    for (const each of event.getCoalescedEvents?.() || [event]) line(each);
    show();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => {
      if (last) ui.settle("drawing");
      last = null;
    });
  }
  clear.addEventListener("click", () => {
    wipe();
    show();
    ui.settle("drawing");
  });
  wipe();
  const caption = element("figcaption", {}, pane.caption, " ", clear);
  return { el: element("figure", { class: "labdiff-pictures" }, caption, canvas), layout() {}, update() {} };
}

function likeMnist(ink) {
  const out = new Float32Array(28 * 28);
  let [mass, cx, cy, left, right, top, bottom] = [0, 0, 0, SIDE, 0, SIDE, 0];
  for (let i = 0; i < ink.length; i += 1) {
    if (!ink[i]) continue;
    const [x, y] = [i % SIDE, Math.floor(i / SIDE)];
    [mass, cx, cy] = [mass + ink[i], cx + ink[i] * x, cy + ink[i] * y];
    [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
  }
  const scale = Math.min(20 / (Math.max(right - left, bottom - top) + 1), 28 / SIDE * 1.5); // a dot stays a dot
  for (let i = 0; i < ink.length; i += 1) {
    if (!ink[i]) continue;
    const x = ((i % SIDE) - cx / mass) * scale + 13.5;
    const y = (Math.floor(i / SIDE) - cy / mass) * scale + 13.5;
    for (const [u, v] of [[0, 0], [1, 0], [0, 1], [1, 1]]) { // its ink goes to the four nearest pixels
      const [column, row] = [Math.floor(x) + u, Math.floor(y) + v];
      const share = (1 - Math.abs(x - column)) * (1 - Math.abs(y - row));
      if (column >= 0 && column < 28 && row >= 0 && row < 28) out[row * 28 + column] += share * ink[i] * scale * scale;
    }
  }
  return Uint8Array.from(out, (v) => Math.min(255, Math.round(v)));
}
