"""What a course asks: its notebooks, and the questions in them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from labdiff.checks import EXERCISES, own
from labdiff.checks.exercises.exercise import Exercise


@dataclass(frozen=True)
class Question:
    """One exercise of one notebook: its function's name, and the source of its untouched answer cell.

    `own`: the file of an instructor's own exercise, "" for one of labdiff's; `own_digest`: of that file.
    """

    name: str
    stub: str
    notebook: str = ""
    points: float = 1.0
    own: str = ""
    own_digest: str = ""

    @property
    def exercise(self) -> Exercise:
        return own.load(self.own) if self.own else EXERCISES[self.name]

    @property
    def cell_id(self) -> str:
        return self.name.replace("_", "-") + "-answer"


@dataclass(frozen=True)
class Trusted:
    """A notebook of the course.

    Attributes:
        stem: file name without .ipynb.
        questions: in their order.
        setup: source of the setup cell.
        sources: cell id -> source, of all code cells, in their order.
    """

    stem: str
    questions: tuple[Question, ...]
    setup: str
    sources: Mapping[str, str]

    @property
    def number(self) -> str:
        return re.split(r"\D", self.stem, maxsplit=1)[0]

    def helpers(self, before: Question) -> list[str]:
        """Sources of the cells between the setup and an answer, which may use what they define: stubs too."""
        ids = list(self.sources)
        known = {q.cell_id.removesuffix("answer") + "check" for q in self.questions} | {"setup"}
        return [self.sources[i] for i in ids[: ids.index(before.cell_id)] if i not in known]
