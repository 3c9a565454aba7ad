"""Grade one student: read the files, write a notebook for each question, and let pytest run them through nbval."""

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from labdiff.checks import EXERCISES
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
from labdiff.grading.run.plugin import Job, Plugin
from labdiff.grading.sandbox import wire

UNFINISHED = "The grader could not finish. Grade again; no points are lost by this."


def grade(student: str, files: Mapping[str, HandedIn], options: Options) -> list[Result]:
    """Results of a student, one for each question of options.notebooks; `files`: by the notebooks' stems."""
    results, jobs = {}, {}
    for trusted in options.notebooks:
        found = files.get(trusted.stem, HandedIn())
        try:
            if found.data is None:
                raise reading.Unreadable(found.problem)
            cells, more = reading.parse(found.data)
        except reading.Unreadable as why:
            status = UNREADABLE if str(why) else MISSING
            hint = f"{trusted.stem}: {why}." if str(why) else f"{trusted.stem}.ipynb was not handed in."
            for q in trusted.questions:
                results[q] = Result.of(q, status, hint=hint, flags=found.flags)
            continue
        for q, one in notebook_jobs(student, trusted, cells, (*found.flags, *more), options).items():
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
    return [results[q] for trusted in options.notebooks for q in trusted.questions]


def notebook_jobs(
    student: str, trusted: Trusted, cells: list[Cell], flags: tuple[str, ...], options: Options
) -> dict[Question, Job | Result]:
    """A Job with its grading notebook for each question that has an answer, a Result for each that has none."""
    answers = {q: reading.answer(cells, q) for q in trusted.questions}
    own, names = reading.own_cells(cells, trusted), [q.name for q in trusted.questions]
    made = {}
    for question, answer in answers.items():
        if answer.status:
            made[question] = Result.of(
                question, answer.status, hint=answer.hint, flags=(*flags, *answer.flags)
            )
            continue
        run = Path(options.work) / f"r{len(os.listdir(options.work))}"
        run.mkdir(mode=0o700)
        exercise = EXERCISES[question.name]
        seed = wire.seed_for(options.secret, student, question.name)
        job = Job(
            question,
            exercise,
            [exercise.probes(PUBLIC), exercise.probes(seed)],
            options,
            run=str(run),
            lib=str(Path(options.lib) / question.name),
            flags=(*flags, *answer.flags),
        )
        setup = (
            f"import labdiff_inside\nlabdiff_inside.quiet()\nlabdiff_inside.run({trusted.setup!r})\n"
            f"labdiff_inside.define(*{trusted.helpers(question)!r})"
        )
        request = json.dumps(wire.request(exercise, *job.probes))
        earlier = [q for q in trusted.questions[: names.index(question.name)] if answers[q].source]
        steps = [
            ("setup", None, setup),
            ("replay", None, f"labdiff_inside.define(*{own!r}, without={names!r})"),
            *(("replay", q.name, answers[q].source) for q in earlier),
            ("answer", question.name, answer.source),
            ("probe", None, f"import labdiff_inside\nlabdiff_inside.probe({request!r})"),
        ]
        written = [
            new_code_cell(source, metadata={"step": step, "of": of}, execution_count=1)
            for step, of, source in steps
        ]
        nbformat.write(new_notebook(cells=written), Path(options.work) / f"{question.name}.ipynb")
        made[question] = job
    return made


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
        shutil.rmtree(job.run, ignore_errors=True)
    if not all(job.result for job in jobs.values()):
        print(Path(work, "pytest.log").read_text()[-3000:], file=sys.stderr)
