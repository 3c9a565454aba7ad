"""The verdict: from the student's plain numbers to a Report. Runs labdiff's formulas, never the student's."""

from dataclasses import dataclass

from labdiff.checks.in_kernel import guard
from labdiff.checks.in_kernel.outcome import STOPS
from labdiff.checks.judging.agreement import agrees
from labdiff.checks.judging.failing_probe import evidence
from labdiff.checks.judging.known_mistake import diagnose, quietly, right_form
from labdiff.checks.judging.named_exceptions import named_exception
from labdiff.checks.judging.report import CORRECT, NOT_ATTEMPTED, NOT_YET, Picture, Report
from labdiff.checks.judging.training_verdict import by_features
from labdiff.checks.judging.unknown_mistake import clues

FOLLOW = "The numbers are not the right ones. Below is the smallest probe that shows it: follow it by hand."
IMAGES_ONLY = "right for images"
IN_PLACE = (
    "Your function changes its argument {name} in place (an operation such as *=, or one whose name ends in "
    "_). The caller still needs it: make a new tensor."
)
FRESH = (
    "Called twice with the same arguments, your function gives different numbers: it draws random numbers of "
    "its own. Use only the arguments."
)


@dataclass(frozen=True)
class Finding:
    """What comparing found: whether it is right, the mistake's id or None, and what to show."""

    right: bool
    mistake: str | None = None
    hints: tuple[str, ...] = ()
    rows: tuple[tuple[str, str], ...] = ()
    pictures: tuple[Picture, ...] = ()


def judge(exercise, probes, outcomes):
    """Report on the outcomes of a student's function on these probes.

    Raises: ValueError: the outcomes are not complete, so that collect() did not make them.
    """
    require_complete(exercise, probes, outcomes)
    stopped = _stopped(exercise, outcomes)
    if stopped is not None:
        return stopped
    with quietly():
        if exercise.judged_by == "features":
            found = Finding(*by_features(exercise, probes, outcomes))
        else:
            found = _by_numbers(exercise, probes, outcomes)
    changed = next((o.changed for o in outcomes if o.changed), ())
    if found.right and not changed:
        notes = [("note", note) for note in dict.fromkeys(note for o in outcomes for note in o.notes)]
        rows = found.rows or (("recognised", exercise.forms[0].label),)
        return Report(exercise.name, CORRECT, hint=exercise.meaning, rows=(*rows, *notes))
    mistake, hints = found.mistake, found.hints
    if changed:
        mistake = "in-place" if mistake is None else f"{mistake}+in-place"
        hints = (*hints, IN_PLACE.format(name=changed[0]))
    said = _said(
        next((o for p, o in zip(probes, outcomes, strict=False) if o.problem and p.required), outcomes[0])
    )
    rows = (*found.rows, *said, ("slide", exercise.slide))
    return Report(exercise.name, NOT_YET, mistake, " ".join(hints) or FOLLOW, rows, found.pictures)


def require_complete(exercise, probes, outcomes):
    """Raise ValueError unless each probe, up to one that ended the check, has its numbers or a problem."""
    for o in outcomes:
        if o.problem and o.values or not o.problem and o.values.keys() != set(exercise.outputs):
            raise ValueError(f"outcomes: expected {', '.join(exercise.outputs)} or a problem for each probe")
    if not outcomes or len(outcomes) != len(probes) and outcomes[-1].problem not in STOPS:
        raise ValueError(f"outcomes: expected {len(probes)}, one for each probe, got {len(outcomes)}")


def _by_numbers(exercise, probes, outcomes):
    form, expected = right_form(exercise, probes, outcomes)
    drawn = any(o.random for o in outcomes)
    if form is not None and not drawn:
        rows = [("recognised", form.label)]
        triples = zip(probes, expected, outcomes, strict=False)
        missed = [p.name for p, e, o in triples if not p.required and not agrees(exercise, e, o, p.rtol)]
        if missed:
            where = ", ".join(missed)
            rows.append(
                ("note", f"{IMAGES_ONLY}, but not for {where}: labdiff's own function also takes those")
            )
        return Finding(True, rows=tuple(rows))
    found = diagnose(exercise, probes, outcomes) if form is None else None
    shown = evidence(exercise, probes, expected, outcomes)
    if found is not None:
        return Finding(False, found.id, found.hints, *shown)
    if drawn:
        return Finding(False, "fresh-noise", (FRESH,), *shown)
    raised = named_exception(exercise, probes, outcomes)
    if raised is not None:
        return Finding(False, raised[0], raised[1:], *shown)
    told = list(clues(exercise, probes, expected, outcomes))
    id = next((id for id, _ in told if id), None)
    if any(o.changed for o in outcomes):  # which may be why the numbers are wrong
        id = None
    return Finding(False, id, tuple(text for _, text in told), *shown)


def _stopped(exercise, outcomes):
    """A Report where there are no numbers to compare, or None."""
    first, last = outcomes[0], outcomes[-1]
    signature = f"{exercise.name}({', '.join(exercise.arguments)})"

    def report(hint, mistake=None, status=NOT_YET, rows=(("slide", exercise.slide),)):
        return Report(exercise.name, status, mistake, hint, rows)

    if last.problem == "not attempted" and len(outcomes) > 1:
        return report("Your function still raises NotImplementedError for some inputs.")
    if last.problem == "not attempted":
        named = last.kind in (exercise.name, "<lambda>")
        inner = "" if named else f" (NotImplementedError comes from {last.kind})"
        hint = f"Nothing to check yet{inner}. The notebook goes on with labdiff's own function."
        return report(hint, status=NOT_ATTEMPTED, rows=())
    if last.problem == "library":
        own = last.kind.removesuffix(".__post_init__")
        return report(
            f"Your function calls labdiff's own {own}, which does what this exercise asks for. Write the "
            "formula yourself: it is short.",
            "library-call",
        )
    if last.problem == "time":
        limit = (
            f"{guard.TOTAL_LIMIT:g} seconds, {last.kind}" if last.kind else f"{guard.TIME_LIMIT:g} seconds"
        )
        return report(
            f"Your function was stopped after {limit}. The tensors here are tiny, so look for a loop that "
            f"never ends.",
            "time-limit",
            rows=(*_said(last), ("slide", exercise.slide)),
        )
    if last.problem == "signature":
        return report(f"Your function can't be called as {signature}: {last.message}.", "signature")
    if first.problem == "type" and len({(o.problem, o.kind) for o in outcomes}) == 1:
        hint = "Your function returns nothing (None). End it with `return` and the result."
        if first.kind != "None":
            many = len(exercise.outputs) > 1
            wanted = f"a pair ({', '.join(exercise.outputs)})" if many else "one tensor"
            hint = f"Your function returns {first.kind} where {wanted} is expected."
        if first.kind.startswith("a tuple of 1"):
            hint += " A comma at the end of a line makes a tuple."
        rows = (*_said(last), ("call", signature), ("slide", exercise.slide))
        return report(hint, "no-return" if first.kind == "None" else "wrong-type", rows=rows)
    return None


def _said(outcome):
    rows = (("your line", outcome.line), ("printed", outcome.printed), ("warned", outcome.warned))
    return tuple(row for row in rows if row[1])
