"""Which folders are students': not those on top, nor those that hold a notebook of many, or a group."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TypeAlias

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


def shelves_of(found: Found, contents: Contents, course: Sequence[Trusted], top: int) -> set[str]:
    """Folders that are no student's but hold one notebook of many, such as 01_forward_noising/anna.ipynb.

    Other folders are called after their students, whatever is in their names: posterior, anna-training.
    """
    names = {f.inner.parts[top] for f in contents if len(f.inner.parts) > top + 1}
    names |= {f.parts[top] for f in found.folders if len(f.parts) > top}
    if are_groups(contents, course, top):
        return names
    return {name for name in names if is_shelf(name, contents, course, top)}


def are_groups(contents: Contents, course: Sequence[Trusted], top: int) -> bool:
    """Whether the folders are no students' but group them: tuesday/anna, tuesday/ben.ipynb, friday/carl.

    In most of them several files or folders, which are no versions, hold one notebook; and nobody handed a
    notebook in twice.
    """
    groups: dict[str, set[tuple[str, str]]] = {}  # folder -> (name, stem) of what lies in it
    for file, (stems, _) in contents.items():
        group, *inner = file.inner.parts[top:]
        who = inner[0] if len(inner) > 1 else inner and owner.of_file(file.stem, course)
        if not who or owner.VERSION.fullmatch(who) or len(inner) > 1 and owner.named(who, course):
            return False
        groups.setdefault(group, set()).update((who, stem) for stem in stems)
    shared = [len(group) > len({stem for _, stem in group}) for group in groups.values()]
    once = len(set().union(*groups.values())) == sum(map(len, groups.values()))
    return len(groups) > 1 and once and 2 * sum(shared) > len(groups)


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
