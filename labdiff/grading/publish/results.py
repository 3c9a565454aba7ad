"""Results on disk: a signed record for each student, and from all records tables and pages."""

import hashlib
import hmac
import json
import os
import re
import secrets
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from labdiff.grading.gradebook import changes, given
from labdiff.grading.gradebook.changes import Change
from labdiff.grading.gradebook.scoring import Gradebook
from labdiff.grading.publish import lms, pages, tables
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


def merge(
    parts: Sequence[Path], out: Path, named: Mapping[str, str | None] | None = None
) -> tuple[list[Record], list[str], list[str]]:
    """Put the results of several runs into one folder: (records, what could not be read, what does not fit).

    Of two results for one question the later part's counts, unless the grader could not finish it. `named`:
    a course file, a roster, overrides, as in given.read; otherwise those of the first part that has them.
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
    book = given.read_for_merge(out, parts, records, named)
    records = book.scored(records)
    key = secret(out)
    for record in records:
        save(out, record, key)
    remove_gone(out, merged)
    said = book.said(records)
    finish(out, records, unread, said, book)
    return records, unread, said


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


def write_student(out: Path, record: Record) -> None:
    """The files of one student."""
    name = slug(record.student)
    write(Path(out) / "students" / f"{name}.html", pages.student_page(record))
    write(Path(out) / "gradescope" / name / "results.json", json.dumps(tables.gradescope(record), indent=1))


def write_tables(
    out: Path,
    records: Sequence[Record],
    skipped: Sequence[str] = (),
    said: Sequence[str] = (),
    changed: Sequence[Change] = (),
    keys: Mapping[str, str] | None = None,
) -> None:
    """The files of the class.

    Args:
        skipped: what was not looked at; said: what the roster and the overrides don't fit.
        changed: since the last run; keys: own exercise -> the key's answer.
    """
    out = Path(out)
    write(out / "grades.csv", tables.grades(records))
    write(out / "changes.csv", tables.changes(changed))
    write(out / "junit.xml", tables.junit(records))
    write(out / "index.html", pages.class_page(records, skipped, said, changed, keys))


def finish(
    out: Path, records: Sequence[Record], skipped: Sequence[str], said: Sequence[str], book: Gradebook
) -> list[Change]:
    """All files, when the whole class is graded. Returns the changes since the last time."""
    out = Path(out)
    changed = changes.since(out / changes.LAST, records)
    for record in records:
        write_student(out, record)
    write_tables(out, records, skipped, said, changed, book.keys)
    lms.write_all(out, records, book)
    write(out / changes.LAST, changes.snapshot(records), mode=0o600)
    return changed


def remove_gone(out: Path, names: Iterable[str]) -> None:
    """Remove the files of students who are none of these; their records are kept in .gone."""
    kept = {slug(name) for name in names}
    for path in (Path(out) / "students").iterdir():
        if path.stem not in kept and path.suffix == ".html":
            path.unlink()
        elif path.stem not in kept and path.suffix == ".json":
            (Path(out) / ".gone").mkdir(exist_ok=True)
            os.replace(path, Path(out) / ".gone" / path.name)
    for folder in (Path(out) / "gradescope").glob("*"):
        if folder.name not in kept and (folder / "results.json").is_file():
            (folder / "results.json").unlink()
            folder.rmdir()
