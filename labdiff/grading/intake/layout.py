"""Which folders are students': not those on top, nor those that hold a notebook of many, or a group."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TypeAlias

from labdiff.grading.gradebook.roster import Person, fitting
from labdiff.grading.intake import owner
from labdiff.grading.intake.files import NOTEBOOK, File
from labdiff.grading.intake.find import Found
from labdiff.grading.records import Trusted

# of each notebook: the stems of the course's notebooks that it is, and a digest of what is in it
Contents: TypeAlias = Mapping[File, tuple[tuple[str, ...], bytes]]


def below(path: PurePosixPath, top: int, shelves: set[str]) -> tuple[str, ...]:
    """A path without the folders on top, and without one that holds a notebook of all students."""
    parts = path.parts[top:]
    return parts[1:] if parts and parts[0] in shelves else parts


def shelves_of(
    found: Found, contents: Contents, course: Sequence[Trusted], top: int, people: Sequence[Person]
) -> tuple[set[str], list[str]]:
    """(folders that are no student's, what the instructor has to be told of the others, a line each).

    They are groups of the class, or hold one notebook of many, such as 01_forward_noising/anna.ipynb. Other
    folders are called after their students, whatever is in their names: posterior, anna-training.
    """
    names = {f.inner.parts[top] for f in contents if len(f.inner.parts) > top + 1}
    names |= {f.parts[top] for f in found.folders if len(f.parts) > top}
    held = held_by(contents, course, top)
    if are_groups(held, contents, course, top, people):
        return names, []
    shelves = {name for name in names if is_shelf(name, contents, course, top)}
    unclear = {name: {who for who, _ in held.get(name, ()) if who} for name in shared(held) - shelves}
    return shelves, [
        f"{name} counts as one student, and holds {', '.join(sorted(inside))}. "
        "If these are students, a roster with their names tells (--roster)"
        for name, inside in sorted(unclear.items())
        if not any(owner.VERSION.fullmatch(who) or owner.named(who, course) for who in inside)
        and not fits({name}, people)
    ]


def held_by(contents: Contents, course: Sequence[Trusted], top: int) -> dict[str, set[tuple[str, str]]]:
    """Folder -> (name, stem) of what lies in it, "" for a file that is named after its notebook only."""
    held: dict[str, set[tuple[str, str]]] = {}
    for file, (stems, _) in contents.items():
        folder, *inner = file.inner.parts[top:]
        who = inner[0] if len(inner) > 1 else owner.of_file(file.stem, course) if inner else ""
        held.setdefault(folder, set()).update((who, stem) for stem in stems or [""])
    return held


def shared(held: Mapping[str, set[tuple[str, str]]]) -> set[str]:
    """The folders in which several files or folders hold one notebook."""
    return {name for name, inside in held.items() if len(inside) > len({stem for _, stem in inside})}


def fits(names: set[str], people: Sequence[Person]) -> int:
    """How many of the names are ones of the roster's people."""
    return sum(map(bool, fitting((owner.of_folder(name) for name in names), people).values()))


def are_groups(
    held: Mapping[str, set[tuple[str, str]]],
    contents: Contents,
    course: Sequence[Trusted],
    top: int,
    people: Sequence[Person],
) -> bool:
    """Whether the folders are no students' but group them: tuesday/anna, tuesday/ben.ipynb, friday/carl.

    The roster tells, if it knows the names of either. Else in most of them several files or folders, which
    are no versions, hold one notebook; and nobody handed a notebook in twice.
    """
    inside = {who for inner in held.values() for who, _ in inner}
    if (inner := fits(inside, people)) != (outer := fits(set(held), people)):
        return inner > outer
    folders = {f.inner.parts[top + 1] for f in contents if len(f.inner.parts) > top + 2}
    if "" in inside or any(map(owner.VERSION.fullmatch, inside)):
        return False
    if any(owner.named(folder, course) for folder in folders):
        return False
    once = len(set().union(*held.values())) == sum(map(len, held.values()))
    return len(held) > 1 and once and 2 * len(shared(held)) > len(held)


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
