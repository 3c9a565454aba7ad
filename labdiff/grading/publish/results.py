"""Results on disk: a record for each student, and from all records grades.csv, pages, JUnit XML, Gradescope files.

Each file is written beside its place and then moved there, so an interrupted run leaves no half file.
"""

import csv
import hashlib
import io
import json
import os
import re
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as xml

from labdiff.grading.publish import pages

NO_LOOK = ("correct", "wrong", "error", "not attempted", "missing")


def slug(student):
    """A file name for a student's id: safe, readable, and unlike that of any other id."""
    plain = re.sub(r"[^\w-]", "_", student)[:80]
    return (
        plain
        if plain == student
        else f"{plain}-{hashlib.sha256(student.encode('utf-8', 'replace')).hexdigest()[:6]}"
    )


def write(path, text):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".half-")
    with open(handle, "w", encoding="utf-8", errors="replace", newline="") as f:
        f.write(text)
    os.chmod(beside, 0o644)
    os.replace(beside, path)


def save(out, record):
    write(Path(out) / "students" / f"{slug(record['student'])}.json", json.dumps(record, indent=1))


def load(out, student):
    """The record of a student, or None if there is none, or only a damaged one."""
    try:
        record = json.loads((Path(out) / "students" / f"{slug(student)}.json").read_text("utf-8"))
        return record if record["student"] == student else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def load_all(out):
    found = [json.loads(p.read_text("utf-8")) for p in sorted(Path(out, "students").glob("*.json"))]
    if not found:
        raise ValueError(f"merge: expected results of labdiff grade in {out}, got no students/*.json there")
    return found


def write_all(out, records):
    out = Path(out)
    write(out / "grades.csv", grades(records))
    write(out / "junit.xml", junit(records))
    write(out / "index.html", pages.class_page(records, slug))
    for r in records:
        write(out / "students" / f"{slug(r['student'])}.html", pages.student_page(r))
        write(out / "gradescope" / slug(r["student"]) / "results.json", json.dumps(gradescope(r), indent=1))


def total(record):
    return sum(r["points"] for r in record["results"])


def flags_of(record):
    """Why an instructor should look at this student, in words, each once."""
    found = [f for r in record["results"] for f in r["flags"]]
    found += [f"{r['exercise']}: {r['status']}" for r in record["results"] if r["status"] not in NO_LOOK]
    return list(dict.fromkeys(found))


def columns(records):
    """(notebook, exercise) in the notebooks' order."""
    pairs = dict.fromkeys((r["notebook"], r["exercise"]) for record in records for r in record["results"])
    stems = sorted({n for n, _ in pairs})
    return sorted(pairs, key=lambda pair: stems.index(pair[0]))


def grades(records):
    """CSV: a row for each student, a column for each exercise; a question that the grader could not finish stays empty."""
    text = io.StringIO()
    table = csv.writer(text)
    names = [exercise for _, exercise in columns(records)]
    table.writerow(["student", *names, "total", "max", "isolation", "flags"])
    for record in records:
        points = {
            r["exercise"]: "" if r["status"] == "grader error" else f"{r['points']:g}"
            for r in record["results"]
        }
        row = [
            record["student"],
            *(points.get(n, "") for n in names),
            f"{total(record):g}",
            f"{sum(r['max'] for r in record['results']):g}",
            isolated(record),
            "; ".join(flags_of(record)),
        ]
        table.writerow(
            [f"'{v}" if v[:1] in ("=", "+", "-", "@", "\t") else v for v in row]
        )  # a spreadsheet would compute it
    return text.getvalue()


def isolated(record):
    return "isolated" if record["isolation"] == "namespace" else "not isolated"


def junit(records):
    suite = xml.Element("testsuite", name="labdiff")
    counts = Counter()
    for record in records:
        for r in record["results"]:
            case = xml.SubElement(
                suite,
                "testcase",
                classname=clean(r["notebook"]),
                time=str(r["seconds"]),
                name=clean(f"{record['student']}::{r['exercise']}"),
            )
            told = xml.SubElement(case, "properties")
            for key, value in (
                ("points", r["points"]),
                ("max", r["max"]),
                ("status", r["status"]),
                ("isolation", isolated(record)),
            ):
                xml.SubElement(told, "property", name=key, value=str(value))
            kind = {
                "correct": None,
                "grader error": "error",
                "not attempted": "skipped",
                "missing": "skipped",
            }.get(r["status"], "failure")
            counts[kind] += 1
            if kind:
                xml.SubElement(case, kind, message=clean(f"{r['status']}: {r['hint']}"), type=r["status"])
    suite.attrib |= {
        "tests": str(counts.total()),
        "failures": str(counts["failure"]),
        "errors": str(counts["error"]),
        "skipped": str(counts["skipped"]),
    }
    root = xml.Element("testsuites")
    root.append(suite)
    return xml.tostring(root, encoding="unicode", xml_declaration=True)


def clean(text):
    """Without what XML can't hold."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)


def gradescope(record):
    """Gradescope's results.json."""
    tests = [
        {
            "name": f"{r['notebook']}: {r['exercise']}",
            "score": r["points"],
            "max_score": r["max"],
            "status": "passed" if r["status"] == "correct" else "failed",
            "visibility": "visible",
            "output": "\n".join(
                [f"{r['status']}. {r['hint']}", *(f"{label}: {text}" for label, text in r["rows"])]
            ),
        }
        for r in record["results"]
    ]
    return {
        "score": total(record),
        "output": f"{isolated(record)}; {'; '.join(flags_of(record)) or 'nothing unusual'}",
        "output_format": "text",
        "tests": tests,
    }
