"""KL, weights, loss and ELBO, against integrals, exact densities and Gaussian toys whose ELBO is tight."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

import labdiff as ld
from conftest import Spy

PAIRS = [(0.0, 1.0, 0.0, 1.0), (0.3, 0.2, -0.5, 1.7), (-2.0, 3.0, 1.0, 0.4), (5.0, 0.01, 4.9, 0.02)]


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_normal_kl_is_the_integral(pair):
    mean1, var1, mean2, var2 = pair
    x = mean1 + math.sqrt(var1) * torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    p, q = (
        Normal(*torch.tensor([mean, math.sqrt(var)], dtype=torch.float64))
        for mean, var in (pair[:2], pair[2:])
    )
    integral = torch.trapezoid(p.log_prob(x).exp() * (p.log_prob(x) - q.log_prob(x)), x)
    assert ld.normal_kl(*pair).item() == pytest.approx(integral.item(), rel=1e-7, abs=1e-12)


def test_normal_kl_is_the_mean_log_ratio_by_monte_carlo(g):
    mean1, var1, mean2, var2 = PAIRS[1]
    x = mean1 + math.sqrt(var1) * torch.randn(100_000, generator=g, dtype=torch.float64)
    ratio = Normal(mean1, math.sqrt(var1)).log_prob(x) - Normal(mean2, math.sqrt(var2)).log_prob(x)
    assert abs(ratio.mean() - ld.normal_kl(*PAIRS[1])) < 5 * ratio.std() / math.sqrt(
        len(x)
    )  # 5 standard errors


def test_normal_kl_element_by_element(g):
    mean1, mean2 = (torch.randn(2, 3, 4, 4, generator=g, dtype=torch.float64) for _ in range(2))
    var1, var2 = (torch.rand(2, 3, 4, 4, generator=g, dtype=torch.float64) + 0.1 for _ in range(2))
    got = ld.normal_kl(mean1, var1, mean2, var2)
    torch.testing.assert_close(got, kl_divergence(Normal(mean1, var1.sqrt()), Normal(mean2, var2.sqrt())))
    assert got.shape == mean1.shape and (got >= 0).all()
    args = [v.clone().requires_grad_() for v in (mean1[0, 0], var1[0, 0], mean2[0, 0], var2[0, 0])]
    assert torch.autograd.gradcheck(ld.normal_kl, args)


def test_normal_kl_broadcasts_only_where_it_is_told(g):
    mean = torch.randn(4, 2, 4, 4, generator=g)
    var = torch.rand(4, 1, 1, 1, generator=g) + 0.1
    assert torch.equal(
        ld.normal_kl(mean, var, mean, 2.0), ld.normal_kl(mean, var.expand_as(mean), mean, 2.0 + 0 * mean)
    )
    for wrong in (var.flatten(), var[:3], var[:, 0]):  # (4,) against a width of 4 would broadcast along it
        with pytest.raises(ValueError, match="normal_kl: expected shapes that agree.*var1"):
            ld.normal_kl(mean, wrong, mean, 1.0)


def test_kl_is_weight_times_noise_error(any_s):
    """Slide S12: KL(posterior || p) = w_t (eps - eps_hat)^2 + what does not depend on eps_hat; at every t >=
    2."""
    t = torch.arange(1, any_s.T + 1)
    x0, eps, eps_hat = (torch.full((any_s.T, 1), v, dtype=torch.float64) for v in (0.4, -1.1, 0.7))
    xt = ld.q_sample(any_s, x0, t, eps)
    mean, var = ld.q_posterior(any_s, x0, xt, t)
    for choice in ("beta", "beta_tilde"):
        w, sigma2 = ld.eps_weight(any_s, t, var=choice), getattr(any_s, choice)[1:, None]
        assert w.shape == (any_s.T,) and w.dtype == torch.float64
        i = t >= 2
        if i.any():
            kl, constant = (
                ld.normal_kl(mean[i], var[i], ld.p_mean(any_s, xt, t, noise)[i], sigma2[i])[:, 0]
                for noise in (eps_hat, eps)
            )
            torch.testing.assert_close(kl - constant, w[i] * (0.7 + 1.1) ** 2, rtol=1e-6, atol=1e-12)
    assert ld.eps_weight(any_s, 1, var="beta_tilde").item() == math.inf  # t = 1 belongs to L_0
    expected = any_s.beta[1] / (2 * any_s.alpha[1] * (1 - any_s.alpha_bar[1]))
    assert ld.eps_weight(any_s, 1).item() == pytest.approx(expected.item(), rel=1e-12)


def test_eps_loss_is_the_mean_squared_noise_error(s, g):
    x0, eps = torch.randn(3, 2, 4, 6, generator=g), torch.randn(3, 2, 4, 6, generator=g)
    t = torch.tensor([1, 7, 20])
    assert ld.eps_loss(lambda x, t: torch.zeros_like(x), s, x0, t, eps).item() == pytest.approx(
        eps.square().mean().item()
    )
    assert ld.eps_loss(lambda x, t: eps, s, x0, t, eps) == 0
    assert ld.eps_loss(lambda x, t: eps + 0.5, s, x0, t, eps).item() == pytest.approx(0.25)
    assert ld.eps_loss(lambda x, t: eps, s, x0, 3, eps).shape == ()


def test_eps_loss_shows_the_model_x_t_and_t(s, g):
    x0, eps = torch.randn(2, 1, 4, 4, generator=g), torch.randn(2, 1, 4, 4, generator=g)
    model = Spy()
    ld.eps_loss(model, s, x0, 5, eps)
    assert len(model.t) == 1 and model.t[0].tolist() == [5, 5] and model.t[0].dtype == torch.int64
    alpha_bar = math.prod((1 - s.beta[1:6]).tolist())
    torch.testing.assert_close(model.x[0], math.sqrt(alpha_bar) * x0 + math.sqrt(1 - alpha_bar) * eps)


def test_eps_loss_can_be_differentiated(s, g):
    x0, eps = (
        torch.randn(2, 1, dtype=torch.float64, generator=g),
        torch.randn(2, 1, dtype=torch.float64, generator=g),
    )
    w = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: ld.eps_loss(lambda x, t: w * x, s, x0, 5, eps), (w,))


def gap_to_truth(data, s, seeds=8, n=4000, **kwargs):
    """By how many bits the bound lies above -log2 p(x_0), mean and standard error over seeds."""
    gaps = []
    for seed in range(seeds):
        g = torch.Generator().manual_seed(100 + seed)
        x0 = data.sample(n, g)
        truth = -data.log_prob(x0).mean().item() / math.log(2)
        gaps.append(ld.elbo(data.exact_eps(s), s, x0, bins=None, generator=g, **kwargs).total - truth)
    gaps = torch.tensor(gaps, dtype=torch.float64)
    return gaps.mean().item(), gaps.std().item() / math.sqrt(seeds)


@pytest.mark.parametrize("T", [1, 2, 10, 100])
def test_elbo_is_tight_for_standard_normal_data(T):
    """For x_0 ~ N(0, 1) every reverse step is a Gaussian of variance beta_t, so that the bound is -log2
    p(x_0) itself."""
    data = ld.GaussianMixture(torch.zeros(1, 1, dtype=torch.float64), var=1.0)
    gap, error = gap_to_truth(data, ld.linear_schedule(T))
    assert abs(gap) < 6 * error + 1e-9  # 6 standard errors of 8 runs
    assert error < 0.05


@pytest.mark.parametrize("var", ["beta", "beta_tilde"])
@pytest.mark.parametrize(
    "data",
    [ld.GaussianMixture(torch.tensor([[0.3]], dtype=torch.float64), var=0.2), ld.two_bumps()],
    ids=["one normal", "two bumps"],
)
def test_elbo_bounds_the_truth_and_nears_it_with_T(data, var):
    gaps = [gap_to_truth(data, ld.linear_schedule(T), seeds=6, n=2000, var=var) for T in (5, 50, 200)]
    assert all(gap > -6 * error for gap, error in gaps)
    assert (
        all(a > b - 6 * error for (a, _), (b, error) in zip(gaps, gaps[1:])) and gaps[0][0] > gaps[2][0] + 0.4
    )
    if var == "beta":  # beta_tilde is right for a single known x_0 only and closes in more slowly
        assert gaps[2][0] < 0.1 + 6 * gaps[2][1]


def test_elbo_of_a_single_point():
    """When x_0 is known, p is the posterior up to its variance: L_{t-1} is the KL of two variances, 0 for
    beta_tilde."""
    s, x0 = ld.linear_schedule(T=30), torch.full((3, 2), 0.25, dtype=torch.float64)
    model = ld.GaussianMixture(x0[:1]).exact_eps(s)
    assert ld.elbo(model, s, x0, var="beta_tilde").L.abs().max() < 1e-9
    r = s.beta_tilde[2:] / s.beta[2:]
    got = ld.elbo(model, s, x0, var="beta").L
    assert got.shape == (31,) and got.dtype == torch.float64 and (got[:2] == 0).all()
    torch.testing.assert_close(got[2:], (r - 1 - r.log()) / (2 * math.log(2)), rtol=1e-6, atol=1e-12)


def test_elbo_terms_of_a_useless_model(s, g):
    """eps_hat = 0: each term is a known function of the draws, replayed here."""
    x0 = torch.randn(500, 2, generator=g, dtype=torch.float64).clamp(-1, 1)
    got = ld.elbo(
        lambda x, t: torch.zeros_like(x), s, x0, bins=None, generator=torch.Generator().manual_seed(3)
    )
    q = Normal(s.alpha_bar[-1].sqrt() * x0, (1 - s.alpha_bar[-1]).sqrt())
    assert got.L_T == pytest.approx(kl_divergence(q, Normal(0.0, 1.0)).mean().item() / math.log(2), rel=1e-9)
    twin = torch.Generator().manual_seed(3)
    for t in range(1, s.T + 1):
        xt = ld.q_sample(s, x0, t, torch.randn(x0.shape, generator=twin, dtype=x0.dtype))
        p = Normal(xt / s.alpha[t].sqrt(), s.beta[t].sqrt())
        if t == 1:
            assert got.L_0 == pytest.approx(-p.log_prob(x0).mean().item() / math.log(2), rel=1e-9)
        else:
            mean, var = ld.q_posterior(s, x0, xt, t)
            assert got.L[t].item() == pytest.approx(
                kl_divergence(Normal(mean, var.sqrt()), p).mean().item() / math.log(2)
            )
    assert got.total == pytest.approx(got.L_T + got.L.sum().item() + got.L_0)


@pytest.mark.filterwarnings("ignore:alpha_bar_T")
def test_L_T_where_signal_is_left(g):
    """With a short schedule L_T is not small: KL of N(sqrt(alpha_bar_T) x_0, 1 - alpha_bar_T) to N(0, 1)."""
    s, x0 = ld.Schedule(torch.tensor([0, 0.3, 0.4])), torch.rand(5, 3, generator=g, dtype=torch.float64)
    alpha_bar = 0.7 * 0.6
    expected = kl_divergence(
        Normal(math.sqrt(alpha_bar) * x0, math.sqrt(1 - alpha_bar)), Normal(0.0, 1.0)
    ).mean()
    got = ld.elbo(lambda x, t: torch.zeros_like(x), s, x0, generator=g)
    assert got.L_T == pytest.approx(expected.item() / math.log(2), rel=1e-6)
    assert got.total == pytest.approx(got.L_T + got.L.sum().item() + got.L_0, rel=1e-9) and got.L_T > 0.05


@pytest.mark.parametrize("bins", [2, 4, 256])
@pytest.mark.parametrize("centre", [-1.3, 0.1, 1.0])
def test_probabilities_of_all_grey_levels_sum_to_one(bins, centre):
    s = ld.linear_schedule(T=1)  # one wide step: x_0 ~ N(centre, 0.999) in levels

    def model(x, t):  # the eps_hat whose p_mean is `centre` wherever x is
        return (x - centre * s.alpha[1].sqrt()) * (1 - s.alpha_bar[1]).sqrt() / s.beta[1]

    levels = torch.linspace(-1, 1, bins, dtype=torch.float64)
    p = [2 ** -ld.elbo(model, s, level.reshape(1, 1), bins=bins).L_0 for level in levels]
    assert sum(p) == pytest.approx(1, rel=1e-9)
    edges = [-math.inf, *((levels[1:] + levels[:-1]) / 2).tolist(), math.inf]
    cdf = [0.5 * (1 + math.erf((e - centre) / math.sqrt(2 * s.beta[1].item()))) for e in edges]
    assert p == pytest.approx([b - a for a, b in zip(cdf, cdf[1:])], rel=1e-6)


def test_an_impossible_level_costs_much_but_not_infinity():
    s = ld.linear_schedule()
    total = ld.elbo(lambda x, t: 100 + 0 * x, s, torch.ones(1, 2))
    assert math.isfinite(total.L_0) and total.L_0 == pytest.approx(-math.log2(1e-12))


def test_elbo_calls_the_model_once_for_each_t(s, g):
    model = Spy().train()
    ld.elbo(model, s, torch.zeros(2, 1, 2, 2), generator=g)
    assert sorted(t[0].item() for t in model.t) == list(range(1, s.T + 1))
    assert all(t.shape == (2,) and t.dtype == torch.int64 for t in model.t)
    assert not any(any(seen) for seen in model.training_seen) and not any(model.grad_seen)
    assert all(m.training for m in model.modules())


def test_elbo_is_a_function_of_its_generator(s, net):
    x0 = torch.zeros(2, 1, 4, 4)
    one, same, other = (
        ld.elbo(net, s, x0, generator=torch.Generator().manual_seed(i)).total for i in (0, 0, 1)
    )
    assert one == same != other
    assert ld.elbo(net, s, x0).total != ld.elbo(net, s, x0).total  # without one, fresh noise each time
