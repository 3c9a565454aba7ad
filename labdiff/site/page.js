// Puts the panels into a page without a kernel: each model is the state that the notebook left, kept in the page.

const states = JSON.parse(document.getElementById("labdiff-states").textContent);

function bytes(base64) {
  const text = atob(base64);
  const made = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) made[i] = text.charCodeAt(i);
  return new DataView(made.buffer);
}

// What the front end of a notebook gives a view: get, set, save_changes, on, off. Saving has nowhere to go.
function model({ state, buffers }) {
  for (const { path, data } of buffers) {
    const parent = path.slice(0, -1).reduce((node, key) => node[key], state);
    parent[path.at(-1)] = bytes(data);
  }
  const heard = {};
  return {
    static: true,
    get: (name) => state[name],
    set(name, value) {
      if (state[name] === value) return;
      state[name] = value;
      for (const callback of heard[`change:${name}`] || []) callback();
    },
    save_changes() {},
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
  models[id] ||= model(entry);
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
document.documentElement.dataset.ready = "true";
