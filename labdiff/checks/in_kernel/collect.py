"""The student's side of a check: call the function on each probe and record plain numbers."""

import copy
import importlib
import inspect
from dataclasses import replace

import torch

from labdiff.checks.in_kernel import guard
from labdiff.checks.in_kernel.blocking import blocked
from labdiff.checks.in_kernel.exceptions import own_line, raised_by_code, raiser, text_of
from labdiff.checks.in_kernel.numbers import read
from labdiff.checks.in_kernel.outcome import STOPS, Outcome, changed_values
from labdiff.checks.in_kernel.spies import Spy
from labdiff.checks.in_kernel.state import preserved
from labdiff.schedule import Schedule


def collect(exercise, function, probes):
    """Outcomes of the student's function on the probes, in order; ends early after a problem in STOPS."""
    _import_compiler(function)
    outcomes, clock = [], guard.Clock(guard.TOTAL_LIMIT, guard.PATIENCE)
    with preserved(), blocked(exercise.blocked) as calls:
        for probe in probes:
            outcomes.append(_one(exercise, function, probe, calls))
            if outcomes[-1].problem in STOPS:
                break
            if clock.over():
                outcomes[-1] = Outcome(problem="time", kind="all calls together")
                break
    return outcomes


def _import_compiler(function):
    """Import torch's compiler now if the function makes an optimizer: it takes seconds of the time limit."""
    names = getattr(getattr(function, "__code__", None), "co_names", ())
    if not {"optim", *vars(torch.optim)}.isdisjoint(names):
        importlib.import_module("torch._dynamo")


def _one(exercise, function, probe, calls):
    call = exercise.call or direct
    given = copy_args(probe.args)
    done = guard.guarded(lambda: call(function, given))
    outcome = outcome_of(done, exercise, function, calls)
    if outcome.values:
        done = guard.guarded(lambda: call(function, copy_args(probe.args)), seed=guard.SEED + 1)
        again = outcome_of(done, exercise, function, calls)
        if again.problem:
            return again
        outcome = replace(outcome, random=changed_values(outcome.values, again.values))
    changed = tuple(
        name for name, a, b in zip(exercise.arguments, given, probe.args, strict=False) if _differ(a, b)
    )
    calls = tuple(call for a in given if isinstance(a, Spy) for call in a.calls)
    notes = (*outcome.notes, *_model_notes(given))
    return replace(outcome, changed=changed, notes=notes, model_calls=calls)


def direct(function, args):
    return function(*args)


def outcome_of(call, exercise, function, calls):
    """The Outcome of a guard.Call; calls: names of the blocked functions that it called."""
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
        problem = "signature" if wrong_call else "raised"
        return Outcome(problem=problem, kind=type(error).__name__, message=text_of(error), line=line, **said)
    return replace(read(call.result, exercise.outputs), **said)


def _fits(function, arguments):
    try:
        inspect.signature(function).bind(*arguments)
    except (TypeError, ValueError):
        return False
    return True


def copy_args(args):
    """A copy of each argument, so that the function can change nothing but its own."""
    return [a.clone() if isinstance(a, torch.Tensor) else copy.deepcopy(a, _copied(a)) for a in args]


def _copied(a):
    """What deepcopy, which is slow, need not copy of a Schedule: its arrays, and tables it can make anew."""
    if not isinstance(a, Schedule):
        return None
    return {id(v): v.clone() if isinstance(v, torch.Tensor) else {} for v in vars(a).values()}


def _differ(a, b):
    if isinstance(a, torch.Tensor):
        return a.shape != b.shape or a.dtype != b.dtype or not torch.equal(a.detach(), b)
    if isinstance(a, Schedule):
        tables = ("beta", "alpha", "alpha_bar", "beta_tilde")
        return any(_differ(getattr(a, k), getattr(b, k)) for k in tables)
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
            "the model got float64 images; a network with float32 weights refuses them. Cast the "
            "coefficients with .to(x0.dtype)"
        )
