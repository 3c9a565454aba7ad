"""The labdiff that a student's kernel gets: a copy in which the exercise's functions say "write it yourself".

ld.check exchanges code objects for the time of a check. Here there is nothing to exchange back: neither the function's
code, nor the formulas and judges of labdiff.checks, nor the key are in the copy, so no trick in the kernel can reach them.
"""

import ast
import compileall
import inspect
import shutil
from pathlib import Path

from labdiff.checks import EXERCISES
from labdiff.grading.intake.trusted import PACKAGE

CHECK = '''"""In a grading kernel ld.check says nothing: what counts is checked by the grader."""


def check(name, function):
    pass
'''


def write(folder, name):
    """Write the copy for one exercise into `folder`, which goes on the kernel's path."""
    package = Path(folder) / "labdiff"
    left_out = shutil.ignore_patterns("grading", "checks", "__pycache__", "assets")
    shutil.copytree(PACKAGE, package, ignore=left_out)
    (package / "assets").symlink_to("../../assets")
    (package / "checks").mkdir()
    (package / "checks" / "__init__.py").write_text(CHECK)
    shutil.copytree(PACKAGE / "checks" / "in_kernel", package / "checks" / "in_kernel", ignore=left_out)
    shutil.copy(Path(__file__).with_name("inside.py"), Path(folder) / "labdiff_inside.py")
    for function in map(inspect.unwrap, EXERCISES[name].blocked):
        path = package / Path(inspect.getsourcefile(function)).relative_to(PACKAGE)
        path.write_text(without(path.read_text("utf-8"), function.__qualname__), "utf-8")
    compileall.compile_dir(folder, quiet=2)


def without(source, qualname):
    """The source, with the body of one function replaced by a refusal that is also noted for the report."""
    tree = ast.parse(source)
    place = tree.body
    for part in qualname.split("."):
        node = next(n for n in place if getattr(n, "name", "") == part)
        place = node.body
    note = f"from labdiff.checks.in_kernel import blocking\nblocking.note({qualname!r})"
    node.body = ast.parse(note).body
    return ast.unparse(tree)


def write_all(base, names):
    """The copies for these exercises, in base/NAME; they share one copy of the data files."""
    shutil.copytree(PACKAGE / "assets", Path(base) / "assets")
    for name in names:
        write(Path(base) / name, name)
