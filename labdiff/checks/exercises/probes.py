"""Inputs that reveal mistakes: t = 1 and T, mixed t, B = W, non-square, float64, extreme alpha_bar."""

import math
import warnings
from dataclasses import replace

import torch

from labdiff.checks.in_kernel.probe import Probe
from labdiff.checks.in_kernel.spies import Spy
from labdiff.schedule import Schedule

PUBLIC = 0  # the seed of ld.check, whose first probes are round numbers; a grader takes a secret one
ALONE = ": the second of them, alone"
HARD = 5e-3  # tolerance where 1 - alpha_bar is so small that float32 keeps only three digits of it


def draws(seed):
    return torch.Generator().manual_seed(seed)


def schedule(beta):
    """A Schedule of beta_1..beta_T; that a small one leaves signal in x_T does not matter here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Schedule(torch.tensor([0.0, *beta], dtype=torch.float64))


def small(seed):
    """Five noise levels with betas that a person can calculate with."""
    if seed == PUBLIC:
        return schedule([0.1, 0.2, 0.3, 0.4, 0.5])
    beta = 0.05 + 0.1 * torch.arange(5) + 0.08 * torch.rand(5, generator=draws(seed), dtype=torch.float64)
    return schedule(
        beta.mul(1000).round().div(1000).tolist()
    )  # no two are so near that a wrong level would not show


def thousand():
    return schedule(torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64).tolist())


def extreme():
    return schedule([1e-3, 0.5, 0.999, 0.9])


def numbers(seed, shape, count, dtype=torch.float32):
    """`count` tensors of that shape, about 1.5 in size, so that some are outside [-1, 1]."""
    g = draws(seed)
    return [1.5 * torch.randn(shape, generator=g, dtype=torch.float64).to(dtype) for _ in range(count)]


def picture(seed, size=16):
    """A ring on a dark ground, in [-1, 1]: (1, 1, size, size)."""
    shift = 0 if seed == PUBLIC else torch.rand(2, generator=draws(seed)).mul(0.4).sub(0.2)
    axis = torch.linspace(-1, 1, size)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    y, x = (y, x) if seed == PUBLIC else (y + shift[0], x + shift[1])
    return (2 * torch.exp(-40 * ((x**2 + y**2).sqrt() - 0.55) ** 2) - 1)[None, None]


def pixels(seed, count):
    """The base values of one-pixel probes, (1, 1, 1, 1) each, and as many for their twins."""
    if seed == PUBLIC:
        values = [0.5, -1.0, 2.0, -0.25][:count], [1.5, 2.0, -1.0, 0.75][:count]
    else:
        draw = torch.randn(2, count, generator=draws(seed + 1), dtype=torch.float64).mul(100).round().div(100)
        draw[1] = draw[0] + 0.5 + draw[1].abs()
        values = draw.tolist()
    return [[torch.full((1, 1, 1, 1), v) for v in row] for row in values]


def batches(seed, names):
    """Probes of functions of a batch, with tensors called `names`: (label, s, t, tensors, options)."""
    n, s, base = len(names), small(seed), pixels(seed, len(names))
    made = []

    def add(label, s, t, tensors, **options):
        made.append((label, s, torch.tensor(t), tensors, options))

    for t in (2, 4):
        label = f"one pixel, t = {t}"
        add(label, s, [t], base[0])
        for i, name in enumerate(names):
            other = [base[1][j] if j == i else base[0][j] for j in range(n)]
            add(f"{label}, another {name}", s, [t], other, twin=(label, name))
    add("one pixel, t = 1", s, [1], base[0])
    add("one pixel, t = 5", s, [5], base[0])
    add("one pixel, t = 3", s, [3], base[0])
    add("one pixel, T = 1", schedule([0.7]), [1], base[1])
    add("three samples, mixed t", s, [1, 4, 5], numbers(seed + 2, (3, 1, 1, 2), n))
    add("as many samples as columns (B = W)", s, [5, 1, 2, 4], numbers(seed + 3, (4, 1, 3, 4), n))
    add("as many samples as rows, float64", s, [2, 5, 1], numbers(seed + 4, (3, 3, 3, 5), n, torch.float64))
    add("T = 1000, both ends", thousand(), [1, 2, 500, 1000], numbers(seed + 5, (4, 1, 2, 3), n), rtol=HARD)
    add("extreme alpha_bar", extreme(), [1, 2, 3, 4], numbers(seed + 6, (4, 1, 2, 3), n), rtol=HARD)
    ring = [torch.cat([picture(seed), picture(seed).mT]), *numbers(seed + 7, (2, 1, 16, 16), n - 1)]
    add("two pictures", s, [3, 5], ring, picture=True)
    for shape in ((3, 2), (4, 4)):
        add(f"2-D data {shape}", s, [5, 1, 3, 2][: shape[0]], numbers(seed + 8, shape, n), required=False)
    return made


def batch_probes(order):
    """function(seed) -> probes, for arguments named in `order` (s, t and the tensors)."""
    names = [name for name in order if name not in ("s", "t", "model")]

    def probes(seed):
        made = []
        for label, s, t, tensors, options in batches(seed, names):
            given = dict(zip(names, tensors, strict=False), s=s, t=t)
            if "model" in order:
                given["model"] = spy(seed)
            made.append(Probe(label, tuple(given[name] for name in order), **options))
        return with_one_alone(made, "three samples, mixed t")

    return probes


def with_one_alone(probes, name):
    """The probes, and after that of this name its second sample alone, which shows whether samples mix."""
    at = next(i for i, probe in enumerate(probes) if probe.name == name)
    whole = probes[at]
    B = max(len(a) for a in whole.args if isinstance(a, torch.Tensor))
    args = (a[1:2].clone() if isinstance(a, torch.Tensor) and len(a) == B else a for a in whole.args)
    return [*probes[: at + 1], replace(whole, name=name + ALONE, args=tuple(args)), *probes[at + 1 :]]


def spy(seed):
    if seed == PUBLIC:
        return Spy([0.4, 0.8, 0.5])
    return Spy((0.3 + 0.6 * torch.rand(3, generator=draws(seed + 9))).tolist())


def scale(coefficient, x):
    """A (B,) coefficient, shaped (B, 1, .., 1), in x's dtype."""
    return coefficient.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))


def flat(coefficient, x):
    """The classic slip: a (B,) coefficient as it is, which meets the last axis."""
    return coefficient.to(x.dtype)


def root(x):
    return x.sqrt() if isinstance(x, torch.Tensor) else math.sqrt(x)
