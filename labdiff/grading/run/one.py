"""One submission, graded where a platform runs the grader: Gradescope, Classroom 50."""

import os
import secrets
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from labdiff.grading.gradebook.scoring import Gradebook
from labdiff.grading.intake import choice, submissions
from labdiff.grading.intake.find import find
from labdiff.grading.records import Options, Record, Trusted
from labdiff.grading.run import batch, workers
from labdiff.grading.sandbox import isolate

STUDENT = "submission"


def grade(
    place: str | Path,
    course: Sequence[Trusted],
    notebooks: Sequence[Trusted],
    book: Gradebook,
    timeout: float = 60,
    memory: int = 4 * 2**30,
) -> Record:
    """The record of the one student whose files lie in `place`.

    Args:
        course: all notebooks; notebooks: those to grade, each whether it was handed in or not.
        book: what decides on points beside the verdicts.
        timeout: seconds for a cell; memory: bytes for a process.
    """
    isolation, why = isolate.choose("auto")
    work, packages = work_of(Path(place), course), book.course.packages
    with isolate.batch_folder() as base:
        options = Options(
            tuple(notebooks), secrets.token_hex(16), f"{base}/lib", isolation, memory, timeout, packages
        )
        with batch.prepared(base, options) as ready:
            task = workers.Task(STUDENT, partial(choice.pick, work, notebooks))
            ((_, done),) = workers.processes([task], base, ready, 1)
    return book.scored([Record(STUDENT, isolation, why, "", tuple(done))])[0]


def self_test(notebooks: Sequence[Trusted], packages: tuple[str, ...] = ()) -> None:
    """The key scores all points here, and the untouched notebooks none. Raises RuntimeError."""
    isolation, _ = isolate.choose("auto")
    with isolate.batch_folder() as base:
        options = Options(
            tuple(notebooks), secrets.token_hex(16), f"{base}/lib", isolation, 4 * 2**30, 60, packages
        )
        with batch.prepared(base, options) as ready:
            batch.self_test(base, ready, os.cpu_count() or 1)


def work_of(place: Path, course: Sequence[Trusted]) -> submissions.Work:
    """All files as those of one student, whatever they are called. Raises ValueError: no such place."""
    joined = submissions.Work()
    files = find(place).files
    if not any(file.is_notebook for file in files):  # all questions are missing
        return replace(joined, files={"": files} if files else {})
    found = submissions.collect(place, course).students
    for name in sorted(found):
        for stem, files in found[name].files.items():
            joined.files.setdefault(stem, []).extend(files)
        joined.flags += [flag for flag in found[name].flags if not flag.startswith("no student's name")]
    return replace(joined, digests=[])
