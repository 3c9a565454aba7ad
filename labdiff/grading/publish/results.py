"""Results on disk: a signed record for each student, and from all records tables and pages."""

import hashlib
import hmac
import json
import re
import secrets
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from labdiff.grading.publish import pages, tables
from labdiff.grading.publish.files import slug, write
from labdiff.grading.records import GRADER_ERROR, Record

CHANGED = "The kept result was changed after grading: it does not count. Grade again."


def secret(out: Path) -> str:
    """What hidden probes are drawn from and records are signed with; made where there is none."""
    kept = known_secret(out)
    if kept is None:
        kept = secrets.token_hex(16)
        write(Path(out) / ".secret", kept, mode=0o600)
    return kept


def known_secret(out: Path) -> str | None:
    """The secret of a folder, None where there is none, or an empty or damaged file."""
    path = Path(out) / ".secret"
    try:
        text = "" if path.is_symlink() else path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if re.fullmatch(r"[0-9a-f]{32,}", text) else None


def sign(plain: dict, key: str) -> str:
    text = json.dumps(plain, sort_keys=True).encode()
    return hmac.new(key.encode(), text, hashlib.sha256).hexdigest()


def save(out: Path, record: Record, key: str) -> None:
    plain = json.loads(json.dumps(record.plain()))
    text = json.dumps({**plain, "signature": sign(plain, key)}, indent=1)
    write(Path(out) / "students" / f"{slug(record.student)}.json", text)


def read(path: Path, key: str | None) -> tuple[Record, bool]:
    """(the record in a file, whether its signature is right). Raises if it is damaged."""
    plain = json.loads(path.read_text("utf-8"))
    signature = str(plain.pop("signature", ""))
    signed = key is not None and hmac.compare_digest(signature.encode(), sign(plain, key).encode())
    return Record.from_plain(plain), signed


def load(out: Path, student: str, key: str) -> Record | None:
    """The record of a student, or None if there is none, or only one that is damaged or was changed."""
    path = Path(out) / "students" / f"{slug(student)}.json"
    try:
        record, signed = read(path, key)
        if signed and record.student == student:
            return record
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    print(f"labdiff grade: {path} is damaged or was changed: graded again", file=sys.stderr)
    return None


def merge(parts: Sequence[Path], out: Path) -> tuple[list[Record], list[str]]:
    """Put the results of several runs into one folder: (records, what could not be read).

    Of two results for one question the later part's counts, unless the grader could not finish it.
    """
    merged, unread = {}, []
    for part in map(Path, parts):
        if not (part / "students").is_dir() and not (part / "grades.csv").is_file():
            raise ValueError(
                f"merge: expected results of labdiff grade in {part}, got no students/*.json there"
            )
        key = known_secret(part)
        for path in sorted((part / "students").glob("*.json")):
            try:
                record, signed = read(path, key)
            except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as why:
                unread.append(f"{path}: {why}")
                continue
            if key is not None and not signed:
                record = spoiled(record)
            merged[record.student] = (
                joined(merged[record.student], record) if record.student in merged else record
            )
    records = [merged[name] for name in sorted(merged)]
    key = secret(out)
    for record in records:
        save(out, record, key)
    write_all(out, records, unread)
    return records, unread


def spoiled(record: Record) -> Record:
    return replace(
        record,
        results=tuple(
            replace(r, status=GRADER_ERROR, points=0.0, hint=CHANGED, flags=("changed after grading",))
            for r in record.results
        ),
    )


def joined(first: Record, second: Record) -> Record:
    rows = {(r.notebook, r.exercise): r for r in first.results}
    for r in second.results:
        if r.status != GRADER_ERROR or (r.notebook, r.exercise) not in rows:
            rows[r.notebook, r.exercise] = r
    least = min((first, second), key=lambda record: record.isolation == "namespace")
    return replace(least, stamp="", results=tuple(sorted(rows.values(), key=lambda r: r.notebook)))


def write_all(out: Path, records: Sequence[Record], skipped: Sequence[str] = ()) -> None:
    out = Path(out)
    write(out / "grades.csv", tables.grades(records))
    write(out / "junit.xml", tables.junit(records))
    write(out / "index.html", pages.class_page(records, skipped))
    for record in records:
        name = slug(record.student)
        write(out / "students" / f"{name}.html", pages.student_page(record))
        write(out / "gradescope" / name / "results.json", json.dumps(tables.gradescope(record), indent=1))
