"""The command line as a person types it: help, one-line errors, exit codes, and what lab and sample write."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import torch
from PIL import Image

import labdiff as ld
from labdiff import cli, course, workcopy
from labdiff.pretrained import save_weights

ROOT = Path(__file__).parents[1]
COMMANDS = (
    "lab",
    "train",
    "sample",
    "site",
    "new-exercise",
    "check-exercise",
    "handout",
    "key",
    "grade",
    "merge",
    "gradescope",
    "classroom50",
    "grade-one",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([command, "--help"])
    said = capsys.readouterr().out
    assert end.value.code == 0 and said.startswith(f"usage: labdiff {command} ") and len(said) > 250


def test_help_names_all_commands_and_the_exit_codes(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    said = capsys.readouterr().out
    assert [c for c in COMMANDS if not re.search(rf"\n    {c}\s", said)] == []
    assert all(f"{code} " in said.partition("exit codes:")[2] for code in (0, 1, 2, 130))


@pytest.mark.parametrize("module", ["labdiff", "labdiff.grading"])
def test_both_modules_are_the_command(module, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["labdiff", "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module(module, run_name="__main__")
    assert end.value.code == 0 and capsys.readouterr().out.startswith("usage: labdiff [-h] COMMAND")


EXTRAS = [
    "jupyterlab",
    "nbval",
    "pytest",
    "nbformat",
    "nbconvert",
    "nbclient",
    "latex2mathml",
    "diffusers",
    "zmq",
]
WITHOUT = {  # the modules that are missing, and a command
    "lab": (["jupyterlab"], ["lab", "--work", "work"]),
    "site": (["nbconvert"], ["site", "site"]),
    "grading": (["nbval"], ["grade", ".", "--out", "graded"]),
    "windows": (["resource"], ["grade", ".", "--out", "graded"]),
    "copy": (EXTRAS, ["lab", "--work", "work", "--copy-only"]),
    "handout": (EXTRAS, ["handout", "handout"]),
    "sample": (EXTRAS, ["sample", "some.png", "-n", "1", "--steps", "1"]),
}


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    """{name: (exit code, stderr)} of each command, run where the modules are missing; and the folder."""
    folder = tmp_path_factory.mktemp("without")
    code = """if True:
        import json, os, sys, pathlib
        from labdiff.cli import main
        for name, (modules, arguments) in json.loads(sys.argv[1]).items():
            if os.fork() == 0:
                os.dup2(os.open(name + ".err", os.O_CREAT | os.O_WRONLY), 2)
                sys.modules.update(dict.fromkeys(modules))
                pathlib.Path(name + ".code").write_text(str(main(arguments)))
                os._exit(0)
            os.wait()
    """
    subprocess.run([sys.executable, "-c", code, json.dumps(WITHOUT)], check=True, cwd=folder)
    ends = {n: (int((folder / f"{n}.code").read_text()), (folder / f"{n}.err").read_text()) for n in WITHOUT}
    return ends, folder


@pytest.mark.parametrize("extra", ["lab", "site", "grading"])
def test_a_package_that_is_missing_is_named_with_its_extra(without, extra):
    code, said = without[0][extra]
    assert code == 2 and said.count("\n") == 1
    assert WITHOUT[extra][0][0] in said and f"pip install -e '.[{extra}]'" in said


def test_on_windows_grading_says_why_not_which_package(without):
    code, said = without[0]["windows"]
    assert code == 2 and said.count("\n") == 1
    assert "no module 'resource'" in said and "WSL" in said and "pip" not in said


def test_without_any_extra_the_rest_works(without):
    ends, folder = without
    assert [ends[name] for name in ("copy", "handout", "sample")] == [(0, "")] * 3
    for path in ("work/01_forward_noising.ipynb", "handout/01_forward_noising.ipynb", "some.png"):
        assert (folder / path).exists()


def test_interrupted_is_130_and_one_line(monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(workcopy, "update", stop)
    assert cli.main(["lab", "--copy-only"]) == 130
    assert capsys.readouterr().err.strip() == "labdiff: interrupted. Run the same command again to go on."


# ---- labdiff sample ----


def test_sample_writes_the_same_png_for_the_same_seed(tmp_path):
    for name, seed in (("a.png", 0), ("deep/b.png", 0), ("c.png", 1)):
        done = cli.main(
            ["sample", str(tmp_path / name), "-n", "6", "--columns", "3", "--steps", "2", "--seed", str(seed)]
        )
        assert done == 0
    a, b, c = (Image.open(tmp_path / name) for name in ("a.png", "deep/b.png", "c.png"))
    assert a.size == (3 * (3 * 30 - 2), 3 * (2 * 30 - 2)) and a.mode == "L"
    assert a.tobytes() == b.tobytes() != c.tobytes()
    assert len(a.getcolors(256)) > 30


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["x.jpg"], "expected a name that ends in .png, got x.jpg"),
        (["x.png", "--weights", "nowhere"], "folder: expected"),
        (["x.png", "--snapshot", "7"], "step: expected one of"),
        (["x.png", "--method", "ddpm", "--steps", "7"], "expected None or T = 1000"),
    ],
)
def test_sample_says_what_is_wrong_in_one_line(arguments, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["sample", *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1 and list(tmp_path.iterdir()) == []


def test_sample_draws_the_label_that_is_asked_for(tmp_path, capsys):
    """Weights of a network that answers with its label: x_0 then follows from it alone."""
    s = ld.linear_schedule(T=4)
    model = ld.UNet(
        8, mults=(1,), classes=3, alpha_bar=s.alpha_bar, generator=torch.Generator().manual_seed(0)
    )
    images, labels = torch.zeros(6, 1, 28, 28), torch.arange(6) % 3
    more = dict(n_steps=2, batch_size=2, labels=labels, generator=torch.Generator().manual_seed(0))
    *_, step = ld.train(model, s, images, **more)
    (tmp_path / "weights").mkdir()
    with torch.no_grad():
        step.ema.head.weight.normal_(generator=torch.Generator().manual_seed(1))
    save_weights(step, tmp_path / "weights", "zeros")
    command = ["sample", "-n", "2", "--steps", "2", "--weights", str(tmp_path / "weights")]
    for name, options in (("a", ()), ("b", ("--label", "1")), ("c", ("--label", "2"))):
        assert cli.main([*command, *options, str(tmp_path / f"{name}.png")]) == 0
    a, b, c = (Image.open(tmp_path / f"{name}.png").tobytes() for name in "abc")
    assert len({a, b, c}) == 3
    capsys.readouterr()
    assert cli.main([*command, "--label", "4", str(tmp_path / "d.png")]) == 2
    said = capsys.readouterr().err
    assert "label: expected" in said and said.count("\n") == 1 and not (tmp_path / "d.png").exists()


# ---- labdiff handout --colab ----


@pytest.mark.parametrize(
    "place, address, package",
    [
        (
            "us/lab",
            "us/lab/blob/main/01_forward_noising.ipynb",
            "labdiff @ git+https://github.com/us/lab@main",
        ),
        (
            "us/lab@v2/out/week 1/",
            "us/lab/blob/v2/out/week%201/01_forward_noising.ipynb",
            "labdiff @ git+https://github.com/us/lab@v2",
        ),
    ],
)
def test_a_handout_for_colab_has_a_badge_and_installs_only_there(place, address, package, tmp_path):
    from IPython.core.inputtransformer2 import TransformerManager

    from labdiff.grading.intake import reading, trusted

    for _ in range(2):
        assert cli.main(["handout", str(tmp_path), "--notebook", "01", "--colab", place]) == 0
    path = tmp_path / "01_forward_noising.ipynb"
    nbformat.validate(nbformat.read(path, as_version=4))
    badge, install, *rest = json.loads(path.read_text("utf-8"))["cells"]
    assert f"(https://colab.research.google.com/github/{address})" in badge["source"]
    code = TransformerManager().transform_cell(install["source"])
    asked = []
    scope = {"get_ipython": lambda: SimpleNamespace(run_line_magic=lambda *a: asked.append(a))}
    exec(code, scope)
    assert asked == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "google.colab", SimpleNamespace())
        exec(code, scope)
    assert asked == [("pip", f'install --quiet "{package}"')]
    (course_,) = trusted.load(only=["01"])
    cells, flags = reading.parse(path.read_bytes())
    assert len(cells) == len(rest) + 2 and flags == []
    assert reading.answer(cells, course_.questions[0]).status == "not attempted"


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--colab", "lab"], "--colab: expected OWNER/REPOSITORY"),
        (["--colab", "https://github.com/us/lab"], "--colab: expected OWNER/REPOSITORY"),
        (["--package", "labdiff.whl"], "--package: expected --colab"),
    ],
)
def test_a_wrong_place_for_colab_is_told(arguments, words, tmp_path, capsys):
    assert cli.main(["handout", str(tmp_path / "out"), *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1 and not (tmp_path / "out").exists()


# ---- labdiff lab ----


def cell(name, text, kind="code"):
    made = {"id": name, "cell_type": kind, "metadata": {}, "source": text}
    if kind == "code":
        made["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "seen"}]
        made["execution_count"] = 3
    return made


def save(path, *cells):
    path.parent.mkdir(exist_ok=True)
    notebook = {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(course.text_of(notebook), "utf-8")


def sources(path):
    return {c["id"]: c["source"] for c in json.loads(path.read_text("utf-8"))["cells"]}


@pytest.fixture
def folders(tmp_path):
    """A course with one notebook and a picture, and where the copies go."""
    save(
        tmp_path / "course" / "01_a.ipynb",
        cell("text", "# guess first", "markdown"),
        cell("shown", "print('seen')"),
        cell("q-answer", "raise NotImplementedError"),
        cell("last", "1 + 1"),
    )
    (tmp_path / "course" / "beside.png").write_bytes(b"picture")
    return tmp_path / "course", tmp_path / "work"


def test_the_copy_hides_outputs_and_the_course_keeps_its_own(folders):
    source, work = folders
    before = (source / "01_a.ipynb").read_bytes()
    said = workcopy.update(source, work)
    assert [sentence.endswith("copied") for sentence in said] == [True, True]
    copy = json.loads((work / "01_a.ipynb").read_text("utf-8"))
    code = [c for c in copy["cells"] if c["cell_type"] == "code"]
    assert len(code) == 3 and all(c["outputs"] == [] and c["execution_count"] is None for c in code)
    assert sources(work / "01_a.ipynb") == sources(source / "01_a.ipynb")
    assert (work / "beside.png").read_bytes() == b"picture" and (source / "01_a.ipynb").read_bytes() == before
    assert workcopy.update(source, work) == []


def test_running_and_answering_survive_when_nothing_is_new(folders):
    source, work = folders
    workcopy.update(source, work)
    save(work / "01_a.ipynb", cell("q-answer", "return 1"))
    mine = (work / "01_a.ipynb").read_bytes()
    assert workcopy.update(source, work) == [] and (work / "01_a.ipynb").read_bytes() == mine


def test_an_update_takes_over_what_the_learner_did(folders):
    source, work = folders
    workcopy.update(source, work)
    save(
        work / "01_a.ipynb",
        cell("note-0", "first of all", "markdown"),
        cell("text", "# guess first", "markdown"),
        cell("shown", "print('seen')"),
        cell("q-answer", "return 1"),
        cell("note-1", "my own"),
        cell("note-2", "and another"),
        cell("last", "1 + 2"),
    )
    mine = (work / "01_a.ipynb").read_bytes()
    save(
        source / "01_a.ipynb",
        cell("text", "# guess first, mended", "markdown"),
        cell("fresh", "new()"),
        cell("shown", "print('seen')"),
        cell("q-answer", "raise NotImplementedError  # mended"),
    )
    (said,) = workcopy.update(source, work)
    now = sources(work / "01_a.ipynb")
    assert list(now.items()) == [
        ("note-0", "first of all"),
        ("text", "# guess first, mended"),
        ("fresh", "new()"),
        ("shown", "print('seen')"),
        ("q-answer", "return 1"),
        ("note-1", "my own"),
        ("note-2", "and another"),
        ("last", "1 + 2"),  # the course dropped it, the learner had changed it
    ]
    cells = {c["id"]: c for c in json.loads((work / "01_a.ipynb").read_text("utf-8"))["cells"]}
    assert cells["shown"]["outputs"] and not cells["fresh"]["outputs"]
    (kept,) = (work / workcopy.MEMORY).glob("01_a-*.ipynb")
    assert kept.read_bytes() == mine and str(kept) in said
    assert workcopy.update(source, work) == []


def test_an_untouched_copy_becomes_the_new_one(folders):
    source, work = folders
    workcopy.update(source, work)
    save(source / "01_a.ipynb", cell("text", "# all new", "markdown"))
    (source / "beside.png").write_bytes(b"another")
    assert len(workcopy.update(source, work)) == 2
    assert sources(work / "01_a.ipynb") == {"text": "# all new"}
    assert (work / "beside.png").read_bytes() == b"another"


@pytest.mark.parametrize(
    "mine",
    [
        b"{ not json",
        b'{"cells": [{"cell_type": "code", "source": "no ids"}], "metadata": {}}',
        b"[]",
        b"\xff\xfe",
    ],
)
def test_what_cannot_be_merged_stays_as_it_is(folders, mine):
    source, work = folders
    workcopy.update(source, work)
    (work / "01_a.ipynb").write_bytes(mine)
    save(source / "01_a.ipynb", cell("text", "# all new", "markdown"))
    (said,) = workcopy.update(source, work)
    assert "kept as it is" in said and (work / "01_a.ipynb").read_bytes() == mine


def test_a_file_that_was_there_before_is_never_overwritten(folders):
    source, work = folders
    save(work / "01_a.ipynb", cell("q-answer", "return 1"))
    (work / "beside.png").write_bytes(b"mine")
    mine = (work / "01_a.ipynb").read_bytes()
    assert all("kept as it is" in sentence for sentence in workcopy.update(source, work))
    assert (work / "01_a.ipynb").read_bytes() == mine and (work / "beside.png").read_bytes() == b"mine"


def test_lab_opens_the_copy_and_hands_the_rest_to_jupyter(folders, monkeypatch, capsys):
    source, work = folders
    called = []
    monkeypatch.setattr(subprocess, "call", lambda command: called.append(command) or 7)
    arguments = ["lab", "--work", str(work), "--notebooks", str(source)]
    assert cli.main([*arguments, "--", "--port", "9000"]) == 7
    (command,) = called
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert command[-3:] == ["--port", "9000", str(work / "01_a.ipynb")]
    assert cli.main([*arguments, "--copy-only"]) == 0 and len(called) == 1
    assert sys.executable in capsys.readouterr().out
    assert cli.main([*arguments, "--notebook", "07"]) == 2 and "got 07" in capsys.readouterr().err


def test_lab_does_not_work_in_the_courses_own_folder(folders, capsys):
    source, _ = folders
    before = (source / "01_a.ipynb").read_bytes()
    assert cli.main(["lab", "--work", str(source), "--notebooks", str(source)]) == 2
    assert "expected another folder" in capsys.readouterr().err
    assert (source / "01_a.ipynb").read_bytes() == before
