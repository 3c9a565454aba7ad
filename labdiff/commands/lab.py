"""labdiff lab: an own copy of the notebooks, opened in JupyterLab."""

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from labdiff import course, workcopy
from labdiff.commands import options


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parser of lab."""
    lab = commands.add_parser(
        "lab",
        help="open your own copy of the notebooks in JupyterLab",
        description="Copy the notebooks into WORK, with their outputs hidden until you run them, and open "
        "JupyterLab there. Run it again to go on. After an update of labdiff the notebooks that changed are "
        "renewed; cells that you changed or added are kept, and so is the file as it was, in WORK/.labdiff.",
        epilog="What stands behind -- goes to Jupyter: labdiff lab -- --no-browser --port 9000",
    )
    lab.add_argument("--work", type=Path, default=Path("work"), metavar="WORK", help="default: %(default)s")
    lab.add_argument(
        "--notebook", default="01", metavar="NAME", help="the one to open (default: %(default)s)"
    )
    lab.add_argument(
        "--copy-only", action="store_true", help="do not start JupyterLab: for VS Code and other editors"
    )
    lab.add_argument("jupyter", nargs="*", metavar="-- ARGUMENT", help="for Jupyter")
    options.notebooks(lab)
    lab.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Copy or update, then open; returns Jupyter's exit code."""
    source = course.folder(args.notebooks)
    if args.work.exists() and args.work.resolve() == source.resolve():
        raise ValueError(f"lab: --work: expected another folder than the course's own, got {args.work}")
    for sentence in workcopy.update(source, args.work):
        print(sentence, flush=True)
    found = sorted(args.work.glob(f"{args.notebook.removesuffix('.ipynb')}*.ipynb"))
    if not found:
        raise ValueError(
            f"lab: --notebook: expected the beginning of a name in {args.work}, got {args.notebook}"
        )
    if args.copy_only:
        print(f"open {found[0]}, with this Python as its kernel: {sys.executable}")
        return 0
    if importlib.util.find_spec("jupyterlab") is None:
        raise ModuleNotFoundError("No module named 'jupyterlab'", name="jupyterlab")
    as_root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return subprocess.call([sys.executable, "-m", "jupyterlab", *as_root, *args.jupyter, str(found[0])])
