"""What a function returned, as float64 arrays; or a description of what it returned instead."""

import numpy as np
import torch

from labdiff.checks.in_kernel.outcome import Outcome

LARGEST = 200_000  # numbers in one output; the largest right one has some ten thousand


def read(result, names):
    """The Outcome of a returned value: numbers by output name, or what it is instead."""
    parts = [result]
    if len(names) > 1:
        if not isinstance(result, (tuple, list)) or len(result) != len(names):
            return Outcome(problem="type", kind=_what(result))
        parts = list(result)
    values, notes = {}, []
    for name, part in zip(names, parts, strict=False):
        try:
            values[name] = array(part)
        except Exception:
            return Outcome(problem="type", kind=_what(part))
        if not isinstance(part, torch.Tensor) and np.ndim(values[name]):
            notes.append(
                f"{name} is {_what(part).split(' of ')[0]}; labdiff's functions return tensors "
                "(torch.as_tensor makes one)"
            )
    return Outcome(values, notes=tuple(notes))


def array(value):
    """float64 numbers of a tensor, array, number, or list of numbers; TypeError for anything else."""
    if isinstance(value, list):
        value = np.array([array(v) for v in value])
    if isinstance(value, torch.Tensor):
        if value.numel() > LARGEST:
            raise TypeError
        value = value.detach().cpu().resolve_conj()
        value = value.double().numpy() if not value.is_complex() else value.numpy()
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float, np.ndarray, np.generic))
        or np.iscomplexobj(value)
    ):
        raise TypeError
    return np.array(value, dtype=np.float64)


def _what(value):
    if value is None:
        return "None"
    name = {
        "ndarray": "a NumPy array",
        "Tensor": "a single tensor",
        "coroutine": "a coroutine (the function is async)",
        "generator": "a generator (yield stands where return belongs)",
    }.get(type(value).__name__)
    if isinstance(value, torch.Tensor):
        if value.is_complex():
            return "a complex tensor"
        if value.layout != torch.strided or value.is_quantized or value.is_meta:
            return "a tensor without plain numbers (sparse, nested, quantized or meta)"
        if value.numel() > LARGEST:
            return f"a tensor of shape {tuple(value.shape)}, far too large"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return name or f"{'an' if type(value).__name__[0] in 'aeiou' else 'a'} {type(value).__name__}"
