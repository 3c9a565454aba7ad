"""One record in the words of the platform that ran the grader."""

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from labdiff.grading.gradebook.roster import Person
from labdiff.grading.gradebook.scoring import Gradebook
from labdiff.grading.records import CORRECT, Record

SCALE = 100  # where points may be fractions: Classroom 50 takes whole numbers only


def with_metadata(book: Gradebook, metadata: Mapping, student: str) -> Gradebook:
    """With the time of handing in, and the due date where the course file names no deadline.

    `metadata`: Gradescope's submission_metadata.json.
    """

    def time(value: object) -> datetime | None:
        try:
            return datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        except ValueError:
            return None

    users = metadata.get("users") or [{}]
    extended = (users[0].get("assignment") or {}).get("due_date")
    due = time(extended or (metadata.get("assignment") or {}).get("due_date"))
    late = book.course.late
    if late and late.deadline is None:
        late = replace(late, deadline=due)
    person = Person(student, submitted=time(metadata.get("created_at")))
    return replace(book, course=replace(book.course, late=late), people=[person])


def classroom50(record: Record, book: Gradebook, given: Mapping[str, str], when: str) -> dict:
    """Classroom 50's result.json, schema classroom50/result/v1.

    Args:
        given: the variables that its runner sets.
        when: the commit's date, in UTC.
    """
    most = [r.max for r in record.results]
    whole = not book.course.credit and not book.course.late and all(m == int(m) for m in most)
    scale = 1 if whole else SCALE
    tests = [
        {
            "test-name": f"{r.notebook}: {r.exercise}",
            "passed": r.status == CORRECT,
            "score": round(scale * r.points),
            "max-score": 0 if r.extra else round(scale * r.max),
            "output": ". ".join(filter(None, (r.status, r.why, r.hint))),
        }
        for r in record.results
    ]
    return {
        "schema": "classroom50/result/v1",
        "classroom": given.get("CLASSROOM", ""),
        "assignment": given.get("ASSIGNMENT", ""),
        "submission": given.get("SUBMISSION_TAG", ""),
        "commit": given.get("COMMIT_URL", ""),
        "release": given.get("RELEASE_URL", ""),
        "review": given.get("REVIEW_URL") or given.get("COMMIT_URL", ""),
        "datetime": when,
        "score": round(scale * record.total),
        "max-score": round(scale * record.max),
        "tests": tests,
    }


def committed(folder: str | Path) -> str:
    """The date of a checkout's commit in UTC; now, where there is none."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "log", "-1", "--format=%ct"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        when = datetime.fromtimestamp(int(done.stdout), timezone.utc)
    except (OSError, ValueError, subprocess.SubprocessError):
        when = datetime.now(timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
