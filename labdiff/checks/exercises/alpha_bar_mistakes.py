"""alpha_bar: the mistakes that are made with it."""

import torch

from labdiff.checks.exercises.exercise import catalogue, wrong


def _cosine(n):
    t = torch.arange(n, dtype=torch.float64) / (n - 1)
    f = torch.cos((t + 0.008) / 1.008 * torch.pi / 2) ** 2
    return f / f[0]


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
last-entry-missing: Your result has T entries, t = 0..T-1: the last one is cut off. It needs T+1, up to
    alpha_bar_T.
loop-too-short: Your last entry is not filled in: the loop ends one too early. range(1, len(beta)) goes up to
    T.
loop-too-short/begin: Your product begins with alpha_2: alpha_1 is left out. The loop begins at t = 1.
sum-for-product/half: You take exp of minus half the sum of the betas, which is near the root of alpha_bar.
    alpha_bar is the product of the alphas.
own-schedule: You make alpha_bar by a cosine formula. Use the betas that you are given: alpha_bar is the
    product of 1 - beta.
cumulated-twice: You take the cumulative product twice. Once is alpha_bar.
average: You average the alphas up to t. It is their product.
average/geometric: You take the t-th root of the product. alpha_bar_t is the product itself.
sum-for-product/clamped: You subtract the sum of the betas from 1, and cut it off at 0. alpha_bar is the
    *product* of the alphas, which never gets to 0.
one-beta-for-all: You raise one alpha to the power t. Each step has its own beta: multiply alpha_1 .. alpha_t.
minus-missing: You multiply beta - 1: the sign changes with each factor. It is 1 - beta.
snr: You return alpha_bar / (1 - alpha_bar), the signal-to-noise ratio. alpha_bar itself is asked for.
noise-std: You return sqrt(1 - alpha_bar_t), the standard deviation of the noise. alpha_bar_t itself is asked
    for.
squared: You square alpha_bar. It is the product of the alphas as they are: beta is a variance already.
exp-base: You sum natural logarithms, but raise 2 or 10 to their sum. torch.exp is the inverse of torch.log.
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
    wrong("last-entry-missing", shift=lambda a: a[:-1]),
    wrong("loop-too-short", shift=lambda a: torch.cat([a[:-1], torch.ones_like(a[:1])])),
    wrong("loop-too-short", shift=lambda a: torch.cat([a[:-1], torch.zeros_like(a[:1])])),
    wrong("loop-too-short/begin", shift=lambda a: torch.cat([a[:1], a[1:] / a[1]])),
    wrong("sum-for-product/half", factor=lambda beta: beta, gather=lambda f: (-0.5 * f.cumsum(0)).exp()),
    wrong("own-schedule", out=lambda a: _cosine(len(a))),
    wrong("cumulated-twice", gather=lambda f: f.cumprod(0).cumprod(0)),
    wrong("average", gather=lambda f: f.cumsum(0) / torch.arange(1, len(f) + 1)),
    wrong("average", gather=lambda f: (f.cumsum(0) - 1) / torch.arange(len(f)).clamp(min=1)),
    wrong("average/geometric", gather=lambda f: f.cumprod(0) ** (1 / torch.arange(1, len(f) + 1))),
    wrong("average/geometric", gather=lambda f: f.cumprod(0) ** (1 / torch.arange(len(f)).clamp(min=1))),
    wrong("sum-for-product/clamped", gather=lambda f: (1 - (1 - f).cumsum(0)).clamp(min=0)),
    wrong("one-beta-for-all", gather=lambda f: f[1] ** torch.arange(len(f))),
    wrong("one-beta-for-all", gather=lambda f: f[-1] ** torch.arange(len(f))),
    wrong("one-beta-for-all", gather=lambda f: f.mean() ** torch.arange(len(f))),
    wrong("one-beta-for-all", gather=lambda f: f[1:].mean() ** torch.arange(len(f))),
    wrong("minus-missing", factor=lambda beta: beta - 1),
    wrong("minus-missing", gather=lambda f: torch.cat([f[:1], (-f[1:]).cumprod(0)])),
    wrong("snr", out=lambda a: a / (1 - a)),
    wrong("snr", out=lambda a: a / (1 - a).clamp(min=1e-8)),
    wrong("noise-std", out=lambda a: (1 - a).sqrt()),
    wrong("squared", out=lambda a: a**2),
    wrong("exp-base", out=lambda a: 2 ** a.log()),
    wrong("exp-base", out=lambda a: 10 ** a.log()),
)
