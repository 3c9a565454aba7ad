"""Graders for platforms, run here as the platform does: unpacked into a clean folder, one submission."""

import json
import os
import re
import subprocess
import sys
import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from test_gradebook import record, row
from test_gradebook_run import INVERTED, STEM, guide, hand_in, shutil

from labdiff import cli
from labdiff.grading.gradebook.course_file import CourseFile, Late
from labdiff.grading.gradebook.scoring import Gradebook
from labdiff.grading.intake import choice, trusted
from labdiff.grading.publish import autograders, platforms
from labdiff.grading.publish.solutions import SOLUTIONS
from labdiff.grading.run import one

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.timeout(3600)
ENV = {"PATH": os.environ["PATH"], "LABDIFF_PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
RUNNER = {
    "CLASSROOM": "diffusion",
    "ASSIGNMENT": "lab15",
    "SUBMISSION_TAG": "submit/2026-12-01T10-00-00Z-abc1234",
    "COMMIT_URL": "https://example.org/commit",
    "RELEASE_URL": "https://example.org/release",
}


@pytest.fixture(scope="module")
def top(tmp_path_factory):
    """A folder with course/ (notebook 01 with the own exercise snr, partial credit) and subs/one."""
    top = tmp_path_factory.mktemp("platform")
    (top / "course" / "exercises").mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / f"{STEM}.ipynb", top / "course")
    new = ["new-exercise", "snr", "--notebooks", str(top / "course"), "--notebook", "01", "--after", "setup"]
    assert cli.main(new) == 0
    (top / "course" / "exercises" / "snr.py").write_text(guide(), "utf-8")
    text = '[credit]\ninverted = "50 %"\n[late]\npenalty_per_day = "10 %"'
    (top / "course" / "course.toml").write_text(text, "utf-8")
    hand_in(top / "subs" / "one", {**SOLUTIONS, "snr": INVERTED, "alpha_bar": ""})
    os.rename(top / "subs" / "one" / f"{STEM}.ipynb", top / "subs" / "one" / "my lab (1).ipynb")
    return top


def test_gradescope_runs_the_zip(top):
    path, root = top / "course.zip", top / "autograder"
    assert cli.main(["gradescope", str(path), "--notebooks", str(top / "course")]) == 0
    with zipfile.ZipFile(path) as archive:
        archive.extractall(root / "source")
        modes = {i.filename: i.external_attr >> 16 & 0o111 for i in archive.infolist()}
    assert modes["setup.sh"] and modes["run_autograder"] and not modes["course/exercises/snr.py"]
    env = {**ENV, "AUTOGRADER": str(root)}
    done = subprocess.run(["bash", root / "source" / "setup.sh"], env=env, capture_output=True, text=True)
    assert done.returncode == 0 and "the key scores all points here" in done.stdout, done.stderr
    # what Gradescope does: copies run_autograder beside the submission, its metadata, and an empty results/
    shutil.copy(root / "source" / "run_autograder", root / "run_autograder")
    (root / "run_autograder").chmod(0o755)
    (root / "results").mkdir()
    shutil.copytree(top / "subs" / "one", root / "submission")
    metadata = {
        "id": 123,
        "created_at": "2026-12-02T12:00:00.000000+01:00",
        "assignment": {"due_date": "2026-12-01T23:59:00.000000+01:00", "total_points": "5.0"},
        "users": [{"email": "a@example.org", "id": 1, "name": "Anna"}],
    }
    (root / "submission_metadata.json").write_text(json.dumps(metadata), "utf-8")
    done = subprocess.run([root / "run_autograder"], env=env, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads((root / "results" / "results.json").read_text("utf-8"))
    assert found.keys() <= {"score", "output", "output_format", "tests"}  # of the keys that it documents
    tests = {t["name"].split(": ")[1]: t for t in found["tests"]}
    documented = {"score", "max_score", "status", "name", "output", "visibility"}
    assert all(t.keys() <= documented and t["visibility"] == "visible" for t in found["tests"])
    assert {n: (t["score"], t["max_score"], t["status"]) for n, t in tests.items()} == {
        "snr": (1, 2, "failed"),
        "alpha_bar": (0, 1, "failed"),
        "q_step": (1, 1, "passed"),
        "q_sample": (1, 1, "passed"),
    }
    assert found["score"] == 2.7 and "late: 1 day, -10 %" in found["output"]
    assert "50 % for inverted" in tests["snr"]["output"] and "noise over signal" in tests["snr"]["output"]


def test_classroom_50_runs_the_folder(top):
    bundle, checkout = top / "lab15", top / "checkout"
    assert cli.main(["classroom50", str(bundle), "--notebooks", str(top / "course"), "--notebook", "01"]) == 0
    shutil.copytree(top / "subs" / "one", checkout)
    (checkout / "labdiff.py").write_text("raise SystemExit('the module of a student was imported')")
    subprocess.run(["git", "init", "-q", checkout], check=True)
    command = [sys.executable, bundle / "autograder.py"]
    done = subprocess.run(command, env={**ENV, **RUNNER}, cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads((checkout / "result.json").read_text("utf-8"))
    assert found["schema"] == "classroom50/result/v1" and found["classroom"] == "diffusion"
    assert found["submission"] == RUNNER["SUBMISSION_TAG"] and found["review"] == RUNNER["COMMIT_URL"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["datetime"])
    assert (found["score"], found["max-score"]) == (300, 500)  # whole numbers, in hundredths
    assert found["score"] == sum(t["score"] for t in found["tests"])
    assert {t["test-name"] for t in found["tests"] if t["passed"]} == {f"{STEM}: q_step", f"{STEM}: q_sample"}


def test_the_same_course_gives_the_same_zip(top, tmp_path):
    for name in ("a.zip", "b.zip"):
        assert cli.main(["gradescope", str(tmp_path / name), "--notebooks", str(top / "course")]) == 0
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = archive.namelist()
        needs = archive.read("requirements.txt").decode().splitlines()
    assert "course/exercises/snr.py" in names and "course/course.toml" in names
    assert "labdiff/assets/LICENSE.md" in names or any(n.startswith("labdiff/assets/") for n in names)
    assert not [n for n in names if "__pycache__" in n or n.endswith(".pyc")]
    assert {"nbval", "torch"} <= {re.match(r"[\w-]+", need)[0] for need in needs}


def test_whole_points_stay_whole_numbers():
    rows = [row("q_step", "correct"), row("q_sample", "wrong")]
    made = platforms.classroom50(record("a", *rows), Gradebook(), {}, "2026-12-01T00:00:00Z")
    assert (made["score"], made["max-score"]) == (1, 2) and isinstance(made["score"], int)


def test_an_extension_on_gradescope_counts():
    book = Gradebook(CourseFile(late=Late(penalty=0.1)))
    metadata = {
        "created_at": "2026-12-03T00:00:00+00:00",
        "assignment": {"due_date": "2026-12-01T00:00:00+00:00"},
        "users": [{"assignment": {"due_date": "2026-12-02T00:00:00+00:00"}}],
    }
    late = platforms.with_metadata(book, metadata, "me")
    assert late.course.late.deadline == datetime.fromisoformat("2026-12-02T00:00:00+00:00")
    assert late.scored([record("me", row("q_step", "correct"))])[0].total == 0.9
    none = platforms.with_metadata(book, {"created_at": "?"}, "me")
    assert none.scored([record("me", row("q_step", "correct"))])[0].total == 1


def test_the_date_of_a_commit_is_in_utc(tmp_path):
    env = {**os.environ, "GIT_COMMITTER_DATE": "2026-12-01T12:00:00+02:00"}
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    commit = ["git", "-C", tmp_path, *who, "commit", "-q", "--allow-empty", "-m", "x"]
    subprocess.run(commit, env=env, check=True)
    assert platforms.committed(tmp_path) == "2026-12-01T10:00:00Z"


def test_a_broken_course_file_is_told_before_the_zip_is_written(top, tmp_path, capsys):
    shutil.copytree(top / "course", tmp_path / "course")
    (tmp_path / "course" / "course.toml").write_text("pionts = 1", "utf-8")
    assert cli.main(["gradescope", str(tmp_path / "a.zip"), "--notebooks", str(tmp_path / "course")]) == 2
    assert "pionts: expected one of the keys" in capsys.readouterr().err and not (tmp_path / "a.zip").exists()
    assert autograders.requirements()


def test_a_submission_that_is_not_there_is_no_zero(top, tmp_path, capsys):
    course = ["--notebooks", str(top / "course"), "--notebook", "01"]
    results = tmp_path / "results.json"
    assert cli.main(["grade-one", str(tmp_path / "nowhere"), "--results", str(results), *course]) == 2
    assert "nowhere" in capsys.readouterr().err and not results.exists()
    there = str(tmp_path / "no" / "results.json")
    assert cli.main(["grade-one", str(top / "subs" / "one"), "--results", there, *course]) == 2
    assert "--results: expected a file in a folder that is there" in capsys.readouterr().err


def test_a_submission_without_a_notebook_keeps_what_else_it_holds(tmp_path):
    (tmp_path / "solution.py").write_text("def q_step(): pass")
    work = one.work_of(tmp_path, trusted.load())
    (handed_in, *_) = choice.pick(work, trusted.load()).values()
    assert handed_in.data is None and handed_in.flags == ("other files: solution.py",)


def test_a_target_of_the_wrong_kind_is_told(top, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    course = ["--notebooks", str(top / "course")]
    for command, out, words in (
        ("gradescope", tmp_path, "ZIP: expected a file to write, got a folder"),
        ("classroom50", tmp_path / "file", "OUT: expected a folder to write into, got a file"),
        ("handout", tmp_path / "file", "OUT: expected a folder to write into, got a file"),
    ):
        assert cli.main([command, str(out), *course]) == 2
        assert words in capsys.readouterr().err
    assert cli.main(["classroom50", str(tmp_path / "new"), *course]) == 0
    assert "[late] of course.toml does not count there" in capsys.readouterr().err
