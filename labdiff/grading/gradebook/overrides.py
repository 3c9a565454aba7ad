"""Points that the instructor gives by hand: a CSV with the columns student, exercise, points, comment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labdiff.grading.gradebook import known, tables_in

TOTAL = "total"
COLUMNS = ("student", "exercise", "points", "comment")


@dataclass(frozen=True)
class Override:
    """Points of one student for one exercise, or for all together (`exercise` is "total")."""

    points: float
    comment: str

    @property
    def words(self) -> str:
        return f"set by hand{f': {self.comment}' if self.comment else ''}"


Overrides = Mapping[tuple[str, str], Override]  # by (student, exercise)


def read(path: str | Path, exercises: Sequence[str]) -> Overrides:
    """The overrides in a file. Raises ValueError: file, line, column, what is expected."""
    found: dict[tuple[str, str], Override] = {}
    for row in tables_in.read(path, COLUMNS, COLUMNS[:3]):
        student, exercise = row["student"], row["exercise"]
        if not student:
            raise row.wrong("student", "a name as in grades.csv", student)
        if exercise not in (*exercises, TOTAL):
            names = (*exercises, TOTAL)
            hint = known.nearest(exercise, names)
            raise row.wrong("exercise", f"one of {', '.join(names)}", exercise, hint)
        if (student, exercise) in found:
            raise row.wrong("exercise", "one line for a student's exercise", f"{student}, {exercise} again")
        found[student, exercise] = Override(row.number("points"), row["comment"])
    return found
