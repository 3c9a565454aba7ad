"""Slide S10: q_posterior, the step back when x_0 is known."""

from itertools import product
from typing import NamedTuple

import torch

from labdiff import process, sampling
from labdiff.checks.exercises.exercise import Exercise, Form, Mistake, catalogue, functions_of, wrong
from labdiff.checks.exercises.noising import OFF_BY_ONE, SHAPE
from labdiff.checks.exercises.probes import batch_probes, scale


class Entries(NamedTuple):
    """The numbers of noise level t; abp is alpha_bar_{t-1}."""

    beta: torch.Tensor
    alpha: torch.Tensor
    ab: torch.Tensor
    abp: torch.Tensor
    beta_prev: torch.Tensor


def entries_at(s, t):
    return Entries(s.beta[t], s.alpha[t], s.alpha_bar[t], s.alpha_bar[t - 1], s.beta[t - 1])


def on_x0(q, down=lambda q: 1 - q.ab, beta=lambda q: q.beta):
    return q.abp.sqrt() * beta(q) / down(q)


def on_xt(q, down=lambda q: 1 - q.ab):
    return q.alpha.sqrt() * (1 - q.abp) / down(q)


def beta_tilde(q, down=lambda q: 1 - q.ab, beta=lambda q: q.beta):
    return (1 - q.abp) / down(q) * beta(q)


def posterior(
    s,
    x0,
    xt,
    t,
    *,
    level=lambda t: t,
    on_x0=on_x0,
    on_xt=on_xt,
    var=beta_tilde,
    shape=scale,
    out=lambda mean, var: (mean, var),
):
    q = entries_at(s, level(t))
    return out(shape(on_x0(q), xt) * x0 + shape(on_xt(q), xt) * xt, shape(var(q), xt))


def _in_some(id, hint, **wrong):
    """The same mistake in any selection of the three formulas, all of them first."""
    names = {"on_x0": "the factor of x_0", "on_xt": "the factor of x_t", "var": "the variance"}
    for chosen in product((True, False), repeat=len(wrong)):
        parts = {name: part for (name, part), keep in zip(wrong.items(), chosen, strict=False) if keep}
        if parts:
            yield Mistake(id, hint.format(places=" and ".join(names[p] for p in parts)), parts)


def _before(q):
    return 1 - q.abp


def _one(q):
    return 1


def _previous(q):
    return q.beta_prev


MISTAKES = catalogue(
    """
swapped-coefficients: The two coefficients of the mean are swapped: sqrt(alpha_bar_{t-1}) beta_t goes with
    x_0, sqrt(alpha_t) (1 - alpha_bar_{t-1}) with x_t (S10). Check: at t = 1 the mean must be x_0.
std-for-variance: Your second result is the standard deviation sqrt(beta_tilde_t). The variance itself is
    asked for; a name should hold what it says.
log-for-variance: Your second result is the logarithm of the variance. Return the variance itself.
log-for-variance/floor: Your second result is the logarithm of the variance, kept finite at t = 1 by a floor
    of 1e-20. Return the variance itself.
log-for-variance/of-std: Your second result is log(sigma_t), half the logarithm of the variance. Return the
    variance itself.
beta-for-variance: Your second result is beta_t. That is the other usual choice of sigma_t^2 for p_theta
    (S8); the posterior's own variance is beta_tilde_t, which is smaller, and 0 at t = 1 (S10).
inverted-variance: The fraction in your variance is upside down: it is (1 - alpha_bar_{t-1}) / (1 -
    alpha_bar_t), at most 1 (S10).
one-minus-alpha-bar-variance: Your variance is 1 - alpha_bar_t, that of q(x_t | x_0). The step back has
    beta_tilde_t (S10).
missing-root-x0: In the factor of x_0 the square root over alpha_bar_{t-1} is missing (S10).
alpha-bar-of-t: The factor of x_0 has sqrt(alpha_bar_t) where slide S10 has sqrt(alpha_bar_{t-1}).
missing-root-xt: In the factor of x_t the square root over alpha_t is missing (S10).
alpha-bar-for-alpha: The factor of x_t has sqrt(alpha_bar_t) where slide S10 has sqrt(alpha_t).
swapped-outputs: You return (var, mean). The order is (mean, var).
var-not-reshaped: Your variance has the shape (B,). It meets the columns W of an image when it is used; give
    it the shape (B, 1, 1, 1) like the coefficients.
precision-for-variance: Your second result is 1 / beta_tilde_t, the precision. Return the variance.
beta-missing: Your variance is (1 - alpha_bar_{t-1}) / (1 - alpha_bar_t), without the factor beta_t (S10).
beta-missing/x0: In the factor of x_0 beta_t is missing (S10).
alpha-bar-of-t/xt: In the factor of x_t you have 1 - alpha_bar_t where slide S10 has 1 - alpha_bar_{t-1}:
    what is left is sqrt(alpha_t).
root-beta: The factor of x_0 has sqrt(beta_t) where slide S10 has beta_t.
p-mean-for-posterior: Your mean takes x_0 for the noise: that is slide S11's formula. S10 has a weighted sum
    of x_0 and x_t.
beta-for-alpha: The factor of x_t has sqrt(beta_t) where slide S10 has sqrt(alpha_t).
alpha-for-beta: The factor of x_0 has alpha_t where slide S10 has beta_t.
no-xt: Your mean has no part of x_t: it is that of q(x_{t-1} | x_0), the jump (S5). The posterior knows x_t
    too (S10).
wrong-sign: You subtract the part of x_t. The mean is the sum of both parts (S10).
wrong-sign/x0: You subtract the part of x_0. The mean is the sum of both parts (S10).
one-minus-alpha-bar-variance/before: Your variance is 1 - alpha_bar_{t-1}, that of q(x_{t-1} | x_0). The step
    back has beta_tilde_t (S10).
inverted-fraction: In the factor of x_t the fraction is upside down: it is (1 - alpha_bar_{t-1}) / (1 -
    alpha_bar_t), at most 1 (S10).
""",
    *OFF_BY_ONE,
    *SHAPE,
    *_in_some(
        "previous-level-denominator",
        "In {places} you divide by 1 - alpha_bar_{{t-1}}. The denominator is 1 - alpha_bar_t (S10); yours is "
        "0 at "
        "t = 1.",
        on_x0=lambda q: on_x0(q, _before),
        on_xt=lambda q: on_xt(q, _before),
        var=lambda q: beta_tilde(q, _before),
    ),
    *_in_some(
        "beta-of-t-1",
        "In {places} you use beta_{{t-1}}. Slide S10 has beta_t; only alpha_bar comes at t-1.",
        on_x0=lambda q: on_x0(q, beta=_previous),
        var=lambda q: beta_tilde(q, beta=_previous),
    ),
    wrong("swapped-coefficients", on_x0=on_xt, on_xt=on_x0),
    wrong("std-for-variance", var=lambda q: beta_tilde(q).sqrt()),
    wrong("log-for-variance", var=lambda q: beta_tilde(q).log()),
    wrong("log-for-variance/floor", var=lambda q: beta_tilde(q).clamp(min=1e-20).log()),
    wrong("log-for-variance/of-std", var=lambda q: 0.5 * beta_tilde(q).log()),
    wrong("beta-for-variance", var=lambda q: q.beta),
    wrong("inverted-variance", var=lambda q: (1 - q.ab) / (1 - q.abp) * q.beta),
    wrong("one-minus-alpha-bar-variance", var=lambda q: 1 - q.ab),
    wrong("missing-root-x0", on_x0=lambda q: q.abp * q.beta / (1 - q.ab)),
    wrong("alpha-bar-of-t", on_x0=lambda q: q.ab.sqrt() * q.beta / (1 - q.ab)),
    wrong("missing-root-xt", on_xt=lambda q: q.alpha * (1 - q.abp) / (1 - q.ab)),
    wrong("alpha-bar-for-alpha", on_xt=lambda q: q.ab.sqrt() * (1 - q.abp) / (1 - q.ab)),
    wrong("swapped-outputs", out=lambda mean, var: (var, mean)),
    wrong("var-not-reshaped", out=lambda mean, var: (mean, var.flatten())),
    *_in_some(
        "denominator-missing",
        "In {places} the division by 1 - alpha_bar_t is missing (S10).",
        on_x0=lambda q: on_x0(q, _one),
        on_xt=lambda q: on_xt(q, _one),
        var=lambda q: beta_tilde(q, _one),
    ),
    *_in_some(
        "root-in-denominator",
        "In {places} you divide by sqrt(1 - alpha_bar_t). Slide S10 divides by 1 - alpha_bar_t.",
        on_x0=lambda q: on_x0(q, lambda q: (1 - q.ab).sqrt()),
        on_xt=lambda q: on_xt(q, lambda q: (1 - q.ab).sqrt()),
        var=lambda q: beta_tilde(q, lambda q: (1 - q.ab).sqrt()),
    ),
    wrong("precision-for-variance", var=lambda q: 1 / beta_tilde(q)),
    wrong("beta-missing", var=lambda q: (1 - q.abp) / (1 - q.ab)),
    wrong("beta-missing/x0", on_x0=lambda q: q.abp.sqrt() / (1 - q.ab)),
    wrong("alpha-bar-of-t/xt", on_xt=lambda q: q.alpha.sqrt()),
    wrong("root-beta", on_x0=lambda q: (q.abp * q.beta).sqrt() / (1 - q.ab)),
    wrong(
        "p-mean-for-posterior",
        on_x0=lambda q: -q.beta / ((1 - q.ab) * q.alpha).sqrt(),
        on_xt=lambda q: 1 / q.alpha.sqrt(),
    ),
    wrong("beta-for-alpha", on_xt=lambda q: q.beta.sqrt() * (1 - q.abp) / (1 - q.ab)),
    wrong("alpha-for-beta", on_x0=lambda q: on_x0(q, beta=lambda q: q.alpha)),
    wrong("no-xt", on_xt=lambda q: 0 * q.ab, on_x0=lambda q: q.abp.sqrt()),
    wrong("no-xt", on_xt=lambda q: 0 * q.ab),
    wrong("wrong-sign", on_xt=lambda q: -on_xt(q)),
    wrong("wrong-sign/x0", on_x0=lambda q: -on_x0(q)),
    wrong("one-minus-alpha-bar-variance/before", var=lambda q: 1 - q.abp),
    wrong("inverted-fraction", on_xt=lambda q: q.alpha.sqrt() * (1 - q.ab) / (1 - q.abp)),
)

EXERCISE = Exercise(
    name="q_posterior",
    arguments=("s", "x0", "xt", "t"),
    outputs=("mean", "var"),
    slide="S10",
    meaning="Whoever knows x_0 knows the step back exactly: a Gaussian whose mean lies between x_0 and x_t.",
    formula=posterior,
    make_probes=batch_probes(("s", "x0", "xt", "t")),
    mistakes=MISTAKES,
    forms=(Form("mu_tilde and beta_tilde of slide S10"),),
    blocked=(process.q_posterior, process.p_mean, *functions_of(sampling)),
    factors=("x0", "xt"),
    may_be_full_shape=("var",),
)
