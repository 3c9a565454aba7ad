"""Clues for a mistake that no catalogue has: facts about the numbers, never guesses.

One that tells which part of the formula is wrong has an id, as a mistake has.
"""

import math

import numpy as np

from labdiff.checks.judging.agreement import agrees, close
from labdiff.checks.judging.named_exceptions import has_levels
from labdiff.checks.judging.read_elementwise import read_elementwise
from labdiff.checks.judging.read_factors import read_factors
from labdiff.checks.judging.read_model_calls import read_model_calls
from labdiff.checks.judging.read_order import read_order
from labdiff.checks.judging.read_step import read_step
from labdiff.checks.judging.read_sums import read_sums
from labdiff.checks.judging.read_terms import read_terms
from labdiff.checks.judging.read_waves import read_waves
from labdiff.checks.judging.value_clues import clamped, low_precision, mixes_samples, rescaled, weighted

WHOLE = {"wrong-sign", "constant-factor", "clamped", "rescaled", "low-precision"}  # say all that there is


def clues(exercise, probes, expected, outcomes):
    """(id or None, sentence) of what is true of these outcomes, the most telling first; each id once."""
    seen, ids = _Seen(exercise, probes, expected, outcomes), set()
    for id, clue in (
        (None, _raised),
        ("wrong-shape", _shape),
        ("not-finite", _broken),
        ("", read_model_calls),
        ("wrong-sign", _negated),
        ("constant-factor", _constant_factor),
        ("", weighted),
        ("clamped", clamped),
        ("rescaled", rescaled),
        ("argument-order", read_order),
        ("", read_sums),
        ("low-precision", low_precision),
        ("", read_elementwise),
        ("off-by-one", _shifted),
        ("mixes-samples", mixes_samples),
        ("", read_factors),
        ("", read_terms),
        ("", read_step),
        ("", read_waves),
        (None, _only_at),
        (None, _in_batches),
        ("", _second_output),
    ):
        if clue in (read_sums, read_elementwise) and ids & WHOLE:
            continue
        try:
            told = clue(seen)
        except np.linalg.LinAlgError:  # numbers beyond what least squares take
            continue
        if not told:
            continue
        id, text = (id, told) if id != "" else told
        if id is None or id not in ids:
            yield id, text
        ids.add(id)
        if clue in (read_model_calls, read_order, read_sums, read_elementwise):
            return  # the rest follows from it


class _Seen:
    """The probes that count and gave numbers, with ways to look them up."""

    def __init__(self, exercise, probes, expected, outcomes):
        self.exercise = exercise
        self.all = [(p, e, o) for p, e, o in zip(probes, expected, outcomes, strict=False) if p.required]
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
        return f"Your function raised {stopped[0][1].kind}{where if len(stopped) < len(seen.all) else ''}."


def _broken(seen):
    for p, e, o in seen.rows:
        for name, values in o.values.items():
            bad = ~np.isfinite(values)
            if bad.any() and np.isfinite(e.values[name]).all():
                what = "NaN" if np.isnan(values).any() else "infinite"
                return (
                    f"{name} has {bad.sum()} of {values.size} numbers that are {what} ({p.name}): look for a "
                    "division by 0, a log or a root of a negative number."
                )


def _shape(seen):
    for p, e, o in seen.rows:
        for name, want in e.values.items():
            if name not in seen.exercise.may_be_full_shape and o.values[name].shape != want.shape:
                return (
                    f"{name} has the shape {o.values[name].shape} where {want.shape} is expected ({p.name}): "
                    "look at which axes meet."
                )


def _negated(seen):
    if (c := _ratio(seen)) and abs(c + 1) < 1e-2:
        return "Every number has the wrong sign."


def _constant_factor(seen):
    if (c := _ratio(seen)) and abs(c + 1) >= 1e-2:
        return f"Every number is off by the same factor, {c:.4g}."


def _ratio(seen):
    """The one number by which all that was expected is multiplied, if there is one and it is not 1."""
    ratios = []
    for want, have, _ in seen.pairs():
        use = np.abs(want) > 0.05 * np.abs(want).max(initial=0)
        ratios += (have[use] / want[use]).tolist()
    if len(ratios) > 3 and len(list(seen.pairs())) == len(seen.all):
        c = float(np.median(ratios))
        if abs(c - 1) > 1e-3 and np.allclose(ratios, c, rtol=1e-2, atol=0):
            return c


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


def _only_at(seen):
    if seen.wrong == ["one pixel, t = 0"]:
        return "Only t = 0 is wrong: that is clean data, alpha_bar_0 = 1, so x0 has to come back as it is."
    table = seen.levels()
    off = [t for t, (want, got) in table.items() if not close(np.array(want), np.array(got), 1e-4)]
    if len(table) == 5 and off in ([1], [5]):
        return f"One pixel is wrong at t = {'1' if off == [1] else 'T'} only; the other levels are right."
    if len(table) == 5 and off == [2, 3, 4, 5]:
        return "One pixel is right at t = 1 only, where alpha_bar_1 = alpha_1 and alpha_bar_0 = 1."
    single = all(name.startswith("one ") for name in seen.wrong)
    if seen.wrong and single and len(seen.wrong) <= 2 and len(seen.rows) == len(seen.all):
        return (
            f"Only {' and '.join(seen.wrong)} {'is' if len(seen.wrong) == 1 else 'are'} wrong, all other "
            "probes are "
            "right: look for what happens there alone, such as an if, a where or a clamp."
        )


def _in_batches(seen):
    single = [name for name in seen.wrong if name.startswith("one pixel")]
    if seen.wrong and not single and any(name.startswith("one pixel") for name in seen.right):
        other = (
            ", at samples with different t," if has_levels(seen.exercise, [p for p, _, _ in seen.all]) else ""
        )
        return (
            f"Every single pixel is right, but these probes are not: {'; '.join(seen.wrong)}. Look at axes"
            f"{other} and at numbers that should follow from the arguments."
        )


def _second_output(seen):
    if len(seen.exercise.outputs) == 2 and seen.rows and not seen.exercise.call:
        wrong = [
            name
            for name in seen.exercise.outputs
            if not all(w.shape == h.shape and close(w, h, p.rtol) for w, h, p in seen.pairs(name))
        ]
        if len(wrong) == 1:
            (right,) = set(seen.exercise.outputs) - {*wrong}
            return f"wrong-{wrong[0]}", f"Your {right} is right; {wrong[0]} is not."
