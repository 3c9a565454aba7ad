"""The embedding of t: its formula."""

import math

import torch


def embedding(
    t,
    dim,
    *,
    exponent=lambda k, half: k / half,
    base=10000,
    sign=-1,
    count=lambda dim: dim // 2,
    angle=lambda t, w: t[:, None] * w,
    first=torch.sin,
    second=torch.cos,
    join=lambda a, b: torch.cat([a, b], 1),
    frequencies=None,
):
    half = count(dim)
    k = torch.arange(half, dtype=torch.float64)
    w = frequencies(half) if frequencies else torch.exp(sign * math.log(base) * exponent(k, half))
    a = angle(t.double(), w)
    a = torch.where(a.abs() > 2000, torch.nan, a)  # what float32 makes of so large an angle is not known
    return join(first(a), second(a))
