"""The arc between two draws of noise: its formula."""

import torch


def norm(x):
    """(B, 1, .., 1), the length of each sample."""
    return x.flatten(1).norm(dim=1).reshape(-1, *[1] * (x.ndim - 1))


def dot(a, b):
    """(B, 1, .., 1), the dot product of each sample."""
    return (a * b).flatten(1).sum(1).reshape(-1, *[1] * (a.ndim - 1))


def cosine(a, b):
    """(B, 1, .., 1), the cosine of the angle of each sample."""
    return dot(a, b) / (norm(a) * norm(b))


def slerp(
    a,
    b,
    w,
    *,
    cosine=cosine,
    angle=torch.acos,
    share=lambda w: w,
    weights=lambda w, theta: (torch.sin((1 - w) * theta), torch.sin(w * theta)),
    down=torch.sin,
    unit=lambda x: x,
    out=lambda x, a, b, w: x,
):
    theta = angle(cosine(a, b))
    on_a, on_b = weights(share(w), theta)
    x = (on_a * unit(a) + on_b * unit(b)) / down(theta)
    return out(x, a, b, w)
