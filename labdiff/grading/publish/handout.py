"""The students' copy and the solved copy of a notebook, both made from the course's own."""

import ast
import os
import re
import shutil
import textwrap
from collections.abc import Mapping
from pathlib import Path

from labdiff.checks import own
from labdiff.course import clean, points_of, read, source_of, text_of
from labdiff.grading.publish import colab
from labdiff.grading.publish.files import write as write_file
from labdiff.grading.publish.solutions import SOLUTIONS

LINK = re.compile(r"\]\((\w[\w./-]*\.(?!ipynb)\w+)[)#\s]")  # to a file beside the notebook
POINTS = 1  # where neither the course file nor the cell says more


def mark(notebook: dict, points: Mapping[str, float] | None = None) -> dict:
    """Set nbgrader's metadata on the cells of the exercises, in place; returns the notebook.

    `points`: by exercise; otherwise those that the check's or the answer's cell names.
    """
    for cell in notebook["cells"]:
        name, _, part = cell.get("id", "").rpartition("-")
        if not any(other.get("id") == f"{name}-answer" for other in notebook["cells"]):
            continue
        exercise = name.replace("-", "_")
        common = {"grade_id": cell["id"], "schema_version": 3}
        if part == "answer":
            cell["metadata"]["nbgrader"] = {**common, "grade": False, "solution": True, "locked": False}
        elif part == "check":
            cell["metadata"]["nbgrader"] = {
                **common,
                "grade": True,
                "solution": False,
                "locked": True,
                "points": worth(notebook, name, (points or {}).get(exercise)),
            }
        elif part == "task":
            cell["metadata"]["nbgrader"] = {**common, "grade": False, "solution": False, "locked": True}
    return notebook


def worth(notebook: dict, name: str, given: float | None) -> float:
    """What an exercise counts; `name` as in its cells' ids."""
    cells = {cell.get("id"): cell for cell in notebook["cells"]}
    found = [points_of(cells[f"{name}-{part}"]) for part in ("check", "answer") if f"{name}-{part}" in cells]
    points = next((p for p in (given, *found) if p is not None), POINTS)
    return int(points) if points == int(points) else points


def solve(notebook: dict, folder: Path) -> dict:
    """With the key's answers in the answer cells, in place, between the marks that nbgrader cuts out.

    `folder`: of the course, with its own exercises.
    """
    for cell in notebook["cells"]:
        if cell.get("id", "").endswith("-answer"):
            name = cell["id"].removesuffix("-answer").replace("-", "_")
            text = SOLUTIONS[name] if name in SOLUTIONS else own.key(own.path_of(name, folder))
            lines = filled(source_of(cell), text, cell["id"])
            cell["source"] = "\n".join(lines).splitlines(keepends=True)
    return notebook


def filled(stub: str, key: str, cell: str) -> list[str]:
    """The lines of a stub with the key's answer in place of its raise; its def line and docstring stay.

    Raises: ValueError: the stub has no such line, or other arguments than the key.
    """
    lines = [line for line in stub.split("\n") if line.strip()]
    at = next(
        (i for i, line in enumerate(lines) if line.strip().startswith("raise NotImplementedError")), None
    )
    if at is None:
        raise ValueError(
            f"cell {cell}: expected a stub with the line raise NotImplementedError, got {stub!r}"
        )
    indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
    first, body = key.rstrip("\n").split("\n", 1)
    if indent != "    ":
        body = textwrap.indent(textwrap.dedent(body), indent)
    lines[at : at + 1] = [f"{indent}### BEGIN SOLUTION", *body.split("\n"), f"{indent}### END SOLUTION"]
    asked, known = (arguments("\n".join(text)) for text in (lines, [first, body]))
    if asked != known:
        raise ValueError(f"cell {cell}: expected the key's arguments ({known}), got ({asked})")
    return lines


def arguments(source: str) -> str:
    """Names of a function's arguments, in order."""
    function = next(node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))
    return ", ".join(a.arg for a in (*function.args.posonlyargs, *function.args.args))


def write(
    source: Path,
    out: Path,
    solved: bool = False,
    place: str | None = None,
    package: str | None = None,
    points: Mapping[str, float] | None = None,
) -> Path:
    """Write the copy of one notebook into the folder `out`; returns its path.

    Args:
        source: the course's notebook.
        out: a folder; made if it is not there.
        solved: with the key's answers.
        place, package: for Colab, see colab.prepare.
        points: by exercise, see mark.

    Raises: ValueError: it would be the source.
    """
    target = Path(out) / Path(source).name
    if target.exists() and os.path.samefile(source, target):
        raise ValueError(f"OUT: expected another folder than the course's own notebooks, got {out}")
    notebook = clean(mark(read(source), points))
    if solved:
        solve(notebook, Path(source).parent)
    if place:
        colab.prepare(notebook, target.name, place, package)
    write_file(target, text_of(notebook))
    folder = Path(source).parent
    for cell in notebook["cells"]:
        file = own.path_of(cell.get("id", "").removesuffix("-answer").replace("-", "_"), folder)
        if cell.get("id", "").endswith("-answer") and file.is_file():  # for ld.check, beside the notebook
            copy(file, own.path_of(file.stem, out))
        for name in LINK.findall(source_of(cell)) if cell["cell_type"] == "markdown" else ():
            if (folder / name).is_file() and ".." not in Path(name).parts:
                copy(folder / name, Path(out) / name)
    return target


def copy(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)
