"""Results whose single numbers are right ones, or arguments', chosen by something else than the formula."""

import numpy as np


def precise(seen):
    """(probe, right numbers, the student's) of exact probes with six or more; [] where shapes differ."""
    rows = [(p, right.values[seen.first], mine.values[seen.first]) for p, right, mine in seen.rows]
    if any(want.shape != have.shape or not np.isfinite(have).all() for _, want, have in rows):
        return []
    return [(p, want, have) for p, want, have in rows if p.rtol <= 1e-4 and want.size >= 6]


def by_another_mask(seen):
    """Whether each pixel is one of the two that it may be, or a mix of them, though not by the mask."""
    wrong = total = mixed = 0
    for probe, expected, outcome in seen.rows:
        s, x_prev, x0, mask, t, eps = probe.args
        if probe.rtol > 1e-4 or x0.numel() < 6:
            continue
        have, level = outcome.values[seen.first], s.alpha_bar[t - 1].item()
        known = (level**0.5 * x0.double() + (1 - level) ** 0.5 * eps.double()).numpy()
        if have.shape != known.shape:
            return None
        far = [np.abs(have - x) / (1 + np.abs(x)) for x in (known, x_prev.double().numpy())]
        between = (have - x_prev.double().numpy()) / (known - x_prev.double().numpy())
        if (np.abs(between - 0.5) > 0.501).any():
            return None
        mixed += int((np.minimum(*far) > 1e-4).sum())
        wrong += int((np.abs(have - expected.values[seen.first]) > 1e-3).sum())
        total += have.size
    if mixed:
        return "another-mask", (
            f"{mixed} of {total} pixels are a mix of x_prev's and x0's, rightly noised, by a share between "
            "0 and 1. The mask is 0 or 1 at each pixel: look for a mean or a blur of it."
        )
    if not wrong:
        return None
    return "another-mask", (
        f"Each of your pixels is x_prev's or a rightly noised one of x0, but not by the mask: {wrong} of "
        f"{total} pixels are the wrong one of the two. Take x0's exactly where mask = 1, each sample by its "
        "own mask."
    )


def one_of(seen, terms):
    """Whether each number is an argument's or the right one, chosen by something else than the formula."""
    used = set()
    for probe, want, have in precise(seen):
        given = dict(zip(seen.exercise.arguments, probe.args, strict=True))
        choices = {"the right one": want} | {
            n: np.broadcast_to(given[n].double().numpy(), have.shape) for n in terms
        }
        far = np.stack([np.abs(have - x) / (1 + np.abs(x)) for x in choices.values()])
        if far.min(0).max() > 1e-4:
            return None
        used |= {[*choices][i] for i in np.unique(far.argmin(0))}
    if len(used) < 2:
        return None
    return "numbers-chosen", (
        f"Each of your numbers is one of {' and '.join(sorted(used))}: look for a where, a mask, a maximum "
        "or a threshold that picks one of them, pixel by pixel."
    )
