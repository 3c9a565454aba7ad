"""The verdict on a training step: whether its features are those of Algorithm 1, or of a known mistake."""

import functools
import itertools
from dataclasses import replace

from labdiff.checks.in_kernel.guard import SEED
from labdiff.checks.in_kernel.outcome import changed_values
from labdiff.checks.judging.known_mistake import evaluate, evaluated
from labdiff.checks.judging.named_exceptions import named_exception
from labdiff.checks.judging.training_features import RIGHT, features


def by_features(exercise, probes, outcomes):
    """(whether it is right, mistake id or None, hints, rows) of a student's step."""
    require_shapes(probes, outcomes)
    seen = features(probes, outcomes)
    off = wrong_features(seen)
    if not off:
        tensor = any(o.values["is_tensor"].any() for o in outcomes)
        note = "you return the loss as a tensor; loss.item() is a number and lets go of the graph behind it"
        rows = (("recognised", exercise.forms[0].label),)
        return True, None, (), rows + (("note", note),) * tensor
    shown = list(off)[:MOST_SHOWN]
    more = f"; and {len(off) - len(shown)} more" if len(off) > len(shown) else ""
    rows = (
        ("expected", "; ".join(f"{k}: {RIGHT[k]}" for k in shown if k in RIGHT) + more),
        ("got", "; ".join(f"{k}: {off[k]}" for k in shown) + more),
    )
    above = _above_all(exercise, outcomes, seen)
    if above:
        return (False, *above, rows)
    known = _wrong_steps(exercise, tuple(probes), outcomes)
    single = {m.id: (m.hint,) for m, delta in reversed(known) if delta == off}
    if len(single) == 1:
        return (False, *single.popitem(), rows)
    pairs = {
        f"{a.id}+{b.id}": (a.hint, b.hint)
        for i, (a, da) in enumerate(known)
        for b, db in known[i + 1 :]
        if not single and a.id != b.id and not da.keys() & db.keys() and {**da, **db} == off
    }
    if len(pairs) == 1:
        return (False, *pairs.popitem(), rows)
    raised = named_exception(exercise, probes, outcomes)
    if raised is not None:
        return False, raised[0], raised[1:], rows
    told = "; ".join(f"{k}: {off[k]}" + (f" (should be: {RIGHT[k]})" if k in RIGHT else "") for k in shown)
    only = f"wrong-{next(iter(off))}" if len(off) == 1 and off.keys() <= SINGLE else None
    return False, only, (f"The step does not do what Algorithm 1 says. {told}{more}.",), rows


MOST_SHOWN = 3  # features that are off, in a report's rows
SINGLE = {"t", "draws", "signal", "noise", "error", "gradient"}  # features that have no other cause


def _above_all(exercise, outcomes, seen):
    """(id, hints) of a mistake that leaves the other features without a meaning, or None."""
    hints = {m.id: m.hint for m in exercise.mistakes}
    learned_from = [o.values["batches"] for o in outcomes if o.values]
    if "several updates" in seen.get("order", ""):
        return "several-updates", (hints["several-updates"],)
    if learned_from and min(batches.min() for batches in learned_from) > 1:
        return "several-batches", (hints["several-batches"],)
    if seen.get("t") == "no whole number":
        return "t-not-whole", (hints["t-not-whole"],)
    return None


def require_shapes(probes, outcomes):
    """Raise ValueError for records of other shapes than those of the calls: empty ones agree with all."""
    for probe, outcome in zip(probes, outcomes, strict=False):
        plan = probe.args[0]
        images, number = (plan.calls, *plan.x0.shape), (plan.calls,)
        shapes = {"xt": images, "pull": images, "gradient": images, "t": images[:2]}
        for name, array in outcome.values.items():
            if array.shape != shapes.get(name, number):
                raise ValueError(
                    f"outcomes: {name}: expected shape {shapes.get(name, number)}, got {array.shape}"
                )


def wrong_features(seen):
    return {k: v for k, v in seen.items() if RIGHT.get(k) != v}


def _wrong_steps(exercise, probes, outcomes):
    """(mistake, its features that are not right) for those of the catalogue that could be in the outcomes.

    The probes of many calls take most of the time: those before them alone rule most mistakes out.
    """
    n = len(list(itertools.takewhile(lambda p: p.args[0].calls <= FEW_CALLS, probes)))
    off = wrong_features(features(probes, outcomes[:n])).items()
    return [
        (m, _wrong_features_of(exercise, probes, i, len(probes)))
        for i, m in enumerate(exercise.mistakes)
        if _wrong_features_of(exercise, probes, i, n).items() <= off
    ]


FEW_CALLS = 2


@functools.lru_cache(maxsize=2048)
def _wrong_features_of(exercise, probes, i, n):
    """What is not right in the step of the i-th mistake, by the first n probes."""
    parts = exercise.mistakes[i].parts
    first, *others = [evaluated(exercise, p, tuple(parts.items())) for p in probes[:n]]
    again = evaluate(exercise, probes[0], parts, seed=SEED + 1)
    first = replace(first, random=changed_values(first.values, again.values))
    return wrong_features(features(probes, [first, *others]))
