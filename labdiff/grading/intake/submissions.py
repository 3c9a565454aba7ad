"""Who handed in what: a folder for each student, flat files, zips, or what a learning platform exports.

What a file holds decides before its name: it is the notebook whose questions are in it. What can't be told
apart is flagged, and stays apart.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from labdiff.grading.intake import owner, reading
from labdiff.grading.intake.files import NOTEBOOK, File, Unreadable
from labdiff.grading.intake.find import Found, find
from labdiff.grading.records import Trusted

# of each notebook: the stems of the course's notebooks that it is, and a digest of what is in it
Contents: TypeAlias = Mapping[File, tuple[tuple[str, ...], bytes]]


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
    """All students by name, and what was skipped."""

    students: Mapping[str, Work]
    skipped: list[str]

    def stems(self) -> set[str]:
        """The notebooks that at least one student handed in."""
        return {stem for work in self.students.values() for stem in work.files if stem}


def collect(place: Path, course: Sequence[Trusted], out: Path | None = None) -> Class:
    """What lies in `place`, by student. Raises ValueError if there is nothing to grade."""
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
    shelves = shelves_of(found, contents, course, top)
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
    return Class(students, found.said())


def below(path: PurePosixPath, top: int, shelves: set[str]) -> tuple[str, ...]:
    """A path without the folders on top, and without one that holds a notebook of all students."""
    parts = path.parts[top:]
    return parts[1:] if parts and parts[0] in shelves else parts


def shelves_of(found: Found, contents: Contents, course: Sequence[Trusted], top: int) -> set[str]:
    """Folders that are no student's but hold one notebook of many, such as 01_forward_noising/anna.ipynb.

    Other folders are called after their students, whatever is in their names: posterior, anna-training.
    """
    names = {f.inner.parts[top] for f in contents if len(f.inner.parts) > top + 1}
    names |= {f.parts[top] for f in found.folders if len(f.parts) > top}
    return {name for name in names if is_shelf(name, contents, course, top)}


def is_shelf(name: str, contents: Contents, course: Sequence[Trusted], top: int) -> bool:
    one = owner.named(name, course)
    if one is None or owner.of_file(name, course):
        return False
    inside = {f: stems for f, (stems, _) in contents.items() if f.inner.parts[top : top + 1] == (name,)}
    entries = {f.inner.parts[top + 1] for f in inside}
    people = {owner.of_file(NOTEBOOK.sub("", e), course) for e in entries if not owner.VERSION.fullmatch(e)}
    numbered = bool(one.number) and one.number in name
    return (numbered or len(people - {""}) > 1) and all(
        stems in ((), (one.stem,)) for stems in inside.values()
    )


def folders_on_top(found: Found, contents: Contents, course: Sequence[Trusted], name: str) -> int:
    """How many folders hold the whole class, such as the one on top of a zip."""
    notebooks = [file.inner for file in contents]
    top = depth = 0
    while not any(len(path.parts) == depth + 1 for path in notebooks):
        here = {path.parts[: depth + 1] for path in [*notebooks, *found.folders] if len(path.parts) > depth}
        if len(here) != 1 or PurePosixPath(*min(here)) in found.repositories:
            break
        depth += 1
        if min(here)[-1] in (name, "submitted", "submissions") or students_in(found, contents, course, depth):
            top = depth
    return top


def students_in(found: Found, contents: Contents, course: Sequence[Trusted], depth: int) -> bool:
    """Whether what is `depth` folders deep, all in one folder, is of several students, or named after one."""
    flat = [f.stem for f in contents if len(f.inner.parts) == depth + 1]
    if flat:
        return any(owner.of_file(stem, course) for stem in flat if owner.named(stem, course))
    not_empty = {f.inner.parts[depth] for f in found.files}
    held: dict[str, set[str]] = {}  # folder -> stems of the notebooks in it
    for file, (stems, _) in contents.items():
        held.setdefault(file.inner.parts[depth], set()).update(stems)
    for folder in found.folders:
        if len(folder.parts) == depth + 1 and folder.name not in not_empty:
            held[folder.name] = set()

    def may_be_ones(folder: str) -> bool:
        """Whether it may be one of a student's own: a version, or called as the notebook in it."""
        one = owner.named(folder, course)
        return bool(one and held[folder] <= {one.stem} or owner.VERSION.fullmatch(folder))

    return len(held) > 1 and not all(map(may_be_ones, held))


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
