"""What changed since the last run: points and verdicts, beside those that were kept when it ended."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labdiff.grading.records import Record

LAST = ".last.json"
TOTAL = "total"


@dataclass(frozen=True)
class Change:
    """One number of the table before and after; "" for a student or an exercise that was or is not there."""

    student: str
    exercise: str
    before: str
    after: str


def worth(record: Record) -> dict[str, str]:
    """Exercise -> its points and verdict, in words."""
    rows = {
        r.exercise: f"{r.status}{'' if r.ungraded else f', {r.points:g} of {r.max:g}'}"
        + (f" ({r.why})" if r.why else "")
        for r in record.results
    }
    return rows | {TOTAL: "" if record.ungraded else f"{record.total:g} of {record.max:g}"}


def snapshot(records: Sequence[Record]) -> str:
    return json.dumps({record.student: worth(record) for record in records}, indent=1)


def since(path: Path, records: Sequence[Record]) -> list[Change]:
    """The changes since the snapshot in a file; none where there is no such file."""
    try:
        last = json.loads(path.read_text("utf-8"))
        before = {str(name): {str(k): str(v) for k, v in rows.items()} for name, rows in last.items()}
    except (OSError, ValueError, AttributeError):
        return []
    after = {record.student: worth(record) for record in records}
    found = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, {}), after.get(name, {})
        both = name in before and name in after
        for exercise in dict.fromkeys((*new, *old)) if both else (TOTAL,):
            if old.get(exercise) != new.get(exercise):
                found.append(Change(name, exercise, old.get(exercise, ""), new.get(exercise, "")))
    return found
