"""Notebook 06: repairing a picture, the known pixels put in at the level of the others."""

import torch

from labdiff import editing, sampling
from labdiff.checks.exercises.exercise import Exercise, Form, catalogue, functions_of, wrong
from labdiff.checks.exercises.noising import FRESH, alpha, alpha_bar
from labdiff.checks.exercises.probes import (
    HARD,
    draws,
    extreme,
    numbers,
    picture,
    pixels,
    schedule,
    small,
    thousand,
)
from labdiff.checks.in_kernel.probe import Probe


def inpaint(
    s,
    x_prev,
    x0,
    mask,
    t,
    eps,
    *,
    level=lambda t, T: t - 1,
    table=alpha_bar,
    signal=lambda a: a.sqrt(),
    noise=lambda a: (1 - a).sqrt(),
    sign=1,
    draw=lambda eps: eps,
    known=lambda x0, x_prev, mask: x0,
    rest=lambda x_prev, mask: (1 - mask) * x_prev,
    keep=lambda mask: mask,
    region=lambda mask: mask,
    noised=lambda made: made,
    out=lambda x, x_prev, x0, t: x,
    outside=lambda x_prev, x0, eps: x_prev,
):
    a, mask = table(s)[level(t, s.T)], region(mask)
    made = signal(a).to(x0.dtype) * known(x0, x_prev, mask) + sign * noise(a).to(x0.dtype) * draw(eps)
    return out(keep(mask) * noised(made) + rest(outside(x_prev, x0, eps), mask), x_prev, x0, t)


def _mask(seed, shape):
    """Zeros and ones, both of them in each sample."""
    mask = (torch.rand(shape[0], 1, *shape[2:], generator=draws(seed)) < 0.5).to(torch.float32)
    mask.view(shape[0], -1)[:, 0], mask.view(shape[0], -1)[:, -1] = 1, 0
    return mask


def _probes(seed):
    s, ((x_prev, x0, eps), other) = small(seed), pixels(seed, 3)
    one, zero, probes = torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1), []

    def add(name, s, x_prev, x0, mask, t, eps, **options):
        probes.append(Probe(name, (s, x_prev, x0, mask, t, eps), **options))

    for t in (3, 5):
        name = f"one known pixel, t = {t}"
        add(name, s, x_prev, x0, one, t, eps)
        add(f"{name}, another x_prev", s, other[0], x0, one, t, eps, twin=(name, "x_prev"))
        add(f"{name}, another x0", s, x_prev, other[1], one, t, eps, twin=(name, "x0"))
        add(f"{name}, another eps", s, x_prev, x0, one, t, other[2], twin=(name, "eps"))
    add("one unknown pixel, t = 3", s, x_prev, x0, zero, 3, eps)
    add("one known pixel, t = 1 (clean)", s, x_prev, x0, one, 1, eps)
    add("one unknown pixel, t = 1", s, x_prev, x0, zero, 1, eps)
    add("one known pixel, t = 2", s, x_prev, x0, one, 2, eps)
    add("one known pixel, T = 1", schedule([0.7]), x_prev, x0, one, 1, eps)
    for i, (t, shape) in enumerate(((1, (3, 1, 2, 4)), (4, (4, 1, 3, 4)), (5, (2, 3, 4, 3)))):
        tensors = numbers(seed + 2 + i, shape, 3)
        add(f"{shape[0]} samples, t = {t}", s, *tensors[:2], _mask(seed + i, shape), t, tensors[2])
    x_prev, x0, eps = numbers(seed + 6, (3, 3, 3, 5), 3, torch.float64)
    add("float64", s, x_prev, x0, _mask(seed + 6, x0.shape).double(), 3, eps)
    for t in (2, 1000):
        x_prev, x0, eps = numbers(seed + 7, (2, 1, 2, 3), 3)
        add(f"T = 1000, t = {t}", thousand(), x_prev, x0, _mask(seed + 7, x0.shape), t, eps, rtol=HARD)
    x_prev, x0, eps = numbers(seed + 8, (2, 1, 2, 3), 3)
    add("extreme alpha_bar", extreme(), x_prev, x0, _mask(seed + 8, x0.shape), 4, eps, rtol=HARD)
    ring = torch.cat([picture(seed), picture(seed).mT])
    half = torch.cat([torch.ones(2, 1, 16, 8), torch.zeros(2, 1, 16, 8)], 3)
    x_prev, eps = numbers(seed + 9, ring.shape, 2)
    add("two pictures, the left half known", s, x_prev, ring, half, 3, eps, picture=True)
    return probes


MISTAKES = catalogue(
    """
level-t: You noise the known pixels to level t. x_prev is at level t-1, and so must they be: alpha_bar[t-1],
    or q_sample with t-1.
level-t-minus-2: You noise the known pixels to level t-2. x_prev is at level t-1.
inverted-mask: Your mask is the wrong way round: mask = 1 marks the pixels that are *known*. Those come from
    x0, the others from x_prev.
clean-x0: You put the clean x0 in at every level. The model has been trained on pictures whose pixels all
    have one level of noise: noise the known ones to level t-1 (S5). Only at t = 1 are they clean.
noise-at-t-1: At t = 1 your known pixels still hold noise. Level t-1 = 0 is clean data: they are x0 itself.
one-noise-for-all: All samples of the batch get the same noise. Use eps as it is, each sample its own.
no-noise: The noise eps never enters your result: the known pixels are scaled, and not noised.
x-prev-everywhere: You add the known pixels to all of x_prev. Where mask = 1 they *replace* it: take (1 -
    mask) x_prev.
only-known: Outside of the mask your result is 0. Those pixels are x_prev's.
only-unknown: Where mask = 1 your result is 0. Those pixels are x0's, noised to level t-1.
returns-x-prev: You return x_prev as it is: the known pixels never enter.
mask-ignored: The mask never enters your result: all pixels come from x0.
noises-x-prev: You noise x_prev too. It is at level t-1 already: keep it as it is.
noises-x-prev/known: Your known pixels come from x_prev. They come from x0.
averaged: Where mask = 1 you take the mean of x_prev and the known pixels. The known ones replace it.
variance-for-std: You multiply eps by 1 - alpha_bar_{t-1}, a variance. Noise is scaled by a standard
    deviation: sqrt(1 - alpha_bar_{t-1}) (S5).
missing-root-signal: You multiply x_0 by alpha_bar_{t-1}. Slide S5 has its square root.
swapped-coefficients: The two coefficients are swapped: x0 goes with sqrt(alpha_bar_{t-1}), eps with sqrt(1 -
    alpha_bar_{t-1}) (S5).
alpha-for-alpha-bar: You use alpha_{t-1}, one step (S4). The jump from x_0 to level t-1 needs alpha_bar_{t-1}
    (S5).
alpha-for-alpha-bar/alpha-t: You use alpha_t, one step (S4). The jump from x_0 to level t-1 needs
    alpha_bar_{t-1} (S5).
noise-unscaled: You add eps at full size. It is sqrt(1 - alpha_bar_{t-1}) eps (S5).
signal-unscaled: You keep x_0 at full size. It is sqrt(alpha_bar_{t-1}) x_0 (S5).
wrong-sign: You subtract the noise. Slide S5 adds it.
clamped: You clamp the result to [-1, 1]. It still holds noise and goes beyond.
mask-ignored/added: You add the known pixels to all of x_prev, everywhere: the mask never enters.
noise-everywhere: You noise the masked picture, so that the unknown pixels get the noise too. Take the mask
    of the *noised* known pixels.
level-T: You noise the known pixels to level T. x_prev is at level t-1, and so must they be.
halved: Your result is half of what it should be. Known and unknown pixels are put together, not averaged.
rest-from-x0: Outside of the mask your pixels come from x0, which is not known there. They are x_prev's.
x-prev-at-t-1: At t = 1 you return x_prev: the known pixels are not put in there. At level 0 they are x0
    itself.
x0-at-t-1: At t = 1 you return x0 everywhere. Only the known pixels are x0's; the others are x_prev's.
first-mask-for-all: You use the first sample's mask for all. Each sample has its own.
rest-is-noise: Outside of the mask your pixels are eps. They are x_prev's.
clamped/known: You clamp the known pixels to [-1, 1] after noising them. With noise they go beyond.
""",
    *FRESH,
    wrong("level-t", level=lambda t, T: t),
    wrong("level-t-minus-2", level=lambda t, T: max(t - 2, 0)),
    wrong("inverted-mask", keep=lambda mask: 1 - mask, rest=lambda x_prev, mask: mask * x_prev),
    wrong("clean-x0", level=lambda t, T: 0),
    wrong("noise-at-t-1", level=lambda t, T: max(t - 1, 1)),
    wrong("one-noise-for-all", draw=lambda eps: eps[:1].expand_as(eps)),
    wrong("no-noise", noise=lambda a: 0 * a),
    wrong("x-prev-everywhere", rest=lambda x_prev, mask: x_prev),
    wrong("only-known", rest=lambda x_prev, mask: 0 * x_prev),
    wrong("only-unknown", keep=lambda mask: 0 * mask),
    wrong("returns-x-prev", keep=lambda mask: 0 * mask, rest=lambda x_prev, mask: x_prev),
    wrong("mask-ignored", keep=lambda mask: torch.ones_like(mask), rest=lambda x_prev, mask: 0 * x_prev),
    wrong(
        "noises-x-prev",
        known=lambda x0, x_prev, mask: mask * x0 + (1 - mask) * x_prev,
        keep=torch.ones_like,
        rest=lambda x_prev, mask: 0 * x_prev,
    ),
    wrong("noises-x-prev/known", known=lambda x0, x_prev, mask: x_prev),
    wrong("averaged", keep=lambda mask: mask / 2, rest=lambda x_prev, mask: (1 - mask / 2) * x_prev),
    wrong("variance-for-std", noise=lambda a: 1 - a),
    wrong("missing-root-signal", signal=lambda a: a),
    wrong("swapped-coefficients", signal=lambda a: (1 - a).sqrt(), noise=lambda a: a.sqrt()),
    wrong("alpha-for-alpha-bar", table=alpha),
    wrong("alpha-for-alpha-bar/alpha-t", table=alpha, level=lambda t, T: t),
    wrong("noise-unscaled", noise=lambda a: a / a),
    wrong("signal-unscaled", signal=lambda a: a / a),
    wrong("wrong-sign", sign=-1),
    wrong("clamped", out=lambda x, *_: x.clamp(-1, 1)),
    wrong("mask-ignored/added", keep=torch.ones_like, rest=lambda x_prev, mask: x_prev),
    wrong("noise-everywhere", known=lambda x0, x_prev, mask: mask * x0, keep=torch.ones_like),
    wrong("level-T", level=lambda t, T: T),
    wrong("halved", out=lambda x, *_: x / 2),
    wrong("rest-from-x0", outside=lambda x_prev, x0, eps: x0),
    wrong("x-prev-at-t-1", out=lambda x, x_prev, x0, t: x if t > 1 else x_prev),
    wrong("x0-at-t-1", out=lambda x, x_prev, x0, t: x if t > 1 else x0),
    wrong("first-mask-for-all", region=lambda mask: mask[:1].expand_as(mask)),
    wrong("rest-is-noise", outside=lambda x_prev, x0, eps: eps),
    wrong("clamped/known", noised=lambda made: made.clamp(-1, 1)),
)

EXERCISE = Exercise(
    name="inpaint_step",
    arguments=("s", "x_prev", "x0", "mask", "t", "eps"),
    outputs=("x_prev",),
    slide="S15, S5; Lugmayr et al. 2022, eq. 8",
    meaning="Known and unknown pixels are at one level of noise, so that the model sees a picture like those "
    "that it was trained on.",
    formula=inpaint,
    make_probes=_probes,
    mistakes=MISTAKES,
    forms=(Form("mask q_sample(x0, t-1, eps) + (1 - mask) x_prev"),),
    blocked=functions_of(sampling, editing),
    factors=("x_prev", "x0", "eps"),
)
