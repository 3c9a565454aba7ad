"""Bayes in one dimension: the posterior with x_0 known, and the reverse step without it."""

import math
from collections.abc import Callable

import torch

from labdiff import process
from labdiff.arguments import check_number, check_schedule
from labdiff.schedule import Schedule
from labdiff.signature import checked
from labdiff.toys import GaussianMixture
from labdiff.widgets.controls import slider, stops, t_slider
from labdiff.widgets.densities import bayes, bell, gaussian_of, noised_mixture
from labdiff.widgets.marginals import check_mixture
from labdiff.widgets.panel import Panel
from labdiff.widgets.panes import lines
from labdiff.widgets.tables import linear, numbers, texts


@checked
def posterior_slider(
    s: Schedule,
    *,
    q_posterior: Callable = process.q_posterior,
    t: int | None = None,
    x0: float = 0.5,
    xt: float = 0.0,
) -> Panel:
    """Bayes in one dimension: prior q(x_{t-1} | x_0), likelihood q(x_t | x_{t-1}), and the posterior that
    they make.

    Args:
        s: Schedule.
        q_posterior: (s, x0, xt, t) -> mean, var, your own for example, whose posterior is drawn; it is called
            with images of one pixel.
        t: where the slider starts, 1..T; default 100, or T where that is less.
        x0, xt: where theirs start, in [-2, 2].

    Returns: a Panel with the traits t, x0 and xt.
    Raises: TypeError, ValueError: s is no Schedule; t, x0 or xt is out of range.
    Source: slide S10.
    """
    check_schedule("posterior_slider", s)
    levels = torch.arange(1, s.T + 1)
    one = torch.ones(s.T, 1, 1, 1, dtype=torch.float64)
    on_x0, var = q_posterior(s, one, 0 * one, levels)  # the mean is linear in x_0 and x_t: its two factors
    on_xt, _ = q_posterior(s, 0 * one, one, levels)
    for got in (on_x0, on_xt, var):
        if not isinstance(got, torch.Tensor) or got.numel() != s.T:
            raise ValueError(
                f"posterior_slider: q_posterior(s, x0, xt, t): expected mean and variance of {s.T} samples, "
                f"got {tuple(got.shape) if isinstance(got, torch.Tensor) else type(got).__name__}"
            )
    mean, var = linear(x0=on_x0.flatten(), xt=on_xt.flatten()), var.flatten()
    alpha, beta, alpha_bar_prev = s.alpha[1:], s.beta[1:], s.alpha_bar[:-1]
    bells = {
        "prior q(x_{t-1}|x_0)": bell(
            linear(x0=alpha_bar_prev.sqrt()), 1 - alpha_bar_prev, "sqrt(alpha_bar_{t-1}) x_0"
        ),
        "likelihood of x_t": bell(linear(xt=1 / alpha.sqrt()), beta / alpha, "x_t / sqrt(alpha_t)"),
        "posterior": bell(mean, var, "mu_tilde"),
    }
    plot = lines(
        torch.linspace(-2.5, 2.5, 501),
        bells,
        xlabel="x_{t-1}",
        ylabel="scaled to height 1",
        ylim=(0, 1.4),
        fit=True,
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


@checked
def reverse_slider(
    s: Schedule, mixture: GaussianMixture, *, t: int | None = None, beta: float = 0.1, xt: float = 0.0
) -> Panel:
    """Bayes without x_0, in one dimension: q(x_{t-1} | x_t) on a grid, beside the Gaussian with its mean and
    variance.

    t sets how noisy x_{t-1} is; the beta of the one step from there to x_t is free, so that one sees what a
    big step does.

    Args:
        s: Schedule.
        mixture: GaussianMixture in one dimension, means (K, 1), var > 0: where x_0 comes from.
        t: where the slider starts, 1..T; default 41, or T where that is less.
        beta: where its slider starts, in [0.001, 0.95]; the slider has 151 stops.
        xt: where its slider starts, in [-2, 2].

    Returns: a Panel with the traits t, beta and xt.
    Raises: TypeError, ValueError: s is no Schedule; mixture is not one-dimensional; t, beta or xt is out of
        range.
    Source: slides S6, S13.
    """
    check_schedule("reverse_slider", s)
    check_mixture("reverse_slider", mixture)
    check_number("reverse_slider", "beta", beta, "a number in [0.001, 0.95]", lambda v: 0.001 <= v <= 0.95)
    betas = [float(f"{0.001 * 950 ** (i / 150):.3g}") for i in range(151)]
    betas[min(range(151), key=lambda i: abs(betas[i] - beta))] = beta  # the start is one of the stops
    x = torch.linspace(-4, 4, 401, dtype=torch.float64)
    root = [math.sqrt(1 - b) for b in betas]
    curves = {
        "q(x_{t-1})": noised_mixture(mixture, s.alpha_bar[:-1]),
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
            "KL to its Gaussian, nats": ("kl", None),
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
