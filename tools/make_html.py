"""Make a small site of all notebooks: pages that need neither kernel nor network, in which the sliders go on working.

    python tools/make_html.py                      # runs every notebook, writes build/html/index.html and a page for each
    python tools/make_html.py notebooks/01_forward_noising.ipynb --out FOLDER

A page holds everything itself: pictures, formulas (as MathML), the panels' data as the run left it, and their front end.
What needs the kernel to move stands as it was.
"""

import argparse
import html
import json
import re
import time
from pathlib import Path

import jinja2
import nbformat
from latex2mathml.converter import convert
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter

from labdiff.widgets.panel import CSS, ESM

ROOT = Path(__file__).parents[1]
SITE = Path(__file__).parent / "site"
VIEW, STATE = "application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json"
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="icon" href="data:,"><style>{css}</style></head>
<body><nav aria-label="notebooks">{nav}</nav><main>{body}</main>{scripts}</body></html>
"""


def mathml(formula, display="inline"):
    """LaTeX as MathML; what the converter does not know is first put into words that it knows."""
    for name, known in ((r"\|", "‖"), ("{aligned}", "{align*}")):
        formula = formula.replace(name, known)
    return convert(formula, display=display)


class Renderer(IPythonRenderer):
    """Markdown with formulas as MathML, which browsers draw by themselves."""

    def inline_math(self, body):
        return mathml(body)

    def block_math(self, body):
        return f'<span class="formula">{mathml(body, "block")}</span>'

    def latex_environment(self, name, body):
        return self.block_math(rf"\begin{{{name}}}{body}\end{{{name}}}")


class Exporter(HTMLExporter):
    """The cells alone, without the page around them that nbconvert would fill from a CDN."""

    def __init__(self):
        super().__init__(template_name="basic", exclude_anchor_links=True)

    @jinja2.pass_context
    def markdown2html(self, context, source):
        renderer = Renderer(
            escape=False,
            attachments=context.get("cell", {}).get("attachments", {}),
            embed_images=True,
            path=str(ROOT / "notebooks"),
            exclude_anchor_links=True,
        )
        return MarkdownWithMath(renderer=renderer).render(source)


def run(path):
    """The notebook with its outputs and its widgets' state, run in its folder; the file stays as it is."""
    notebook = nbformat.read(path, as_version=4)
    folder = {"metadata": {"path": path.parent}}
    return NotebookClient(notebook, timeout=900, kernel_name="python3", resources=folder).execute()


def states(notebook):
    """{model id: what page.js needs of it} for the panels in the notebook's outputs, and for boxes around them."""
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


def title_of(notebook, path):
    lines = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown").splitlines()
    return next((line.lstrip("# ").strip() for line in lines if line.startswith("# ")), path.stem)


def write(path, notebook, titles, out):
    data = json.dumps(states(notebook)).replace("</", "<\\/")  # ends no script element
    for entry in notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {}).values():
        entry.clear()  # nbconvert would put all of it into the page a second time; it asks only whether a model is known
    body, _ = Exporter().from_notebook_node(notebook)
    asks_for_jquery = r'<script type="text/javascript">\s*var element = .*?</script>'
    body = re.sub(asks_for_jquery, "", body, flags=re.DOTALL)
    script = ESM.replace("export default { render };", "const view = { render };") + (
        SITE / "page.js"
    ).read_text("utf-8")
    pygments = (
        HtmlFormatter(style="default").get_style_defs(".highlight")
        + "@media (prefers-color-scheme: dark) {"
        + HtmlFormatter(style="github-dark").get_style_defs(".highlight")
        + "}"
    )
    css = pygments + CSS + (SITE / "page.css").read_text("utf-8")
    page = PAGE.format(
        title=html.escape(titles[path]),
        css=css,
        nav=nav(titles, path),
        body=body,
        scripts=f'<script type="application/json" id="labdiff-states">{data}</script>'
        f'<script type="module">{script}</script>',
    )
    (out / f"{path.stem}.html").write_text(page, "utf-8")
    return len(page)


def nav(titles, here=None):
    links = [
        f'<a href="{path.stem}.html"{" aria-current=page" if path == here else ""}>{html.escape(title)}</a>'
        for path, title in titles.items()
    ]
    return " ".join(['<a href="index.html">all notebooks</a>', *links])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "html")
    args = parser.parse_args()
    paths = [path.resolve() for path in args.paths] or sorted((ROOT / "notebooks").glob("*.ipynb"))
    titles = {path: title_of(nbformat.read(path, as_version=4), path) for path in paths}
    args.out.mkdir(parents=True, exist_ok=True)
    for path in paths:
        start = time.perf_counter()
        size = write(path, run(path), titles, args.out)
        print(f"{path.stem}.html: {time.perf_counter() - start:.0f} s, {size / 1e6:.1f} MB", flush=True)
    items = "".join(
        f'<li><a href="{path.stem}.html">{html.escape(title)}</a></li>' for path, title in titles.items()
    )
    index = PAGE.format(
        title="The diffusion lab",
        css=(SITE / "page.css").read_text("utf-8"),
        nav=nav(titles),
        scripts="",
        body="<h1>The diffusion lab</h1><p>The notebooks as pages: the sliders move, nothing has to be "
        f"installed.</p><ol>{items}</ol>",
    )
    (args.out / "index.html").write_text(index, "utf-8")
    print(f"open {args.out / 'index.html'}")


if __name__ == "__main__":
    main()
