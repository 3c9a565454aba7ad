"""A class: each student in a process of their own, some at once, with progress and resume; and a self-test before them."""

import hashlib
import json
import os
import secrets
from dataclasses import replace
from functools import partial
from pathlib import Path

import labdiff
from labdiff.grading.intake import submissions, trusted
from labdiff.grading.publish import results
from labdiff.grading.publish.solutions import SOLUTIONS
from labdiff.grading.records import GRADER_ERROR, HandedIn, Options, Record, Trusted
from labdiff.grading.run import workers
from labdiff.grading.run.workers import Task
from labdiff.grading.sandbox import isolate, package

SELF_TEST = {"the reference": SOLUTIONS, "the untouched notebooks": {}}


def grade_class(
    place: str,
    out: str,
    course: list[Trusted],
    only: list[str],
    isolation: str,
    why: str,
    jobs: int = 1,
    timeout: float = 60,
    memory: int = 4 * 2**30,
    shard: tuple[int, int] = (1, 1),
    again: bool = False,
) -> list[Record]:
    """Grade the submissions in `place` into the folder `out`, and return the students' records.

    Args:
        course: all notebooks of the course.
        only: beginnings of the names of those to grade; nothing for all that were handed in.
        isolation, why: from isolate.choose.
        jobs: students at once; timeout: seconds for a cell; memory: bytes for a process.
        shard: (i, n): the i-th of n parts of the class.
        again: grade also what is graded already.
    """
    out = Path(out)
    (out / "students").mkdir(parents=True, exist_ok=True)
    found = submissions.students(place, course)
    notebooks = tuple(trusted.select(course, only) if only else asked(found, course))
    names = sorted(found)[shard[0] - 1 :: shard[1]]
    with isolate.batch_folder() as base:
        options = Options(notebooks, secret(out), f"{base}/lib", isolation, memory, timeout)
        os.mkdir(options.lib)
        package.write_all(options.lib, [q.name for t in notebooks for q in t.questions])
        todo, records = [], []
        for name in names:
            old, stamp = results.load(out, name), fingerprint(found[name], options)
            if old and old.stamp == stamp and not again and not old.ungraded:
                records.append(old)
            else:
                todo.append(Task(name, partial(submissions.pick, found[name], notebooks), stamp))
        if todo:
            with isolate.server(base) as server:
                options = replace(options, server=server)
                self_test(base, options, jobs)
                tick = workers.progress(len(names), len(records))
                for task, done in workers.processes(todo, base, options, jobs, tick):
                    record = Record(task.student, isolation, why, task.stamp, tuple(done))
                    results.save(out, record)
                    records.append(record)
    records.sort(key=lambda r: r.student)
    results.write_all(out, records)
    return records


def asked(found: dict, course: list[Trusted]) -> list[Trusted]:
    """The notebooks that at least one student handed in; the others were not asked for."""
    stems = {stem for files in found.values() for stem in files}
    if stems <= {""}:
        loaded = [submissions.load(file).data for files in found.values() for file in files.get("", [])]
        stems = {submissions.by_content(data, course) for data in loaded if data is not None}
    return [t for t in course if t.stem in stems] or course


def secret(out: Path) -> str:
    """What the hidden probes of this results folder are drawn from: kept, so that grading again draws the same."""
    path = out / ".secret"
    if not path.exists():
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as f:
            f.write(secrets.token_hex(16))
    return path.read_text()


def fingerprint(files: dict, options: Options) -> str:
    """Changes with the submission, the notebooks, labdiff and the options that a grade may depend on."""
    digest = hashlib.sha256(
        repr([labdiff.__version__, options.isolation, options.timeout, options.notebooks]).encode()
    )
    for file in (f for group in files.values() for f in group):
        found = submissions.load(file)
        digest.update(f"\0{file.inner}\0".encode())
        digest.update(found.problem.encode() if found.data is None else found.data)
    return digest.hexdigest()


def self_test(base: str, options: Options, jobs: int) -> None:
    """Before a batch: the reference must score all points, the untouched notebooks none."""
    todo = [Task(name, partial(made, options.notebooks, answers)) for name, answers in SELF_TEST.items()]
    ended = {task.student: rows for task, rows in workers.processes(todo, base, options, jobs)}
    for name, answers in SELF_TEST.items():  # in this order, whichever ended first
        share = 1 if answers else 0
        off = [r for r in ended[name] if r.points != share * r.max or r.status == GRADER_ERROR]
        if off:
            raise RuntimeError(
                f"self-test: expected {100 * share} % for {name}, got {off[0].status} for "
                f"{off[0].exercise}: {off[0].hint} Nothing was graded"
            )


def made(notebooks: tuple[Trusted, ...], answers: dict[str, str]) -> dict[str, HandedIn]:
    """Minimal notebooks with these answers in the answer cells, or else the stubs."""
    found = {}
    for notebook in notebooks:
        cells = [
            {
                "cell_type": "code",
                "id": q.cell_id,
                "source": answers.get(q.name, f"{q.stub}\npass  # so that it is run"),
            }
            for q in notebook.questions
        ]
        plain = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
        found[notebook.stem] = HandedIn(json.dumps(plain).encode())
    return found
