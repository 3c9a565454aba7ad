"""Which right form gives exactly these numbers, and if none does, which wrong formula of the catalogue?"""

import contextlib
import functools
import io
import warnings
from dataclasses import dataclass

import numpy as np
import torch

from labdiff.checks.in_kernel import guard
from labdiff.checks.in_kernel.numbers import read
from labdiff.checks.in_kernel.outcome import Outcome
from labdiff.checks.in_kernel.spies import Spy
from labdiff.checks.in_kernel.state import preserved
from labdiff.checks.judging.agreement import agrees


@dataclass(frozen=True)
class Diagnosis:
    """A mistake that the numbers prove: its id, its hints (two for a pair)."""

    id: str
    hints: tuple[str, ...]


class Remembering:
    """A probe's model for thousands of formulas: what it says of the probe's own x is computed once."""

    def __init__(self, model, args):
        self.model, self.args, self.said = model, args, {}

    def __call__(self, x, t):
        if not isinstance(t, torch.Tensor) or not any(x is a for a in self.args):
            return self.model(x, t)
        key = id(x), t.dtype, t.shape, tuple(t.flatten().tolist())
        if key not in self.said:
            self.said[key] = self.model(x, t)
        return self.said[key]


@functools.lru_cache(maxsize=64)
def _args(probe):
    return tuple(Remembering(a, probe.args) if isinstance(a, Spy) else a for a in probe.args)


def evaluate(exercise, probe, parts, seed=guard.SEED):
    """The Outcome of the exercise's formula with these parts, with the student's random numbers."""
    by_gradient = exercise.call is not None
    torch.default_generator.manual_seed(seed)
    try:
        with torch.set_grad_enabled(by_gradient):  # else a graph would double the time of a formula
            result = exercise.formula(*(probe.args if by_gradient else _args(probe)), **parts)
        return read(result, exercise.outputs)
    except Exception as error:
        return Outcome(problem="raised", kind=type(error).__name__, message=str(error).split("\n")[0][:200])


@functools.lru_cache(maxsize=8192)  # all that a check evaluates
def evaluated(exercise, probe, parts):
    return evaluate(exercise, probe, dict(parts))


def right_form(exercise, probes, outcomes):
    """(form, expected): the form that the answer agrees with, or None and the nearest form's numbers."""
    best = None
    for form in exercise.forms:
        expected = [evaluated(exercise, p, tuple(form.parts.items())) for p in probes]
        hits = [
            agrees(exercise, e, o, p.rtol)
            for p, e, o in zip(probes, expected, outcomes, strict=False)
            if p.required
        ]
        if all(hits) and len(outcomes) == len(probes):
            return form, expected
        if best is None or sum(hits) > best[0]:
            best = sum(hits), expected
    return None, best[1]


def diagnose(exercise, probes, outcomes):
    """The mistake, or else the pair, whose formula alone gives the student's numbers on every probe."""
    pairs = [(p, o) for p, o in zip(probes, outcomes, strict=False) if p.required and p.used_for_diagnosis]
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
    for probe, got in reversed(pairs):  # the later, larger probes rule out more
        wrong = evaluated(exercise, probe, tuple(parts.items()))
        if "unexpected keyword argument" in wrong.message:  # parts that do not go together
            return False
        if not agrees(exercise, wrong, got, probe.rtol if probe.rtol > 1e-4 else probe.rtol / 5):
            return False
        numbers += bool(got.values)
        same_text += bool(got.problem) and wrong.message == got.message
    return numbers > 0 or same_text == len(pairs)


@contextlib.contextmanager
def quietly():
    """For evaluating wrong formulas: no warnings, no output, and the global random state as before."""
    with (
        preserved(),
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield
