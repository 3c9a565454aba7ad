"""The folder that a student's kernel imports from: packages, and a labdiff whose functions for the exercise
are refused.

ld.check exchanges code objects for the time of a check. Here there is nothing to exchange back: neither the
function's code, nor the formulas and judges of labdiff.checks, nor the key are in the copy, so no trick in
the kernel can reach them."""

import ast
import compileall
import inspect
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from labdiff.checks import EXERCISES
from labdiff.checks.exercises.exercise import Exercise
from labdiff.course import PACKAGE
from labdiff.grading.sandbox.visible import write_site

# what no answer needs: the other side of grading, the notebooks with their texts, the command line
LEFT_OUT = shutil.ignore_patterns(
    *("grading", "checks", "commands", "site", "notebooks", "assets", "__pycache__"),
    *("cli.py", "__main__.py", "course.py", "workcopy.py"),
)
CHECK = '''"""In a grading kernel the grader decides; code that looks at ld.check's report goes on."""

from types import SimpleNamespace


def check(name, function):
    return SimpleNamespace(
        exercise=name, status="correct", score=1.0, max_score=1.0, mistake=None, hint="", rows=(), pictures=()
    )


def yours(name, function, otherwise):
    return function if otherwise is None or name == {name!r} else otherwise
'''


def write(folder: Path, exercise: Exercise) -> None:
    """Write the copy for one exercise into `folder`, which goes on the kernel's path."""
    package = Path(folder) / "labdiff"
    shutil.copytree(PACKAGE, package, ignore=LEFT_OUT)
    (package / "assets").symlink_to("../../assets")
    (package / "checks").mkdir()
    (package / "checks" / "__init__.py").write_text(CHECK.format(name=exercise.name))
    shutil.copytree(PACKAGE / "checks" / "in_kernel", package / "checks" / "in_kernel", ignore=LEFT_OUT)
    for file in ("inside", "cells", "protocol"):
        shutil.copy(Path(__file__).with_name(f"{file}.py"), Path(folder) / f"labdiff_{file}.py")
    for function in map(inspect.unwrap, exercise.blocked):
        path = package / Path(inspect.getfile(function)).relative_to(PACKAGE)
        path.write_text(without(path.read_text("utf-8"), function.__qualname__), "utf-8")
    compileall.compile_dir(folder, quiet=2)


def without(source: str, qualname: str) -> str:
    """The source, with the body of one function replaced by a refusal that is also noted for the report."""
    tree = ast.parse(source)
    place = tree.body
    for part in qualname.split("."):
        node = next(n for n in place if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == part)
        place = node.body
    note = f"from labdiff.checks.in_kernel import blocking\nblocking.note({qualname!r})"
    node.body = ast.parse(note).body
    return ast.unparse(tree)


def write_all(
    base: str, names: Iterable[str], further: Iterable[str] = (), own: Mapping[str, Exercise] | None = None
) -> None:
    """The copies for these exercises, in base/NAME; they share base/assets and base/site (packages).

    `own`: the instructor's own exercises, by name. Nothing of them but what they block goes into a copy.
    """
    shutil.copytree(PACKAGE / "assets", Path(base) / "assets")
    write_site(f"{base}/site", further)
    for name in names:
        write(Path(base) / name, (own or {}).get(name) or EXERCISES[name])
