"""labdiff new-exercise and labdiff check-exercise: an instructor's own exercises."""

import argparse
import json
import keyword
from pathlib import Path

from labdiff import course
from labdiff.commands import options

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
        "--notebooks", metavar="DIR", required=True, help="the folder with your course's notebooks"
    )
    new.add_argument(
        "--notebook", metavar="NAME", required=True, help="the one that gets the cells, such as 01"
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
    options.notebooks(check)
    check.set_defaults(run=run_check)


def run_new(args: argparse.Namespace) -> int:
    """Write the file and the cells."""
    from labdiff.checks import own

    name = args.name
    if not name.isidentifier() or not name.islower() or keyword.iskeyword(name) or "__" in name:
        raise ValueError(f"new-exercise: NAME: expected a function's name in small letters, got {name}")
    if name in own.BUILT_IN:
        raise ValueError(f"new-exercise: NAME: expected a new name, got labdiff's own exercise {name}")
    folder = course.folder(args.notebooks)
    found = sorted(folder.glob(f"{args.notebook.removesuffix('.ipynb')}*.ipynb"))
    if not found:
        raise ValueError(
            f"new-exercise: --notebook: expected the beginning of a name in {folder}, got {args.notebook}"
        )
    file, notebook = own.path_of(name, folder), json.loads(found[0].read_text("utf-8"))
    ids = [cell.get("id") for cell in notebook["cells"]]
    begin = name.replace("_", "-")
    if file.exists() or f"{begin}-answer" in ids:
        raise ValueError(
            f"new-exercise: NAME: expected a new one, got {name}, which {file.name} or {found[0].name} has"
        )
    if args.after and args.after not in ids:
        raise ValueError(
            f"new-exercise: --after: expected the id of a cell in {found[0].name}, got {args.after}"
        )
    at = ids.index(args.after) + 1 if args.after else len(ids)
    notebook["cells"][at:at] = [
        {
            "cell_type": "markdown",
            "id": f"{begin}-task",
            "metadata": {},
            "source": lines(TASK.format(name=name)),
        },
        *(
            {
                "cell_type": "code",
                "id": f"{begin}-{part}",
                "metadata": {},
                "source": lines(text.format(name=name)),
                "outputs": [],
                "execution_count": None,
            }
            for part, text in (("answer", STUB), ("check", CHECK))
        ),
    ]
    file.parent.mkdir(exist_ok=True)
    file.write_text(SKELETON.format(name=name), "utf-8")
    found[0].write_text(course.text_of(notebook), "utf-8")
    print(
        f"{file}: write the formula, probes and mistakes there; then labdiff check-exercise {name} "
        f"--notebooks {folder}"
    )
    print(f"{found[0]}: cells {begin}-task, {begin}-answer, {begin}-check")
    return 0


def run_check(args: argparse.Namespace) -> int:
    """Prove the exercises, and say what was proved."""
    from labdiff.checks import own, proof

    folder = course.folder(args.notebooks)
    names = args.names or sorted(path.stem for path in (folder / own.FOLDER).glob("*.py"))
    for name in names or [""]:
        path = own.path_of(name, folder)
        if not path.is_file():
            raise ValueError(
                f"check-exercise: NAME: expected a file in {Path(folder) / own.FOLDER}, got {name or 'none'}"
            )
        for line in proof.prove(path):
            print(line)
    return 0


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)
