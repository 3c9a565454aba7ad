"""Options that several commands share, and the types of their values."""

import argparse


def notebooks(command: argparse.ArgumentParser) -> None:
    """--notebooks DIR."""
    command.add_argument(
        "--notebooks",
        metavar="DIR",
        help="the course's notebooks, if they are not those that came with labdiff",
    )


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
