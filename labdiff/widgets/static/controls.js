// Sliders, lists to choose from, and the buttons of a player. Native inputs: keyboard, touch and screen readers know them.

const SPEEDS = [0.25, 0.5, 1, 2, 4];
const ICONS = {
  play: "M3 1v12l9-6z", pause: "M2 1h4v12H2zM8 1h4v12H8z",
  back: "M2 1h2v12H2zM13 1v12L5 7z", forth: "M10 1h2v12h-2zM1 1v12l8-6z",
};
let made = 0; // for ids that tie a label to its input

// A control knows its values (count, position, value) and shows the one it is given. `ui.set` hears of every move.
function makeControl(spec, ui) {
  const values = spec.values;
  const along = (position) => spec.min + position * spec.step;
  const control = {
    spec,
    count: values ? values.length : Math.round((spec.max - spec.min) / spec.step) + 1,
    position: values ? (value) => values.indexOf(value) : (value) => Math.round((value - spec.min) / spec.step),
    value: values
      ? (position) => values[position]
      : (position) => (Number.isInteger(spec.step) ? along(position) : +along(position).toFixed(6)),
    text(value) {
      if (spec.labels) return spec.labels[control.position(value)];
      return spec.digits ? value.toFixed(spec.digits) : `${value}`;
    },
    nearest(value) {
      if (values) return values.reduce((best, v) => (Math.abs(v - value) < Math.abs(best - value) ? v : best));
      return Math.min(spec.max, Math.max(spec.min, value));
    },
  };
  return Object.assign(control, MAKE[spec.kind](control, ui));
}

const MAKE = { range: makeRange, choice: makeChoice, button: makeButton, mark: makeMark };

// A button that counts.
function makeButton({ spec }, ui) {
  const button = element("button", { type: "button" }, spec.label);
  button.addEventListener("click", () => {
    ui.set(spec.name, ui.state[spec.name] + 1, "hand");
    ui.settle(spec.name);
  });
  return { el: button, input: button, show() {}, stop() {} };
}

// A button that notes where another control stands; -1 until then.
function makeMark({ spec }, ui) {
  const button = element("button", { type: "button" }, spec.label);
  const output = element("output", { "aria-live": "polite" });
  button.addEventListener("click", () => {
    ui.set(spec.name, ui.state[spec.of], "hand");
    ui.settle(spec.name);
  });
  return {
    el: element("div", { class: "labdiff-control" }, button, output),
    input: button,
    show(value) { output.replaceChildren(...(value < 0 ? [] : [`at ${ui.controls[spec.of].spec.label} = ${value}`])); },
    stop() {},
  };
}

function makeRange(control, ui) {
  const { spec } = control;
  const id = `labdiff-${(made += 1)}-${Math.random().toString(36).slice(2, 8)}`;
  // over a list of values the slider runs over their places; so it does where steps are fractions: no rounding adds up
  const whole = !spec.values && Number.isInteger(spec.step);
  const input = element("input", {
    type: "range", id, "aria-label": spec.speak || spec.label,
    min: whole ? spec.min : 0, max: whole ? spec.max : control.count - 1, step: whole ? spec.step : 1,
  });
  const output = element("output", { for: id, "aria-live": "off" }); // the slider says it already
  const widest = [0, control.count - 1].map((p) => control.text(control.value(p)).length);
  output.style.minWidth = `${Math.max(...widest) + 1}ch`;
  const read = () => (whole ? Number(input.value) : control.value(Number(input.value)));
  input.addEventListener("input", () => ui.set(spec.name, read(), "hand"));
  input.addEventListener("change", () => ui.settle(spec.name));
  const label = element("label", { for: id }, ...formula(spec.label));
  const slider = element("div", { class: "labdiff-control" }, label, input, output);
  const player = spec.play ? makePlayer(control, ui) : null;
  const line = player ? element("div", { class: "labdiff-control" }, player.el, slider) : slider;
  return {
    el: line,
    input,
    show(value, speech) {
      input.value = whole ? value : control.position(value);
      output.textContent = control.text(value);
      input.setAttribute("aria-valuetext", speech);
    },
    stop: () => player?.stop(),
  };
}

function makeChoice(control, ui) {
  const { spec } = control;
  const id = `labdiff-${(made += 1)}-${Math.random().toString(36).slice(2, 8)}`;
  const options = spec.values.map((value, i) => element("option", { value: i }, control.text(value)));
  const select = element("select", { id, "aria-label": spec.speak || spec.label }, ...options);
  select.addEventListener("change", () => {
    ui.set(spec.name, control.value(Number(select.value)), "hand");
    ui.settle(spec.name);
  });
  return {
    el: element("div", { class: "labdiff-control" }, element("label", { for: id }, ...formula(spec.label)), select),
    input: select,
    show(value) { select.value = control.position(value); },
    stop() {},
  };
}

// Play, pause, a step either way, speed. The whole run takes about five seconds at speed 1.
function makePlayer(control, ui) {
  const { name } = control.spec;
  const perSecond = Math.min(60, Math.max(2, control.count / 5));
  function face(button, icon, label) {
    button.innerHTML = `<svg width="14" height="14" aria-hidden="true"><path d="${ICONS[icon]}"/></svg>`;
    button.title = label;
    button.setAttribute("aria-label", label);
    return button;
  }
  const button = (icon, label) => face(element("button", { type: "button" }), icon, label);
  const [back, play, forth] = [button("back", "one step back"), button("play", "play"), button("forth", "one step on")];
  const speed = element("select", { "aria-label": "speed", title: "speed" },
    ...SPEEDS.map((s) => element("option", { value: s }, `${s}×`)));
  speed.value = 1;
  let frame = null;
  const at = () => control.position(ui.state[name]);
  const go = (position) => ui.set(name, control.value(Math.min(control.count - 1, Math.max(0, position))), "hand");
  function stop() {
    cancelAnimationFrame(frame);
    frame = null;
    face(play, "play", "play");
  }
  function start() {
    if (at() === control.count - 1) go(0);
    let before = performance.now();
    let due = 0; // frames that time asks for and that are not shown yet
    const tick = (now) => {
      due += ((now - before) / 1000) * perSecond * Number(speed.value);
      before = now;
      const whole = Math.floor(due);
      due -= whole;
      if (whole) go(at() + whole);
      if (at() === control.count - 1) stop();
      else frame = requestAnimationFrame(tick);
    };
    frame = requestAnimationFrame(tick);
    face(play, "pause", "pause");
  }
  play.addEventListener("click", () => (frame === null ? start() : stop()));
  for (const [which, step] of [[back, -1], [forth, 1]]) {
    which.addEventListener("click", () => { stop(); go(at() + step); });
  }
  const el = element("span", { class: "labdiff-player", role: "group", "aria-label": "player" }, back, play, forth, speed);
  return { el, stop };
}
