// What computes in a page without a kernel: Web Workers, one for each network, and one for what needs none. A network's parts
// come as scripts when a panel first needs them, for fetch() reads no file://. `networks` is what the page knows:
// {parts: {name: [file, ...]}, weights: {fingerprint: {part, classes}}}.

const networks = JSON.parse(document.getElementById("labdiff-networks").textContent);
const parts = {}; // {name: base64, as far as it has arrived}
const loading = {}; // {name: Promise of its base64}
const arrived = new Set(); // files
const workers = {}; // {fingerprint: Promise of a worker}
const listeners = new Map(); // {owner: callback(message)}
const waiting = new Map(); // {owner: callback(status)}, for panels that wait for the network
const tell = (status) => { for (const callback of waiting.values()) callback(status); };

globalThis.labdiffPart = (name, text) => { parts[name] = (parts[name] || "") + text; };

function loadScript(src) {
  return new Promise((done, failed) => {
    const script = element("script", { src });
    script.onload = done;
    script.onerror = () => failed(new Error(`${src} is missing beside this page`));
    document.head.append(script);
  });
}

// The text of one part, loaded once for all networks; after a failure another try loads it again.
function load(name, progress) {
  loading[name] ||= (async () => {
    parts[name] = "";
    for (const file of networks.parts[name]) {
      progress();
      await loadScript(file);
      arrived.add(file);
    }
    return parts[name];
  })();
  loading[name].catch(() => { delete loading[name]; });
  return loading[name];
}

async function loadNetwork({ part, classes }) {
  const names = { runtime: "runtime", wasm: "wasm", weights: part };
  const files = Object.values(names).flatMap((name) => networks.parts[name]);
  const progress = () => {
    const n = files.filter((file) => arrived.has(file)).length + 1;
    tell(`loading the network, part ${n} of ${files.length} …`);
  };
  const open = { classes };
  for (const [key, name] of Object.entries(names)) open[key] = await load(name, progress);
  tell("starting the network …");
  return open;
}

// A worker that is open, or an Error that says why this browser has none.
async function startWorker(fingerprint) {
  const known = networks?.weights[fingerprint];
  const open = known ? await loadNetwork(known) : {};
  const text = document.getElementById("labdiff-worker").textContent;
  try {
    const worker = new Worker(URL.createObjectURL(new Blob([JSON.parse(text)], { type: "text/javascript" })));
    await new Promise((done, failed) => {
      worker.onmessage = ({ data }) => (data.error ? failed(new Error(data.error)) : done());
      worker.onerror = (event) => failed(new Error(event.message || "its worker was not let in"));
      worker.postMessage({ open });
    });
    worker.onmessage = ({ data }) => listeners.get(data.owner)?.(data);
    return worker;
  } catch (error) {
    if (error.message.includes(DAMAGED)) {
      for (const name of Object.keys(loading)) delete loading[name]; // another try reads the files again
      throw new Error(DAMAGED);
    }
    throw new Error(`This browser can't compute it (${error.message}). One of 2023 or newer can, and so can the running notebook.`);
  }
}

function workerFor(fingerprint = "none") {
  workers[fingerprint] ||= startWorker(fingerprint);
  workers[fingerprint].catch(() => { delete workers[fingerprint]; }); // another try starts again
  return workers[fingerprint];
}

const canCompute = (sampler) => Boolean(sampler && (sampler.cloud || networks?.weights[sampler.weights]));

// Computes a panel as its kernel did: compute(at, clean, give), and give(results) for each step.
function makeSampler(spec, state, owner) {
  const { sampler } = spec;
  const make = sampler.cloud ? makeCloudJobs(spec, state) : makeJobs(spec);
  let id = 0;

  return function compute(at, clean, give) {
    id += 1;
    const mine = id;
    const { job, known, first, shown, says } = make(state, clean);
    if (known) { give({ ...known, says, at }); return; }
    const results = { ...first };
    const partial = (status) => mine === id && give({ ...results, status, at: { partial: true } });
    const broken = (error) => mine === id && give({ ...results, error: `${error.message || error}`, at });
    listeners.set(owner, (said) => {
      if (said.id !== id) return;
      if (said.error) { broken(said.error); return; }
      Object.assign(results, shown(said));
      if (said.t > 0 && said.of === 1) return; // its answer is there already
      if (said.t > 0) partial(said.of ? `t = ${said.t}: step ${said.step + 1} of ${said.of}` : `back at t = ${said.t}`);
      else give({ ...results, says, at });
    });
    waiting.set(owner, partial);
    workerFor(sampler.weights).finally(() => waiting.delete(owner)).then((worker) => {
      if (mine === id) worker.postMessage({ owner, id, job });
    }, broken);
  };
}
