"""What passes between the rooms of grading: questions, answers as they are found, results, records."""

from dataclasses import asdict, dataclass, replace

from labdiff.grading.questions import Question, Trusted

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
class Cell:
    """A cell of a submission: kind is "code", "markdown" or "raw"; ids are "" where there are none.

    `note`: what had to be done to read its code, in words for the instructor.
    """

    kind: str
    id: str
    grade_id: str
    source: str
    note: str = ""


@dataclass(frozen=True)
class HandedIn:
    """What a student handed in for one notebook: a file's bytes, or the problem why there are none.

    `problem` "" and no data: nothing was handed in. `modules`: (path, source) of the Python files beside it
    and in folders there.
    """

    data: bytes | None = None
    problem: str = ""
    flags: tuple[str, ...] = ()
    modules: tuple[tuple[str, str], ...] = ()


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
        points, max, extra, why, overridden: see gradebook/scoring.py; `extra`: max is not in the sum of
            points to be had; `cell`: the points that the notebook's cell gives; `why`: the reason for
            points that are not all or none.
        source: the answer, to compare it with others.
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
    extra: bool = False
    cell: float | None = None
    why: str = ""
    overridden: bool = False
    source: str = ""

    @classmethod
    def of(cls, question: Question, status: str, **fields) -> "Result":
        """The result of a question; all points if it is correct, none otherwise."""
        points = question.points if status == CORRECT else 0.0
        all_ = question.points
        return cls(question.notebook, question.name, status, points, all_, cell=all_, **fields)

    @classmethod
    def from_plain(cls, plain: dict) -> "Result":
        made = cls(**plain)
        if made.status not in STATUSES:
            raise ValueError(f"result: status: expected one of {', '.join(STATUSES)}, got {made.status!r}")
        rows, pictures = (tuple((str(a), str(b)) for a, b in pairs) for pairs in (made.rows, made.pictures))
        return replace(made, rows=rows, pictures=pictures, flags=tuple(made.flags))

    @property
    def ungraded(self) -> bool:
        """Whether the grader could not finish it, and no instructor has given points: there is no number."""
        return self.status == GRADER_ERROR and not self.overridden


@dataclass(frozen=True)
class Record:
    """A student's results.

    Attributes:
        why: why the isolation is "none"; stamp: see batch.fingerprint.
        late: points taken off because it came late, and late_why; total_by_hand: an override of the total,
            and total_why. See gradebook/scoring.py.
        history: totals of earlier submissions.
        attempts: (exercise, status, mistake) of each check, if the student handed in a log.
    """

    student: str
    isolation: str
    why: str
    stamp: str
    results: tuple[Result, ...]
    late: float = 0.0
    late_why: str = ""
    total_by_hand: float | None = None
    total_why: str = ""
    history: tuple[float, ...] = ()
    attempts: tuple[tuple[str, str, str], ...] = ()

    @classmethod
    def from_plain(cls, plain: dict) -> "Record":
        """The Record that plain() was made from. Raises ValueError, TypeError or KeyError."""
        made = cls(**{**plain, "results": tuple(map(Result.from_plain, plain["results"]))})
        attempts = tuple((str(e), str(s), str(m)) for e, s, m in made.attempts)
        return replace(made, history=tuple(map(float, made.history)), attempts=attempts)

    def plain(self) -> dict:
        return asdict(self)

    @property
    def total(self) -> float:
        if self.total_by_hand is not None:
            return self.total_by_hand
        return max(0.0, round(sum(r.points for r in self.results) - self.late, 6))

    @property
    def max(self) -> float:
        return sum(r.max for r in self.results if not r.extra)

    @property
    def ungraded(self) -> bool:
        """Whether the grader could not finish some question: then there is no total yet."""
        return self.total_by_hand is None and any(r.ungraded for r in self.results)

    @property
    def isolated(self) -> str:
        return "isolated" if self.isolation == "namespace" else "not isolated"

    @property
    def remarks(self) -> list[str]:
        """Why points are not all or none, in words."""
        said = [f"{r.exercise}: {r.why}" for r in self.results if r.why]
        return said + [why for why in (self.late_why, self.total_why) if why]

    @property
    def flags(self) -> list[str]:
        """Why an instructor should look at this student, in words, each once."""
        found = [flag for r in self.results for flag in r.flags]
        found += [f"{r.exercise}: {r.status}" for r in self.results if r.status not in PLAIN]
        return list(dict.fromkeys(found))
