"""Options that several commands share, and the types of their values."""

import argparse
import os


def notebooks(command: argparse.ArgumentParser) -> None:
    """--notebooks DIR."""
    command.add_argument(
        "--notebooks",
        metavar="DIR",
        help="the course's notebooks, if they are not those that came with labdiff",
    )


GRADEBOOK = ("course.toml", "roster.csv", "overrides.csv")


def gradebook(command: argparse.ArgumentParser) -> None:
    """--course, --roster, --overrides."""
    for name, text in (
        (
            "--course",
            "points, partial credit, late days, packages (TOML); otherwise course.toml beside the notebooks, "
            "for merge that of the merged results",
        ),
        ("--roster", "CSV that maps names to the learning platform's ids and e-mails"),
        ("--overrides", "CSV with student, exercise, points, comment: points by hand"),
    ):
        command.add_argument(name, metavar="FILE", help=f"{text}; kept for later runs into these results")


def gradebook_files(args: argparse.Namespace) -> dict[str, str | None]:
    """The files that were named, by what they are called in the results."""
    return dict(zip(GRADEBOOK, (args.course, args.roster, args.overrides), strict=True))


def which(command: argparse.ArgumentParser) -> None:
    """--notebook NAME, as often as wanted."""
    command.add_argument(
        "--notebook",
        action="append",
        default=[],
        metavar="NAME",
        help="only this one, such as 01; may be given again",
    )


def positive(text: str) -> int:
    """An argparse type: a whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text}")
    return int(text)


def require_folder(name: str, out: str) -> None:
    """Raise ValueError where `out`, the argument `name`, is a file."""
    if os.path.exists(out) and not os.path.isdir(out):
        raise ValueError(f"{name}: expected a folder to write into, got a file, {out}")
