"""The course's own notebooks: which questions they ask, and what an honest answer to each may rely on."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import labdiff
from labdiff.checks import EXERCISES

PACKAGE = Path(labdiff.__file__).parent


@dataclass(frozen=True)
class Question:
    """One exercise of one notebook: its function's name, and the source of its untouched answer cell."""

    name: str
    stub: str

    @property
    def cell_id(self):
        return self.name.replace("_", "-") + "-answer"


@dataclass(frozen=True)
class Trusted:
    """A notebook of the course.

    Attributes:
        stem: file name without .ipynb.
        questions: in their order.
        setup: source of the setup cell.
        sources: cell id -> source, of all code cells, in their order.
    """

    stem: str
    questions: tuple
    setup: str
    sources: dict

    @property
    def number(self):
        return re.match(r"\d*", self.stem).group()

    def helpers(self, before):
        """Sources of the cells between the setup and an answer: an answer may use what they import and define."""
        ids = list(self.sources)
        known = {q.cell_id for q in self.questions} | {
            q.cell_id.removesuffix("answer") + "check" for q in self.questions
        }
        return [self.sources[i] for i in ids[: ids.index(before.cell_id)] if i != "setup" and i not in known]


def source_of(cell):
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def read(path):
    """A Trusted from a notebook's file. Raises ValueError if it asks nothing."""
    cells = json.loads(Path(path).read_text("utf-8"))["cells"]
    sources = {c["id"]: source_of(c) for c in cells if c["cell_type"] == "code"}
    answers = {
        i.removesuffix("-answer").replace("-", "_"): text
        for i, text in sources.items()
        if i.endswith("-answer")
    }
    unknown = sorted(answers.keys() - EXERCISES.keys())
    if unknown or not answers:
        raise ValueError(
            f"{path}: cell ids NAME-answer: expected some of {', '.join(EXERCISES)}, "
            f"got {', '.join(unknown) or 'none'}. Give the course's own notebooks with --notebooks DIR"
        )
    return Trusted(
        Path(path).stem,
        tuple(Question(n, text) for n, text in answers.items()),
        sources.get("setup", ""),
        sources,
    )


def folder(given=None):
    """Where the course's notebooks are: `given`, or the repository's own folder beside the package."""
    for path in [Path(given)] if given else [PACKAGE.parent / "notebooks", Path("notebooks")]:
        if any(path.glob("*.ipynb")):
            return path
    raise ValueError(
        f"--notebooks: expected a folder with the course's notebooks, got {given or 'none'} and found none beside "
        f"{PACKAGE}. Give the folder of a clone: --notebooks CLONE/notebooks"
    )


def load(given=None, only=()):
    """The Trusted notebooks in their order; `only`: see select."""
    return select([read(path) for path in sorted(folder(given).glob("*.ipynb"))], only)


def select(course, only):
    """Those whose names begin with one of `only`, such as 01; all if it is empty."""
    for begin in only:
        if not any(t.stem.startswith(Path(begin).stem) for t in course):
            raise ValueError(
                f"--notebook: expected the beginning of {', '.join(t.stem for t in course)}, got {begin}"
            )
    return [t for t in course if not only or any(t.stem.startswith(Path(begin).stem) for begin in only)]
