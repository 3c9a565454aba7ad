"""Records as tables: grades.csv, JUnit XML, Gradescope's results.json."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree as xml

from labdiff.grading.records import CORRECT, GRADER_ERROR, MISSING, NOT_ATTEMPTED, Record

JUNIT = {CORRECT: None, GRADER_ERROR: "error", NOT_ATTEMPTED: "skipped", MISSING: "skipped"}


def columns(records: Sequence[Record]) -> list[tuple[str, str]]:
    """(notebook, exercise) in the notebooks' order."""
    pairs = dict.fromkeys((r.notebook, r.exercise) for record in records for r in record.results)
    return sorted(pairs, key=lambda pair: pair[0])


def grades(records: Sequence[Record]) -> str:
    """CSV: a row for each student, a column for each exercise; empty where the grader could not finish."""
    text = io.StringIO()
    table = csv.writer(text)
    names = [exercise for _, exercise in columns(records)]
    table.writerow(["student", *names, "total", "max", "isolation", "flags"])
    for record in records:
        points = {r.exercise: "" if r.status == GRADER_ERROR else f"{r.points:g}" for r in record.results}
        row = [
            record.student,
            *(points.get(name, "") for name in names),
            "" if record.ungraded else f"{record.total:g}",
            f"{record.max:g}",
            record.isolated,
            "; ".join(record.flags),
        ]
        # a spreadsheet would run it as a formula
        table.writerow([f"'{v}" if v[:1] in ("=", "+", "-", "@", "\t", "\r") else v for v in row])
    return text.getvalue()


def junit(records: Sequence[Record]) -> str:
    suite = xml.Element("testsuite", name="labdiff")
    counts = Counter()
    for record in records:
        for r in record.results:
            name = clean(f"{record.student}::{r.exercise}")
            case = xml.SubElement(
                suite, "testcase", classname=clean(r.notebook), time=str(r.seconds), name=name
            )
            told = xml.SubElement(case, "properties")
            points = "" if r.status == GRADER_ERROR else str(r.points)
            for key, value in (
                ("points", points),
                ("max", str(r.max)),
                ("status", r.status),
                ("isolation", record.isolated),
            ):
                xml.SubElement(told, "property", name=key, value=value)
            kind = JUNIT.get(r.status, "failure")
            counts[kind] += 1
            if kind:
                xml.SubElement(case, kind, message=clean(f"{r.status}: {r.hint}"), type=r.status)
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
    """Without what XML can't hold."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)


def gradescope(record: Record) -> dict:
    """Gradescope's results.json. It has no score for what is not graded: the total then stays away too."""
    tests = []
    for r in record.results:
        lines = [f"{r.status}. {r.hint}", *(f"{label}: {text}" for label, text in r.rows)]
        test = {
            "name": f"{r.notebook}: {r.exercise}",
            "score": r.points,
            "max_score": r.max,
            "status": "passed" if r.status == CORRECT else "failed",
            "visibility": "visible",
            "output": "\n".join(lines),
        }
        if r.status == GRADER_ERROR:
            del test["score"], test["status"]
        tests.append(test)
    found = {
        "output": f"{record.isolated}; {'; '.join(record.flags) or 'nothing unusual'}",
        "output_format": "text",
        "tests": tests,
    }
    return found if record.ungraded else {"score": record.total, **found}
