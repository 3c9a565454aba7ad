"""labdiff new-exercise and labdiff check-exercise: an instructor's own exercises."""

import argparse
import keyword
from pathlib import Path

from labdiff import course

SKELETON = '''\
"""{name}: what students are asked to write. labdiff check-exercise {name} tests this file."""

import torch

from labdiff.checks.exercises.probes import small, thousand

POINTS = 1
SLIDE = "where the formula stands"
MEANING = "One sentence on what a right answer means: students read it when they are right."
BLOCKED = ()  # labdiff's functions that would answer it, such as ld.q_sample: calling one is refused


def {name}(s, t):
    """{name}(s, t) = alpha_bar_t: the right formula in one line, for the report"""
    return s.alpha_bar[t]


def probes(seed):
    """What the student's function is called with, the smallest first; other numbers for another seed."""
    s = small(seed)  # five noise levels; thousand() is the usual schedule
    return {{
        "t = 1": (s, torch.tensor([1])),
        "t = T": (s, torch.tensor([5])),
        "mixed t": (s, torch.tensor([2, 5, 3])),
        "T = 1000": (thousand(), torch.tensor([1, 500, 1000])),
    }}


MISTAKES = {{
    "off-by-one": (
        lambda s, t: s.alpha_bar[t - 1],
        "You use the noise level t-1 where t belongs. Entry t of labdiff's arrays is the slides' t.",
    ),
}}
'''
TASK = "**Exercise.** Say what `{name}(s, t)` is, and which slide has the formula."
STUB = '''\
def {name}(s, t):
    """What goes in, what comes out."""
    raise NotImplementedError'''
SETUP = "import torch\n\nimport labdiff as ld"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
CHECK = 'ld.check("{name}", {name})'


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parsers of new-exercise and check-exercise."""
    new = commands.add_parser(
        "new-exercise",
        help="for instructors: begin an exercise of your own",
        description="Write DIR/exercises/NAME.py, which works as it is and is yours to change, and put its "
        "three cells (task, answer, check) into a notebook. ld.check, handout, key and grade find it there.",
    )
    new.add_argument("name", metavar="NAME", help="of the function that students write, such as snr")
    new.add_argument(
        "--notebooks", metavar="DIR", default=".", help="your course's folder (default: this one)"
    )
    new.add_argument(
        "--notebook",
        metavar="NOTEBOOK",
        help="the one that gets the cells, such as 01; otherwise a new one, NAME.ipynb",
    )
    new.add_argument(
        "--after", metavar="CELL", help="id of the cell that they follow (default: the last one)"
    )
    new.set_defaults(run=run_new)
    check = commands.add_parser(
        "check-exercise",
        help="for instructors: test exercises of your own",
        description="Prove that the right formula passes, that a stub is not attempted, and that each "
        "catalogued mistake is refused and named.",
    )
    check.add_argument("names", metavar="NAME", nargs="*", help="default: all of DIR/exercises")
    check.add_argument("--notebooks", metavar="DIR", default=".", help="as for new-exercise")
    check.set_defaults(run=run_check)


def run_new(args: argparse.Namespace) -> int:
    """Write the file and the cells."""
    from labdiff.checks import own

    name = args.name
    if not name.isidentifier() or not name.islower() or keyword.iskeyword(name) or "__" in name:
        raise ValueError(f"new-exercise: NAME: expected a function's name in small letters, got {name}")
    if name in own.BUILT_IN:
        raise ValueError(f"new-exercise: NAME: expected a new name, got labdiff's own exercise {name}")
    folder, begin = Path(args.notebooks), name.replace("_", "-")
    if not folder.is_dir():
        raise ValueError(f"new-exercise: --notebooks: expected a folder, got {folder}")
    target, notebook = notebook_for(name, folder, args.notebook)
    file, ids = own.path_of(name, folder), [cell["id"] for cell in notebook["cells"]]
    if file.exists() or f"{begin}-answer" in ids:
        where = file if file.exists() else target
        raise ValueError(f"new-exercise: NAME: expected a new one, got {name}: it is in {where}")
    if args.after and args.after not in ids:
        raise ValueError(
            f"new-exercise: --after: expected the id of a cell in {target.name}, got {args.after}"
        )
    at = ids.index(args.after) + 1 if args.after else len(ids)
    task = {"cell_type": "markdown", "id": f"{begin}-task", "metadata": {}, "source": TASK.format(name=name)}
    parts = {"answer": STUB, "check": CHECK}
    notebook["cells"][at:at] = [
        task,
        *(code(f"{begin}-{part}", text.format(name=name)) for part, text in parts.items()),
    ]
    file.parent.mkdir(exist_ok=True)
    file.write_text(SKELETON.format(name=name), "utf-8")
    target.write_text(course.text_of(notebook), "utf-8")
    print(
        f"{file}: write formula, probes and mistakes; then labdiff check-exercise {name} --notebooks {folder}"
    )
    print(f"{target}: cells {begin}-task, {begin}-answer, {begin}-check")
    return 0


def notebook_for(name: str, folder: Path, begin: str | None) -> tuple[Path, dict]:
    """(path, notebook) that gets the cells: the one whose name begins so, or a new one."""
    if begin:
        found = sorted(folder.glob(f"{begin.removesuffix('.ipynb')}*.ipynb"))
        if not found:
            raise ValueError(
                f"new-exercise: --notebook: expected the beginning of a name in {folder}, got {begin}"
            )
        return found[0], course.read(found[0])
    path = folder / f"{name}.ipynb"
    if path.exists():
        raise ValueError(f"new-exercise: NAME: expected a new one, got {name}: {path} exists")
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return path, {"cells": [code("setup", SETUP)], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def code(id: str, text: str) -> dict:
    return {
        "cell_type": "code",
        "id": id,
        "metadata": {},
        "source": text.splitlines(keepends=True),
        "outputs": [],
        "execution_count": None,
    }


def run_check(args: argparse.Namespace) -> int:
    """Prove the exercises, and say what was proved."""
    from labdiff.checks import own, proof

    folder = Path(args.notebooks)
    if not folder.is_dir():
        raise ValueError(f"check-exercise: --notebooks: expected a folder, got {folder}")
    given = [name.removesuffix(".py").replace("-", "_") for name in args.names]
    names = given or sorted(path.stem for path in (folder / own.FOLDER).glob("*.py"))
    asked = {cell["id"] for path in folder.glob("*.ipynb") for cell in course.read(path)["cells"]}
    for name in names or ["NAME"]:
        path = own.path_of(name, folder)
        if not path.is_file():
            raise ValueError(f"check-exercise: NAME: expected a file in {path.parent}, got no {path.name}")
        for line in proof.prove(path):
            print(line)
        if (cell := f"{name.replace('_', '-')}-answer") not in asked:
            print(f"{name}: no notebook in {folder} asks for it: none has a cell {cell}")
    return 0
