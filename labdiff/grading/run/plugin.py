"""nbval's collector and items, subclassed: a question is a notebook made by the grader, run in a kernel of its own.

Cells of a question, by metadata["step"]: "setup" and "replay" (what an answer may rely on), "answer" (the student's),
"probe" (sends numbers). nbval runs them; only the last is compared, and not with an output but with what labdiff's
formulas give here.
"""

import time

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

from labdiff.checks.judging.judge import judge
from labdiff.checks.judging.report import CORRECT, NOT_ATTEMPTED
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
        command = isolate.start(job.isolation, job.run, job.lib, job.memory, job.server)
        self.kernel = Kernel(command, isolate.clean_environment(job.run, job.lib), job.run)

    def teardown(self):
        if self.kernel is not None:
            self.kernel.stop()
        self.job.result["seconds"] = round(time.monotonic() - self.began, 1)


class GradeCell(IPyNbCell):
    """One cell of a question."""

    def runtest(self):
        job, step = self.parent.job, self.cell.metadata["step"]
        if job.result["status"] or step == "replay" and self.cell.metadata["of"] in self.parent.plugin.poison:
            pytest.skip("the kernel is stopped, or this answer stops kernels")
        try:
            super().runtest()
        except Stopped as stop:
            self.parent.kernel.stop()
            if step == "answer":
                self.parent.plugin.poison.add(job.name)
            if step == "setup":
                raise RuntimeError(f"the grader's own set-up: {stop}") from None
            job.finish(
                stop.status,
                hint=f"{stop} This happens {WHERE[step].format(name=job.name)}.",
                flag="stopped by the grader" if stop.status == "error" else None,
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
                "error",
                hint="What came out of the kernel is not what a check of the function sends "
                f"({error}). Does the answer cell change IPython or labdiff?",
                flag="strange output",
            )
        self.comparison_traceback.append(f"{job.result['status']}: {job.result['hint']}")
        return job.result["status"] == "correct"


WHERE = {
    "replay": "in the answer cell of another exercise of this notebook",
    "answer": "while the answer cell runs",
    "probe": "while {name} is called",
}


class Job:
    """One question of one student, and its result as a plain dict."""

    def __init__(self, exercise, seed, public, result, **where):
        self.exercise, self.name, self.result, self.error = exercise, exercise.name, result, ""
        self.probes = [exercise.probes(public), exercise.probes(seed)]
        self.isolation, self.run, self.lib, self.memory, self.server = (
            where[k] for k in ("isolation", "run", "lib", "memory", "server")
        )

    def finish(self, status, flag=None, **fields):
        self.result |= {"status": status, **fields}
        self.result["flags"] += [flag] if flag else []

    def judge(self, sent):
        """The verdict comes from the hidden probes; the numbers that are shown are the public ones'."""
        if "undefined" in sent:
            hint = f"The answer cell defines no function {self.name}."
            return self.finish("error", hint=f"It ends with {self.error}. {hint}" if self.error else hint)
        sets = sent.get("sets")
        if not isinstance(sets, list) or not 1 <= len(sets) <= 2:
            raise ValueError("one or two sets of outcomes expected")
        found = [wire.outcomes(self.exercise, probes, plain) for probes, plain in zip(self.probes, sets)]
        reports = [judge(self.exercise, probes, outcomes) for probes, outcomes in zip(self.probes, found)]
        verdict = reports[-1]
        if len(sets) < 2 and verdict.status == CORRECT:
            raise ValueError("the hidden probes are missing")
        rows = [list(map(str, row)) for row in reports[0].rows]
        if verdict.status != CORRECT and reports[0].status == CORRECT:
            rows = [
                ["hidden probe", dict(verdict.rows).get("probe", "one of them")],
                ["note", "right on the public probes of ld.check, but not on hidden ones with other numbers"],
            ]
        self.finish(status_of(verdict, found[-1]), mistake=verdict.mistake, hint=verdict.hint, rows=rows)
        if verdict.status == CORRECT:
            self.result["points"] = self.result["max"]
        elif verdict.mistake == "library-call":
            self.result["flags"].append("calls labdiff's own function")


def status_of(report, outcomes):
    if report.status == CORRECT:
        return "correct"
    if report.status == NOT_ATTEMPTED:
        return "not attempted"
    if outcomes[-1].problem == "time":
        return "timeout"
    return "error" if outcomes[0].problem in ("raised", "signature") else "wrong"
