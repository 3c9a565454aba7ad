"""Slide S14: timestep_embedding, which is right with its columns in any order."""

import numpy as np
import torch

from labdiff import unet
from labdiff.checks.exercises.exercise import Exercise, Form
from labdiff.checks.exercises.probes import PUBLIC, draws
from labdiff.checks.exercises.waves import embedding
from labdiff.checks.exercises.waves_mistakes import MISTAKES
from labdiff.checks.in_kernel.probe import Probe


def same_columns(expected, got, rtol):
    """Whether each expected column (B,) is found in `got` exactly once: sines and cosines may come in any
    order.

    A NaN in `expected` is a number that is not known.
    """
    known = np.isfinite(expected)
    if expected.ndim != 2 or known.mean() < 0.3 or is_half(got) and not is_half(expected):
        return False
    left = list(range(got.shape[1]))
    for k in sorted(np.flatnonzero(known.any(0)), key=lambda k: -known[:, k].sum()):
        column, rows = expected[known[:, k], k], known[:, k]
        distance = np.nan_to_num(np.abs(column[:, None] - got[rows][:, left]), nan=np.inf).max(0)
        best = int(np.argmin(distance))
        if not distance[best] <= 20 * rtol:  # float32 angles of up to 1000 lose digits
            return False
        left.pop(best)
    return True


def is_half(x):
    """Whether all numbers are ones of float16 or bfloat16: sines and cosines of float32 never are."""
    single = x.astype(np.float32)
    return bool((single == single.astype(np.float16)).all() or not (single.view(np.uint32) & 0xFFFF).any())


def _probes(seed):
    some = [1, 2, 10, 500, 1000]
    if seed != PUBLIC:
        some[1:4] = torch.randint(2, 1000, (3,), generator=draws(seed)).tolist()
    return [
        Probe("one t, dim 4", (torch.tensor([1]), 4)),
        Probe("dim 8", (torch.tensor(some), 8)),
        Probe("dim 32, more t", (torch.tensor([1, 3, 7, 20, 60, 150, 400, 1000]), 32)),
        Probe("as many t as half the columns", (torch.tensor([5, 1, 300, 77]), 8)),
        Probe("dim 10, not a power of 2", (torch.tensor([1, 4, 1000]), 10)),
    ]


EXERCISE = Exercise(
    name="timestep_embedding",
    arguments=("t", "dim"),
    outputs=("embedding",),
    slide="S14; Vaswani et al. 2017, section 3.5",
    meaning="Fast waves tell neighbouring t apart, slow ones tell early from late: one number becomes a "
    "vector a network can read.",
    formula=embedding,
    make_probes=_probes,
    mistakes=MISTAKES,
    forms=(
        Form("w_k = 10000^(-k/half), from 1 down to almost 1/10000, columns in any order"),
        Form(
            "w_k = 10000^(-k/(half - 1)), from 1 down to 1/10000, columns in any order",
            {"exponent": lambda k, half: k / (half - 1)},
        ),
    ),
    blocked=(unet.timestep_embedding,),
    same=same_columns,
)
