"""The site of notebooks, as far as no browser is needed: formulas, pictures, failures, what stands where."""

import base64
import io
import re
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from labdiff import cli
from labdiff.site import exporter, pages

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_formula_is_understood(path):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    page = exporter.body_of(notebook, path.parent)
    formulas = re.findall(r"<math.*?</math>", page, re.DOTALL)
    texts = [text for formula in formulas for text in re.findall(r">([^<]*)<", formula)]
    assert len(formulas) > 20 and [text for text in texts if "\\" in text or text in ("&", "&amp;")] == []
    prose = re.sub(r"<(pre|code|math)\b.*?</\1>", "", page, flags=re.DOTALL)
    assert re.findall(r"\$|\\(?:frac|bar|sum|sqrt|mathcal)", prose) == []


def test_states_are_kept_for_what_is_shown_and_for_boxes_around_it():
    def model(name, **state):
        buffer = {"path": ["data", 0], "data": "AA==", "encoding": "base64"}
        return {"model_name": name, "state": state, "buffers": [buffer]}

    state = {
        "a": model("AnyModel", t=1, _esm="code"),
        "b": model("AnyModel", t=2),
        "box": model("VBoxModel", children=["IPY_MODEL_a"]),
    }
    output = nbformat.v4.new_output("display_data", {pages.VIEW: {"model_id": "box"}})
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("", outputs=[output])],
        metadata={"widgets": {pages.STATE: {"state": state}}},
    )
    assert pages.states(notebook) == {
        "box": {"children": ["a"]},
        "a": {"state": {"t": 1}, "buffers": [{"path": ["data", 0], "data": "AA=="}]},
    }


def course(folder, *cells):
    """A folder with one notebook of these cells (markdown where it begins with #) and a picture beside it."""
    folder.mkdir()
    Image.new("L", (3, 2), 77).save(folder / "beside.png")
    new = {True: nbformat.v4.new_markdown_cell, False: nbformat.v4.new_code_cell}
    notebook = nbformat.v4.new_notebook(cells=[new[text.startswith("#")](text) for text in cells])
    nbformat.write(notebook, folder / "mine.ipynb")
    return folder / "mine.ipynb"


def test_a_notebook_elsewhere_keeps_its_pictures(tmp_path):
    path = course(tmp_path / "elsewhere", "# Mine\n\n![as text](beside.png)\n\n<img src='beside.png'>")
    assert cli.main(["site", str(tmp_path / "out"), str(path)]) == 0
    page = (tmp_path / "out" / "mine.html").read_text("utf-8")
    data = re.findall(r'<img[^>]*src=.data:image/png;base64,([^"\']*)', page)
    assert len(data) == 2
    assert all(Image.open(io.BytesIO(base64.b64decode(each))).getpixel((0, 0)) == 77 for each in data)
    assert '<a href="mine.html">Mine</a>' in (tmp_path / "out" / "index.html").read_text("utf-8")


def test_a_cell_that_fails_is_marked_and_the_rest_is_written(tmp_path, capsys):
    path = course(tmp_path / "course", "# Mine", "print('before')", "1 / 0", "print('af' + 'ter')")
    before = path.read_bytes()
    assert cli.main(["site", str(tmp_path / "out"), "--notebooks", str(path.parent)]) == 1
    assert f"{path}: code cell 2 failed" in capsys.readouterr().err
    page = (tmp_path / "out" / "mine.html").read_text("utf-8")
    assert "Failed when this page was made: code cell 2." in page and "ZeroDivisionError" in page
    assert len(re.findall(r'class="[^"]*celltag_failed', page)) == 1 and "after\n" in page
    assert (tmp_path / "out" / "index.html").exists() and path.read_bytes() == before


def test_an_error_that_a_notebook_wants_to_show_is_none(tmp_path):
    path = course(tmp_path / "course", "1 / 0")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].metadata.tags = ["raises-exception"]
    nbformat.write(notebook, path)
    assert cli.main(["site", str(tmp_path / "out"), str(path)]) == 0


def test_a_cell_that_ends_the_kernel_ends_the_notebook_but_not_the_site(tmp_path, capsys):
    path = course(
        tmp_path / "course", "print('be' + 'fore')", "import os\nos._exit(1)", "print('af' + 'ter')"
    )
    assert cli.main(["site", str(tmp_path / "out"), str(path)]) == 1
    page = (tmp_path / "out" / "mine.html").read_text("utf-8")
    assert "before\n" in page and "after\n" not in page and "code cell 2." in page
    assert "Kernel died" in page


@pytest.mark.parametrize("given", ["nowhere.ipynb", "README.md"])
def test_what_is_no_notebook_is_named(given, tmp_path, capsys):
    assert cli.main(["site", str(tmp_path / "out"), str(ROOT / given)]) == 2
    said = capsys.readouterr().err
    assert given in said and "NOTEBOOK: expected" in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()
