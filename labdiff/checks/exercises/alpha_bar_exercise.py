"""Slide S13: alpha_bar, the product of all alphas up to t."""

import torch

from labdiff import schedule
from labdiff.checks.exercises.exercise import Exercise, Form, catalogue, wrong
from labdiff.checks.exercises.probes import draws, extreme, small, thousand
from labdiff.checks.in_kernel.probe import Probe

# finer than usual, for a beta of 1e-4 at index 0 changes alpha_bar by no more; float32 is still good enough
FINE = 2e-5


def product(
    beta, *, factor=lambda beta: 1 - beta, gather=lambda f: f.cumprod(0), shift=lambda a: a, out=lambda a: a
):
    return out(shift(gather(factor(beta))))


def _probes(seed):
    beta = 0.3 * torch.rand(12, generator=draws(seed + 1), dtype=torch.float64) + 0.01
    beta[0] = 0
    chosen = (
        ("T = 1", small(seed).beta[:2].clone(), FINE),
        ("T = 3", small(seed).beta[:4].clone(), FINE),
        ("T = 5", small(seed).beta, FINE),
        ("T = 4, betas near 0 and 1", extreme().beta, FINE),
        ("T = 1000, linear", thousand().beta, 1e-3),
        ("T = 11, betas in no order", beta, FINE),
    )
    return [Probe(name, (b,), rtol=rtol) for name, b, rtol in chosen]


MISTAKES = catalogue(
    """
product-of-beta: You multiply the betas. alpha_t = 1 - beta_t is the share of variance that a step keeps;
    alpha_bar_t is the product of these alphas (S13).
product-of-beta/with-1: You multiply the betas (with a 1 for t = 0). alpha_t = 1 - beta_t is the share of
    variance that a step keeps; alpha_bar_t is the product of these alphas (S13).
sum-for-product: You add up where the slide multiplies: alpha_bar_t is the *product* of alpha_1 .. alpha_t.
sum-for-product/one-minus: You subtract the sum of the betas from 1. That is only the first-order
    approximation; alpha_bar_t is the *product* of the alphas, and never falls below 0.
sum-for-product/of-beta: You add up the betas. alpha_bar_t is the *product* of alpha_1 .. alpha_t, with alpha
    = 1 - beta (S13).
off-by-one: Entry t of your result holds alpha_bar of t-1: it is shifted by one. The product runs up to and
    including t.
off-by-one/rolled: Entry t of your result holds alpha_bar of t-1, and entry 0 the last one: rolled by one.
    The product runs up to and including t.
off-by-one-up: Entry t of your result holds alpha_bar of t+1. Entry 0 is alpha_bar_0 = 1, clean data.
alpha-bar-0-not-1: Your alpha_bar_0 is not 1. t = 0 is clean data, and no beta belongs to it (beta[0] = 0):
    the product of no factors is 1.
alpha-bar-0-not-1/zero: Your alpha_bar_0 is 0. t = 0 is clean data, all of its variance is there: the product
    of no factors is 1.
alpha-bar-0-not-1/twice: A real beta sits at index 0 of your product: the first factor is used twice. t = 0
    is clean data: alpha_bar_0 = 1, and beta_1 comes in at t = 1.
alpha-bar-0-not-1/almost: Your alpha_bar_0 is 0.9999: a beta of 1e-4 sits at index 0 of your product. t = 0
    is clean data, and no beta belongs to it: alpha_bar_0 = 1.
entry-0-missing: Your result has T entries, t = 1..T. It needs T+1: entry 0 is alpha_bar_0 = 1 for clean
    data, so that alpha_bar[t] is the slides' alpha_bar_t.
one-number: Your product runs to T for every t: all entries are alpha_bar_T. Entry t takes only the factors
    1..t; a *cumulative* product keeps every intermediate result.
one-number/but-0: Your product runs to T for every t but 0. Entry t takes only the factors 1..t; a
    *cumulative* product keeps every intermediate result.
one-number/scalar: You return one number, alpha_bar_T. The result has an entry for every t = 0..T: keep every
    intermediate product.
no-product: You return alpha_t = 1 - beta_t. alpha_bar_t is the product of all of them up to t (S13).
reversed-product: Your product runs from t to T. It has to run from 1 to t: noise piles up from the data on.
unscaled-betas: You don't use the betas you are given but make your own, 1e-4..0.02. Those are for T = 1000;
    at a small T they leave signal in x_T. Use the argument.
root-returned: You have the square root of alpha_bar. The root comes later, where x_0 is scaled (S5).
one-minus: You return 1 - alpha_bar_t, the variance of the noise. alpha_bar_t is the share of the signal.
sum-for-product/exp: You take exp of minus the sum of the betas. That is what the product of 1 - beta is for
    small betas only; multiply the alphas, or sum log(1 - beta).
product-of-beta/one-minus: You multiply the betas and subtract from 1. It is the other way round: first 1 -
    beta, then the product (S13).
log-returned: You return the sum of the logarithms. Take exp of it.
beta-squared: You take 1 - beta^2, beta for a standard deviation. It is a variance: alpha_t = 1 - beta_t.
power-for-product: You raise alpha_t to the power t. Each step has its own beta: multiply alpha_1 .. alpha_t.
off-by-one-up/end: Entry t of your result holds alpha_bar of t+1, and the last entry is 0. Entry 0 is
    alpha_bar_0 = 1, clean data.
reversed-product/not-back: Your product runs from T down, and stands in reverse. It has to run from 1 to t.
inverted: You return 1 / alpha_bar_t. alpha_bar falls from 1.
entry-too-many: Your result has T+2 entries: a 1 is put before a product that begins with it already, for
    beta[0] = 0 makes alpha_bar_0 = 1.
root-of-beta: You take 1 - sqrt(beta). beta is a variance already: alpha_t = 1 - beta_t.
plus-for-minus: You multiply 1 + beta. alpha_t = 1 - beta_t: a step keeps less than all.
two-factors-only: Only two alphas are multiplied, those of t and t-1. The product runs from 1 to t.
falls-linearly: You let alpha_bar fall by equal steps, without a look at beta. It is the product of 1 - beta.
exp-missing-log: You take exp of the sum of the alphas. exp turns a sum of *logarithms* into the product:
    exp(cumsum(log(1 - beta))).
smallest-so-far: You take the smallest alpha so far. It is their product.
""",
    wrong("product-of-beta", factor=lambda beta: beta),
    wrong("product-of-beta/with-1", factor=lambda beta: torch.cat([beta[:1] + 1, beta[1:]])),
    wrong("sum-for-product", gather=lambda f: f.cumsum(0)),
    wrong("sum-for-product/one-minus", gather=lambda f: 1 - (1 - f).cumsum(0)),
    wrong("sum-for-product/of-beta", factor=lambda beta: beta, gather=lambda f: f.cumsum(0)),
    wrong("off-by-one", shift=lambda a: torch.cat([a[:1], a[:-1]])),
    wrong("off-by-one/rolled", shift=lambda a: a.roll(1)),
    wrong("off-by-one-up", shift=lambda a: torch.cat([a[1:], a[-1:]])),
    wrong("off-by-one-up", shift=lambda a: a.roll(-1)),
    wrong("alpha-bar-0-not-1", shift=lambda a: torch.cat([a[1:2], a[1:]])),
    wrong("alpha-bar-0-not-1/zero", shift=lambda a: torch.cat([0 * a[:1], a[1:]])),
    wrong("alpha-bar-0-not-1/twice", shift=lambda a: a * a[1]),
    wrong("alpha-bar-0-not-1/almost", shift=lambda a: a * (1 - 1e-4)),
    wrong("entry-0-missing", shift=lambda a: a[1:]),
    wrong("one-number", gather=lambda f: f.prod().expand(len(f))),
    wrong("one-number/but-0", gather=lambda f: torch.cat([f[:1], f.prod().expand(len(f) - 1)])),
    wrong("one-number/scalar", gather=lambda f: f.prod()),
    wrong("no-product", gather=lambda f: f),
    wrong("reversed-product", gather=lambda f: f.flip(0).cumprod(0).flip(0)),
    wrong(
        "unscaled-betas",
        factor=lambda beta: (
            1 - torch.cat([beta[:1], torch.linspace(1e-4, 0.02, len(beta) - 1, dtype=beta.dtype)])
        ),
    ),
    wrong("unscaled-betas", factor=lambda beta: 1 - torch.linspace(1e-4, 0.02, len(beta), dtype=beta.dtype)),
    wrong("root-returned", out=lambda a: a.sqrt()),
    wrong("one-minus", out=lambda a: 1 - a),
    wrong("sum-for-product/exp", factor=lambda beta: beta, gather=lambda f: (-f.cumsum(0)).exp()),
    wrong("product-of-beta/one-minus", factor=lambda beta: beta, out=lambda a: 1 - a),
    wrong("log-returned", out=lambda a: a.log()),
    wrong("beta-squared", factor=lambda beta: 1 - beta**2),
    wrong("power-for-product", gather=lambda f: f ** torch.arange(len(f))),
    wrong("off-by-one-up/end", shift=lambda a: torch.cat([a[1:], 0 * a[:1]])),
    wrong("reversed-product/not-back", gather=lambda f: f.flip(0).cumprod(0)),
    wrong("inverted", out=lambda a: 1 / a),
    wrong("entry-too-many", shift=lambda a: torch.cat([a[:1], a])),
    wrong("root-of-beta", factor=lambda beta: 1 - beta.sqrt()),
    wrong("plus-for-minus", factor=lambda beta: 1 + beta),
    wrong("two-factors-only", gather=lambda f: f * f.roll(1)),
    wrong("two-factors-only", gather=lambda f: torch.cat([f[:1], f[1:] * f[:-1]])),
    wrong("falls-linearly", out=lambda a: torch.linspace(1, 0, len(a), dtype=a.dtype)),
    wrong("exp-missing-log", gather=lambda f: f.cumsum(0).exp()),
    wrong("smallest-so-far", gather=lambda f: f.cummin(0).values),
)

EXERCISE = Exercise(
    name="alpha_bar",
    arguments=("beta",),
    outputs=("alpha_bar",),
    slide="S13",
    meaning="alpha_bar_t is the share of the data's variance that is left in x_t; it falls from 1 at t = 0.",
    formula=product,
    make_probes=_probes,
    mistakes=MISTAKES,
    forms=(Form("alpha_bar_t = (1 - beta_1) ... (1 - beta_t), with alpha_bar_0 = 1"),),
    blocked=(schedule.Schedule.__post_init__,),
)
