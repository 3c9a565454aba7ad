"""The pages of the site. Each holds everything itself: pictures, formulas, the panels' data as the run left
it, and their front end.
"""

import base64
import gzip
import html
import json
from pathlib import Path

import nbformat
from pygments.formatters import HtmlFormatter

from labdiff.site import formulas
from labdiff.site.exporter import body_of, page_name
from labdiff.site.hero import hero, seen
from labdiff.site.index import index
from labdiff.site.running import failed
from labdiff.site.sources import markdown
from labdiff.widgets.panel import CSS, ESM

HERE = Path(__file__).parent
WORKER = ("web/sampler.js", "web/cloud.js")  # what runs in the worker; the page has it, too
SCRIPTS = ("web/jobs.js", "web/network.js", "page.js")
VIEW, STATE = "application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json"
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="icon" href="data:,"><style>{css}</style></head>
<body><nav aria-label="notebooks">{nav}</nav><main>{body}</main>{scripts}</body></html>
"""
STILL = """<p class="only-text" id="labdiff-still" hidden>The sliders of this page need JavaScript and a
browser of 2023 or newer; without them it stands still.</p>
<noscript><style>#labdiff-still { display: block; }</style></noscript>
<script>
for (const event of ["error", "unhandledrejection"]) {
  addEventListener(event, () => {
    document.getElementById("labdiff-still").hidden = "ready" in document.documentElement.dataset;
  });
}
</script>
"""


def states(notebook: nbformat.NotebookNode) -> dict[str, dict]:
    """{model id: what page.js needs of it} for the panels in the outputs and the boxes around them."""
    state = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    found = {}

    def add(model_id):
        entry = state.get(model_id)
        if entry and entry["model_name"] == "AnyModel":
            found[model_id] = _panel(entry)
        elif entry and "children" in entry["state"]:
            children = [child.removeprefix("IPY_MODEL_") for child in entry["state"]["children"]]
            found[model_id] = {"children": children}
            for child in children:
                add(child)

    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if VIEW in output.get("data", {}):
                add(output.data[VIEW]["model_id"])
    return found


def _panel(entry: dict) -> dict:
    """What page.js needs of a panel's state."""
    return {
        "state": {k: v for k, v in entry["state"].items() if k not in ("_esm", "_css")},
        "buffers": [{"path": b["path"], "data": b["data"]} for b in entry.get("buffers", [])],
    }


def networks_in(notebook: nbformat.NotebookNode) -> set[str]:
    """Fingerprints of the networks with which panels of a notebook that was run compute."""
    specs = [panel.get("state", {}).get("spec", {}) for panel in states(notebook).values()]
    samplers = [spec.get("sampler") for spec in specs]
    return {sampler["weights"] for sampler in samplers if sampler and "weights" in sampler}


def write(
    path: Path,
    notebook: nbformat.NotebookNode,
    titles: dict[Path, str],
    out: Path,
    network: dict | None = None,
) -> int:
    """Write the page of one notebook that was run; returns its size. `network` is of put_network()."""
    panels = states(notebook)
    for entry in notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {}).values():
        entry.clear()  # else nbconvert puts it in again; it only asks whether a model is known
    body = body_of(notebook, path.parent, {source.name for source in titles})
    if numbers := failed(notebook):
        which = ", ".join(map(str, numbers))
        body = f'<p class="failed">Failed when this page was made: code cell {which}.</p>{body}'
    body += _neighbours(titles, path)
    return _write(out / f"{path.stem}.html", titles[path], body, panels, nav(titles, path), network)


def write_index(titles: dict[Path, str], out: Path, network: dict | None = None) -> Path:
    """Write index.html: what each notebook teaches, where each slide is treated, and where the site has the
    shipped network, digits that are sampled there, and what it sees in noisy ones; returns its path.
    """
    above, between, below = index(titles)
    names = {source.name for source in titles}
    panels, live = {}, ""
    if network:
        for text, panel in (("", hero()), (between, seen())):
            panels[panel.model_id] = _panel(panel.kept())
            shown = json.dumps({"model_id": panel.model_id})
            live += body_of(markdown(text), out, names)
            live += f'<div data-text="{panel.name}"><script type="{VIEW}">{shown}</script></div>'
            panel.close()
    body = body_of(markdown(above), out, names) + live + body_of(markdown(below), out, names)
    _write(out / "index.html", "The diffusion lab", body, panels, nav(titles), network)
    return out / "index.html"


def _write(
    path: Path, title: str, body: str, panels: dict[str, dict], links: str, network: dict | None
) -> int:
    colours = "{light} @media screen and (prefers-color-scheme: dark) {{{dark}}}".format(
        light=HtmlFormatter(style="default").get_style_defs(".highlight"),
        dark=HtmlFormatter(style="github-dark").get_style_defs(".highlight"),
    )
    worker, page_script = (
        "\n".join((HERE / name).read_text("utf-8") for name in names) for names in (WORKER, SCRIPTS)
    )
    view = ESM.replace("export default { initialize: showLate, render };", "const view = { render };")
    script = "\n".join([view, worker, page_script])
    data = {"states": _zipped(panels), "networks": network, "worker": worker}
    page = PAGE.format(
        title=html.escape(title),
        css=formulas.css(body) + colours + CSS + (HERE / "page.css").read_text("utf-8"),
        nav=links,
        body=STILL + body if panels else body,
        scripts="".join(_data(f"labdiff-{name}", value) for name, value in data.items())
        + f'<script type="module">{script}</script>',
    )
    return path.write_text(page, "utf-8")


def _zipped(panels: dict[str, dict]) -> str:
    """The panels for page.js: the length of a JSON, the JSON, and the bytes of all arrays; gzip, base64."""
    arrays, at = [], 0
    placed: dict[str, dict] = {}
    for model_id, panel in panels.items():
        buffers = []
        for buffer in panel.get("buffers", []):
            arrays.append(base64.b64decode(buffer["data"]))
            buffers.append({"path": buffer["path"], "at": at, "length": len(arrays[-1])})
            at += len(arrays[-1])
        placed[model_id] = panel | ({"buffers": buffers} if "buffers" in panel else {})
    text = json.dumps(placed).encode()
    whole = b"".join([len(text).to_bytes(4, "little"), text, *arrays])
    return base64.b64encode(gzip.compress(whole, 9, mtime=0)).decode()


def _data(name: str, value: object) -> str:
    text = json.dumps(value).replace("</", "<\\/")  # ends no script element
    return f'<script type="application/json" id="{name}">{text}</script>'


def nav(titles: dict[Path, str], here: Path | None = None) -> str:
    """Links to all pages."""
    links = [_link(path, title, path == here) for path, title in titles.items()]
    return " ".join([f'<a href="index.html"{"" if here else _HERE}>The diffusion lab</a>', *links])


def _neighbours(titles: dict[Path, str], here: Path) -> str:
    """Links to the notebook before and to the next."""
    paths = [path for path in titles if path.suffix == ".ipynb"]
    if here not in paths:
        return ""
    i = paths.index(here)
    before = [f"← {_link(path, titles[path])}" for path in paths[max(0, i - 1) : i]]
    after = [f"Next: {_link(path, titles[path])} →" for path in paths[i + 1 : i + 2]]
    spans = "".join(f"<span>{text}</span>" for text in before + after)
    return f'<nav aria-label="before and after" class="neighbours">{spans}</nav>' if spans else ""


def _link(path: Path, title: str, current: bool = False) -> str:
    return f'<a href="{page_name(path.name)}"{_HERE if current else ""}>{html.escape(title)}</a>'


_HERE = " aria-current=page"
