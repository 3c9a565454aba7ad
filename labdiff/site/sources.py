"""What the pages are made from: notebooks, and the texts in Markdown that they link to."""

import html
import re
import urllib.parse
from pathlib import Path

import nbformat


def text_of(path: Path) -> list[str]:
    """The Markdown of a notebook, cell by cell, or of a text."""
    if path.suffix == ".md":
        return [path.read_text("utf-8")]
    try:
        cells = nbformat.read(path, as_version=4).cells
    except ValueError as error:
        raise ValueError(f"site: NOTEBOOK: expected a Jupyter notebook, got {path}: {error}") from error
    return [cell.source for cell in cells if cell.cell_type == "markdown"] or [""]


def title_of(path: Path) -> str:
    """The first heading, in plain words."""
    headings = re.findall(r"^# +(.*\S)", "\n".join(text_of(path)), re.MULTILINE)
    return words(headings[0]) if headings else path.stem


def words(text: str) -> str:
    """A line of Markdown without its marks."""
    text = re.sub(r"!?\[([^]]*)\]\([^)]*\)|<[^<>]*>", r"\1", text)
    return html.unescape(re.sub(r"(?<!\\)[*`$]+|\\(?=[^\w\s])", "", text)).strip()


def escaped(text: str) -> str:
    """Plain words as Markdown."""
    return re.sub(r"([\\`*_\[\]<>$&~])", r"\\\1", text)


def titles_of(notebooks: list[Path]) -> dict[Path, str]:
    """{path: title} of the notebooks, and of the texts beside them that they link to."""
    texts = {}
    for path in notebooks:
        for link in re.findall(r"\]\(<?([^()<>#/]+\.md)\b", "\n".join(text_of(path))):
            name = urllib.parse.unquote(link)
            if (path.parent / name).is_file():
                texts[path.parent / name] = None
    return {path: title_of(path) for path in (*notebooks, *texts)}


def markdown(*texts: str) -> nbformat.NotebookNode:
    """A notebook of these texts."""
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text) for text in texts])
