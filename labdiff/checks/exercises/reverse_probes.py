"""What p_step and ddim_step share: the probes of one step back, and the mistakes that both make."""

import torch

from labdiff.checks.exercises.exercise import catalogue, wrong
from labdiff.checks.exercises.probes import HARD, extreme, numbers, picture, pixels, schedule, small, thousand


def many(t, x):
    return torch.full((len(x),), t)


def settings(seed):
    """(label, s, t, x, z, options) of each probe."""
    s, ((x, z), (_, other)) = small(seed), pixels(seed, 2)
    made = []

    def add(label, s, t, x, z, **options):
        made.append((label, s, t, x, z, options))

    for t in (2, 4, 1, 5, 3):
        add(f"one pixel, t = {t}", s, t, x, z)
    for t in (2, 4):
        add(f"one pixel, t = {t}, another z", s, t, x, other, twin=(f"one pixel, t = {t}", "z"))
    add("one pixel, T = 1", schedule([0.7]), 1, x, z)
    for t in (1, 3, 5):
        add(f"as many samples as columns, t = {t}", s, t, *numbers(seed + t, (4, 1, 3, 4), 2))
    add("float64, not square", s, 4, *numbers(seed + 7, (3, 3, 3, 5), 2, torch.float64))
    for t in (1, 2, 500, 1000):
        add(f"T = 1000, t = {t}", thousand(), t, *numbers(seed + 8, (2, 1, 2, 3), 2), rtol=HARD)
    add("extreme alpha_bar", extreme(), 2, *numbers(seed + 9, (2, 1, 2, 3), 2), rtol=HARD)
    ring = torch.cat([picture(seed), picture(seed).mT])
    add("two pictures", s, 3, ring, *numbers(seed + 10, (2, 1, 16, 16), 1), picture=True)
    add("2-D data (4, 4)", s, 3, *numbers(seed + 11, (4, 4), 2), required=False)
    return made


MODEL_T = catalogue(
    """
model-gets-t-minus-1: Your model gets t-1. It is trained with the slides' t, the level of x_t.
model-gets-t-over-T: Your model gets t/T. labdiff's models take t itself, int64 in 1..T.
model-gets-t-plus-1: Your model gets t+1. It is trained with the slides' t, the level of x_t.
constant-t: Your model gets the same t at every step. It is told t itself, the level of the x_t that it sees.
t-not-a-batch: Your model gets t as one number. A model takes a tensor of shape (B,), one t for each sample:
    torch.full((len(xt),), t, device=xt.device).
""",
    wrong("model-gets-t-minus-1", model_t=lambda t, x, T: many(t - 1, x)),
    wrong("model-gets-t-over-T", model_t=lambda t, x, T: many(t, x) / T),
    wrong("model-gets-t-plus-1", model_t=lambda t, x, T: many(t + 1, x)),
    wrong("constant-t", model_t=lambda t, x, T: many(0, x)),
    wrong("constant-t", model_t=lambda t, x, T: many(T, x)),
    wrong("t-not-a-batch", model_t=lambda t, x, T: t),
    wrong("t-not-a-batch", model_t=lambda t, x, T: torch.tensor(t)),
    wrong("t-not-a-batch", model_t=lambda t, x, T: torch.tensor([t])),
)
OUT = catalogue(
    """
clamped: You clamp x_{t-1} itself to [-1, 1]. It still holds noise and goes beyond. Clamping x0_hat would be
    a choice; clamping the state changes the distribution at every step.
returns-x0-hat: You return x0_hat, the guess of the clean picture: that jumps to the end at once.
""",
    wrong("clamped", out=lambda x, _: x.clamp(-1, 1)),
    wrong("returns-x0-hat", out=lambda x, x0: x0() if callable(x0) else x0),
)
