"""How long a class takes, and whether its grades are right: make submissions of notebook 01, a third each
right, wrong and untouched, with a course file, a roster, late days and overrides; grade them; look at each
row of the table; grade a second time, and compare all tables byte by byte.

python benchmarks/grading.py --students 300 -j 2             # the second time, what is graded is kept
python benchmarks/grading.py --students 30 -j 2 --again      # the second time, everything is graded anew
"""

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from labdiff.grading.publish.solutions import SOLUTIONS

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "01_forward_noising.ipynb"
COURSE = """
assignment = "Lab 15"
[exercises.q_sample]
points = 3
credit = { "variance-for-std+missing-root-signal" = "50 %" }
[late]
deadline = 2026-12-01T23:59:00+00:00
penalty_per_day = "10 %"
days = 3
"""


def submission(kind):
    """Notebook 01 as a student hands it in: "right", "wrong" (alpha_bar where its root belongs) or
    "untouched"."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        name = cell.id.removesuffix("-answer").replace("-", "_")
        if cell.id.endswith("-answer") and kind != "untouched":
            cell.source = SOLUTIONS[name] if kind == "right" else SOLUTIONS[name].replace(".sqrt()", "")
    return notebook


def make_class(folder, students):
    """Submissions, and the instructor's files beside them: every fifth student comes late, every tenth has
    points by hand, one in a hundred is not in the roster."""
    kinds = {kind: submission(kind) for kind in ("right", "wrong", "untouched")}
    roster, overrides = (
        [("student", "id", "email", "submitted")],
        [("student", "exercise", "points", "comment")],
    )
    for i in range(students):
        name = f"student{i:03d}"
        path = folder / "submissions" / name / NOTEBOOK.name
        path.parent.mkdir(parents=True)
        nbformat.write(kinds[("right", "wrong", "untouched")[i % 3]], path)
        day = 1 + (i % 5 == 0) * (1 + i % 4)
        if i % 100 != 99:
            row = (name, 4000 + i, f"{name}@example.org", f"2026-12-{day:02d}T12:00:00+00:00")
            roster.append(row)
        if i % 10 == 0:
            overrides.append((name, "q_step", 0.5, "oral exam"))
    for name, rows in (("roster.csv", roster), ("overrides.csv", overrides)):
        with open(folder / name, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    (folder / "course.toml").write_text(COURSE, "utf-8")


def grade(folder, jobs, *more):
    """Seconds that the command took."""
    command = [sys.executable, "-m", "labdiff.grading", "grade", folder / "submissions", "-j", jobs]
    command += ["--out", folder / "results", *more]
    for name in ("course.toml", "roster.csv", "overrides.csv"):
        command += [f"--{Path(name).stem}", folder / name]
    start = time.perf_counter()
    subprocess.run(list(map(str, command)), check=True)
    return time.perf_counter() - start


def tables(results):
    """Name -> bytes of all tables."""
    found = [*results.glob("*.csv"), *results.glob("*.xml"), *results.glob("lms/**/*.*")]
    found += results.glob("gradescope/*/*")
    return {str(path.relative_to(results)): path.read_bytes() for path in found}


def check(results, students):
    """Each row of the table says what the class was made for."""
    with open(results / "grades.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == students
    for i, row in enumerate(rows):
        worth = [(1, 1, 3), (0, 1, 1.5), (0, 0, 0)][i % 3]
        points = dict(zip(("q_step", "alpha_bar", "q_sample"), worth, strict=True))
        if i % 10 == 0:
            points["q_step"] = 0.5
            assert "q_step: set by hand: oral exam" in row["remarks"], row
        assert {name: float(row[name]) for name in points} == points, row
        days = 1 + i % 4 if i % 5 == 0 and i % 100 != 99 else 0
        share = 1.0 if days > 3 else days / 10
        assert float(row["total"]) == round((1 - share) * sum(points.values()), 6), row
        assert row["max"] == "5" and ("late: " in row["remarks"]) == (days > 0), row


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--students", type=int, default=100)
    parser.add_argument("-j", type=int, default=2)
    parser.add_argument("--again", action="store_true", help="the second time, grade everything anew")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top)
        make_class(folder, args.students)
        seconds = grade(folder, args.j)
        check(folder / "results", args.students)
        once = tables(folder / "results")
        again = grade(folder, args.j, *["--again"] * args.again)
        assert tables(folder / "results") == once
    second = "all of it" if args.again else "with nothing changed"
    print(
        f"{args.students} submissions, {args.j} at a time: {seconds:.0f} s, "
        f"{60 * args.students / seconds:.0f} a minute; again, {second}: {again:.0f} s, the same tables"
    )


if __name__ == "__main__":
    main()
