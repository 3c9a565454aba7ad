"""The real nbgrader on the first notebook: assignment, autograding and feedback, for the key as the source,
with an own exercise in it, and for the notebook itself."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbgrader")

from test_own_exercise import folder, guide  # noqa: E402, F401

from labdiff import cli, course  # noqa: E402
from labdiff.grading.intake import trusted  # noqa: E402
from labdiff.grading.publish.solutions import answer  # noqa: E402

ROOT = Path(__file__).parents[1]
STEM = "01_forward_noising"
POINTS = {
    "right": {"q-step-check": 1, "alpha-bar-check": 1, "q-sample-check": 1},
    "wrong": {"q-step-check": 0, "alpha-bar-check": 0, "q-sample-check": 1},
}
# `python -m nbgrader` without the IRIs of jsonschema, as in labdiff/cli.py: 3 s in each process
NBGRADER = """
import sys
sys.modules["rfc3987_syntax"] = None
from nbgrader.apps.nbgraderapp import main
main()
"""
OWN = {"right": {"snr-check": 2}, "wrong": {"snr-check": 0}}


def nbgrader(place, *args):
    path = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ["PATH"]]
    )  # nbgrader calls alembic by its name
    env = {
        **os.environ,
        "PATH": path,
        "HOME": str(place),
        "JUPYTER_CONFIG_DIR": str(place / "none"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", NBGRADER, *args], cwd=place, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def short(notebook):
    """Without the cells that neither ask nor set up: they only take time."""
    kept = ("setup", "-task", "-answer", "-check")
    notebook["cells"] = [c for c in notebook["cells"] if c["id"].endswith(kept)]
    return notebook


def scores(place):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{place}/gradebook.db") as book:
        return {
            name: {g.name: g.score for g in book.find_submission_notebook(STEM, "lab", name).grades}
            for name in POINTS
        }


@pytest.mark.parametrize("source", ["key", "as shipped"])
def test_assign_autograde_feedback(tmp_path, source, folder):  # noqa: F811
    lab = tmp_path / "source" / "lab"
    if source == "key":
        assert cli.main(["key", str(lab), "--notebooks", str(folder)]) == 0
    else:
        lab.mkdir(parents=True)
        shutil.copy(ROOT / "notebooks" / f"{STEM}.ipynb", lab)
        shutil.copy(ROOT / "templates" / "nbgrader_config.py", tmp_path)
    questions = trusted.read((folder if source == "key" else lab) / f"{STEM}.ipynb").questions
    (lab / f"{STEM}.ipynb").write_text(course.text_of(short(course.read(lab / f"{STEM}.ipynb"))))
    nbgrader(tmp_path, "generate_assignment", "lab", "--create")
    released = json.loads((tmp_path / "release" / "lab" / f"{STEM}.ipynb").read_text())
    by_id = {
        c["metadata"].get("nbgrader", {}).get("grade_id"): "".join(c["source"]) for c in released["cells"]
    }
    for q in questions:
        assert (
            by_id[q.cell_id].startswith(f"def {q.name}(") and "raise NotImplementedError" in by_id[q.cell_id]
        )
        assert "sqrt" not in by_id[q.cell_id]
    key = {q.cell_id: answer(q) for q in questions}
    inverted = {"snr-answer": "def snr(s, t):\n    return (1 - s.alpha_bar[t]) / s.alpha_bar[t]\n"}
    wrong = {
        **key,
        **(inverted if source == "key" else {}),
        "q-step-answer": "def q_step(s, x_prev, t, eps):\n    return x_prev\n",
        "alpha-bar-answer": by_id["alpha-bar-answer"],
    }
    for name, answers in (("right", key), ("wrong", wrong)):
        for cell in released["cells"]:
            grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id")
            cell["source"] = answers.get(grade_id, cell["source"])
        there = tmp_path / "submitted" / name / "lab"
        there.mkdir(parents=True)
        (there / f"{STEM}.ipynb").write_text(json.dumps(released))
    nbgrader(tmp_path, "autograde", "lab", "--create")
    own = OWN if source == "key" else {"right": {}, "wrong": {}}
    assert scores(tmp_path) == {name: points | own[name] for name, points in POINTS.items()}
    nbgrader(tmp_path, "generate_feedback", "lab")
    page = (tmp_path / "feedback" / "wrong" / "lab" / f"{STEM}.html").read_text()
    assert "not yet" in page and "not attempted" in page
    assert ("noise over signal" in page) == (source == "key")
