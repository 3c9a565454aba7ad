"""course.toml: points, credit by mistake, the rule for late work, further packages."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from labdiff.grading.gradebook import known

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NAME = "course.toml"
MANY = 60  # names that an error lists


@dataclass(frozen=True)
class Late:
    """What coming late costs.

    Attributes:
        deadline: None where the roster says how many days late each student is.
        penalty: share of the points that each day begun takes off.
        days: after so many days there are no points; None for no end.
        free_days: late days that cost nothing; grace_minutes: not late yet.
    """

    deadline: datetime | None = None
    penalty: float = 0.0
    days: int | None = None
    free_days: int = 0
    grace_minutes: float = 0.0


@dataclass(frozen=True)
class CourseFile:
    """The course file; without one, each exercise gives the points of its cell, all or none.

    Attributes:
        assignment: its name in the learning platform's gradebook.
        points: by exercise; extra: exercises whose points come on top.
        credit: (exercise, or "" for all; mistake) -> share of the points.
    """

    assignment: str = "Lab 15"
    points: Mapping[str, float] = field(default_factory=dict)
    extra: frozenset[str] = frozenset()
    credit: Mapping[tuple[str, str], float] = field(default_factory=dict)
    late: Late | None = None
    packages: tuple[str, ...] = ()

    def share(self, exercise: str, mistake: str | None) -> float:
        """The share of the points for an answer with this mistake; of two at once, the product."""
        if (exercise, mistake or "") in self.credit:
            return self.credit[exercise, mistake or ""]
        shares = [
            self.credit.get((exercise, one), self.credit.get(("", one), 0.0))
            for one in (mistake or "").split("+")
        ]
        return math.prod(shares)


class Table:
    """A table of the file: each key is taken once, and what is left over is an error that names it."""

    def __init__(self, file: str, name: str, plain: object):
        self.file, self.name = file, name
        if not isinstance(plain, dict):
            raise ValueError(f"{file}: {name}: expected a table ([{name}]), got {plain!r}")
        self.left = dict(plain)

    def wrong(self, key: str, expected: str, got: object, names: Sequence[str] = ()) -> ValueError:
        """`names`: those that may have been meant."""
        place = f"{self.name}.{key}" if self.name else key
        told = str(got) if isinstance(got, date) else repr(got)
        return ValueError(f"{self.file}: {place}: expected {expected}, got {told}{known.nearest(key, names)}")

    def take(self, key: str, kind: type | tuple[type, ...], expected: str, default=None):
        value = self.left.pop(key, default)
        if value is not default and (
            not isinstance(value, kind) or isinstance(value, bool) and kind is not bool
        ):
            raise self.wrong(key, expected, value)
        return value

    def number(self, key: str, default=None, least: float = 0.0):
        value = self.take(key, (int, float), f"a number from {least:g} on", default)
        if value is not default and not (math.isfinite(value) and value >= least):
            raise self.wrong(key, f"a number from {least:g} on", value)
        return value

    def whole(self, key: str, default=None):
        value = self.take(key, int, "a whole number from 0 on", default)
        if value is not default and value < 0:
            raise self.wrong(key, "a whole number from 0 on", value)
        return value

    def share(self, key: str, default=None):
        """A share, written "50 %" or 0.5."""
        value = self.left.pop(key, default)
        try:
            if isinstance(value, str) and value.strip().endswith("%"):
                value = float(value.strip().removesuffix("%")) / 100
            if value is default or not isinstance(value, str | bool) and 0 <= value <= 1:
                return value
        except (TypeError, ValueError):
            pass
        raise self.wrong(key, 'a share such as "50 %" or 0.5, from 0 to 1', value)

    def table(self, key: str) -> "Table":
        return Table(self.file, f"{self.name}.{key}" if self.name else key, self.left.pop(key, {}))

    def end(self, expected: Sequence[str]) -> None:
        for key in self.left:
            raise self.wrong(key, f"one of the keys {', '.join(expected)}", key, expected)


def read(path: str | Path, mistakes: Mapping[str, Sequence[str]] | None) -> CourseFile:
    """The course file.

    Args:
        mistakes: exercise -> the keys of its mistakes; None: the file was checked before.
    Raises: ValueError: file, key, what is expected.
    """
    try:
        plain = tomllib.loads(Path(path).read_text("utf-8-sig"))
    except OSError as why:
        raise ValueError(f"{path}: expected a course file, got {why.strerror or why}") from None
    except ValueError as why:  # TOMLDecodeError and UnicodeDecodeError
        raise ValueError(f"{path}: expected TOML, got {why}") from None
    top = Table(str(path), "", plain)
    given = CourseFile()
    assignment = top.take("assignment", str, "the name of the assignment", given.assignment)
    if not assignment.strip():
        raise top.wrong("assignment", "the name of the assignment", assignment)
    packages = top.take("packages", list, 'names of packages such as ["networkx"]', [])
    if not all(isinstance(name, str) and name for name in packages):
        raise top.wrong("packages", 'names of packages such as ["networkx"]', packages)
    every = (
        None if mistakes is None else tuple(dict.fromkeys(m for of_one in mistakes.values() for m in of_one))
    )
    credit = {("", m): share for m, share in credits(top.table("credit"), every).items()}
    points, extra, tables = {}, set(), top.table("exercises")
    for name in list(tables.left):
        if mistakes is not None and name not in mistakes:
            raise tables.wrong(name, f"one of {', '.join(mistakes)}", name, list(mistakes))
        one = tables.table(name)
        value = one.number("points")
        if value is not None:
            points[name] = float(value)
        if one.take("extra_credit", bool, "true or false", False):
            extra.add(name)
        its = None if mistakes is None else mistakes[name]
        credit |= {(name, m): share for m, share in credits(one.table("credit"), its).items()}
        one.end(("points", "extra_credit", "credit"))
    late = late_rule(top.table("late")) if "late" in top.left else None
    top.end(("assignment", "packages", "credit", "exercises", "late"))
    return CourseFile(assignment, points, frozenset(extra), credit, late, tuple(packages))


def credits(table: Table, mistakes: Sequence[str] | None) -> dict[str, float]:
    """Mistake -> share. Two at once are written a+b."""
    found = {}
    for key in list(table.left):
        names = [*(mistakes or ()), *known.ANY_EXERCISE]
        if mistakes is not None and not set(key.split("+")) <= set(names):
            some = ", ".join(names[:MANY]) + ", ..." * (len(names) > MANY)
            raise table.wrong(key, f"mistakes, some of {some}", key, names)
        found[key] = table.share(key)
    return found


def late_rule(table: Table) -> Late:
    expected = "a date and time such as 2026-12-01T23:59:00+01:00, without quotes"
    deadline = table.take("deadline", datetime, expected)
    rule = Late(
        deadline,
        table.share("penalty_per_day", 0.0),
        table.whole("days"),
        table.whole("free_days", 0),
        table.number("grace_minutes", 0.0),
    )
    table.end(("deadline", "penalty_per_day", "days", "free_days", "grace_minutes"))
    if not rule.penalty and rule.days is None:
        raise table.wrong("penalty_per_day", 'what a late day costs, such as "10 %", or days', rule.penalty)
    return rule
