"""Grade one student: read the files, write a notebook for each question, run them with pytest and nbval."""

import contextlib
import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from labdiff.checks.exercises.probes import PUBLIC
from labdiff.grading.intake import reading
from labdiff.grading.records import (
    GRADER_ERROR,
    MISSING,
    UNREADABLE,
    Cell,
    HandedIn,
    Options,
    Question,
    Result,
    Trusted,
)
from labdiff.grading.run import steps
from labdiff.grading.run.job import Job
from labdiff.grading.run.plugin import Plugin
from labdiff.grading.sandbox import protocol
from labdiff.grading.sandbox.cleanup import remove_tree

SHARE = 0.5  # of the time of a cell: an answer that shows off for longer is called all the same
MOST = 20_000  # characters of an answer that are kept
MOST_CELLS = 1000  # of a notebook, that are run beside the answers
UNFINISHED = "The grader could not finish. Grade again; no points are lost by this."


def grade(student: str, files: Mapping[str, HandedIn], options: Options) -> list[Result]:
    """Results of a student, one for each question of options.notebooks; `files`: by the notebooks' stems."""
    results, jobs = {}, {}
    for trusted in options.notebooks:
        found = files.get(trusted.stem, HandedIn())
        try:
            if found.data is None:
                raise reading.Unreadable(found.problem)
            cells, more = reading.parse(found.data, trusted.questions)
        except reading.Unreadable as why:
            status = UNREADABLE if str(why) else MISSING
            hint = f"{trusted.stem}: {why}." if str(why) else f"{trusted.stem}.ipynb was not handed in."
            for q in trusted.questions:
                results[q] = Result.of(q, status, hint=hint, flags=found.flags)
            continue
        odd = (*found.flags, *more)
        for q, one in notebook_jobs(student, trusted, cells, odd, options, found.modules).items():
            if isinstance(one, Job):
                jobs[Path(options.work) / f"{q.name}.ipynb"] = one
            else:
                results[q] = one
    if jobs:
        run_pytest(jobs, options)
    results |= {
        job.question: job.result or Result.of(job.question, GRADER_ERROR, hint=UNFINISHED, flags=job.flags)
        for job in jobs.values()
    }
    for job in jobs.values():
        results[job.question] = replace(results[job.question], source=job.source[:MOST])
    return [results[q] for trusted in options.notebooks for q in trusted.questions]


def notebook_jobs(
    student: str,
    trusted: Trusted,
    cells: list[Cell],
    flags: tuple[str, ...],
    options: Options,
    modules: tuple[tuple[str, str], ...] = (),
) -> dict[Question, Job | Result]:
    """A Job, with its grading notebook, for each question that has an answer; else a Result.

    `modules`: see HandedIn.
    """
    answers = reading.answers(cells, trusted)
    sequence = steps.parts(cells, trusted, answers)
    if len(sequence) > MOST_CELLS:
        flags = (*flags, f"{len(sequence)} code cells: the first {MOST_CELLS} and the answers count")
        sequence = [part for i, part in enumerate(sequence) if i < MOST_CELLS or part.answers]
    made: dict[Question, Job | Result] = {}
    for question, answer in answers.items():
        odd = (*flags, *answer.flags)
        if answer.status:
            made[question] = Result.of(question, answer.status, hint=answer.hint, flags=odd)
            continue
        run = Path(options.work) / f"r{len(os.listdir(options.work))}"
        run.mkdir(mode=0o700)
        exercise = question.exercise
        probes = [exercise.probes(PUBLIC), exercise.probes(seed_for(options.secret, student, question.name))]
        lib = str(Path(options.lib) / question.name)
        made[question] = job = Job(question, exercise, probes, options, str(run), lib, odd)
        job.source = answer.source
        request = protocol.request(exercise, *job.probes)
        limit = SHARE * options.timeout
        cells_to_run = steps.steps(question, trusted, sequence, request, limit, modules)
        nbformat.write(steps.notebook(cells_to_run), Path(options.work) / f"{question.name}.ipynb")
    return made


def seed_for(secret: str, student: str, name: str) -> int:
    """The seed of one student's hidden probes for one exercise: who knows it knows no other."""
    digest = hashlib.sha256(f"{secret}\0{student}\0{name}".encode("utf-8", "replace")).digest()
    return PUBLIC + 1 + int.from_bytes(digest[:5], "big")


def run_pytest(jobs: dict[Path, Job], options: Options) -> None:
    """One pytest run, which obeys no file and no variable of anyone else's; it fills in each job.result."""
    for name in [n for n in os.environ if n.startswith(("PYTEST", "COVERAGE"))]:
        del os.environ[name]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    work = options.work
    os.chdir(work)
    arguments = ["-c", os.devnull, "--noconftest", "--rootdir", work, "--confcutdir", work]
    arguments += ["-p", "nbval.plugin", "-p", "no:cacheprovider", "-p", "no:faulthandler", "--color", "no"]
    arguments += ["--labdiff-grade", f"--nbval-cell-timeout={options.timeout}", *map(str, jobs)]
    with (
        open(f"{work}/pytest.log", "w") as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        pytest.main(arguments, plugins=[Plugin(jobs)])
    for job in jobs.values():
        remove_tree(job.run)
    if not all(job.result for job in jobs.values()):
        print(Path(work, "pytest.log").read_text()[-3000:], file=sys.stderr)
