// What the kernel sent: arrays, tables over the controls' values, and texts with formulas in them.

const TYPES = { uint8: Uint8Array, float32: Float32Array, float64: Float64Array };

// Puts typed arrays where the tree says {buffer, dtype, shape}.
function unpack(node, buffers) {
  if (Array.isArray(node)) return node.map((child) => unpack(child, buffers));
  if (node === null || typeof node !== "object") return node;
  if ("buffer" in node && "dtype" in node) {
    const { buffer, byteOffset, byteLength } = buffers[node.buffer];
    const Type = TYPES[node.dtype];
    const aligned = byteOffset % Type.BYTES_PER_ELEMENT === 0;
    const values = aligned
      ? new Type(buffer, byteOffset, byteLength / Type.BYTES_PER_ELEMENT)
      : new Type(buffer.slice(byteOffset, byteOffset + byteLength));
    return { values, shape: node.shape };
  }
  return Object.fromEntries(Object.entries(node).map(([key, child]) => [key, unpack(child, buffers)]));
}

// A table has one row for each combination of its axes' values, the last axis fastest.
function rowOf(axes, ui) {
  return axes.reduce((row, name) => row * ui.controls[name].count + ui.controls[name].position(ui.state[name]), 0);
}

// sum of (entry of a table) * (value of a control): {axes, terms: {control: table}}
function linear(node, ui) {
  const row = rowOf(node.axes, ui);
  return Object.entries(node.terms).reduce((sum, [name, table]) => sum + table.values[row] * ui.state[name], 0);
}

const GREEK = [
  ["x0_hat", "x\u0302_0"], ["eps_hat", "ε\u0302"], ["alpha_bar", "ᾱ"], ["beta_tilde", "β\u0303"], ["mu_tilde", "μ\u0303"],
  ["alpha", "α"], ["beta", "β"], ["sigma", "σ"], ["eps", "ε"],
];

// "alpha_bar_{t-1}" -> [["ᾱ", false], ["t-1", true]]: stretches of text, and whether each is a subscript.
function stretches(text) {
  text = text.replaceAll("sqrt(", "√(");
  for (const [ascii, greek] of GREEK) {
    text = text.replace(new RegExp(`(?<![a-zA-Z])${ascii}(?![a-z]|_[a-z]{3})`, "g"), greek);
  }
  const parts = text.split(/_(\{[^}]*\}|[A-Za-z0-9]{1,2}(?![A-Za-z0-9]))/);
  return parts.map((part, i) => [part.replace(/[{}]/g, ""), i % 2 === 1]).filter(([part]) => part);
}

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function formula(text) {
  return stretches(text).map(([part, sub]) => (sub ? element("sub", {}, part) : part));
}
