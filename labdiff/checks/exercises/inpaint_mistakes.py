"""Repairing a picture: the mistakes that are made with it."""

import torch

from labdiff.checks.exercises.exercise import catalogue, wrong
from labdiff.checks.exercises.noising import FRESH, alpha

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
x0-everywhere: You add the known pixels everywhere, outside of the mask too. Take the mask of them.
wrong-sign/rest: You subtract x_prev outside of the mask. Known and unknown pixels are put together.
one-mask-for-all: You take the mean of the mask. Each pixel is known or not.
one-number-for-noise: You take the mean of eps, one number for all. Every pixel has its own noise.
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
only-noise: Your known pixels are eps alone: x0 never enters. Noise x0 to level t-1 (S5).
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
    wrong("noises-x-prev", outside=lambda x_prev, x0, eps: x_prev + eps),
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
    wrong("x0-everywhere", keep=torch.ones_like),
    wrong("wrong-sign/rest", rest=lambda x_prev, mask: -(1 - mask) * x_prev),
    wrong("one-mask-for-all", region=lambda mask: mask.mean()),
    wrong("one-number-for-noise", draw=lambda eps: eps.mean()),
    wrong("noise-everywhere", known=lambda x0, x_prev, mask: mask * x0, keep=torch.ones_like),
    wrong("level-T", level=lambda t, T: T),
    wrong("halved", out=lambda x, *_: x / 2),
    wrong("rest-from-x0", outside=lambda x_prev, x0, eps: x0),
    wrong("x-prev-at-t-1", out=lambda x, x_prev, x0, t: x if t > 1 else x_prev),
    wrong("x0-at-t-1", out=lambda x, x_prev, x0, t: x if t > 1 else x0),
    wrong("first-mask-for-all", region=lambda mask: mask[:1].expand_as(mask)),
    wrong("rest-is-noise", outside=lambda x_prev, x0, eps: eps),
    wrong("only-noise", known=lambda x0, x_prev, mask: 0 * x0, noise=lambda a: a / a),
    wrong("clamped/known", noised=lambda made: made.clamp(-1, 1)),
)
