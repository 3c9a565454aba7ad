"""An instructor's own exercise: declared in a file, found by ld.check, proved, handed out."""

import json
import shutil
from pathlib import Path

import pytest
import torch

import labdiff as ld
from labdiff import cli, workcopy
from labdiff.checks import own, proof
from labdiff.grading.gradebook import given
from labdiff.grading.intake import reading, trusted
from labdiff.grading.publish.solutions import answer
from labdiff.grading.sandbox import package, protocol

ROOT = Path(__file__).parents[1]
STEM = "01_forward_noising"


def guide():
    """The exercise that docs/instructors.md walks through."""
    text = (ROOT / "docs" / "instructors.md").read_text("utf-8")
    return text.split("# exercises/snr.py\n")[1].split("```")[0]


@pytest.fixture
def folder(tmp_path):
    """A course's folder with notebook 01 and the exercise snr."""
    shutil.copy(ROOT / "notebooks" / f"{STEM}.ipynb", tmp_path)
    command = ["new-exercise", "snr", "--notebooks", str(tmp_path), "--notebook", "01", "--after", "setup"]
    assert cli.main(command) == 0
    own.path_of("snr", tmp_path).write_text(guide(), "utf-8")
    return tmp_path


def snr(s, t):
    return s.alpha_bar[t] / (1 - s.alpha_bar[t])


def test_check_finds_it_beside_the_notebook(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert ld.check("snr", snr).status == "correct"
    report = ld.check("snr", lambda s, t: (1 - s.alpha_bar[t]) / s.alpha_bar[t])
    assert report.mistake == "inverted" and "signal" in report.hint

    def stub(s, t):
        raise NotImplementedError

    assert ld.check("snr", stub).status == "not attempted"
    monkeypatch.chdir("/")
    with pytest.raises(ValueError, match="check: name: expected one of alpha_bar"):
        ld.check("snr", snr)
    with pytest.raises(ValueError, match="check: name: expected one of"):
        ld.check("../exercises/snr", snr)


def test_what_new_exercise_writes_works_as_it_is(tmp_path, capsys):
    shutil.copy(ROOT / "notebooks" / f"{STEM}.ipynb", tmp_path)
    command = ["new-exercise", "my_alpha", "--notebooks", str(tmp_path), "--notebook", "01"]
    assert cli.main(command) == 0
    asked = trusted.read(tmp_path / f"{STEM}.ipynb").questions
    assert asked[-1].name == "my_alpha" and "raise NotImplementedError" in asked[-1].stub
    assert cli.main(["check-exercise", "--notebooks", str(tmp_path)]) == 0
    assert "my_alpha: off-by-one is refused and named" in capsys.readouterr().out
    assert cli.main(command) == 2 and "expected a new one, got my_alpha" in capsys.readouterr().err


def test_without_a_notebook_it_writes_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["new-exercise", "my_alpha"]) == 0 and cli.main(["check-exercise", "my_alpha"]) == 0
    notebook = trusted.read(tmp_path / "my_alpha.ipynb")
    assert [q.name for q in notebook.questions] == ["my_alpha"] and "import labdiff" in notebook.setup
    assert cli.main(["handout", "out", "--notebooks", "."]) == 0
    assert cli.main(["new-exercise", "my_alpha"]) == 2 and "my_alpha.ipynb exists" in capsys.readouterr().err
    assert cli.main(["new-exercise", "other", "--notebooks", "nowhere"]) == 2
    assert "expected a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "args, words",
    [
        (["q_sample"], "got labdiff's own exercise q_sample"),
        (["Not a name"], "expected a function's name"),
        (["class"], "expected a function's name"),
        (["snr", "--notebook", "07"], "expected the beginning of a name"),
        (["snr", "--after", "nowhere"], "expected the id of a cell"),
    ],
)
def test_new_exercise_refuses_what_can_not_be(tmp_path, capsys, args, words):
    shutil.copy(ROOT / "notebooks" / f"{STEM}.ipynb", tmp_path)
    before = (tmp_path / f"{STEM}.ipynb").read_bytes()
    assert cli.main(["new-exercise", "--notebooks", str(tmp_path), "--notebook", "01", *args]) == 2
    assert words in capsys.readouterr().err
    assert before == (tmp_path / f"{STEM}.ipynb").read_bytes() and len(list(tmp_path.iterdir())) == 1


def test_the_guides_exercise_is_proved(folder, capsys):
    assert cli.main(["check-exercise", "snr", "--notebooks", str(folder)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) >= 5 and said[0].startswith("snr: the right formula is correct")
    assert cli.main(["check-exercise", "none", "--notebooks", str(folder)]) == 2


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("def snr(s, t):", "def snr(s, t:", "line .*: expected a Python file that runs, got SyntaxError"),
        (
            "import torch",
            "import torch\n1 / 0",
            r"line \d+: expected a Python file that runs, got ZeroDivision",
        ),
        ("def snr(", "def snor(", "snr: expected a function with the right formula, got nothing"),
        ("def probes(", "def probed(", "probes: expected a function"),
        ("MISTAKES = {", "WRONG = {", "MISTAKES: expected a dict"),
        ('"inverted": (', '"Inverted!": (', "MISTAKES: expected ids of small letters"),
        (
            "(s, torch.tensor([1]))",
            "(s, 'one')",
            "probe .*: expected tensors, numbers, Schedules or a spy, got str",
        ),
        ("(s, torch.tensor([1]))", "(s,)", r"probe .*: expected a tuple \(s, t\)"),
        ("POINTS = 2", "POINTS = -2", "POINTS: expected a number from 0 on, got -2"),
        ("POINTS = 2", "BLOCKED = [print]", "BLOCKED: expected functions of labdiff"),
        ("POINTS = 2", "OUTPUTS = ['a', 'b']", "OUTPUTS: expected 1 names"),
    ],
)
def test_a_broken_file_is_told_by_what_is_wrong(folder, old, new, words):
    path = own.path_of("snr", folder)
    assert old in path.read_text("utf-8")
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(ValueError, match=words) as error:
        trusted.read(folder / f"{STEM}.ipynb")
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("small(seed)", "small(0)", "probes: expected other numbers for another seed"),
        (
            '"inverted": (\n        lambda s, t: (1 - s.alpha_bar[t]) / s.alpha_bar[t]',
            '"inverted": (\n        snr',
            "refused",
        ),
        ("    a = s.alpha_bar[t]", "    a = table(s)[t]", "expected correct for the right formula alone"),
    ],
)
def test_what_does_not_hold_is_told(folder, old, new, words):
    path = own.path_of("snr", folder)
    text = path.read_text("utf-8")
    assert old in text
    text = text.replace(old, new).replace("POINTS = 2", "def table(s):\n    return s.alpha_bar\n")
    text = text.replace("(thousand(), ", "(s, ") if "seed" in words else text
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=words):
        proof.prove(path)


def test_an_entry_that_is_another_one_is_told(folder):
    path = own.path_of("snr", folder)
    twin = 'MISTAKES["twin"] = (MISTAKES["inverted"][0], "another name")\n'
    path.write_text(path.read_text("utf-8") + "\n\n" + twin, "utf-8")
    with pytest.raises(ValueError, match=r"MISTAKES\['inverted'\]: expected the name inverted"):
        proof.prove(path)


def test_handout_and_key_take_it_along(folder, tmp_path_factory, monkeypatch):
    out = tmp_path_factory.mktemp("out")
    assert cli.main(["handout", str(out / "h"), "--notebooks", str(folder)]) == 0
    cells = {c["id"]: c for c in json.loads((out / "h" / f"{STEM}.ipynb").read_text("utf-8"))["cells"]}
    assert cells["snr-check"]["metadata"]["nbgrader"]["points"] == 2
    monkeypatch.chdir(out / "h")
    assert ld.check("snr", snr).status == "correct"
    assert cli.main(["key", str(out / "k"), "--notebooks", str(folder)]) == 0
    solved, _ = reading.parse((out / "k" / f"{STEM}.ipynb").read_bytes())
    question = trusted.read(folder / f"{STEM}.ipynb").questions[0]
    scope = {"torch": torch}
    exec(reading.answer(solved, question).source, scope)
    assert question.name == "snr" and ld.check("snr", scope["snr"]).status == "correct"
    said = workcopy.update(folder, out / "work")
    assert len(said) == 2 and own.path_of("snr", out / "work").read_text("utf-8") == guide()
    assert workcopy.update(folder, out / "work") == []


def test_its_points_and_mistakes_count_in_the_course_file(folder, tmp_path):
    course = trusted.load(str(folder))
    assert {q.name: q.points for q in course[0].questions}["snr"] == 2
    (folder / "course.toml").write_text(
        '[exercises.snr]\npoints = 4\ncredit = { inverted = "50 %" }', "utf-8"
    )
    book, *_ = given.read(tmp_path / "out", course, folder)
    assert book.course.points == {"snr": 4} and book.course.share("snr", "inverted") == 0.5
    (folder / "course.toml").write_text('[exercises.snr]\ncredit = { inverted-twice = "50 %" }', "utf-8")
    with pytest.raises(ValueError, match="inverted-twice: expected mistakes, some of inverted"):
        given.read(tmp_path / "out", course, folder)


def test_a_kernel_gets_nothing_of_it_but_the_probes_inputs(folder, tmp_path_factory):
    base = tmp_path_factory.mktemp("kernel")
    question = trusted.read(folder / f"{STEM}.ipynb").questions[0]
    exercise = question.exercise
    package.write_all(base, ["snr"], own={"snr": exercise})
    texts = [p.read_bytes() for p in (base / "snr").rglob("*") if p.is_file()]
    right = answer(question).split("\n")[1].strip().encode()
    assert right and not [text for text in texts if right in text or b"inverted" in text]
    sent = protocol.request(exercise, exercise.probes(7))
    assert sent["name"] == "snr" and sent["call"] is None and right.decode() not in json.dumps(sent)
    for probe in exercise.probes(7):
        value = exercise.formula(*probe.args).flatten()[0].item()
        assert str(value) not in json.dumps(sent)


def test_what_it_blocks_is_refused(folder):
    path = own.path_of("snr", folder)
    text = path.read_text("utf-8").replace("POINTS = 2", "import labdiff as ld\nBLOCKED = [ld.q_sample]")
    path.write_text(text, "utf-8")
    assert proof.prove(path)
    exercise = own.load(path)
    probes = exercise.probes(0)

    def asks(s, t):
        return ld.q_sample(s, torch.ones(len(t), 1), t, torch.zeros(len(t), 1))

    report = proof.judge(exercise, probes, proof.collect(exercise, asks, probes))
    assert report.mistake == "library-call"


def test_a_cell_without_its_file_says_what_to_do(folder):
    own.path_of("snr", folder).unlink()
    with pytest.raises(ValueError, match="exercises/NAME.py there .labdiff new-exercise NAME"):
        trusted.read(folder / f"{STEM}.ipynb")


def test_a_file_that_was_changed_is_graded_again(folder):
    first = trusted.read(folder / f"{STEM}.ipynb").questions[0]
    path = own.path_of("snr", folder)
    path.write_text(path.read_text("utf-8") + "# more\n", "utf-8")
    assert trusted.read(folder / f"{STEM}.ipynb").questions[0] != first
