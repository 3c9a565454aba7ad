"""Grading: the files that are written, and the commands."""

import csv
import io
import json
import math
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
import torch

import labdiff as ld
from labdiff import cli
from labdiff.grading.intake import reading, trusted
from labdiff.grading.publish import files, pages, results, tables
from labdiff.grading.records import Question, Record, Result

ROOT = Path(__file__).parents[1]
COURSE = trusted.load()


# results


def row(exercise, status, **more):
    fields = {"hint": "<b>hint</b> & more", "rows": (("got", "x < 1"),), "seconds": 1.0, **more}
    return Result.of(Question(exercise, "", "01_forward_noising"), status, **fields)


RECORDS = [
    Record(
        "a/b",
        "none",
        "asked for",
        "1",
        (row("q_step", "correct"), row("q_sample", "wrong", mistake="variance-for-std", flags=("2 cells",))),
    ),
    Record(
        "a.b",
        "namespace",
        "",
        "2",
        (row("q_step", "grader error"), row("q_sample", "kernel died", hint="bell \x07 and \ud800")),
    ),
    Record("=cmd()", "namespace", "", "3", (row("q_step", "missing"), row("q_sample", "not attempted"))),
]


def test_a_grader_error_never_turns_into_a_zero():
    table = list(csv.DictReader(io.StringIO(tables.grades(RECORDS))))
    assert table[1]["q_step"] == "" and table[1]["q_sample"] == "0" and table[2]["student"] == "'=cmd()"
    case = ElementTree.fromstring(tables.junit(RECORDS)).findall(".//testcase")[2]
    assert (
        case.attrib["name"] == "a.b::q_step"
        and case.find("error") is not None
        and case.find("failure") is None
    )
    assert "not graded" in pages.class_page(RECORDS)


def test_names_stay_apart_and_text_is_escaped(tmp_path):
    assert (
        len({files.slug(r.student) for r in RECORDS}) == 3
        and files.slug("../x") != "../x"
        and files.slug("Zoë") == "Zoë"
    )
    results.write_all(tmp_path, RECORDS)
    text = "".join(p.read_text("utf-8") for p in tmp_path.rglob("*.html"))
    assert "<b>hint</b>" not in text and "&lt;b&gt;hint" in text and "x &lt; 1" in text
    assert not list(tmp_path.rglob(".half-*"))
    assert {p.stat().st_mode & 0o777 for p in tmp_path.rglob("*.csv")} == {0o644}


def test_damaged_records_are_graded_again(tmp_path):
    results.save(tmp_path, RECORDS[0], "key")
    assert results.load(tmp_path, "a/b", "key") == RECORDS[0] and results.load(tmp_path, "a.b", "key") is None
    next((tmp_path / "students").glob("*.json")).write_text("{")
    assert results.load(tmp_path, "a/b", "key") is None


def test_merge_is_the_whole_class(tmp_path, capsys):
    for i, record in enumerate(RECORDS):
        results.save(tmp_path / str(i), record, results.secret(tmp_path / str(i)))
    assert (
        cli.main(["merge", *(str(tmp_path / str(i)) for i in range(3)), "--out", str(tmp_path / "all")]) == 1
    )
    assert len((tmp_path / "all" / "grades.csv").read_text().splitlines()) == 4
    assert cli.main(["merge", str(tmp_path / "none"), "--out", str(tmp_path / "all")]) == 2
    assert "merge: expected results of labdiff grade" in capsys.readouterr().err


# hand-out and key


def test_handout_keeps_stubs_and_drops_outputs(tmp_path):
    assert cli.main(["handout", str(tmp_path)]) == 0
    for t in COURSE:
        nb = nbformat.read(tmp_path / f"{t.stem}.ipynb", as_version=4)
        nbformat.validate(nb)
        assert all(c.outputs == [] and c.execution_count is None for c in nb.cells if c.cell_type == "code")
        by_id = {c.id: c for c in nb.cells}
        assert [by_id[i].source for i in t.sources] == list(t.sources.values())
        for q in t.questions:
            marks = [
                by_id[f"{q.name.replace('_', '-')}-{part}"].metadata.nbgrader for part in ("answer", "check")
            ]
            assert marks == [
                {
                    "grade_id": q.cell_id,
                    "grade": False,
                    "solution": True,
                    "locked": False,
                    "schema_version": 3,
                },
                {
                    "grade_id": q.cell_id[:-6] + "check",
                    "grade": True,
                    "solution": False,
                    "locked": True,
                    "points": 1,
                    "schema_version": 3,
                },
            ]


def test_the_key_is_right(tmp_path):
    assert cli.main(["key", str(tmp_path)]) == 0
    for t in trusted.load():
        cells, _ = reading.parse((tmp_path / f"{t.stem}.ipynb").read_bytes())
        for q in t.questions:
            scope = {"torch": torch, "math": math}
            exec(reading.answer(cells, q).source, scope)
            assert ld.check(q.name, scope[q.name]).status == "correct"
            assert scope[q.name].__doc__


def test_the_courses_own_notebooks_are_never_overwritten(capsys):
    before = {p: p.read_bytes() for p in (ROOT / "notebooks").glob("*.ipynb")}
    assert cli.main(["key", str(ROOT / "notebooks")]) == 2
    assert "OUT: expected another folder" in capsys.readouterr().err
    assert before == {p: p.read_bytes() for p in (ROOT / "notebooks").glob("*.ipynb")}


def test_marking_again_changes_nothing(tmp_path):
    for p in (ROOT / "notebooks").glob("*.ipynb"):
        shutil.copy(p, tmp_path)
    files = sorted(tmp_path.glob("*.ipynb"))
    tool = [sys.executable, ROOT / "tools" / "mark_exercises.py", *files]
    subprocess.run(tool, check=True, capture_output=True)
    once = [p.read_bytes() for p in files]
    assert subprocess.run(tool, check=True, capture_output=True, text=True).stdout.count("unchanged") == len(
        files
    )
    assert once == [p.read_bytes() for p in files]
    assert all(
        json.loads(a)["cells"][0] == json.loads((ROOT / "notebooks" / p.name).read_text())["cells"][0]
        for a, p in zip(once, files)
    )


# the command


@pytest.mark.parametrize("command", ["grade", "merge", "handout", "key"])
def test_help_is_enough(command, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([command, "--help"])
    assert end.value.code == 0 and "usage: labdiff" in capsys.readouterr().out


@pytest.mark.parametrize(
    "args, words",
    [
        (["grade", "x", "--out", "y", "--shard", "3/2"], "expected I/N with 1 <= I <= N"),
        (["grade", "x"], "--out"),
        (["grade", "x", "--out", "y", "-j", "0"], "whole number from 1 on"),
        ([], "COMMAND"),
    ],
)
def test_wrong_arguments_say_what_is_expected(args, words, capsys):
    with pytest.raises(SystemExit):
        cli.main(args)
    assert words in capsys.readouterr().err


def test_the_secret_is_kept_and_private(tmp_path):
    assert results.secret(tmp_path) == results.secret(tmp_path)
    assert stat.S_IMODE((tmp_path / ".secret").stat().st_mode) == 0o600


def test_shards_are_the_class_and_only_grading_knows_pytest():
    names = list(range(10))
    assert sorted(n for i in (1, 2, 3) for n in names[i - 1 :: 3]) == names
    outside = [p for p in (ROOT / "labdiff").rglob("*.py") if "grading" not in p.parts]
    assert not [p for p in outside if "import pytest" in p.read_text() or "nbval" in p.read_text()]
