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

    if all(_same(exercise, seed) for seed in SEEDS[1:]):
        raise wrong(
            "probes", "other numbers for another seed (hidden probes come from a secret one)", "the same"
        )
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
    yield f"{name}: the right formula is correct, on {len(SEEDS)} draws of the probes"
    report = _report(exercise, _stub, PUBLIC)
    if report.status != NOT_ATTEMPTED:
        raise wrong(name, "not attempted for a stub", _told(report))
    yield f"{name}: a stub is not attempted"
    for mistake in exercise.mistakes:
        for seed in SEEDS:
            report = _report(exercise, mistake.parts["instead"], seed)
            if report.status == CORRECT:
                more = "correct: the probes don't tell it from the right formula. Add one that does"
                raise wrong(f"MISTAKES[{mistake.id!r}], seed {seed}", "refused", more)
        report = _report(exercise, mistake.parts["instead"], PUBLIC)
        if report.mistake != mistake.id or report.hint != mistake.hint:
            more = f"{report.mistake or 'no name'}. Does another entry give the same numbers? Add a probe"
            raise wrong(f"MISTAKES[{mistake.id!r}]", f"the name {mistake.id}", more)
        yield f"{name}: {mistake.id} is refused and named"


def _stub(*args):
    raise NotImplementedError


def _report(exercise: Exercise, function: Callable, seed: int) -> Report:
    probes = exercise.probes(seed)
    return judge(exercise, probes, collect(exercise, function, probes))


def _told(report: Report) -> str:
    return f"{report.status} ({report.mistake or 'no known mistake'}): {report.hint}"


def _same(exercise: Exercise, seed: int) -> bool:
    """Whether the right numbers for this seed are those of the public probes."""
    rows = [collect(exercise, exercise.formula, exercise.probes(s)) for s in (PUBLIC, seed)]
    numbers = [[o.values for o in outcomes] for outcomes in rows]
    return len(numbers[0]) == len(numbers[1]) and all(
        a.keys() == b.keys() and all(np.array_equal(a[k], b[k], equal_nan=True) for k in a)
        for a, b in zip(*numbers, strict=True)
    )
