"""Grade one student: read the files, write a notebook for each question, and let pytest run them through nbval."""

import contextlib
import json
import os
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from labdiff.checks import EXERCISES
from labdiff.checks.exercises.probes import PUBLIC
from labdiff.grading.intake import reading
from labdiff.grading.run.plugin import Job, Plugin
from labdiff.grading.sandbox import wire

STATUSES = (
    "correct",
    "wrong",
    "not attempted",
    "error",
    "timeout",
    "kernel died",
    "missing",
    "unreadable",
    "grader error",
)


def new_result(notebook, name, points):
    return {
        "notebook": notebook,
        "exercise": name,
        "points": 0.0,
        "max": points,
        "status": "",
        "mistake": None,
        "hint": "",
        "rows": [],
        "flags": [],
        "seconds": 0.0,
    }


def grade(student, files, options):
    """Results of a student, a list of plain dicts, one for each question.

    Args:
        student: id.
        files: stem of a trusted notebook -> (bytes, or the Unreadable that says why there are none; flags).
        options: trusted (notebooks), secret, work (an empty private folder), lib (see stripped.write_all), isolation,
            memory, timeout.
    """
    results, jobs = [], {}
    for trusted in options["trusted"]:
        data, flags = files.get(trusted.stem, (reading.Unreadable(""), []))
        rows = [new_result(trusted.stem, q.name, 1.0) for q in trusted.questions]
        results += rows
        try:
            if isinstance(data, Exception):
                raise data
            cells, more = reading.parse(data)
        except reading.Unreadable as why:
            for row in rows:
                row |= {
                    "status": "unreadable" if str(why) else "missing",
                    "flags": list(flags),
                    "hint": f"{trusted.stem}: {why}."
                    if str(why)
                    else f"{trusted.stem}.ipynb was not handed in.",
                }
            continue
        jobs |= notebook_jobs(student, trusted, cells, [*flags, *more], rows, options)
    if jobs:
        run_pytest(jobs, options)
    for row in results:
        if not row["status"]:
            row |= {
                "status": "grader error",
                "hint": "The grader could not finish. Grade again; no points are lost by this.",
            }
    return results


def notebook_jobs(student, trusted, cells, flags, rows, options):
    """Write a grading notebook for each question that has an answer; the others' rows are filled in."""
    answers = {q.name: reading.answer(cells, q) for q in trusted.questions}
    own, jobs = reading.own_cells(cells, trusted), {}
    names = [q.name for q in trusted.questions]
    for question, row in zip(trusted.questions, rows):
        answer = answers[question.name]
        row["flags"] = [*flags, *answer.flags]
        if answer.status:
            row |= {"status": answer.status, "hint": answer.said}
            continue
        if reading.same(answer.source, question.stub):
            row |= {"status": "not attempted", "hint": "The answer cell is as it was handed out."}
            continue
        run = Path(options["work"]) / f"r{len(os.listdir(options['work']))}"
        run.mkdir(mode=0o700)
        seed = wire.seed_for(options["secret"], student, question.name)
        job = Job(
            EXERCISES[question.name],
            seed,
            PUBLIC,
            row,
            isolation=options["isolation"],
            run=str(run),
            lib=str(Path(options["lib"]) / question.name),
            memory=options["memory"],
            server=options["server"],
        )
        setup = (
            f"import labdiff_inside\nlabdiff_inside.quiet()\nlabdiff_inside.run({trusted.setup!r})\n"
            f"labdiff_inside.define(*{trusted.helpers(question)!r})"
        )
        steps = [("setup", setup), ("replay", f"labdiff_inside.define(*{own!r}, without={names!r})")]
        steps += [
            ("replay", answers[q].source)
            for q in names[: names.index(question.name)]
            if not answers[q].status
        ]
        steps += [
            ("answer", answer.source),
            (
                "probe",
                f"import labdiff_inside\nlabdiff_inside.probe({json.dumps(wire.request(job.exercise, *job.probes))!r})",
            ),
        ]
        of = [
            None,
            None,
            *(q for q in names[: names.index(question.name)] if not answers[q].status),
            question.name,
            None,
        ]
        made = [
            new_code_cell(source, metadata={"step": step, "of": name}, execution_count=1)
            for (step, source), name in zip(steps, of)
        ]
        path = Path(options["work"]) / f"{question.name}.ipynb"
        nbformat.write(new_notebook(cells=made), path)
        jobs[path] = job
    return jobs


def run_pytest(jobs, options):
    """One pytest run, which obeys no file and no variable of anyone else's; the jobs' results are filled in."""
    for name in [n for n in os.environ if n.startswith(("PYTEST", "COVERAGE"))]:
        del os.environ[name]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    work = options["work"]
    os.chdir(work)
    with (
        open(f"{work}/pytest.log", "w") as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        pytest.main(
            [
                "-c",
                os.devnull,
                "--noconftest",
                "--rootdir",
                work,
                "--confcutdir",
                work,
                "-p",
                "nbval.plugin",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:faulthandler",
                "--color",
                "no",
                "--labdiff-grade",
                f"--nbval-cell-timeout={options['timeout']}",
                *map(str, jobs),
            ],
            plugins=[Plugin(jobs)],
        )
    for job in jobs.values():
        shutil.rmtree(job.run, ignore_errors=True)
    if not all(job.result["status"] for job in jobs.values()):
        print(Path(work, "pytest.log").read_text()[-3000:], file=sys.stderr)
