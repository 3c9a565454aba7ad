"""The verdict: from the student's plain numbers to a Report. Runs labdiff's formulas, never the student's."""

from labdiff.checks.in_kernel import guard
from labdiff.checks.judging.clues import clues
from labdiff.checks.judging.compare import agrees, diagnose, quietly, right_form
from labdiff.checks.judging.evidence import evidence
from labdiff.checks.judging.report import CORRECT, NOT_ATTEMPTED, NOT_YET, Report

NOT_TENSOR = {
    "None": ("no-return", "Your function returns nothing (None). End it with `return` and the result.")
}


def judge(exercise, probes, outcomes):
    """Report on the outcomes of a student's function on these probes."""
    stopped = _stopped(exercise, outcomes)
    if stopped is not None:
        return stopped
    changed = next((o.changed for o in outcomes if o.changed), ())
    with quietly():
        decide = exercise.verdict or by_numbers
        right, mistake, hints, rows, *pictures = decide(exercise, probes, outcomes)
    if changed:
        mistake = "in-place" if mistake is None else f"{mistake}+in-place"
        hints = [
            *hints,
            f"Your function changes its argument {changed[0]} in place (an operation such as *=, or one whose "
            "name ends in _). The caller still needs it: make a new tensor.",
        ]
    elif right:
        notes = [("note", note) for note in dict.fromkeys(note for o in outcomes for note in o.notes)]
        rows = rows or [("recognised", exercise.forms[0].label)]
        return Report(exercise.name, CORRECT, hint=exercise.meaning, rows=(*rows, *notes))
    said = _said(next((o for p, o in zip(probes, outcomes) if o.problem and p.core), outcomes[0]))
    rows = (*rows, *said, ("slide", exercise.slide))
    return Report(exercise.name, NOT_YET, mistake, " ".join(hints) or FOLLOW, rows, *pictures)


FOLLOW = "The numbers are not the right ones. Below is the smallest probe that shows it: follow it by hand."


def by_numbers(exercise, probes, outcomes):
    """(whether it is right, mistake id or None, hints, rows, pictures)."""
    form, expected = right_form(exercise, probes, outcomes)
    if form is not None and not any(o.random for o in outcomes):
        rows = [("recognised", form.label)]
        missed = [
            p.name
            for p, e, o in zip(probes, expected, outcomes)
            if not p.core and not agrees(exercise, e, o, p.rtol)
        ]
        if missed:
            rows.append(
                (
                    "note",
                    f"right for images, but not for {', '.join(missed)}: labdiff's own function also takes "
                    "those",
                )
            )
        return True, None, [], rows, ()
    found = diagnose(exercise, probes, outcomes) if form is None else None
    if found is not None:
        mistake, hints = found.id, list(found.hints)
    elif any(o.random for o in outcomes):
        mistake = "fresh-noise"
        hints = [
            "Called twice with the same arguments, your function gives different numbers: it draws random numbers of "
            "its own. Use only the arguments."
        ]
    else:
        mistake, hints = None, list(clues(exercise, probes, expected, outcomes))
    return False, mistake, hints, *evidence(exercise, probes, expected, outcomes)


def _stopped(exercise, outcomes):
    """A Report where there are no numbers to compare, or None."""
    name, signature = exercise.name, f"{exercise.name}({', '.join(exercise.arguments)})"
    last = outcomes[-1]
    slide = ("slide", exercise.slide)
    said = _said(last)
    if last.problem == "not attempted":
        if len(outcomes) > 1:
            return Report(
                name,
                NOT_YET,
                hint="Some of it is there, but for one of the probes it raises NotImplementedError.",
                rows=(slide,),
            )
        inner = "" if last.kind in (name, "<lambda>") else f" (NotImplementedError comes from {last.kind})"
        hint = f"Nothing to check yet{inner}. The notebook goes on with labdiff's own function."
        return Report(name, NOT_ATTEMPTED, hint=hint)
    if last.problem == "library":
        own = last.kind.removesuffix(".__post_init__")
        return Report(
            name,
            NOT_YET,
            "library-call",
            f"Your function calls labdiff's own {own}, which "
            "is what this exercise asks for. Write the formula yourself: it is short.",
            (slide,),
        )
    if last.problem == "time":
        limit = (
            f"{guard.TOTAL_LIMIT:g} seconds, {last.kind}" if last.kind else f"{guard.TIME_LIMIT:g} seconds"
        )
        return Report(
            name,
            NOT_YET,
            "time-limit",
            f"Your function was stopped after {limit}. The "
            "tensors here are tiny, so look for a loop that never ends.",
            (*said, slide),
        )
    if last.problem == "signature":
        hint = f"Your function can't be called as {signature}: {last.message}."
        return Report(name, NOT_YET, "signature", hint, (slide,))
    first = outcomes[0]
    kinds = {(o.problem, o.kind) for o in outcomes}
    if first.problem == "type" and len(kinds) == 1:
        many = len(exercise.outputs) > 1
        wanted = f"a pair ({', '.join(exercise.outputs)})" if many else "one tensor"
        mistake, hint = NOT_TENSOR.get(
            first.kind,
            (
                "wrong-type",
                f"Your function returns {first.kind} where {wanted} is expected."
                + (
                    " A comma at the end of a line makes a tuple."
                    if first.kind.startswith("a tuple of 1")
                    else ""
                ),
            ),
        )
        return Report(name, NOT_YET, mistake, hint, (*said, ("call", signature), slide))
    return None


def _said(outcome):
    rows = [("your line", outcome.line)] if outcome.line else []
    rows += [("printed", outcome.printed)] if outcome.printed else []
    rows += [("warned", outcome.warned)] if outcome.warned else []
    return tuple(rows)
