"""What the columns of an embedding are, read off where no catalogue has the mistake."""

import numpy as np

from labdiff.checks.exercises.timestep_embedding_exercise import is_half
from labdiff.checks.judging.agreement import close


def read_waves(seen):
    """(id, sentence) on the columns of an embedding of t; None for other exercises."""
    rows = [(p.args[0].numpy(), e.values["embedding"], o.values["embedding"]) for p, e, o in _rows(seen)]
    if not rows or any(want.shape != have.shape or not np.isfinite(have).all() for _, want, have in rows):
        return None
    for read in (_code, _half, _constant, _places, _beyond, _angles, _found):
        told = read(rows)
        if told:
            return told
    return None


def _rows(seen):
    if seen.exercise.name == "timestep_embedding" and len(seen.rows) == len(seen.all):
        return seen.rows
    return []


def _code(rows):
    if all(np.isin(have, (-1, 0, 1)).all() for _, _, have in rows):
        return "one-hot", "Your numbers are -1, 0 or 1 only, a code of t. The formula has sines and cosines."


def _half(rows):
    if all(is_half(have) for _, _, have in rows):
        return "low-precision", (
            "Your numbers are rounded to float16 or bfloat16. Neighbouring t then get the same slow waves: "
            "return float32."
        )


def _constant(rows):
    t, _, have = max(rows, key=lambda row: len(row[0]))
    still = np.flatnonzero(np.ptp(have, axis=0) == 0)
    if 0 < len(still) < have.shape[1]:
        which, number = ", ".join(map(str, still[:6])), have[0, still[0]]
        return "column-constant", (
            f"Of {have.shape[1]} columns (counted from 0) {len(still)} do not depend on t: {which}. Column "
            f"{still[0]} holds {number:.4g} for every t. Each column is sin(t w_k) or cos(t w_k)."
        )


def _places(rows):
    if all(close(np.sort(want, None), np.sort(have, None), 2e-3) for _, want, have in rows):
        return "places", (
            "Your numbers are the right ones at wrong places: each row belongs to one t. A reshape, a flip "
            "or a view mixes them; join sines and cosines with torch.cat along dim=1."
        )


def _beyond(rows):
    largest = max(np.abs(have).max() for _, _, have in rows)
    if largest > 1.001:
        return "beyond-1", f"Your numbers go to {largest:.4g}. No sine or cosine goes beyond 1."


def _angles(rows):
    for halves in (_left_right, _in_turn):
        pairs = [halves(have) for _, _, have in rows]
        if not all(np.allclose(a**2 + b**2, 1, atol=2e-3) for a, b in pairs):
            continue
        for order in (1, -1):
            w = [
                np.arctan2(*(x[t == 1][0] for x in pair[::order]))
                for (t, *_), pair in zip(rows, pairs, strict=True)
            ]
            linear = [
                np.allclose(pair[::order][0], np.sin(t[:, None] * w_), atol=5e-3)
                and np.allclose(pair[::order][1], np.cos(t[:, None] * w_), atol=5e-3)
                for (t, *_), pair, w_ in zip(rows, pairs, w, strict=True)
            ]
            if all(linear):
                return _frequencies(rows, w)
        return "other-angle", (
            "Each pair of your columns is sine and cosine of one angle, but this angle is not t times a "
            "number. It is t * w_k, with t as it is."
        )
    return None


def _frequencies(rows, w):
    right = [10000 ** (-np.arange(have.shape[1] // 2) / (have.shape[1] // 2)) for _, _, have in rows]
    ratio = np.concatenate(w) / np.concatenate(right)
    if np.allclose(ratio, ratio[0], rtol=1e-3):
        return "t-scaled", f"Your angles are {ratio[0]:.4g} times the right ones, t * w_k."
    k = int(np.abs(w[1] / right[1] - 1).argmax())
    return "other-frequencies", (
        "Your columns are sine and cosine of t * w, but with other frequencies: for "
        f"dim = {2 * len(w[1])}, w_{k} is {w[1][k]:.6g} (up to whole turns) where 10000^(-k/half) is "
        f"{right[1][k]:.6g}."
    )


def _found(rows):
    t, want, have = max(rows, key=lambda row: row[1].size)
    known = np.isfinite(want).all(0)
    there = [bool((np.abs(have - column[:, None]).max(0) < 2e-3).any()) for column in want.T[known]]
    half = len(there) // 2
    sines, cosines = sum(there[:half]), sum(there[half:])
    if sines == half or cosines == half:
        good, bad, n = ("sines", "cosines", cosines) if sines == half else ("cosines", "sines", sines)
        return f"wrong-{bad}", f"All your {good} are right; of the {half} {bad} {half - n} are missing."
    if sines + cosines > half / 2:
        return "wrong-columns", (
            f"Of {half} sines and {half} cosines {sines} and {cosines} are among your columns; the others "
            "are something else."
        )
    return None


def _left_right(x):
    return x[:, : x.shape[1] // 2], x[:, x.shape[1] // 2 :]


def _in_turn(x):
    return x[:, ::2], x[:, 1::2]
