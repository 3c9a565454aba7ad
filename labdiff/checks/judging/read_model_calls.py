"""What the function gave its model, beside what the model should have been given."""

import copy

import numpy as np
import torch

from labdiff.checks.in_kernel.spies import MOST_CALLS, Spy
from labdiff.checks.judging.agreement import close
from labdiff.schedule import Schedule


def read_model_calls(seen):
    """(id, sentences) on the x, the t or the calls that the model got; None where all are right."""
    rows = [_Row(seen.exercise, p, o) for p, _, o in seen.rows if p.rtol <= 1e-4]
    if not rows or any(row.model is None for row in rows) or len(rows) < len(seen.all) / 2:
        return None
    if all(row.same() for row in rows):
        return None
    if any(not row.calls for row in rows):
        if not any(row.calls for row in rows):
            return "model-not-called", "Your function never calls the model: eps_hat is what it says of x_t."
        return None
    found = [told for told in (_told_t(rows), _told_x(rows)) if told]
    if not found:
        found = [told for told in (_again(rows),) if told]
    return ("+".join(id for id, _ in found), " ".join(text for _, text in found)) if found else None


class _Row:
    """The calls of one probe's model: those made, and those that the right formula makes."""

    def __init__(self, exercise, probe, outcome):
        self.probe, self.given = probe, dict(zip(exercise.arguments, probe.args, strict=True))
        self.model = next((a for a in probe.args if isinstance(a, Spy)), None)
        self.s = next((a for a in probe.args if isinstance(a, Schedule)), None)
        if self.model is None:
            return
        args = [copy.deepcopy(a) if isinstance(a, Spy) else a for a in probe.args]
        spy = next(a for a in args if isinstance(a, Spy))
        exercise.formula(*args)
        if not spy.calls:
            self.model = None
            return
        self.right_calls, (self.right_x, self.right_t) = spy.calls, spy.calls[0]
        self.calls = len(outcome.model_calls)
        self.x, self.t, used = self._first(outcome.model_calls)
        self.later = outcome.model_calls[used:]
        self.wrong_t = len(self.t) == len(self.right_t) and not close(self.right_t, self.t, 1e-6)
        self.wrong_x = self.x.shape == self.right_x.shape and not close(self.right_x, self.x, 1e-3)

    def _first(self, calls):
        """x and t of the first call, or of the first few where the batch goes in parts; and how many."""
        xs, ts = [np.zeros((0, *self.right_x.shape[1:]))], [np.zeros(0)]
        for x, t in calls:
            if x.shape[1:] != self.right_x.shape[1:] or sum(map(len, xs)) + len(x) > len(self.right_x):
                break
            xs.append(x)
            ts.append(t)
        if len(xs) == 1 and calls:
            return *calls[0], 1
        return np.concatenate(xs), np.concatenate(ts), len(xs) - 1

    def same(self):
        """Whether each call is one that the right formula makes."""
        shape = self.x.shape == self.right_x.shape
        return shape and not (self.wrong_x or self.wrong_t or any(map(self.other, self.later)))

    def other(self, call):
        """Whether this call is none that the right formula makes."""
        x, t = call
        return not any(
            x.shape == right_x.shape and close(right_x, x, 1e-3) and close(right_t, t, 1e-6)
            for right_x, right_t in self.right_calls
        )


def _levels(row):
    """{what the model may have got in place of t: those numbers}."""
    t, B = row.right_t, len(row.right_t)
    made = {"t - 1": t - 1, "t + 1": t + 1, "the place in the batch": np.arange(B) + 0.0}
    made |= {"the place in the batch, from 1 on": np.arange(B) + 1.0, "the first sample's t": t[:1].repeat(B)}
    made |= {"t / 1000": t / 1000, "1000 t": 1000 * t, "the batch's size": B + 0 * t}
    made |= {
        f"{name}, as a whole number": np.trunc(v) for name, v in (("t / 2", t / 2), ("t - 0.5", t - 0.5))
    }
    if row.s is not None:
        T, at = row.s.T, t.astype(int)
        made |= {"t / T": t / T, "T - t": T - t, "T + 1 - t": T + 1 - t, "T": T + 0 * t}
        made |= {"1 - t / T": 1 - t / T, "(t - 1) / T": (t - 1) / T, "1000 t / T": 1000 * t / T}
        made |= {"(t - 1) / (T - 1)": (t - 1) / max(T - 1, 1), "T - 1 - t": T - 1 - t}
        for name in ("beta", "alpha", "alpha_bar", "beta_tilde"):
            v = getattr(row.s, name).numpy()[at]
            made |= {f"{name}_t": v, f"sqrt({name}_t)": v**0.5, f"1 - {name}_t": 1 - v}
            made |= {f"sqrt(1 - {name}_t)": (1 - v) ** 0.5}
    for name, v in row.given.items():
        if isinstance(v, int):
            made[name] = v + 0 * t
    return made


def _told_t(rows):
    wrong = [row for row in rows if row.wrong_t]
    if not wrong:
        return None
    for name in _levels(rows[0]):
        if all(close(_levels(row)[name], row.t, 1e-5) for row in rows if len(row.t) == len(row.right_t)):
            return _IDS.get(name, "model-gets-another-t"), (
                f"Your model is given {name}. It is told the level of the x_t that it sees: t itself, int64 "
                "in 1..T, one for each sample."
            )
    constant = wrong[0].t[0]
    if all((row.t == constant).all() for row in rows):
        return "constant-t", (
            f"Your model is given {constant:g} at every t. It is told t itself, the level of the x_t that it "
            "sees."
        )
    row = wrong[0]
    return "model-gets-another-t", (
        f"Your model is given {_list(row.t)} in place of t = {_list(row.right_t)} ({row.probe.name}). It is "
        "told the level of the x_t that it sees."
    )


_IDS = {
    "t - 1": "model-gets-t-minus-1",
    "t + 1": "model-gets-t-plus-1",
    "t / T": "model-gets-t-over-T",
    "t / 1000": "model-gets-t-over-T",
    "T - t": "model-gets-T-minus-t",
    "T + 1 - t": "model-gets-T-minus-t",
    "T": "constant-t",
    "t_prev": "model-gets-t-prev",
    "the place in the batch": "model-gets-place-in-batch",
    "the place in the batch, from 1 on": "model-gets-place-in-batch",
    "the first sample's t": "first-t-for-all",
}


def _told_x(rows):
    wrong = [row for row in rows if row.wrong_x]
    if not wrong:
        return None
    row = max(wrong, key=lambda row: row.x.size)
    tensors = {
        n: v.double().numpy()
        for n, v in row.given.items()
        if isinstance(v, torch.Tensor) and tuple(v.shape) == row.x.shape
    }
    end = f"({row.probe.name}). It has to see x_t as it is, at level t."
    for name, v in tensors.items():
        if close(v, row.x, 1e-3):
            return f"model-gets-{name}", f"Your model is given {name} {end}"
    low, high = row.x.min(), row.x.max()
    if close(row.right_x.clip(low, high), row.x, 1e-4) and low < high:
        return "clamped", f"Your model is given x_t cut off at {low:.4g} and {high:.4g} {end}"
    others = {n: v for n, v in tensors.items() if not close(v, row.right_x, 1e-3)}
    alone = {"x_t": row.right_x}
    bases = (alone, *({**alone, n: v} for n, v in others.items()), others)
    told = [text for text in (_mixed(row.x, basis) for basis in bases) if text]
    if told:  # the same numbers may be several sums: x_t as it is and something added is the plainest
        plainest = min(told, key=lambda text: not text.startswith("1 x_t"))
        which = f"; sample 1 of {len(row.x)}" * (len(row.x) > 1)
        return "model-gets-another-x", f"Your model is given {plainest} in place of x_t{which} {end}"
    at = np.abs(row.x - row.right_x).argmax()
    there = f"{row.x.flat[at]:.4g} where x_t has {row.right_x.flat[at]:.4g}"
    return "model-gets-another-x", f"Your model is given another x than x_t: {there} {end}"


def _mixed(x, basis):
    """The first sample of x as a sum of the basis, in words; None unless all samples are such sums."""
    factors = []
    for i in range(len(x)):
        a = np.stack([v[i].ravel() for v in basis.values()], 1) if basis else np.zeros((1, 1))
        if a.shape[0] <= a.shape[1]:
            return None
        factors.append(np.linalg.lstsq(a, x[i].ravel(), rcond=None)[0])
        if not close(a @ factors[-1], x[i].ravel(), 1e-3):
            return None
    return " + ".join(f"{f:.4g} {n}" for f, n in zip(factors[0], basis, strict=True)).replace("+ -", "- ")


def _again(rows):
    """The calls after the first, right one."""
    row = next((row for row in rows if any(map(row.other, row.later))), None)
    if row is None:
        return None
    ts = [t[0] for _, t in ((row.right_x, row.right_t), *row.later) if len(t)]
    n = f"{row.calls}{' or more' * (row.calls == MOST_CALLS)}"
    same_t = len(set(ts)) == 1
    id = "calls-model-again" if same_t else "several-steps"
    what = "of another x" if same_t else f"at t = {', '.join(f'{t:g}' for t in ts)}"
    return id, (
        f"Your function asks the model {n} times, {what} ({row.probe.name}). One call, of x_t at level t, "
        "says all that is needed here."
    )


def _list(t):
    return f"{t[0]:.4g}" if len(set(t)) == 1 else f"[{', '.join(f'{v:.4g}' for v in t[:8])}]"
