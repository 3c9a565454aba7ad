"""What is run for one question, in its order: a notebook made by the grader, with the student's cells among
its own.

In the order of the student's notebook: what the cells before the answer define, the answer, the probes. Cells
as they were handed out come from the trusted notebook, which is not run but for its setup, imports and
definitions."""

import json
from dataclasses import dataclass

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from labdiff.grading.records import Answer, Cell, Question, Trusted

SETUP, OTHER, ANSWER, PROBE = "setup", "other", "answer", "probe"
CELL_LIMIT = 10  # seconds for a cell that is not the answer; the question is graded without it


@dataclass(frozen=True)
class Step:
    """One cell to run: `kind`, its code, and a name for what it is of (a cell of the student's notebook)."""

    kind: str
    code: str
    of: str = ""


@dataclass(frozen=True)
class Part:
    """A code cell of the student's notebook: what counts of it, its name, and whose answer it is, if any."""

    source: str
    name: str
    answers: Question | None = None
    given: bool = False


def parts(cells: list[Cell], trusted: Trusted, answers: dict[Question, Answer]) -> list[Part]:
    """The code cells that count, in their order; one that was handed out and not changed is `given`."""
    handed_out = {squeezed(s): s for s in trusted.sources.values()}
    answered = {q: squeezed(a.source) for q, a in answers.items()}
    found, placed = [], set()
    for number, cell in enumerate(cells, 1):
        if cell.kind != "code" or not cell.source.strip():
            continue
        same = squeezed(cell.source)
        whose = [q for q in answers if q.cell_id in (cell.id, cell.grade_id) or same == answered[q]]
        if whose:
            if whose[0] not in placed and not answers[whose[0]].status:
                found.append(Part(answers[whose[0]].source, whose[0].name, whose[0]))
            placed.add(whose[0])
        elif same in handed_out:
            found.append(Part(handed_out[same], f"cell {number}", given=True))
        else:
            found.append(Part(cell.source, f"cell {number}"))
    late = [q for q, a in answers.items() if not a.status and q not in placed]
    return [*found, *(Part(answers[q].source, q.name, q) for q in late)]


def steps(
    question: Question,
    trusted: Trusted,
    sequence: list[Part],
    request: dict,
    limit: float,
    modules: tuple[tuple[str, str], ...] = (),
) -> list[Step]:
    """All that is run for a question; `request` (protocol.request) gets the rest of the notebook.

    `limit`: seconds for the answer cell; half of that is the most for others. `modules`: (path, source) of
    files that the notebook may import.
    """
    at = next(i for i, part in enumerate(sequence) if part.answers == question)
    setup = f"labdiff_inside.prepare({dict(modules)!r}, {trusted.setup!r}, *{trusted.helpers(question)!r})"
    made = [Step(SETUP, setup)]
    for part in sequence[:at]:
        if not part.given:
            code = f"labdiff_inside.cell({part.source!r}, limit={min(CELL_LIMIT, limit / 2)})"
            made.append(Step(OTHER, code, part.name))
    answer = f"labdiff_inside.cell({sequence[at].source!r}, {question.name!r}, limit={limit})"
    made.append(Step(ANSWER, answer, question.name))
    rest = [part.source for part in sequence if part.answers != question]
    rest.append(sequence[at].source)  # once more, if it needs what a later cell defines
    text = json.dumps({**request, "rest": rest})
    return [*made, Step(PROBE, f"labdiff_inside.probe({text!r})", question.name)]


def notebook(made: list[Step]) -> NotebookNode:
    return new_notebook(
        cells=[
            new_code_cell(
                f"import labdiff_inside\n{s.code}", metadata={"step": s.kind, "of": s.of}, execution_count=1
            )
            for s in made
        ]
    )


def squeezed(source: str) -> str:
    return "".join(source.split())
