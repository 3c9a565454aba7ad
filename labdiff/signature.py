"""How a function is called: missing and unknown arguments, and numbers that NumPy or torch made."""

import functools
import inspect
import numbers
from collections.abc import Callable, Sequence
from types import UnionType
from typing import Any, ParamSpec, TypeAlias, TypeVar, get_args

import numpy as np
import torch

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C")
Check: TypeAlias = Callable[[str, dict[str, Any]], None]

INSTEAD = {
    "seed": "Randomness comes from generator=torch.Generator().manual_seed(0) alone",
    "device": "What is computed stays where the model and the tensors are: move those with .to(device)",
}


def checked(function: Callable[P, R], *checks: Check) -> Callable[P, R]:
    """`function` behind `checks`; each gets its name and its arguments by name, and may replace some."""
    inner: Callable[..., R] = function
    name = function.__qualname__.removesuffix(".__init__")
    signature = inspect.signature(function)
    parameters = signature.parameters.values()
    names = frozenset(signature.parameters)
    by_position = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    as_numbers = {p.name: f for p in parameters if (f := _as_numbers(p.annotation)) is not None}
    flags = [p.name for p in parameters if bool in _kinds(p.annotation)]
    texts = [p.name for p in parameters if str in _kinds(p.annotation)]

    @functools.wraps(function)
    def at_the_edge(*args: P.args, **kwargs: P.kwargs) -> R:
        given = {**dict(zip(by_position, args, strict=False)), **kwargs}
        twice_or_too_many = len(given) < len(args) + len(kwargs)
        given = {**defaults, **given}
        if twice_or_too_many or given.keys() != names:
            _explain_call(name, signature, args, kwargs)
        for k, f in as_numbers.items():
            given[k] = f(given[k])
        for k in flags:
            given[k] = _flag(f"{name}: {k}", given[k], defaults.get(k))
        for k in texts:
            if isinstance(given[k], torch.Tensor | np.ndarray):
                raise TypeError(f"{name}: {k}: expected a text, got {type(given[k]).__name__}")
        for check in checks:
            check(name, given)
        return inner(**given)

    return at_the_edge


def checked_class(cls: type[C]) -> type[C]:
    """The class, its constructor behind the same."""
    setattr(cls, "__init__", checked(cls.__init__))  # noqa: B010 - the type checker refuses an assignment
    return cls


def plain(value: Any) -> Any:
    """NumPy's numbers, and arrays and tensors of one element, as Python's; all else as it is."""
    if isinstance(value, torch.Tensor) and value.numel() == 1 and not value.is_meta:
        value = value.item()
    return _plain_of_numpy(value)


def _plain_of_numpy(value):
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.size == 1):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return value
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def _plain_items(values):
    if isinstance(values, np.ndarray) and values.ndim == 1:
        values = values.tolist()
    return type(values)(map(plain, values)) if type(values) in (list, tuple) else values


def _as_numbers(annotation):
    """What makes plain numbers of an argument with this type hint; None where none are meant."""
    kinds = _kinds(annotation)
    if int in kinds or float in kinds:
        return _plain_of_numpy if torch.Tensor in kinds else plain
    return _plain_items if Sequence[int] in kinds else None


def _kinds(annotation):
    return get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)


def _flag(where, value, default):
    value = plain(value)
    if value is None and default is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    got = repr(value) if isinstance(value, str | int | float) else type(value).__name__
    raise ValueError(f"{where}: expected one of False, True, got {got}")


def _explain_call(name, signature, args, kwargs):
    """Raise what Python says of a call with missing or unknown arguments, and the arguments there are."""
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        own = [p.replace(annotation=p.empty) for p in signature.parameters.values() if p.name != "self"]
        unknown = INSTEAD.keys() & kwargs.keys() - signature.parameters.keys()
        instead = "".join(f". {INSTEAD[key]}" for key in unknown)
        raise TypeError(f"{name}: {error}, expected {name}{inspect.Signature(own)}{instead}") from None
