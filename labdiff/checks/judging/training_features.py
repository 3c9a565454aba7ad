"""What a training step does, told from what its model and optimizer saw: features in words."""

import re

import numpy as np

from labdiff.checks.judging.name_numbers import (
    factor,
    kind_of_error,
    name_of,
    numbers,
    reported_loss,
    target_of,
)
from labdiff.checks.judging.training_draws import draws, levels, noise_factor, variance

PLANS = ("one step", "other shape", "one sample")
RIGHT = {
    "model": "called",
    "t": "1..T",
    "t is uniform": "yes",
    "t is drawn": "for each sample",
    "signal": "sqrt(alpha_bar_t)",
    "noise": "sqrt(1 - alpha_bar_t)",
    "draws": "normal",
    "source": "generator",
    "target": "eps",
    "error": "mean square",
    "order": "backward, step",
    "gradient": "this step's",
    "loss": "mean square",
    "x0": "left as it is",
}


def features(probes, outcomes):
    """Feature -> what was seen, in words."""
    first = outcomes[0]
    if first.problem:
        return {"raised": f"{first.kind or first.problem}: {first.message}"}
    plans = {p.name: p.args[0] for p in probes}
    got = {p.name: o.values for p, o in zip(probes, outcomes, strict=False) if o.values}
    missing = np.isnan(got["one step"]["t"])
    if missing.any():
        return {"model": "not called" if missing.all() else "called for some samples only"}
    drawn = {name for o in outcomes for name in o.random}
    elsewhere = f"other random numbers, for {'t' if 't' in drawn else 'eps'}"
    found = {"model": "called", "source": elsewhere if drawn else "generator"}
    raised = [(p.name, o) for p, o in zip(probes, outcomes, strict=False) if o.problem]
    if raised:
        found["raised"] = (
            f"{raised[0][1].kind or raised[0][1].problem} at: {', '.join(name for name, _ in raised)}"
        )
    if "many steps" in got:
        found |= draws(plans, got)
    found |= _used(plans, got)
    named = found["noise"] in numbers(plans["one step"].s, np.array([1]))
    if named and found.get("draws") == "normal":
        found["draws"] = variance(plans["many steps"], got["many steps"], found["noise"])
    if (
        "several updates" in found["order"] or found.get("t") == "no whole number"
    ):  # the rest says nothing then
        return found
    if "two steps" in got:
        found["gradient"] = _gradient(got["two steps"])
    return found


def _used(plans, got):
    """What x_t, the target and the error are made of, exactly: from runs that differ in one thing only."""
    names = [n for n in PLANS if all(n + more in got for more in ("", ", x0 = 0", ", another answer"))]
    found = [_one_use(plans, got, name) for name in names]
    signal, noise, target, error, loss = zip(*found, strict=True) if found else [()] * 5
    if ["weighted by sample"] in error:  # a single sample tells nothing of its weight
        target, error, loss = (
            [word for word, kind in zip(words, error, strict=True) if kind == ["weighted by sample"]]
            for words in (target, error, loss)
        )
    exact, sizes = name_of(noise, 1e-3), noise_factor(plans["many steps"], got.get("many steps"))
    if exact == "1" and set(target) == {"eps"} and sizes != "1":
        exact, target = sizes, ["what was added to x_t"]
    if exact == "another factor" and set(target) == {"eps"} and sizes == RIGHT["noise"]:
        exact, target = sizes, ["eps times another factor"]
    return {
        "signal": name_of(signal, 1e-3),
        "noise": sizes if exact == "unknown" else exact,
        "target": _same(target),
        "error": _in_all(error),
        "loss": _in_all(loss),
        "order": _same([_order(e) for v in got.values() for e in v["events"]]),
        "x0": "left as it is" if all(v["kept"].all() for v in got.values()) else "changed in place",
    }


def _one_use(plans, got, name):
    """(factor of x_0, of eps, target, error, loss) of one plan; factors: (schedule, levels, numbers)."""
    plan, run, zero, two = plans[name], got[name], got[f"{name}, x0 = 0"], got[f"{name}, another answer"]
    t = levels(plan, run)[0][0]
    x0, xt, part, pull = plan.x0.numpy().astype(float), run["xt"][0], zero["xt"][0], run["pull"][0]
    answer, other = (plans[n].answer.numpy().astype(float) for n in (name, f"{name}, another answer"))
    signal = plan.s, t, factor(xt - part, x0)
    N, B = x0.size, len(x0)
    error, k = kind_of_error((pull - two["pull"][0]) / (answer - other), N, B, pull)
    if k is None:
        return signal, (plan.s, t, None), "unknown", error, ["unknown"]
    y = answer - pull / k
    target, b = target_of(y, x0, xt, part)
    square = ((answer - y) ** 2).mean()
    known = {
        "mean square": square,
        "sum": square * N,
        "sum for each image": square * N / B,
        "half": square / 2,
        "what is minimised": (k / 2 * (answer - y) ** 2).sum(),
    }
    return signal, (plan.s, t, b), target, error, reported_loss(run["loss"][0], known)


def _order(code):
    """Backward and step in a call; zero_grad only where it harms."""
    events = str(int(code)).replace("0", "")
    if "4" in events:
        return "without the optimizer"
    if "2" not in events or "3" not in events:
        return {(False, False): "neither", (True, False): "no step", (False, True): "no backward"}[
            "2" in events, "3" in events
        ]
    core = events.replace("1", "")
    if re.fullmatch("(23){2,}2?", core):
        return "several updates"
    if core != "23":
        return "step, backward" if core == "32" else "more than once"
    return (
        "backward, zero_grad, step"
        if "1" in events[events.index("2") : events.index("3")]
        else "backward, step"
    )


def _gradient(two):
    """Which steps' gradients the optimizer has at the second of two steps; they may be clipped."""
    at_step, (before, own) = two["gradient"][1], two["pull"]
    if not np.isfinite(at_step).all() or not at_step.any():
        return "none"
    for name, g in (("this step's", own), ("all steps'", own + before), ("the last step's", before)):
        if np.isfinite(g).all() and g.any():
            c = (at_step * g).sum() / (g * g).sum()
            if 0 < c < 1.001 and np.allclose(at_step, c * g, rtol=1e-3, atol=1e-5 * np.abs(g).max()):
                return name
    return "something else"


def _in_all(words):
    """The first of the words that fit everywhere."""
    fits = [word for word in words[0] if all(word in other for other in words)] if words else []
    return fits[0] if fits else _same(first for first, *_ in words)


def _same(words):
    return " / ".join(dict.fromkeys(words))
