"""A small class graded by the real command, with a course file, a roster, overrides: what later runs keep."""

import csv
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from test_grading_hostile import COMMAND, QUICK
from test_own_exercise import guide

from labdiff import cli
from labdiff.grading.publish.solutions import SOLUTIONS
from labdiff.grading.sandbox import isolate

ROOT = Path(__file__).parents[1]
STEM = "01_forward_noising"
pytestmark = pytest.mark.timeout(3600)  # on a machine that is busy

WRONG = {name: text.replace("s.alpha_bar[t]", "s.alpha_bar[t - 1]") for name, text in SOLUTIONS.items()}
COURSE = """
packages = ["packaging"]
[exercises.q_sample]
points = 3
credit = { off-by-one = "50 %" }
[exercises.alpha_bar]
extra_credit = true
[exercises.snr]
credit = { inverted = "50 %" }
[late]
deadline = 2026-12-01T00:00:00+00:00
penalty_per_day = "10 %"
"""
ROSTER = (
    "student,id,email,submitted\nanna,1,a@x.org,2026-11-30T12:00:00+00:00\nben,2,b@x.org,2026-12-02T12:00\n"
)
ROSTER += "fay,3,f@x.org,\n"


SNR = """\
def snr(s, t):
    a = s.alpha_bar[t]
    return a / (1 - a)
"""
INVERTED = SNR.replace("a / (1 - a)", "(1 - a) / a")
# takes the instructor's file, or what the process knows of it
THIEF = """\
import gc, os

def snr(s, t):
    if os.path.exists("{path}"):
        scope = {{}}
        exec(open("{path}").read(), scope)
        return scope["snr"](s, t)
    for one in gc.get_objects():
        if isinstance(one, dict) and "MISTAKES" in one and "snr" in one:
            return one["snr"](s, t)
    return s.beta[t]
"""


def hand_in(folder, answers):
    notebook = json.loads((folder.parents[1] / "course" / f"{STEM}.ipynb").read_text("utf-8"))
    for cell in notebook["cells"]:
        name = cell["id"].removesuffix("-answer").replace("-", "_")
        if cell["id"].endswith("-answer") and name in answers:
            cell["source"] = answers[name]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{STEM}.ipynb").write_text(json.dumps(notebook), "utf-8")


def grade(subs, out, *more, command=QUICK):
    command = [*command, "grade", subs, "--out", out, "-j", "2", *more]
    command += ["--notebooks", subs.parent / "course"]
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def table(out):
    return {r["student"]: r for r in csv.DictReader((out / "grades.csv").open(encoding="utf-8"))}


def tables(out):
    names = [*out.glob("*.csv"), *out.glob("*.html"), *out.glob("*.xml"), *out.glob("gradescope/*/*")]
    return {str(p.relative_to(out)): p.read_bytes() for p in (*names, *out.glob("students/*.html"))}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """(submissions, results, what the first run said)."""
    top = tmp_path_factory.mktemp("class")
    subs, out = top / "subs", top / "out"
    (top / "course").mkdir()
    shutil.copy(ROOT / "notebooks" / f"{STEM}.ipynb", top / "course")
    new = ["new-exercise", "snr", "--notebooks", str(top / "course"), "--notebook", "01", "--after", "setup"]
    assert cli.main(new) == 0
    path = top / "course" / "exercises" / "snr.py"
    path.write_text(guide(), "utf-8")
    hand_in(subs / "anna", {**SOLUTIONS, "q_step": "import packaging\n\n" + SOLUTIONS["q_step"], "snr": SNR})
    hand_in(subs / "ben", {**SOLUTIONS, "q_sample": WRONG["q_sample"], "snr": INVERTED})
    hand_in(subs / "eve", {"snr": THIEF.format(path=path)})
    for name, text in (("course/course.toml", COURSE), ("r.csv", ROSTER)):
        (top / name).write_text(text, "utf-8")
    (top / "o.csv").write_text("student,exercise,points,comment\neve,q_step,0.5,oral\n")
    files = ["--roster", top / "r.csv", "--overrides", top / "o.csv"]
    return subs, out, grade(subs, out, *files, command=COMMAND)


def test_points_credit_late_days_and_overrides(graded):
    _, out, said = graded
    got = table(out)
    assert {
        n: (r["alpha_bar"], r["q_step"], r["q_sample"], r["total"], r["max"]) for n, r in got.items()
    } == {
        "anna": ("1", "1", "3", "7", "6"),
        "ben": ("1", "1", "1.5", "3.6", "6"),
        "eve": ("0", "0.5", "0", "0.5", "6"),
    }
    late = "late: 2 days, -20 % (-0.9)"
    assert got["ben"]["remarks"] == f"snr: 50 % for inverted; q_sample: 50 % for off-by-one; {late}"
    assert got["eve"]["remarks"] == "q_step: set by hand: oral" and got["anna"]["flags"] == ""
    assert "not in the roster: eve" in said and "nothing handed in: fay" in said


@pytest.mark.skipif(
    bool(isolate.cant()), reason="no namespaces here: nothing is hidden from a student's code"
)
def test_an_own_exercises_formula_is_out_of_reach(graded):
    _, out, _ = graded
    assert table(out)["eve"]["snr"] == "0"
    kept = json.loads((out / "students" / "eve.json").read_text("utf-8"))
    assert [r["status"] for r in kept["results"] if r["exercise"] == "snr"] == ["wrong"]


def test_grading_twice_gives_byte_equal_tables(graded):
    subs, out, _ = graded
    before = tables(out)
    assert "as in an earlier run" in grade(subs, out)
    assert tables(out) == before
    grade(subs, out, "--again")
    assert tables(out) == before


def test_one_student_is_graded_again_and_a_student_who_is_gone_goes(graded):
    subs, out, _ = graded
    before = {n: (out / "students" / f"{n}.html").read_bytes() for n in ("anna", "ben")}
    hand_in(subs / "anna", {})
    hand_in(subs / "ben", SOLUTIONS)
    shutil.rmtree(subs / "eve")
    said = grade(subs, out, "--student", "ben")
    assert "changes since the last run" in said
    assert (out / "students" / "anna.html").read_bytes() == before["anna"]
    assert (out / "students" / "ben.html").read_bytes() != before["ben"]
    assert not (out / "students" / "eve.html").exists() and set(table(out)) == {"anna", "ben"}
    changed = (out / "changes.csv").read_text("utf-8")
    assert 'ben,q_sample,"wrong, 1.5 of 3 (50 % for off-by-one)","correct, 3 of 3"' in changed
    assert "eve,total,0.5 of 6," in changed and "anna" not in changed
    kept = json.loads((out / "students" / "ben.json").read_text("utf-8"))
    assert kept["history"] == [3.6]
    grade(subs, out)
    assert table(out)["anna"]["total"] == "0"
