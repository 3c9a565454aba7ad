"""One cell of a file: what counts of it, also where code stands in Markdown, between ``` or ~~~."""

import re

from labdiff.course import source_of
from labdiff.grading.records import Cell

FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})[\w{}. +-]{0,40}")
MARKER = re.compile(r"^[ \t]*#+[ \t]*(NBVAL_\w+|PYTEST_VALIDATE_IGNORE_OUTPUT)[ \t]*$", re.M)


def tidy(cell: dict) -> Cell:
    """A cell as it stands in the file, whatever its fields hold."""
    grader = part(part(cell, "metadata"), "nbgrader")
    text = cell.get("source", cell.get("input"))
    parts = [line for line in text if isinstance(line, str)] if isinstance(text, list) else text
    source = source_of({"source": "" if parts is None else parts})
    # no message holds half a pair
    source = source.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    kind, source = str(cell.get("cell_type")), MARKER.sub("", source)
    code = unfenced(source) if kind == "code" else source
    note = "" if code == source else "lines ``` around the code: graded without them"
    return Cell(kind, str(cell.get("id") or ""), str(grader.get("grade_id") or ""), code, note)


def part(of: dict, key: str) -> dict:
    """What should be a dict, or an empty one if it is something else."""
    found = of.get(key)
    return found if isinstance(found, dict) else {}


def unfenced(source: str) -> str:
    """A code cell's source without a fence that it begins or ends with, which no Python program does."""
    lines = source.strip().split("\n")
    first, last = (FENCE.fullmatch(line.rstrip()) is not None for line in (lines[0], lines[-1]))
    if not first and not last:
        return source
    return "\n".join(line for line in lines if not FENCE.fullmatch(line.rstrip()))


def inside(source: str) -> str:
    """The code of a text cell: what is between its fences, all of it if there are none."""
    found, within = [], False
    lines = source.split("\n")
    for line in lines:
        if FENCE.fullmatch(line.rstrip()):
            within = not within
        elif within:
            found.append(line)
    return "\n".join(found or lines)
