"""For a mistake that no catalogue knows: which property breaks? Each clue is a fact about the numbers, never a guess."""

import itertools
import math

import numpy as np
import torch

from labdiff.checks.judging.compare import agrees, close
from labdiff.schedule import Schedule


def clues(exercise, probes, expected, outcomes):
    """Sentences that are true of these outcomes, the most telling first."""
    seen = _Seen(exercise, probes, expected, outcomes)
    for clue in (
        _raised,
        _broken,
        _shape,
        _constant_factor,
        _shifted,
        _factors,
        _only_at,
        _in_batches,
        _low_precision,
        _second_output,
    ):
        sentence = clue(seen)
        if sentence:
            yield sentence


class _Seen:
    """The probes that count and gave numbers, with ways to look them up."""

    def __init__(self, exercise, probes, expected, outcomes):
        self.exercise = exercise
        self.all = [(p, e, o) for p, e, o in zip(probes, expected, outcomes) if p.core]
        self.rows = [row for row in self.all if row[2].values and row[1].values]
        self.by_name = {p.name: (p, e, o) for p, e, o in self.rows}
        self.right = [p.name for p, e, o in self.all if agrees(exercise, e, o, p.rtol)]
        self.wrong = [p.name for p, _, _ in self.all if p.name not in self.right]
        self.first = exercise.outputs[0]

    def pairs(self, output=None):
        """(expected, got, probe) of one output, where the shapes agree."""
        for p, e, o in self.rows:
            want, have = e.values[output or self.first], o.values[output or self.first]
            if want.shape == have.shape:
                yield want, have, p

    def levels(self):
        """t -> (expected, got), from one-pixel probes that differ in t only."""
        table = {}
        for t in range(1, 6):
            row = self.by_name.get(f"one pixel, t = {t}")
            if row is not None and row[2].values[self.first].size == row[1].values[self.first].size == 1:
                table[t] = row[1].values[self.first].item(), row[2].values[self.first].item()
        return table


def _raised(seen):
    stopped = [(p, o) for p, _, o in seen.all if o.problem == "raised"]
    if stopped:
        where = f" for: {'; '.join(p.name for p, _ in stopped)}. Other probes run through"
        return (
            f"Your function stops with {stopped[0][1].kind}{where if len(stopped) < len(seen.all) else ''}."
        )


def _broken(seen):
    for p, e, o in seen.rows:
        for name, values in o.values.items():
            bad = ~np.isfinite(values)
            if bad.any() and np.isfinite(e.values[name]).all():
                what = "NaN" if np.isnan(values).any() else "infinite"
                return (
                    f"{name} has {bad.sum()} of {values.size} numbers that are {what} ({p.name}): look for a division "
                    "by 0, a log or a root of a negative number."
                )


def _shape(seen):
    for p, e, o in seen.rows:
        for name, want in e.values.items():
            if name not in seen.exercise.loose and o.values[name].shape != want.shape:
                return (
                    f"{name} has the shape {o.values[name].shape} where {want.shape} is expected ({p.name}): look at "
                    "which axes meet."
                )


def _constant_factor(seen):
    ratios = []
    for want, have, p in seen.pairs():
        use = np.abs(want) > 0.05 * np.abs(want).max(initial=0)
        ratios += (have[use] / want[use]).tolist()
    if len(ratios) > 3 and len(list(seen.pairs())) == len(seen.all):
        c = float(np.median(ratios))
        if abs(c - 1) > 1e-3 and np.allclose(ratios, c, rtol=1e-2):
            if abs(c + 1) < 1e-2:
                return "Every number has the wrong sign."
            return f"Every number is off by the same factor, {c:.3g}."


def _shifted(seen):
    table = seen.levels()
    for step in (-1, 1):
        hits = [
            math.isclose(got, table[t + step][0], rel_tol=1e-4)
            for t, (_, got) in table.items()
            if t + step in table
        ]
        if len(hits) >= 3 and all(hits):
            return f"Your result at t is the right one for t{step:+d}: an index is off by one."


def _factors(seen):
    """The factors of the arguments in which the result is linear, read off from probes that differ in one argument."""
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
    if not told or not all(math.isfinite(x) for *_, fs in told for f in fs for x in f[1:]):
        return None
    probe, want_sum, have_sum, factors = told[0]
    t = _level(exercise, probe)
    gaps = [[abs(row[3][i][1] - row[3][i][2]) for row in told] for i in range(len(factors))]
    off = [i for i, gap in enumerate(gaps) if max(gap) > 1e-4]
    if not off:
        gap = have_sum - want_sum
        return (
            f"The factors of {_and(exercise.factors)} are right, but something is added: {gap:+.4g} at t = {t}."
            if abs(gap) > 1e-4
            else None
        )
    sentences = []
    for i in off:
        shown = next((row for row in told if f"{row[3][i][1]:.4g}" != f"{row[3][i][2]:.4g}"), told[0])
        name, want, have = shown[3][i]
        if all(abs(told[k][3][i][2]) < 1e-6 for k in range(len(told))):
            sentences.append(f"{name} does not enter your result.")
        else:
            known = _known(exercise, [(row[0], row[3][i][2]) for row in told])
            sentences.append(
                f"At t = {_level(exercise, shown[0])} your factor of {name} is {have:.4g}{known}; right is "
                f"{want:.4g}."
            )
    fine = [f[0] for i, f in enumerate(factors) if i not in off]
    if fine and len(factors) > 1:
        sentences.append(f"The factor of {_and(fine)} is right.")
    if exercise.name in ("q_step", "q_sample"):
        total = sum(have**2 for _, _, have in factors)
        if abs(total - 1) > 1e-3:
            sentences.append(f"The variance is not preserved: signal^2 + noise^2 = {total:.4g} instead of 1.")
    return " ".join(sentences)


def _only_at(seen):
    if seen.wrong == ["one pixel, t = 0"]:
        return "Only t = 0 is wrong: that is clean data, alpha_bar_0 = 1, so x0 has to come back as it is."
    table = seen.levels()
    off = [t for t, (want, got) in table.items() if not close(np.array(want), np.array(got), 1e-4)]
    if len(table) == 5 and off in ([1], [5]):
        return f"One pixel is wrong at t = {'1' if off == [1] else 'T'} only; the other levels are right."
    if len(table) == 5 and off == [2, 3, 4, 5]:
        return "One pixel is right at t = 1 only, where alpha_bar_1 = alpha_1 and alpha_bar_0 = 1 make much simpler."


def _in_batches(seen):
    single = [name for name in seen.wrong if name.startswith("one pixel")]
    if seen.wrong and not single and any(name.startswith("one pixel") for name in seen.right):
        return (
            f"Every single pixel is right, but these probes are not: {'; '.join(seen.wrong)}. Look at axes, at samples "
            "with different t, and at numbers that should follow from the arguments."
        )


def _low_precision(seen):
    far = [(want, have) for name in seen.exercise.outputs for want, have, _ in seen.pairs(name)]
    if (
        far
        and len(far) == len(seen.exercise.outputs) * len(seen.all)
        and all(close(w, h, 2e-2) for w, h in far)
    ):
        return (
            "The numbers are right to two or three digits only: look for rounding, float16 or bfloat16, or an "
            "approximation."
        )


def _second_output(seen):
    if len(seen.exercise.outputs) == 2 and seen.rows and not seen.exercise.call:
        wrong = [
            name
            for name in seen.exercise.outputs
            if not all(w.shape == h.shape and close(w, h, p.rtol) for w, h, p in seen.pairs(name))
        ]
        if len(wrong) == 1:
            return f"Your {next(n for n in seen.exercise.outputs if n not in wrong)} is right; {wrong[0]} is not."


def _level(exercise, probe):
    t = probe.args[exercise.arguments.index("t")]
    return t[0].item() if isinstance(t, torch.Tensor) else t


def _known(exercise, rows):
    """ ", which is sqrt(alpha_t)" if exactly one such name fits the factor at every level."""
    names = None
    for probe, factor in rows:
        s, t = next(a for a in probe.args if isinstance(a, Schedule)), _level(exercise, probe)
        fits = {n for n, v in _quantities(s, t) if math.isclose(v, abs(factor), rel_tol=1e-4)}
        names = fits if names is None else names & fits
    return f" (= {'-' if rows[0][1] < 0 else ''}{names.pop()})" if names and len(names) == 1 else ""


def _quantities(s, t):
    for name in ("beta", "alpha", "alpha_bar", "beta_tilde"):
        for step, suffix in ((-1, "{t-1}"), (0, "t"), (1, "{t+1}")):
            v = getattr(s, name)[t + step].item()
            for form, value in (
                (name, v),
                (f"sqrt({name})", v**0.5),
                (f"1 - {name}", 1 - v),
                (f"sqrt(1 - {name})", (1 - v) ** 0.5),
            ):
                if not (
                    name == "alpha"
                    and form.endswith(("1 - alpha", "1 - alpha)"))
                    or name == "beta"
                    and "1 -" in form
                ):
                    yield form.replace(name, f"{name}_{suffix}"), value


def _and(names):
    return " and ".join(names)
