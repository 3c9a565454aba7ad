"""The weights that ship: small, loadable, and better the longer they were trained."""

import pytest
import safetensors
import torch

import labdiff as ld
from labdiff.data import ASSETS


def test_files_are_small_and_in_order():
    steps = ld.pretrained_steps()
    paths = list(ASSETS.glob("unet_*.safetensors"))
    assert len(steps) == len(paths) >= 3 and steps == sorted(set(steps))
    assert all(type(step) is int and step > 0 for step in steps)
    assert all(path.stat().st_size <= 5e6 for path in paths)
    assert "unet_" in (ASSETS / "SOURCES.md").read_text()


def test_model_and_schedule_belong_together():
    model, s = ld.load_pretrained()
    assert s.T == 1000 and torch.equal(s.beta, ld.linear_schedule().beta)
    torch.testing.assert_close(model.precondition.signal, s.alpha_bar.sqrt().float(), rtol=1e-6, atol=0)
    assert not any(m.training for m in model.modules())
    assert {(p.dtype, p.device.type) for p in model.parameters()} == {(torch.float32, "cpu")}


def test_the_finished_model_is_the_last_snapshot():
    last, _ = ld.load_pretrained(ld.pretrained_steps()[-1])
    model, _ = ld.load_pretrained()
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), last.state_dict().values()))
    with safetensors.safe_open(ASSETS / f"unet_{ld.pretrained_steps()[-1]:06d}.safetensors", "pt") as file:
        assert f'"step": {ld.pretrained_steps()[-1]}' in file.metadata()["labdiff"]


def test_the_loss_on_unseen_digits_falls_from_snapshot_to_snapshot():
    g = torch.Generator().manual_seed(0)
    x0 = ld.load_digits("test").images[:250]
    t = torch.arange(1, 1001, 4)  # all levels alike, and the same draws for each model
    eps = torch.randn(x0.shape, generator=g)
    losses = []
    for step in ld.pretrained_steps():
        model, s = ld.load_pretrained(step)
        with torch.no_grad():
            losses.append(ld.eps_loss(model, s, x0, t, eps).item())
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.05


@pytest.mark.parametrize("step", [0, 7, -1, "final"])
def test_no_such_snapshot(step):
    with pytest.raises(ValueError, match="load_pretrained: step: expected one of .*, got"):
        ld.load_pretrained(step)
