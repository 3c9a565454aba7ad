"""The files that the instructor gives, and their copies in the results: a later run goes on with them."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from labdiff.checks import EXERCISES, own
from labdiff.grading.gradebook import course_file, overrides, roster
from labdiff.grading.gradebook.course_file import CourseFile
from labdiff.grading.gradebook.scoring import Gradebook
from labdiff.grading.questions import Trusted
from labdiff.grading.records import Record

FOLDER = "inputs"
COURSE, ROSTER, OVERRIDES = course_file.NAME, "roster.csv", "overrides.csv"


def read(
    out: str | Path,
    course: Sequence[Trusted] = (),
    notebooks: str | Path | None = None,
    named: Mapping[str, str | None] | None = None,
) -> tuple[Gradebook, dict[str, Path], list[str]]:
    """(the Gradebook, the files that it is from, for keep(); a line for each that was not given this time).

    Args:
        out: the results.
        course: all notebooks; notebooks: their folder, in which a course file may lie.
        named: COURSE, ROSTER, OVERRIDES -> the file that was named on the command line, or None.
    Raises: ValueError: a file, a key or a cell that is wrong.
    """
    kept, used, said = Path(out) / FOLDER, {}, []
    for name in (COURSE, ROSTER, OVERRIDES):
        beside = Path(notebooks, name) if notebooks and name == COURSE else None
        if path := (named or {}).get(name):
            used[name] = Path(path)
        elif beside and beside.is_file():
            used[name] = beside
        elif (kept / name).is_file():
            used[name] = kept / name
            said.append(f"as in an earlier run: {kept / name} (delete it to go on without)")
    mistakes = mistakes_of(course)
    book = Gradebook(
        course_file.read(used[COURSE], mistakes) if COURSE in used else CourseFile(),
        overrides.read(used[OVERRIDES], list(mistakes)) if OVERRIDES in used else {},
        roster.read(used[ROSTER]) if ROSTER in used else None,
        {(t.stem, q.name): q.points for t in course for q in t.questions},
        {q.name: own.key(q.own) for t in course for q in t.questions if q.own},
    )
    return book, used, said


def mistakes_of(course: Sequence[Trusted]) -> dict[str, tuple[str, ...]]:
    """Exercise -> the keys of its mistakes, of labdiff's and of the course's own."""
    asked = EXERCISES | {q.name: q.exercise for t in course for q in t.questions}
    return {name: tuple(dict.fromkeys(m.id for m in e.mistakes)) for name, e in asked.items()}


def course_of(notebooks: str | Path, course: Sequence[Trusted]) -> CourseFile:
    """The course file that lies beside the notebooks."""
    path = Path(notebooks, COURSE)
    return course_file.read(path, mistakes_of(course)) if path.is_file() else CourseFile()


def read_for_merge(
    out: str | Path,
    parts: Sequence[str | Path],
    records: Sequence[Record],
    named: Mapping[str, str | None] | None,
) -> Gradebook:
    """The Gradebook of results that are put together.

    A file counts that is named, or else that of the first part that has it; the results keep these and no
    others. The parts' course file was checked when they were graded. One that is named is checked here,
    unless the class has exercises of its own: their mistakes are not in the results.
    """
    used = {name: Path(path) for name, path in (named or {}).items() if path}
    graded = {r.exercise for record in records for r in record.results}
    checked = mistakes_of(()) if COURSE in used and graded <= EXERCISES.keys() else None
    for part in parts:
        here = {name: Path(part) / FOLDER / name for name in (COURSE, ROSTER, OVERRIDES)}
        used = {name: path for name, path in here.items() if path.is_file()} | used
    exercises = [*EXERCISES, *sorted(graded - EXERCISES.keys())]
    book = Gradebook(
        course_file.read(used[COURSE], checked) if COURSE in used else CourseFile(),
        overrides.read(used[OVERRIDES], exercises) if OVERRIDES in used else {},
        roster.read(used[ROSTER]) if ROSTER in used else None,
    )
    keep(out, used)
    for name in {COURSE, ROSTER, OVERRIDES} - used.keys():
        (Path(out) / FOLDER / name).unlink(missing_ok=True)
    return book


def keep(out: str | Path, used: Mapping[str, Path]) -> None:
    """Copy the files into the results."""
    folder = Path(out) / FOLDER
    for name, path in used.items():
        if path.resolve() != (folder / name).resolve():
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / name)
