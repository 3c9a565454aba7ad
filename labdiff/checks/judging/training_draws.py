"""How a training step draws t and eps: features in words, from many steps at x_0 = 0."""

import numpy as np

from labdiff.checks.judging.name_numbers import name_of, numbers


def levels(plan, values):
    """The level of each call and sample, from the t that the model got, and whether it got t/T."""
    t = values["t"]
    if np.allclose(t, np.round(t)):
        return np.round(t).astype(int), False
    return np.clip(np.round(t * plan.s.T), 0, plan.s.T).astype(int), True


def draws(plans, got):
    """How t and eps are distributed, over many steps at x_0 = 0."""
    plan, values = plans["many steps"], got["many steps"]
    t, share = levels(plan, values)
    T, seen = plan.s.T, sorted(set(t.ravel().tolist()))
    counts = np.array([(t == level).sum() for level in seen])
    spread = 8 * np.sqrt(t.size / len(seen))
    one = (t == t[:, :1]).all()
    if one:  # one draw a call: fewer draws
        spread *= np.sqrt(t.shape[1])
    frozen = np.array_equal(values["xt"][0], values["xt"][1])
    # t drawn from as many parts of 1..T as there are samples is fixed where the parts are narrower than
    # a level
    few = got["few samples"]["t"] if "few samples" in got else t
    drawn = "once for the batch" if one else "for each sample"
    if (t == t[:1]).all() and (few == few[:1]).all() and not frozen:
        drawn = "the same in every call"
    last = "T" if seen[-1] == T else f"T{seen[-1] - T:+d}"
    whole = np.allclose(values["t"] * T, np.round(values["t"] * T), atol=1e-3)
    words = (
        ("t/T" if whole else "no whole number")
        if share
        else f"{seen[0]}..{last}"
        if seen[1:]
        else "one level"
    )
    if not share and seen != list(range(seen[0], seen[-1] + 1)):
        words = "with gaps: " + ", ".join(map(str, seen))
    return {
        "t": words,
        "t is uniform": "yes" if frozen or (np.abs(counts - t.size / len(seen)) < spread).all() else "no",
        "t is drawn": drawn,
        "draws": _noise(t, values["xt"], frozen),
    }


def _noise(t, xt, frozen):
    size = np.sqrt((xt**2).mean(axis=tuple(range(2, xt.ndim)), keepdims=True))
    if frozen or size.all() and np.allclose(xt / size, xt[:1] / size[:1], atol=1e-3):
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


def noise_factor(plan, many):
    """Name of the noise's factor, from how far x_t spreads at x_0 = 0."""
    if many is None:
        return "unknown"
    t, _ = levels(plan, many)
    rows = [
        (plan.s, np.array([v]), np.array([np.sqrt((many["xt"][t == v] ** 2).mean())])) for v in np.unique(t)
    ]
    return name_of(rows, 0.08)


def variance(plan, many, noise):
    """Whether x_t spreads at x_0 = 0 as eps of variance 1 does, with the factor that it has."""
    t, _ = levels(plan, many)
    present = [v for v in np.unique(t) if numbers(plan.s, np.array([v]))[noise][0] > 0]
    sizes = [
        np.sqrt((many["xt"][t == v] ** 2).mean()) / numbers(plan.s, np.array([v]))[noise][0] for v in present
    ]
    return "normal" if not sizes or abs(np.mean(sizes) - 1) < 0.06 else "of another variance than 1"


def _first_two(xt):
    """The noise of the first two samples of each call, brought to one size."""
    pair = xt[:, :2].reshape(len(xt), 2, -1)
    pair = pair / np.maximum(np.sqrt((pair**2).mean(2, keepdims=True)), 1e-12)
    return pair[:, 0], pair[:, 1]
