"""What students' attempts logs say: which mistake was repaired, after how many attempts.

A log is what a student hands in: it is read with suspicion, and counts for nothing but the class page."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from labdiff.checks.attempts import FILE, LARGEST
from labdiff.checks.judging.report import CORRECT, NOT_ATTEMPTED, NOT_YET
from labdiff.grading.records import Record

__all__ = ["FILE", "Repaired", "read", "repaired"]
MOST = 1000  # attempts of a student


def read(data: bytes) -> tuple[tuple[str, str, str], ...]:
    """(exercise, status, mistake) of each attempt, in order; lines that are none are left out."""
    found = []
    for line in data[: 2 * LARGEST].splitlines()[: 2 * MOST]:
        try:
            plain = json.loads(line)
            one = plain["exercise"], plain["status"], plain["mistake"] or ""
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        if all(isinstance(w, str) and len(w) <= 80 and w.isprintable() for w in one):
            found += [one] if one[1] in (NOT_ATTEMPTED, NOT_YET, CORRECT) else []
    return tuple(found[:MOST])


@dataclass(frozen=True)
class Repaired:
    """One mistake over the class.

    Attributes:
        made: how many made it; repaired: how many of them got the exercise right later.
        attempts: after how many further checks (the median).
    """

    exercise: str
    mistake: str
    made: int
    repaired: int
    attempts: float


def repaired(records: Sequence[Record]) -> list[Repaired]:
    """The mistakes in the logs, the commonest first."""
    counts: dict[tuple[str, str], list[int | None]] = {}
    for record in records:
        for exercise, mistake in dict.fromkeys((e, m) for e, _, m in record.attempts if m):
            rows = [(s, m) for e, s, m in record.attempts if e == exercise]
            first = next(i for i, (_, m) in enumerate(rows) if m == mistake)
            right = next((i for i, (s, _) in enumerate(rows) if i > first and s == CORRECT), None)
            counts.setdefault((exercise, mistake), []).append(None if right is None else right - first)
    made = []
    for (exercise, mistake), steps in counts.items():
        done = [n for n in steps if n is not None]
        made.append(
            Repaired(exercise, mistake, len(steps), len(done), statistics.median(done) if done else 0)
        )
    return sorted(made, key=lambda one: (-one.made, one.exercise, one.mistake))
