"""An instructor's own exercise: declared in a file, found by ld.check, proved, handed out."""

import json
import re
import shlex
import shutil
from pathlib import Path

import nbformat
import pytest
import torch

import labdiff as ld
from labdiff import cli, workcopy
from labdiff.checks import own, proof
from labdiff.grading.gradebook import course_file, given
from labdiff.grading.intake import reading, trusted
from labdiff.grading.publish import handout
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
        ("POINTS = 2", "OUTPUTS = 'a'", "OUTPUTS: expected 1 names in a tuple, got 'a'"),
        ("POINTS = 2", "POINTS = float('inf')", "POINTS: expected a number from 0 on, got inf"),
        (
            "POINTS = 2",
            "raise SystemExit(3)",
            r"line \d+: expected a Python file that runs, got SystemExit: 3",
        ),
        ("POINTS = 2", "BLOCKED = print", r"BLOCKED: expected a tuple such as \(ld.q_sample,\), got"),
        ('SLIDE = "S5, S13"', "SLIDE = 5", "SLIDE: expected a text, got 5"),
        (
            "def snr(s, t):",
            "def other(s, t):",
            "snr: expected a function with the right formula, got nothing",
        ),
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
        (
            "    return a / (1 - a)",
            "    pass",
            r"snr, seed 0: expected correct .*, got not yet \(no-return\)",
        ),
        (
            "torch.tensor([5])",
            "torch.tensor([6])",
            "snr: expected numbers on all probes, got IndexError index 6",
        ),
        (
            "return a / (1 - a)",
            "return a / (1 - a) * math.nan",
            "snr: expected numbers on all probes, got NaN",
        ),
        (
            "lambda s, t: (1 - s.alpha_bar[t]) / s.alpha_bar[t]",
            "lambda s, t: 1 / 0",
            r"MISTAKES\['inverted'\]: expected numbers on some probe, got ZeroDivisionError division by zero",
        ),
    ],
)
def test_what_does_not_hold_is_told(folder, old, new, words):
    path = own.path_of("snr", folder)
    text = path.read_text("utf-8")
    assert old in text
    text = text.replace(old, new).replace(
        "POINTS = 2", "import math\n\n\ndef table(s):\n    return s.alpha_bar\n"
    )
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=words):
        proof.prove(path)


def test_an_entry_that_is_another_one_is_told(folder):
    path = own.path_of("snr", folder)
    twin = 'MISTAKES["twin"] = (MISTAKES["inverted"][0], "another name")\n'
    path.write_text(path.read_text("utf-8") + "\n\n" + twin, "utf-8")
    with pytest.raises(ValueError, match=r"MISTAKES\['inverted'\]: expected the name inverted") as error:
        proof.prove(path)
    assert "twin gives the same numbers: leave one out, or add a probe" in str(error.value)


BODY = '''):
    """SNR(t) = alpha_bar_t / (1 - alpha_bar_t)"""
    a = s.alpha_bar[t]
    return a / (1 - a)
'''


@pytest.mark.parametrize(
    "body",
    [
        BODY,
        "): return s.alpha_bar[t] / (1 - s.alpha_bar[t])\n",
        ', /):\n  """Two spaces."""; a = s.alpha_bar[t]\n  return a / (1 - a)\n',
        ") -> torch.Tensor:\n\tif len(t):\n\t\ta = s.alpha_bar[t]\n\treturn a / (1 - a)\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_the_keys_answer_is_the_formula_however_it_is_written(folder, body, encoding):
    path, notebook = own.path_of("snr", folder), folder / f"{STEM}.ipynb"
    assert BODY in guide()
    path.write_text(guide().replace(BODY, body).replace("\n", "\r\n"), encoding, newline="")
    scope = {"torch": torch}
    exec(own.key(path), scope)
    s = ld.linear_schedule(5)
    assert torch.equal(scope["snr"](s, torch.tensor([1, 3])), snr(s, torch.tensor([1, 3])))
    told = notebook.read_text("utf-8")
    stub = json.loads(told)["cells"]
    cell = next(c for c in stub if c["id"] == "snr-answer")
    for text in (
        "".join(cell["source"]),
        'def snr(s, t):\n  """Two."""\n\n  raise NotImplementedError("you")',
    ):
        scope = {"torch": torch}
        exec("\n".join(handout.filled(text, own.key(path), "snr-answer")), scope)
        assert torch.equal(scope["snr"](s, torch.tensor([2])), snr(s, torch.tensor([2])))


def test_a_formula_that_is_no_def_is_told(folder):
    path = own.path_of("snr", folder)
    path.write_text(guide().replace(f"def snr(s, t{BODY}", "snr = lambda s, t: s.alpha_bar[t]\n"), "utf-8")
    with pytest.raises(ValueError, match=r"snr: expected def snr\(...\) at the left margin"):
        own.load(path)
    path.write_text(guide().replace("# ", "# für ") + "# für\n", "latin-1")
    with pytest.raises(ValueError, match="snr.py: text: expected UTF-8, got 'utf-8' codec"):
        own.load(path)
    path = path.rename(path.with_name("my-snr.py"))
    with pytest.raises(ValueError, match="file name: expected the function's name"):
        own.load(path)


@pytest.mark.parametrize(
    "stub, words",
    [
        ("def snr(s, t):\n    pass", "expected a stub with the line raise NotImplementedError, got 'def snr"),
        ("", "expected a stub with the line raise NotImplementedError, got ''"),
        (
            "def snr(a, t):\n    raise NotImplementedError",
            r"expected the key's arguments \(s, t\), got \(a, t\)",
        ),
    ],
)
def test_a_stub_that_the_key_can_not_fill_is_told(folder, stub, words):
    with pytest.raises(ValueError, match=f"cell snr-answer: {words}"):
        handout.filled(stub, own.key(own.path_of("snr", folder)), "snr-answer")


def test_check_exercise_says_which_exercise_no_notebook_asks_for(tmp_path, capsys):
    assert cli.main(["new-exercise", "my_alpha", "--notebooks", str(tmp_path)]) == 0
    for name in ("my_alpha", "my-alpha", "my_alpha.py"):
        assert cli.main(["check-exercise", name, "--notebooks", str(tmp_path)]) == 0
    assert "no notebook" not in capsys.readouterr().out
    (tmp_path / "my_alpha.ipynb").unlink()
    assert cli.main(["check-exercise", "--notebooks", str(tmp_path)]) == 0
    assert f"my_alpha: no notebook in {tmp_path} asks for it" in capsys.readouterr().out
    assert cli.main(["check-exercise", "--notebooks", str(tmp_path / "nowhere")]) == 2
    assert "check-exercise: --notebooks: expected a folder" in capsys.readouterr().err


def test_new_exercise_takes_notebooks_of_older_formats_and_no_others(tmp_path, capsys):
    cell = {"cell_type": "markdown", "metadata": {}, "source": "hello"}
    old = {"cells": [cell, dict(cell)], "metadata": {}, "nbformat": 4, "nbformat_minor": 2}
    (tmp_path / "notes.ipynb").write_text(json.dumps(old), "utf-8")
    command = ["new-exercise", "my_alpha", "--notebooks", str(tmp_path), "--notebook", "notes"]
    assert cli.main(command) == 0
    nbformat.validate(nbformat.read(tmp_path / "notes.ipynb", as_version=4))
    assert [q.name for q in trusted.read(tmp_path / "notes.ipynb").questions] == ["my_alpha"]
    (tmp_path / "broken.ipynb").write_text("{", "utf-8")
    command[1], command[-1] = "other", "broken"
    assert cli.main(command) == 2 and "broken.ipynb: expected a notebook" in capsys.readouterr().err
    assert cli.main(["new-exercise", "third", "--notebooks", str(tmp_path)]) == 0
    made = nbformat.read(tmp_path / "third.ipynb", as_version=4)
    assert made.metadata.kernelspec.name == "python3"  # or JupyterLab asks each student for one


def test_two_notebooks_that_ask_the_same_are_told(folder, capsys):
    shutil.copy(folder / f"{STEM}.ipynb", folder / f"{STEM}-Copy1.ipynb")
    assert cli.main(["handout", str(folder / "out"), "--notebooks", str(folder)]) == 2
    said = capsys.readouterr().err
    assert f"expected it in one notebook, got it in {STEM}-Copy1.ipynb and {STEM}.ipynb" in said


def commands(text):
    """The commands in the code blocks of a page."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S)
    lines = [
        shlex.split(line, comments=True) for kind, block in blocks if not kind for line in block.splitlines()
    ]
    return [line for line in lines if line]


def test_the_guides_walk_through_works_as_it_is_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    page = (ROOT / "docs" / "instructors.md").read_text("utf-8")
    section = page.split("## An exercise of your own")[1].split("\n## ")[0]
    copied, new, *others, grade = commands(section)
    assert copied == ["cp", "-r", "notebooks", "course"] and grade[:2] == ["labdiff", "grade"]
    shutil.copytree("notebooks", "course")
    assert cli.main(new[1:]) == 0
    Path("course", "exercises", "snr.py").write_text(guide(), "utf-8")
    for command in others:
        assert command[0] == "labdiff" and cli.main(command[1:]) == 0
    assert "snr: inverted is refused and named" in capsys.readouterr().out
    assert Path("handout", "exercises", "snr.py").read_text("utf-8") == guide()
    ids = [cell["id"] for cell in json.loads(Path("handout", f"{STEM}.ipynb").read_text("utf-8"))["cells"]]
    at = ids.index("alpha-bar-check")
    assert ids[at + 1 : at + 4] == ["snr-task", "snr-answer", "snr-check"]


def test_each_command_and_the_course_file_in_the_guide_can_be_read(tmp_path):
    page = (ROOT / "docs" / "instructors.md").read_text("utf-8")
    asked = [line[1:] for line in commands(page) if line[0] == "labdiff"]
    assert len(asked) > 12 and {line[0] for line in asked} > {
        "grade",
        "merge",
        "gradescope",
        "check-exercise",
    }
    for line in asked:
        cli.parser().parse_args(line)
    block = page.split("```toml\n")[1].split("```")[0]
    path = tmp_path / "course.toml"
    path.write_text(block, "utf-8")
    read = course_file.read(path, given.mistakes_of(trusted.load()))
    assert read.points == {"q_sample": 3} and read.late.days == 3 and read.packages == ("networkx",)


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


def test_what_a_notebook_links_to_is_handed_out_with_it(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    shutil.copy(ROOT / "notebooks" / "glossary.md", folder)
    (folder / "figures").mkdir()
    for name in ("figures/snr.png", "answers.md"):
        (folder / name).write_bytes(b"x")
    path = folder / f"{STEM}.ipynb"
    text = path.read_text("utf-8").replace(
        "**Exercise.** Say", "![](figures/snr.png) [x](../secret.md) Say", 1
    )
    path.write_text(text, "utf-8")
    (folder.parent / "secret.md").write_text("secret")
    assert cli.main(["handout", str(out), "--notebooks", str(folder)]) == 0
    names = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    assert names == {path.name, "exercises/snr.py", "glossary.md", "figures/snr.png"}


def test_its_points_and_mistakes_count_in_the_course_file(folder, tmp_path):
    course = trusted.load(str(folder))
    assert {q.name: q.points for q in course[0].questions}["snr"] == 2
    (folder / "course.toml").write_text(
        '[exercises.snr]\npoints = 4\ncredit = { inverted = "50 %" }', "utf-8"
    )
    book, *_ = given.read(tmp_path / "out", course, folder)
    assert book.keys == {"snr": own.key(own.path_of("snr", folder))}
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
