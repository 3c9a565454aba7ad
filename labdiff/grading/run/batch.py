"""A class: each student in a process of their own, some at once, with resume; and a self-test before them."""

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import torch

from labdiff.checks.proof import prove
from labdiff.course import PACKAGE
from labdiff.grading.gradebook.scoring import Gradebook
from labdiff.grading.intake import choice, submissions, trusted
from labdiff.grading.publish import results, tables
from labdiff.grading.publish.solutions import answer
from labdiff.grading.records import GRADER_ERROR, HandedIn, Options, Record, Trusted
from labdiff.grading.run import workers
from labdiff.grading.run.workers import Task
from labdiff.grading.sandbox import isolate, package

PROGRESS = 10  # seconds between two writings of the tables, while students are graded
SELF_TEST = {"the reference": True, "the untouched notebooks": False}


def grade_class(
    place: str,
    out: str,
    course: Sequence[Trusted],
    only: Sequence[str],
    isolation: str,
    why: str,
    jobs: int = 1,
    timeout: float = 60,
    memory: int = 4 * 2**30,
    shard: tuple[int, int] = (1, 1),
    again: bool = False,
    packages: tuple[str, ...] = (),
    book: Gradebook | None = None,
    students: Sequence[str] = (),
) -> list[Record]:
    """Grade the submissions in `place` into the folder `out`, and return the students' records.

    Args:
        course: all notebooks of the course.
        only: beginnings of the names of those to grade; nothing for all that were handed in.
        isolation, why: from isolate.choose.
        jobs: students at once; timeout: seconds for a cell; memory: bytes for a process.
        shard: (i, n): the i-th of n parts of the class.
        again: grade also what is graded already.
        packages: further ones that an answer may import.
        book: what decides on points beside the verdicts.
        students: grade these again, and keep all others as they are.
    Raises: ValueError: nothing to grade, or a wrong folder; RuntimeError: the self-test failed.
    """
    out = Path(out)
    if out.exists() and os.path.exists(place) and out.samefile(place):
        raise ValueError(f"--out: expected another folder than the submissions, got {out}")
    book = book or Gradebook()
    found = submissions.collect(Path(place), course, out, book.people or ())
    handed_in = [t for t in course if t.stem in found.stems()]
    notebooks = tuple(trusted.select(course, only) if only else handed_in or course)
    names = sorted(found.students)[shard[0] - 1 :: shard[1]]
    if strangers := [name for name in students if name not in names]:
        raise ValueError(f"--student: expected some of {', '.join(names)}, got {', '.join(strangers)}")
    (out / "students").mkdir(parents=True, exist_ok=True)
    key = results.secret(out)
    with isolate.batch_folder() as base:
        options = Options(notebooks, key, f"{base}/lib", isolation, memory, timeout, packages)
        todo, records, before, kept = [], [], {}, {}
        for name in names:
            work, old = found.students[name], results.load(out, name, key)
            stamp = fingerprint(work, options)
            fresh = old and old.stamp == stamp and not any(r.status == GRADER_ERROR for r in old.results)
            if name in students or not students and (again or not fresh):
                todo.append(Task(name, partial(choice.pick, work, notebooks), stamp))
                before[name] = old
            elif old:
                kept[name] = old
                records.append(replace(old, attempts=choice.attempts(work)))
        records = book.scored(records)
        if todo:
            with prepared(base, options) as options:
                self_test(base, options, jobs)
                written = time.monotonic()
                tick = workers.progress(len(names), len(records))
                for task, done in workers.processes(todo, base, options, jobs, tick):
                    record = Record(task.student, isolation, why, task.stamp, tuple(done))
                    record = replace(record, attempts=choice.attempts(found.students[task.student]))
                    record = with_history(book.scored([record])[0], before[task.student])
                    results.save(out, record, key)
                    kept[record.student] = record
                    records.append(record)
                    written = progress(out, sorted(records, key=by_name), record, book, written)
    records.sort(key=by_name)
    for record in records:  # points may be new; code that is not isolated may have changed others' records
        if isolation == "none" or record != kept[record.student]:
            results.save(out, record, key)
    results.remove_gone(out, found.students)
    said = found.unclear + (book.said(records) if shard == (1, 1) else [])
    changed = results.finish(out, records, found.skipped, said, book)
    if changed:
        said = [f"changes since the last run: {len(changed)}, in {out}/changes.csv", *said]
    for line in [*said, *(f"skipped {line}" for line in found.skipped)][:20]:
        print(f"labdiff grade: {tables.clean(line)}", file=sys.stderr)
    return records


@contextmanager
def prepared(base: str, options: Options) -> Iterator[Options]:
    """With all that kernels need in the folder `base`: the Options to grade with."""
    questions = [q for t in options.notebooks for q in t.questions]
    for own in sorted({q.own for q in questions} - {""}):
        prove(own)
    os.mkdir(options.lib)
    asked = {q.name: q.exercise for q in questions}
    package.write_all(options.lib, asked, options.packages, asked)
    with isolate.server(base, options.packages) as server:
        yield replace(options, server=server)


def by_name(record: Record) -> str:
    return record.student


def progress(out: Path, records: Sequence[Record], latest: Record, book: Gradebook, written: float) -> float:
    """Write the pages of the latest, and the tables if they are some seconds old; returns when they were."""
    results.write_student(out, latest)
    if time.monotonic() - written < PROGRESS:
        return written
    results.write_tables(out, records, keys=book.keys)
    return time.monotonic()


def with_history(record: Record, old: Record | None) -> Record:
    """With the totals of what the student handed in before, if this is something else."""
    if old is None:
        return record
    again = work_of(old.stamp) == work_of(record.stamp) or old.ungraded or not old.stamp
    return replace(record, history=old.history if again else (*old.history, old.total))


def fingerprint(work: submissions.Work, options: Options) -> str:
    """Changes with the submission, the notebooks, labdiff's code and the options that decide on a grade."""
    given = replace(options, secret="", lib="", server=None)
    parts = (code(), torch.__version__, given, work.flags), work.digests
    return "-".join(hashlib.sha256(repr(part).encode()).hexdigest() for part in parts)


def work_of(stamp: str) -> str:
    """The part of a fingerprint that changes with what was handed in."""
    return stamp.rpartition("-")[2]


@cache
def code() -> str:
    """A digest of labdiff's own source."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(repr((str(path.relative_to(PACKAGE)), path.read_bytes())).encode())
    return digest.hexdigest()


def self_test(base: str, options: Options, jobs: int) -> None:
    """Before a batch: the reference must score all points, the untouched notebooks none."""
    todo = [Task(name, partial(made, options.notebooks, solved)) for name, solved in SELF_TEST.items()]
    ended = {task.student: rows for task, rows in workers.processes(todo, base, options, jobs)}
    for name, share in SELF_TEST.items():  # in this order, whichever ended first
        off = [r for r in ended[name] if r.points != share * r.max or r.status == GRADER_ERROR]
        if off:
            raise RuntimeError(
                f"self-test: expected {100 * share:g} % for {name}, got {off[0].status} for "
                f"{off[0].exercise}: {off[0].hint} Nothing was graded"
            )


def made(notebooks: Sequence[Trusted], solved: bool) -> dict[str, HandedIn]:
    """Minimal notebooks with the key's answers in the answer cells, or else the stubs."""
    found = {}
    for notebook in notebooks:
        cells = [
            {
                "cell_type": "code",
                "id": q.cell_id,
                "source": answer(q) if solved else f"{q.stub}\npass  # so that it is run",
            }
            for q in notebook.questions
        ]
        plain = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
        found[notebook.stem] = HandedIn(json.dumps(plain).encode())
    return found
