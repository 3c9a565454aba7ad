"""What q_step, q_sample and eps_loss share: noising with two coefficients, and its mistakes."""

import torch

from labdiff.checks.exercises.exercise import catalogue, wrong
from labdiff.checks.exercises.probes import flat, scale


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
    data=lambda x: x,
    draw=lambda eps: eps,
    out=lambda x: x,
):
    """sqrt(a) x + sqrt(1-a) eps, with a = alpha_t for one step and alpha_bar_t for the jump."""
    a, b = table(s)[level(t)], (noise_table or table)(s)[level(t)]
    return out(shape(signal(a), x) * data(x) + sign * (noise_shape or shape)(noise(b), x) * draw(eps))


def alpha(s):
    return s.alpha


def alpha_bar(s):
    return s.alpha_bar


def jump(s, x0, t, eps, **parts):
    return noising(s, x0, t, eps, **{"table": alpha_bar, **parts})


def ones(a):
    return torch.ones_like(a)


OFF_BY_ONE = catalogue(
    """
off-by-one: You use the noise level t-1 where t belongs. labdiff's arrays have T+1 entries, and entry t is
    the slides' t: index them with t itself, not with t-1.
off-by-one-up: You use the noise level t+1 where t belongs. labdiff's arrays have T+1 entries, and entry t is
    the slides' t: index them with t itself.
first-t-for-all: You use the first sample's t for all. t has an entry for each sample: index the array with
    all of t, s.alpha_bar[t], and not with t[0].
""",
    wrong("off-by-one", level=lambda t: t - 1),
    wrong("off-by-one-up", level=lambda t: t + 1),
    wrong("first-t-for-all", level=lambda t: t[:1].expand_as(t)),
)


def before(table):
    """The table shifted by one: entry t holds that of t-1."""
    return lambda s: torch.cat([table(s)[:1], table(s)[:-1]])


SHAPE = catalogue(
    """
not-reshaped: Your coefficient meets the wrong axis of the images: broadcasting lines up axes from the right,
    so (B,) meets the columns W and not the samples. It stays silent when B happens to equal that axis. Give
    it the shape (B, 1, 1, 1), for example with .view(-1, 1, 1, 1).
""",
    wrong("not-reshaped", shape=flat),
    wrong("not-reshaped", shape=lambda c, x: flat(c, x).reshape(-1, 1)),
    wrong("not-reshaped", shape=lambda c, x: flat(c, x).reshape(-1, 1, 1)),
)

FRESH = catalogue(
    """
fresh-noise: You draw new noise inside the function. The noise is an argument: use the one you are given, so
    that the result can be replayed and compared. Whoever calls you draws it from N(0, I).
uniform-noise: You draw uniform noise from [0, 1) inside the function: not Gaussian, and not centred on 0.
    The noise is an argument: use the one you are given, so that the result can be replayed and compared.
    Whoever calls you draws it from N(0, I).
uniform-noise/centred: You draw uniform noise from [-1, 1) inside the function: not Gaussian. The noise is an
    argument: use the one you are given, so that the result can be replayed and compared. Whoever calls you
    draws it from N(0, I).
""",
    wrong("fresh-noise", draw=torch.randn_like),
    wrong("uniform-noise", draw=torch.rand_like),
    wrong("uniform-noise/centred", draw=lambda eps: 2 * torch.rand_like(eps) - 1),
)

COMMON = catalogue(
    """
not-reshaped/signal: Your coefficient of the signal has the shape (B,) and meets the columns W of the images;
    the other one is right. Give both the shape (B, 1, 1, 1).
not-reshaped/noise: Your coefficient of the noise has the shape (B,) and meets the columns W of the images;
    the other one is right. Give both the shape (B, 1, 1, 1).
swapped-coefficients: The two coefficients are swapped: the signal x keeps the square root of alpha (close to
    1 for small t), the noise gets the square root of 1 - alpha (close to 0).
no-noise: The noise eps never enters your result: the second term is missing.
noise-unscaled: You add eps as it is. It has to be scaled by its standard deviation, or every step adds the
    same unit of noise.
signal-unscaled: You keep x at full size. It has to shrink by the square root of alpha, so that signal^2 +
    noise^2 = 1 and the variance stays 1; without that it grows from step to step.
linear-mix: You mix with weights w and 1 - w, so that the *weights* add up to 1. It is the variances that
    have to: signal^2 + noise^2 = 1, so the noise factor is sqrt(1 - w^2), not 1 - w.
wrong-sign: You subtract the noise. The slide adds it; the distribution is the same, but eps_hat would then
    point the wrong way when the network predicts it.
clamped: You clamp the result to [-1, 1]. x_t is a Gaussian and goes beyond: only data is within [-1, 1].
    Clamping changes the distribution.
root-in-root: Your noise is scaled by sqrt(1 - sqrt(a)), a root too many. It is sqrt(1 - a), where sqrt(a) is
    the signal's factor: their squares add up to 1.
bracket: You multiply the whole bracket (x + sqrt(1 - a) eps) by the signal's factor. It belongs to x alone.
square-in-root: Your noise is scaled by sqrt(1 - a^2): the square is too much. a is a variance already, and
    the noise's factor is sqrt(1 - a).
squares-for-roots: Your factors are a and sqrt(1 - a^2): you take the variance that is kept for the factor
    itself. Slides S4 and S5 have its root, sqrt(a), and sqrt(1 - a).
linear-mix/signal: Your signal is scaled by 1 - sqrt(1 - a), so that the *factors* add up to 1. It is their
    squares that have to: sqrt(a) and sqrt(1 - a).
divided: You divide x by sqrt(a). The signal shrinks: multiply by it.
noise-is-one: eps is missing beside its factor: you add a number, the same to every pixel, and no noise.
one-noise-for-all: All samples get the noise of the first one. Use eps as it is, each sample its own.
one-number-for-noise: You take the mean of eps, one number for all. Every pixel has its own noise: use eps as
    it is.
clamped/noise: You clamp eps. It is Gaussian and goes beyond: use it as it is.
clamped/data: You clamp x. Use it as it is: the formula is linear in it.
plus-in-root: Your noise is scaled by sqrt(1 + a). It is sqrt(1 - a): what the signal lost.
signal-squared: Your signal is scaled by a^2. It is sqrt(a).
""",
    *OFF_BY_ONE,
    *SHAPE,
    *FRESH,
    wrong("not-reshaped/signal", shape=flat, noise_shape=scale),
    wrong("not-reshaped/noise", shape=scale, noise_shape=flat),
    wrong("swapped-coefficients", signal=lambda a: (1 - a).sqrt(), noise=lambda a: a.sqrt()),
    wrong("no-noise", noise=lambda a: 0 * a),
    wrong("noise-unscaled", noise=ones),
    wrong("signal-unscaled", signal=ones),
    wrong("linear-mix", noise=lambda a: 1 - a.sqrt()),
    wrong("wrong-sign", sign=-1),
    wrong("clamped", out=lambda x: x.clamp(-1, 1)),
    wrong("root-in-root", noise=lambda a: (1 - a.sqrt()).sqrt()),
    wrong("bracket", noise=lambda a: (a * (1 - a)).sqrt()),
    wrong("square-in-root", noise=lambda a: (1 - a**2).sqrt()),
    wrong("squares-for-roots", signal=lambda a: a, noise=lambda a: (1 - a**2).sqrt()),
    wrong("linear-mix/signal", signal=lambda a: 1 - (1 - a).sqrt()),
    wrong("divided", signal=lambda a: 1 / a.sqrt()),
    wrong("noise-is-one", draw=torch.ones_like),
    wrong("one-noise-for-all", draw=lambda eps: eps[:1].expand_as(eps)),
    wrong("one-number-for-noise", draw=lambda eps: eps.mean()),
    wrong("clamped/noise", draw=lambda eps: eps.clamp(-1, 1)),
    wrong("clamped/data", data=lambda x: x.clamp(-1, 1)),
    wrong("plus-in-root", noise=lambda a: (1 + a).sqrt()),
    wrong("signal-squared", signal=lambda a: a**2),
)
