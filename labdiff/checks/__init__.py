"""Checks of exercises: call a student's function on probes, compare its numbers, name the mistake."""

import os
from collections.abc import Callable

from labdiff.checks import attempts, own
from labdiff.checks.exercises.exercise import Exercise
from labdiff.checks.exercises.probes import PUBLIC
from labdiff.checks.in_kernel.collect import collect
from labdiff.checks.in_kernel.state import preserved
from labdiff.checks.judging.report import CORRECT, Report
from labdiff.checks.judging.verdict import IMAGES_ONLY, judge
from labdiff.checks.shapes import as_images, like_its_data
from labdiff.signature import checked

EXERCISES = own.BUILT_IN


@checked
def check(name: str, function: Callable) -> Report:
    """Check a student's function for an exercise, and say which mistake it makes.

    Args:
        name: alpha_bar, q_step, q_sample, q_posterior, predict_x0, p_mean, normal_kl, eps_loss,
            timestep_embedding, training_step, p_step, ddim_step, guided_eps, inpaint_step, interpolate or
            flow_velocity; or that of a file exercises/NAME.py beside the notebook, see docs/instructors.md.
        function: the student's function, with the arguments of labdiff's own (by position; their names are
            free).

    Returns: a Report; it shows itself in a notebook and prints as text. Its .status is "not attempted" (the
        function raises NotImplementedError), "not yet" or "correct"; .score of .max_score; .mistake, a short
        id of a recognised mistake, or None; .hint. Nothing that the function does raises, except the user's
        own interrupt. A call that takes longer than 5 seconds, or calls that together take longer than 20,
        are stopped, on Linux and macOS when check runs in the main thread; six times as long where they get
        less than half of a CPU, as on a busy machine.
    Raises: ValueError: no such exercise; TypeError: function is not callable; AssertionError: under nbgrader,
        to which a cell without an error is a right one, unless the report is correct; it is printed first.
    Source: slides S4 to S15, the exercise's own in its report.
    """
    exercise = _exercise("check", name)
    if not callable(function):
        hint = ": give the function itself, without calling it" if not isinstance(function, str) else ""
        raise TypeError(
            f"check: function: expected your function {name}, got {type(function).__name__}{hint}"
        )
    report = _report(exercise, function)
    attempts.note(report)
    return report if "NBGRADER_EXECUTION" not in os.environ else _for_nbgrader(report)


@checked
def yours(name: str, function: Callable, otherwise: Callable | None) -> Callable | None:
    """The student's function if its check passes, else `otherwise`; prints which of the two.

    Args:
        name, function: as for check().
        otherwise: what to use in its place.

    Returns: a function that calls the student's, or otherwise. Its results are tensors of the data's dtype
        and device, also where the answer's are float64 or NumPy arrays; one that is right for images alone
        also takes numbers and points.
    Raises: ValueError: no such exercise.
    """
    exercise = _exercise("yours", name)
    report = _report(exercise, function)
    right = report.status == CORRECT
    print(f"{name}: {'yours' if right else 'labdiff, in place of yours until that passes its check'}")
    if not right:
        return otherwise
    if any(key == "note" and IMAGES_ONLY in text for key, text in report.rows):
        function = as_images(exercise.arguments, function)
    return like_its_data(exercise.arguments, function)


def _exercise(caller: str, name: str) -> Exercise:
    with preserved():  # an own exercise's file may use random numbers
        found = own.find(name) if isinstance(name, str) else None
    if found is None:
        first = f"a function. The name comes first: {caller}('q_sample', q_sample)"
        got = first if callable(name) else repr(name)
        raise ValueError(f"{caller}: name: expected one of {', '.join(EXERCISES)}, got {got}")
    return found


def _report(exercise, function):
    with preserved():
        probes = exercise.probes(PUBLIC)
        return judge(exercise, probes, collect(exercise, function, probes))


def _for_nbgrader(report):
    print(report)
    if report.score < report.max_score:
        raise AssertionError(report.headline)


__all__ = ["EXERCISES", "Report", "check", "collect", "judge", "yours"]
