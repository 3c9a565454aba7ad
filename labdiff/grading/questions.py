"""What a course asks: its notebooks, and the questions in them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """One exercise of one notebook: its function's name, and the source of its untouched answer cell."""

    name: str
    stub: str
    notebook: str = ""
    points: float = 1.0

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
