"""Records as tables: grades.csv, JUnit XML, Gradescope's results.json."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree as xml

from labdiff.grading.gradebook.changes import Change
from labdiff.grading.gradebook.tables_in import FORMULA
from labdiff.grading.records import CORRECT, GRADER_ERROR, MISSING, NOT_ATTEMPTED, Record

JUNIT = {CORRECT: None, GRADER_ERROR: "error", NOT_ATTEMPTED: "skipped", MISSING: "skipped"}


def columns(records: Sequence[Record]) -> list[tuple[str, str]]:
    """(notebook, exercise) in the notebooks' order."""
    pairs = dict.fromkeys((r.notebook, r.exercise) for record in records for r in record.results)
    return sorted(pairs, key=lambda pair: pair[0])


def text(cell: str) -> str:
    """A cell that no spreadsheet runs as a formula, and no terminal as a command."""
    return clean(f"'{cell}" if cell.lstrip(" ")[:1] in FORMULA else cell)


def grades(records: Sequence[Record]) -> str:
    """CSV: a row for each student, a column for each exercise; empty where the grader could not finish.

    The exercises' columns are before, and the total is after what coming late takes off.
    """
    file = io.StringIO()
    table = csv.writer(file)
    names = [exercise for _, exercise in columns(records)]
    table.writerow(["student", *names, "total", "max", "isolation", "flags", "remarks"])
    for record in records:
        points = {r.exercise: "" if r.ungraded else f"{r.points:g}" for r in record.results}
        row = [
            record.student,
            *(points.get(name, "") for name in names),
            "" if record.ungraded else f"{record.total:g}",
            f"{record.max:g}",
            record.isolated,
            "; ".join(record.flags),
            "; ".join(record.remarks),
        ]
        table.writerow(map(text, row))
    return file.getvalue()


def changes(found: Sequence[Change]) -> str:
    """CSV: what is not as it was when the last run ended."""
    file = io.StringIO()
    table = csv.writer(file)
    table.writerow(["student", "exercise", "before", "after"])
    table.writerows(map(text, (c.student, c.exercise, c.before, c.after)) for c in found)
    return file.getvalue()


def junit(records: Sequence[Record]) -> str:
    """JUnit XML as Jenkins takes it. It has no times: the same grades are the same file."""
    suite = xml.Element("testsuite", name="labdiff")
    counts = Counter()
    for record in records:
        for r in record.results:
            name = clean(f"{record.student}::{r.exercise}")
            case = xml.SubElement(suite, "testcase", classname=clean(r.notebook), name=name)
            kind = JUNIT.get(r.status, "failure")
            counts[kind] += 1
            if kind:
                xml.SubElement(case, kind, message=clean(f"{r.status}: {r.hint}"), type=r.status)
            told = {
                "points": "" if r.ungraded else f"{r.points:g}",
                "max": f"{r.max:g}",
                "status": r.status,
                "isolation": record.isolated,
                "remark": r.why,
            }
            lines = [f"{key}: {value}" for key, value in told.items() if value]
            xml.SubElement(case, "system-out").text = clean("\n".join(lines))
    suite.attrib |= {
        "tests": str(sum(counts.values())),
        "failures": str(counts["failure"]),
        "errors": str(counts["error"]),
        "skipped": str(counts["skipped"]),
    }
    root = xml.Element("testsuites")
    root.append(suite)
    return xml.tostring(root, encoding="unicode", xml_declaration=True)


def clean(text: str) -> str:
    """Without what XML can't hold, or what commands a terminal."""
    return re.sub("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)


def gradescope(record: Record) -> dict:
    """Gradescope's results.json. It has no score for what is not graded: the total then stays away too."""
    tests = []
    for r in record.results:
        worth = [f"{r.points:g} of {r.max:g}: {r.why}"] if r.why else []
        lines = [f"{r.status}. {r.hint}", *worth, *(f"{label}: {words}" for label, words in r.rows)]
        test = {
            "name": f"{r.notebook}: {r.exercise}",
            "score": r.points,
            "max_score": r.max,
            "status": "passed" if r.status == CORRECT else "failed",
            "visibility": "visible",
            "output": "\n".join(lines),
        }
        if r.ungraded:
            del test["score"], test["status"]
        tests.append(test)
    said = [
        record.isolated,
        *(record.flags or ["nothing unusual"]),
        *filter(None, (record.late_why, record.total_why)),
    ]
    found = {"output": "; ".join(said), "output_format": "text", "tests": tests}
    return found if record.ungraded else {"score": record.total, **found}
