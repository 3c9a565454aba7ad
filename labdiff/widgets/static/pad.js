// A pad to draw a digit on, with mouse, pen or finger; what is drawn becomes 28 x 28 grey levels as MNIST's digits
// did: fitted into a box of 20 x 20, anti-aliased, the centre of mass in the middle.

const SIDE = 140; // the pad's own pixels
const STROKE = 12;

function makePad(pane, ui) {
  const canvas = element("canvas", {
    width: SIDE, height: SIDE, role: "application", class: "labdiff-pad", tabindex: 0,
    "aria-label": `a pad: ${pane.caption} with mouse, pen or finger; by keyboard, arrows move the pen, ` +
      "space lowers and lifts it, backspace clears",
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
    lineTo([((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE]);
  }

  function lineTo(to) {
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
  function start() {
    wipe();
    show();
    ui.settle("drawing");
  }
  clear.addEventListener("click", start);

  // By keyboard: a pen that is moved by arrows and lowered by space; letting it up is the end of a stroke.
  let pen = [SIDE / 2, SIDE / 4];
  let down = false;
  const spot = element("span", { class: "labdiff-pen", hidden: "" });
  function showPen() {
    const scale = canvas.clientWidth / SIDE;
    const side = down ? STROKE : STROKE / 2;
    const at = pen.map((v, i) => (i ? canvas.offsetTop : canvas.offsetLeft) + (v - side / 2) * scale);
    spot.style.cssText = `left:${at[0]}px;top:${at[1]}px;width:${side * scale}px;height:${side * scale}px`;
    spot.hidden = document.activeElement !== canvas || !canvas.matches(":focus-visible");
  }
  function lift() {
    if (down) ui.settle("drawing");
    [down, last] = [false, null];
  }
  canvas.addEventListener("focus", showPen);
  canvas.addEventListener("blur", () => { lift(); showPen(); });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-6, 0], ArrowRight: [6, 0], ArrowUp: [0, -6], ArrowDown: [0, 6] }[event.key];
    if (step) pen = pen.map((v, i) => Math.min(SIDE - 1, Math.max(0, v + step[i])));
    else if (event.key === "Backspace" || event.key === "Delete") start();
    else if (event.key === " " && down) lift();
    else if (event.key === " ") [down, last] = [true, null];
    else return;
    event.preventDefault();
    event.stopPropagation();
    if (down) { lineTo(pen); show(); }
    showPen();
  });
  wipe();
  const caption = element("figcaption", {}, pane.caption, " ", clear);
  const figure = element("figure", { class: "labdiff-pictures" }, caption, canvas, spot);
  function layout(width) {
    canvas.style.width = canvas.style.height = `${Math.min(168, Math.floor(width) - 4)}px`; // without its outline's margin
  }
  return { el: figure, layout, update() {}, least: 120 };
}

// The grey levels of a drawing, a DataView, in [-1, 1].
function inkOf({ buffer, byteOffset, byteLength }) {
  return Float32Array.from(new Uint8Array(buffer, byteOffset, byteLength), (v) => Math.fround(v / 127.5) - 1);
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
