"""nbval's collector and items, subclassed: a question is a notebook made by steps.py, run in a kernel of its
own.

nbval runs the cells; only the last is compared, and not with an output but with what labdiff's formulas give
here."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

from labdiff.grading import records
from labdiff.grading.run.job import Job
from labdiff.grading.run.steps import ANSWER, OTHER, PROBE, SETUP
from labdiff.grading.sandbox import isolate, protocol
from labdiff.grading.sandbox.kernel import Kernel, Stopped
from labdiff.grading.sandbox.protocol import MIME, Ran

OTHERS_LIMIT = 60  # seconds for all of a notebook's other cells, in one kernel
STARTS = 5  # kernels for one question
WHERE = {
    OTHER: "while {of} of the notebook runs",
    ANSWER: "while the answer cell runs",
    PROBE: "while {of} is called",
}


class Plugin:
    """Collects the questions of one student, each a Job, by its file."""

    def __init__(self, jobs: dict[Path, Job]):
        self.jobs = jobs
        # (notebook, cell) that is slow or stops kernels (a str: why): not run again
        self.skip: dict[tuple[str, str], Ran | str] = {}

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
            options = {"skip": False, "check": step == PROBE, "check_exception": True}
            yield GradeCell.from_parent(
                self, name=f"{cell.name}: {step}", cell_num=cell.cell_num, cell=cell.cell, options=options
            )

    def setup(self):
        self.began, self.others, self.starts, self.done, self.size = time.monotonic(), 0.0, 0, [], 0
        self.start()

    def start(self):
        self.starts += 1
        job, given = self.job, self.job.options
        run = f"{job.run}/{self.starts}"
        Path(run).mkdir(mode=0o700)
        command = isolate.start(given.isolation, run, job.lib, given.memory, given.server)
        self.kernel = Kernel(command, isolate.environment(run, job.lib), run, self.size)

    def start_again(self):
        """A fresh kernel after a cell has stopped one, in which the cells before it are run again."""
        self.size = self.kernel.size
        self.start()
        for source in self.done:
            self.kernel.await_reply(
                self.kernel.execute_cell_input(source, allow_stdin=False), self.job.options.timeout
            )

    def teardown(self):
        if self.kernel is not None:
            self.kernel.stop()
        if self.job.result is not None:
            self.job.result = replace(self.job.result, seconds=round(time.monotonic() - self.began, 1))


class GradeCell(IPyNbCell):
    """One cell of a question."""

    def runtest(self):
        file, job, plugin = self.parent, self.parent.job, self.parent.plugin
        step, of = self.cell.metadata["step"], self.cell.metadata["of"]
        cell = job.question.notebook, of
        if job.result:
            pytest.skip("the kernel is stopped")
        if step == OTHER and cell in plugin.skip:
            job.saw(of, plugin.skip[cell])
            pytest.skip("this cell stops kernels, or is slow")
        if step == OTHER and (file.others > OTHERS_LIMIT or file.starts == STARTS):
            job.saw("the rest of the notebook", Ran(slow=True))
            pytest.skip("the cells before it were slow, or stopped kernels")
        began = time.monotonic()
        try:
            super().runtest()
        except Stopped as stop:
            file.kernel.stop()
            if step == SETUP:
                raise RuntimeError(f"the grader's own set-up: {stop}") from None
            plugin.skip[cell] = str(stop)
            if step == OTHER:
                file.others += time.monotonic() - began
                job.saw(of, str(stop))
                return self.go_on_without()
            self.stopped(stop)
        if step == OTHER:
            file.others += time.monotonic() - began
            ran = self.told()
            if ran.slow:
                plugin.skip[cell] = ran
            job.saw(of, ran)
        elif step == ANSWER:
            job.ran = self.told()
            job.saw("the answer cell", job.ran)
        file.done.append(self.cell.source)

    def go_on_without(self) -> None:
        try:
            self.parent.start_again()
        except Stopped as stop:
            self.stopped(stop)

    def stopped(self, stop: Stopped) -> None:
        where = WHERE[self.cell.metadata["step"]].format(of=self.cell.metadata["of"])
        flag = ["stopped by the grader"] if stop.status == records.ERROR else []
        self.parent.job.finish(stop.status, *flag, hint=f"{stop} This happens {where}.")
        self.raise_cell_error(str(stop))

    def sent(self) -> object:
        """What the cell's code sent last, None if nothing."""
        found = [o["data"][MIME] for o in self.test_outputs if MIME in o.get("data", {})]
        return found[-1] if found else None

    def told(self) -> Ran:
        return protocol.decode_ran(self.sent())

    def compare_outputs(self, test, ref, skip_compare=None):
        """Judge the numbers that were sent; nothing was stored to compare them with."""
        job, self.test_outputs = self.parent.job, test
        job.judge_sent(self.sent())
        self.comparison_traceback = [f"{job.result.status}: {job.result.hint}"]
        return job.result.status == records.CORRECT
