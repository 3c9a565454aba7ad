"""Notebook 06: repairing a picture, the known pixels put in at the level of the others."""

import torch

from labdiff import editing, sampling
from labdiff.checks.exercises.exercise import Exercise, Form, functions_of
from labdiff.checks.exercises.inpaint_mistakes import MISTAKES
from labdiff.checks.exercises.noising import alpha_bar
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
    with_one_alone,
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
    for i, (t, shape) in enumerate(
        ((1, (3, 1, 2, 4)), (4, (4, 1, 3, 4)), (5, (2, 1, 4, 3)), (2, (2, 1, 3, 4)))
    ):
        tensors = numbers(seed + 2 + i, shape, 3)
        add(f"{shape[0]} samples, t = {t}", s, *tensors[:2], _mask(seed + i, shape), t, tensors[2])
    x_prev, x0, eps = numbers(seed + 10, (2, 3, 4, 3), 3)
    add("three channels", s, x_prev, x0, _mask(seed + 10, x0.shape), 4, eps, required=False)
    x_prev, x0, eps = numbers(seed + 6, (3, 1, 3, 5), 3, torch.float64)
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
    return with_one_alone(probes, "4 samples, t = 4")


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
