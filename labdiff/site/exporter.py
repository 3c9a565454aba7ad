"""A notebook's cells as HTML: formulas, pictures and links that need nothing but the site."""

import html
import re
from collections.abc import Collection
from pathlib import Path

import jinja2
import nbformat
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from labdiff.site.formulas import Formulas


class Renderer(IPythonRenderer):
    """Markdown whose formulas are collected, whose headings can be linked to, and whose links lead to pages.

    Args:
        formulas: where the formulas go.
        pages: names of the files that have a page, such as "01_forward_noising.ipynb".
        options: as IPythonRenderer takes them.
    """

    def __init__(self, formulas: Formulas, pages: Collection[str], **options):
        super().__init__(**options)
        self.formulas, self.pages = formulas, pages

    def inline_math(self, body):
        return self.formulas.add(body, display=False)

    def block_math(self, body):
        return f'<span class="formula">{self.formulas.add(body, display=True)}</span>'

    def latex_environment(self, name, body):
        return self.block_math(rf"\begin{{{name}}}{body}\end{{{name}}}")

    def heading(self, text, level, **attrs):
        return f'<h{level} id="{anchor(self.formulas.words(text))}">{text}</h{level}>\n'

    def table(self, text):
        return f'<div class="wide"><table>{text}</table></div>\n'

    def link(self, text, url, title=None):
        path, mark, part = url.partition("#")
        if path.endswith((".ipynb", ".md")) and "/" not in path:
            if path not in self.pages:
                return text
            url = page_name(path) + mark + part
        return super().link(text, url, title)


def anchor(heading: str) -> str:
    """The name by which JupyterLab, too, links to a heading, from its HTML."""
    text = html.unescape(re.sub(r"<[^>]*>", "", heading))
    return html.escape(text.strip().replace(" ", "-"), quote=True)


def page_name(name: str) -> str:
    """The page of a notebook or of a text in Markdown."""
    return f"{Path(name).stem}.html"


class Exporter(HTMLExporter):
    """The cells alone, without the page around them that nbconvert would fill from a CDN.

    Args:
        folder: where the notebook is: relative paths of its pictures begin there.
        pages: names of the files that have a page.
    """

    def __init__(self, folder: Path, pages: Collection[str]):
        super().__init__(template_name="basic", exclude_anchor_links=True)
        self.folder, self.pages, self.formulas = folder, pages, Formulas()

    @jinja2.pass_context
    def markdown2html(self, context, source):
        renderer = Renderer(
            self.formulas,
            self.pages,
            escape=False,
            attachments=context.get("cell", {}).get("attachments", {}),
            embed_images=True,
            path=str(self.folder),
        )
        return MarkdownWithMath(renderer=renderer).render(source)


def body_of(notebook: nbformat.NotebookNode, folder: Path, pages: Collection[str] = ()) -> str:
    """All cells of a notebook that was run, as HTML."""
    exporter = Exporter(folder, pages)
    body, _ = exporter.from_notebook_node(notebook)
    asks_for_jquery = r'<script type="text/javascript">\s*var element = .*?</script>'
    return exporter.formulas.put_into(re.sub(asks_for_jquery, "", body, flags=re.DOTALL))
