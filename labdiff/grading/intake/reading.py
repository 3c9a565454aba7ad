"""A submission's file, read with patience: only the sources of the answer cells are taken from it.

Which cell answers a question, in this order: code cells with the answer's id; with that id as nbgrader's grade_id (formats
before 4.5 have no ids); any code cell with a line `def <name>(`. Of several, the last that is neither empty nor the
untouched stub counts, as it does in a notebook that is run from top to bottom; the result is flagged.
"""

import json
import re

from labdiff.course import source_of
from labdiff.grading.records import MISSING, NOT_ATTEMPTED, Answer, Cell, Question, Trusted

BIGGEST = 256 * 1024 * 1024  # bytes of a file; a notebook with more than that in its outputs is not read
MARKER = re.compile(r"^[ \t]*#+[ \t]*(NBVAL_\w+|PYTEST_VALIDATE_IGNORE_OUTPUT)[ \t]*$", re.M)


class Unreadable(Exception):
    """Why a file can't be graded, in words for student and instructor."""


def parse(data: bytes) -> tuple[list[Cell], list[str]]:
    """(cells, flags) of a notebook's bytes. Raises Unreadable."""
    if not data.strip():
        raise Unreadable("the file is empty")
    if len(data) > BIGGEST:
        raise Unreadable(
            f"the file has {len(data) >> 20} MB, more than {BIGGEST >> 20}: clear the outputs and hand it in again"
        )
    text, flags = decode(data)
    try:
        notebook = json.loads(text)
        major = notebook.get("nbformat", 4)
        if major < 4 and "worksheets" in notebook:
            raw = [cell for sheet in notebook["worksheets"] for cell in sheet.get("cells", [])]
        else:
            raw = notebook["cells"]
        cells = [tidy(cell) for cell in raw if isinstance(cell, dict)]
    except RecursionError:
        raise Unreadable("the file is nested too deeply to be a notebook") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable(f"the file is not a notebook ({type(error).__name__}: {str(error)[:120]})") from None
    if major != 4:
        flags.append(f"nbformat {major}")
    return cells, flags


def decode(data):
    for mark, name in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(name, "replace"), [name]
    try:
        return data.decode("utf-8-sig"), ["byte order mark"] if data.startswith(b"\xef\xbb\xbf") else []
    except UnicodeDecodeError:
        return data.decode("latin-1"), ["not UTF-8, read as latin-1"]


def tidy(cell):
    metadata = cell.get("metadata") if isinstance(cell.get("metadata"), dict) else {}
    grader = metadata.get("nbgrader") if isinstance(metadata.get("nbgrader"), dict) else {}
    source = source_of(cell if "source" in cell else {"source": cell.get("input", "")})
    return Cell(
        str(cell.get("cell_type")),
        str(cell.get("id") or ""),
        str(grader.get("grade_id") or ""),
        MARKER.sub("", source),
    )


def answer(cells: list[Cell], question: Question) -> Answer:
    """The Answer to a question."""
    code = [c for c in cells if c.kind == "code"]
    starts = re.compile(rf"^[ \t]*(async\s+)?def\s+{question.name}\s*\(", re.M)
    groups = [
        ([c for c in code if c.id == question.cell_id], ""),
        ([c for c in code if c.grade_id == question.cell_id], ""),
        ([c for c in code if starts.search(c.source)], "found by its def: the cell's id is lost"),
    ]
    stub = False
    for group, flag in groups:
        touched = [c for c in group if c.source.strip() and not same(c.source, question.stub)]
        if touched:
            many = f"{len(group)} cells answer {question.name}: the last one that was filled in counts"
            return Answer(
                touched[-1].source, flags=tuple(f for f in (flag, many if len(group) > 1 else "") if f)
            )
        stub = stub or any(c.source.strip() for c in group)
    if stub:
        return Answer(question.stub, NOT_ATTEMPTED, "The answer cell is as it was handed out.")
    return Answer(status=MISSING, hint=_why_missing(cells, question))


def _why_missing(cells, question):
    there = [c for c in cells if question.cell_id in (c.id, c.grade_id)]
    if any(c.kind != "code" for c in there):
        return f"The answer cell of {question.name} is a {there[0].kind} cell. Make it a code cell again."
    if there:
        return f"The answer cell of {question.name} is empty."
    return (
        f"There is no answer cell for {question.name}, and no other code cell with def {question.name}(...)."
    )


def same(a: str, b: str) -> bool:
    """Whether two sources are alike but for blanks, comments and docstrings."""
    a, b = (re.sub(r'""".*?"""|#.*?$', "", text, flags=re.S | re.M) for text in (a, b))
    return "".join(a.split()) == "".join(b.split())


def own_cells(cells: list[Cell], trusted: Trusted) -> list[str]:
    """Sources of the code cells that the student added or changed: an answer may use what they import and define."""
    given = {"".join(s.split()) for s in trusted.sources.values()}
    answers = {q.cell_id for q in trusted.questions}
    return [
        c.source
        for c in cells
        if c.kind == "code"
        and c.source.strip()
        and "".join(c.source.split()) not in given
        and answers.isdisjoint((c.id, c.grade_id))
    ]
