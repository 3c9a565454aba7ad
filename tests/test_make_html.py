"""The exported pages, as far as no browser is needed: formulas, and what stands where."""

import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def make_html():
    spec = importlib.util.spec_from_file_location("make_html", ROOT / "tools" / "make_html.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_formula_is_understood(make_html, path):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    page, _ = make_html.Exporter().from_notebook_node(notebook)
    formulas = re.findall(r"<math.*?</math>", page, re.DOTALL)
    texts = [text for formula in formulas for text in re.findall(r">([^<]*)<", formula)]
    assert len(formulas) > 20 and [text for text in texts if "\\" in text or text in ("&", "&amp;")] == []
    prose = re.sub(r"<(pre|code|math)\b.*?</\1>", "", page, flags=re.DOTALL)
    assert re.findall(r"\$|\\(?:frac|bar|sum|sqrt|mathcal)", prose) == []


def test_states_are_kept_for_what_is_shown_and_for_boxes_around_it(make_html):
    def model(name, **state):
        buffer = {"path": ["data", 0], "data": "AA==", "encoding": "base64"}
        return {"model_name": name, "state": state, "buffers": [buffer]}

    state = {
        "a": model("AnyModel", t=1, _esm="code"),
        "b": model("AnyModel", t=2),
        "box": model("VBoxModel", children=["IPY_MODEL_a"]),
    }
    output = nbformat.v4.new_output("display_data", {make_html.VIEW: {"model_id": "box"}})
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("", outputs=[output])],
        metadata={"widgets": {make_html.STATE: {"state": state}}},
    )
    assert make_html.states(notebook) == {
        "box": {"children": ["a"]},
        "a": {"state": {"t": 1}, "buffers": [{"path": ["data", 0], "data": "AA=="}]},
    }
