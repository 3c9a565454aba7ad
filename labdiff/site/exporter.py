"""A notebook's cells as HTML: formulas, pictures and links that need nothing but the site."""

import base64
import html
import mimetypes
import re
import urllib.parse
from collections.abc import Collection
from pathlib import Path

import jinja2
import nbformat
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import CoalesceStreamsPreprocessor

from labdiff.site import figures
from labdiff.site.formulas import Formulas


class Renderer(IPythonRenderer):
    """Markdown whose formulas are collected, and whose headings can be linked to.

    Args:
        formulas: where the formulas go.
        attachments: the cell's, {name: {type: base64}}.
    """

    def __init__(self, formulas: Formulas, attachments: dict[str, dict[str, str]]):
        super().__init__(escape=False, attachments=attachments)
        self.formulas = formulas

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

    def image(self, text, url, title=None):
        name = urllib.parse.unquote(url.removeprefix("attachment:"))
        if name not in self.attachments:
            return super().image(text, url.removeprefix("attachment:"), title)  # one that is lost is no error
        return super().image(text, f"attachment:{name}", title)


def anchor(heading: str) -> str:
    """The name by which JupyterLab, too, links to a heading, from its HTML."""
    text = html.unescape(re.sub(r"<[^>]*>", "", heading))
    return html.escape(text.strip().replace(" ", "-"), quote=True)


def page_name(name: str) -> str:
    """The page of a notebook or of a text in Markdown, as a link has it."""
    return urllib.parse.quote(f"{Path(name).stem}.html")


class Exporter(HTMLExporter):
    """The cells alone, without the page around them that nbconvert would fill from a CDN."""

    def __init__(self):
        super().__init__(template_name="basic", exclude_anchor_links=True)
        self.register_preprocessor(CoalesceStreamsPreprocessor, enabled=True)  # a slow kernel prints in parts
        self.formulas = Formulas()

    @jinja2.pass_context
    def markdown2html(self, context, source):
        renderer = Renderer(self.formulas, context.get("cell", {}).get("attachments", {}))
        return MarkdownWithMath(renderer=renderer).render(source)


def body_of(notebook: nbformat.NotebookNode, folder: Path, pages: Collection[str] = ()) -> str:
    """All cells of a notebook that was run, as HTML.

    Args:
        notebook: the notebook.
        folder: where it is: relative paths of its pictures and links begin there.
        pages: names of the files that have a page, such as "01_forward_noising.ipynb".
    """
    exporter = Exporter()
    figures.describe(notebook)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "text/latex" in output.get("data", {}):  # a formula, or text with formulas in it
                output.data = {"text/markdown": output.data["text/latex"]}
    body, _ = exporter.from_notebook_node(notebook)
    asks_for_jquery = r'<script type="text/javascript">\s*var element = .*?</script>'
    body = re.sub(asks_for_jquery, "", body, flags=re.DOTALL)
    return exporter.formulas.put_into(figures.in_both_themes(with_files(body, folder, pages)))


def with_files(body: str, folder: Path, pages: Collection[str] = ()) -> str:
    """HTML with the files inside it that it shows or links to; a link to none is text. See body_of()."""
    folder = folder.resolve()

    def inside(match):
        path = _path_of(match[3], folder)
        return f'{match[1]}"{_data_of(path)}"' if path and path.is_file() else match[0]

    def linked(match):
        before, url, after, text = match.groups()
        path, part = _path_of(url, folder), url.partition("#")[2]
        if path is None:
            return match[0]
        if path.parent == folder and path.name in pages:
            return f'{before}"{page_name(path.name)}{part and "#"}{part}"{after}>{text}</a>'
        if path.is_file() and path.suffix != ".ipynb":
            return f'{before}"{_data_of(path)}" download="{html.escape(path.name)}"{after}>{text}</a>'
        return text

    body = re.sub(r"""(<(?:img|video|audio|source)\b[^>]*?\ssrc=)(["'])(.*?)\2""", inside, body)
    return re.sub(r"""(<a\b[^>]*?\shref=)["'](.*?)["'](.*?)>(.*?)</a>""", linked, body, flags=re.DOTALL)


def _path_of(url: str, folder: Path) -> Path | None:
    """The file that a relative link means; None for another link."""
    path = urllib.parse.unquote(html.unescape(url).partition("#")[0])
    return None if not path or re.match(r"[a-zA-Z][\w+.-]*:|/", path) else (folder / path).resolve()


def _data_of(path: Path) -> str:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
