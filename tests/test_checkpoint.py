"""Checkpoint files: whole or not at all. That a resumed run gives the same numbers is in test_train."""

import math
import os
from pathlib import Path

import pytest
import safetensors.torch
import torch

import labdiff as ld
from conftest import make_net
from labdiff.pretrained import save_weights


@pytest.fixture(scope="module")
def steps(s):
    """The model's first two training steps, with the tensors that each one had; the last is the newest."""
    images, kept = torch.zeros(2, 1, 4, 4).fill_(-0.5), []
    model = make_net(s)
    for step in ld.train(
        model, s, images, n_steps=2, batch_size=2, generator=torch.Generator().manual_seed(0)
    ):
        kept.append((step, {k: v.clone() for k, v in step.ema.state_dict().items()}))
    return kept


def test_a_file_holds_all_that_resuming_needs(steps, s, tmp_path):
    step, ema = steps[-1]
    ld.save_checkpoint(str(tmp_path / "run"), step)  # a string will do
    checkpoint = ld.load_checkpoint(tmp_path / "run")
    assert checkpoint.n == 2 and torch.equal(checkpoint.s.beta, s.beta)
    assert torch.equal(checkpoint.tensors["generator"], step.generator.get_state())
    for name, module in (("model", step.model), ("ema", step.ema)):
        part = checkpoint.part(name)
        assert part.keys() == module.state_dict().keys()
        assert all(torch.equal(v, part[k]) for k, v in module.state_dict().items())
    other = make_net(s, seed=9)
    other.load_state_dict(checkpoint.part("ema"))
    assert all(torch.equal(v, ema[k]) for k, v in other.state_dict().items())
    assert os.listdir(tmp_path) == ["run"]


@pytest.mark.parametrize("fails_in", ["opening it", "half a file", "replace"])
def test_an_older_file_survives_a_failing_save(steps, tmp_path, monkeypatch, fails_in):
    step, _ = steps[-1]
    path = tmp_path / "run"
    ld.save_checkpoint(path, step)
    before = path.read_bytes()

    def full(*args):
        if fails_in == "half a file":
            Path(f"{path}.{os.getpid()}.partial").write_text("half")
        raise OSError(28, "No space left on device")

    if fails_in == "replace":
        monkeypatch.setattr(os, "replace", full)
    else:
        monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="save_checkpoint: path: .*run.*No space left.*as it was"):
        ld.save_checkpoint(path, step)
    monkeypatch.undo()
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["run"]
    ld.save_checkpoint(path, step)  # and a later call works
    assert ld.load_checkpoint(path).n == 2


def test_a_link_stays_and_another_runs_part_is_left_alone(steps, tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    link.symlink_to(real)
    (tmp_path / "link.partial").write_text("the user's own")
    ld.save_checkpoint(link, steps[-1][0])
    assert link.is_symlink() and ld.load_checkpoint(real).n == 2
    assert sorted(os.listdir(tmp_path)) == ["link", "link.partial", "real"]


def test_an_interrupted_save_leaves_no_part_behind(steps, tmp_path, monkeypatch):
    path = tmp_path / "run"
    ld.save_checkpoint(path, steps[-1][0])
    before = path.read_bytes()

    def interrupt(file, content):
        file.write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ld.save_checkpoint(path, steps[-1][0])
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["run"]


def test_a_step_whose_weights_have_gone_on_is_refused(steps, tmp_path):
    """All Steps of a run hold the same model: an older one has the newest weights."""
    expected = "expected the Step that train.. yielded last, got step 1 of a run that has done 2"
    with pytest.raises(ValueError, match=f"^save_checkpoint: step: {expected}.*inside the loop"):
        ld.save_checkpoint(tmp_path / "run", steps[0][0])
    with pytest.raises(ValueError, match=f"^save_weights: step: {expected}"):
        save_weights(steps[0][0], tmp_path, "nothing")
    assert os.listdir(tmp_path) == []


def test_a_step_that_was_interrupted_can_not_be_saved_as_the_one_before(s, tmp_path):
    """The generator has drawn, and the weights may be new: what went on from there would be another run."""
    model = make_net(s)
    run = ld.train(model, s, torch.zeros(2, 1, 4, 4).fill_(-0.5), n_steps=3, batch_size=2)
    step = next(run)

    def ctrl_c(*args):
        raise KeyboardInterrupt

    model.register_forward_hook(ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        next(run)
    with pytest.raises(ValueError, match="step 1 of a run that was stopped within a later one"):
        ld.save_checkpoint(tmp_path / "run", step)


def test_a_step_that_failed_has_not_happened(s, tmp_path):
    """A loss that is not finite stops the run before the weights change: the last Step can still be saved."""
    model = make_net(s)
    run = ld.train(model, s, torch.zeros(2, 1, 4, 4).fill_(-0.5), n_steps=3, batch_size=2)
    step = next(run)
    weight = model.head.bias.detach().clone()
    hook = model.register_forward_hook(lambda module, inputs, output: output * math.inf)
    with pytest.raises(FloatingPointError):
        next(run)
    hook.remove()
    ld.save_checkpoint(tmp_path / "run", step)
    checkpoint = ld.load_checkpoint(tmp_path / "run")
    assert checkpoint.n == 1 and torch.equal(checkpoint.part("model")["head.bias"], weight)


def test_a_run_that_moves_to_another_kind_of_device_goes_on(s, tmp_path):
    """The state of a GPU's generator is none for a CPU's: the run goes on with new draws."""
    images, run = torch.full((2, 1, 4, 4), -0.5), dict(n_steps=4, batch_size=2, lr=1e-9)
    steps = ld.train(make_net(s), s, images, generator=torch.Generator().manual_seed(3), **run)
    first = next(steps)
    ld.save_checkpoint(tmp_path / "run", first)
    checkpoint = ld.load_checkpoint(tmp_path / "run")
    checkpoint.tensors["generator"] = torch.zeros(16, dtype=torch.uint8)
    losses = []
    for _ in range(2):
        again = ld.train(
            make_net(s), s, images, generator=torch.Generator().manual_seed(3), resume=checkpoint, **run
        )
        with pytest.warns(
            UserWarning, match="resume: the checkpoint's generator ran on another kind of device"
        ):
            losses.append(next(again))
    assert [step.n for step in losses] == [2, 2] and losses[0].loss == losses[1].loss  # repeatable
    assert (
        losses[0].loss != first.loss
    )  # the same weights and learning rate of about 0, but not the same draws


def test_notes_travel_with_the_checkpoint(steps, tmp_path):
    ld.save_checkpoint(tmp_path / "run", steps[-1][0])
    assert ld.load_checkpoint(tmp_path / "run").notes == {}
    ld.save_checkpoint(tmp_path / "run", steps[-1][0], {"lr": 0.1, "name": None})
    assert ld.load_checkpoint(tmp_path / "run").notes == {"lr": 0.1, "name": None}


@pytest.mark.skipif(os.name != "posix", reason="no umask")
@pytest.mark.parametrize("umask", [0o022, 0o027])
def test_files_have_the_mode_that_the_umask_says(steps, tmp_path, umask):
    before = os.umask(umask)
    try:
        ld.save_checkpoint(tmp_path / "run", steps[-1][0])
        weights = save_weights(steps[-1][0], tmp_path, "nothing")
    finally:
        os.umask(before)
    for path in (tmp_path / "run", weights):
        assert path.stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.mark.parametrize("wrap", ["torch.compile", "DataParallel"])
def test_a_wrapped_model_leaves_files_like_a_plain_one(s, tmp_path, wrap):
    images = torch.zeros(2, 1, 4, 4).fill_(-0.5)
    model = make_net(s)
    net = torch.compile(model, backend="eager") if wrap == "torch.compile" else torch.nn.DataParallel(model)
    *_, step = ld.train(net, s, images, n_steps=2, batch_size=2)
    ld.save_checkpoint(tmp_path / "run", step)
    checkpoint = ld.load_checkpoint(tmp_path / "run")
    make_net(s).load_state_dict(checkpoint.part("ema"))
    plain = make_net(s, seed=7)
    assert [r.n for r in ld.train(plain, s, images, n_steps=3, batch_size=2, resume=checkpoint)] == [3]
    again = make_net(s, seed=8)
    wrapped = (
        torch.compile(again, backend="eager") if wrap == "torch.compile" else torch.nn.DataParallel(again)
    )
    assert [r.n for r in ld.train(wrapped, s, images, n_steps=3, batch_size=2, resume=checkpoint)] == [3]
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), plain.parameters(), strict=True))
    save_weights(step, tmp_path, "nothing")
    loaded, _ = ld.load_pretrained(folder=tmp_path)
    inside = step.ema._orig_mod if wrap == "torch.compile" else step.ema.module
    torch.testing.assert_close(loaded.state_dict(), inside.state_dict(), rtol=1e-3, atol=1e-6)


def test_steps_and_checkpoints_are_shown_in_a_line(steps, tmp_path):
    ld.save_checkpoint(tmp_path / "run", steps[-1][0])
    for record in (steps[-1][0], ld.load_checkpoint(tmp_path / "run")):
        assert "n=2" in repr(record) and len(repr(record)) < 200


@pytest.mark.parametrize("where", ["no/run", "file/run", "folder", "/"])
def test_a_place_that_cannot_be_written(steps, tmp_path, where):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(
        OSError, match="save_checkpoint: path: expected a file in a folder that can be written to"
    ):
        ld.save_checkpoint(tmp_path / where, steps[-1][0])
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def corrupt(path, how):
    whole = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "header only": whole[:100],
            "half": whole[: len(whole) // 2],
            "one byte short": whole[:-1],
            "text": b"not a checkpoint at all",
            "corrupt header": whole[:20] + b"\0" * 40 + whole[60:],
        }[how]
    )


@pytest.mark.parametrize("how", ["empty", "header only", "half", "one byte short", "text", "corrupt header"])
def test_a_corrupt_file_is_told(steps, tmp_path, how):
    path = tmp_path / "run"
    ld.save_checkpoint(path, steps[-1][0])
    corrupt(path, how)
    with pytest.raises(
        ValueError,
        match="load_checkpoint: path: expected a file that save_checkpoint wrote, got .*run, which is "
        "corrupt, or not a checkpoint.*earlier",
    ):
        ld.load_checkpoint(path)


@pytest.mark.parametrize("metadata", [None, {"labdiff": "{}"}, {"labdiff": "["}, {"other": "1"}], ids=str)
def test_another_safetensors_file_is_told(tmp_path, metadata):
    path = tmp_path / "weights"
    safetensors.torch.save_file({"w": torch.zeros(2)}, path, metadata)
    with pytest.raises(
        ValueError, match="load_checkpoint: path: expected a file that save_checkpoint .* other tensors"
    ):
        ld.load_checkpoint(path)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="load_checkpoint: path: .*there is no file"):
        ld.load_checkpoint(tmp_path / "run")
