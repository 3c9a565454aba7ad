"""labdiff handout and labdiff key: the students' copies of the notebooks, and the solved ones."""

import argparse

from labdiff import course
from labdiff.commands import options


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parsers of handout and key."""
    for name, text, more in (
        ("handout", "write the students' copies", "answer cells empty, outputs clean, metadata for nbgrader"),
        ("key", "write the solved copies", "answer cells filled in; not run"),
    ):
        command = commands.add_parser(
            name,
            help=f"for instructors: {text}",
            description=f"{text[0].upper()}{text[1:]} of the notebooks into OUT: {more}.",
        )
        command.add_argument("out", metavar="OUT")
        options.which(command)
        options.notebooks(command)
        command.add_argument(
            "--colab",
            metavar="OWNER/REPOSITORY[@BRANCH][/FOLDER]",
            help="for Colab: a badge that opens the file, a first cell that installs labdiff",
        )
        command.add_argument(
            "--package",
            metavar="WHAT",
            help="with --colab: what pip installs there, such as a wheel's URL (default: that repository)",
        )
        command.set_defaults(run=run, solved=name == "key")


def run(args: argparse.Namespace) -> int:
    """Write the copies and name them."""
    from labdiff.grading.gradebook import given
    from labdiff.grading.intake import trusted
    from labdiff.grading.publish import handout

    if args.package and not args.colab:
        raise ValueError("--package: expected --colab beside it, got none")
    options.require_folder("OUT", args.out)
    folder = course.folder(args.notebooks)
    notebooks = trusted.load(args.notebooks)
    points = {q.name: q.points for t in notebooks for q in t.questions}
    points |= given.course_of(folder, notebooks).points
    for notebook in trusted.select(notebooks, args.notebook):
        source = folder / f"{notebook.stem}.ipynb"
        print(handout.write(source, args.out, args.solved, args.colab, args.package, points))
    return 0
