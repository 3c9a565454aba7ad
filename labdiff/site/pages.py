"""The pages of the site. Each holds everything itself: pictures, formulas, the panels' data as the run left
it, and their front end. What needs the kernel to move stands as it was.
"""

import html
import json
from pathlib import Path

import nbformat
from pygments.formatters import HtmlFormatter

from labdiff.site.exporter import body_of
from labdiff.site.running import failed
from labdiff.widgets.panel import CSS, ESM

HERE = Path(__file__).parent
VIEW, STATE = "application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json"
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="icon" href="data:,"><style>{css}</style></head>
<body><nav aria-label="notebooks">{nav}</nav><main>{body}</main>{scripts}</body></html>
"""


def states(notebook: nbformat.NotebookNode) -> dict[str, dict]:
    """{model id: what page.js needs of it} for the panels in the outputs and the boxes around them."""
    state = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    found = {}

    def add(model_id):
        entry = state.get(model_id)
        if entry and entry["model_name"] == "AnyModel":
            found[model_id] = {
                "state": {k: v for k, v in entry["state"].items() if k not in ("_esm", "_css")},
                "buffers": [{"path": b["path"], "data": b["data"]} for b in entry.get("buffers", [])],
            }
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


def title_of(path: Path) -> str:
    """A notebook's first heading."""
    cells = nbformat.read(path, as_version=4).cells
    lines = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown").splitlines()
    return next((line.lstrip("# ").strip() for line in lines if line.startswith("# ")), path.stem)


def write(path: Path, notebook: nbformat.NotebookNode, titles: dict[Path, str], out: Path) -> int:
    """Write the page of one notebook that was run; returns its size in bytes."""
    data = json.dumps(states(notebook)).replace("</", "<\\/")  # ends no script element
    for entry in notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {}).values():
        entry.clear()  # else nbconvert puts it in again; it only asks whether a model is known
    body = body_of(notebook, path.parent)
    if numbers := failed(notebook):
        which = ", ".join(map(str, numbers))
        body = f'<p class="failed">Failed when this page was made: code cell {which}.</p>{body}'
    script = ESM.replace("export default { render };", "const view = { render };")
    script += (HERE / "page.js").read_text("utf-8")
    css = "{light} @media (prefers-color-scheme: dark) {{{dark}}}".format(
        light=HtmlFormatter(style="default").get_style_defs(".highlight"),
        dark=HtmlFormatter(style="github-dark").get_style_defs(".highlight"),
    )
    page = PAGE.format(
        title=html.escape(titles[path]),
        css=css + CSS + (HERE / "page.css").read_text("utf-8"),
        nav=nav(titles, path),
        body=body,
        scripts=f'<script type="application/json" id="labdiff-states">{data}</script>'
        f'<script type="module">{script}</script>',
    )
    return (out / f"{path.stem}.html").write_text(page, "utf-8")


def write_index(titles: dict[Path, str], out: Path) -> Path:
    """Write index.html with a link to each page; returns its path."""
    items = "".join(
        f'<li><a href="{path.stem}.html">{html.escape(title)}</a></li>' for path, title in titles.items()
    )
    index = PAGE.format(
        title="The diffusion lab",
        css=(HERE / "page.css").read_text("utf-8"),
        nav=nav(titles),
        scripts="",
        body="<h1>The diffusion lab</h1><p>The notebooks as pages: the sliders move, nothing has to be "
        f"installed.</p><ol>{items}</ol>",
    )
    (out / "index.html").write_text(index, "utf-8")
    return out / "index.html"


def nav(titles: dict[Path, str], here: Path | None = None) -> str:
    """Links to all pages."""
    links = [
        f'<a href="{path.stem}.html"{" aria-current=page" if path == here else ""}>{html.escape(title)}</a>'
        for path, title in titles.items()
    ]
    return " ".join(['<a href="index.html">all notebooks</a>', *links])
