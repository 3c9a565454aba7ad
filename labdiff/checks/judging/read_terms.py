"""The factors of known terms in a result that is their sum, read off by least squares."""

import numpy as np
import torch

from labdiff.checks.judging.agreement import close


def read_terms(seen):
    """(id, sentences) on the factors of the exercise's terms; None where the result is no sum of them."""
    if seen.exercise.terms is None:
        return None
    wrong, told = {}, []
    for probe, expected, outcome in seen.rows:
        with torch.no_grad():
            terms = seen.exercise.terms(*probe.args)
        basis = np.stack([part.double().numpy() for part in terms.values()], -1)  # (groups, numbers, terms)
        want, have = (x.values[seen.first].reshape(-1) for x in (expected, outcome))
        if probe.rtol > 1e-4 or want.shape != have.shape or basis.shape[1] < 2 * basis.shape[2]:
            continue
        for group, a in enumerate(basis):
            part = slice(group * len(a), (group + 1) * len(a))
            right, got = _factors(a, want[part]), _factors(a, have[part])
            if right is None or got is None:
                return None
            off = {n: (g, r) for n, g, r in zip(terms, got, right, strict=True) if abs(g - r) > 1e-3}
            if off and len(told) < 2:
                which = f", sample {group + 1}" if len(basis) > 1 else ""
                values = ", ".join(f"{_short(g)} for {n} (right: {_short(r)})" for n, (g, r) in off.items())
                told.append(f"{probe.name}{which}: {values}")
            wrong |= off
    if not wrong:
        return None
    names = [n for n in terms if n in wrong]
    fine = [n for n in terms if n not in wrong]
    also = f" The factor of {' and '.join(fine)} is right." if fine and len(terms) < 4 else ""
    id = "+".join(f"factor-of-{n}" for n in names) if all(map(str.isidentifier, names)) else "wrong-terms"
    return id, f"Your result is a sum of the right terms, with wrong factors. {'; '.join(told)}.{also}"


def _short(number):
    return f"{number if abs(number) > 1e-6 else 0:.4g}"


def _factors(terms, result):
    """The factors with which the terms add up to the result, or None."""
    if not np.isfinite(result).all():
        return None
    factors, _, rank, _ = np.linalg.lstsq(terms, result, rcond=None)
    exact = rank == terms.shape[1] and close(result, terms @ factors, 1e-4)
    return factors if exact else None
