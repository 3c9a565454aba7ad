"""The course's notebooks as files: where they are, and how one is written without what a run left in it."""

import json
import math
from pathlib import Path

PACKAGE = Path(__file__).parent


def folder(given: str | Path | None = None) -> Path:
    """Where the course's notebooks are: `given`, or those that came with labdiff, installed or in a clone.

    Raises: ValueError: no notebook there.
    """
    places = (
        [Path(given)] if given else [PACKAGE / "notebooks", PACKAGE.parent / "notebooks", Path("notebooks")]
    )
    for place in places:
        if any(place.glob("*.ipynb")):
            return place
    raise ValueError(
        f"--notebooks: expected a folder with the course's notebooks, got {given or 'none'} and found none "
        f"beside {PACKAGE}. Give the folder of a clone: --notebooks CLONE/notebooks"
    )


def read(path: str | Path) -> dict:
    """The notebook in a file; cells that have no id, as before format 4.5, get one. Raises ValueError."""
    try:
        notebook = json.loads(Path(path).read_text("utf-8"))
        for number, cell in enumerate(notebook["cells"]):
            cell.setdefault("id", f"cell-{number}")
        notebook["nbformat_minor"] = max(5, notebook.get("nbformat_minor", 5))
    except (ValueError, KeyError, TypeError, AttributeError) as why:
        got = f"{type(why).__name__}: {why}"
        raise ValueError(f"{path}: expected a notebook (nbformat 4), got {got}") from None
    return notebook


def source_of(cell: dict) -> str:
    """A cell's text, which the format keeps as one string or as a list of lines."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def points_of(cell: dict) -> float | None:
    """The points that a cell's metadata gives (`points`, or nbgrader's), None if it names none.

    Raises: ValueError: no number from 0 on.
    """
    metadata = cell.get("metadata", {})
    points = metadata.get("points", metadata.get("nbgrader", {}).get("points"))
    if points is None:
        return None
    if isinstance(points, bool) or not isinstance(points, int | float) or not 0 <= points < math.inf:
        raise ValueError(
            f"cell {cell.get('id')}: metadata: points: expected a number from 0 on, got {points!r}"
        )
    return points


def clean(notebook: dict) -> dict:
    """Without outputs, counts and widget state, in place; returns the notebook."""
    notebook["metadata"].pop("widgets", None)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    return notebook


def text_of(notebook: dict) -> str:
    """The notebook's file as Jupyter writes it, so that nothing else differs."""
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
