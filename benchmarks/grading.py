"""How long a class takes: make submissions of notebook 01, a third each right, wrong and untouched, and grade
them.

python benchmarks/grading.py --students 100 -j 2
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from labdiff.grading.publish.solutions import SOLUTIONS

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "01_forward_noising.ipynb"


def submission(kind):
    """Notebook 01 as a student hands it in: "right", "wrong" (alpha_bar where its root belongs) or
    "untouched"."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        name = cell.id.removesuffix("-answer").replace("-", "_")
        if cell.id.endswith("-answer") and kind != "untouched":
            cell.source = SOLUTIONS[name] if kind == "right" else SOLUTIONS[name].replace(".sqrt()", "")
    return notebook


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--students", type=int, default=100)
    parser.add_argument("-j", type=int, default=2)
    args = parser.parse_args()
    kinds = {kind: submission(kind) for kind in ("right", "wrong", "untouched")}
    with tempfile.TemporaryDirectory() as folder:
        for i in range(args.students):
            path = Path(folder) / "submissions" / f"student{i:03d}" / NOTEBOOK.name
            path.parent.mkdir(parents=True)
            nbformat.write(kinds[("right", "wrong", "untouched")[i % 3]], path)
        start = time.perf_counter()
        subprocess.run(
            [
                sys.executable,
                "-m",
                "labdiff.grading",
                "grade",
                f"{folder}/submissions",
                "--out",
                f"{folder}/results",
                "-j",
                str(args.j),
            ],
            check=True,
        )
        seconds = time.perf_counter() - start
    print(
        f"{args.students} submissions, {args.j} at a time: {seconds:.0f} s, "
        f"{60 * args.students / seconds:.0f} a minute"
    )


if __name__ == "__main__":
    main()
