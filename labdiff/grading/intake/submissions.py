"""Who handed in what: a folder for each student, flat files, zips, or what a learning platform exports.

What a file holds decides before its name: it is the notebook whose questions are in it. What can't be told
apart is flagged, and stays apart.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labdiff.grading.gradebook.roster import Person
from labdiff.grading.intake import owner, reading
from labdiff.grading.intake.files import File, Unreadable
from labdiff.grading.intake.find import find
from labdiff.grading.intake.layout import Contents, below, folders_on_top, shelves_of
from labdiff.grading.records import Trusted

LATE = "late, by the name that Canvas gave"


@dataclass
class Work:
    """What one student handed in: by notebook's stem, "" for what is none of the course's."""

    files: dict[str, list[File]] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    digests: list[tuple[str, bytes]] = field(default_factory=list)  # (path, digest) of all that was handed in

    def add(self, file: File, stems: Sequence[str], digest: bytes) -> None:
        for stem in stems or [""]:
            self.files.setdefault(stem, []).append(file)
        self.digests.append((str(file.inner), digest))


@dataclass(frozen=True)
class Class:
    """All students by name, what was skipped, and which folders may be of several students."""

    students: Mapping[str, Work]
    skipped: list[str]
    unclear: list[str]

    def stems(self) -> set[str]:
        """The notebooks that at least one student handed in."""
        return {stem for work in self.students.values() for stem in work.files if stem}


def collect(
    place: Path, course: Sequence[Trusted], out: Path | None = None, people: Sequence[Person] = ()
) -> Class:
    """What lies in `place`, by student; `people`: the roster's. Raises ValueError if there is nothing."""
    place = Path(place)
    found = find(place, out)
    notebooks = [f for f in found.files if f.is_notebook]
    if not notebooks:
        raise ValueError(
            f"SUBMISSIONS: expected .ipynb files in {place} or in a folder for each student, got none"
        )
    contents = {file: content(file, course) for file in notebooks}
    top = folders_on_top(found, contents, course, place.resolve().stem)
    platform = names_of_canvas(contents, top)
    shelves, unclear = shelves_of(found, contents, course, top, people)
    students: dict[str, Work] = {}
    in_folders = any(len(file.inner.parts) > top + 1 for file in notebooks)
    for folder in found.folders if in_folders else ():  # who handed in nothing has a row too
        parts = below(folder, top, shelves)
        if len(parts) == 1 and not parts[0].startswith("."):
            students.setdefault(platform.get(owner.canvas(parts[0]), owner.of_folder(parts[0])), Work())
    for file in found.files:
        parts, flag = below(file.inner, top, shelves), ""
        if len(parts) > 1:
            student = platform.get(owner.canvas(parts[0]), owner.of_folder(parts[0]))
        elif file.is_notebook:
            student = platform.get(owner.canvas(file.stem), owner.of_file(file.stem, course))
            flag = "" if student else f"no student's name in {file.inner.name}"
        else:
            found.skip(file.inner, "no notebook, and in no student's folder")
            continue
        work = students.setdefault(student or place.resolve().stem, Work())
        other = ((), read(file)[1] if file.inner.suffix == ".py" else b"")
        work.add(file, *contents.get(file, other))
        work.flags += [flag] if flag else []
        work.flags += [LATE] if any(map(owner.late_in_canvas, parts)) and LATE not in work.flags else []
    return Class(students, found.said(), unclear)


def names_of_canvas(contents: Contents, top: int) -> dict[str, str]:
    """The names NAME_UID that Canvas gives, as a dict; one under which a notebook comes twice is none."""
    seen: dict[str, list[tuple[str, str]]] = {}
    for file, (stems, _) in contents.items():
        name = file.inner.parts[top] if len(file.inner.parts) > top + 1 else file.stem
        if key := owner.canvas(name):
            seen.setdefault(key, []).extend((stem, name) for stem in stems or [""])
    return {key: key for key, pairs in seen.items() if len({s for s, _ in pairs}) == len(set(pairs))}


def content(file: File, course: Sequence[Trusted]) -> tuple[tuple[str, ...], bytes]:
    """(the stems of the notebooks that a file is, a digest of what is in it).

    It is the one with the largest share of its questions in the file, found by cell ids and definitions; by
    its name if there is none.
    """
    data, digest = read(file)
    if json.detect_encoding(data) not in ("utf-8", "utf-8-sig"):
        data = reading.decode(data)[0].encode("utf-8", "replace")
    ids = {q.cell_id.encode() for t in course for q in t.questions}
    names = b"|".join(q.name.encode() for t in course for q in t.questions)
    there = {i for i in ids if b'"' + i + b'"' in data}
    defined = set(re.findall(rb"def[ \t]+(" + names + rb")[ \t]*\(", data))
    shares = {t.stem: share(t, there, defined) for t in course}
    best = max(shares.values())
    if best:
        return tuple(stem for stem, value in shares.items() if value == best), digest
    by_name = owner.named(file.stem, course)
    return ((by_name.stem,) if by_name else ()), digest


def read(file: File) -> tuple[bytes, bytes]:
    """(a file's bytes, their digest); of one that can't be read: b"", and why."""
    try:
        data = file.read()
    except Unreadable as why:
        return b"", str(why).encode()
    return data, hashlib.sha256(data).digest()


def share(trusted: Trusted, ids: set[bytes], defined: set[bytes]) -> float:
    found = sum(2 * (q.cell_id.encode() in ids) + (q.name.encode() in defined) for q in trusted.questions)
    return found / len(trusted.questions)
