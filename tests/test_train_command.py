"""labdiff train: what was trained is what load_pretrained gives, and each user's error is one line."""

import re
import signal

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

import labdiff as ld
from labdiff import cli, training
from labdiff.commands import fit
from labdiff.pretrained import with_labels

SHORT = ["--batch-size", "4", "--schedule", "linear"]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """On the CPU, a network that trains in no time."""
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LABDIFF_DEVICE", "cpu")
    real = fit.UNet
    monkeypatch.setattr(fit, "UNet", lambda **kwargs: real(8, mults=(1, 2), **kwargs))


@pytest.fixture
def labdiff(tmp_path, monkeypatch, capsys):
    """Run `labdiff train ...` with --out OUT in tmp_path; return (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, out="out"):
        capsys.readouterr()
        try:
            code = cli.main(["train", *map(str, SHORT), "--out", str(out), *map(str, arguments)])
        except SystemExit as error:  # argparse
            code = error.code
        text = capsys.readouterr()
        return code, text.out, text.err

    return run


def refused(result, message):
    """An exit code of 2, and one line that says so; no file was written over."""
    code, _, err = result
    assert code == 2 and err.startswith("labdiff: ") and err.count("\n") == 1 and "Traceback" not in err
    assert re.search(message, err), err


def weights(folder, step):
    return safetensors.torch.load_file(folder / f"unet_{step:06d}.safetensors")


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_an_interrupted_run_goes_on(labdiff, tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "EVERY", 2)
    assert labdiff("--steps", 3, out="whole")[0] == 0
    saved = fit.save_checkpoint

    def lights_out(path, step, notes):
        saved(path, step, notes)
        raise KeyboardInterrupt

    monkeypatch.setattr(fit, "save_checkpoint", lights_out)
    assert labdiff("--steps", 3)[0] == 130
    monkeypatch.setattr(fit, "save_checkpoint", saved)
    assert (tmp_path / "out/run.checkpoint").exists() and not ld.pretrained_steps(tmp_path / "out")
    refused(
        labdiff("--steps", 3, "--seed", 16), "--seed: expected 15 as in the run in out/run.checkpoint, got 16"
    )
    refused(
        labdiff("--steps", 3, "--lr", 0.1), "--lr: expected 0.003 as in the run in .*, got 0.1. Give the same"
    )
    code, out, _ = labdiff("--steps", 3)
    assert code == 0 and "going on from step 2 of out/run.checkpoint" in out and "step 2:" not in out
    assert same(weights(tmp_path / "whole", 3), weights(tmp_path / "out", 3))


def test_ctrl_c_ends_after_the_step_and_loses_none(labdiff, tmp_path, monkeypatch):
    assert labdiff("--steps", 4, out="whole")[0] == 0
    drawn, calls = training._draw, []

    def ctrl_c(*args):
        calls.append(args)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)  # within the second step
        return drawn(*args)

    monkeypatch.setattr(training, "_draw", ctrl_c)
    before = signal.getsignal(signal.SIGINT)
    code, out, err = labdiff("--steps", 4)
    assert code == 130 and "step 2: loss" in out and "Run the same command again to go on" in err
    assert signal.getsignal(signal.SIGINT) is before
    code, out, _ = labdiff("--steps", 4)
    assert code == 0 and "going on from step 2" in out
    assert same(weights(tmp_path / "whole", 4), weights(tmp_path / "out", 4))


def test_a_slow_run_is_saved_by_the_clock_too(labdiff, tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "SECONDS", -1)
    code, out, _ = labdiff("--steps", 3)
    assert code == 0 and re.findall("step (.):", out) == ["1", "2", "3"]


def test_a_finished_run_goes_on_with_more_steps(labdiff, tmp_path):
    assert labdiff("--steps", 2)[0] == 0
    first = weights(tmp_path / "out", 2)
    code, out, _ = labdiff("--steps", 2)
    assert code == 0 and out.endswith("has done its 2 steps. More --steps train it on\n")
    code, out, _ = labdiff("--steps", 4)
    assert code == 0 and "going on from step 2 of out/run.checkpoint\n" in out
    assert "from here, the learning rate is that of a run of 4 steps, not of 2" in out
    assert ld.pretrained_steps(tmp_path / "out") == [2, 4] and same(first, weights(tmp_path / "out", 2))
    checkpoint = ld.load_checkpoint(tmp_path / "out/run.checkpoint")
    assert checkpoint.n == 4 and checkpoint.notes["steps"] == 4
    labdiff("--steps", 2, out="by hand")  # the same by the library
    resume = ld.load_checkpoint(tmp_path / "by hand/run.checkpoint")
    s, images = ld.linear_schedule(), ld.load_digits().images
    model = fit.UNet(alpha_bar=s.alpha_bar)
    *_, step = ld.train(model, s, images, n_steps=4, batch_size=4, resume=resume)
    last, _ = ld.load_pretrained(folder=tmp_path / "out")
    torch.testing.assert_close(last.state_dict(), step.ema.state_dict(), rtol=1e-3, atol=1e-6)


def test_a_shorter_run_does_not_hide_behind_a_longer_one(labdiff, tmp_path):
    assert labdiff("--steps", 3, "--snapshots", 1)[0] == 0
    before = weights(tmp_path / "out", 3)
    refused(
        labdiff("--steps", 2),
        "--steps: expected at least the 3 that the run in out/run.checkpoint has done, got 2",
    )
    (tmp_path / "out/run.checkpoint").unlink()
    refused(
        labdiff("--steps", 2),
        "--out: expected a folder without weights of another run, got out with .* step 3,",
    )
    refused(
        labdiff("--steps", 9), "--out: expected a folder without weights of another run"
    )  # nor a longer one
    assert same(before, weights(tmp_path / "out", 3)) and ld.pretrained_steps(tmp_path / "out") == [1, 3]


def test_a_batch_in_parts_is_the_same_batch(labdiff, tmp_path, monkeypatch):
    sizes, real = [], fit.UNet

    def watched(**kwargs):
        model = real(**kwargs)
        model.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
        return model

    monkeypatch.setattr(fit, "UNet", watched)
    assert labdiff("--steps", 2, out="whole")[0] == labdiff("--steps", 2, "--accumulate", 2)[0] == 0
    assert sizes == [4, 4, 2, 2, 2, 2]
    torch.testing.assert_close(
        weights(tmp_path / "whole", 2), weights(tmp_path / "out", 2), rtol=1e-2, atol=1e-4
    )


def test_snapshots_and_the_place_of_the_checkpoint(labdiff, tmp_path):
    code, out, _ = labdiff("--steps", 3, "--snapshots", 1, 2, "--checkpoint", "else/where")
    assert code == 0 and ld.pretrained_steps(tmp_path / "out") == [1, 2, 3]
    assert re.findall(r"step (\d): loss", out) == ["1", "2", "3"]
    assert (tmp_path / "else/where").exists() and not list((tmp_path / "out").glob("run*"))
    _, s = ld.load_pretrained(1, folder=tmp_path / "out")
    assert torch.equal(s.beta, ld.linear_schedule().beta)


def test_a_snapshot_of_a_step_that_is_done_is_refused(labdiff, tmp_path):
    assert labdiff("--steps", 3, "--snapshots", 1)[0] == 0
    for steps in (3, 5):  # finished, and one that would go on
        refused(labdiff("--steps", steps, "--snapshots", 2), "--snapshots: expected steps after the 3 .* 2. ")
    assert labdiff("--steps", 5, "--snapshots", 1, 4)[0] == 0
    assert ld.pretrained_steps(tmp_path / "out") == [1, 3, 4, 5]


@pytest.mark.parametrize("local_rank, order", [("0", ["download", "barrier"]), ("1", ["barrier", "load"])])
def test_other_processes_load_what_the_first_has_downloaded(labdiff, monkeypatch, local_rank, order):
    done = []

    def load(split, name, download, **_):
        done.append("download" if download else "load")
        raise ValueError("enough")

    monkeypatch.setenv("LOCAL_RANK", local_rank)
    monkeypatch.setattr(fit, "load_digits", load)
    monkeypatch.setattr(fit.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(fit.dist, "barrier", lambda: done.append("barrier"))
    labdiff("--steps", 1, "--name", "FashionMNIST", "--download")
    assert done == order[: len(done)] and done[-1] in ("download", "load")


def test_the_averaged_weights_are_written(labdiff, tmp_path):
    assert labdiff("--steps", 3)[0] == 0
    checkpoint, model = (
        ld.load_checkpoint(tmp_path / "out/run.checkpoint"),
        ld.load_pretrained(folder="out")[0],
    )
    for name, value in checkpoint.part("ema").items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=1e-3, atol=1e-6)
    head = checkpoint.part("model")["head.weight"]
    assert (model.head.weight - head).abs().max() > 0.1 * head.abs().max() > 0


# Own images, labels, and weights to start from


@pytest.fixture
def photos(tmp_path):
    """Two labels with three images each, 20 x 30."""
    rng = np.random.default_rng(0)
    for path in (tmp_path / "photos" / label / f"{i}.png" for label in "ab" for i in range(3)):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(path)
    return tmp_path / "photos"


def test_own_images_in_colour(labdiff, photos):
    code, _, err = labdiff("--images", photos, "--size", 16, "--channels", 3, "--steps", 2)
    assert code == 0, err
    model, s = ld.load_pretrained(folder="out")
    assert ld.sample(model, s, (1, 3, 16, 16), method="ddim", n_steps=2).shape == (1, 3, 16, 16)
    assert cli.main(["sample", "a.png", "--weights", "out", "-n", "1", "--enlarge", "1", "--steps", "1"]) == 0
    assert Image.open("a.png").size == (16, 16)  # as it was trained on


def test_with_labels(labdiff, photos):
    code, _, err = labdiff("--images", photos, "--size", 8, "--labels", "--drop-label", 0.5, "--steps", 2)
    assert code == 0, err
    model, _ = ld.load_pretrained(folder="out")
    x, t = torch.ones(2, 1, 8, 8), torch.tensor([5, 7])
    assert model.config["classes"] == 2 and not torch.equal(model(x, t, 0), model(x, t, 1))


def test_start_from_weights(labdiff, tmp_path):
    assert labdiff("--steps", 2, out="first")[0] == 0
    code, _, err = labdiff("--start", "first", "--steps", 1, "--lr", 1e-9)
    assert code == 0, err
    assert ld.pretrained_steps(tmp_path / "out") == [3]  # the steps behind the start count
    first, second = weights(tmp_path / "first", 2), weights(tmp_path / "out", 3)
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=1e-3, atol=1e-6)
    refused(
        labdiff("--start", "first", "--schedule", "cosine", out="other"),
        "--schedule: expected that of the weights in first, got cosine",
    )
    refused(
        labdiff("--start", "none", out="other"),
        "--start: expected one with files unet_NNNNNN.safetensors, got none",
    )
    assert labdiff("--start", "--steps", 1, "--batch-size", 1, out="shipped")[0] == 0
    assert ld.pretrained_steps(tmp_path / "shipped") == [ld.pretrained_steps()[-1] + 1]


def test_labels_on_top_of_a_network_without(labdiff, tmp_path):
    assert labdiff("--steps", 2, out="first")[0] == 0
    code, _, err = labdiff("--start", "first", "--labels", "--steps", 1, "--lr", 1e-9)
    assert code == 0, err
    old, new = (ld.load_pretrained(folder=name)[0] for name in ("first", "out"))
    assert new.config["classes"] == 10
    x, t = torch.ones(2, 1, 28, 28), torch.tensor([5, 700])
    torch.testing.assert_close(new(x, t), old(x, t), rtol=1e-2, atol=2e-3)


def test_with_labels_predicts_as_before_without_a_label(s, g):
    """The new table: N(0, 1) for each label, and what "no label" was."""
    from conftest import make_net

    old = make_net(s)
    new = with_labels(old, 10, g)
    x, t = torch.randn(2, 1, 8, 8, generator=g), torch.tensor([1, 20])
    assert torch.equal(old(x, t), new(x, t)) and torch.equal(new(x, t), new(x, t, 10))
    table = new.state_dict()["label.weight"]
    assert len(table) == 11 and not table[-1].any() and 0.8 < table[:-1].std() < 1.2
    assert not torch.equal(new(x, t, 3), new(x, t, 4))
    with torch.no_grad():
        new.label.weight[-1] += 1
    other = with_labels(new, 3, g)
    assert torch.equal(other(x, t), new(x, t)) and other.config["classes"] == 3


# What a user may get wrong


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", "MNIST", "--root", "none"], "^labdiff: --root: .*Give --download, or leave out --name"),
        (["--root", "none"], "--root, --download: expected --name NAME beside"),
        (["--download"], "--root, --download: expected --name NAME beside"),
        (
            ["--images", "none"],
            "^labdiff: --images: expected a folder with images, got none, which does not exist",
        ),
        (["--images", "file"], "^labdiff: --images: .* which is a file"),
        (["--size", 32], "--size: expected --images FOLDER beside it"),
        (["--channels", 3], "--channels: expected --images FOLDER beside it"),
        (["--drop-label", 0.2], "--drop-label: expected --labels beside it"),
        (["--steps", 3, "--snapshots", 4], r"--snapshots: expected steps in 1..3, got 4"),
        (["--out", "file"], "--out: expected a folder that can be written to, got file"),
        (["--out", "file/folder"], "--out: expected a folder that can be written to, got file/folder"),
        (["--checkpoint", "folder"], "--checkpoint: expected a file"),
        (["--checkpoint", "file"], "^labdiff: --checkpoint: .*file, which is corrupt, or not a checkpoint"),
        (["--start", "folder"], "^labdiff: --start: expected one with files"),
        (["--lr", 1e30, "--steps", 9], "the loss at step .*Try a smaller --lr"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_an_error_is_one_line_that_names_the_option(labdiff, tmp_path, arguments, message):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    refused(labdiff(*arguments), message)
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", 0], "--steps: expected a whole number from 1 on, got 0"),
        (["--batch-size", -4], "--batch-size: expected a whole number from 1 on, got -4"),
        (["--lr", "nan"], "--lr: expected a number > 0, got nan"),
        (["--lr", "fast"], "--lr: expected a number > 0, got fast"),
        (["--labels", "--drop-label", 1.5], r"--drop-label: expected a number in \[0, 1\], got 1.5"),
        (["--images", "x", "--size", 27], "--size: expected an even number of pixels, got 27"),
        (["--name", "MINST"], "--name: invalid choice: 'MINST'"),
        (["--name", "MNIST", "--images", "x"], "--images: not allowed with argument --name"),
    ],
)
def test_a_value_that_is_none(labdiff, arguments, message):
    code, _, err = labdiff(*arguments)
    assert code == 2 and re.search(message, err.splitlines()[-1])


def test_a_full_device_says_which_option_helps(labdiff, monkeypatch):
    def full(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 20 GiB")

    monkeypatch.setattr(fit, "train", full)
    refused(labdiff(), "--batch-size: the device has too little memory for 4 images at once.*--accumulate")


def test_rank_alone(labdiff, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    refused(
        labdiff(),
        "RANK: expected LOCAL_RANK, .* without LOCAL_RANK, WORLD_SIZE, .*torchrun; for one, unset RANK",
    )


def test_the_device_that_was_asked_for_and_is_not_there(labdiff, monkeypatch):
    monkeypatch.setenv("LABDIFF_DEVICE", "abacus")
    refused(labdiff(), "LABDIFF_DEVICE: expected one of .*got 'abacus'")
