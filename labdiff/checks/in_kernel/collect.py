"""The student's side of a check: call the function on each probe and write down plain numbers. No verdict is made here."""

import copy
import inspect
import time
from dataclasses import dataclass, field

import numpy as np
import torch

from labdiff.checks.in_kernel import guard
from labdiff.checks.in_kernel.blame import own_line, raised_by_code, raiser
from labdiff.checks.in_kernel.block import blocked
from labdiff.checks.in_kernel.values import read
from labdiff.schedule import Schedule


@dataclass
class Outcome:
    """What a function did with one probe, in plain numbers and words.

    Attributes:
        values: output name -> float64 array; empty if there is a problem.
        problem: "" | "not attempted" | "library" | "time" | "raised" | "type" | "signature".
        kind: for "raised" the exception's name; for "type" what came instead of a tensor.
        message, line: the exception's text and the student's own line.
        changed: names of arguments that were changed in place.
        random: names of outputs that other random numbers changed.
        notes: harmless oddities, such as a NumPy array for a tensor.
        printed, warned: what the function said.
    """

    values: dict = field(default_factory=dict)
    problem: str = ""
    kind: str = ""
    message: str = ""
    line: str = ""
    changed: tuple = ()
    random: tuple = ()
    notes: tuple = ()
    printed: str = ""
    warned: str = ""

    def plain(self):
        """A dict that JSON can hold; NaN and infinities as strings."""
        values = {
            name: {
                "shape": list(v.shape),
                "numbers": [x if np.isfinite(x) else repr(x) for x in v.ravel().tolist()],
            }
            for name, v in self.values.items()
        }
        return {**vars(self), "values": values}

    @classmethod
    def from_plain(cls, plain):
        """The Outcome that plain() was made from. Raises ValueError, TypeError or KeyError for anything else."""
        values = {
            str(name): np.array([float(x) for x in v["numbers"]], dtype=np.float64).reshape(v["shape"])
            for name, v in plain["values"].items()
        }
        words = {key: str(plain[key]) for key in ("problem", "kind", "message", "line", "printed", "warned")}
        return cls(
            values,
            **words,
            changed=tuple(map(str, plain["changed"])),
            random=tuple(map(str, plain["random"])),
            notes=tuple(map(str, plain["notes"])),
        )


def collect(exercise, function, probes):
    """Outcomes of the student's function on the probes, in their order; shorter if going on makes no sense."""
    outcomes, end = [], time.monotonic() + guard.TOTAL_LIMIT
    with guard.preserved(), blocked(exercise.blocked) as calls:
        for probe in probes:
            outcomes.append(_one(exercise, function, probe, calls))
            if outcomes[-1].problem in ("not attempted", "library", "time", "signature"):
                break
            if time.monotonic() > end:
                outcomes[-1] = Outcome(problem="time", kind="all calls together")
                break
    return outcomes


def _one(exercise, function, probe, calls):
    given, watched = copy_args(probe.args), copy_args(probe.args)
    call = guard.guarded(lambda: (exercise.call or direct)(function, given))
    outcome = outcome_of(call, exercise, function, calls)
    outcome.changed = tuple(name for name, a, b in zip(exercise.arguments, given, watched) if _differ(a, b))
    outcome.notes += tuple(_model_notes(given))
    if outcome.values:
        again = guard.guarded(
            lambda: (exercise.call or direct)(function, copy_args(probe.args)), seed=guard.SEED + 1
        )
        other = outcome_of(again, exercise, function, calls)
        outcome.random = changed_values(outcome.values, other.values)
        if other.problem:
            outcome = other
    return outcome


def direct(function, args):
    return function(*args)


def outcome_of(call, exercise, function, calls):
    said = {
        "printed": "\n".join(call.printed.splitlines()[:5])[:400],
        "warned": call.warned.split("\n")[0][:200],
    }
    error = call.error
    if calls:
        return Outcome(problem="library", kind=calls[0], **said)
    if isinstance(error, guard.OutOfTime):
        return Outcome(problem="time", **said)
    if isinstance(error, NotImplementedError) and raised_by_code(error):
        return Outcome(problem="not attempted", kind=raiser(error), **said)
    if error is not None:
        line = own_line(error, function)
        wrong_call = isinstance(error, TypeError) and not line and not _fits(function, exercise.arguments)
        text = words_of(error)
        problem = "signature" if wrong_call else "raised"
        return Outcome(problem=problem, kind=type(error).__name__, message=text, line=line, **said)
    return Outcome(**read(call.result, exercise.outputs), **said)


def words_of(error):
    """The first line of an exception's text, in characters that can be shown; its text may itself raise."""
    try:
        text = str(error)
    except Exception:
        text = ""
    return text.strip().split("\n")[0][:200].encode("utf-8", "replace").decode("utf-8")


def _fits(function, arguments):
    try:
        inspect.signature(function).bind(*arguments)
    except (TypeError, ValueError):
        return False
    return True


def changed_values(a, b):
    """Names of the outputs that are not the same in b."""
    return tuple(
        k
        for k in a
        if k not in b or a[k].shape != b[k].shape or not np.allclose(a[k], b[k], 1e-6, 1e-7, equal_nan=True)
    )


def copy_args(args):
    """A copy of each argument, so that the function can change nothing but its own."""
    return [a.clone() if isinstance(a, torch.Tensor) else copy.deepcopy(a) for a in args]


def _differ(a, b):
    if isinstance(a, torch.Tensor):
        return a.shape != b.shape or a.dtype != b.dtype or not torch.equal(a.detach(), b)
    if isinstance(a, Schedule):
        return any(
            _differ(getattr(a, k), getattr(b, k)) for k in ("beta", "alpha", "alpha_bar", "beta_tilde")
        )
    if isinstance(a, torch.nn.Module):
        return any(_differ(v, b.state_dict()[k]) for k, v in a.state_dict().items())
    return False


def _model_notes(args):
    seen = {pair for a in args for pair in getattr(a, "seen", ())}
    data = {a.dtype for a in args if isinstance(a, torch.Tensor) and a.is_floating_point()}
    if any(t.is_floating_point for _, t in seen):
        yield "the model got t as floating-point numbers; labdiff's models want int64 (dtype=torch.int64)"
    if data == {torch.float32} and any(x != torch.float32 for x, _ in seen):
        yield (
            "the model got float64 images; a network with float32 weights refuses them. Cast the coefficients with "
            ".to(x0.dtype)"
        )
