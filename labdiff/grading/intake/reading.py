"""A submission's file, parsed leniently: only the sources of the answer cells are taken from it.

Which cell answers a question, in this order: code cells with the answer's id; with that id as nbgrader's
grade_id (formats before 4.5 have no ids); any code cell that defines the function. Of several, the last that
is neither empty nor the untouched stub counts, as when a notebook is run from top to bottom; it is flagged.
Where there is none, the answer's own cell counts as code, if the student made text of it.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import replace

from labdiff.grading.intake.cell import inside, tidy
from labdiff.grading.intake.files import Unreadable
from labdiff.grading.records import MISSING, NOT_ATTEMPTED, Answer, Cell, Question, Trusted

MOST_LISTS = 5_000_000
LONGEST = 16 * 2**20  # characters of all code
TOO_LONG = f"raise MemoryError('the notebook has more than {LONGEST >> 20} MB of code: this cell is not run')"


def parse(data: bytes, questions: Sequence[Question] = ()) -> tuple[list[Cell], list[str]]:
    """(cells, flags) of a notebook's bytes, see as_code for `questions`. Raises Unreadable."""
    if not data.strip():
        raise Unreadable("the file is empty")
    if data.count(b"[") + data.count(b"{") > MOST_LISTS:  # each takes 64 bytes or more
        raise Unreadable(
            f"the file has more than {MOST_LISTS:,} brackets: clear the outputs and hand it in again"
        )
    text, flags = decode(data)
    try:
        notebook = json.loads(text)
        major = notebook.get("nbformat", 4)
        major = int(major) if str(major).isdigit() else 4
        if major < 4 and "worksheets" in notebook:
            raw = [cell for sheet in notebook["worksheets"] for cell in sheet.get("cells", [])]
        else:
            raw = notebook["cells"]
        cells = [tidy(cell) for cell in raw if isinstance(cell, dict)]
        cells = within_length(as_code(cells, questions))
    except RecursionError:
        raise Unreadable("the file is nested too deeply to be a notebook") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable(f"the file is not a notebook ({type(error).__name__}: {str(error)[:120]})") from None
    if major != 4:
        flags.append(f"nbformat {major}")
    return cells, flags


def as_code(cells: list[Cell], questions: Sequence[Question]) -> list[Cell]:
    """The cells; a text cell with an answer's id is code, if it defines the function that no other does."""
    for question in (q for q in questions if answer(cells, q).status):
        for i, cell in enumerate(cells):
            if cell.kind != "code" and question.cell_id in (cell.id, cell.grade_id):
                note = f"{question.name}: the answer was in a {cell.kind} cell, graded as code"
                code = replace(cell, kind="code", source=inside(cell.source), note=note)
                if touched(code, question) and defines(code, question, value="[^=]"):
                    cells = [*cells[:i], code, *cells[i + 1 :]]
    return cells


def within_length(cells: list[Cell]) -> list[Cell]:
    """The cells, without the code that is too much to be sent to a kernel for each question."""
    found, length = [], 0
    for cell in cells:
        length += len(cell.source) if cell.kind == "code" else 0
        found.append(replace(cell, source=TOO_LONG) if cell.kind == "code" and length > LONGEST else cell)
    return found


def decode(data: bytes) -> tuple[str, list[str]]:
    """(text, flags) of JSON in any encoding of Unicode, else read as latin-1."""
    coding = json.detect_encoding(data)
    try:
        text = data.decode(coding, "strict" if coding.startswith("utf-8") else "replace")
    except UnicodeDecodeError:
        return data.decode("latin-1"), ["not UTF-8, read as latin-1"]
    return text, [] if coding == "utf-8" else ["byte order mark" if coding == "utf-8-sig" else coding]


def answers(cells: list[Cell], trusted: Trusted) -> dict[Question, Answer]:
    """The Answer to each question; where there is none, what the student wrote elsewhere is flagged."""
    found = {q: answer(cells, q) for q in trusted.questions}
    own = own_cells(cells, trusted)
    texts = [c.source for c in cells if c.kind != "code"]
    for q, a in found.items():
        flags = []
        if a.status == MISSING and own:
            flags.append("no answer found, but other code of the student's: look for it")
        if a.status and any(assigns(source, q.name) for source in own):
            flags.append(f"{q.name} is assigned in another cell: is that an answer?")
        if a.status and any(re.search(rf"^[ \t]*def[ \t]+{q.name}[ \t]*\(", text, re.M) for text in texts):
            flags.append(f"def {q.name} stands in a cell that is not code")
        found[q] = replace(a, flags=(*a.flags, *flags))
    return found


def assigns(source: str, name: str) -> bool:
    """Whether some line assigns a name, alone or in a tuple: such as what a call returns, or a method."""
    for line in source.split("\n"):
        target, equals, value = line.partition("=")
        target = target.partition(":")[0].strip(" \t()")
        if equals and value[:1] != "=" and re.fullmatch(r"[\w \t,*]+", target):
            if name in re.split(r"\W+", target):
                return True
    return False


def answer(cells: list[Cell], question: Question) -> Answer:
    """The Answer to a question."""
    code = [c for c in cells if c.kind == "code"]
    by_id = [c for c in code if c.id == question.cell_id] or [
        c for c in code if c.grade_id == question.cell_id
    ]
    filled = [c for c in by_id if touched(c, question)]
    answering = [c for c in filled if defines(c, question, value="[^=]")]
    if answering:
        last = answering[-1]
        many = f"{len(by_id)} cells answer {question.name}: the last one that was filled in counts"
        return Answer(last.source, flags=(*[many] * (len(by_id) > 1), *filter(None, [last.note])))
    others = [c for c in code if c not in by_id and defines(c, question)]
    elsewhere = [c for c in others if touched(c, question)]
    if elsewhere:
        why = (
            f"{question.name} was answered in another cell"
            if by_id
            else "found by its def: the cell's id is lost"
        )
        many = f"{len(elsewhere)} cells define {question.name}: the last one counts"
        flags = (why, *[many] * (len(elsewhere) > 1), *filter(None, [elsewhere[-1].note]))
        # a cell that was split: its first part, which keeps the id, comes before
        return Answer("\n\n".join(c.source for c in (*filled, elsewhere[-1])), flags=flags)
    if filled:
        return Answer(filled[-1].source)
    if any(c.source.strip() for c in (*by_id, *others)):
        return Answer(question.stub, NOT_ATTEMPTED, "The answer cell is as it was handed out.")
    there = any(question.cell_id in (c.id, c.grade_id) and c.source.strip() for c in cells)
    flags = ("the answer is in a cell that is not code",) if there else ()
    return Answer(status=MISSING, hint=_why_missing(cells, question), flags=flags)


def touched(cell: Cell, question: Question) -> bool:
    return bool(cell.source.strip()) and not same(cell.source, question.stub)


def defines(
    cell: Cell, question: Question, value: str = r"(lambda\b|[\w.]*partial\(|\w+[ \t]*(#.*)?$)"
) -> bool:
    """Whether a cell defines the question's function, by its lines; `value`: what it may be assigned from.

    A tensor that has the function's name, such as alpha_bar, is no answer.
    """
    name = question.name
    kinds = (
        rf"[ \t]*(async[ \t]+)?def[ \t]+{name}[ \t]*\(",
        rf"[ \t]*class[ \t]+{name}\b",
        rf"(from|import)\b[^\n]*\b{name}\b",
        rf"{name}[ \t]*(:[^=\n]*)?=[ \t]*{value}",
    )
    return re.search("^(" + "|".join(kinds) + ")", cell.source, re.M) is not None


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
    left_out = r'""".*?"""|#.*?$|(?<=NotImplementedError)\(\)'  # which nbgrader writes with ()
    a, b = (re.sub(left_out, "", text, flags=re.S | re.M) for text in (a, b))
    return "".join(a.split()) == "".join(b.split())


def own_cells(cells: list[Cell], trusted: Trusted) -> list[str]:
    """Sources of the code cells that the student added or changed."""
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
