"""What must hold of each committed notebook besides that it runs: the notebooks themselves are collected through nbval."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXERCISES = {
    "01": ["alpha_bar", "q_step", "q_sample"],
    "02": ["q_posterior", "predict_x0"],
    "03": ["normal_kl", "p_mean", "eps_loss"],
    "04": ["timestep_embedding", "training_step"],
    "05": ["p_step", "ddim_step"],
}

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, kind=None):
    return [c for c in nbformat.read(path, as_version=4).cells if kind in (None, c.cell_type)]


def text(path, kind):
    return "\n".join(c.source for c in cells(path, kind))


def test_all_five_are_there():
    assert [path.stem for path in NOTEBOOKS] == [
        "01_forward_noising",
        "02_posterior",
        "03_elbo_to_eps_loss",
        "04_training",
        "05_sampling",
    ]


@each_notebook
def test_valid_small_and_without_state(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.stat().st_size <= 500_000
    assert (
        set(notebook.metadata) == {"kernelspec", "language_info"}
        and notebook.metadata.kernelspec.name == "python3"
    )
    assert all("execution" not in c.metadata for c in notebook.cells)


@each_notebook
def test_outputs_are_committed_and_clean(path):
    """A notebook without outputs would pass nbval whatever it prints."""
    code = cells(path, "code")
    assert [c.execution_count for c in code] == list(range(1, len(code) + 1))
    outputs = [o for c in code for o in c.outputs]
    assert sum("text" in o or "text/plain" in o.get("data", {}) for o in outputs) >= 10
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    printed = "\n".join(o.get("text", "") + str(o.get("data", {}).get("text/plain", "")) for o in outputs)
    assert not re.search(r"0x[0-9a-f]{6,}|/tmp/|/home/|: False", printed), (
        "an address, a path, or a claim that failed"
    )


@each_notebook
def test_cells_that_nbval_ignores_say_so(path):
    before = ""
    for c in cells(path):
        if "nbval-ignore-output" in c.metadata.get("tags", []):
            assert "not compared" in before or "pick_device" in c.source, c.id
        before = c.source if c.cell_type == "markdown" else before


@each_notebook
def test_style(path):
    code = cells(path, "code")
    assert max(c.source.count("\n") + 1 for c in code) <= 20
    assert len(text(path, "markdown").split()) >= len(text(path, "code").split())
    source = text(path, "code")
    assert not re.search(r"torch\.manual_seed|\.cuda\(|pyplot|plt\.|;\s*$", source, re.M)
    assert "two CPU cores" in cells(path)[0].source, "the first cell states the time"
    assert re.search(r"ld\.widgets\.\w+\(", source), "each notebook has its slider"


@each_notebook
def test_exercises(path):
    by_id = {c.id: c for c in cells(path)}
    for name in EXERCISES[path.stem[:2]]:
        dashed = name.replace("_", "-")
        assert by_id[f"{dashed}-task"].cell_type == "markdown"
        answer = by_id[f"{dashed}-answer"].source
        assert answer.startswith(f"def {name}(") and "raise NotImplementedError" in answer
        check = by_id[f"{dashed}-check"]
        assert check.source == f'ld.check("{name}", {name})'
        assert "not attempted" in check.outputs[0]["data"]["text/plain"]


def test_every_slide_is_named():
    prose = "\n".join(text(path, "markdown") for path in NOTEBOOKS)
    named = {int(n) for n in re.findall(r"\bS(\d+)\b", prose)}
    for first, last in re.findall(r"\bS(\d+)(?:-|–| to )S?(\d+)\b", prose):
        named |= set(range(int(first), int(last) + 1))
    assert set(range(1, 16)) <= named
    readme = (ROOT / "README.md").read_text()
    assert all(re.search(rf"^\| S{n} ", readme, re.M) for n in range(1, 16)), "README: a row for each slide"
