"""Grading: the files that are written, and the commands."""

import csv
import io
import json
import math
import runpy
import shutil
import stat
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
import torch

import labdiff as ld
from labdiff import cli
from labdiff.grading.gradebook.scoring import Gradebook
from labdiff.grading.intake import reading, submissions, trusted
from labdiff.grading.publish import files, pages, results, tables
from labdiff.grading.records import Options, Question, Record, Result
from labdiff.grading.run import batch

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
    results.finish(tmp_path, RECORDS, [], [], Gradebook())
    text = "".join(p.read_text("utf-8") for p in tmp_path.rglob("*.html"))
    assert "<b>hint</b>" not in text and "&lt;b&gt;hint" in text and "x &lt; 1" in text
    assert not list(tmp_path.rglob(".half-*"))
    assert {p.stat().st_mode & 0o777 for p in tmp_path.rglob("*.csv")} == {0o644}


def test_no_name_commands_a_terminal():
    odd = replace(RECORDS[0], student="a\x1b]0;b\x07\x9b31mc\x7f")
    assert "a?]0;b??31mc?" in tables.grades([odd]) and tables.clean("\x1b[2J\u00e4\t") == "?[2J\u00e4\t"


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


def test_a_grader_error_is_no_number_anywhere(tmp_path):
    table = list(csv.DictReader(io.StringIO(tables.grades(RECORDS))))
    assert [row["total"] for row in table] == ["1", "", "0"]
    found = tables.gradescope(RECORDS[1])
    assert "score" not in found and "score" not in found["tests"][0] and found["tests"][1]["score"] == 0
    assert tables.gradescope(RECORDS[0])["score"] == 1
    results.save(tmp_path / "a", RECORDS[1], results.secret(tmp_path / "a"))
    merged, *_ = results.merge([tmp_path / "a"], tmp_path / "b")
    assert merged[0].ungraded and '"score"' not in json.dumps(tables.gradescope(merged[0])["tests"][0])
    assert "Not graded to the end" in pages.student_page(merged[0])


def test_a_result_that_was_changed_does_not_count(tmp_path, capsys):
    key = results.secret(tmp_path)
    results.save(tmp_path, RECORDS[0], key)
    path = next((tmp_path / "students").glob("*.json"))
    path.write_text(path.read_text().replace('"wrong"', '"correct"'))
    assert results.load(tmp_path, "a/b", key) is None and "was changed" in capsys.readouterr().err
    merged, unread, _ = results.merge([tmp_path], tmp_path / "all")
    assert {r.status for r in merged[0].results} == {"grader error"} and not unread
    assert merged[0].flags[0] == "changed after grading"
    unsigned = {k: v for k, v in json.loads(path.read_text()).items() if k != "signature"}
    path.write_text(json.dumps(unsigned))
    assert results.load(tmp_path, "a/b", key) is None


def test_merge_keeps_the_results_of_other_notebooks(tmp_path):
    two = [Result.of(Question("predict_x0", "", "02_posterior"), "correct")]
    parts = {"01": RECORDS[0], "02": replace(RECORDS[0], results=tuple(two))}
    for name, record in parts.items():
        results.save(tmp_path / name, record, results.secret(tmp_path / name))
    for order in (["01", "02"], ["02", "01"]):
        merged, *_ = results.merge([tmp_path / name for name in order], tmp_path / "all")
        assert [r.exercise for r in merged[0].results] == ["q_step", "q_sample", "predict_x0"]
        assert merged[0].total == 2


def test_in_a_merge_a_grader_error_does_not_replace_a_grade(tmp_path):
    good = replace(RECORDS[1], results=(row("q_step", "correct"),))
    for name, record in (("a", good), ("b", RECORDS[1])):
        results.save(tmp_path / name, record, results.secret(tmp_path / name))
    for order in ("ab", "ba"):
        merged, *_ = results.merge([tmp_path / name for name in order], tmp_path / "all")
        assert merged[0].results[0].status == "correct"


def test_merge_takes_an_empty_shard_and_tells_a_damaged_file(tmp_path, capsys):
    results.save(tmp_path / "a", RECORDS[0], results.secret(tmp_path / "a"))
    results.write_tables(tmp_path / "empty", [])  # as a CI's artifact: without empty folders and hidden files
    assert (tmp_path / "empty" / "grades.csv").exists()
    (tmp_path / "a" / "students" / "x.json").write_text("{")
    parts = [str(tmp_path / "a"), str(tmp_path / "empty")]
    assert cli.main(["merge", *parts, "--out", str(tmp_path / "all")]) == 1
    assert "x.json" in capsys.readouterr().err
    assert len((tmp_path / "all" / "grades.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize("kept", ["", "\n", "abc", "\xff"])
def test_a_secret_that_is_none_is_made_again(tmp_path, kept):
    (tmp_path / ".secret").write_text(kept, "latin-1")
    made = results.secret(tmp_path)
    assert len(made) == 32 and made == results.secret(tmp_path)
    assert stat.S_IMODE((tmp_path / ".secret").stat().st_mode) == 0o600


def test_no_students_file_is_anothers():
    names = [
        "Müller [a]",
        files.slug("Müller [a]"),
        "a/b",
        "a_b",
        "\U0001f600" * 63,
        "\U0001f600" * 62,
        "a" * 300,
    ]
    slugs = [files.slug(name) for name in names]
    assert len(set(slugs)) == len(names) and max(len(s.encode()) for s in slugs) < 200


def test_what_a_grade_depends_on_is_noticed(monkeypatch):
    given = Options(tuple(COURSE), "secret", "lib", "namespace", 2**30, 60)
    work = submissions.Work(digests=[("a.ipynb", b"1")])
    first = batch.fingerprint(work, given)
    assert batch.fingerprint(work, replace(given, secret="x", lib="y", server="z")) == first
    for other in (
        {"memory": 2**31},
        {"timeout": 61},
        {"isolation": "none"},
        {"notebooks": tuple(COURSE[:1])},
    ):
        assert batch.fingerprint(work, replace(given, **other)) != first
    assert batch.fingerprint(submissions.Work(digests=[("a.ipynb", b"2")]), given) != first
    monkeypatch.setattr(batch, "code", lambda: "changed")
    assert batch.fingerprint(work, given) != first


def test_the_submissions_are_not_the_results(tmp_path):
    with pytest.raises(ValueError, match="--out: expected another folder than the submissions"):
        batch.grade_class(str(tmp_path), str(tmp_path), COURSE, [], "none", "")


def test_the_page_shows_the_pictures_of_the_check():
    uri = "data:image/png;base64,AAAA"
    record = replace(RECORDS[0], results=(row("q_step", "wrong", pictures=(("x_t <got>", uri),)),))
    page = pages.student_page(record)
    assert f'src="{uri}"' in page and "x_t &lt;got&gt;" in page


def test_what_was_skipped_is_on_the_class_page():
    assert "venv &lt;x&gt;: a folder of tools" in pages.class_page(RECORDS, ["venv <x>: a folder of tools"])


def test_junit_is_valid_for_jenkins():
    import xmlschema

    schema = xmlschema.XMLSchema(str(Path(__file__).with_name("junit.xsd")))
    text = tables.junit(RECORDS)
    schema.validate(text)
    schema.validate(tables.junit([]))
    suite = ElementTree.fromstring(text).find("testsuite")
    names = [case.attrib["name"] for case in suite]
    assert len(names) == len(set(names)) == int(suite.attrib["tests"]) == 6
    assert "points: 1\nmax: 1\nstatus: correct" in suite.find("testcase/system-out").text
    for wrong in (text.replace("</testcase>", "<properties/></testcase>"), text.replace(' tests="6"', "")):
        assert not schema.is_valid(wrong)


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


def test_marking_again_changes_nothing(tmp_path, monkeypatch, capsys):
    for p in (ROOT / "notebooks").glob("*.ipynb"):
        shutil.copy(p, tmp_path)
    files, tool = sorted(tmp_path.glob("*.ipynb")), str(ROOT / "tools" / "mark_exercises.py")
    monkeypatch.setattr(sys, "argv", [tool, *map(str, files)])
    runpy.run_path(tool)
    once = [p.read_bytes() for p in files]
    capsys.readouterr()
    runpy.run_path(tool)
    assert capsys.readouterr().out.count("unchanged") == len(files)
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
