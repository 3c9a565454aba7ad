"""Toys whose densities are known: drawn right, and their exact denoisers the best answers there are."""

import math

import pytest
import torch

import labdiff as ld


def mixtures():
    g = torch.Generator().manual_seed(5)
    means = torch.randn(4, 2, generator=g, dtype=torch.float64)
    return {
        "two bumps": ld.two_bumps(),
        "plane": ld.GaussianMixture(means, var=0.3, weights=[1, 2, 3, 4]),
        "pictures": ld.GaussianMixture(torch.randn(3, 1, 2, 2, generator=g, dtype=torch.float64), var=0.1),
    }


@pytest.fixture(params=mixtures())
def mixture(request):
    return mixtures()[request.param]


def test_log_prob_is_the_sum_of_normals(mixture, g):
    x = torch.randn(6, *mixture.means.shape[1:], generator=g, dtype=torch.float64)
    normal = torch.distributions.Normal(mixture.means.flatten(1), math.sqrt(mixture.var))
    p = [
        sum(w * normal.log_prob(xi.flatten()).sum(1).exp()[k] for k, w in enumerate(mixture.weights))
        for xi in x
    ]
    torch.testing.assert_close(mixture.log_prob(x), torch.stack(p).log())


def test_weights_and_integral():
    assert mixtures()["plane"].weights.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    x = torch.linspace(-4, 4, 4001, dtype=torch.float64)
    assert torch.trapezoid(ld.two_bumps().log_prob(x[:, None]).exp(), x).item() == pytest.approx(1, abs=1e-9)


def test_draws_have_the_mixtures_moments(mixture, g):
    n = 40_000
    x, means, w = mixture.sample(n, g).flatten(1), mixture.means.flatten(1), mixture.weights[:, None]
    mean = (w * means).sum(0)
    var = (w * means**2).sum(0) - mean**2 + mixture.var
    assert ((x.mean(0) - mean).abs() < 5 * (var / n).sqrt()).all()
    assert ((x.var(0) - var).abs() < 5 * var * math.sqrt(3 / n)).all()


@pytest.mark.parametrize("t", [1, 2, 10, 20])
def test_exact_eps_is_the_score(mixture, s, g, t):
    """E[eps | x_t] = -sqrt(1 - alpha_bar_t) grad log q(x_t), by autograd through the marginal's density."""
    x = torch.randn(5, *mixture.means.shape[1:], generator=g, dtype=torch.float64, requires_grad=True)
    alpha_bar = s.alpha_bar[t].item()
    (score,) = torch.autograd.grad(mixture.noised(alpha_bar).log_prob(x).sum(), x)
    got = mixture.exact_eps(s)(x.detach(), torch.full((5,), t))
    torch.testing.assert_close(got, -math.sqrt(1 - alpha_bar) * score, rtol=1e-7, atol=1e-9)


def test_exact_eps_mixes_levels_and_keeps_the_dtype(s, g):
    data, t = ld.two_bumps(), torch.tensor([20, 3, 20, 1])
    x = torch.randn(4, 1, generator=g)
    model = data.exact_eps(s)
    got = model(x, t)
    assert got.dtype == torch.float32
    for i in range(4):
        torch.testing.assert_close(got[i : i + 1], model(x[i : i + 1], t[i : i + 1]))


def test_exact_eps_is_the_best_answer(s, g):
    """By Monte Carlo: its error is uncorrelated with functions of x_t, so none could lower the loss."""
    data, n = ld.two_bumps(), 50_000
    x0 = data.sample(n, g)
    eps = torch.randn(n, 1, generator=g, dtype=torch.float64)
    for t in (1, 8, 20):
        xt = ld.q_sample(s, x0, t, eps)
        error = eps - data.exact_eps(s)(xt, torch.full((n,), t))
        for direction in (torch.ones_like(xt), xt, (3 * xt).sin()):
            product = error * direction
            assert abs(product.mean()) < 5 * product.std() / math.sqrt(n)


def test_a_finite_set_has_an_exact_denoiser(s, g):
    """var = 0: the points themselves, of which x_t at small t tells the nearest."""
    points = torch.tensor([[-1.0, 0.5], [0.3, 0.9], [0.8, -0.7]], dtype=torch.float64)
    model = ld.GaussianMixture(points).exact_eps(s)
    eps = torch.randn(3, 2, generator=g, dtype=torch.float64) * 0.3
    torch.testing.assert_close(
        model(ld.q_sample(s, points, 1, eps), torch.ones(3, dtype=torch.int64)), eps, rtol=1e-5, atol=1e-5
    )
    with pytest.raises(ValueError, match="log_prob: expected var > 0"):
        ld.GaussianMixture(points).log_prob(points)


def test_spiral(g):
    x = ld.spiral(2000, g)
    assert x.shape == (2000, 2) and x.dtype == torch.float32 and x.abs().max() < 1.15
    assert torch.equal(
        ld.spiral(5, torch.Generator().manual_seed(3)), ld.spiral(5, torch.Generator().manual_seed(3))
    )
    radius = x.norm(dim=1)
    angle = (torch.atan2(x[:, 1], x[:, 0]) / (2 * math.pi)) % 1
    turns = 2 * radius - angle  # a whole number on the curve
    off = (turns - turns.round()).abs()[radius > 0.2]
    assert off.mean() < 0.06
