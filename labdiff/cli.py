"""The command `labdiff`: labdiff/commands put together, and errors turned into one line and an exit code."""

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import cast

from labdiff.commands import autograder, exercise, grade, handout, lab, sampling, site, training

# jsonschema, which nbformat imports, has it check IRIs, of which a notebook has none: 2 s of CPU time
cast(dict[str, ModuleType | None], sys.modules).setdefault("rfc3987_syntax", None)

COMMANDS = (lab, training, sampling, site, exercise, handout, grade, autograder)
UNIX_ONLY = {"fcntl", "pwd", "resource", "termios"}  # modules that Windows' Python lacks
EXIT_CODES = """\
exit codes: 0 done; 1 done except for what is named (grade: a question that the grader itself could not grade;
site: a cell that failed); 2 nothing done, the reason stands in one line on stderr; 130 interrupted by Ctrl-C.
labdiff COMMAND --help says the rest."""


def parser() -> argparse.ArgumentParser:
    """The parser of `labdiff`, with that of each command below it."""
    top = argparse.ArgumentParser(
        prog="labdiff",
        description="The diffusion lab: open the notebooks, train, sample; for instructors: hand out, grade.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; `arguments` default to the process's own. Returns the exit code."""
    args = parser().parse_args(arguments)
    try:
        return args.run(args)
    except ImportError as error:
        reason = missing(error, args.command)
    except (ValueError, RuntimeError, ArithmeticError, OSError) as error:
        reason = str(error)
    except KeyboardInterrupt:
        print("\nlabdiff: interrupted. Run the same command again to go on.", file=sys.stderr)
        return 130
    print(f"labdiff: {' '.join(reason.split())}", file=sys.stderr)
    return 2


def missing(error: ImportError, command: str) -> str:
    """What to do about a package that a command needs and that is not there."""
    if error.name in UNIX_ONLY:
        return (
            f"Python on this system has no module {error.name!r}, with which students' code is limited. "
            "Grade on Linux or macOS, or on Windows in WSL"
        )
    extra = {"lab": "lab", "site": "site"}.get(command, "grading")
    return f"{error}. It needs more packages: in the clone, pip install -e '.[{extra}]'"
