"""Slide S13: alpha_bar, the product of all alphas up to t."""

import torch

from labdiff import schedule
from labdiff.checks.exercises.alpha_bar_mistakes import MISTAKES
from labdiff.checks.exercises.exercise import Exercise, Form
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
