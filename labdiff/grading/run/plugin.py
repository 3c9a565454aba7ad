"""nbval's collector and items, subclassed: a question is a notebook made by the grader, run in a kernel of its own.

Cells of a question, by metadata["step"]: "setup" and "replay" (what an answer may rely on), "answer" (the student's),
"probe" (sends numbers). nbval runs them; only the last is compared, and not with an output but with what labdiff's
formulas give here.
"""

import time
from dataclasses import dataclass, replace

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

from labdiff.checks.exercises.exercise import Exercise
from labdiff.checks.judging.report import CORRECT, NOT_ATTEMPTED
from labdiff.checks.judging.verdict import judge
from labdiff.grading import records
from labdiff.grading.sandbox import isolate, wire
from labdiff.grading.sandbox.kernel import Kernel, Stopped


class Plugin:
    """Collects the questions of one student, each a Job, by its file."""

    def __init__(self, jobs):
        self.jobs, self.poison = jobs, set()  # poison: questions whose answer cell must not be replayed

    def pytest_addoption(self, parser):
        parser.addoption("--labdiff-grade", action="store_true", help="grade the questions, through nbval")

    def pytest_collect_file(self, file_path, parent):
        if parent.config.getoption("--labdiff-grade") and file_path in self.jobs:
            made = GradeFile.from_parent(parent, path=file_path)
            made.job, made.plugin = self.jobs[file_path], self
            return made


class GradeFile(IPyNbFile):
    """One question."""

    def collect(self):
        for cell in super().collect():  # nbval's items tell where the cells are; markers in them don't count
            step = cell.cell.metadata["step"]
            options = {"skip": False, "check": step == "probe", "check_exception": True}
            yield GradeCell.from_parent(
                self, name=f"{cell.name}: {step}", cell_num=cell.cell_num, cell=cell.cell, options=options
            )

    def setup(self):
        self.began = time.monotonic()
        job = self.job
        given = job.options
        command = isolate.start(given.isolation, job.run, job.lib, given.memory, given.server)
        self.kernel = Kernel(command, isolate.clean_environment(job.run, job.lib), job.run)

    def teardown(self):
        if self.kernel is not None:
            self.kernel.stop()
        if self.job.result is not None:
            self.job.result = replace(self.job.result, seconds=round(time.monotonic() - self.began, 1))


class GradeCell(IPyNbCell):
    """One cell of a question."""

    def runtest(self):
        job, step = self.parent.job, self.cell.metadata["step"]
        if job.result or step == "replay" and self.cell.metadata["of"] in self.parent.plugin.poison:
            pytest.skip("the kernel is stopped, or this answer stops kernels")
        try:
            super().runtest()
        except Stopped as stop:
            self.parent.kernel.stop()
            if step == "answer":
                self.parent.plugin.poison.add(job.question.name)
            if step == "setup":
                raise RuntimeError(f"the grader's own set-up: {stop}") from None
            job.finish(
                stop.status,
                hint=f"{stop} This happens {WHERE[step].format(name=job.question.name)}.",
                flag="stopped by the grader" if stop.status == records.ERROR else None,
            )
            self.raise_cell_error(str(stop))
        if step == "answer":
            errors = [o for o in self.test_outputs if o.output_type == "error"]
            job.error = f"{errors[0].ename}: {errors[0].evalue}"[:300] if errors else ""

    def compare_outputs(self, test, ref, skip_compare=None):
        """Judge the numbers in `test`; nothing was stored to compare them with."""
        job, self.comparison_traceback = self.parent.job, []
        try:
            sent = [o["data"][wire.MIME] for o in test if wire.MIME in o.get("data", {})]
            if not sent or not isinstance(sent[-1], dict):
                raise ValueError("it sent no numbers")
            job.judge(sent[-1])
        except ValueError as error:
            job.finish(
                records.ERROR,
                hint="What came out of the kernel is not what a check of the function sends "
                f"({error}). Does the answer cell change IPython or labdiff?",
                flag="strange output",
            )
        self.comparison_traceback.append(f"{job.result.status}: {job.result.hint}")
        return job.result.status == records.CORRECT


WHERE = {
    "replay": "in the answer cell of another exercise of this notebook",
    "answer": "while the answer cell runs",
    "probe": "while {name} is called",
}


@dataclass
class Job:
    """One question of one student: `probes` are the public and the hidden ones; finish() makes its result.

    Attributes:
        run: an empty folder of its own; lib: labdiff as the kernel gets it.
        flags: what is odd about the answer, from intake.
        error: how the answer cell ended, if in an error.
    """

    question: records.Question
    exercise: Exercise
    probes: list
    options: records.Options
    run: str
    lib: str
    flags: tuple[str, ...] = ()
    error: str = ""
    result: records.Result | None = None

    def finish(self, status: str, flag: str | None = None, **fields) -> None:
        flags = (*self.flags, flag) if flag else self.flags
        self.result = records.Result.of(self.question, status, flags=flags, **fields)

    def judge(self, sent: dict) -> None:
        """Correct is what is right on the public and on the hidden probes; what is shown is ld.check's report."""
        if "undefined" in sent:
            hint = f"The answer cell defines no function {self.question.name}."
            return self.finish(
                records.ERROR, hint=f"It ends with {self.error}. {hint}" if self.error else hint
            )
        sets = sent.get("sets")
        if not isinstance(sets, list) or not 1 <= len(sets) <= 2:
            raise ValueError("one or two sets of outcomes expected")
        found = [
            wire.outcomes(self.exercise, probes, plain)
            for probes, plain in zip(self.probes, sets, strict=False)
        ]
        public, *hidden = (
            judge(self.exercise, probes, outcomes)
            for probes, outcomes in zip(self.probes, found, strict=False)
        )
        if not hidden and public.status == CORRECT:
            raise ValueError("the hidden probes are missing")
        if public.status != CORRECT or hidden[0].status == CORRECT:
            verdict, outcomes, hint = public, found[0], public.hint
        else:  # numbers of the hidden probes are not shown
            verdict, outcomes = hidden[0], found[1]
            hint = ONLY_PUBLIC + (f" {verdict.hint}" if verdict.mistake else "")
        flag = "calls labdiff's own function" if verdict.mistake == "library-call" else None
        self.finish(
            status_of(verdict, outcomes),
            flag,
            mistake=verdict.mistake,
            hint=hint,
            rows=tuple((str(label), str(text)) for label, text in public.rows),
            pictures=tuple((p.text, p.uri) for p in public.pictures),
        )


ONLY_PUBLIC = (
    "It is right on the probes of ld.check, but not on hidden probes with other numbers and sizes: "
    "does it rely on particular ones?"
)


def status_of(report, outcomes) -> str:
    if report.status == CORRECT:
        return records.CORRECT
    if report.status == NOT_ATTEMPTED:
        return records.NOT_ATTEMPTED
    if outcomes[-1].problem == "time":
        return records.TIMEOUT
    return records.ERROR if outcomes[0].problem in ("raised", "signature") else records.WRONG
