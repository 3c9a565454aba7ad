"""A function such as tanh or clamp, applied to one intermediate result of an otherwise right formula."""

import numpy as np

from labdiff.checks.judging.agreement import close
from labdiff.checks.judging.chosen_numbers import precise
from labdiff.checks.judging.expressions import short

FUNCTIONS = {
    "its absolute value": np.abs,
    "its square": np.square,
    "its sign": np.sign,
    "its tanh": np.tanh,
    "its sine": np.sin,
    "its third power": lambda x: x**3,
    "the root of its size, with its sign": lambda x: np.sign(x) * np.sqrt(np.abs(x)),
    "its square with its sign": lambda x: x * np.abs(x),
    "its sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "its exponential": np.exp,
}


def read_elementwise(seen):
    """(id, sentence) where one intermediate result goes through a function; None otherwise."""
    solve = {"guided_eps": _guided, "flow_velocity": _velocity, "inpaint_step": _repair}.get(
        seen.exercise.name
    )
    if solve is None:
        return None
    found = {}
    for probe, want, have in precise(seen):
        args = [a.double().numpy() if hasattr(a, "double") else a for a in probe.args]
        for words, (x, used) in solve(want, have, *args).items():
            found.setdefault(words, []).extend(_samples(x, used, len(have)))
    for words, pairs in found.items():
        x, used = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        if close(x, used, 1e-3):
            continue
        if (made := _made(x, used)) is not None:
            return "function-applied", f"In place of {words} you take {made}. It enters as it is."
        large = [pair for pair in pairs if len(pair[0]) > 5]
        if len(large) > 3 and all(_squeezed(*pair) for pair in large):
            return "function-applied", (
                f"You cut {words} off at a threshold of each sample's own and divide by it (dynamic "
                "thresholding, which is made for pictures). It enters as it is."
            )
    return None


def _samples(x, used, count):
    """Pairs of flat arrays, one for each sample; one for all where they have no samples."""
    whole = x.ndim > 1 and len(x) == count
    return [(np.ravel(a), np.ravel(b)) for a, b in (zip(x, used, strict=True) if whole else [(x, used)])]


def _made(x, used):
    if len(x) < 12:
        return None
    for words, function in FUNCTIONS.items():
        if close(function(x), used, 1e-3):
            return words
    low, high = used.min(), used.max()
    if low < high and close(x.clip(low, high), used, 1e-3) and ((x < low) | (x > high)).sum() > 1:
        ends = [short(low)] * bool((x < low - 1e-3).any()) + [short(high)] * bool((x > high + 1e-3).any())
        return f"it cut off at {' and '.join(ends)}"
    order = np.argsort(x)
    steps, rises = np.diff(x[order]), np.diff(used[order])
    if (
        (rises > -1e-3 * (1 + np.abs(used).max())).all()
        and (rises <= 20 * steps + 1e-3).all()
        and len(x) > 40
    ):
        shown = ", ".join(
            f"{short(used[i])} where it is {short(x[i])}" for i in order[[0, len(order) // 4, -1]]
        )
        return f"a function of it: {shown}"
    return None


def _squeezed(x, used):
    """Whether one sample is x / s cut off at -1 and 1, for some s above 1."""
    inside = np.abs(used) < 1 - 1e-4
    if np.abs(used).max() > 1 + 1e-4 or inside.sum() < 3:
        return False
    ratio = used[inside] @ x[inside] / (x[inside] @ x[inside])
    return 0 < ratio < 1 + 1e-4 and close((ratio * x).clip(-1, 1), used, 1e-3)


def _guided(want, have, none, label, scale):
    found = {"your result": (want, have)}
    if scale:
        found["the difference eps_label - eps_none"] = label - none, (have - none) / scale
    return found


def _velocity(want, have, x, tau, eps):
    tau = tau.reshape(-1, *[1] * (x.ndim - 1))
    found = {"the velocity": (want, have), "x_0": ((x - tau * eps) / (1 - tau), eps - have)}
    found["the difference eps_hat - x_tau"] = eps - x, have * (1 - tau)
    return found


def _repair(want, have, s, x_prev, x0, mask, t, eps):
    level = s.alpha_bar[t - 1].item()
    signal, noise, known = level**0.5, (1 - level) ** 0.5, np.broadcast_to(mask > 0.5, have.shape)
    if not close(want[~known], have[~known], 1e-4):
        return {"your result": (want, have)}
    found = {"your result": (want, have), "the noised x0": (want[known], have[known])}
    found["x0"] = x0[known], (have - noise * eps)[known] / signal
    if t > 1:
        found["eps"] = eps[known], (have - signal * x0)[known] / noise
    return found
