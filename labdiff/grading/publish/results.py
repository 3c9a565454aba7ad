"""Results on disk: a record for each student, and from all records grades.csv, pages, JUnit XML, Gradescope files."""

import json
from collections.abc import Sequence
from pathlib import Path

from labdiff.grading.publish import pages, tables
from labdiff.grading.publish.files import slug, write
from labdiff.grading.records import Record


def save(out: Path, record: Record) -> None:
    write(Path(out) / "students" / f"{slug(record.student)}.json", json.dumps(record.plain(), indent=1))


def load(out: Path, student: str) -> Record | None:
    """The record of a student, or None if there is none, or only a damaged one."""
    try:
        path = Path(out) / "students" / f"{slug(student)}.json"
        record = Record.from_plain(json.loads(path.read_text("utf-8")))
        return record if record.student == student else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def load_all(out: Path) -> list[Record]:
    paths = sorted(Path(out, "students").glob("*.json"))
    if not paths:
        raise ValueError(f"merge: expected results of labdiff grade in {out}, got no students/*.json there")
    return [Record.from_plain(json.loads(p.read_text("utf-8"))) for p in paths]


def write_all(out: Path, records: Sequence[Record]) -> None:
    out = Path(out)
    write(out / "grades.csv", tables.grades(records))
    write(out / "junit.xml", tables.junit(records))
    write(out / "index.html", pages.class_page(records))
    for record in records:
        name = slug(record.student)
        write(out / "students" / f"{name}.html", pages.student_page(record))
        write(out / "gradescope" / name / "results.json", json.dumps(tables.gradescope(record), indent=1))
