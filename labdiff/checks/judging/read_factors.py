"""The factors of the arguments in which a result is linear, from probes that differ in one argument."""

import itertools
import math

import numpy as np
import torch

from labdiff.checks.judging.name_numbers import numbers
from labdiff.checks.judging.sums import SUMS
from labdiff.schedule import Schedule


def read_factors(seen):
    """(id, sentences) on the factors, wrong ones beside right ones; None where they can't be read off."""
    exercise, told = seen.exercise, []
    for base_name, group in itertools.groupby((p for p, _, _ in seen.all if p.twin), lambda p: p.twin[0]):
        base, factors = seen.by_name.get(base_name), []
        for twin in group:
            other, name = seen.by_name.get(twin.name), twin.twin[1]
            if (
                base is None
                or other is None
                or name not in exercise.factors
                or other[2].values[seen.first].size != 1
            ):
                return None
            i = exercise.arguments.index(name)
            dx = (other[0].args[i] - base[0].args[i]).item()
            want, have = (
                (other[k].values[seen.first] - base[k].values[seen.first]).item() / dx for k in (1, 2)
            )
            factors.append((name, want, have))
        if factors and base[2].values[seen.first].size == 1:
            told.append(
                (base[0], base[1].values[seen.first].item(), base[2].values[seen.first].item(), factors)
            )
    if exercise.name in SUMS and any(not _linear(exercise, *row) for row in told):
        return _ignored(told)  # differences between twins are no factors then
    if not told or not all(math.isfinite(x) for *_, fs in told for f in fs for x in f[1:]):
        return None
    probe, want_sum, have_sum, factors = told[0]
    gaps = [[abs(row[3][i][1] - row[3][i][2]) for row in told] for i in range(len(factors))]
    off = [i for i, gap in enumerate(gaps) if max(gap) > 1e-4]
    if not off:
        gap = have_sum - want_sum
        return (
            (
                None,
                f"The factors of {_and(exercise.factors)} are right, but something is added: {gap:+.4g} "
                f"{_where(exercise, probe)}.",
            )
            if abs(gap) > 1e-4
            else None
        )
    sentences = []
    for i in off:
        shown = next((row for row in told if f"{row[3][i][1]:.4g}" != f"{row[3][i][2]:.4g}"), told[0])
        name, want, have = shown[3][i]
        if all(abs(told[k][3][i][2]) < 1e-6 for k in range(len(told))):
            tried = "; ".join(row[0].name for row in told)
            sentences.append(f"{name} does not enter your result ({tried}).")
        else:
            known = _known(exercise, [(row[0], row[3][i][2]) for row in told])
            where = _where(exercise, shown[0])
            sentences.append(
                f"{where.capitalize()} your factor of {name} is {have:.4g}{known}; right is {want:.4g}."
            )
    fine = [f[0] for i, f in enumerate(factors) if i not in off]
    if fine and len(factors) > 1:
        sentences.append(f"The factor of {_and(fine)} is right.")
    if exercise.name in ("q_step", "q_sample"):
        total = sum(have**2 for _, _, have in factors)
        if abs(total - 1) > 1e-3:
            sentences.append(f"The variance is not preserved: signal^2 + noise^2 = {total:.4g} instead of 1.")
    return _id(exercise, told, off, gaps), " ".join(sentences)


def _id(exercise, told, off, gaps):
    """The id of wrong factors, where they are all that is wrong: the result is linear in the arguments, and
    exact."""
    if "model" in exercise.arguments or max(map(max, gaps)) < 1e-3:
        return None
    if not all(_linear(exercise, *row) for row in told):
        return None
    return "+".join(f"factor-of-{told[0][3][i][0]}" for i in off)


def _ignored(told):
    """(id, sentence) on the first argument that makes no difference in any pair of twins; else None."""
    for i, (name, *_) in enumerate(told[0][3]):
        if all(row[3][i][2] == 0 and row[3][i][1] for row in told):
            where = "; ".join(row[0].name for row in told)
            return (
                f"ignores-{name}",
                f"{name} does not enter your result: another one changes nothing ({where}).",
            )
    return None


def _linear(exercise, probe, want, have, factors):
    given = dict(zip(exercise.arguments, probe.args, strict=False))
    return abs(sum(factor * given[name].item() for name, _, factor in factors) - have) < 1e-4


def _where(exercise, probe):
    return f"at t = {_level(exercise, probe)}" if "t" in exercise.arguments else f"for {probe.name}"


def _level(exercise, probe):
    t = probe.args[exercise.arguments.index("t")]
    return t[0].item() if isinstance(t, torch.Tensor) else t


def _known(exercise, rows):
    """ " (= sqrt(alpha_t))" if exactly one such name fits the factor at every level."""
    names = None
    for probe, factor in rows if "t" in exercise.arguments else ():
        s, t = next(a for a in probe.args if isinstance(a, Schedule)), _level(exercise, probe)
        found = numbers(s, np.array([t])).items()
        fits = {n for n, v in found if v > 0 and math.isclose(v.item(), abs(factor), rel_tol=1e-4)}
        names = fits if names is None else names & fits
    return f" (= {'-' if rows[0][1] < 0 else ''}{names.pop()})" if names and len(names) == 1 else ""


def _and(names):
    return " and ".join(names)
