"""What wrong factors mean together: another scale, another divisor, another angle, another level of noise."""

import numpy as np

from labdiff.checks.judging.arc_in_words import ARC
from labdiff.checks.judging.expressions import short
from labdiff.checks.judging.rows_in_words import examples, named, same
from labdiff.checks.judging.sums import KNOWN, OTHER


def in_words(name, rows):
    """(id or None, sentence) on all the factors at once, or None where there is no such view of them."""
    words = {
        "guided_eps": (_of_the_sample, _strength),
        "flow_velocity": (_common, _mix, _solved),
        "interpolate": ARC,
        "inpaint_step": (_level, _again, _another_alpha_bar),
    }[name]
    with np.errstate(all="ignore"):
        told = next((text for view in words if (text := view(rows)) is not None), None)
    return (None, told) if isinstance(told, str) else told


# guided_eps: factors of eps_none and eps_label


def _of_the_sample(rows):
    by_scale = {}
    for row in rows:
        by_scale.setdefault(row.group.at, []).append(row.got)
    for at, got in by_scale.items():
        if np.ptp(got, axis=0).max() > 1e-2:
            values = " and ".join(f"{short(none)} and {short(label)}" for none, label in got[:2])
            return (
                f"Your factors of eps_none and eps_label differ from sample to sample at {at}: {values}. "
                "Look for a length, a dot product, a spread or a maximum of the predictions, or an index "
                "of the batch. The right ones are 1 - scale and scale, for every sample."
            )
    return None


def _strength(rows):
    none, label = np.array([row.got for row in rows]).T
    if not same(none + label, 1):
        return None
    name = named(label, rows)
    if np.ptp(label) < 1e-4:
        return (
            f"You return eps_none + k (eps_label - eps_none) with k = {short(label[0])}, whatever scale is."
        )
    text = (
        "You return eps_none + k (eps_label - eps_none) with another k than scale: "
        f"{f'k = {name}, which is ' if name else ''}{examples(label, rows)}."
    )
    right = [row.group.at for row in rows if not row.off.any()]
    return text + (f" Right is {' and '.join(sorted(set(right))[:3])}." if right and not name else "")


# flow_velocity: factors of x_tau and eps_hat


def _taus(rows):
    return np.array([row.group.quantities["tau"] for row in rows])


def _common(rows):
    """A multiple of eps_hat - x_tau."""
    x, eps = np.array([row.got for row in rows]).T
    if not same(x, -eps):
        return None
    name, divisor, tau = named(eps, rows, ("1 - tau", "tau")), 1 / eps, _taus(rows)
    right = "(eps_hat - x_tau) / (1 - tau)"
    batches = [
        [k for k, row in enumerate(rows) if row.probe == probe] for probe in {row.probe for row in rows}
    ]
    mixed = [batch for batch in batches if np.ptp(tau[batch]) > 1e-2]
    if mixed and all(np.ptp(divisor[batch]) < 2e-5 for batch in mixed):
        return "mixes-samples", (
            f"You divide all samples of a batch by one number, {short(divisor[mixed[0][0]])} in the probe "
            f"of {rows[mixed[0][0]].probe}. Each sample has its own tau."
        )
    others = [[j for j in batch if abs(tau[j] - 1 + divisor[k]) < 1e-4] for batch in mixed for k in batch]
    if mixed and all(others) and any(abs(tau[k] - 1 + divisor[k]) > 1e-2 for batch in mixed for k in batch):
        return "mixes-samples", "You divide by 1 - tau with the tau of another sample. Each has its own."
    low, high = divisor.min(), divisor.max()
    if same(divisor, np.maximum(1 - tau, low)) and (1 - tau > low + 1e-3).sum() > 2:
        return f"You let 1 - tau go no lower than {low:.4g}. Divide by 1 - tau as it is: tau is below 1."
    if same(divisor, np.minimum(1 - tau, high)) and (1 - tau < high - 1e-3).sum() > 2:
        return f"You let 1 - tau go no higher than {high:.4g}: tau is clamped. Divide by 1 - tau as it is."
    for grid in (2, 4, 5, 10, 20, 50):
        used = (1 - divisor) * grid
        if same(used, used.round()) and np.abs(used / grid - tau).max() < 1.01 / grid:
            return f"You round tau to multiples of {1 / grid:g}. It is any number in [0, 1): use it as it is."
    below = named(divisor, rows)
    if below and ("/" not in below or not name):
        return f"You divide eps_hat - x_tau by {below}. Right is {right}."
    if name:
        return f"You multiply eps_hat - x_tau by {name}. Right is {right}."
    return f"You divide eps_hat - x_tau by {examples(divisor, rows)}. Right is {right}."


def _mix(rows):
    """A mix of eps_hat and the right x_0, with factors of tau."""
    x, eps = np.array([row.got for row in rows]).T
    tau = _taus(rows)
    on_x0, on_eps = named(x * (1 - tau), rows), named(x * tau + eps, rows)
    direct = [named(x, rows), named(eps, rows)]
    if all(direct) and "/" not in "".join(direct):
        return None
    if on_x0 and on_eps and "/" not in on_x0 + on_eps:
        return (
            f"With x_0 = (x_tau - tau eps_hat) / (1 - tau), your result has the factor {on_eps} on eps_hat "
            f"and {on_x0} on x_0. The velocity is eps_hat - x_0, without factors."
        )
    return None


def _solved(rows):
    """eps_hat less an x_0 that is solved for with other factors."""
    x, eps = np.array([row.got for row in rows]).T
    direct = [named(x, rows), named(eps, rows)]
    if all(direct) and "/" not in "".join(direct):
        return None
    divisor, noise = named(-1 / x, rows), named((1 - eps) / x, rows, ("1 - tau", "tau"))
    if divisor is None or noise is None:
        return None
    return (
        f"You take x_0 = (x_tau - p eps_hat) / q with p = {noise} and q = {divisor}. On the straight path p "
        "is tau and q is 1 - tau."
    )


# inpaint_step: factors of x_prev, x0 and eps


def _level(rows):
    """Known pixels at another level of noise."""
    known = [row for row in rows if row.group.part == KNOWN]
    if any(row.off.any() for row in rows if row.group.part != KNOWN):
        return None
    used = {}
    for row in known:
        table = row.group.alpha_bar
        signal, noise = table**0.5, (1 - table) ** 0.5
        fits = np.abs(np.stack([0 * signal, signal, noise], -1) - row.got).max(-1) < 1e-3
        if not fits.any():
            return None
        used[row.group.quantities["t"]] = int(fits.argmax())
    told = ", ".join(f"{level} at t = {t}" for t, level in sorted(used.items()))
    return (
        f"You noise the known pixels to another level than t - 1, that of x_prev: to level {told}. For "
        "every t it is t - 1."
    )


def _again(rows):
    """One step of noise on top of the whole result."""
    other = [row for row in rows if row.group.part == OTHER]
    step = [[row.group.quantities["sqrt(alpha_t)"], row.group.quantities["sqrt(beta_t)"]] for row in other]
    if not other or not same([row.got[[0, 2]] for row in other], step):
        return None
    return (
        "You noise the pixels where mask = 0 by one more step, sqrt(alpha_t) x_prev + sqrt(beta_t) eps, up "
        "to level t, as between the repetitions of resampling. The result is wanted at level t - 1: x_prev "
        "as it is."
    )


def _another_alpha_bar(rows):
    """Known pixels noised with an alpha_bar that is none of the schedule's."""
    known = [row for row in rows if row.group.part == KNOWN]
    if any(row.off.any() for row in rows if row.group.part != KNOWN):
        return None
    x_prev, signal, noise = np.array([row.got for row in known]).T
    if not same(x_prev, 0) or not same(signal**2 + noise**2, 1) or min(signal.min(), noise.min()) < -1e-6:
        return None
    name = named(signal**2, known)
    return (
        "You noise the known pixels with another alpha_bar than that of level t - 1: with "
        f"{name + ', ' if name else ''}{examples(signal**2, known)}. Take s.alpha_bar[t - 1]."
    )
