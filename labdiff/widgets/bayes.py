"""Sliders over densities in one dimension: marginals, the posterior with x_0, and the reverse step without it."""

import math

import torch

from labdiff import process
from labdiff.arguments import check_generator, check_number, check_schedule, randn
from labdiff.data import GaussianMixture
from labdiff.widgets.noised import caller, evenly, how_many
from labdiff.widgets.panel import Panel
from labdiff.widgets.panes import (
    area,
    bayes,
    bell,
    gaussian_of,
    linear,
    lines,
    log_density,
    numbers,
    slider,
    stops,
    t_slider,
    texts,
)


def marginal_slider(s, mixture, *, q_sample=None, n=20_000, generator=None, t=0):
    """Slide t and watch a whole distribution become N(0, 1): a histogram of noised draws and the exact density of q(x_t).

    Args:
        s: Schedule.
        mixture: GaussianMixture in one dimension, means (K, 1), var > 0: where x_0 comes from.
        q_sample: the function that noises the draws, (s, x0, t, eps) -> x_t with t (n,) int64; default labdiff's own.
            Give yours: it is called for every t, now.
        n: number of draws.
        generator: source of x_0 and of the noise, each drawn once and kept for all t; None for a fresh one.
        t: where the slider starts, 0..T.

    Returns: a Panel with the trait t; it has fewer stops than 0..T where q_sample is slow.
    Raises: TypeError, ValueError: wrong type, shape, or range, q_sample's result included.
    Source: slides S5, S13.
    """
    check_schedule("marginal_slider", s)
    _check_mixture("marginal_slider", mixture)
    generator = check_generator("marginal_slider", generator)
    x0 = mixture.sample(n, generator)
    eps = randn(x0.shape, generator, like=x0)
    call = caller(s, q_sample or process.q_sample, "marginal_slider")
    levels = evenly(s.T, how_many(lambda: call(x0, s.T, eps), calls=4))
    end = max(3.5, 1.2 * mixture.means.abs().max().item() + 3 * mixture.var**0.5)
    n_bars, per_bar = 96, 3
    x = torch.linspace(-end, end, n_bars * per_bar + 1).to(mixture.means)
    normal = torch.exp(-(x**2) / 2) / (2 * torch.pi) ** 0.5
    exact = torch.stack(
        [mixture.noised(s.alpha_bar[level].item()).log_prob(x[:, None]).exp() for level in levels]
    )
    bars, variances = [], []
    for level in levels:
        xt = call(x0, level, eps)
        heights = xt.detach().float().cpu().histc(n_bars, -end, end) * n_bars / (2 * end * n)
        bars.append(torch.cat([heights.repeat_interleave(per_bar), heights[-1:]]))
        variances.append(xt.var().item())
    gaps = (exact - normal).abs().sum(1) * end / (n_bars * per_bar)  # half the area between the two
    curves = {"draws of x_t": area(torch.stack(bars)), "exact q(x_t)": exact.float(), "N(0, 1)": normal}
    top = max(0.6, 1.1 * exact[1:].max().item())
    plot = lines(
        x,
        curves,
        axes=("t",),
        xlabel="x_t",
        ylabel="density",
        ylim=(0, top),
        width=560,
        height=240,
        alt="histogram of draws of x_t, exact density of x_t, and N(0, 1)",
    )
    table = numbers(
        {
            "alpha_bar_t": texts(f"{v:.4f}" for v in s.alpha_bar[levels]),
            "variance of the draws": texts(f"{v:.2f}" for v in variances),
            "share of q(x_t) outside N(0, 1)": texts(f"{v:.3f}" for v in gaps),
        }
    )
    says = texts(
        f"alpha_bar = {a:.4f}, share outside the normal = {gap:.3f}"
        for a, gap in zip(s.alpha_bar[levels], gaps, strict=True)
    )
    return Panel("marginal_slider", [t_slider("marginal_slider", s, levels, t)], [[plot, table]], says=says)


def posterior_slider(s, *, t=None, x0=0.5, xt=0.0):
    """Bayes in one dimension: prior q(x_{t-1} | x_0), likelihood q(x_t | x_{t-1}), and the posterior that they make.

    Args:
        s: Schedule.
        t: where the slider starts, 1..T; default 100, or T where that is less.
        x0, xt: where theirs start, in [-2, 2].

    Returns: a Panel with the traits t, x0 and xt.
    Raises: TypeError, ValueError: s is no Schedule; t, x0 or xt is out of range.
    Source: slide S10.
    """
    check_schedule("posterior_slider", s)
    levels = torch.arange(1, s.T + 1)
    one, zero = torch.ones(s.T, 1, dtype=torch.float64), torch.zeros(s.T, 1, dtype=torch.float64)
    on_x0, var = process.q_posterior(
        s, one, zero, levels
    )  # the mean is linear in x_0 and x_t: these are its two factors
    on_xt, _ = process.q_posterior(s, zero, one, levels)
    mean, var = linear(x0=on_x0[:, 0], xt=on_xt[:, 0]), var[:, 0]
    alpha, beta, alpha_bar_prev = s.alpha[1:], s.beta[1:], s.alpha_bar[:-1]
    bells = {
        "prior q(x_{t-1}|x_0)": bell(linear(x0=alpha_bar_prev.sqrt()), 1 - alpha_bar_prev),
        "likelihood of x_t": bell(linear(xt=1 / alpha.sqrt()), beta / alpha),
        "posterior": bell(mean, var),
    }
    plot = lines(
        torch.linspace(-2.5, 2.5, 501),
        bells,
        xlabel="x_{t-1}",
        ylabel="scaled to height 1",
        ylim=(0, 1),
        mark=mean,
        width=560,
        height=240,
        alt="prior, likelihood and posterior over x_{t-1}",
    )
    table = numbers(
        {
            "mu_tilde": (mean, 4),
            "beta_tilde": texts(f"{v:.5f}" for v in var),
            "std sqrt(beta_tilde)": texts(f"{v:.4f}" for v in var.sqrt()),
        }
    )
    controls = [
        t_slider("posterior_slider", s, range(1, s.T + 1), min(100, s.T) if t is None else t),
        _number("posterior_slider", "x0", x0, "x_0"),
        _number("posterior_slider", "xt", xt, "x_t"),
    ]
    return Panel(
        "posterior_slider", controls, [[plot, table]], says=texts(f"beta_tilde = {v:.5f}" for v in var)
    )


def reverse_slider(s, mixture, *, t=None, beta=0.1, xt=0.0):
    """Bayes without x_0, in one dimension: q(x_{t-1} | x_t) on a grid, beside the Gaussian with its mean and variance.

    t sets how noisy x_{t-1} is; the beta of the one step from there to x_t is free, so that one sees what a big step does.

    Args:
        s: Schedule.
        mixture: GaussianMixture in one dimension, means (K, 1), var > 0: where x_0 comes from.
        t: where the slider starts, 1..T; default 41, or T where that is less.
        beta: where its slider starts, in [0.001, 0.95]; the slider has 151 stops.
        xt: where its slider starts, in [-2, 2].

    Returns: a Panel with the traits t, beta and xt.
    Raises: TypeError, ValueError: s is no Schedule; mixture is not one-dimensional; t, beta or xt is out of range.
    Source: slides S6, S13.
    """
    check_schedule("reverse_slider", s)
    _check_mixture("reverse_slider", mixture)
    check_number("reverse_slider", "beta", beta, "a number in [0.001, 0.95]", lambda v: 0.001 <= v <= 0.95)
    betas = [float(f"{0.001 * 950 ** (i / 150):.3g}") for i in range(151)]
    betas[min(range(151), key=lambda i: abs(betas[i] - beta))] = beta  # the start is one of the stops
    x = torch.linspace(-4, 4, 401, dtype=torch.float64)
    log_prior = torch.stack(
        [mixture.noised(v).log_prob(x[:, None].to(mixture.means)) for v in s.alpha_bar[:-1].tolist()]
    )
    root = [math.sqrt(1 - b) for b in betas]
    curves = {
        "q(x_{t-1})": log_density(log_prior),
        "likelihood of x_t": bell(linear(("beta",), xt=[1 / r for r in root]), [b / (1 - b) for b in betas]),
        "q(x_{t-1}|x_t)": bayes(0, 1),
        "its Gaussian": gaussian_of(2),
    }
    plot = lines(
        x,
        curves,
        xlabel="x_{t-1}",
        ylabel="scaled to height 1",
        xlim=(-3, 3),
        ylim=(0, 1.1),
        width=560,
        height=240,
        alt="prior, likelihood and posterior over x_{t-1}, and the Gaussian nearest to the posterior",
    )
    table = numbers(
        {
            "mean": ("mean", 4),
            "std": ("std", 4),
            "sqrt(beta)": texts((f"{math.sqrt(b):.4f}" for b in betas), ("beta",)),
            "KL to its Gaussian, nats": ("kl", 4),
        }
    )
    controls = [
        t_slider("reverse_slider", s, range(1, s.T + 1), min(41, s.T) if t is None else t),
        stops("beta", betas, beta, label="beta_t", labels=[f"{b:.3g}" for b in betas]),
        _number("reverse_slider", "xt", xt, "x_t"),
    ]
    return Panel("reverse_slider", controls, [[plot, table]])


def _number(function, name, start, label):
    if isinstance(start, int) and not isinstance(start, bool):
        start = float(start)
    return slider(function, name, -2.0, 2.0, start, step=0.05, label=label, digits=2)


def _check_mixture(function, mixture):
    if not isinstance(mixture, GaussianMixture) or mixture.means.shape[1:] != (1,) or mixture.var == 0:
        got = type(mixture).__name__
        if isinstance(mixture, GaussianMixture):
            got = f"means {tuple(mixture.means.shape)}, var {mixture.var:g}"
        raise ValueError(
            f"{function}: mixture: expected a GaussianMixture with means (K, 1) and var > 0, got {got}"
        )
