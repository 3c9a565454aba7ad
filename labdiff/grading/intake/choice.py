"""Of all that a student handed in, the one file for each notebook that is graded."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from labdiff.grading.gradebook import attempts as log
from labdiff.grading.intake import owner, reading
from labdiff.grading.intake.files import File, Unreadable
from labdiff.grading.intake.submissions import Work
from labdiff.grading.records import HandedIn, Trusted

MOST_COPIES = 40  # of one notebook by one student that are read
MODULE = re.compile(r"([^\W\d]\w{0,50}/){0,5}[^\W\d]\w{0,50}\.py")  # no name that is too long for a file
MOST_MODULES, LONGEST_MODULE = 20, 200_000  # files beside a notebook that it may import; bytes
# what an answer may be in, but for the files that any repository has
MAY_ANSWER = re.compile(
    r"^(?!readme|licen|requirements|\.).*\.(py|txt|md|pdf|html?|docx?|odt|rtf|png|jpe?g|heic)$", re.I
)


def pick(work: Work, notebooks: Sequence[Trusted]) -> dict[str, HandedIn]:
    """What one student handed in for each notebook, by its stem."""
    strays = work.files.get("", [])
    known = any(stem for stem in work.files)
    shown = [file for file in strays if file.is_notebook or file.problem or not known]
    flags = tuple(dict.fromkeys(work.flags))
    may_answer = [f for f in strays if f in shown or MAY_ANSWER.search(f.inner.name)]
    return {
        t.stem: best(work.files[t.stem], t, flags, may_answer)
        if t.stem in work.files
        else HandedIn(flags=(*flags, *others(shown)))
        for t in notebooks
    }


def others(files: Sequence[File]) -> tuple[str, ...]:
    """A flag that names them, if there are any."""
    names = [file.inner.name + f" ({file.problem})" * bool(file.problem) for file in files]
    return (f"other files: {', '.join(names[:5])}",) if names else ()


def attempts(work: Work) -> tuple[tuple[str, str, str], ...]:
    """What the student's attempts log says, () if none was handed in."""
    logs = [file for file in work.files.get("", []) if file.inner.name == log.FILE]
    return tuple(one for file in logs[:1] for one in log.read(load(file).data or b""))


def best(
    files: list[File], trusted: Trusted, flags: tuple[str, ...], strays: Sequence[File] = ()
) -> HandedIn:
    """Of several files for a notebook: the one with the most answers, then the one named like it.

    `strays`: what may hold the answers that are not in it.
    """
    if len(files) > MOST_COPIES:
        flags = (*flags, f"{len(files)} files for {trusted.stem}: only {MOST_COPIES} were looked at")
    rows = []
    for file in files[:MOST_COPIES]:
        found, answers = load(file), None
        if found.data is not None:
            try:
                cells, _ = reading.parse(found.data, trusted.questions)
                answers = [reading.answer(cells, q) for q in trusted.questions]
            except Unreadable:
                pass
        given = {a.source for a in answers or () if not a.status}
        given |= {str(file.inner)} if answers is None else set()
        order = (
            -len(given),
            answers is None,
            file.autosaved,
            file.stem != trusted.stem,
            len(file.inner.parts),
        )
        rows.append((order, str(file.inner), file, given))
    rows.sort(key=lambda row: row[:2])
    _, _, chosen, given = rows[0]
    found = load(chosen)  # again: together they may be larger than the memory
    folder, who = chosen.inner.parent, owner.of_file(chosen.stem, [trusted])

    def may_be_anothers(file: File) -> bool:
        other = owner.of_file(file.stem, [trusted])
        return file.inner.parent != folder or bool(who and other and who != other)

    copies = [
        file
        for _, _, file, answers in rows[1:]
        if not file.autosaved and (answers - given or answers and may_be_anothers(file))
    ]
    if copies:
        names = ", ".join(str(f.inner) for f in copies[:3])
        flags = (*flags, f"{len(rows)} files for {trusted.stem}: graded {chosen.inner.name}, not {names}")
    if len(given) < len(trusted.questions):
        flags = (*flags, *others(strays))
    if not owner.pattern(trusted).search(chosen.stem):
        flags = (*flags, f"known by its content: {chosen.inner.name} is {trusted.stem}")
    if chosen.autosaved:
        flags = (*flags, f"only an autosaved copy was handed in: {chosen.inner}")
    return HandedIn(found.data, found.problem, flags, modules_in(folder, strays))


def modules_in(folder: PurePosixPath, files: Sequence[File]) -> tuple[tuple[str, str], ...]:
    """(path, source) of the Python files in a notebook's folder and below it, for it may import them."""
    paths = {str(f.inner.relative_to(folder)): f for f in files if folder in f.inner.parents}
    mine = sorted(filter(MODULE.fullmatch, paths), key=lambda path: (path.count("/"), path))
    read = [(path, load(paths[path]).data or b"") for path in mine[:MOST_MODULES]]
    return tuple((path, reading.decode(data)[0]) for path, data in read if len(data) <= LONGEST_MODULE)


def load(file: File) -> HandedIn:
    try:
        return HandedIn(file.read())
    except Unreadable as why:
        return HandedIn(problem=str(why))
