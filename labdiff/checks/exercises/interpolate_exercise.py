"""Notebook 06: a path between two draws of noise, along the sphere that they lie on."""

import torch

from labdiff import editing, sampling
from labdiff.checks.exercises.arc import dot, norm, slerp
from labdiff.checks.exercises.exercise import Exercise, Form, functions_of
from labdiff.checks.exercises.probes import PUBLIC, draws, with_one_alone
from labdiff.checks.exercises.slerp import MISTAKES
from labdiff.checks.in_kernel.probe import Probe


def _pair(seed, shape, dtype=torch.float32):
    """Two batches whose samples have angles from 0.5 to 2.2 between them, and lengths of their own."""
    g = draws(seed)
    a, b = torch.randn(2, *shape, generator=g, dtype=torch.float64)
    length = norm(a)
    side = b - dot(a, b) / length**2 * a
    random = torch.rand(2, shape[0], generator=g, dtype=torch.float64)
    theta, longer = (
        (low + wide * r).reshape(length.shape)
        for r, low, wide in zip(random, (0.5, 0.7), (1.7, 0.6), strict=True)
    )
    b = longer * (torch.cos(theta) * a + torch.sin(theta) * length / norm(side) * side)
    return a.to(dtype), b.to(dtype)


def _probes(seed):
    probes = []

    def add(name, a, b, w, **options):
        probes.append(Probe(name, (a, b, w), **options))

    a, b = (torch.tensor([[[v]]]) for v in ([3.0, 4.0], [4.0, -3.0]))  # at right angles
    if seed != PUBLIC:
        a, b = _pair(seed, (1, 1, 1, 2))
    for w in (0.5, 0.25, 0.0, 1.0):
        add(f"two pixels, w = {w:g}", a, b, w)
    add("three samples", *_pair(seed + 1, (3, 1, 2, 3)), 0.3)
    add("as many samples as columns (B = W)", *_pair(seed + 2, (4, 1, 3, 4)), 0.6)
    add("three channels, float64", *_pair(seed + 3, (2, 3, 3, 5), torch.float64), 0.8)
    add("2-D data (3, 4)", *_pair(seed + 4, (3, 4)), 0.4, required=False)
    add("images of noise", *_pair(seed + 5, (2, 1, 16, 16)), 0.5, picture=True)
    same = _pair(seed + 6, (2, 1, 2, 2))[0]
    add("a = b", same, same.clone(), 0.5, required=False)
    return with_one_alone(probes, "three samples")


def _terms(a, b, w):
    return {"a": a.flatten(1), "b": b.flatten(1)}


EXERCISE = Exercise(
    name="interpolate",
    arguments=("a", "b", "w"),
    outputs=("x",),
    slide="S15; Shoemake 1985; Song et al. 2021, appendix D.5",
    meaning="Every point of the path is as long as noise is, so that each one decodes to a picture.",
    formula=slerp,
    make_probes=_probes,
    mistakes=MISTAKES,
    forms=(Form("(sin((1 - w) theta) a + sin(w theta) b) / sin(theta), theta the angle of each sample"),),
    blocked=functions_of(sampling, editing),
    terms=_terms,
)
