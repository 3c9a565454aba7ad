"""The smallest probe that fails, in numbers that a person can follow, and as pictures."""

import numpy as np
import torch

from labdiff.checks.in_kernel.spies import Spy
from labdiff.checks.judging.agreement import agrees, close
from labdiff.checks.judging.report import Picture
from labdiff.schedule import Schedule


def evidence(exercise, probes, expected, outcomes):
    """Rows and pictures of the smallest probe that fails: what went in, what was expected, what came out."""
    failed = [
        (p, e, o)
        for p, e, o in zip(probes, expected, outcomes, strict=False)
        if p.required and not agrees(exercise, e, o, p.rtol)
    ]
    if not failed:
        return (), ()
    probe, want, have = failed[0]
    rows = [("probe", probe.name)]
    given = [
        (name, a)
        for name, a in zip(exercise.arguments, probe.args, strict=False)
        if not isinstance(a, Schedule)
    ]
    rows.append(("in", "; ".join(_show(*pair) for pair in given)))
    rows += [("schedule", row) for row in (_levels(exercise, probe),) if row]
    if exercise.intermediates and not want.problem and probe.name.startswith("one pixel"):
        rows.append(
            (
                "on the way",
                ", ".join(f"{k} = {float(v):.4g}" for k, v in exercise.intermediates(*probe.args).items()),
            )
        )
    if have.problem == "raised":
        rows += [("expected", _values(want)), ("got", f"{have.kind}: {have.message}")]
    elif have.problem:
        rows += [("expected", _values(want)), ("got", have.kind or have.problem)]
    else:
        where = _where(exercise, want, have)
        rows += [("expected", _values(want, where)), ("got", _values(have, where))]
    return tuple(rows), tuple(_pictures(exercise, failed))


def _show(name, value):
    if isinstance(value, Spy):
        return f"{name} = a known function of x and t"
    if isinstance(value, torch.Tensor):
        if value.numel() == 1:
            return f"{name} = {value.item():.4g}"
        if value.ndim == 1 and len(value) <= 8:
            return f"{name} = [{', '.join(f'{v:.4g}' for v in value.tolist())}]"
        return f"{name} of shape {tuple(value.shape)}"
    return f"{name} = {value}"


def _levels(exercise, probe):
    """The schedule's numbers at the probe's t, if it has one t."""
    s = next((a for a in probe.args if isinstance(a, Schedule)), None)
    t = probe.args[exercise.arguments.index("t")] if s is not None else None
    if s is None or isinstance(t, torch.Tensor) and len(t) > 1:
        return ""
    t = int(t)
    text = f"beta_{t} = {s.beta[t]:.4g}, alpha_{t} = {s.alpha[t]:.4g}, alpha_bar_{t} = {s.alpha_bar[t]:.4g}"
    prev = dict(zip(exercise.arguments, probe.args, strict=False)).get("t_prev", t - 1)
    return text + (f", alpha_bar_{prev} = {s.alpha_bar[prev]:.4g}" if prev >= 0 else "")


def _where(exercise, want, have):
    """Index of the first number that is off, for each output of an agreeing shape."""
    found = {}
    for name, w in want.values.items():
        h = have.values[name]
        if w.shape == h.shape and w.size > 8:
            off = np.abs(np.nan_to_num(w - h, nan=np.inf)) > 1e-4 * (1 + np.abs(w))
            found[name] = tuple(np.argwhere(off)[0]) if off.any() else (0,) * w.ndim
    return found


def _values(outcome, where=None):
    if outcome.problem:
        return f"{outcome.kind}: {outcome.message}"
    texts = []
    for name, v in outcome.values.items():
        if v.size == 1:
            texts.append(f"{name} = {v.item():.4g}")
        elif v.size <= 8:
            texts.append(f"{name} = {_round(v)}" + ("" if v.ndim == 1 else f" in shape {v.shape}"))
        elif where and name in where:
            texts.append(f"{name}[{', '.join(map(str, where[name]))}] = {v[where[name]]:.4g}")
        else:
            texts.append(f"{name} of shape {v.shape}, the first {v.flat[0]:.4g}")
    return "; ".join(texts)


def _round(v):
    return "[" + ", ".join(f"{x:.4g}" for x in v.ravel()) + "]"


def _pictures(exercise, failed):
    for probe, want, have in failed:
        name = exercise.outputs[0]
        e, g = want.values.get(name), have.values.get(name)
        if not probe.picture or e is None or g is None or e.shape != g.shape or e.ndim != 4:
            continue
        if not close(e, g, probe.rtol):
            for argument, value in zip(exercise.arguments, probe.args, strict=False):
                if argument in ("x0", "xt", "x_prev"):
                    yield Picture(f"in: {argument}", value[0, 0].double().numpy())
            yield Picture(f"expected: {name}", e[0, 0])
            yield Picture(f"got: {name}", g[0, 0])
            return
