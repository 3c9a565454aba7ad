"""Slides S5 and S13: the jump from x_0."""

import torch

from labdiff import process
from labdiff.checks.exercises.exercise import Exercise, Form, catalogue, wrong
from labdiff.checks.exercises.noising import COMMON, alpha, alpha_bar, before, jump, ones
from labdiff.checks.exercises.probes import batch_probes, pixels, small
from labdiff.checks.in_kernel.probe import Probe


def _probes(seed):
    (x0, eps), _ = pixels(seed, 2)
    clean = Probe("one pixel, t = 0", (small(seed), x0, torch.tensor([0]), eps), used_for_diagnosis=False)
    return [*batch_probes(("s", "x0", "t", "eps"))(seed), clean]


def _walked(s):
    """1 - f^2, where f is the factor of eps after t steps that all use the same one."""
    factor = [0.0]
    for alpha_t, beta_t in zip(s.alpha[1:].tolist(), s.beta[1:].tolist(), strict=True):
        factor.append(alpha_t**0.5 * factor[-1] + beta_t**0.5)
    return 1 - torch.tensor(factor, dtype=torch.float64) ** 2


def _straight(s):
    return 1 - torch.arange(s.T + 1, dtype=torch.float64) / s.T


MISTAKES = catalogue(
    """
variance-for-std: You multiply eps by 1 - alpha_bar_t, a variance. Noise is scaled by a standard deviation:
    sqrt(1 - alpha_bar_t). On slide S5 the second argument of N(...) is a variance; S13 has the root.
missing-root-signal: You multiply x_0 by alpha_bar_t. Slides S5 and S13 have its square root.
alpha-for-alpha-bar: You use alpha_t: that is one step (S4). The jump from x_0 passes all t steps at once and
    needs their product alpha_bar_t (S5).
alpha-for-alpha-bar/signal: Your signal is scaled by sqrt(alpha_t), that of one step (S4). The jump keeps
    sqrt(alpha_bar_t) (S5); your noise is right.
alpha-for-alpha-bar/noise: Your noise is scaled by sqrt(beta_t), that of one step (S4). The jump adds sqrt(1
    - alpha_bar_t) eps (S5); your signal is right.
beta-for-alpha-bar: Your coefficients come from beta_t itself. The jump needs alpha_bar_t, the product of all
    alpha = 1 - beta up to t (S5, S13).
off-by-one/signal: Your signal is scaled by sqrt(alpha_bar_{t-1}), that of the level before; your noise is
    right. Entry t of labdiff's arrays is the slides' t.
off-by-one/noise: Your noise is scaled by sqrt(1 - alpha_bar_{t-1}), that of the level before; your signal is
    right. Entry t of labdiff's arrays is the slides' t.
one-eps-for-all-steps: You walk the chain step by step with the same eps in every step. The steps' noises are
    independent, and their variances add up; the same one each time adds up its size. The jump needs no loop
    (S5).
variance-exploding: You add sqrt((1 - alpha_bar_t) / alpha_bar_t) eps to x_0 at full size. That is x_t /
    sqrt(alpha_bar_t), the other convention; on S5 the variance stays 1.
product-of-beta: You multiply the betas. alpha_bar_t is the product of 1 - beta (S13), and s.alpha_bar has
    it.
product-of-beta/alone: Your result is eps alone: x0 does not enter, or its factor is 0. (A product of betas is
    0 at every t, for it begins with beta_0 = 0; alpha_bar_t is the product of 1 - beta, and s.alpha_bar has
    it.)
product-of-alpha-bar: You multiply the alpha_bars up to t. s.alpha_bar is the product of the alphas already
    (S13).
sum-for-product: You add up the betas where their 1 - beta are multiplied: 1 - sum(beta) is alpha_bar_t for
    small t only (S13).
t-over-T: Your factors come from t/T. They come from the schedule: sqrt(alpha_bar_t) and sqrt(1 -
    alpha_bar_t) (S5).
t-over-T/linear: Your factors are 1 - t/T and t/T. They come from the schedule: sqrt(alpha_bar_t) and sqrt(1
    - alpha_bar_t) (S5).
beta-tilde-for-variance: Your noise is scaled by sqrt(beta_tilde_t), the standard deviation of the step back
    (S10). The jump adds sqrt(1 - alpha_bar_t) eps (S5).
rescales-x0: You change the range of x0, between [0, 1] and [-1, 1]. x0 is data as it is: that belongs to
    loading it.
bracket-missing: You multiply eps by sqrt(alpha_bar_t) and add a 1: brackets are missing in (1 -
    alpha_bar_t)^0.5.
t-0-noised: At t = 0 your result still holds noise. Level 0 is clean data: alpha_bar_0 = 1 gives x0 itself.
""",
    *COMMON,
    wrong("variance-for-std", noise=lambda a: 1 - a),
    wrong("missing-root-signal", signal=lambda a: a),
    wrong("alpha-for-alpha-bar", table=alpha),
    wrong("alpha-for-alpha-bar/signal", table=alpha, noise_table=alpha_bar),
    wrong("alpha-for-alpha-bar/noise", noise_table=alpha),
    wrong("beta-for-alpha-bar", table=lambda s: s.beta),
    wrong("off-by-one/signal", table=before(alpha_bar), noise_table=alpha_bar),
    wrong("off-by-one/noise", noise_table=before(alpha_bar)),
    wrong("one-eps-for-all-steps", noise_table=_walked),
    wrong("variance-exploding", signal=ones, noise=lambda a: ((1 - a) / a).sqrt()),
    wrong("product-of-beta/alone", table=lambda s: s.beta.cumprod(0)),
    wrong("product-of-beta", table=lambda s: torch.cat([ones(s.beta[:1]), s.beta[1:].cumprod(0)])),
    wrong("product-of-alpha-bar", table=lambda s: s.alpha_bar.cumprod(0)),
    wrong("sum-for-product", table=lambda s: (1 - s.beta.cumsum(0)).clamp(min=0)),
    wrong("t-over-T", table=_straight),
    wrong("t-over-T/linear", table=_straight, signal=lambda a: a, noise=lambda a: 1 - a),
    wrong("beta-tilde-for-variance", noise_table=lambda s: 1 - s.beta_tilde),
    wrong("rescales-x0", data=lambda x: 2 * x - 1),
    wrong("rescales-x0", data=lambda x: (x + 1) / 2),
    wrong("bracket-missing", noise=lambda a: -a.sqrt(), out=lambda x: x + 1),
    wrong("t-0-noised", level=lambda t: t.clamp(min=1)),
)

EXERCISE = Exercise(
    name="q_sample",
    arguments=("s", "x0", "t", "eps"),
    outputs=("x_t",),
    slide="S5, S13",
    meaning="Any noise level is one draw away, without walking the chain: training needs no loop over t.",
    formula=jump,
    make_probes=_probes,
    mistakes=MISTAKES,
    forms=(Form("x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps"),),
    blocked=(process.q_sample, process.q_step),
    factors=("x0", "eps"),
)
