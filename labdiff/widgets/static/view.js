// One panel: controls above rows of panes. Moving a control redraws at once, here; the kernel hears of it afterwards.

const SAVE_AFTER = 60; // ms of rest before the kernel hears of a move
const COMPUTE_AFTER = 200; // the same where the kernel then computes
const ANSWER_WITHIN = 5000; // ms until the page says what to do
const AS_IT_WAS = "Only the running notebook computes this anew; here it stands as it was.";
const LOST = "The kernel that computes this was restarted or shut down: run this cell again.";
const LATE = "computing … If the kernel was restarted or shut down, run this cell again.";

const PANES = { pictures: makePictures, lines: makeLines, numbers: makeNumbers, progress: makeProgress, pad: makePad, formula: makeFormula, picture: makePicture };

function render({ model, el }) {
  const spec = unpack(model.get("spec"), model.get("data"));
  const root = element("section", { class: "labdiff", role: "group", "aria-label": spec.name });
  const ui = { state: {}, controls: {}, computed: {}, local: {} };
  const { live } = model; // the page itself computes, at once, in the kernel's place
  const still = !live && (model.static || model.get("saved")); // no kernel behind it, and none to come
  let timer = null;
  const unsent = new Set(); // moved here, and the kernel has not heard of it: an echo of an earlier move is older
  let ink = null; // what is on the pad, in [-1, 1]
  let width = 0;
  let patience = null; // the timer that waits for an answer
  let asked = false; // of a panel that follows: it waits for an answer
  let lost = false; // the kernel that made this panel is gone

  if (!still && model.widget_manager?.kernel?.interrupt) ui.interrupt = () => model.widget_manager.kernel.interrupt();

  ui.says = () => {
    const shown = (name) => ui.controls[name].text(ui.state[name]);
    const moved = spec.controls.filter(({ kind }) => ["range", "choice"].includes(kind)).map(({ name, label, speak }) => `${speak || label} = ${shown(name)}`);
    return [...moved, ...(spec.says ? [spec.says.texts[rowOf(spec.says.axes, ui)]] : [])].join(", ");
  };

  ui.refresh = () => update();
  ui.drawing = () => { ink ||= inkOf(model.get("drawing")); return ink; };

  ui.draw = (levels) => {
    model.set("drawing", new DataView(levels.buffer));
    ink = null;
    update();
  };

  // origin: "hand" (a person moved it here), "link" (another panel did), "model" (the kernel did, or another view)
  ui.set = (name, value, origin) => {
    if (ui.state[name] === value || value === undefined) return;
    ui.state[name] = value;
    update();
    if (origin !== "model" && (live || spec.follows || !spec.computes)) {
      model.set(name, value);
      unsent.add(name);
      if (spec.follows) follow();
      else save(live ? 0 : SAVE_AFTER);
    } else if (origin === "link") ui.settle(name);
    const group = model.get("group");
    if (!group || origin === "link") return;
    document.dispatchEvent(new CustomEvent("labdiff-link", { detail: { group, name, value, root } }));
  };

  // Where what is computed follows the hand: one question at a time, and its answer brings the next, for the newest values.
  function follow() {
    if (asked || upToDate()) return;
    asked = true;
    save(0);
    busy();
  }

  // a person let go of it: what the kernel computes is due
  ui.settle = (name) => {
    if (!spec.computes || spec.follows) return save(0);
    if (name === "drawing") model.set("stroke", model.get("stroke") + 1);
    else {
      model.set(name, ui.state[name]);
      unsent.add(name);
    }
    save(live ? 0 : COMPUTE_AFTER);
    return busy();
  };

  function save(after) {
    clearTimeout(timer);
    timer = setTimeout(() => {
      for (const name of unsent) model.set(name, ui.state[name]);
      unsent.clear();
      if (upToDate()) asked = false; // it came back to where it was, and no answer will come
      model.save_changes();
    }, after);
  }

  function update() {
    const speech = ui.says();
    for (const [name, control] of Object.entries(ui.controls)) control.show(ui.state[name], speech);
    for (const pane of panes) {
      if (pane.after) pane.el.hidden = ui.state[pane.after] < 0;
      pane.update();
    }
    for (const { name, only } of spec.controls) {
      if (only) ui.controls[name].input.disabled = Object.entries(only).some(([other, v]) => ui.state[other] !== v);
    }
  }

  // whether what was computed is for the values that stand here
  function upToDate() {
    const at = ui.computed.at || {};
    const names = spec.computes ? [...Object.keys(at), ...spec.controls.map(({ name }) => name)] : [];
    const now = (name) => (unsent.has(name) ? ui.state[name] : model.get(name)); // the model may have an echo of an older move
    return names.every((name) => now(name) === (name in at ? at[name] : 0));
  }

  function busy() {
    const waits = !upToDate() && !still && !lost && ui.computed.at !== undefined;
    root.classList.toggle("labdiff-busy", waits && !ui.computed.status && !spec.follows);
    root.setAttribute("aria-busy", waits);
    clearTimeout(patience);
    if (waits && !live) patience = setTimeout(() => { asked = false; tell(LATE); }, ANSWER_WITHIN);
    if (still && spec.computes) tell(AS_IT_WAS);
    else if (lost && spec.computes) tell(LOST);
    else tell(ui.computed.error || (waits ? ui.computed.status || (spec.follows ? "" : "computing …") : ""));
  }

  const tell = (text) => { if (status.textContent !== text) status.textContent = text; };

  function take() {
    const { tree, buffers } = model.get("computed");
    if (tree) ui.computed = unpack(tree, buffers);
  }

  function layout() {
    width = root.clientWidth || width || 640;
    const { paddingLeft, paddingRight } = getComputedStyle(root); // "" as long as it is not in the page
    const padding = (parseFloat(paddingLeft) || 0) + (parseFloat(paddingRight) || 0);
    for (const row of rows) layOut(row, width - padding - 8); // with outlines
  }

  for (const control of spec.controls) {
    ui.state[control.name] = model.get(control.name);
    ui.controls[control.name] = makeControl(control, ui);
  }
  const make = (pane) => Object.assign(PANES[pane.type](pane, ui), { after: pane.after });
  const rows = spec.rows.map((row) => row.map(make));
  const head = spec.head ? [make(spec.head)] : [];
  const panes = [...head, ...rows.flat()];
  const status = element("p", { class: "labdiff-status", role: "status" });
  const bar = Object.values(ui.controls).map((control) => control.el);
  if (bar.length) root.append(element("div", { class: "labdiff-controls" }, ...bar));
  root.append(...head.map((pane) => pane.el));
  root.append(...rows.map((row) => element("div", { class: "labdiff-row" }, ...row.map((pane) => pane.el))));
  if (spec.computes) root.append(status);
  // JupyterLab's own keys (an arrow folds a heading) stay away from an element that says so itself, not its parent
  for (const each of root.querySelectorAll("input, select, button, canvas[tabindex]")) each.dataset.lmSuppressShortcuts = "true";
  el.append(root);
  take();
  layout();
  update();
  busy();

  const observer = new ResizeObserver(() => {
    if (!root.clientWidth || root.clientWidth === width) return;
    layout();
    update();
  });
  observer.observe(root);
  const onLink = ({ detail }) => {
    const control = ui.controls[detail.name];
    if (!control || detail.root === root || detail.group !== model.get("group")) return;
    ui.set(detail.name, control.nearest(detail.value), "link");
  };
  document.addEventListener("labdiff-link", onLink);
  const heard = [
    ["change:computed", () => {
      take();
      update();
      busy();
      if (ui.computed.at?.partial) return;
      asked = false;
      if (spec.follows) follow();
    }],
    ["change:drawing", () => { ink = null; update(); }],
    ["comm_live_update", async () => {
      const whole = await model.widget_manager?.get_model(spec.id);
      lost = !still && whole?.comm_live === false;
      busy();
    }],
    ...spec.controls.map(({ name }) => [`change:${name}`, () => {
      if (!unsent.has(name)) ui.set(name, model.get(name), "model");
      busy();
    }]),
  ];
  for (const [event, callback] of heard) model.on(event, callback);
  if (!model.static) keepWithNotebook(model, spec.id, root);

  return () => {
    clearTimeout(timer);
    clearTimeout(patience);
    observer.disconnect();
    document.removeEventListener("labdiff-link", onLink);
    if (!model.static) forget(spec.id, root);
    for (const [event, callback] of heard) model.off(event, callback);
    for (const control of Object.values(ui.controls)) control.stop();
  };
}

export default { initialize: showLate, render };
