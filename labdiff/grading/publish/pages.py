"""The pages: one for each student, one for the class. One file each, no script, nothing is loaded."""

from collections import Counter
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import jinja2

from labdiff.grading.gradebook import attempts, similar
from labdiff.grading.gradebook.changes import Change
from labdiff.grading.publish.files import slug
from labdiff.grading.publish.solutions import SOLUTIONS
from labdiff.grading.publish.tables import columns
from labdiff.grading.records import CORRECT, MISSING, Record, Result

SOLVED = {name: (text,) for name, text in SOLUTIONS.items()}  # what right answers share by nature
SIGNS = {
    "correct": "✓",
    "wrong": "✗",
    "not attempted": "○",
    "missing": "–",
    "unreadable": "?",
    "error": "!",
    "timeout": "…",
    "kernel died": "†",
    "grader error": "⚠",
}


def render(template: str, **fields) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("labdiff.grading.publish"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"points": lambda number: f"{number:g}", "page_of": page_of}
    return environment.get_template(template).render(signs=SIGNS, **fields) + "\n"


def page_of(record: Record) -> str:
    return f"students/{quote(slug(record.student))}.html"


def student_page(record: Record) -> str:
    return render("student.html", title=record.student, record=record)


def class_page(
    records: Sequence[Record],
    skipped: Sequence[str] = (),
    said: Sequence[str] = (),
    changed: Sequence[Change] = (),
    keys: Mapping[str, str] | None = None,
) -> str:
    """Which exercise hurts, which mistake is commonest, who needs a look, who is done.

    `keys`: own exercise -> the key's answer.
    """
    names = columns(records)
    by_name = {name: [] for name in names}
    for record in records:
        for r in record.results:
            by_name[r.notebook, r.exercise].append(r)
    everything = [r for rows in by_name.values() for r in rows]
    mistakes = Counter((r.exercise, r.mistake, r.hint) for r in everything if r.mistake)
    graded = [record for record in records if not record.ungraded]
    return render(
        "class.html",
        title="Grades",
        records=records,
        skipped=skipped,
        said=said,
        changed=changed,
        names=names,
        done=sum(all(r.status == CORRECT for r in record.results) for record in records),
        mean=sum(record.total for record in graded) / max(1, len(graded)),
        most=max((record.max for record in records), default=0),
        open=next((record for record in records if record.isolation != "namespace"), None),
        broken=sum(r.ungraded for r in everything),
        exercises=[hurts(name, rows) for (_, name), rows in by_name.items()],
        mistakes=mistakes.most_common(15),
        rows=[(record, statuses(record, names)) for record in records],
        repaired=attempts.repaired(records)[:15],
        alike=similar.alike(records, SOLVED | {name: (key,) for name, key in (keys or {}).items()}),
        progress=any(record.history for record in records),
    )


def hurts(name: str, rows: list[Result]) -> dict:
    """One exercise's line: how many are right, and what the others are."""
    others = Counter(r.status for r in rows if r.status != CORRECT)
    return {
        "name": name,
        "n": len(rows),
        "right": len(rows) - sum(others.values()),
        "others": others.most_common(),
    }


def statuses(record: Record, names: list[tuple[str, str]]) -> list[str]:
    by_name = {(r.notebook, r.exercise): r.status for r in record.results}
    return [by_name.get(name, MISSING) for name in names]
