"""What passes between the rooms of grading: questions, answers as they are found, results, records."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

CORRECT, WRONG, NOT_ATTEMPTED, MISSING = "correct", "wrong", "not attempted", "missing"
UNREADABLE, ERROR, TIMEOUT, DIED, GRADER_ERROR = (
    "unreadable",
    "error",
    "timeout",
    "kernel died",
    "grader error",
)
STATUSES = (CORRECT, WRONG, NOT_ATTEMPTED, MISSING, UNREADABLE, ERROR, TIMEOUT, DIED, GRADER_ERROR)
PLAIN = (CORRECT, WRONG, NOT_ATTEMPTED, MISSING)  # nobody needs to look at these, unless they have a flag


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


@dataclass(frozen=True)
class Cell:
    """A cell of a submission: kind is "code", "markdown" or "raw"; ids are "" where there are none."""

    kind: str
    id: str
    grade_id: str
    source: str


@dataclass(frozen=True)
class HandedIn:
    """What a student handed in for one notebook: a file's bytes, or the problem why there are none.

    `problem` "" and no data: nothing was handed in.
    """

    data: bytes | None = None
    problem: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What a submission says to one question: `source`, or a status (MISSING, NOT_ATTEMPTED) and a hint."""

    source: str = ""
    status: str = ""
    hint: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Options:
    """What a batch grades with: the same for all of its students, but for `work`, a private folder of each.

    Attributes:
        secret: the hidden probes are drawn from it.
        lib: folder with labdiff as a kernel gets it, one copy for each question, see package.write_all.
        isolation: "namespace" or "none".
        memory: bytes for a kernel; timeout: seconds for a cell.
        packages: further ones that a kernel sees, see visible.py.
        server: socket of the process that kernels are forked from, None where there is none.
    """

    notebooks: tuple[Trusted, ...]
    secret: str
    lib: str
    isolation: str
    memory: int
    timeout: float
    packages: tuple[str, ...] = ()
    server: str | None = None
    work: str = ""


@dataclass(frozen=True)
class Result:
    """The outcome of one question.

    Attributes:
        rows: (label, text) pairs as in a Report of ld.check.
        pictures: (caption, data URI) pairs, the Report's pictures.
        flags: why an instructor should look at it.
    """

    notebook: str
    exercise: str
    status: str
    points: float = 0.0
    max: float = 1.0
    mistake: str | None = None
    hint: str = ""
    rows: tuple[tuple[str, str], ...] = ()
    pictures: tuple[tuple[str, str], ...] = ()
    flags: tuple[str, ...] = ()
    seconds: float = 0.0

    @classmethod
    def of(cls, question: Question, status: str, **fields) -> "Result":
        """The result of a question; all points if it is correct, none otherwise."""
        points = question.points if status == CORRECT else 0.0
        return cls(question.notebook, question.name, status, points, question.points, **fields)

    @classmethod
    def from_plain(cls, plain: dict) -> "Result":
        made = cls(**plain)
        if made.status not in STATUSES:
            raise ValueError(f"result: status: expected one of {', '.join(STATUSES)}, got {made.status!r}")
        rows, pictures = (tuple((str(a), str(b)) for a, b in pairs) for pairs in (made.rows, made.pictures))
        return replace(made, rows=rows, pictures=pictures, flags=tuple(made.flags))


@dataclass(frozen=True)
class Record:
    """A student's results; `why`: why the isolation is "none"; `stamp`: see batch.fingerprint."""

    student: str
    isolation: str
    why: str
    stamp: str
    results: tuple[Result, ...]

    @classmethod
    def from_plain(cls, plain: dict) -> "Record":
        """The Record that plain() was made from. Raises ValueError, TypeError or KeyError."""
        return cls(**{**plain, "results": tuple(map(Result.from_plain, plain["results"]))})

    def plain(self) -> dict:
        return asdict(self)

    @property
    def total(self) -> float:
        return sum(r.points for r in self.results)

    @property
    def max(self) -> float:
        return sum(r.max for r in self.results)

    @property
    def ungraded(self) -> bool:
        """Whether the grader could not finish some question: then there is no total yet."""
        return any(r.status == GRADER_ERROR for r in self.results)

    @property
    def isolated(self) -> str:
        return "isolated" if self.isolation == "namespace" else "not isolated"

    @property
    def flags(self) -> list[str]:
        """Why an instructor should look at this student, in words, each once."""
        found = [flag for r in self.results for flag in r.flags]
        found += [f"{r.exercise}: {r.status}" for r in self.results if r.status not in PLAIN]
        return list(dict.fromkeys(found))
