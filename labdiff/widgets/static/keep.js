// JupyterLab keeps the state of widgets only where a setting asks for it. Without it a notebook that is opened again shows
// "Error displaying widget: model not found" for each. So, when a notebook is saved, the panels in it are kept with it, in
// the place and form in which that setting keeps all widgets, and JupyterLab itself brings them back. A large one is kept
// as the picture that it shows.

const STATE_TYPE = "application/vnd.jupyter.widget-state+json";
const VIEW_TYPE = "application/vnd.jupyter.widget-view+json";
const NOT_FOUND = "Error displaying widget: model not found";
const LATE_AFTER = 1000; // ms after the last of them was brought back
const LARGEST_KEPT = 400000; // characters of base64 of one panel
const shown = (globalThis.labdiffShown ||= new Map()); // {model id: root of its view}, of all copies of this script
const whole = (globalThis.labdiffModels ||= new Map()); // {model id: JupyterLab's own model}
const late = (globalThis.labdiffLate ||= new WeakMap()); // {notebook: timer}
const watched = (globalThis.labdiffWatched ||= new WeakSet()); // notebooks

function keepWithNotebook(model, id, root) {
  shown.set(id, root);
  model.widget_manager?.get_model?.(id).then((found) => whole.set(id, found), () => {});
  const manager = model.widget_manager;
  const context = manager?.context;
  if (!context?.saveState?.connect || !manager.get_state_sync || watched.has(context)) return;
  watched.add(context);
  context.saveState.connect((_, phase) => {
    if (phase !== "started") return;
    try {
      const kept = keptState(context.model, stateOf(manager));
      const other = context.model.getMetadata("widgets") || {};
      context.model.setMetadata("widgets", { ...other, [STATE_TYPE]: { version_major: 2, version_minor: 0, state: kept } });
    } catch (error) {
      console.warn("labdiff: the panels were not kept with the notebook", error);
    }
  });
}

// On a busy machine JupyterLab may show its error before it has brought all panels back, and then leaves it there: once they are
// there, those outputs are shown anew.
function showLate({ model }) {
  const context = model.get("saved") && model.widget_manager?.context;
  if (!context) return;
  clearTimeout(late.get(context));
  late.set(context, setTimeout(() => {
    const errors = [...document.querySelectorAll(".jp-OutputArea-output")].filter((el) => el.textContent === NOT_FOUND);
    for (const { outputs } of errors.length ? context.model.cells : []) {
      for (let i = 0; i < (outputs?.length || 0); i += 1) {
        const output = outputs.get(i).toJSON();
        const view = output.data?.[VIEW_TYPE];
        if (view && !shown.has(view.model_id)) outputs.set(i, output);
      }
    }
  }, LATE_AFTER));
}

function forget(id, root) {
  if (shown.get(id) === root) [shown, whole].forEach((each) => each.delete(id));
}

// JupyterLab leaves out what has lost its kernel; these panels still stand on the page.
function stateOf(manager) {
  const lost = [...whole.values()].flatMap((each) => [each, each.get("layout")]).filter((each) => each?.comm_live === false);
  for (const each of lost) each.comm_live = true;
  try {
    return manager.get_state_sync({ drop_defaults: true }).state;
  } finally {
    for (const each of lost) each.comm_live = false;
  }
}

// The panels that stand in the notebook's outputs, with what they refer to.
function keptState(notebook, live) {
  const before = notebook.getMetadata("widgets")?.[STATE_TYPE]?.state || {};
  const kept = {};
  function keep(id) {
    const entry = live[id] || before[id];
    if (!entry || kept[id]) return;
    kept[id] = entry.model_name === "AnyModel" ? asKept(id, entry) : entry;
    for (const [, child] of JSON.stringify(kept[id].state).matchAll(/IPY_MODEL_([0-9a-f]+)/g)) keep(child);
  }
  for (const cell of notebook.cells) {
    for (const { data } of cell.toJSON().outputs || []) if (data?.[VIEW_TYPE]) keep(data[VIEW_TYPE].model_id);
  }
  return kept;
}

function asKept(id, entry) {
  if (!`${entry.state._anywidget_id}`.startsWith("labdiff.") || entry.state.saved) return entry; // not ours, or kept
  const size = (entry.buffers || []).reduce((sum, { data }) => sum + data.length, 0);
  const state = { ...entry.state, saved: true };
  if (size <= LARGEST_KEPT) return { ...entry, state };
  const picture = shown.has(id) ? asPicture(shown.get(id)) : ""; // "": it was never on the page
  const note = "Run this cell to see it move.";
  const spec = { name: state.spec.name, controls: [], rows: [[{ type: "picture", picture, note }]], says: null, computes: false };
  return { ...entry, state: { ...state, spec, data: [], computed: {} }, buffers: [] };
}

// The panel as HTML, its canvases as pictures, without what only moves in a living one.
function asPicture(root) {
  const copy = root.cloneNode(true);
  const canvases = root.querySelectorAll("canvas");
  copy.querySelectorAll("canvas").forEach((canvas, i) => {
    const picture = element("img", { src: canvases[i].toDataURL(), alt: canvas.getAttribute("aria-label") || "" });
    picture.style.cssText = canvas.style.cssText;
    canvas.replaceWith(picture);
  });
  for (const each of copy.querySelectorAll("button, select, input, .labdiff-status")) each.remove();
  return copy.innerHTML;
}

function makePicture({ picture, note }) {
  const el = element("div", { class: "labdiff-kept" });
  el.innerHTML = picture;
  el.append(element("p", { class: "labdiff-status" }, note));
  return { el, layout() {}, update() {} };
}
