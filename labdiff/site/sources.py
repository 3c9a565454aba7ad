"""What the pages are made from: notebooks, and the texts in Markdown that they link to."""

import re
from pathlib import Path

import nbformat


def text_of(path: Path) -> list[str]:
    """The Markdown of a notebook, cell by cell, or of a text."""
    if path.suffix == ".md":
        return [path.read_text("utf-8")]
    cells = nbformat.read(path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "markdown"] or [""]


def title_of(path: Path) -> str:
    """The first heading."""
    lines = "\n".join(text_of(path)).splitlines()
    return next((line.lstrip("# ").strip() for line in lines if line.startswith("# ")), path.stem)


def titles_of(notebooks: list[Path]) -> dict[Path, str]:
    """{path: title} of the notebooks, and of the texts beside them that they link to."""
    texts = {}
    for path in notebooks:
        for name in re.findall(r"\]\(([\w.-]+\.md)\b", "\n".join(text_of(path))):
            if (path.parent / name).is_file():
                texts[path.parent / name] = None
    return {path: title_of(path) for path in (*notebooks, *texts)}


def markdown(*texts: str) -> nbformat.NotebookNode:
    """A notebook of these texts."""
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text) for text in texts])
