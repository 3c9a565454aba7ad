"""Grading: the course, and what is found and read of submissions."""

import json
import zipfile
from pathlib import Path

import pytest

from labdiff.checks import EXERCISES
from labdiff.grading.intake import choice, reading, submissions, trusted
from labdiff.grading.publish.solutions import SOLUTIONS

ROOT = Path(__file__).parents[1]
COURSE = trusted.load()
FIRST = COURSE[0]
Q_SAMPLE = next(q for q in FIRST.questions if q.name == "q_sample")


def code(source, **more):
    return {"cell_type": "code", "source": source, **more}


def book(*cells, **more):
    return json.dumps(
        {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells), **more}
    ).encode()


def answer_in(*cells):
    return reading.answer(reading.parse(book(*cells))[0], Q_SAMPLE)


# the course


def test_every_exercise_is_asked_once_and_has_its_key():
    asked = [q.name for t in COURSE for q in t.questions]
    assert sorted(set(asked)) == sorted(asked) and sorted(EXERCISES) == sorted(SOLUTIONS)
    assert EXERCISES.keys() - set(asked) <= {"guided_eps", "inpaint_step", "interpolate", "flow_velocity"}
    assert all("raise NotImplementedError" in q.stub for t in COURSE for q in t.questions)


def test_select_by_number_or_name():
    assert [t.stem for t in trusted.select(COURSE, ["02", "04_training.ipynb"])] == [
        "02_posterior",
        "04_training",
    ]
    with pytest.raises(
        ValueError, match="--notebook: expected the beginning of 01_forward_noising, .* got 9"
    ):
        trusted.select(COURSE, ["9"])


def test_a_folder_that_asks_nothing_is_refused(tmp_path):
    (tmp_path / "x.ipynb").write_bytes(book(code("1", id="a")))
    with pytest.raises(ValueError, match="NAME-answer: expected some of alpha_bar"):
        trusted.load(tmp_path)
    with pytest.raises(ValueError, match="--notebooks: expected a folder with the course's notebooks"):
        trusted.load(tmp_path / "none")


# reading

DEF = "def q_sample(s, x0, t, eps):\n    return x0\n"


def test_an_answer_is_found_by_id_then_grade_id_then_def():
    by_id = code("a = 1\n" + DEF, id="q-sample-answer")
    by_grade_id = code("b = 1\n" + DEF, metadata={"nbgrader": {"grade_id": "q-sample-answer"}})
    by_def = code("c = 1\n" + DEF)
    assert [
        answer_in(*cells).source[0]
        for cells in ((by_def, by_grade_id, by_id), (by_def, by_grade_id), (by_def,))
    ] == ["a", "b", "c"]
    assert "id is lost" in answer_in(by_def).flags[0] and answer_in(by_grade_id).flags == ()


def test_of_several_the_last_that_was_filled_in_counts():
    stub, one, two = (
        code(s, id="q-sample-answer") for s in (Q_SAMPLE.stub, "a = 1\n" + DEF, "b = 1\n" + DEF)
    )
    assert (
        answer_in(stub, one, two, stub).source.startswith("b")
        and "4 cells" in answer_in(stub, one, two, stub).flags[0]
    )
    assert answer_in(one, code("", id="q-sample-answer")).source.startswith("a")
    assert answer_in(stub).source == Q_SAMPLE.stub


@pytest.mark.parametrize(
    "cells, words",
    [
        ([], "no answer cell"),
        ([code("", id="q-sample-answer")], "is empty"),
        ([{"cell_type": "markdown", "id": "q-sample-answer", "source": DEF}], "is a markdown cell"),
    ],
)
def test_why_an_answer_is_missing(cells, words):
    found = answer_in(*cells)
    assert found.status == "missing" and words in found.hint


def test_the_stub_is_known_whatever_its_comments():
    bare = "def q_sample(s, x0, t, eps):\n    raise NotImplementedError\n"
    assert reading.same(bare, Q_SAMPLE.stub) and not reading.same(DEF, Q_SAMPLE.stub)


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"{", "not a notebook"),
        (b"[]", "not a notebook"),
        (b'{"cells": 3}', "not a notebook"),
        (b"[" * 10**5, "nested|not a notebook"),
        (b"\x00\xff" * 50, "not a notebook"),
        (b'{"cells": [{"source": 4}]}', "not a notebook"),
    ],
)
def test_what_is_no_notebook_is_unreadable(data, words):
    with pytest.raises(reading.Unreadable, match=words):
        reading.parse(data)


def test_odd_cells_do_no_harm():
    cells, _ = reading.parse(
        book(3, None, {}, {"cell_type": ["x"], "metadata": [], "source": ["a", "b"]}, code(DEF, id=None))
    )
    assert len(cells) == 3 and reading.answer(cells, Q_SAMPLE).source == DEF


def test_nbval_markers_are_taken_out():
    assert reading.parse(book(code("# NBVAL_SKIP\nx = 1")))[0][0].source == "\nx = 1"


def test_own_cells_are_those_that_are_not_the_courses():
    given = next(s for i, s in FIRST.sources.items() if i == "chain-run")
    cells, _ = reading.parse(book(code(given), code("import numpy"), code(DEF, id="q-sample-answer")))
    assert reading.own_cells(cells, FIRST) == ["import numpy"]


# submissions


def as_folder(tmp_path, files):
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


def as_zip(tmp_path, files):
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return tmp_path / "class.zip"


FILES = {
    "anna/01_forward_noising.ipynb": b"a",
    "ben/work/01_forward_noising (1).ipynb": b"b",
    "ben/02_posterior.ipynb": b"c",
    "cleo_01_forward_noising.ipynb": b"d",
    "anna/.ipynb_checkpoints/01_forward_noising-checkpoint.ipynb": b"e",
    "anna/notes.txt": b"f",
}


@pytest.mark.parametrize("kind", [as_folder, as_zip])
def test_folders_flat_files_and_zips(tmp_path, kind):
    found = {n: w.files for n, w in submissions.collect(kind(tmp_path, FILES), COURSE).students.items()}
    read = {
        name: {stem: [f.read() for f in files if not f.autosaved] for stem, files in row.items() if stem}
        for name, row in found.items()
    }
    assert read == {
        "anna": {"01_forward_noising": [b"a"]},
        "cleo": {"01_forward_noising": [b"d"]},
        "ben": {"01_forward_noising": [b"b"], "02_posterior": [b"c"]},
    }


def test_of_several_files_the_exact_name_counts(tmp_path):
    files = {"anna/01_forward_noising (1).ipynb": b"copy", "anna/01_forward_noising.ipynb": b"exact"}
    found = choice.pick(submissions.collect(as_folder(tmp_path, files), COURSE).students["anna"], COURSE)[
        "01_forward_noising"
    ]
    assert found.data == b"exact" and "2 files" in found.flags[0]


def test_a_renamed_notebook_is_known_by_its_content(tmp_path):
    data = (ROOT / "notebooks" / "02_posterior.ipynb").read_bytes()
    place = as_folder(tmp_path, {"anna/homework.ipynb": data})
    files = submissions.collect(place, COURSE).students["anna"]
    assert choice.pick(files, COURSE)["02_posterior"].data == data


def test_links_and_nothing(tmp_path):
    as_folder(tmp_path, {"anna/01_forward_noising.ipynb": b"a", "ben/x.txt": b""})
    (tmp_path / "ben" / "01_forward_noising.ipynb").symlink_to(tmp_path / "anna" / "01_forward_noising.ipynb")
    found = submissions.collect(tmp_path, COURSE).students
    assert "link" in choice.pick(found["ben"], COURSE)["01_forward_noising"].problem
    for place, words in (
        (tmp_path / "none", "expected a folder or a zip"),
        (tmp_path / "ben" / "x.txt", "expected a folder or a zip"),
    ):
        with pytest.raises(ValueError, match=words):
            submissions.collect(place, COURSE)
