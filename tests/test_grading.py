"""Grading without kernels: what is read, found, sent, refused and written; and the files for hand-out, nbgrader and CI."""

import csv
import inspect
import io
import json
import math
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
import torch

import labdiff as ld
from labdiff import cli
from labdiff.checks import EXERCISES
from labdiff.checks.in_kernel.collect import collect
from labdiff.checks.judging.judge import judge
from labdiff.grading.intake import reading, submissions, trusted
from labdiff.grading.publish import pages, results
from labdiff.grading.publish.solutions import SOLUTIONS, solution
from labdiff.grading.sandbox import isolate, stripped, wire

sys.path.insert(0, str(Path(__file__).parent))
from right_answers import RIGHT  # noqa: E402

ROOT = Path(__file__).parents[1]
COURSE = trusted.load()
FIRST = COURSE[0]
Q_SAMPLE = next(q for q in FIRST.questions if q.name == "q_sample")
NAMES = list(EXERCISES)


def code(source, **more):
    return {"cell_type": "code", "source": source, **more}


def book(*cells, **more):
    return json.dumps(
        {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells), **more}
    ).encode()


def answer_in(*cells):
    return reading.answer(reading.parse(book(*cells))[0], Q_SAMPLE)


# ---- the course -----------------------------------------------------------------------------------------------------


def test_every_exercise_is_asked_once_and_has_its_key():
    asked = [q.name for t in COURSE for q in t.questions]
    assert sorted(asked) == sorted(EXERCISES) == sorted(SOLUTIONS)
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


# ---- reading --------------------------------------------------------------------------------------------------------

DEF = "def q_sample(s, x0, t, eps):\n    return x0\n"


def test_an_answer_is_found_by_id_then_grade_id_then_def():
    by_id = code("a = 1\n" + DEF, id="q-sample-answer")
    by_grade_id = code("b = 1\n" + DEF, metadata={"nbgrader": {"grade_id": "q-sample-answer"}})
    by_def = code("c = 1\n" + DEF)
    assert [
        answer_in(*cells).source[0]
        for cells in ((by_def, by_grade_id, by_id), (by_def, by_grade_id), (by_def,))
    ] == ["a", "b", "c"]
    assert "id is lost" in answer_in(by_def).flags[0] and answer_in(by_grade_id).flags == []


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
    assert found.status == "missing" and words in found.said


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
    assert reading.parse(book(code("# NBVAL_SKIP\nx = 1")))[0][0]["source"] == "\nx = 1"


def test_own_cells_are_those_that_are_not_the_courses():
    given = next(s for i, s in FIRST.sources.items() if i == "chain-run")
    cells, _ = reading.parse(book(code(given), code("import numpy"), code(DEF, id="q-sample-answer")))
    assert reading.own_cells(cells, FIRST) == ["import numpy"]


# ---- submissions ----------------------------------------------------------------------------------------------------


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
    found = submissions.students(kind(tmp_path, FILES), COURSE)
    read = {
        name: {stem: [f.read() for f in files] for stem, files in row.items()} for name, row in found.items()
    }
    assert read == {
        "anna": {"01_forward_noising": [b"a"]},
        "cleo": {"01_forward_noising": [b"d"]},
        "ben": {"01_forward_noising": [b"b"], "02_posterior": [b"c"]},
    }


def test_of_several_files_the_exact_name_counts(tmp_path):
    files = {"anna/01_forward_noising (1).ipynb": b"copy", "anna/01_forward_noising.ipynb": b"exact"}
    data, flags = submissions.pick(submissions.students(as_folder(tmp_path, files), COURSE)["anna"], COURSE)[
        "01_forward_noising"
    ]
    assert data == b"exact" and "2 files" in flags[0]


def test_a_renamed_notebook_is_known_by_its_content(tmp_path):
    data = (ROOT / "notebooks" / "02_posterior.ipynb").read_bytes()
    files = submissions.students(as_folder(tmp_path, {"anna/homework.ipynb": data}), COURSE)["anna"]
    assert submissions.pick(files, COURSE)["02_posterior"][0] == data


def test_links_and_nothing(tmp_path):
    as_folder(tmp_path, {"anna/01_forward_noising.ipynb": b"a", "ben/x.txt": b""})
    (tmp_path / "ben" / "01_forward_noising.ipynb").symlink_to(tmp_path / "anna" / "01_forward_noising.ipynb")
    found = submissions.students(tmp_path, COURSE)
    assert isinstance(submissions.pick(found["ben"], COURSE)["01_forward_noising"][0], reading.Unreadable)
    for place, words in (
        (tmp_path / "none", "expected a folder or a zip"),
        (tmp_path / "ben" / "x.txt", "expected a folder or a zip"),
    ):
        with pytest.raises(ValueError, match=words):
            submissions.find(place)


# ---- the wire -------------------------------------------------------------------------------------------------------


def there_and_back(name, function, seed):
    """What the grader's side makes of a function, with everything through JSON as between grader and kernel."""
    exercise = EXERCISES[name]
    probes = exercise.probes(seed)
    json.loads(json.dumps(wire.request(exercise, probes)))
    plain = json.loads(json.dumps([o.plain() for o in collect(exercise, function, probes)]))
    return judge(exercise, probes, wire.outcomes(exercise, probes, plain))


@pytest.mark.parametrize("name", NAMES)
def test_every_right_answer_is_right_on_hidden_probes(name):
    for i, function in enumerate(RIGHT[name]):
        seed = wire.seed_for("secret", str(i), name)
        assert there_and_back(name, function, seed).status == "correct", (i, seed)


@pytest.mark.parametrize("name", NAMES)
def test_the_key_is_right_for_many_secret_seeds(name):
    for student in range(5):
        assert (
            there_and_back(name, solution(name), wire.seed_for("secret", str(student), name)).status
            == "correct"
        )


def test_seeds_differ_by_student_exercise_and_secret():
    seeds = {wire.seed_for(a, b, c) for a in "xy" for b in "xy" for c in "xy"}
    assert len(seeds) == 8 and 0 not in seeds


GOOD = {
    "values": {"xt": {"shape": [1], "numbers": [1.0]}},
    "problem": "",
    "kind": "",
    "message": "",
    "line": "",
    "changed": [],
    "random": [],
    "notes": [],
    "printed": "",
    "warned": "",
}


@pytest.mark.parametrize(
    "bad",
    [
        None,
        3,
        [],
        [1],
        [{}],
        [GOOD] * 99,
        [GOOD],
        [{**GOOD, "more": 1}],
        [{**GOOD, "problem": "fine"}],
        [{**GOOD, "kind": "x" * 2000}],
        [{**GOOD, "kind": None}],
        [{**GOOD, "notes": "abc"}],
        [{**GOOD, "values": {"other": {}}}],
        *(
            [{**GOOD, "problem": "time", "values": {"xt": {"shape": s, "numbers": n}}}]
            for s, n in (([1], [1.0]),)
        ),
        *(
            [{**GOOD, "values": {"xt": {"shape": s, "numbers": n}}}] * 17
            for s, n in (
                ([-1], [1.0]),
                ([True], [1.0]),
                ([2], [1.0]),
                ([10**9, 10**9], []),
                ([1], ["1"]),
                ([1], [None]),
                ([1], [True]),
                ([1], [10**400]),
                ("1", [1.0]),
                ([1] * 11, [1.0]),
            )
        ),
    ],
)
def test_what_collect_would_not_send_is_refused(bad):
    exercise = EXERCISES["q_sample"]
    with pytest.raises(ValueError, match="outcome"):
        wire.outcomes(exercise, exercise.probes(5), bad)


def test_neither_seed_nor_answers_go_into_a_kernel():
    exercise = EXERCISES["q_sample"]
    seed = wire.seed_for("secret", "anna", "q_sample")
    probes = exercise.probes(seed)
    text = json.dumps(wire.request(exercise, probes))
    assert str(seed) not in text
    for probe in probes:
        if (probe.args[2] > 0).all():  # at t = 0 the answer is an input
            assert str(exercise.formula(*probe.args).flatten()[0].item()) not in text


@pytest.mark.parametrize("name", NAMES)
def test_the_kernels_labdiff_lacks_the_function_and_the_judges(tmp_path, name):
    stripped.write_all(tmp_path, [name])
    package = tmp_path / name / "labdiff"
    assert {p.name for p in (package / "checks").glob("*.py")}.isdisjoint(
        {"judge.py", "compare.py", "behaviour.py", "clues.py"}
    )
    assert not list(package.rglob("exercises")) and not list(package.rglob("grading"))
    for function in map(inspect.unwrap, EXERCISES[name].blocked):
        text = (package / Path(inspect.getsourcefile(function)).relative_to(stripped.PACKAGE)).read_text()
        assert f"raise block.WriteItYourself('labdiff.{function.__qualname__} is what" in text
        assert (
            inspect.getsource(function).strip().splitlines()[-1].strip()
            not in text.split(f"def {function.__name__}(")[1].split("def ")[0]
        )


def test_the_kernels_labdiff_works_but_for_the_function(tmp_path):
    stripped.write_all(tmp_path, ["q_sample"])
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import labdiff as ld, torch; x, t = torch.zeros(1, 1, 2, 2), torch.tensor([1]); "
            "s = ld.linear_schedule(); ld.load_digits('test'); ld.p_mean(s, x, t, x); print('so far'); ld.q_sample(s, "
            "x, t, x)",
        ],
        env={"PYTHONPATH": str(tmp_path / "q_sample")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (
        done.stdout.strip() == "so far"
        and "WriteItYourself: labdiff.q_sample is what this exercise asks" in done.stderr
    )


# ---- isolation ------------------------------------------------------------------------------------------------------


def test_isolation_is_said_never_pretended(monkeypatch):
    monkeypatch.setattr(isolate, "cant", lambda: "no namespaces here")
    assert isolate.choose("auto") == ("none", "no namespaces here")
    with pytest.raises(
        ValueError,
        match="--isolation: expected a machine with Linux user namespaces, got: no namespaces here",
    ):
        isolate.choose("namespace")
    assert isolate.choose("none")[0] == "none"
    assert "not isolated" in pages.student_page(RECORDS[0]) and "not isolated" in pages.class_page(
        RECORDS, results.slug
    )


def test_what_a_kernel_may_see():
    seen = isolate.visible("/somewhere/lib/q_sample")
    assert not any(
        Path(p) in (Path("/"), Path.home(), Path("/tmp"), Path("/etc")) or ROOT.is_relative_to(p)
        for p in seen
    )
    assert "SECRET" not in isolate.clean_environment("/run", "/lib")


# ---- results --------------------------------------------------------------------------------------------------------


def row(exercise, status, points=0.0, **more):
    return {
        "notebook": "01_forward_noising",
        "exercise": exercise,
        "points": points,
        "max": 1.0,
        "status": status,
        "mistake": None,
        "hint": "<b>hint</b> & more",
        "rows": [["got", "x < 1"]],
        "flags": [],
        "seconds": 1.0,
        **more,
    }


RECORDS = [
    {
        "student": "a/b",
        "isolation": "none",
        "why": "asked for",
        "stamp": "1",
        "results": [
            row("q_step", "correct", 1.0),
            row("q_sample", "wrong", mistake="variance-for-std", flags=["2 cells"]),
        ],
    },
    {
        "student": "a.b",
        "isolation": "namespace",
        "why": "",
        "stamp": "2",
        "results": [
            row("q_step", "grader error"),
            row("q_sample", "kernel died", hint="bell \x07 and \ud800"),
        ],
    },
    {
        "student": "=cmd()",
        "isolation": "namespace",
        "why": "",
        "stamp": "3",
        "results": [row("q_step", "missing"), row("q_sample", "not attempted")],
    },
]


def test_a_grader_error_never_turns_into_a_zero():
    table = list(csv.DictReader(io.StringIO(results.grades(RECORDS))))
    assert table[1]["q_step"] == "" and table[1]["q_sample"] == "0" and table[2]["student"] == "'=cmd()"
    case = ElementTree.fromstring(results.junit(RECORDS)).findall(".//testcase")[2]
    assert (
        case.attrib["name"] == "a.b::q_step"
        and case.find("error") is not None
        and case.find("failure") is None
    )
    assert "not graded" in pages.class_page(RECORDS, results.slug)


def test_names_stay_apart_and_text_is_escaped(tmp_path):
    assert (
        len({results.slug(r["student"]) for r in RECORDS}) == 3
        and results.slug("../x") != "../x"
        and results.slug("Zoë") == "Zoë"
    )
    results.write_all(tmp_path, RECORDS)
    text = "".join(p.read_text("utf-8") for p in tmp_path.rglob("*.html"))
    assert "<b>hint</b>" not in text and "&lt;b&gt;hint" in text and "x &lt; 1" in text
    assert not list(tmp_path.rglob(".half-*"))
    assert {p.stat().st_mode & 0o777 for p in tmp_path.rglob("*.csv")} == {0o644}


def test_damaged_records_are_graded_again(tmp_path):
    results.save(tmp_path, RECORDS[0])
    assert results.load(tmp_path, "a/b") == RECORDS[0] and results.load(tmp_path, "a.b") is None
    next((tmp_path / "students").glob("*.json")).write_text("{")
    assert results.load(tmp_path, "a/b") is None


def test_merge_is_the_whole_class(tmp_path, capsys):
    for i, record in enumerate(RECORDS):
        results.save(tmp_path / str(i), record)
    assert (
        cli.main(["merge", *(str(tmp_path / str(i)) for i in range(3)), "--out", str(tmp_path / "all")]) == 0
    )
    assert len((tmp_path / "all" / "grades.csv").read_text().splitlines()) == 4
    assert cli.main(["merge", str(tmp_path / "none"), "--out", str(tmp_path / "all")]) == 2
    assert "merge: expected results of labdiff grade" in capsys.readouterr().err


# ---- hand-out and key -----------------------------------------------------------------------------------------------


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


# ---- the command ----------------------------------------------------------------------------------------------------


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
    from labdiff.grading.run import batch

    assert batch.secret(tmp_path) == batch.secret(tmp_path)
    assert stat.S_IMODE((tmp_path / ".secret").stat().st_mode) == 0o600


def test_workflows_follow_the_published_schema():
    files = sorted((ROOT / "templates" / "github").glob("*.yml"))
    assert len(files) == 2
    subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *files],
        check=True,
    )


def test_shards_are_the_class_and_only_grading_knows_pytest():
    names = list(range(10))
    assert sorted(n for i in (1, 2, 3) for n in names[i - 1 :: 3]) == names
    outside = [p for p in (ROOT / "labdiff").rglob("*.py") if "grading" not in p.parts]
    assert not [p for p in outside if "import pytest" in p.read_text() or "nbval" in p.read_text()]
