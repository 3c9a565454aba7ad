"""A notebook's cells as HTML: formulas as MathML, pictures inside the page, nothing from a network."""

import re
from pathlib import Path

import jinja2
import nbformat
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath


def mathml(formula: str, display: str = "inline") -> str:
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
    """The cells alone, without the page around them that nbconvert would fill from a CDN.

    Args:
        folder: where the notebook is: relative paths of its pictures begin there.
    """

    def __init__(self, folder: Path):
        super().__init__(template_name="basic", exclude_anchor_links=True)
        self.folder = folder

    @jinja2.pass_context
    def markdown2html(self, context, source):
        renderer = Renderer(
            escape=False,
            attachments=context.get("cell", {}).get("attachments", {}),
            embed_images=True,
            path=str(self.folder),
            exclude_anchor_links=True,
        )
        return MarkdownWithMath(renderer=renderer).render(source)


def body_of(notebook: nbformat.NotebookNode, folder: Path) -> str:
    """All cells of a notebook that was run, as HTML."""
    body, _ = Exporter(folder).from_notebook_node(notebook)
    asks_for_jquery = r'<script type="text/javascript">\s*var element = .*?</script>'
    return re.sub(asks_for_jquery, "", body, flags=re.DOTALL)
