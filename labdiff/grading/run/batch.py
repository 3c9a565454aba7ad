"""A class: each student in a process of their own, some at once, with progress and resume; and a self-test before them."""

import hashlib
import json
import os
import secrets
import shutil
import tempfile
from pathlib import Path

import labdiff
from labdiff.grading.intake import submissions, trusted
from labdiff.grading.publish import results
from labdiff.grading.publish.solutions import SOLUTIONS
from labdiff.grading.run import workers
from labdiff.grading.sandbox import isolate, stripped

SELF_TEST = {"the reference": 1, "the untouched notebooks": 0}


def grade_class(
    place, out, course, only, isolation, why, jobs=1, timeout=60, memory=4 * 2**30, shard=(1, 1), again=False
):
    """Grade the submissions in `place` into the folder `out`, and return the students' records.

    Args:
        course: all Trusted notebooks.
        only: beginnings of the names of those to grade; nothing for all that were handed in.
        isolation, why: from isolate.choose.
        jobs: students at once; timeout: seconds for a cell; memory: bytes for a process.
        shard: (i, n): the i-th of n parts of the class.
        again: grade also what is graded already.
    """
    out = Path(out)
    (out / "students").mkdir(parents=True, exist_ok=True)
    found = submissions.students(place, course)
    notebooks = trusted.select(course, only) if only else asked(found, course)
    names = sorted(found)[shard[0] - 1 :: shard[1]]
    base = tempfile.mkdtemp(prefix="ldg")
    options = {
        "trusted": notebooks,
        "secret": secret(out),
        "lib": f"{base}/lib",
        "isolation": isolation,
        "memory": memory,
        "timeout": timeout,
    }
    try:
        os.mkdir(options["lib"])
        stripped.write_all(options["lib"], [q.name for t in notebooks for q in t.questions])
        todo, records = [], []
        for name in names:
            old = results.load(out, name)
            stamp = fingerprint(found[name], options)
            if (
                old
                and old["stamp"] == stamp
                and not again
                and all(r["status"] != "grader error" for r in old["results"])
            ):
                records.append(old)
            else:
                todo.append((name, {"files": found[name], "stamp": stamp}))
        if todo:
            with isolate.server(base) as options["server"]:
                self_test(base, options, jobs)
                tick = workers.progress(len(names), len(records))
                for name, done, extra in workers.processes(todo, base, options, jobs, tick):
                    record = {
                        "student": name,
                        "isolation": isolation,
                        "why": why,
                        "stamp": extra["stamp"],
                        "results": done,
                    }
                    results.save(out, record)
                    records.append(record)
        results.write_all(out, sorted(records, key=lambda r: r["student"]))
    finally:
        shutil.rmtree(base, ignore_errors=True)
    return records


def asked(found, course):
    """The notebooks that at least one student handed in; the others were not asked for."""
    stems = {stem for files in found.values() for stem in files}
    for files in found.values():
        stems |= (
            {
                submissions.by_content(data, course)
                for data, _ in map(submissions.load, files.get("", []))
                if isinstance(data, bytes)
            }
            if stems <= {""}
            else set()
        )
    return [t for t in course if t.stem in stems] or course


def secret(out):
    """What the hidden probes of this results folder are drawn from: kept, so that grading again draws the same."""
    path = out / ".secret"
    if not path.exists():
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as f:
            f.write(secrets.token_hex(16))
    return path.read_text()


def fingerprint(files, options):
    """Changes with the submission, the notebooks, labdiff and the options that a grade may depend on."""
    digest = hashlib.sha256(
        repr([labdiff.__version__, options["isolation"], options["timeout"], options["trusted"]]).encode()
    )
    for file in (f for group in files.values() for f in group):
        data, _ = submissions.load(file)
        digest.update(f"\0{file.inner}\0".encode())
        digest.update(data if isinstance(data, bytes) else str(data).encode())
    return digest.hexdigest()


def self_test(base, options, jobs):
    """Before a batch: the reference must score all points, the untouched notebooks none."""
    todo = []
    for name, full in SELF_TEST.items():
        todo.append(
            (
                name,
                {"ready": {t.stem: (filled(t, SOLUTIONS if full else {}), []) for t in options["trusted"]}},
            )
        )
    ended = {name: rows for name, rows, _ in workers.processes(todo, base, options, jobs)}
    for name in SELF_TEST:  # in this order, whichever ended first
        off = [
            r
            for r in ended[name]
            if r["points"] != SELF_TEST[name] * r["max"] or r["status"] == "grader error"
        ]
        if off:
            raise RuntimeError(
                f"self-test: expected {100 * SELF_TEST[name]} % for {name}, got {off[0]['status']} for "
                f"{off[0]['exercise']}: {off[0]['hint']} Nothing was graded"
            )


def filled(notebook, answers):
    """Bytes of a minimal notebook with these answers in the answer cells, or else the stubs."""
    cells = [
        {
            "cell_type": "code",
            "id": q.cell_id,
            "source": answers.get(q.name, f"{q.stub}\npass  # so that it is run"),
        }
        for q in notebook.questions
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}).encode()
