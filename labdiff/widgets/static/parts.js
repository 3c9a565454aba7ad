// Small panes: a table of numbers, the bar of a training, and a formula whose coefficients move.

// A number >= 0 to two digits or three, however small; what rounding leaves of 0 is 0.
function short(v) {
  if (v < 1e-12) return "0";
  return v < 1e-3 ? v.toExponential(1) : v.toPrecision(3);
}

function makeNumbers({ rows }, ui) {
  const cells = rows.map(() => element("td", {}));
  const lines = rows.map(({ label }, i) => element("tr", {}, element("th", { scope: "row" }, ...formula(label)), cells[i]));
  function update() {
    rows.forEach(({ axes, texts, value, digits }, i) => {
      const number = () => (typeof value === "string" ? ui.measures[value] : linear(value, ui));
      cells[i].textContent = texts ? texts[rowOf(axes, ui)] : digits === null ? short(number()) : number().toFixed(digits);
    });
  }
  return { el: element("table", { class: "labdiff-numbers" }, element("tbody", {}, ...lines)), layout() {}, update };
}

// The Stop button interrupts the kernel, where the page knows how; elsewhere the front end's own button does.
function makeProgress(_, ui) {
  const bar = element("progress", { max: 1, value: 0, "aria-label": "progress" });
  const text = element("span", {});
  const stop = element("button", { type: "button", title: "finish this step, save, and stop" }, "Stop");
  stop.addEventListener("click", () => { ui.interrupt(); stop.disabled = true; });
  function update() {
    const { n = 0, of = 1, text: says = "", running = false } = ui.computed.progress || {};
    [bar.max, bar.value, text.textContent] = [of, n, says];
    stop.hidden = !running || !ui.interrupt;
    if (!running) stop.disabled = false;
  }
  return { el: element("div", { class: "labdiff-control" }, bar, text, stop), layout() {}, update };
}

// x_t = 0.95 x_0 + 0.31 eps: each coefficient is as large as it looks, and a drag to the side moves the slider to the t
// at which it is what the hand asks for. The slider beside it does the same by keyboard.
const PER_PIXEL = 1 / 160;

function makeFormula({ left, terms, control }, ui) {
  const boxes = terms.map(({ name }) => {
    const value = element("span", { class: "labdiff-value" });
    const box = element("span", { class: "labdiff-coefficient", title: "drag to the left or right" },
      element("span", {}, ...formula(name)), value);
    return { box, value };
  });
  boxes.forEach(({ box }, i) => {
    let from = null;
    box.addEventListener("pointerdown", (event) => {
      box.setPointerCapture(event.pointerId);
      from = { x: event.clientX, value: terms[i].values.values[at()] };
      event.preventDefault();
    });
    box.addEventListener("pointermove", (event) => {
      if (from) move(i, from.value + (event.clientX - from.x) * PER_PIXEL);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      box.addEventListener(end, () => {
        if (from) ui.settle(control);
        from = null;
      });
    }
  });
  const at = () => ui.controls[control].position(ui.state[control]);

  function move(i, wanted) {
    const { values } = terms[i].values;
    const off = (p) => Math.abs(values[p] - wanted);
    const best = values.reduce((found, _, p) => (off(p) < off(found) ? p : found), at());
    ui.set(control, ui.controls[control].value(best), "hand");
  }

  function update() {
    boxes.forEach(({ box, value }, i) => {
      const now = terms[i].values.values[at()];
      value.textContent = now.toFixed(3);
      box.style.setProperty("--share", Math.min(1, Math.max(0, now)));
    });
  }
  const words = (...parts) => element("span", {}, ...parts); // one item of the line, in which a subscript is low
  const sum = terms.flatMap(({ symbol }, i) => [...(i ? [words(" + ")] : []), boxes[i].box, words(" ", ...formula(symbol))]);
  const line = element("div", { class: "labdiff-formula" }, words(...formula(left), " = "), ...sum);
  return { el: line, layout() {}, update };
}

// The pictures of a row stand side by side, as many as there is room for.
function layOut(row, room) {
  const pictures = row.filter((pane) => pane.least);
  const share = (n) => (room - 24 * (n - 1)) / n;
  let side = Math.max(1, pictures.length);
  while (side > 1 && pictures.some(({ least }) => share(side) < least)) side -= 1;
  for (const pane of row) pane.layout(pane.least ? share(side) : room);
}
