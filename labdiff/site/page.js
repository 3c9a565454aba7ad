// Puts the panels into a page without a kernel: each model is the state that the notebook left, kept in the page.

const kept = await unzipped(JSON.parse(document.getElementById("labdiff-states").textContent));
const jsonSize = new DataView(kept.buffer).getUint32(0, true);
const states = JSON.parse(new TextDecoder().decode(kept.subarray(4, 4 + jsonSize)));
const bytes = (at, length) => new DataView(kept.buffer, 4 + jsonSize + at, length);

// What the front end of a notebook gives a view: get, set, save_changes, on, off. Saving has nowhere to go, but where the page
// has the panel's network: then the page computes in the kernel's place.
function model({ state, buffers }, id) {
  for (const { path, at, length } of buffers) {
    const parent = path.slice(0, -1).reduce((node, key) => node[key], state);
    parent[path.at(-1)] = bytes(at, length);
  }
  const heard = {};
  const spec = unpack(state.spec, state.data);
  const live = canCompute(spec.sampler);
  const compute = live && makeSampler(spec, state, id);
  const names = [...spec.controls.map(({ name }) => name), ...("stroke" in state ? ["stroke"] : [])];
  const values = () => Object.fromEntries(names.map((name) => [name, state[name]]));
  let asked = JSON.stringify(values()); // for which the page computes, or has computed, last

  function save_changes() {
    const at = values();
    if (!live || JSON.stringify(at) === asked) return;
    asked = JSON.stringify(at);
    compute(at, clean(), (results) => {
      if (results.error) asked = null; // another try may do
      state.computed = packed(results);
      for (const callback of heard["change:computed"] || []) callback();
    });
  }

  // x_0 of the pane from whose x_t it goes back, or what is on the pad
  function clean() {
    if (!("drawing" in state)) return spec.rows.flat().find((pane) => pane.eps)?.x0.values;
    return inkOf(state.drawing);
  }

  return {
    static: true,
    live,
    get: (name) => state[name],
    set(name, value) {
      if (state[name] === value) return;
      state[name] = value;
      for (const callback of heard[`change:${name}`] || []) callback();
    },
    save_changes,
    on: (event, callback) => { (heard[event] ||= new Set()).add(callback); },
    off: (event, callback) => { heard[event]?.delete(callback); },
  };
}

const models = {};

function show(id, el) {
  const entry = states[id];
  if (!entry) return false;
  if (entry.children) {
    return entry.children.map((child) => show(child, el.appendChild(document.createElement("div")))).some(Boolean);
  }
  models[id] ||= model(entry, id);
  view.render({ model: models[id], el });
  return true;
}

for (const script of document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]')) {
  const el = script.parentElement.appendChild(document.createElement("div"));
  if (!show(JSON.parse(script.textContent).model_id, el)) {
    el.className = "only-text";
    el.textContent = script.parentElement.dataset.text || "A widget of the running notebook stands here.";
  }
}

// What is wider than the page scrolls by itself, by keyboard, too.
function reachable() {
  for (const each of document.querySelectorAll(".highlight pre, .formula, .wide, .output_subarea")) {
    if (each.scrollWidth > each.clientWidth) each.tabIndex = 0;
    else each.removeAttribute("tabindex");
  }
}
new ResizeObserver(reachable).observe(document.body);
reachable();
document.documentElement.dataset.ready = "true";
