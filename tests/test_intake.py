"""Grading: the course, and what is found and read of submissions."""

import io
import json
import os
import zipfile
from pathlib import Path

import pytest

from labdiff.checks import EXERCISES
from labdiff.grading.gradebook.roster import Person
from labdiff.grading.intake import choice, find, owner, reading, submissions, trusted
from labdiff.grading.intake import files as files_on_disk
from labdiff.grading.publish import files
from labdiff.grading.publish.solutions import SOLUTIONS
from labdiff.grading.run import steps
from labdiff.grading.sandbox import cleanup

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
    return reading.answer(reading.parse(book(*cells), FIRST.questions)[0], Q_SAMPLE)


# the course


def test_every_exercise_is_asked_once_and_has_its_key():
    asked = [q.name for t in COURSE for q in t.questions]
    assert sorted(set(asked)) == sorted(asked) and sorted(EXERCISES) == sorted(SOLUTIONS)
    assert EXERCISES.keys() == set(asked)
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
        ([{"cell_type": "markdown", "id": "q-sample-answer", "source": "$x_0$"}], "is a markdown cell"),
    ],
)
def test_why_an_answer_is_missing(cells, words):
    found = answer_in(*cells)
    assert found.status == "missing" and words in found.hint
    assert bool(found.flags) == ("markdown" in words)


FENCED = f"My answer:\n\n```python\n{DEF}```\nIt adds noise."
MARKED = {"metadata": {"nbgrader": {"grade_id": "q-sample-answer"}}}


@pytest.mark.parametrize(
    "cell, source, flag",
    [
        ({"cell_type": "markdown", "id": "q-sample-answer", "source": DEF}, DEF, "was in a markdown cell"),
        ({"cell_type": "raw", "source": DEF, **MARKED}, DEF, "was in a raw cell"),
        ({"cell_type": "markdown", "source": FENCED, **MARKED}, DEF, "was in a markdown cell"),
        (code(f"```python\n{DEF}```\n", id="q-sample-answer"), DEF, "lines ```"),
        (code(f"\n~~~ {{.python}}\n{DEF}", id="lost"), DEF, "lines ```"),
        (code(f"{DEF}```", id="q-sample-answer"), DEF, "lines ```"),
        (code(DEF + '    """\n```\n"""\n', id="q-sample-answer"), DEF + '    """\n```\n"""\n', ""),
    ],
)
def test_an_answer_that_became_text_counts_and_is_flagged(cell, source, flag):
    found = answer_in(cell)
    assert not found.status and found.source.strip() == source.strip()
    assert any(flag in one for one in found.flags) == bool(flag)


def test_text_is_no_answer_where_code_is_one():
    text = {"cell_type": "markdown", "id": "q-sample-answer", "source": DEF + "# an older one"}
    assert answer_in(text, code(DEF, id="new")).source == DEF
    assert answer_in({**text, "source": Q_SAMPLE.stub}).status == "missing"
    stub = code(Q_SAMPLE.stub, id="q-sample-answer")
    assert answer_in(stub, {**text, "source": "def other(): pass"}).status == "not attempted"
    assert answer_in(stub, text).source.endswith("older one")


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


# who is who


def solved(stem, *names):
    """A course's notebook with these answers, or all of them."""
    notebook = json.loads((ROOT / "notebooks" / f"{stem}.ipynb").read_text("utf-8"))
    for cell in notebook["cells"]:
        name = cell["id"].removesuffix("-answer").replace("-", "_")
        if cell["id"].endswith("-answer") and (not names or name in names):
            cell["source"] = SOLUTIONS[name]
    return json.dumps(notebook).encode()


ONE, TWO = "01_forward_noising.ipynb", "02_posterior.ipynb"
FULL, HALF, FULL2 = solved(ONE[:-6]), solved(ONE[:-6], "q_step"), solved(TWO[:-6])
RAW, RAW2 = ((ROOT / "notebooks" / name).read_bytes() for name in (ONE, TWO))


def zipped(files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


# layout -> (what is handed in, the right answers that each student has in it)
LAYOUTS = {
    "a name of 03 that holds 01": ({"s7/03_my_lab.ipynb": FULL, "s8/" + ONE: HALF}, {"s7": 3, "s8": 1}),
    "the student 01": ({"01_" + TWO: FULL2, "02_" + TWO: RAW2}, {"01": 2, "02": 0}),
    "one folder on top": ({"lab/anna/" + ONE: FULL, "lab/ben/" + ONE: HALF}, {"anna": 3, "ben": 1}),
    "two on top": ({"a/b/anna/" + ONE: FULL, "a/b/ben/w/" + ONE: HALF}, {"anna": 3, "ben": 1}),
    "name behind": ({ONE[:-6] + "_s7.ipynb": FULL, ONE[:-6] + "_s8.ipynb": HALF}, {"s7": 3, "s8": 1}),
    "name behind a copy's mark": (
        {
            ONE[:-6] + " (1) - kim.ipynb": FULL,
            TWO[:-6] + " - kim.ipynb": FULL2,
            ONE[:-6] + "-Copy1_lee.ipynb": HALF,
            TWO[:-6] + "_lee.ipynb": RAW2,
        },
        {"kim": 5, "lee": 1},
    ),
    "a name around": (
        {"x_" + ONE[:-6] + "_a.ipynb": FULL, "x_" + ONE[:-6] + "_b.ipynb": HALF},
        {"x_a": 3, "x_b": 1},
    ),
    "zips": ({"anna.zip": zipped({ONE: FULL}), "ben.zip": zipped({"w/" + ONE: HALF})}, {"anna": 3, "ben": 1}),
    "own zip": ({"anna/lab.zip": zipped({"w/" + ONE: FULL}), "ben/" + ONE: HALF}, {"anna": 3, "ben": 1}),
    "own zip in a zip": ({"anna/lab.zip": zipped({"w.zip": zipped({ONE: FULL})})}, {"anna": 3}),
    "damaged zip": ({"anna.zip": zipped({ONE: FULL})[:-30], "ben/" + ONE: HALF}, {"anna": 0, "ben": 1}),
    "Canvas": (
        {"doe_11_9001_" + ONE: FULL, "doe_11_9002_" + TWO: FULL2, "roe_LATE_12_9003_my-1.ipynb": HALF},
        {"doe_11": 5, "roe_12": 1},
    ),
    "not Canvas": (
        {"s_2024_0001_" + ONE: FULL, "s_2024_0002_" + ONE: HALF},
        {"s_2024_0001": 3, "s_2024_0002": 1},
    ),
    "Moodle": (
        {
            "Zoë M_1_assignsubmission_file_/x.ipynb": FULL,
            "Zoë M_1_assignsubmission_onlinetext_/o.html": b"",
            "B_2_assignsubmission_file_" + ONE: HALF,
        },
        {"Zoë M_1": 3, "B_2": 1},
    ),
    "Gradescope": (
        {"export/submission_1/" + ONE: FULL, "export/submission_2/" + ONE: HALF, "export/m.yml": b""},
        {"submission_1": 3, "submission_2": 1},
    ),
    "repositories": (
        {
            f"all/lab-{n}/{p}": d
            for n, b in (("anna", FULL), ("ben", HALF))
            for p, d in (
                (".git/HEAD", b""),
                ("notebooks/" + ONE, b),
                ("old/" + ONE, RAW),
                (".venv/pyvenv.cfg", b""),
                (".venv/" + ONE, FULL),
            )
        },
        {"lab-anna": 3, "lab-ben": 1},
    ),
    "one repository": (
        {"anna/.git/HEAD": b"", "anna/notebooks/" + ONE: HALF, "anna/old/" + ONE: RAW},
        {"anna": 1},
    ),
    "a folder for each notebook": (
        {"anna/01/" + ONE: FULL, "anna/02/" + TWO: FULL2, "ben/01/" + ONE: HALF},
        {"anna": 5, "ben": 1},
    ),
    "capitals": ({"anna/01_Forward_Noising.IPYNB": FULL, "ben/" + ONE + ".txt": HALF}, {"anna": 3, "ben": 1}),
    "original and copy": ({"anna/" + ONE: RAW, "anna/" + ONE[:-6] + "-Copy1.ipynb": FULL}, {"anna": 3}),
    "swapped names": ({"anna/" + ONE: FULL2, "anna/" + TWO: FULL}, {"anna": 5}),
    "all in one": (
        {
            "anna/x.ipynb": json.dumps(
                {"nbformat": 4, "cells": json.loads(FULL)["cells"] + json.loads(FULL2)["cells"]}
            ).encode()
        },
        {"anna": 5},
    ),
    "names alike": (
        {
            "Müller [a]/" + ONE: FULL,
            "Müller__a_-a3d7b4/" + ONE: HALF,
            "trail /" + ONE: RAW,
            "trail/" + ONE: HALF,
        },
        {"Müller [a]": 3, "Müller__a_-a3d7b4": 1, "trail ": 0, "trail": 1},
    ),
    "dots": ({".anna/" + ONE: FULL, "ben/.work/" + ONE: HALF}, {".anna": 3, "ben": 1}),
    "autosaved only": ({"anna/.ipynb_checkpoints/" + ONE: FULL, "ben/" + ONE: HALF}, {"anna": 3, "ben": 1}),
    "a venv and old results": (
        {
            "anna/" + ONE: FULL,
            "venv/pyvenv.cfg": b"",
            "venv/x/" + ONE: RAW,
            "old/.secret": b"",
            "old/students/a.json": b"",
        },
        {"anna": 3},
    ),
    "a venv around the work": (
        {
            "anna/pyvenv.cfg": b"",
            "anna/bin/python": b"x",
            "anna/lib/python3/site-packages/x/" + ONE: RAW,
            "anna/" + ONE: FULL,
            "ben/.secret": b"",
            "ben/students/x": b"",
            "ben/" + ONE: HALF,
        },
        {"anna": 3, "ben": 1},
    ),
    "a folder for each notebook on top": (
        {
            ONE[:-6] + "/anna.ipynb": FULL,
            ONE[:-6] + "/ben/x.ipynb": HALF,
            TWO[:-6] + "/anna/" + TWO: FULL2,
            TWO[:-6] + "/ben/" + TWO: RAW2,
        },
        {"anna": 5, "ben": 1},
    ),
    "nbgrader": ({"submitted/anna/lab/" + ONE: FULL}, {"anna": 3}),
    "versions": ({"anna/v1/" + ONE: HALF, "anna/v2/" + ONE: FULL}, {"anna": 3}),
    "dates": (
        {f"a_{ONE[:-6]}_2026-11-26.ipynb": FULL, f"a_{TWO[:-6]} 2026-11-27 1830.ipynb": FULL2},
        {"a": 5},
    ),
    "copies of Colab": (
        {"a_Copy_of_" + ONE: FULL, "b_Copy_of_" + ONE: HALF, "a_Copy_of_Copy_of_" + TWO: FULL2},
        {"a": 5, "b": 1},
    ),
    "other archives": (
        {"anna.tar.gz": b"x", "ben/work.rar": b"x", "cleo.7z": b"", "dora/" + ONE: FULL},
        {"anna": 0, "ben": 0, "cleo": 0, "dora": 3},
    ),
    "macOS": ({"anna_" + ONE: FULL, "._anna_" + ONE: b"\0\5\x16", "ben_" + ONE: HALF}, {"anna": 3, "ben": 1}),
    "case and forms of a name": (
        {
            f"{name}/" + ONE: FULL
            for name in ("Anna", "anna", "Zoe\u0301", "Zo\u00e9", "anna\u200b", "7", "007")
        },
        dict.fromkeys(("Anna", "anna", "Zoe\u0301", "Zo\u00e9", "anna\u200b", "7", "007"), 3),
    ),
    "names that are the results'": (
        {f"{name}/" + ONE: FULL for name in ("students", "index.html", "con", "=1+1", 'a"b,c\nd')},
        dict.fromkeys(("students", "index.html", "con", "=1+1", 'a"b,c\nd'), 3),
    ),
    "a notebook's words in names": (
        {
            "anna/" + ONE: FULL,
            "anna-training/" + ONE: HALF,
            "posterior/" + ONE: FULL,
            "sampling-team/" + TWO: FULL2,
            "training/" + ONE: HALF,
            "training/x/" + TWO: FULL2,
            "01/" + ONE: FULL,
            "02/" + ONE: HALF,
            "Let's try/" + TWO: RAW2,
            "03_elbo_to_eps_loss/" + ONE: HALF,
        },
        {
            **{"anna": 3, "anna-training": 1, "posterior": 3, "sampling-team": 2, "training": 3},
            **{"01": 3, "02": 1, "Let's try": 0, "03_elbo_to_eps_loss": 1},
        },
    ),
    "a notebook's words in names, one folder on top": (
        {f"lab/{name}/{ONE}": FULL for name in ("posterior", "sampling", "training")},
        {"posterior": 3, "sampling": 3, "training": 3},
    ),
    "numbers for names, one folder on top": (
        {f"lab/{name}/{ONE}": FULL for name in ("01", "02", "03")},
        {"01": 3, "02": 3, "03": 3},
    ),
    "groups": (
        {
            **{f"group {i}/{name}/{ONE}": FULL for i, name in ((1, "anna"), (1, "ben"), (2, "carl"))},
            f"group 2/dora/w/{ONE}": HALF,
            f"Training/emil/{ONE}": HALF,
            "Training/fay.zip": zipped({ONE: HALF}),
        },
        {"anna": 3, "ben": 3, "carl": 3, "dora": 1, "emil": 1, "fay": 1},
    ),
    "groups with files": (
        {f"g{i}/{name}_{ONE}": FULL for i, name in ((1, "anna"), (1, "ben"), (2, "carl"), (2, "dora"))},
        {"anna": 3, "ben": 3, "carl": 3, "dora": 3},
    ),
    "a folder for each week": (
        {
            f"week {i}/{name}/{file}": made
            for i, file, made in ((1, ONE, FULL), (2, TWO, FULL2))
            for name in ("anna", "ben")
        },
        {"anna": 5, "ben": 5},
    ),
    "no groups: names that all have": (
        {f"{who}/Untitled{i}.ipynb": FULL for who in ("anna", "ben") for i in ("", "1")},
        {"anna": 3, "ben": 3},
    ),
    "no groups: versions": (
        {f"{who}/{what}/{ONE}": HALF for who, what in (("anna", "old"), ("anna", "lab"), ("ben", "lab 2"))},
        {"anna": 1, "ben": 1},
    ),
    "no groups: folders of one's own": (
        {
            f"{who}/{what}/{ONE}": HALF
            for who, what in (("anna", "first"), ("anna", "second"), ("ben", "mine"), ("carl", "x"))
        },
        {"anna": 1, "ben": 1, "carl": 1},
    ),
    "a notebook's words in flat names": (
        {
            "anna_" + ONE: FULL,
            "anna-training_" + ONE: HALF,
            "anna-training_04_training.ipynb": RAW2,
            "sampling-team_" + TWO: FULL2,
            "02_posterior_training.ipynb": FULL2,
        },
        {"anna": 3, "anna-training": 1, "sampling-team": 2, "training": 2},
    ),
    "a notebook's words on a folder for it": (
        {"posterior/anna.ipynb": FULL2, "posterior/ben/x.ipynb": RAW2, "posterior/x.txt": b""},
        {"anna": 2, "ben": 0},
    ),
    "one student's folders": ({f"mine/{n[:-6]}/{n}": d for n, d in ((ONE, FULL), (TWO, FULL2))}, {"mine": 5}),
    "versions in a notebook's words": (
        {"posterior/v1/" + TWO: RAW2, "posterior/v2/" + TWO: FULL2, "ben/" + TWO: RAW2},
        {"posterior": 2, "ben": 0},
    ),
    "only a text": ({"anna/answers.pdf": b"", "ben/" + ONE: HALF}, {"anna": 0, "ben": 1}),
}


def right(work):
    """(how many right answers are found in what a student handed in, all flags)."""
    count, flags = 0, []
    for trusted_notebook, handed_in in zip(COURSE, choice.pick(work, COURSE).values(), strict=True):
        flags += handed_in.flags
        if handed_in.data is not None:
            found = reading.answers(reading.parse(handed_in.data)[0], trusted_notebook)
            count += sum(a.source == SOLUTIONS[q.name] for q, a in found.items())
    return count, flags


@pytest.mark.parametrize("kind", [as_folder, as_zip])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_who_handed_in_what(tmp_path, layout, kind):
    files, expected = LAYOUTS[layout]
    if kind is as_zip and layout in ("a venv and old results", "repositories"):
        pytest.skip("what is a folder of tools is seen in folders")
    found = submissions.collect(kind(tmp_path, files), COURSE)
    assert {name: right(work)[0] for name, work in found.students.items()} == expected
    asked = {name for name in (ONE, TWO) for data in (FULL, HALF, FULL2, RAW, RAW2) if name}
    assert {f"{stem}.ipynb" for stem in found.stems()} <= asked


GROUPS = {  # what the folders alone don't tell
    "one in a group": {f"{path}/{ONE}": FULL for path in ("tue/anna", "tue/ben", "tue/carl", "fri/dora")},
    "one group is empty": {f"tue/{who}/{ONE}": FULL for who in ("anna", "ben")} | {"fri/dora/a.txt": b""},
    "other notebooks": {f"tue/anna/{ONE}": FULL, f"fri/ben/{TWO}": FULL2, f"fri/anna/{TWO}": FULL2},
}


@pytest.mark.parametrize("files", GROUPS.values(), ids=GROUPS)
def test_the_roster_tells_groups_from_students(tmp_path, files):
    place = as_folder(tmp_path, files)
    names = {path.split("/")[1] for path in files}
    people = [Person(name=name.title()) for name in sorted(names)]
    found = submissions.collect(place, COURSE, people=people)
    assert found.students.keys() == names and not found.unclear
    groups = [Person(student="tue"), Person(student="fri")]  # pairs of students, with folders of their own
    found = submissions.collect(place, COURSE, people=groups)
    assert found.students.keys() == {"tue", "fri"} and not found.unclear


def test_a_folder_that_may_be_of_several_is_told(tmp_path):
    found = submissions.collect(as_folder(tmp_path, GROUPS["one in a group"]), COURSE)
    assert found.students.keys() == {"tue", "fri"}
    assert (
        len(found.unclear) == 1 and "tue counts as one student, and holds anna, ben, carl" in found.unclear[0]
    )


def test_a_name_by_which_canvas_says_late_is_flagged(tmp_path):
    files = {f"doe_LATE_11_9001_{ONE}": FULL, f"roe_12_9002_{ONE}": FULL, f"LATE_late_{ONE}": FULL}
    found = submissions.collect(as_folder(tmp_path, files), COURSE).students
    assert [name for name, work in found.items() if submissions.LATE in work.flags] == ["doe_11"]


def test_a_stub_as_nbgrader_writes_it_is_untouched():
    stub = "def f(x):\n    raise NotImplementedError  # replace this line"
    released = "def f(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
    assert reading.same(released, stub) and not reading.same(released.replace("()", "(x)"), stub)


def flags_of(tmp_path, files, name):
    return " ".join(right(submissions.collect(as_folder(tmp_path, files), COURSE).students[name])[1])


@pytest.mark.parametrize(
    "files, words",
    [
        ({"anna/" + ONE: FULL, "anna/" + ONE[:-6] + " (1).ipynb": HALF + b" "}, ""),
        (
            {"anna/" + ONE: HALF, "anna/x/" + ONE: solved(ONE[:-6], "q_sample")},
            "2 files for 01_forward_noising",
        ),
        ({"anna/v1/" + ONE: HALF, "anna/v2/" + ONE: FULL, "b/" + ONE: RAW}, "2 files for 01_forward_noising"),
        ({"anna/lab.7z": b"x", "ben/" + ONE: FULL}, "other files: lab.7z (an archive that is no zip"),
        ({"anna/x.ipynb": FULL}, "known by its content: x.ipynb is 01_forward_noising"),
        ({"anna/.ipynb_checkpoints/" + ONE: FULL}, "only an autosaved copy"),
        ({"anna/report.pdf": b"", "ben/" + ONE: FULL}, "other files: report.pdf"),
        ({"anna/lab.zip": b"no zip", "ben/" + ONE: FULL}, "other files: lab.zip (the zip can't be opened"),
        ({"anna/" + ONE: HALF, "anna/q_sample.py": b""}, "other files: q_sample.py"),
        ({"anna/" + ONE: RAW, "anna/scan.pdf": b"", "anna/README.md": b""}, "other files: scan.pdf"),
        ({"anna/" + ONE: FULL, "anna/scan.pdf": b""}, ""),
        ({"anna/" + ONE: RAW, "anna/README.md": b"", "anna/requirements.txt": b""}, ""),
    ],
)
def test_what_an_instructor_should_look_at_is_flagged(tmp_path, files, words):
    flags = flags_of(tmp_path, files, "anna")
    assert words in flags and bool(words) == bool(flags)


def test_modules_beside_the_notebook_come_along_and_a_change_of_them_is_noticed(tmp_path):
    files = {
        "anna/w/" + ONE: HALF,
        "anna/w/my_helpers.py": b"\xef\xbb\xbfx = '\xc3\xa4'",
        "anna/w/src/__init__.py": b"",
        "anna/w/src/noise.py": b"z = 1",
        "anna/w/no module/x.py": b"",
        "anna/other.py": b"y = 1",
    }
    files |= {
        "anna/w/no module.py": b"",
        "anna/w/long.py": b"#" * 10**6,
        "anna/w/" + "n" * 60 + ".py": b"",
        "ben/" + ONE: HALF,
    }
    found = submissions.collect(as_folder(tmp_path, files), COURSE).students
    assert choice.pick(found["anna"], COURSE)[ONE[:-6]].modules == (
        ("my_helpers.py", "x = '\u00e4'"),
        ("src/__init__.py", ""),
        ("src/noise.py", "z = 1"),
    )
    assert choice.pick(found["ben"], COURSE)[ONE[:-6]].modules == ()
    as_folder(tmp_path, {"anna/w/my_helpers.py": b"x = 2"})
    assert submissions.collect(tmp_path, COURSE).students["anna"].digests != found["anna"].digests


def test_a_file_without_a_students_name_is_flagged(tmp_path):
    found = submissions.collect(as_folder(tmp_path / "mine", {ONE: FULL, TWO: FULL2}), COURSE)
    assert list(found.students) == ["mine"] and "no student's name" in right(found.students["mine"])[1][0]


def test_files_with_two_names_in_one_folder_are_flagged(tmp_path):
    files = {"g1/anna_" + ONE: FULL, "g1/ben_" + ONE: FULL, "carl/" + ONE: FULL, "carl/lab.ipynb": FULL}
    found = submissions.collect(as_folder(tmp_path, files), COURSE).students
    assert "not g1/ben_" in right(found["g1"])[1][0] and right(found["carl"])[1] == []


def test_one_bad_entry_costs_that_entry(tmp_path):
    as_folder(tmp_path, {"anna/" + ONE: FULL, "fifo/x.txt": b"", "deep/" + ONE: HALF, "zip/a.zip": b""})
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "fifo" / ONE)
    os.mkdir(os.fsencode(tmp_path) + b"/M\xfc")
    (tmp_path / "M\\xfc").mkdir()
    longest = "\U0001f600" * 63
    as_folder(tmp_path, {longest + "/" + ONE: FULL})
    place = os.open(tmp_path / "deep", os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d" * 10, dir_fd=place)
        below = os.open("d" * 10, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = below
    os.close(place)
    found = submissions.collect(tmp_path, COURSE)
    counts = {name: right(work)[0] for name, work in found.students.items()}
    cleanup.remove_tree(str(tmp_path / "deep"))
    assert counts == {
        **{"anna": 3, "deep": 1, longest: 3, "fifo": 0, "zip": 0, "loop": 0},
        **{"M\\xfc": 0, "M\\\\xfc": 0},
    }
    assert "12 folders deep" in " ".join(found.skipped) and len(files.slug(longest).encode()) < 200
    assert "not a file" in choice.pick(found.students["fifo"], COURSE[:1])[ONE[:-6]].problem


def test_a_folder_without_rights_costs_that_folder(tmp_path):
    """Also where the grader is not root, to whom all folders are open."""
    as_folder(tmp_path, {"anna/" + ONE: FULL, "ben/" + ONE: FULL})
    user, closed = os.geteuid(), tmp_path / "ben"
    try:
        closed.chmod(0)
        if user == 0:
            for folder in (tmp_path, *tmp_path.parents[:-2]):
                folder.chmod(0o755)
            os.seteuid(65534)
        found = submissions.collect(tmp_path, COURSE, tmp_path / "out").students
    finally:
        os.seteuid(user)
        closed.chmod(0o755)
    assert right(found["anna"])[0] == 3 and "can't be read" in " ".join(right(found["ben"])[1])


def strange_zip(method=zipfile.ZIP_DEFLATED, at=3000):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        archive.writestr(ONE, FULL)
    damaged = bytearray(data.getvalue())
    for i in range(at, at + 300):
        damaged[i] ^= 0x5A
    return bytes(damaged)


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_STORED]
)
def test_a_damaged_member_of_a_zip_is_unreadable(tmp_path, method):
    (tmp_path / "class.zip").write_bytes(strange_zip(method))
    found = submissions.collect(tmp_path / "class.zip", COURSE).students["class"]
    handed_in = choice.pick(found, COURSE[:1])[ONE[:-6]]
    assert handed_in.data is None and "the zip is damaged here" in handed_in.problem


def test_what_a_students_zip_holds_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(find, "ALL", 3 * len(FULL))
    bomb = zipped({f"{i}.ipynb": FULL for i in range(9)})
    as_folder(tmp_path, {"anna/lab.zip": bomb, "ben/" + ONE: FULL})
    problems = [f.problem for f in find.find(tmp_path).files if "anna" in f.inner.parts]
    assert sorted(map(bool, problems)) == [False] * 3 + [True] * 6
    monkeypatch.setattr(find, "ALL", 8 * len(FULL))  # the inner zips count, too
    nested = zipped({f"{i}.zip": zipped({f"{k}.ipynb": FULL for k in range(2)}) for i in range(9)})
    as_folder(
        tmp_path, {"anna/lab.zip": nested, "class.zip": zipped({"cleo.zip": nested, "dora.zip": nested})}
    )
    problems = [bool(f.problem) for f in find.find(tmp_path).files if "anna" in f.inner.parts]
    assert problems.count(False) == 3 and True in problems
    of_class = find.find(tmp_path / "class.zip").files
    for name in ("cleo", "dora"):
        assert [bool(f.problem) for f in of_class if name in f.inner.parts].count(False) == 3


def test_strange_paths_in_a_zip(tmp_path):
    files = {"./anna/" + ONE: FULL, "ben//" + ONE: HALF, "cleo\\" + ONE: RAW, "/dora/../" + ONE: HALF}
    (tmp_path / "class.zip").write_bytes(zipped(files))
    found = submissions.collect(tmp_path / "class.zip", COURSE).students
    assert {name: right(work)[0] for name, work in found.items()} == {
        "anna": 3,
        "ben": 1,
        "cleo": 0,
        "dora": 1,
    }


def test_the_results_are_no_submission(tmp_path):
    place = as_folder(tmp_path, {"anna/" + ONE: FULL, "results/students/.keep": b""})
    assert list(submissions.collect(place, COURSE, place / "results").students) == ["anna"]


# answers that are not where they were asked for

SPLIT = "SHAPE = (-1, 1, 1, 1)"


@pytest.mark.parametrize(
    "cells, source",
    [
        ([code(SPLIT, id="q-sample-answer"), code(DEF, id="new")], SPLIT + "\n\n" + DEF),
        ([code("# see below", id="q-sample-answer"), code(DEF)], "# see below\n\n" + DEF),
        ([code(Q_SAMPLE.stub, id="q-sample-answer"), code(DEF)], DEF),
        (
            [code("", id="q-sample-answer"), code("q_sample = lambda s, x0, t, eps: x0")],
            "q_sample = lambda s, x0, t, eps: x0",
        ),
        (
            [
                code(Q_SAMPLE.stub, id="q-sample-answer"),
                code("from mine import q_sample", id="q-sample-check"),
            ],
            "from mine import q_sample",
        ),
        ([code(DEF, id="q-sample-answer"), code("b = 1\n" + DEF)], DEF),
    ],
)
def test_an_answer_in_another_cell(cells, source):
    assert answer_in(*cells).source == source


def test_a_tensor_of_the_functions_name_is_no_answer():
    alpha_bar = next(q for q in FIRST.questions if q.name == "alpha_bar")
    stub = code(alpha_bar.stub, id="alpha-bar-answer")
    for source in ("alpha_bar = s.alpha_bar[t]", "def q_sample(s, x0, t, eps):\n    alpha_bar = lambda: 1\n"):
        cells, _ = reading.parse(book(stub, code(source)))
        assert reading.answer(cells, alpha_bar).status == "not attempted"


def test_no_handed_out_cell_but_the_answer_cells_defines_an_answer():
    for t in COURSE:
        others = [code(source, id=i) for i, source in t.sources.items() if not i.endswith("-answer")]
        found = [reading.answer(reading.parse(book(*others))[0], q).status for q in t.questions]
        assert found == ["missing"] * len(t.questions)


def test_a_missing_answer_beside_other_code_is_flagged():
    for other, flagged in ((code("def my_sample(x): pass"), True), (code(""), False)):
        cells, _ = reading.parse(book(other))
        assert bool(reading.answers(cells, FIRST)[Q_SAMPLE].flags) == flagged


def test_half_a_pair_of_surrogates_is_replaced():
    data = book(code(DEF + "# \ud83d", id="q-sample-answer"), code("x = '\ud83d\ude00'", id="x"))
    found, other = (c.source for c in reading.parse(data)[0])
    assert found.encode() == (DEF + "# \ufffd").encode() and other == "x = '\U0001f600'"


@pytest.mark.timeout(60)
def test_blank_lines_cost_little():
    """With a regular expression that goes on over line ends, this takes a quarter of an hour."""
    source = "\n" * 300_000 + DEF + "\n" * 300_000
    cells, _ = reading.parse(book(code(source, id="x"), code("# NBVAL_SKIP" + "\n" * 300_000, id="y")))
    assert reading.answer(cells, Q_SAMPLE).source == source


@pytest.mark.timeout(60)
def test_a_line_that_almost_assigns_costs_little():
    assert not reading.assigns("q_sample," * 100_000 + "!", "q_sample")
    assert not reading.assigns("q_sample" + " " * 100_000 + "! = 1", "q_sample")


@pytest.mark.timeout(60)
def test_many_cells_and_a_long_answer_cost_little():
    cells = [code(f"v{i} = 1") for i in range(20_000)]
    cells, _ = reading.parse(book(*cells, code(DEF + "# " * 500_000, id="q-sample-answer")))
    found = steps.parts(cells, FIRST, reading.answers(cells, FIRST))
    assert len(found) == 20_001 and found[-1].answers == Q_SAMPLE


@pytest.mark.parametrize("coding", ["utf-16", "utf-32", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-32-be"])
def test_any_unicode(coding, tmp_path):
    place = as_folder(tmp_path, {"anna/x.ipynb": FULL.decode().encode(coding)})
    assert right(submissions.collect(place, COURSE).students["anna"])[0] == 3


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "part", ["copy  ", "Copy_of -", "copy 1", " (1)", "kopie  von  ", "2026-11-26 ", "__ ", "01 "]
)
def test_any_name_is_read_in_no_time(part):
    """Where a regular expression can take a blank for two things, forty of them take it for ever."""
    name = (part * 60)[:240] + "x"
    for whole in (name, f"{ONE[:-6]} {name}", f"{name} {ONE[:-6]}"):
        assert owner.of_file(whole, COURSE) and owner.canvas(whole) == ""
        owner.named(whole, COURSE)


@pytest.mark.parametrize(
    "other, flag",
    [
        (code("q_sample = make()"), "q_sample is assigned in another cell"),
        (code("(q_step, q_sample) = Diffusion.step, Diffusion.jump"), "q_sample is assigned in another cell"),
        (code("q_sample: Callable = torch.compile(jump)"), "q_sample is assigned in another cell"),
        ({"cell_type": "markdown", "id": "m", "source": "```\n" + DEF + "```"}, "in a cell that is not code"),
        ({"cell_type": "raw", "id": "r", "source": DEF}, "in a cell that is not code"),
        (code("plot(q_sample=3)\nx.q_sample == 1\nmy_q_sample = 2\n# q_sample = f()"), ""),
    ],
)
def test_what_may_be_an_answer_elsewhere_is_flagged(other, flag):
    stub = code(Q_SAMPLE.stub, id="q-sample-answer")
    found = reading.answers(reading.parse(book(stub, other))[0], FIRST)[Q_SAMPLE]
    assert found.status == "not attempted"
    assert flag in " ".join(found.flags) and bool(found.flags) == bool(flag)
    answered = reading.answers(reading.parse(book(code(DEF, id="q-sample-answer"), other))[0], FIRST)
    assert answered[Q_SAMPLE].flags == ()


def test_an_odd_cell_costs_that_cell():
    odd = [{**code("x", id="y"), "source": source} for source in ([1, None, "z"], [["x"]])]
    cells, _ = reading.parse(book(*odd, code(DEF, id="q-sample-answer")))
    assert [c.source for c in cells] == ["z", "", DEF]


def test_a_file_that_would_fill_the_memory_is_unreadable(monkeypatch):
    monkeypatch.setattr(reading, "MOST_LISTS", 1000)
    with pytest.raises(files_on_disk.Unreadable, match="more than 1,000 brackets"):
        reading.parse(b'{"cells": [' + b"[]," * 1000 + b"[]]}")


def test_code_that_is_too_long_is_not_run(monkeypatch):
    monkeypatch.setattr(reading, "LONGEST", 400)
    text = {"cell_type": "markdown", "id": "m", "source": "x" * 1000}
    cells, _ = reading.parse(book(text, code("a = 1", id="a"), code(DEF + "#" * 400, id="q-sample-answer")))
    assert [len(c.source) for c in cells[:2]] == [1000, 5]
    found = reading.answer(cells, Q_SAMPLE)
    assert found.source == reading.TOO_LONG and not found.status


def test_of_many_large_copies_one_at_a_time_is_kept(tmp_path, monkeypatch):
    alive, most = [], []

    class Data(bytes):
        def __new__(cls, data):
            alive.append(1)
            most.append(len(alive))
            return super().__new__(cls, data)

        def __del__(self):
            alive.pop()

    read = files_on_disk.File.read
    monkeypatch.setattr(files_on_disk.File, "read", lambda self: Data(read(self)))
    place = as_folder(tmp_path, {f"anna/{i}.ipynb": HALF + b" " * i for i in range(6)})
    work = submissions.collect(place, COURSE).students["anna"]
    most.clear()
    assert choice.pick(work, COURSE)[ONE[:-6]].data.startswith(HALF)
    assert max(most) <= 2
