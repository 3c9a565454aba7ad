"""Arguments in another order: the right formula, given the probes' arguments as the student takes them."""

import itertools
from dataclasses import replace

from labdiff.checks.judging.agreement import agrees
from labdiff.checks.judging.known_mistake import evaluate


def read_order(seen):
    """A sentence where the numbers are right for the arguments in another order; None otherwise."""
    exercise = seen.exercise
    rows = [(p, o) for p, _, o in seen.rows]
    if len(rows) < 3:
        return None
    for order in _orders(len(exercise.arguments)):
        right = 0
        for probe, outcome in reversed(rows):
            given = replace(probe, args=tuple(probe.args[i] for i in order))
            made = evaluate(exercise, given, {})
            if not made.values or not agrees(exercise, made, outcome, probe.rtol):
                break
            right += 1
        if right == len(rows):
            mine = ", ".join(exercise.arguments[i] for i in order)
            return (
                f"Your arguments are in another order: your numbers are right if they mean ({mine}). Your "
                f"function is called as {exercise.name}({', '.join(exercise.arguments)}), by position."
            )
    return None


def _orders(n):
    """All orders of up to four arguments; of more, those with two of them exchanged."""
    if n <= 4:
        return [order for order in itertools.permutations(range(n)) if list(order) != [*range(n)]]
    return [
        tuple(j if k == i else i if k == j else k for k in range(n))
        for i, j in itertools.combinations(range(n), 2)
    ]
