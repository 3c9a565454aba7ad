"""Slides S4, S5, S13: alpha_bar, q_step, q_sample."""

import torch

from labdiff import process, schedule
from labdiff.checks.exercises.exercise import Exercise, Form, mistake
from labdiff.checks.exercises.probes import batch_probes, draws, extreme, flat, pixels, scale, small, thousand
from labdiff.checks.in_kernel.probe import Probe


def noising(
    s,
    x,
    t,
    eps,
    *,
    level=lambda t: t,
    table=None,
    signal=lambda a: a.sqrt(),
    noise=lambda a: (1 - a).sqrt(),
    sign=1,
    shape=scale,
    noise_table=None,
    noise_shape=None,
    draw=lambda eps: eps,
    out=lambda x: x,
):
    """sqrt(a) x + sqrt(1-a) eps, with a = alpha_t for one step and alpha_bar_t for the jump."""
    a, b = table(s)[level(t)], (noise_table or table)(s)[level(t)]
    return out(shape(signal(a), x) * x + sign * (noise_shape or shape)(noise(b), x) * draw(eps))


def alpha(s):
    return s.alpha


def alpha_bar(s):
    return s.alpha_bar


def step(s, x_prev, t, eps, **parts):
    return noising(s, x_prev, t, eps, **{"table": alpha, **parts})


def jump(s, x0, t, eps, **parts):
    return noising(s, x0, t, eps, **{"table": alpha_bar, **parts})


def ones(a):
    return torch.ones_like(a)


OFF_BY_ONE = (
    mistake(
        "off-by-one",
        "You use the noise level t-1 where t belongs. labdiff's arrays have T+1 entries, and entry t is "
        "the slides' t: index them with t itself, not with t-1.",
        level=lambda t: t - 1,
    ),
    mistake(
        "off-by-one-up",
        "You use the noise level t+1 where t belongs. labdiff's arrays have T+1 entries, and entry t "
        "is the slides' t: index them with t itself.",
        level=lambda t: t + 1,
    ),
)
SHAPE = tuple(
    mistake(
        "not-reshaped",
        "Your coefficient meets the wrong axis of the images: broadcasting lines up axes from the "
        "right, so (B,) meets the columns W and not the samples. It stays silent when B happens to equal that axis. "
        "Give it the shape (B, 1, 1, 1), for example with .view(-1, 1, 1, 1).",
        shape=wrong,
    )
    for wrong in (flat, lambda c, x: flat(c, x).reshape(-1, 1), lambda c, x: flat(c, x).reshape(-1, 1, 1))
)
FRESH = tuple(
    mistake(
        id,
        f"{what} The noise is an argument: use the one you are given, so that the result can be "
        "replayed and compared. Whoever calls you draws it from N(0, I).",
        draw=draw,
    )
    for id, what, draw in (
        ("fresh-noise", "You draw new noise inside the function.", torch.randn_like),
        (
            "uniform-noise",
            "You draw uniform noise from [0, 1) inside the function: not Gaussian, and not centred on 0.",
            torch.rand_like,
        ),
        (
            "uniform-noise",
            "You draw uniform noise from [-1, 1) inside the function: not Gaussian.",
            lambda eps: 2 * torch.rand_like(eps) - 1,
        ),
    )
)
IN_ONE_PLACE = tuple(
    mistake(
        "not-reshaped",
        f"Your coefficient of {which} has the shape (B,) and meets the columns W of the images; the "
        "other one is right. Give both the shape (B, 1, 1, 1).",
        shape=a,
        noise_shape=b,
    )
    for which, a, b in (("the signal", flat, scale), ("the noise", scale, flat))
)
COMMON = (
    OFF_BY_ONE
    + SHAPE
    + IN_ONE_PLACE
    + FRESH
    + (
        mistake(
            "swapped-coefficients",
            "The two coefficients are swapped: the signal x keeps the square root of alpha (close "
            "to 1 for small t), the noise gets the square root of 1 - alpha (close to 0).",
            signal=lambda a: (1 - a).sqrt(),
            noise=lambda a: a.sqrt(),
        ),
        mistake(
            "no-noise",
            "The noise eps never enters your result: the second term is missing.",
            noise=lambda a: 0 * a,
        ),
        mistake(
            "noise-unscaled",
            "You add eps as it is. It has to be scaled by its standard deviation, or every step adds "
            "the same unit of noise.",
            noise=ones,
        ),
        mistake(
            "signal-unscaled",
            "You keep x at full size. It has to shrink by the square root of alpha, so that signal^2 + "
            "noise^2 = 1 and the variance stays 1; without that it grows from step to step.",
            signal=ones,
        ),
        mistake(
            "linear-mix",
            "You mix with weights w and 1 - w, so that the *weights* add up to 1. It is the variances that "
            "have to: signal^2 + noise^2 = 1, so the noise factor is sqrt(1 - w^2), not 1 - w.",
            noise=lambda a: 1 - a.sqrt(),
        ),
        mistake(
            "wrong-sign",
            "You subtract the noise. The slide adds it; the distribution is the same, but eps_hat would "
            "then point the wrong way when the network predicts it.",
            sign=-1,
        ),
        mistake(
            "clamped",
            "You clamp the result to [-1, 1]. x_t is a Gaussian and goes beyond: only data is within [-1, 1]. "
            "Clamping changes the distribution.",
            out=lambda x: x.clamp(-1, 1),
        ),
    )
)

STEP = Exercise(
    name="q_step",
    arguments=("s", "x_prev", "t", "eps"),
    outputs=("x_t",),
    slide="S4, S13",
    meaning="One step keeps the variance at 1: what the signal loses, the noise brings.",
    formula=step,
    probes=batch_probes(("s", "x_prev", "t", "eps")),
    blocked=(process.q_step,),
    factors=("x_prev", "eps"),
    forms=(Form("x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps"),),
    mistakes=COMMON
    + (
        mistake(
            "variance-for-std",
            "You multiply eps by the variance beta_t. Noise is scaled by a standard deviation: "
            "sqrt(beta_t). On slide S4 the second argument of N(...) is a variance.",
            noise=lambda a: 1 - a,
        ),
        mistake(
            "missing-root-signal",
            "You multiply x_{t-1} by 1 - beta_t. Slide S4 has its square root: only then do the "
            "variances (1 - beta_t) + beta_t add up to 1.",
            signal=lambda a: a,
        ),
        mistake(
            "jump-for-step",
            "You use alpha_bar_t, the product over all steps up to t: that is the jump from x_0 "
            "(S5). One step needs alpha_t = 1 - beta_t (S4).",
            table=alpha_bar,
        ),
        mistake(
            "jump-for-step",
            "Your signal is scaled by sqrt(alpha_bar_t), which belongs to the jump from x_0 (S5). One "
            "step keeps sqrt(1 - beta_t); your noise is right.",
            table=alpha_bar,
            noise_table=alpha,
        ),
        mistake(
            "jump-for-step",
            "Your noise is scaled by sqrt(1 - alpha_bar_t), which belongs to the jump from x_0 (S5). "
            "One step adds sqrt(beta_t) eps; your signal is right.",
            noise_table=alpha_bar,
        ),
        mistake(
            "beta-on-signal",
            "Your signal is scaled by the square root of beta_t: that is the noise's factor. The "
            "signal keeps sqrt(1 - beta_t).",
            signal=lambda a: (1 - a).sqrt(),
        ),
    ),
)


def _jumps(seed):
    (x0, eps), _ = pixels(seed, 2)
    clean = Probe("one pixel, t = 0", (small(seed), x0, torch.tensor([0]), eps), proof=False)
    return [*batch_probes(("s", "x0", "t", "eps"))(seed), clean]


JUMP = Exercise(
    name="q_sample",
    arguments=("s", "x0", "t", "eps"),
    outputs=("x_t",),
    slide="S5, S13",
    meaning="Any noise level is one draw away, without walking the chain: training needs no loop over t.",
    formula=jump,
    probes=_jumps,
    blocked=(process.q_sample,),
    factors=("x0", "eps"),
    forms=(Form("x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps"),),
    mistakes=COMMON
    + (
        mistake(
            "variance-for-std",
            "You multiply eps by 1 - alpha_bar_t, a variance. Noise is scaled by a standard "
            "deviation: sqrt(1 - alpha_bar_t). On slide S5 the second argument of N(...) is a variance; S13 has the "
            "root.",
            noise=lambda a: 1 - a,
        ),
        mistake(
            "missing-root-signal",
            "You multiply x_0 by alpha_bar_t. Slides S5 and S13 have its square root.",
            signal=lambda a: a,
        ),
        mistake(
            "alpha-for-alpha-bar",
            "You use alpha_t: that is one step (S4). The jump from x_0 passes all t steps at "
            "once and needs their product alpha_bar_t (S5).",
            table=alpha,
        ),
        mistake(
            "alpha-for-alpha-bar",
            "Your signal is scaled by sqrt(alpha_t), that of one step (S4). The jump keeps "
            "sqrt(alpha_bar_t) (S5); your noise is right.",
            table=alpha,
            noise_table=alpha_bar,
        ),
        mistake(
            "alpha-for-alpha-bar",
            "Your noise is scaled by sqrt(beta_t), that of one step (S4). The jump adds sqrt(1 "
            "- alpha_bar_t) eps (S5); your signal is right.",
            noise_table=alpha,
        ),
        mistake(
            "beta-for-alpha-bar",
            "Your coefficients come from beta_t itself. The jump needs alpha_bar_t, the product "
            "of all alpha = 1 - beta up to t (S5, S13).",
            table=lambda s: s.beta,
        ),
    ),
)


# ---- alpha_bar ------------------------------------------------------------------------------------------------------


def product(
    beta, *, factor=lambda beta: 1 - beta, gather=lambda f: f.cumprod(0), shift=lambda a: a, out=lambda a: a
):
    return out(shift(gather(factor(beta))))


FINE = 2e-5  # finer than usual, for a beta of 1e-4 at index 0 changes alpha_bar by no more; float32 is still good enough


def _betas(seed):
    chosen = [
        ("T = 1", small(seed).beta[:2].clone(), FINE),
        ("T = 3", small(seed).beta[:4].clone(), FINE),
        ("T = 5", small(seed).beta, FINE),
        ("T = 4, betas near 0 and 1", extreme().beta, FINE),
        ("T = 1000, linear", thousand().beta, 1e-3),
    ]
    beta = 0.3 * torch.rand(12, generator=draws(seed + 1), dtype=torch.float64) + 0.01
    beta[0] = 0
    return [
        Probe(name, (b,), rtol=rtol) for name, b, rtol in [*chosen, ("T = 11, betas in no order", beta, FINE)]
    ]


ALPHA_BAR = Exercise(
    name="alpha_bar",
    arguments=("beta",),
    outputs=("alpha_bar",),
    slide="S13",
    meaning="alpha_bar_t is the share of the data's variance that is left in x_t; it falls from 1 at t = 0.",
    formula=product,
    probes=_betas,
    blocked=(schedule.Schedule.__post_init__,),
    forms=(Form("alpha_bar_t = (1 - beta_1) ... (1 - beta_t), with alpha_bar_0 = 1"),),
    mistakes=(
        mistake(
            "product-of-beta",
            "You multiply the betas. alpha_t = 1 - beta_t is the share of variance that a step "
            "keeps; alpha_bar_t is the product of these alphas (S13).",
            factor=lambda beta: beta,
        ),
        mistake(
            "product-of-beta",
            "You multiply the betas (with a 1 for t = 0). alpha_t = 1 - beta_t is the share of "
            "variance that a step keeps; alpha_bar_t is the product of these alphas (S13).",
            factor=lambda beta: torch.cat([beta[:1] + 1, beta[1:]]),
        ),
        mistake(
            "sum-for-product",
            "You add up where the slide multiplies: alpha_bar_t is the *product* of alpha_1 .. alpha_t.",
            gather=lambda f: f.cumsum(0),
        ),
        mistake(
            "sum-for-product",
            "You subtract the sum of the betas from 1. That is only the first-order approximation; "
            "alpha_bar_t is the *product* of the alphas, and never falls below 0.",
            gather=lambda f: 1 - (1 - f).cumsum(0),
        ),
        mistake(
            "sum-for-product",
            "You add up the betas. alpha_bar_t is the *product* of alpha_1 .. alpha_t, with alpha = "
            "1 - beta (S13).",
            factor=lambda beta: beta,
            gather=lambda f: f.cumsum(0),
        ),
        mistake(
            "off-by-one",
            "Entry t of your result holds alpha_bar of t-1: it is shifted by one. The product runs up "
            "to and including t.",
            shift=lambda a: torch.cat([a[:1], a[:-1]]),
        ),
        mistake(
            "off-by-one",
            "Entry t of your result holds alpha_bar of t-1, and entry 0 the last one: rolled by one. The "
            "product runs up to and including t.",
            shift=lambda a: a.roll(1),
        ),
        mistake(
            "off-by-one-up",
            "Entry t of your result holds alpha_bar of t+1. Entry 0 is alpha_bar_0 = 1, clean data.",
            shift=lambda a: torch.cat([a[1:], a[-1:]]),
        ),
        mistake(
            "off-by-one-up",
            "Entry t of your result holds alpha_bar of t+1. Entry 0 is alpha_bar_0 = 1, clean data.",
            shift=lambda a: a.roll(-1),
        ),
        mistake(
            "alpha-bar-0-not-1",
            "Your alpha_bar_0 is not 1. t = 0 is clean data, and no beta belongs to it (beta[0] "
            "= 0): the product of no factors is 1.",
            shift=lambda a: torch.cat([a[1:2], a[1:]]),
        ),
        mistake(
            "alpha-bar-0-not-1",
            "Your alpha_bar_0 is 0. t = 0 is clean data, all of its variance is there: the "
            "product of no factors is 1.",
            shift=lambda a: torch.cat([0 * a[:1], a[1:]]),
        ),
        mistake(
            "alpha-bar-0-not-1",
            "A real beta sits at index 0 of your product: the first factor is used twice. t = 0 "
            "is clean data: alpha_bar_0 = 1, and beta_1 comes in at t = 1.",
            shift=lambda a: a * a[1],
        ),
        mistake(
            "alpha-bar-0-not-1",
            "Your alpha_bar_0 is 0.9999: a beta of 1e-4 sits at index 0 of your product. t = 0 is "
            "clean data, and no beta belongs to it: alpha_bar_0 = 1.",
            shift=lambda a: a * (1 - 1e-4),
        ),
        mistake(
            "entry-0-missing",
            "Your result has T entries, t = 1..T. It needs T+1: entry 0 is alpha_bar_0 = 1 for "
            "clean data, so that alpha_bar[t] is the slides' alpha_bar_t.",
            shift=lambda a: a[1:],
        ),
        mistake(
            "one-number",
            "Your product runs to T for every t: all entries are alpha_bar_T. Entry t takes only the "
            "factors 1..t; a *cumulative* product keeps every intermediate result.",
            gather=lambda f: f.prod().expand(len(f)),
        ),
        mistake(
            "one-number",
            "Your product runs to T for every t but 0. Entry t takes only the factors 1..t; a "
            "*cumulative* product keeps every intermediate result.",
            gather=lambda f: torch.cat([f[:1], f.prod().expand(len(f) - 1)]),
        ),
        mistake(
            "one-number",
            "You return one number, alpha_bar_T. The result has an entry for every t = 0..T: keep every "
            "intermediate product.",
            gather=lambda f: f.prod(),
        ),
        mistake(
            "no-product",
            "You return alpha_t = 1 - beta_t. alpha_bar_t is the product of all of them up to t (S13).",
            gather=lambda f: f,
        ),
        mistake(
            "reversed-product",
            "Your product runs from t to T. It has to run from 1 to t: noise piles up from the data on.",
            gather=lambda f: f.flip(0).cumprod(0).flip(0),
        ),
        mistake(
            "unscaled-betas",
            "You don't use the betas you are given but make your own, 1e-4..0.02. Those are for T = "
            "1000; at a small T they leave signal in x_T. Use the argument.",
            factor=lambda beta: (
                1 - torch.cat([beta[:1], torch.linspace(1e-4, 0.02, len(beta) - 1, dtype=beta.dtype)])
            ),
        ),
        mistake(
            "root-returned",
            "You have the square root of alpha_bar. The root comes later, where x_0 is scaled (S5).",
            out=lambda a: a.sqrt(),
        ),
        mistake(
            "one-minus",
            "You return 1 - alpha_bar_t, the variance of the noise. alpha_bar_t is the share of the signal.",
            out=lambda a: 1 - a,
        ),
    ),
)

EXERCISES = (ALPHA_BAR, STEP, JUMP)
