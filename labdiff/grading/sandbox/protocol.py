"""What passes between the grader and a student's kernel, as JSON: inputs and sources go in, numbers and words
come out.

This one file is used at both ends; in the kernel it is labdiff_protocol. Expected values never go in, and
what comes out is taken for what a student may have made: anything but what an honest kernel sends raises
ValueError."""

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from labdiff.checks.in_kernel.outcome import Outcome
from labdiff.checks.in_kernel.spies import MOST_CALLS, Plan, Spy
from labdiff.schedule import Schedule

MIME = "application/vnd.labdiff.outcomes+json"
PROBLEMS = ("", "not attempted", "library", "time", "raised", "type", "signature")
ENDS = ("not attempted", "library", "time", "signature")  # after these no further probe is called
WORDS = ("problem", "kind", "message", "line", "printed", "warned")
LISTS = ("changed", "random", "notes")


@dataclass(frozen=True)
class Ran:
    """How a cell of the student's went: it is run statement by statement, and one that fails does not stop
    the next.

    Attributes:
        error: the first exception, in words; "" if there was none.
        early: whether it came before the function that the cell is about was defined.
        missing: names of modules that are not installed.
        slow: whether it was stopped because it took too long.
    """

    error: str = ""
    early: bool = False
    missing: tuple[str, ...] = ()
    slow: bool = False


# into the kernel


def encode(value: object) -> object:
    """A probe's argument."""
    if isinstance(value, torch.Tensor):
        return {"tensor": value.flatten().tolist(), "shape": list(value.shape), "dtype": str(value.dtype)[6:]}
    if isinstance(value, Schedule):
        return {"schedule": value.beta.tolist()}
    if isinstance(value, Spy):
        return {"spy": value.weights.tolist()}
    if isinstance(value, Plan):
        parts = [encode(value.s), encode(value.x0), encode(value.answer)]
        return {"plan": [*parts, list(value.seeds), value.calls]}
    if isinstance(value, int | float):
        return value
    raise TypeError(f"probe: expected tensors, numbers, Schedule, Spy or Plan, got {type(value).__name__}")


def decode(value: object) -> Any:
    """The argument that encode() was given."""
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return torch.tensor(value["tensor"], dtype=getattr(torch, value["dtype"])).reshape(value["shape"])
    if "schedule" in value:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Schedule(torch.tensor(value["schedule"], dtype=torch.float64))
    if "spy" in value:
        return Spy(value["spy"])
    s, x0, answer, seeds, calls = value["plan"]
    return Plan(decode(s), decode(x0), decode(answer), tuple(seeds), calls)


def request(exercise, *sets) -> dict:
    """What a kernel needs to call the student's function; steps.py adds the other cells, as "rest"."""
    return {
        "name": exercise.name,
        "arguments": exercise.arguments,
        "outputs": exercise.outputs,
        "call": exercise.call and exercise.call.__name__,
        "sets": [[[encode(a) for a in probe.args] for probe in probes] for probes in sets],
    }


# out of the kernel


def encode_outcome(outcome: Outcome) -> dict:
    """An Outcome, NaN and infinities as strings."""

    def plain(array):
        numbers = [x if math.isfinite(x) else repr(x) for x in array.ravel().tolist()]
        return {"shape": list(array.shape), "numbers": numbers}

    values = {name: plain(array) for name, array in outcome.values.items()}
    calls = [[plain(x), plain(t)] for x, t in outcome.model_calls]
    return {**vars(outcome), "values": values, "model_calls": calls}


def outcomes(exercise, probes: list, plain: object) -> list[Outcome]:
    """The Outcomes that a kernel sent for one set of probes. Raises ValueError if they are not complete."""
    if not isinstance(plain, list) or not 1 <= len(plain) <= len(probes):
        raise ValueError(f"outcomes: expected a list of 1 to {len(probes)}")
    made = [decode_outcome(exercise, one) for one in plain]
    if len(made) < len(probes) and made[-1].problem not in ENDS:
        raise ValueError("outcomes: expected one for each probe")
    return made


def decode_outcome(exercise, plain: object) -> Outcome:
    if not isinstance(plain, dict) or plain.keys() != {"values", "model_calls", *LISTS, *WORDS}:
        raise ValueError("outcome: expected the fields of an Outcome")
    if not all(is_text(plain[w], 1000) for w in WORDS) or plain["problem"] not in PROBLEMS:
        raise ValueError("outcome: expected short texts")
    for name in LISTS:
        if (
            not isinstance(plain[name], list)
            or len(plain[name]) > 20
            or not all(is_text(x, 400) for x in plain[name])
        ):
            raise ValueError("outcome: expected short lists of short texts")
    values = plain["values"]
    if not isinstance(values, dict) or values.keys() != (
        set() if plain["problem"] else set(exercise.outputs)
    ):
        raise ValueError("outcome: expected all values, or a problem")
    if not set(plain["random"]) <= set(exercise.outputs) or not set(plain["changed"]) <= set(
        exercise.arguments
    ):
        raise ValueError("outcome: changed, random: expected names of arguments and outputs")
    words = {name: plain[name] for name in WORDS}
    changed, random, notes = (tuple(plain[name]) for name in LISTS)
    arrays = {name: decode_array(v) for name, v in values.items()}
    calls = _calls(plain["model_calls"])
    return Outcome(arrays, **words, changed=changed, random=random, notes=notes, model_calls=calls)


def _calls(plain: object) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    if not isinstance(plain, list) or len(plain) > MOST_CALLS:
        raise ValueError("outcome: model_calls: expected a short list")
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in plain):
        raise ValueError("outcome: model_calls: expected pairs of x and t")
    calls = tuple((decode_array(x), decode_array(t)) for x, t in plain)
    if any(x.ndim == 0 or t.shape != x.shape[:1] for x, t in calls):
        raise ValueError("outcome: model_calls: expected one t for each sample")
    return calls


def decode_array(plain: object) -> np.ndarray:
    if not isinstance(plain, dict) or plain.keys() != {"shape", "numbers"}:
        raise ValueError("outcome: value: expected shape and numbers")
    shape, numbers = plain["shape"], plain["numbers"]
    if (
        not isinstance(shape, list)
        or len(shape) > 10
        or any(type(n) is not int or not 0 <= n <= 10**6 for n in shape)
    ):
        raise ValueError("outcome: shape: expected a few whole numbers")
    if not isinstance(numbers, list) or len(numbers) != math.prod(shape) or not all(map(is_number, numbers)):
        raise ValueError("outcome: numbers: expected as many as the shape says")
    return np.array([float(x) for x in numbers], dtype=np.float64).reshape(shape)


def decode_ran(plain: object) -> Ran:
    """How a cell went; malformed data counts as a cell without errors."""
    if not isinstance(plain, dict) or plain.keys() != {"error", "early", "missing", "slow"}:
        return Ran()
    missing = plain["missing"] if isinstance(plain["missing"], list) else []
    words = tuple(x for x in missing[:5] if is_text(x, 60))
    return Ran(
        plain["error"] if is_text(plain["error"], 400) else "",
        bool(plain["early"]),
        words,
        bool(plain["slow"]),
    )


def is_text(value: object, length: int) -> bool:
    """Whether it is a short text that any file can hold."""
    return (
        isinstance(value, str) and len(value) <= length and not any("\ud800" <= c <= "\udfff" for c in value)
    )


def is_number(x: object) -> bool:
    if isinstance(x, int | float) and not isinstance(x, bool):
        return abs(x) < 1e300
    return x in ("nan", "inf", "-inf")
