"""Checkpoint files: whole or not at all. That a resumed run gives the same numbers is in test_train."""

import os

import pytest
import safetensors.torch
import torch

import labdiff as ld
from conftest import make_net


@pytest.fixture(scope="module")
def steps(s):
    """The model's first two training steps, with the tensors each one had."""
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


@pytest.mark.parametrize("fails_in", ["save_file", "half a file", "replace"])
def test_an_older_file_survives_a_failing_save(steps, tmp_path, monkeypatch, fails_in):
    step, _ = steps[-1]
    path = tmp_path / "run"
    ld.save_checkpoint(path, step)
    before = path.read_bytes()

    def full(tensors, file, metadata=None):
        if fails_in == "half a file":
            file.write_bytes(before[: len(before) // 2])
        raise OSError(28, "No space left on device")

    if fails_in == "replace":
        monkeypatch.setattr(os, "replace", full)
    else:
        monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(OSError, match="save_checkpoint: path: .*run.*No space left.*as it was"):
        ld.save_checkpoint(path, step)
    monkeypatch.undo()
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["run"]
    ld.save_checkpoint(path, step)  # and a later call works
    assert ld.load_checkpoint(path).n == 2


def test_an_interrupted_save_leaves_no_part_behind(steps, tmp_path, monkeypatch):
    path = tmp_path / "run"
    ld.save_checkpoint(path, steps[-1][0])
    before = path.read_bytes()

    def interrupt(tensors, file, metadata=None):
        file.write_bytes(before[:100])
        raise KeyboardInterrupt

    monkeypatch.setattr(safetensors.torch, "save_file", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ld.save_checkpoint(path, steps[-1][0])
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["run"]


@pytest.mark.parametrize("where", ["no/run", "file/run", "folder", "/"])
def test_a_place_that_cannot_be_written(steps, tmp_path, where):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(
        OSError, match="save_checkpoint: path: expected a file in a folder that can be written to"
    ):
        ld.save_checkpoint(tmp_path / where, steps[-1][0])
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def damaged(path, how):
    whole = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "header only": whole[:100],
            "half": whole[: len(whole) // 2],
            "one byte short": whole[:-1],
            "text": b"not a checkpoint at all",
            "damaged header": whole[:20] + b"\0" * 40 + whole[60:],
        }[how]
    )


@pytest.mark.parametrize("how", ["empty", "header only", "half", "one byte short", "text", "damaged header"])
def test_a_damaged_file_is_told(steps, tmp_path, how):
    path = tmp_path / "run"
    ld.save_checkpoint(path, steps[-1][0])
    damaged(path, how)
    with pytest.raises(
        ValueError,
        match="load_checkpoint: path: expected a file that save_checkpoint wrote, got .*run.*earlier",
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
