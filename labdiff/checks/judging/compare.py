"""Comparing plain numbers: is this right, and if not, which wrong formula gives exactly these?"""

import contextlib
import io
import warnings
from dataclasses import dataclass

import numpy as np
import torch

from labdiff.checks.in_kernel import guard
from labdiff.checks.in_kernel.collect import Outcome
from labdiff.checks.in_kernel.values import read

ATOL = 1e-6


@dataclass(frozen=True)
class Diagnosis:
    """A mistake that the numbers prove: its id, its hints (two for a pair)."""

    id: str
    hints: tuple


def close(expected, got, rtol):
    """Element by element; NaN equals NaN. Their size as a whole counts too: digits are lost where numbers cancel."""
    finite = np.isfinite(expected)
    if not np.array_equal(finite, np.isfinite(got)) or not np.array_equal(
        expected[~finite], got[~finite], equal_nan=True
    ):
        return False
    e, g = expected[finite], got[finite]
    size = np.abs(e).mean() if e.size else 0.0
    return bool((np.abs(e - g) <= ATOL + rtol * (np.abs(e) + size)).all())


def agrees(exercise, expected, got, rtol):
    """Whether an Outcome is the expected one: the same numbers in the same shapes, or the same kind of exception."""
    if expected.problem or got.problem:
        return (expected.problem, expected.kind) == (got.problem, got.kind)
    same = exercise.same or close
    for name, want in expected.values.items():
        have = got.values.get(name)
        if have is None:
            return False
        if (
            name in exercise.loose
            and have.shape == expected.values[exercise.outputs[0]].shape
            and want.ndim == have.ndim
        ):
            want = np.broadcast_to(want, have.shape)
        if want.shape != have.shape or not same(want, have, rtol):
            return False
    return True


def evaluate(exercise, probe, parts, seed=guard.SEED):
    """The Outcome of the exercise's formula with these parts, under the same random numbers as the student's function."""
    torch.default_generator.manual_seed(seed)
    try:
        return Outcome(**read(exercise.formula(*probe.args, **parts), exercise.outputs))
    except Exception as error:
        return Outcome(problem="raised", kind=type(error).__name__, message=str(error).split("\n")[0][:200])


def right_form(exercise, probes, outcomes):
    """(form, expected): the form that the answer follows on all that counts, or None and the numbers of the nearest."""
    best = None
    for form in exercise.forms:
        expected = [evaluate(exercise, p, form.parts) for p in probes]
        hits = [agrees(exercise, e, o, p.rtol) for p, e, o in zip(probes, expected, outcomes) if p.core]
        if all(hits) and len(outcomes) == len(probes):
            return form, expected
        if best is None or sum(hits) > best[0]:
            best = sum(hits), expected
    return None, best[1]


def diagnose(exercise, probes, outcomes):
    """The one mistake, or else the one pair, whose formula gives the student's numbers on every probe; or None."""
    pairs = [(p, o) for p, o in zip(probes, outcomes) if p.core and p.proof][
        ::-1
    ]  # the later, larger ones rule out more
    for size in (1, 2):
        found = {}
        for group, parts in exercise.candidates(size):
            if _explains(exercise, pairs, parts):
                found.setdefault("+".join(m.id for m in group), tuple(m.hint for m in group))
        if len(found) == 1:
            return Diagnosis(*found.popitem())
        if found:
            return None
    return None


def _explains(exercise, pairs, parts):
    numbers = same_text = 0
    for probe, got in pairs:
        wrong = evaluate(exercise, probe, parts)
        if not agrees(exercise, wrong, got, probe.rtol if probe.rtol > 1e-4 else probe.rtol / 5):
            return False
        numbers += bool(got.values)
        same_text += bool(got.problem) and wrong.message == got.message
    return numbers > 0 or same_text == len(pairs)


@contextlib.contextmanager
def quietly():
    """For evaluating wrong formulas: no warnings, no output, and the global random state as before."""
    with (
        guard.preserved(),
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield
