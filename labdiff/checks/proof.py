"""The self-test of an own exercise.

Its right formula passes, its stub is not attempted, and each catalogued mistake is refused and named.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import labdiff
from labdiff.checks import own
from labdiff.checks.exercises.exercise import Exercise
from labdiff.checks.exercises.probes import PUBLIC
from labdiff.checks.in_kernel.collect import collect
from labdiff.checks.in_kernel.outcome import Outcome
from labdiff.checks.in_kernel.state import preserved
from labdiff.checks.judging.report import CORRECT, NOT_ATTEMPTED, Report
from labdiff.checks.judging.verdict import judge

SEEDS = (PUBLIC, 1, 2, 3, 20)  # that of ld.check, and some as for hidden probes


def prove(path: str | Path) -> list[str]:
    """What is proved, a line each.

    Args:
        path: of the exercise's file.

    Raises: ValueError: what does not hold, and how to mend it.
    """
    exercise = own.load(path)
    with preserved():
        return list(_proved(exercise, str(path)))


def _proved(exercise: Exercise, path: str) -> Iterator[str]:
    name = exercise.name

    def wrong(what: str, expected: str, got: object) -> ValueError:
        return ValueError(f"{path}: {what}: expected {expected}, got {got}")

    for seed in SEEDS:
        report = _report(exercise, exercise.formula, seed)
        if report.status != CORRECT:
            raise wrong(f"{name}, seed {seed}", "correct for the right formula", _told(report))
        scope: dict[str, Any] = {"torch": torch, "math": math, "np": np, "ld": labdiff}
        exec(own.key(path), scope)
        report = _report(exercise, scope[name], seed)
        if report.status != CORRECT:
            raise wrong(
                f"{name}, seed {seed}",
                "correct for the right formula alone, with torch, math, np and ld",
                _told(report),
            )
    right = {seed: _outcomes(exercise, exercise.formula, seed) for seed in SEEDS}
    for outcome in (one for outcomes in right.values() for one in outcomes):
        if outcome.problem or any(np.isnan(array).any() for array in outcome.values.values()):
            raise wrong(name, "numbers on all probes", f"{outcome.kind} {outcome.message}".strip() or "NaN")
    if all(_equal(right[seed], right[PUBLIC]) for seed in SEEDS):
        raise wrong(
            "probes", "other numbers for another seed (hidden probes come from a secret one)", "the same"
        )
    yield f"{name}: the right formula is correct, on {len(SEEDS)} draws of the probes"
    report = _report(exercise, _stub, PUBLIC)
    if report.status != NOT_ATTEMPTED:
        raise wrong(name, "not attempted for a stub", _told(report))
    yield f"{name}: a stub is not attempted"
    made = {m.id: _outcomes(exercise, m.parts["instead"], PUBLIC) for m in exercise.mistakes}
    for mistake in exercise.mistakes:
        where, function = f"MISTAKES[{mistake.id!r}]", mistake.parts["instead"]
        if all(outcome.problem for outcome in made[mistake.id]):  # whatever fails like it would be called so
            failed = made[mistake.id][0]
            raise wrong(where, "numbers on some probe", f"{failed.kind} {failed.message}".strip())
        for seed in SEEDS:
            report = _report(exercise, function, seed)
            if report.status == CORRECT:
                more = "correct: the probes don't tell it from the right formula. Add one that does"
                raise wrong(f"{where}, seed {seed}", "refused", more)
        report = _report(exercise, function, PUBLIC)
        if report.mistake != mistake.id or report.hint != mistake.hint:
            twins = [m for m in made if m != mistake.id and _equal(made[m], made[mistake.id])]
            alike = f" {twins[0]} gives the same numbers: leave one out, or add a probe" if twins else ""
            raise wrong(where, f"the name {mistake.id}", f"{_told(report)}{alike}")
        yield f"{name}: {mistake.id} is refused and named"


def _stub(*args):
    raise NotImplementedError


def _report(exercise: Exercise, function: Callable, seed: int) -> Report:
    return judge(exercise, exercise.probes(seed), _outcomes(exercise, function, seed))


def _told(report: Report) -> str:
    return f"{report.status} ({report.mistake or 'no known mistake'}): {report.hint}"


def _outcomes(exercise: Exercise, function: Callable, seed: int) -> list[Outcome]:
    return collect(exercise, function, exercise.probes(seed))


def _equal(a: list[Outcome], b: list[Outcome]) -> bool:
    """Whether they are the same numbers."""
    return len(a) == len(b) and all(
        x.values.keys() == y.values.keys()
        and all(np.array_equal(x.values[k], y.values[k], equal_nan=True) for k in x.values)
        for x, y in zip(a, b, strict=True)
    )
