"""The course's own notebooks: which questions they ask, and what an honest answer to each may rely on."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from labdiff.checks import EXERCISES, own
from labdiff.course import folder, points_of, source_of
from labdiff.course import read as read_notebook
from labdiff.grading.records import Question, Trusted


def read(path: Path) -> Trusted:
    """The notebook in a file. Raises ValueError if it asks nothing."""
    stem, cells = Path(path).stem, read_notebook(path)["cells"]
    sources = {c["id"]: source_of(c) for c in cells if c["cell_type"] == "code"}
    answers = {
        i.removesuffix("-answer").replace("-", "_"): text
        for i, text in sources.items()
        if i.endswith("-answer")
    }
    files = {name: own.path_of(name, Path(path).parent) for name in answers if name not in EXERCISES}
    unknown = sorted(name for name, file in files.items() if not file.is_file())
    if unknown or not answers:
        raise ValueError(
            f"{path}: cell ids NAME-answer: expected some of {', '.join(EXERCISES)}, "
            f"got {', '.join(unknown) or 'none'}. Give the course's own notebooks with --notebooks DIR; an "
            f"exercise of your own needs {own.FOLDER}/NAME.py there (labdiff new-exercise NAME)"
        )
    try:
        given = {c["id"]: points_of(c) for c in cells if c["cell_type"] == "code"}
    except ValueError as why:
        raise ValueError(f"{path}: {why}") from None
    worth = {name: own.points(file) for name, file in files.items()}
    questions = tuple(
        Question(name, text, stem, points(name, given, worth.get(name)), *own_file(files.get(name)))
        for name, text in answers.items()
    )
    return Trusted(stem, questions, sources.get("setup", ""), sources)


def own_file(path: Path | None) -> tuple[str, str]:
    """(file, digest) of an own exercise, which is read to see that it can be. Raises ValueError."""
    if path is None:
        return "", ""
    own.load(path)
    return str(path.resolve()), hashlib.sha256(path.read_bytes()).hexdigest()


def points(name: str, given: Mapping[str, float | None], own_points: float | None = None) -> float:
    """An exercise's points: by the metadata of its check's or its answer's cell, or by its own file, or 1."""
    begin = name.replace("_", "-")
    found = [given.get(f"{begin}-{part}") for part in ("check", "answer")]
    return next((float(value) for value in (*found, own_points) if value is not None), 1.0)


def load(given: str | None = None, only: Sequence[str] = ()) -> list[Trusted]:
    """The course's notebooks in their order; `only`: see select.

    Raises: ValueError: two notebooks ask the same.
    """
    course = [read(path) for path in sorted(folder(given).glob("*.ipynb"))]
    asked: dict[str, str] = {}
    for trusted in course:
        for q in trusted.questions:
            first = asked.setdefault(q.name, trusted.stem)
            if first != trusted.stem:
                raise ValueError(
                    f"{folder(given)}: {q.name}: expected it in one notebook, got it in {first}.ipynb and "
                    f"{trusted.stem}.ipynb. Move one of them away"
                )
    return select(course, only)


def select(course: Sequence[Trusted], only: Sequence[str]) -> list[Trusted]:
    """Those whose names begin with one of `only`, such as 01; all if it is empty."""
    for begin in only:
        if not any(t.stem.startswith(Path(begin).stem) for t in course):
            raise ValueError(
                f"--notebook: expected the beginning of {', '.join(t.stem for t in course)}, got {begin}"
            )
    return [t for t in course if not only or any(t.stem.startswith(Path(begin).stem) for begin in only)]
