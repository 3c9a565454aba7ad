"""Names for numbers: a factor's name in the schedule, what a target is made of, the kind of error."""

import itertools

import numpy as np


def factor(a, b):
    """a / b for each sample if it is one number per sample, else None."""
    ratio = (a / np.where(np.abs(b) < 1e-9, np.nan, b)).reshape(len(a), -1)
    middle = np.nanmedian(ratio, axis=1, keepdims=True)
    return (
        middle[:, 0]
        if np.allclose(a, middle.reshape(-1, *[1] * (a.ndim - 1)) * b, rtol=1e-3, atol=1e-4)
        else None
    )


def kind_of_error(k, N, B, pull):
    """All words that fit for how the error depends on the answer; and its second derivative."""
    if np.isfinite(pull).all() and np.allclose(np.abs(pull), 1 / N, rtol=1e-3):
        return ["absolute difference"], None
    if np.isfinite(pull).all() and abs((pull**2).sum() * N - 1) < 1e-3:
        return ["root of the mean square"], None
    if not np.isfinite(k).all():
        return ["no gradient"], None
    if not np.allclose(k, k.mean(), rtol=2e-3):
        of_sample = k.reshape(B, -1).mean(1).reshape(-1, *[1] * (k.ndim - 1))
        if N > B and of_sample.all() and np.allclose(k, of_sample, rtol=2e-3):
            return ["weighted by sample"], of_sample
        return ["not a square"], None
    if abs(k.mean()) < 1e-9:
        return ["not a square"], None
    if k.mean() < 0:
        return ["negative"], k.mean()
    known = {"mean square": 2 / N, "sum": 2, "sum for each image": 2 / B, "half": 1 / N}
    return [*(name for name, v in known.items() if abs(k.mean() / v - 1) < 2e-3), "another factor"], k.mean()


def target_of(y, x0, xt, part):
    """What the target is, and the factor of eps in x_t where eps is known by it."""
    if not all(np.isfinite(each).all() for each in (y, xt, part)):
        return "something else", None
    if np.allclose(y, x0, rtol=1e-3, atol=1e-3):
        return "x_0", None
    if np.allclose(y, xt, rtol=1e-3, atol=1e-3) and not np.allclose(part, xt, atol=1e-3):
        return "x_t", None
    b = factor(part, y)
    if b is not None:
        return "eps", b
    if factor(np.abs(part), np.abs(y)) is not None:
        return "the size of eps", None
    rest = [_left_over(*rows) for rows in zip(y, x0, part, strict=False)]
    if max(mixed for mixed, _ in rest) < 1e-2:
        return "a mix of x_0 and eps", None
    return ("near eps, but not equal" if max(alone for _, alone in rest) < 0.5 else "something else"), None


def _left_over(y, x0, part):
    """The relative residuals of a sample's target, fitted by x_0 and noise, and by noise alone."""
    size = np.linalg.norm(y) + 1e-12
    return [
        np.linalg.norm(y.ravel() - a @ np.linalg.lstsq(a, y.ravel(), rcond=None)[0]) / size
        for a in (np.stack([x0.ravel(), part.ravel()], 1), part.reshape(-1, 1))
    ]


def reported_loss(value, known):
    """All names that fit."""
    if np.isnan(value):
        return ["nothing"]
    return [*(name for name, v in known.items() if abs(value - v) < 1e-3 * abs(v) + 1e-6), "another number"]


def name_of(rows, tolerance):
    """The name in the schedule of these factors, or what they are instead.

    rows: (schedule, levels, factors)."""
    if not rows or any(row[2] is None for row in rows):
        return "unknown"
    fits = None
    for s, t, factors in rows:
        table = numbers(s, t)
        table |= {f"-{n}": -v for n, v in table.items()}
        close = np.isclose(factors, np.stack(list(table.values())), rtol=tolerance, atol=1e-4).all(1)
        known = set(itertools.compress(table, close))
        fits = known if fits is None else fits & known
    usual = [n for n in ("sqrt(alpha_bar_t)", "sqrt(1 - alpha_bar_t)") if n in fits]
    return (usual or sorted(fits, key=lambda n: (len(n), n)) or ["another factor"])[0]


def numbers(s, t):
    """Name -> the schedule's number of that name at each of the levels t, an array."""
    one = np.ones(len(t))
    known = {"0": 0 * one, "1": one, "t/T": t / s.T, "1 - t/T": 1 - t / s.T}
    known |= {f"sqrt({name})": known[name] ** 0.5 for name in ("t/T", "1 - t/T")}
    for name, at in (("T-t", s.T - t), ("T+1-t", s.T + 1 - t)):
        v = s.alpha_bar.numpy()[np.clip(at, 0, s.T)]
        known |= {f"sqrt(alpha_bar_{{{name}}})": v**0.5, f"sqrt(1 - alpha_bar_{{{name}}})": (1 - v) ** 0.5}
    for name in ("alpha", "alpha_bar"):
        known[f"1 - sqrt({name}_t)"] = 1 - getattr(s, name).numpy()[np.clip(t, 0, s.T)] ** 0.5
    for name in ("beta", "alpha", "alpha_bar", "beta_tilde"):
        table = getattr(s, name).numpy()
        for step, suffix in ((0, "t"), (-1, "{t-1}"), (1, "{t+1}")):
            v = table[np.clip(t + step, 0, s.T)]
            known |= {f"{name}_{suffix}": v, f"sqrt({name}_{suffix})": v**0.5}
            if name in ("alpha_bar", "beta_tilde"):  # 1 - alpha_t is beta_t
                known |= {f"1 - {name}_{suffix}": 1 - v, f"sqrt(1 - {name}_{suffix})": (1 - v) ** 0.5}
    return known
