"""Inpainting, interpolation and inversion, against Gaussians and mixtures whose answers are known."""

import math

import pytest
import torch

import labdiff as ld


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("resample", [1, 3])
def test_inpaint_fills_in_what_belongs_to_the_known_part(resample):
    """Of two points (-1, -1) and (1, 1) the known first number says which: the second follows."""
    s = ld.linear_schedule(100)
    model = ld.GaussianMixture(
        torch.tensor([[-1.0, -1.0], [1.0, 1.0]], dtype=torch.float64), var=0.01
    ).exact_eps(s)
    x0 = torch.tensor([[1.0, 7.0], [-1.0, 7.0]], dtype=torch.float64).repeat(50, 1)
    mask = torch.tensor([[1.0, 0.0]])
    before = x0.clone()
    x = ld.inpaint(model, s, x0, mask, resample=resample, generator=seeded())
    assert torch.equal(x[:, 0], x0[:, 0]) and torch.equal(x0, before)
    assert ((x[:, 1] - x0[:, 0]).abs() < 0.5).double().mean() > 0.9


def test_inpaint_with_all_known_or_none():
    s, x0 = ld.linear_schedule(20), torch.rand(3, 1, 2, 2, generator=seeded())
    calls = []

    def model(x, t):
        calls.append(t[0].item())
        return 0 * x

    assert torch.equal(ld.inpaint(model, s, x0, torch.ones(1, 1, 1, 1)), x0)
    assert calls == list(range(20, 0, -1))
    ld.inpaint(model, s, x0, torch.zeros(3, 1, 2, 2), resample=3)
    assert len(calls) == 20 + 3 * 19 + 1


def test_interpolate_goes_along_the_arc():
    a, b = (torch.randn(4, 1, 8, 8, generator=seeded(i), dtype=torch.float64) for i in range(2))
    norms = [x.flatten(1).norm(dim=1) for x in (a, b)]
    unit = [x / n.reshape(-1, 1, 1, 1) for x, n in zip((a, b), norms, strict=True)]
    angle = (unit[0] * unit[1]).sum((1, 2, 3)).acos()
    for w in (0, 0.25, 0.5, 1):
        x = ld.interpolate(*unit, w)
        torch.testing.assert_close(
            x.flatten(1).norm(dim=1), torch.ones(4, dtype=torch.float64)
        )  # stays on the sphere
        torch.testing.assert_close(
            (x * unit[0]).sum((1, 2, 3)).clamp(-1, 1).acos(), w * angle, rtol=1e-6, atol=1e-6
        )
    assert torch.allclose(ld.interpolate(a, b, 0), a) and torch.allclose(ld.interpolate(a, b, 1), b)
    torch.testing.assert_close(ld.interpolate(a, 2 * a, 0.5), 1.5 * a)  # parallel: the arc is a line
    one_by_one = torch.cat([ld.interpolate(a[i : i + 1], b[i : i + 1], 0.3) for i in range(4)])
    torch.testing.assert_close(ld.interpolate(a, b, 0.3), one_by_one)
    half = ld.interpolate(
        40 * a.half(), 40 * b.half(), 0.3
    )  # their squared lengths are beyond half precision
    torch.testing.assert_close(half.double(), 40 * ld.interpolate(a, b, 0.3), rtol=0.01, atol=0.2)
    numbers = torch.tensor([1.0, 2.0, -3.0])  # each a sample of its own
    torch.testing.assert_close(ld.interpolate(numbers, 2 * numbers, 0.5), 1.5 * numbers)


@pytest.mark.parametrize("size", [1e20, 1e-30])
def test_interpolate_takes_vectors_whose_squares_float32_has_not(size):
    a, b = (torch.randn(3, 1, 4, 4, generator=seeded(i)) for i in range(2))
    torch.testing.assert_close(ld.interpolate(size * a, size * b, 0.3) / size, ld.interpolate(a, b, 0.3))


def test_invert_leads_to_the_noise_that_leads_back():
    """For N(m, v) the map is known: x_T = (x_0 - m) / sqrt(v) in the limit of many steps and alpha_bar_T =
    0."""
    s, m, v = ld.linear_schedule(1000), 0.4, 0.3
    model = ld.GaussianMixture(torch.tensor([[m]], dtype=torch.float64), var=v).exact_eps(s)
    x0 = torch.tensor([[-0.5], [0.4], [1.2]], dtype=torch.float64)
    xT = ld.invert(model, s, x0, n_steps=1000)
    torch.testing.assert_close(xT, (x0 - m) / math.sqrt(v), rtol=0.03, atol=0.03)
    *_, end = ld.ddim_steps(model, s, xt=xT, t=1000, n_steps=1000)
    torch.testing.assert_close(end.x, x0, rtol=0.02, atol=0.02)


def test_inpaint_in_fewer_steps_is_algorithm_2_on_fewer_levels():
    """n_steps=5 of T=20: the model is asked at 20, 16, .., 4; by hand on the schedule of these levels."""
    s, x0, asked = ld.linear_schedule(20), torch.rand(3, 1, 2, 2, generator=seeded()), []
    mask = torch.tensor([1.0, 0.0]).reshape(1, 1, 1, 2)

    def model(x, t):
        asked.append(t[0].item())
        return 0.3 * x

    alpha_bar = s.alpha_bar[::4]
    short = ld.Schedule(torch.cat([torch.zeros(1), 1 - alpha_bar[1:] / alpha_bar[:-1]]).double())
    got = ld.inpaint(model, s, x0, mask, n_steps=5, resample=2, generator=seeded())
    assert sorted(set(asked), reverse=True) == [20, 16, 12, 8, 4]
    by_hand = ld.inpaint(lambda x, t: model(x, 4 * t), short, x0, mask, resample=2, generator=seeded())
    torch.testing.assert_close(got, by_hand)
    same = ld.inpaint(model, s, x0, mask, n_steps=20, generator=seeded())
    torch.testing.assert_close(same, ld.inpaint(model, s, x0, mask, generator=seeded()))


def test_inpaint_takes_anything_outside_of_the_mask():
    s, mask = ld.linear_schedule(20), torch.tensor([[1.0, 0.0]])
    x0 = torch.tensor([[0.5, math.nan], [0.25, math.inf]])
    with pytest.raises(ValueError, match="inpaint: x0: expected finite numbers"):
        ld.inpaint(lambda x, t: 0 * x, s, x0, 1 - mask)
    with pytest.raises(TypeError, match="inpaint: mask: expected a tensor of 0 and 1, got torch.complex64"):
        ld.inpaint(lambda x, t: 0 * x, s, x0.nan_to_num(0, 0), mask.to(torch.complex64))
    x = ld.inpaint(lambda x, t: 0 * x, s, x0, mask, generator=seeded())
    assert torch.equal(x[:, 0], x0[:, 0]) and x.isfinite().all()
