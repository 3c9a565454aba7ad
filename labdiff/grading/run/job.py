"""One question of one student: what is graded, what happened, and the verdict on what the kernel sent."""

import sys
from dataclasses import dataclass, field, replace

from labdiff.checks.exercises.exercise import Exercise
from labdiff.checks.judging.report import CORRECT, NOT_ATTEMPTED
from labdiff.checks.judging.verdict import judge
from labdiff.grading import records
from labdiff.grading.sandbox import protocol
from labdiff.grading.sandbox.protocol import Ran

STRANGE = "strange output"
STARTED = "the answer was begun, but raises NotImplementedError"
ONLY_PUBLIC = (
    "It is right on the probes of ld.check, but not on hidden probes with other numbers and sizes: "
    "does it rely on particular ones?"
)


@dataclass
class Job:
    """One question; finish() makes its result.

    Attributes:
        probes: the public and the hidden ones.
        run: an empty folder of its own; lib: labdiff as the kernel gets it.
        flags: what is odd about the answer, in words for the instructor.
        notes: cells that were skipped, in words for the student.
        ran: how the answer cell went.
        source: the answer.
        lacking: modules that were said not to be installed.
    """

    question: records.Question
    exercise: Exercise
    probes: list
    options: records.Options
    run: str
    lib: str
    flags: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    ran: Ran = Ran()
    result: records.Result | None = None
    source: str = ""
    lacking: set[str] = field(default_factory=set)

    def finish(self, status: str, *flags: str, **fields) -> None:
        self.result = records.Result.of(self.question, status, **fields)
        notes = self.notes if status != records.CORRECT else []
        rows = (*self.result.rows, *(("note", note) for note in dict.fromkeys(notes)))
        self.result = replace(self.result, rows=rows, flags=tuple(dict.fromkeys((*self.flags, *flags))))

    def saw(self, of: str, ran: Ran | str) -> None:
        """Note how a cell went; a str says why it stopped the kernel."""
        if isinstance(ran, str):
            self.flags += (f"{of}: skipped, it stops the kernel",)
            self.notes.append(f"{of} was skipped, with all that it defines. {ran}")
            return
        if new := [name for name in ran.missing if name not in self.lacking]:
            self.lacking.update(new)
            names = ", ".join(new)
            self.flags += (f"{of}: {names} not installed where grading runs",)
            self.notes.append(f"{of} imports {names}, not installed where grading runs: graded without it.")
        if ran.slow:
            self.flags += (f"{of}: skipped, too slow",)
            self.notes.append(f"{of} was stopped because it took too long.")
        elif ran.error and not ran.missing:
            self.notes.append(f"{of} raised {ran.error}; the rest of it was run.")

    def judge_sent(self, sent: object) -> None:
        """Make the result from what the kernel sent last, which the student's code may have made."""
        try:
            if not isinstance(sent, dict):
                raise ValueError("it sent no numbers")
            self._judge(sent)
        except Exception as error:  # numbers of shapes that no call gives break the judges in many ways
            hint = (
                "What came out of the kernel is not what a check of the function sends "
                f"({type(error).__name__}: {error}"[:200]
                + "). Does the answer cell change IPython or labdiff?"
            )
            self.finish(records.ERROR, STRANGE, hint=hint)

    def _judge(self, sent: dict) -> None:
        """Correct means right on the public and the hidden probes; the report shown is ld.check's."""
        if "undefined" in sent:
            hint = f"The answer cell defines no function {self.question.name}."
            if self.ran.slow:
                hint = f"The answer cell was stopped before it had defined {self.question.name}."
                return self.finish(records.TIMEOUT, hint=hint)
            ended = f"It raised {self.ran.error}. " if self.ran.error else ""
            if self.ran.error.startswith(("SyntaxError", "IndentationError")):
                ended += f"(Python {sys.version_info[0]}.{sys.version_info[1]} read it here.) "
            return self.finish(records.ERROR, hint=ended + hint)
        sets = sent.get("sets")
        if not isinstance(sets, list) or not 1 <= len(sets) <= 2:
            raise ValueError("one or two sets of outcomes expected")
        pairs = list(zip(self.probes, sets, strict=False))
        found = [protocol.outcomes(self.exercise, probes, plain) for probes, plain in pairs]
        public, *hidden = (judge(self.exercise, p, o) for p, o in zip(self.probes, found, strict=False))
        if not hidden and public.status == CORRECT:
            raise ValueError("the hidden probes are missing")
        if public.status != CORRECT or hidden[0].status == CORRECT:
            verdict, outcomes, hint = public, found[0], public.hint
        else:  # numbers of the hidden probes are not shown
            verdict, outcomes, hint = hidden[0], found[1], ONLY_PUBLIC
        status = status_of(verdict, outcomes)
        told = self.ran.missing or status in (records.CORRECT, records.NOT_ATTEMPTED)
        if self.ran.early and self.ran.error and not told:
            status, hint = records.ERROR, f"The answer cell raised {self.ran.error}. {hint}"
        self.finish(
            status,
            *(["calls labdiff's own function"] if verdict.mistake == "library-call" else []),
            *([STARTED] if status == records.NOT_ATTEMPTED else []),
            mistake=verdict.mistake,
            hint=hint,
            rows=tuple((str(label), str(text)) for label, text in public.rows),
            pictures=tuple((p.text, p.uri) for p in public.pictures),
        )


def status_of(report, outcomes) -> str:
    if report.status == CORRECT:
        return records.CORRECT
    if report.status == NOT_ATTEMPTED:
        return records.NOT_ATTEMPTED
    if outcomes[-1].problem == "time":
        return records.TIMEOUT
    return records.ERROR if outcomes[0].problem in ("raised", "signature") else records.WRONG
