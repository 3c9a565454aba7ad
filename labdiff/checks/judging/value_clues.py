"""Clues from how a result's numbers relate to the right ones, whatever the formula is."""

import math

import numpy as np

from labdiff.checks.exercises.probes import ALONE
from labdiff.checks.judging.agreement import close
from labdiff.checks.judging.name_numbers import numbers
from labdiff.schedule import Schedule


def mixes_samples(seen):
    for probe, expected, outcome in seen.rows:
        base = seen.by_name.get(probe.name.removesuffix(ALONE))
        if not probe.name.endswith(ALONE) or base is None:
            continue
        pairs = [(expected.values[n], outcome.values[n], base[2].values[n]) for n in seen.exercise.outputs]
        if any(want.shape[:1] != (1,) or alone.shape != want.shape for want, alone, _ in pairs):
            continue
        right = all(close(want, alone, probe.rtol) for want, alone, _ in pairs)
        among = all(
            len(all_) > 1 and all_.shape[1:] == want.shape[1:] and close(want[0], all_[1], probe.rtol)
            for want, _, all_ in pairs
        )
        if right and not among:
            return (
                f"A sample alone is right, but among others it is not ({base[0].name}): your function mixes "
                "samples. Look for a mean or a maximum over the batch, one sample's number used for all, and "
                "axes that do not fit."
            )
    return None


def clamped(seen):
    pairs = _all(seen)
    if pairs is None:
        return None
    want, have = pairs
    low, high = have.min(), have.max()
    cut = (want < low) | (want > high)
    if cut.sum() > 1 and not cut.all() and close(want.clip(low, high), have, 1e-4) and low < high:
        ends = [f"{low:.4g}"] * bool((want < low).any()) + [f"{high:.4g}"] * bool((want > high).any())
        return f"Your numbers are right, but cut off at {' and '.join(ends)}: look for clamp, min or max."
    return None


def rescaled(seen):
    pairs = _all(seen)
    if pairs is None or len(pairs[0]) < 6:
        return None
    want, have = pairs
    slope, shift = np.polyfit(want, have, 1)
    if abs(slope) < 1e-3 or abs(shift) < 1e-3 or not close(slope * want + shift, have, 1e-4):
        return None
    if abs(slope - 1) < 1e-3:
        return f"Every number is the right one with {shift:.4g} added."
    return f"Every number is {slope:.4g} times the right one, with {shift:.4g} added."


def low_precision(seen):
    far = [(want, have) for name in seen.exercise.outputs for want, have, _ in seen.pairs(name)]
    if len(far) < len(seen.exercise.outputs) * len(seen.all):
        return
    off = np.concatenate([np.ravel(have - want) for want, have in far]) if far else np.zeros(1)
    # rounding errs to both sides
    if all(close(want, have, 2e-2) for want, have in far) and off.min() < 0 < off.max():
        return (
            "The numbers are right to two or three digits only: look for rounding, float16 or bfloat16, or "
            "an approximation."
        )


def weighted(seen):
    """(id, sentence) for a loss that is the right one times a number: of t, or of the sizes."""
    if seen.exercise.outputs != ("loss", "gradient"):
        return None
    ratios, by_level = [], {}
    for probe, expected, outcome in seen.rows:
        want, have = (
            np.concatenate([x.values[name].ravel() for name in seen.exercise.outputs])
            for x in (expected, outcome)
        )
        if want.shape != have.shape:
            return None
        given = dict(zip(seen.exercise.arguments, probe.args, strict=True))
        ratio = float(have @ want / (want @ want))
        exact = close(ratio * want, have, 2e-3)
        ratios.append((given["s"].T, given["x0"].shape, ratio, exact))
        if given["x0"].numel() == 1 and given["s"].T == 5:
            by_level.setdefault(given["t"].item(), []).append((given["s"], ratio, exact))
    same = all(
        exact and math.isclose(r, rows[0][1], rel_tol=3e-3)
        for rows in by_level.values()
        for _, r, exact in rows
    )
    if not same or len(by_level) < 3:
        return None
    weights = {t: rows[0][1] for t, rows in by_level.items()}
    if max(weights.values()) - min(weights.values()) > 1e-2 * abs(max(weights.values(), key=abs)):
        shown = ", ".join(f"{w:.4g} at t = {t}" for t, w in sorted(weights.items()))
        name = _name(next(iter(by_level.values()))[0][0], weights)
        return "weighted", (
            f"Your loss is the right one with a weight that depends on t: {shown}{name}. The simple loss has "
            "none: every t counts alike."
        )
    for words, factor in FACTORS.items():
        if all(exact and math.isclose(r, factor(T, shape), rel_tol=3e-3) for T, shape, r, exact in ratios):
            return "another-factor", f"Your loss is the right one {words}. It is the mean square itself."
    return None


FACTORS = {
    "times the size of the batch": lambda T, shape: shape[0],
    "divided by the size of the batch": lambda T, shape: 1 / shape[0],
    "divided by the number of pixels of the whole batch": lambda T, shape: 1 / math.prod(shape),
    "divided by the number of pixels of an image": lambda T, shape: shape[0] / math.prod(shape),
    "times T": lambda T, shape: T,
    "divided by T": lambda T, shape: 1 / T,
}


def _name(s: Schedule, weights):
    t, w = (np.array(x) for x in zip(*sorted(weights.items()), strict=True))
    table = numbers(s, t)
    table |= {f"1 / {n}": 1 / v for n, v in table.items() if (v > 0).all()}
    found = [n for n, v in table.items() if np.allclose(v, w, rtol=3e-3)]
    return f" (= {found[0]})" if len(found) == 1 else ""


def _all(seen):
    """All numbers that are expected, and those that came, side by side; None if a probe has none."""
    pairs = [pair for name in seen.exercise.outputs for pair in seen.pairs(name)]
    if len(pairs) < len(seen.all) * len(seen.exercise.outputs):
        return None
    want, have = (np.concatenate([np.ravel(pair[k]) for pair in pairs]) for k in (0, 1))
    return (want, have) if np.isfinite(want).all() and np.isfinite(have).all() else None
