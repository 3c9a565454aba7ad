"""Schedules, against the definitions evaluated number by number in plain Python."""

import dataclasses
import math
import warnings

import pytest
import torch

import labdiff as ld
from conftest import TABLES

LENGTHS = [1, 2, 3, 20, 50, 250, 1000, 4000]


def linear_betas(T):
    if T == 1:
        return [0.999]
    return [min(1000 / T * (1e-4 + (t - 1) / (T - 1) * (0.02 - 1e-4)), 0.999) for t in range(1, T + 1)]


def cosine_betas(T):
    f = [math.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(T + 1)]
    return [min(1 - f[t] / f[t - 1], 0.999) for t in range(1, T + 1)]


@pytest.mark.parametrize("T", LENGTHS)
@pytest.mark.parametrize(
    ("make", "betas"),
    [(ld.linear_schedule, linear_betas), (ld.cosine_schedule, cosine_betas)],
    ids=["linear", "cosine"],
)
def test_every_entry_is_what_the_slides_define(make, betas, T):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a ready-made schedule leaves no signal behind, whatever T is
        s = make(T)
    beta = [0.0, *betas(T)]
    alpha_bar = [math.prod(1 - b for b in beta[: t + 1]) for t in range(T + 1)]
    beta_tilde = [0.0] + [(1 - alpha_bar[t - 1]) / (1 - alpha_bar[t]) * beta[t] for t in range(1, T + 1)]
    assert s.T == T
    for name, expected in zip(TABLES, (beta, [1 - b for b in beta], alpha_bar, beta_tilde)):
        array = getattr(s, name)
        assert array.shape == (T + 1,) and array.dtype == torch.float64 and array.device.type == "cpu", name
        torch.testing.assert_close(array, torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=0)


def test_entries_at_both_ends_are_exact(any_s):
    assert any_s.beta[0] == 0 and any_s.alpha[0] == 1 and any_s.alpha_bar[0] == 1
    assert any_s.beta_tilde[0] == 0 and any_s.beta_tilde[1] == 0
    assert (any_s.alpha_bar.diff() < 0).all()
    assert (any_s.beta_tilde[1:] < any_s.beta[1:]).all()


def test_the_usual_linear_schedule():
    s = ld.linear_schedule()
    assert (s.T, s.beta[1].item(), s.beta[1000].item()) == (1000, 1e-4, 0.02)
    assert s.alpha_bar[-1].item() == pytest.approx(
        4.0358e-5, rel=1e-4
    )  # the value that the paper's schedule is known for


@pytest.mark.parametrize("T", LENGTHS)
def test_x_T_is_noise_for_every_T(T):
    assert ld.linear_schedule(T).alpha_bar[-1] < 2e-3
    assert ld.cosine_schedule(T).alpha_bar[-1] < 2e-3
    assert ld.linear_schedule(T).beta.max() <= 0.999 and ld.cosine_schedule(T).beta.max() <= 0.999


@pytest.mark.parametrize(("beta", "number"), [(0.1, "0.9"), (0.5, "0.5"), (0.98, "0.02")])
def test_signal_left_at_T_is_told_with_its_number(beta, number):
    with pytest.warns(UserWarning, match=f"alpha_bar_T = {number}") as record:
        ld.Schedule(torch.tensor([0, beta]))
    assert record[0].filename == __file__  # it points at the caller's line


def test_own_end_points():
    s = ld.linear_schedule(1000, beta_1=1e-3, beta_T=0.05)
    assert s.beta[1] == pytest.approx(1e-3) and s.beta[-1] == pytest.approx(0.05)
    assert ld.cosine_schedule(100, offset=0.0).alpha_bar[50].item() == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_schedule_is_its_own_and_fixed(dtype):
    beta = torch.tensor([0, 0.5, 0.999], dtype=dtype, requires_grad=True)
    s = ld.Schedule(beta)
    with torch.no_grad():
        beta[1] = 0.1
    assert s.beta[1] == 0.5 and not s.beta.requires_grad
    with pytest.raises(dataclasses.FrozenInstanceError):
        s.beta = beta
    assert repr(s) == "Schedule(T=2, beta=0.5..1, alpha_bar_T=0.0005)"


def test_the_default_dtype_changes_nothing():
    expected = ld.linear_schedule(50)
    torch.set_default_dtype(torch.float64)
    try:
        got = ld.linear_schedule(50)
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(torch.equal(getattr(got, name), getattr(expected, name)) for name in TABLES)
