"""What goes into a student's kernel, and what comes out: inputs and numbers, as JSON. Expected values never go in."""

import hashlib
import math

import torch

from labdiff.checks.exercises.probes import PUBLIC
from labdiff.checks.in_kernel.outcome import Outcome
from labdiff.checks.in_kernel.spies import Plan, Spy
from labdiff.schedule import Schedule

MIME = "application/vnd.labdiff.outcomes+json"
PROBLEMS = {"", "not attempted", "library", "time", "raised", "type", "signature"}


def seed_for(secret, student, name):
    """The seed of one student's probes for one exercise: who knows it knows no other."""
    digest = hashlib.sha256(f"{secret}\0{student}\0{name}".encode()).digest()
    return PUBLIC + 1 + int.from_bytes(digest[:5], "big")


def encode(value):
    """A probe's argument, for JSON; labdiff.grading.inside.decode undoes it."""
    if isinstance(value, torch.Tensor):
        return {"tensor": value.flatten().tolist(), "shape": list(value.shape), "dtype": str(value.dtype)[6:]}
    if isinstance(value, Schedule):
        return {"schedule": value.beta.tolist()}
    if isinstance(value, Spy):
        return {"spy": value.weights.tolist()}
    if isinstance(value, Plan):
        return {
            "plan": [encode(value.s), encode(value.x0), encode(value.answer), list(value.seeds), value.calls]
        }
    if isinstance(value, int):
        return value
    raise TypeError(f"probe: expected tensors, ints, Schedule, Spy or Plan, got {type(value).__name__}")


def request(exercise, *sets):
    """What a kernel needs to call the student's function: names, and the arguments of each set of probes."""
    call = exercise.call and exercise.call.__name__
    return {
        "name": exercise.name,
        "arguments": exercise.arguments,
        "outputs": exercise.outputs,
        "call": call,
        "sets": [[[encode(a) for a in probe.args] for probe in probes] for probes in sets],
    }


def outcomes(exercise, probes, plain):
    """Outcomes from what a kernel sent for one set of probes. Raises ValueError for anything but what collect() makes."""
    if not isinstance(plain, list) or not 1 <= len(plain) <= len(probes):
        raise ValueError(f"outcomes: expected a list of 1 to {len(probes)}")
    made = [_outcome(exercise, p) for p in plain]
    if len(made) < len(probes) and made[-1].problem not in ("not attempted", "library", "time", "signature"):
        raise ValueError("outcomes: expected one for each probe")
    return made


def _outcome(exercise, plain):
    words = ("problem", "kind", "message", "line", "printed", "warned")
    if not isinstance(plain, dict) or plain.keys() != {"values", "changed", "random", "notes", *words}:
        raise ValueError("outcome: expected the fields of an Outcome")
    if (
        any(not isinstance(plain[w], str) or len(plain[w]) > 1000 for w in words)
        or plain["problem"] not in PROBLEMS
    ):
        raise ValueError("outcome: expected short texts")
    lists = [plain[k] for k in ("changed", "random", "notes")]
    if any(
        not isinstance(v, list) or len(v) > 20 or any(not isinstance(x, str) or len(x) > 400 for x in v)
        for v in lists
    ):
        raise ValueError("outcome: expected short lists of short texts")
    values = plain["values"]
    if not isinstance(values, dict) or not values.keys() <= set(exercise.outputs):
        raise ValueError(f"outcome: values: expected {', '.join(exercise.outputs)}")
    if values and (plain["problem"] or values.keys() != set(exercise.outputs)):
        raise ValueError("outcome: expected all values, or a problem")
    for v in values.values():
        if not isinstance(v, dict) or v.keys() != {"shape", "numbers"}:
            raise ValueError("outcome: value: expected shape and numbers")
        shape, numbers = v["shape"], v["numbers"]
        if (
            not isinstance(shape, list)
            or len(shape) > 10
            or any(type(n) is not int or not 0 <= n <= 10**6 for n in shape)
        ):
            raise ValueError("outcome: shape: expected a few whole numbers")
        if (
            not isinstance(numbers, list)
            or len(numbers) != math.prod(shape)
            or not all(map(_number, numbers))
        ):
            raise ValueError("outcome: numbers: expected as many as the shape says")
    return Outcome.from_plain(plain)


def _number(x):
    return type(x) in (int, float) and abs(x) < 1e300 or x in ("nan", "inf", "-inf")
