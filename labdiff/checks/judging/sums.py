"""Results that are sums of arguments: their groups of numbers, and what factors are made of."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labdiff.checks.judging.name_numbers import numbers


@dataclass(frozen=True, eq=False)
class Group:
    """Some of a result's numbers, which share their factors.

    Attributes:
        at: where they are, for a hint ("tau = 0.3").
        part: which part of the result they are ("", " where mask = 1" or " where mask = 0").
        mask: bool, in the result's shape.
        quantities: name -> number; the first is the one on which a factor depends above all.
        alpha_bar: that of all levels of the schedule, if there is one.
    """

    at: str
    part: str
    mask: np.ndarray
    quantities: dict[str, float]
    alpha_bar: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Sum:
    """An exercise whose result is a sum of arguments.

    Attributes:
        groups: function(*args) -> [Group], each with factors of its own.
        right: the terms, arguments of the exercise, with the names of their right factors.
        over: quantities by which a product of two others is divided now and then.
    """

    groups: Callable
    right: dict[str, str]
    over: tuple[str, ...] = ()


KNOWN, OTHER = " where mask = 1", " where mask = 0"


def _guided(none, label, scale):
    k = float(scale)
    known = {
        "scale": k,
        "1 + scale": 1 + k,
        "1 - scale": 1 - k,
        "scale^2": k**2,
        "sqrt(scale)": k**0.5,
        "exp(scale)": math.exp(k),
    }
    known |= {"int(scale)": int(k), "round(scale)": round(k), "ceil(scale)": math.ceil(k)}
    known |= {"min(scale, 1)": min(k, 1), "max(scale, 1)": max(k, 1), "tanh(scale)": math.tanh(k)}
    known |= {
        "exp(-scale)": math.exp(-k),
        "sigmoid(scale)": 1 / (1 + math.exp(-k)),
        "log(scale)": math.log(k) if k > 0 else -math.inf,
    }
    known |= {"log(1 + scale)": math.log1p(k), "(scale where scale > 1, else 0)": k if k > 1 else 0}
    return [Group(f"scale = {k:g}", "", mask, known) for mask in _samples(none)]


def _velocity(x, tau, eps):
    groups = []
    for mask, t in zip(_samples(x), tau.double().tolist(), strict=True):
        known = {"tau": t, "1 - tau": 1 - t, "1 + tau": 1 + t, "tau^2": t**2, "(1 - tau)^2": (1 - t) ** 2}
        known |= {"1 - 2 tau": 1 - 2 * t, "1 - tau^2": 1 - t**2, "tau^2 + (1 - tau)^2": t**2 + (1 - t) ** 2}
        known |= {"tau^3": t**3, "exp(-tau)": math.exp(-t), "1 - (1 - tau)^2": 1 - (1 - t) ** 2}
        rooted = ("tau", "1 - tau", "1 - tau^2", "1 - (1 - tau)^2", "tau^2 + (1 - tau)^2")
        known |= {f"sqrt({name})": known[name] ** 0.5 for name in rooted}
        known |= {"log(1 - tau)": math.log(1 - t)}
        known |= {"cos(pi tau / 2)": math.cos(math.pi * t / 2), "sin(pi tau / 2)": math.sin(math.pi * t / 2)}
        groups.append(Group(f"tau = {t:.4g}", "", mask, known))
    return groups


def _arc(a, b, w):
    groups = []
    for mask, x, y in zip(_samples(a), a.double(), b.double(), strict=True):
        length_a, length_b = x.norm().item(), y.norm().item()
        cosine = (x * y).sum().item() / (length_a * length_b)
        theta = math.acos(max(-1, min(1, cosine)))
        known = {"w": w, "theta": theta, "1 - w": 1 - w, "sqrt(w)": w**0.5, "sqrt(1 - w)": (1 - w) ** 0.5}
        known |= {"w^2": w**2, "(1 - w)^2": (1 - w) ** 2, "|a|": length_a, "|b|": length_b}
        known |= {"w theta": w * theta, "(1 - w) theta": (1 - w) * theta, "tan(theta)": math.tan(theta)}
        angles = {name: known[name] for name in ("theta", "w theta", "(1 - w) theta", "w", "1 - w")}
        for name, angle in (angles | {"theta / 2": theta / 2, "w pi / 2": w * math.pi / 2}).items():
            known |= {f"sin({name})": math.sin(angle), f"cos({name})": math.cos(angle)}
        known |= {"sin(theta)^2": math.sin(theta) ** 2}
        groups.append(Group(f"w = {w:g}, theta = {theta:.3g}", "", mask, known))
    return groups


def by_sign(a, b, w):
    """The groups of a point of the arc by pixels, of one channel: a and b of one sign, and the rest."""
    if a.shape[1] > 1:
        return []
    same = (a * b > 0).numpy()
    return [
        Group(f"pixels where a and b have {'one sign' if mask is same else 'two signs'}", "", mask, {"w": w})
        for mask in (same, ~same)
    ]


def _repair(s, x_prev, x0, mask, t, eps):
    known = (mask.expand_as(x_prev) > 0.5).numpy()
    named = {name: v.item() for name, v in numbers(s, np.array([t])).items() if name not in ("0", "1")}
    for name, share in (("(t-1)/T", (t - 1) / s.T), ("1 - (t-1)/T", 1 - (t - 1) / s.T)):
        named |= {name: share, f"sqrt({name})": share**0.5}
    named |= {
        "1 - (beta_1 + .. + beta_{t-1})": max(0.0, 1 - s.beta[:t].sum().item()),
        "alpha_bar_T": s.alpha_bar[-1].item(),
    }
    named |= {"cos(pi/2 (t-1)/T)^2": math.cos(math.pi / 2 * (t - 1) / s.T) ** 2}
    return [
        Group(f"t = {t}", part, where, {"t": t, **named}, s.alpha_bar.numpy())
        for part, where in ((KNOWN, known), (OTHER, ~known))
        if where.any()
    ]


def _samples(x):
    """For each sample of x, the mask of its numbers."""
    for i in range(len(x)):
        mask = np.zeros(tuple(x.shape), bool)
        mask[i] = True
        yield mask


SUMS = {
    "guided_eps": Sum(_guided, {"eps_none": "1 - scale", "eps_label": "scale"}),
    "flow_velocity": Sum(
        _velocity, {"x_tau": "-1 / (1 - tau)", "eps_hat": "1 / (1 - tau)"}, over=("1 - tau", "tau")
    ),
    "interpolate": Sum(
        _arc,
        {"a": "sin((1 - w) theta) / sin(theta)", "b": "sin(w theta) / sin(theta)"},
        over=("sin(theta)", "sin(theta)^2"),
    ),
    "inpaint_step": Sum(
        _repair, {"x_prev": "1 - mask", "x0": "sqrt(alpha_bar_{t-1})", "eps": "sqrt(1 - alpha_bar_{t-1})"}
    ),
}
