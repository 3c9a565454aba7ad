"""What a training step does, told from what its model and optimizer saw: features in words."""

import numpy as np

from labdiff.checks.judging.name_numbers import (
    factor,
    kind_of_error,
    name_of,
    numbers,
    reported_loss,
    target_of,
)

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
    if np.isnan(got["one step"]["t"]).any():
        return {"model": "not called"}
    drawn = {name for o in outcomes for name in o.random}
    elsewhere = f"other random numbers, for {'t' if 't' in drawn else 'eps'}"
    found = {"model": "called", "source": elsewhere if drawn else "generator"}
    raised = [(p.name, o) for p, o in zip(probes, outcomes, strict=False) if o.problem]
    if raised:
        found["raised"] = (
            f"{raised[0][1].kind or raised[0][1].problem} at: {', '.join(name for name, _ in raised)}"
        )
    if "many steps" in got:
        found |= _drawn(plans, got)
    found |= _used(plans, got)
    named = found["noise"] in numbers(plans["one step"].s, np.array([1]))
    if named and found.get("draws") == "normal":
        found["draws"] = _spread(plans["many steps"], got["many steps"], found["noise"])
    if "two steps" in got:
        found["gradient"] = _gradient(got["two steps"])
    return found


def _levels(plan, values):
    """The level of each call and sample, from the t that the model got, and whether it got t/T."""
    t = values["t"]
    if np.allclose(t, np.round(t)):
        return np.round(t).astype(int), False
    return np.clip(np.round(t * plan.s.T), 0, plan.s.T).astype(int), True


def _drawn(plans, got):
    """How t and eps are distributed, over many steps at x_0 = 0."""
    plan, values = plans["many steps"], got["many steps"]
    t, share = _levels(plan, values)
    T, seen = plan.s.T, sorted(set(t.ravel().tolist()))
    counts = np.array([(t == level).sum() for level in seen])
    spread = 8 * np.sqrt(t.size / len(seen))
    one = (t == t[:, :1]).all()
    if one:  # one draw a call: fewer draws
        spread *= np.sqrt(t.shape[1])
    frozen = np.array_equal(values["xt"][0], values["xt"][1])
    drawn = "once for the batch" if one else "for each sample"
    if (t == t[:1]).all() and not frozen:
        drawn = "the same in every call"
    last = "T" if seen[-1] == T else f"T{seen[-1] - T:+d}"
    words = "t/T" if share else f"{seen[0]}..{last}"
    if not share and seen != list(range(seen[0], seen[-1] + 1)):
        words = "with gaps: " + ", ".join(map(str, seen))
    return {
        "t": words,
        "t is uniform": "yes" if frozen or (np.abs(counts - t.size / len(seen)) < spread).all() else "no",
        "t is drawn": drawn,
        "draws": _noise(t, values["xt"], frozen),
    }


def _noise(t, xt, frozen):
    if frozen:
        return "the same in every call"
    scaled = []
    for level in np.unique(t):
        x = xt[t == level]
        size = np.sqrt((x**2).mean())
        scaled += [(x / size).ravel()] if size > 0 else []
    if not scaled:
        return "none in x_t"
    eps = np.concatenate(scaled)
    if (eps.reshape(-1, xt[0, 0].size) == eps.reshape(-1, xt[0, 0].size)[:, :1]).all():
        return "one number for an image"
    if len(np.unique(np.abs(eps).round(3))) > 20 and np.allclose(*_first_two(xt), rtol=1e-3, atol=1e-4):
        return "one for the whole batch"
    centred = eps - eps.mean()
    peak = (centred**4).mean() / (centred**2).mean() ** 2  # 3 for normal, 1.8 for uniform numbers
    uniform = abs(peak - 1.8) < 0.1 and abs(eps).max() < 1.85
    if abs(eps.mean()) > 0.08:
        return "uniform from 0 on" if uniform and eps.min() >= 0 else "not centred on 0"
    return "normal" if abs(peak - 3) < 0.5 else "uniform" if uniform else "not normal"


def _used(plans, got):
    """What x_t, the target and the error are made of, exactly: from runs that differ in one thing only."""
    signal, noise, target, error, loss, names = [], [], [], [], [], ("one step", "other shape", "one sample")
    for name in (n for n in names if all(n + more in got for more in ("", ", x0 = 0", ", another answer"))):
        plan, run, zero, two = plans[name], got[name], got[f"{name}, x0 = 0"], got[f"{name}, another answer"]
        t = _levels(plan, run)[0][0]
        x0, xt, part = plan.x0.numpy().astype(float), run["xt"][0], zero["xt"][0]
        answer, other = (plans[n].answer.numpy().astype(float) for n in (name, f"{name}, another answer"))
        signal.append((plan.s, t, factor((xt - part), x0)))
        k = (run["pull"][0] - two["pull"][0]) / (answer - other)
        N, B = x0.size, len(x0)
        kind, k = kind_of_error(k, N, B, run["pull"][0])
        error.append(kind)
        if k is None:
            target.append("unknown"), noise.append((plan.s, t, None)), loss.append("unknown")
            continue
        y = answer - run["pull"][0] / k
        what, b = target_of(y, x0, xt, part)
        target.append(what)
        noise.append((plan.s, t, b))
        square = ((answer - y) ** 2).mean()
        known = {
            "mean square": square,
            "sum": square * N,
            "sum for each image": square * N / B,
            "half": square / 2,
        }
        loss.append(reported_loss(run["loss"][0], known))
    exact, sizes = name_of(noise, 1e-3), _sizes(plans["many steps"], got.get("many steps"))
    if exact == "1" and set(target) == {"eps"} and sizes != "1":
        exact, target = sizes, ["what was added to x_t"]
    return {
        "signal": name_of(signal, 1e-3),
        "noise": sizes if exact == "unknown" else exact,
        "target": _same(target),
        "error": _same(error),
        "loss": _same(loss),
        "order": _same([_order(e) for v in got.values() for e in v["events"]]),
        "x0": "left as it is" if all(v["kept"].all() for v in got.values()) else "changed in place",
    }


def _sizes(plan, many):
    """Name of the noise's factor, from how far x_t spreads at x_0 = 0."""
    if many is None:
        return "unknown"
    t, _ = _levels(plan, many)
    rows = [
        (plan.s, np.array([v]), np.array([np.sqrt((many["xt"][t == v] ** 2).mean())])) for v in np.unique(t)
    ]
    return name_of(rows, 0.08)


def _spread(plan, many, noise):
    """Whether x_t spreads at x_0 = 0 as eps of variance 1 does, with the factor that it has."""
    t, _ = _levels(plan, many)
    levels = [v for v in np.unique(t) if numbers(plan.s, np.array([v]))[noise][0] > 0]
    sizes = [
        np.sqrt((many["xt"][t == v] ** 2).mean()) / numbers(plan.s, np.array([v]))[noise][0] for v in levels
    ]
    return "normal" if not sizes or abs(np.mean(sizes) - 1) < 0.06 else "of another variance than 1"


def _order(code):
    """Backward and step in a call; zero_grad only where it harms."""
    events = str(int(code)).replace("0", "")
    if "2" not in events or "3" not in events:
        return {(False, False): "neither", (True, False): "no step", (False, True): "no backward"}[
            "2" in events, "3" in events
        ]
    core = events.replace("1", "")
    if core != "23":
        return "step, backward" if core == "32" else "more than once"
    return (
        "backward, zero_grad, step"
        if "1" in events[events.index("2") : events.index("3")]
        else "backward, step"
    )


def _gradient(two):
    """Which steps' gradients the optimizer has at the second of two steps; clipping makes it shorter, no
    more."""
    at_step, (before, own) = two["gradient"][1], two["pull"]
    if not np.isfinite(at_step).all() or not at_step.any():
        return "none"
    for name, g in (("this step's", own), ("all steps'", own + before), ("the last step's", before)):
        if np.isfinite(g).all() and g.any():
            c = (at_step * g).sum() / (g * g).sum()
            if 0 < c < 1.001 and np.allclose(at_step, c * g, rtol=1e-3, atol=1e-5 * np.abs(g).max()):
                return name
    return "something else"


def _same(words):
    return words[0] if len(set(words)) == 1 else " / ".join(dict.fromkeys(words))


def _first_two(xt):
    """The noise of the first two samples of each call, brought to one size."""
    pair = xt[:, :2].reshape(len(xt), 2, -1)
    pair = pair / np.maximum(np.sqrt((pair**2).mean(2, keepdims=True)), 1e-12)
    return pair[:, 0], pair[:, 1]
