"""The real nbgrader on the first notebook: assignment, autograding and feedback, for the key as the source
and for the notebook itself."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbgrader")

from labdiff import course  # noqa: E402
from labdiff.grading.intake import trusted  # noqa: E402
from labdiff.grading.publish import handout  # noqa: E402

ROOT = Path(__file__).parents[1]
STEM = "01_forward_noising"
POINTS = {
    "right": {"q-step-check": 1, "alpha-bar-check": 1, "q-sample-check": 1},
    "wrong": {"q-step-check": 0, "alpha-bar-check": 0, "q-sample-check": 1},
}


def nbgrader(folder, *args):
    path = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ["PATH"]]
    )  # nbgrader calls alembic by its name
    env = {
        **os.environ,
        "PATH": path,
        "HOME": str(folder),
        "JUPYTER_CONFIG_DIR": str(folder / "none"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *args], cwd=folder, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def short(notebook):
    """Without the cells that neither ask nor set up: they only take time."""
    kept = ("setup", "-task", "-answer", "-check")
    notebook["cells"] = [c for c in notebook["cells"] if c["id"].endswith(kept)]
    return notebook


def scores(folder):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{folder}/gradebook.db") as book:
        return {
            name: {g.name: g.score for g in book.find_submission_notebook(STEM, "lab", name).grades}
            for name in POINTS
        }


@pytest.mark.parametrize("source", ["key", "as shipped"])
def test_assign_autograde_feedback(tmp_path, source):
    shipped = handout.mark(json.loads((ROOT / "notebooks" / f"{STEM}.ipynb").read_text("utf-8")))
    (tmp_path / "source" / "lab").mkdir(parents=True)
    made = handout.solve(json.loads(json.dumps(shipped)), tmp_path) if source == "key" else shipped
    (tmp_path / "source" / "lab" / f"{STEM}.ipynb").write_text(course.text_of(short(made)))
    if source != "key":
        shutil.copy(ROOT / "templates" / "nbgrader_config.py", tmp_path)
    nbgrader(tmp_path, "generate_assignment", "lab", "--create")
    released = json.loads((tmp_path / "release" / "lab" / f"{STEM}.ipynb").read_text())
    by_id = {
        c["metadata"].get("nbgrader", {}).get("grade_id"): "".join(c["source"]) for c in released["cells"]
    }
    for q in trusted.load()[0].questions:
        assert (
            by_id[q.cell_id].startswith(f"def {q.name}(") and "raise NotImplementedError" in by_id[q.cell_id]
        )
        assert "sqrt" not in by_id[q.cell_id]
    key = {q.cell_id: text for q, text in zip(trusted.load()[0].questions, solved())}
    wrong = {
        **key,
        "q-step-answer": "def q_step(s, x_prev, t, eps):\n    return x_prev\n",
        "alpha-bar-answer": by_id["alpha-bar-answer"],
    }
    for name, answers in (("right", key), ("wrong", wrong)):
        for cell in released["cells"]:
            grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id")
            cell["source"] = answers.get(grade_id, cell["source"])
        folder = tmp_path / "submitted" / name / "lab"
        folder.mkdir(parents=True)
        (folder / f"{STEM}.ipynb").write_text(json.dumps(released))
    nbgrader(tmp_path, "autograde", "lab", "--create")
    assert scores(tmp_path) == POINTS
    nbgrader(tmp_path, "generate_feedback", "lab")
    page = (tmp_path / "feedback" / "wrong" / "lab" / f"{STEM}.html").read_text()
    assert "not yet" in page and "not attempted" in page


def solved():
    notebook = json.loads((ROOT / "notebooks" / f"{STEM}.ipynb").read_text("utf-8"))
    cells = handout.solve(notebook, ROOT)["cells"]
    return ["".join(c["source"]) for c in cells if c["id"].endswith("-answer")]
