"""Which device is taken, on machines that this one need not be."""

import pytest
import torch

import labdiff as ld
from labdiff.device import has_bf16


@pytest.fixture
def machine(monkeypatch):
    def has(cuda=0, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    monkeypatch.delenv("LABDIFF_DEVICE", raising=False)
    return has


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(1, False, "cuda"), (1, True, "cuda"), (0, True, "mps"), (0, False, "cpu")]
)
def test_the_best_device(machine, capsys, cuda, mps, expected):
    machine(cuda, mps)
    assert ld.pick_device() == torch.device(expected)
    assert capsys.readouterr().out == f"device: {expected}\n"


@pytest.mark.parametrize("wanted", ["cpu", "cuda", "cuda:1", "mps"])
def test_the_variable_overrides(machine, monkeypatch, capsys, wanted):
    machine(cuda=2, mps=True)
    monkeypatch.setenv("LABDIFF_DEVICE", wanted)
    assert ld.pick_device() == torch.device(wanted)
    assert wanted in capsys.readouterr().out


def test_an_empty_variable_is_none(machine, monkeypatch):
    machine()
    monkeypatch.setenv("LABDIFF_DEVICE", "")
    assert ld.pick_device() == torch.device("cpu")


@pytest.mark.parametrize("wanted", ["cuda", "cuda:0", "mps", "gpu", "meta", "cpu:zero", "CPU "])
def test_a_device_that_is_not_there(machine, monkeypatch, wanted):
    machine()
    monkeypatch.setenv("LABDIFF_DEVICE", wanted)
    with pytest.raises(
        ValueError,
        match=f"pick_device: LABDIFF_DEVICE: expected one of cpu on this machine, got '{wanted}'. Unset it",
    ):
        ld.pick_device()


def test_a_gpu_that_is_not_there(machine, monkeypatch):
    machine(cuda=1)
    monkeypatch.setenv("LABDIFF_DEVICE", "cuda:1")
    with pytest.raises(
        ValueError, match="LABDIFF_DEVICE: expected one of cuda, cpu on this machine, got 'cuda:1'"
    ):
        ld.pick_device()


@pytest.mark.parametrize("there", [True, False])
def test_bfloat16_is_asked_of_the_hardware(monkeypatch, there):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": there}, raising=False)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0) if there else (7, 5))
    assert has_bf16(torch.device("cpu")) is has_bf16(torch.device("cuda")) is there
    assert not has_bf16(torch.device("mps"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_everything_runs_on_the_gpu(s):
    """Train, resume, sample, and each formula: on the device of the model and the data."""
    device = torch.device("cuda")
    g = torch.Generator(device).manual_seed(0)
    model = ld.UNet(8, mults=(1, 2), alpha_bar=s.alpha_bar).to(device)
    images = ld.load_digits("test").images[:64]
    steps = [step.loss for step in ld.train(model, s, images, n_steps=3, batch_size=16, generator=g)]
    assert len(steps) == 3
    for kwargs in ({"method": "ddpm"}, {"method": "ddim", "n_steps": 4}):
        x = ld.sample(model, s, (2, 1, 28, 28), generator=g, **kwargs)
        assert x.device.type == "cuda" and torch.isfinite(x).all()
    x0, eps = (torch.randn(2, 1, 4, 4, device=device, generator=g) for _ in range(2))
    t = torch.tensor([1, s.T])
    for formula in (ld.q_step, ld.q_sample, ld.predict_x0, ld.p_mean):
        got = formula(s, x0, t.to(device), eps)
        assert got.device.type == "cuda"
        torch.testing.assert_close(got.cpu(), formula(s, x0.cpu(), t, eps.cpu()), rtol=1e-5, atol=1e-5)
    mean, var = ld.q_posterior(s, x0, eps, t.to(device))
    assert mean.device.type == var.device.type == "cuda"
    assert ld.elbo(model, s, x0.clamp(-1, 1), generator=g).total > 0
    with pytest.raises(ValueError, match="t: expected device cuda:0 like the data, got cpu"):
        ld.q_sample(s, x0, t, eps)
