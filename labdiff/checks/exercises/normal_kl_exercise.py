"""Slides S10 and S11: the KL divergence of two normals."""

import torch

from labdiff import objective
from labdiff.checks.exercises.exercise import Exercise, Form
from labdiff.checks.exercises.kl import MISTAKES, kl
from labdiff.checks.exercises.probes import PUBLIC, draws
from labdiff.checks.in_kernel.probe import Probe


def _probes(seed):
    numbers = [(0.0, 1.0, 1.0, 1.0), (0.0, 4.0, 0.0, 1.0), (0.0, 1.0, 0.0, 4.0), (1.0, 0.5, -1.0, 2.0)]
    if seed != PUBLIC:
        draw = torch.rand(4, 4, generator=draws(seed), dtype=torch.float64).mul(200).round().div(100).add(0.1)
        draw[1, 2], draw[2, 2] = draw[1, 0], draw[2, 0]
        numbers = draw.tolist()
    labels = (
        "equal variances",
        "equal means, variance of q larger",
        "equal means, variance of q smaller",
        "all different",
    )
    probes = [
        Probe(label, tuple(torch.tensor([v]) for v in row))
        for label, row in zip(labels, numbers, strict=False)
    ]
    probes.append(Probe("q = p", tuple(torch.tensor([v]) for v in (0.3, 2.0, 0.3, 2.0))))
    g = draws(seed + 1)
    for shape, dtype in (((5,), torch.float32), ((4, 4), torch.float32), ((2, 3, 2, 5), torch.float64)):
        mean1, mean2 = torch.randn(2, *shape, generator=g, dtype=torch.float64).to(dtype)
        var1, var2 = torch.rand(2, *shape, generator=g, dtype=torch.float64).mul(3).add(0.05).to(dtype)
        probes.append(Probe(f"elementwise, shape {shape}, {str(dtype)[6:]}", (mean1, var1, mean2, var2)))
    tiny = [torch.tensor(v) for v in ([0.0, 0.01], [1e-4, 2e-2], [0.005, 0.0], [2e-4, 1e-2])]
    probes.append(Probe("small variances", tuple(tiny), rtol=1e-3))
    mean1, mean2 = torch.randn(2, 3, 2, 2, 2, generator=g)
    var1, var2 = torch.rand(2, 3, 1, 1, 1, generator=g) + 0.1
    wide = "variances (B, 1, 1, 1) beside means (B, C, H, W)"
    probes.append(Probe(wide, (mean1, var1, mean2, var2), required=False))
    return probes


def _terms(mean1, var1, mean2, var2):
    square = (mean1 - mean2) ** 2
    terms = {
        "log(var2)": var2.log(),
        "log(var1)": var1.log(),
        "var1 / var2": var1 / var2,
        "(mean1 - mean2)^2 / var2": square / var2,
        "1": torch.ones_like(mean1),
        "var1": var1,
        "var2": var2,
        "var2 / var1": var2 / var1,
        "(mean1 - mean2)^2": square,
        "(mean1 - mean2)^2 / var1": square / var1,
        "(mean1 - mean2)^2 / (var1 var2)": square / (var1 * var2),
        "std1 std2": (var1 * var2).sqrt(),
    }
    return {name: x.expand_as(mean1).reshape(1, -1) for name, x in terms.items()}


EXERCISE = Exercise(
    name="normal_kl",
    arguments=("mean1", "var1", "mean2", "var2"),
    outputs=("kl",),
    slide="S10, S11",
    meaning="The distance that each L_{t-1} measures; with equal variances it is a squared distance of "
    "means.",
    formula=kl,
    make_probes=_probes,
    mistakes=MISTAKES,
    forms=(Form("KL = 1/2 (log(var2/var1) + var1/var2 + (mean1 - mean2)^2 / var2 - 1)"),),
    blocked=(objective.normal_kl,),
    terms=_terms,
)
