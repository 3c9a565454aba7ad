"""What is asked of a model: to be called with x and t, and to return a tensor like x; and of a label."""

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

import torch

from labdiff.signature import plain

Model: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # (x, t) -> eps_hat
INSTEAD = {
    "Step": "Give it step.ema",
    "Checkpoint": "Give its weights to a network: model.load_state_dict(checkpoint.part('ema'))",
    "tuple": "load_pretrained() returns two: model, s = load_pretrained()",
    "Schedule": "The model comes first, then the schedule",
}


def check_model(function: str, model: object, arguments: int = 2, wrapped: bool = True) -> None:
    """Raise unless model can be called with x, t and, for arguments=3, a label; `wrapped`: or a lambda."""
    wanted = ("x", "t", "label")[:arguments]
    if isinstance(model, type):
        got = f"the class {model.__name__}. Make one: model = {model.__name__}(...)"
    elif not callable(model):
        name = type(model).__name__
        got = f"{name}. {INSTEAD[name]}" if name in INSTEAD else name
    elif (parameters := _refused(model, arguments)) is not None:
        name = type(model).__name__ if isinstance(model, torch.nn.Module) else "one"
        use = f"Wrap it: lambda {', '.join(wanted)}: ..." if wrapped else "Change its forward"
        got = f"{name} that takes {parameters}. {use}"
    else:
        return
    raise TypeError(f"{function}: model: expected a callable ({', '.join(wanted)}) -> eps_hat, got {got}")


def takes_label(model: Callable) -> bool:
    """Whether it can be called as model(x, t, label), with a label that is not None."""
    return _refused(model, 3) is None and getattr(model, "classes", 1) is not None


def check_function(function: str, name: str, value: object, called: str) -> None:
    """Raise unless value can be called; `called` says how, such as "(a, b, w) -> x_T"."""
    if not callable(value):
        raise TypeError(f"{function}: {name}: expected a function {called}, got {type(value).__name__}")


def check_output(function: str, eps_hat: Any, x: torch.Tensor) -> None:
    """Raise unless the model's output is real (any float dtype), with the shape and device of its input."""
    if not isinstance(eps_hat, torch.Tensor) or eps_hat.shape != x.shape:
        got = tuple(eps_hat.shape) if isinstance(eps_hat, torch.Tensor) else type(eps_hat).__name__
        if hasattr(eps_hat, "sample"):  # what a model of diffusers returns
            got = f"{got}. Wrap it: lambda x, t: model(x, t - 1).sample"
        raise ValueError(
            f"{function}: model(x, t): expected a tensor of shape {tuple(x.shape)} like x, got {got}"
        )
    if not eps_hat.is_floating_point():
        raise TypeError(f"{function}: model(x, t): expected real numbers like x, got {eps_hat.dtype}")
    if eps_hat.device != x.device:
        raise ValueError(f"{function}: model(x, t): expected device {x.device} like x, got {eps_hat.device}")


def check_label(
    function: str, label: Any, classes: float, x: torch.Tensor, expected: str = ""
) -> torch.Tensor:
    """Raise unless label is None, an int or int64 (B,) in 0..classes; return a tensor; waits for no GPU."""
    expected = expected or (
        f"None, an int, or an int64 tensor of shape ({x.shape[0]},), in 0..{classes} ({classes}: no label)"
    )
    label = plain(label) if not isinstance(label, torch.Tensor) else label
    if label is None or (isinstance(label, int) and not isinstance(label, bool)):
        if label is not None and not 0 <= label <= min(classes, 2**63 - 1):
            raise ValueError(f"{function}: label: expected {expected}, got {label}")
        label = torch.full((len(x),), classes if label is None else label, device=x.device)
    if not isinstance(label, torch.Tensor) or label.dtype != torch.int64:
        got = label.dtype if isinstance(label, torch.Tensor) else f"{type(label).__name__} {label!r}"
        raise TypeError(f"{function}: label: expected {expected}, got {got}")
    if label.ndim == 0:
        label = label.repeat(len(x))
    if label.shape != x.shape[:1]:
        raise ValueError(f"{function}: label: expected {expected}, got shape {tuple(label.shape)}")
    if label.device != x.device:
        raise ValueError(f"{function}: label: expected device {x.device} like x, got {label.device}")
    if label.device.type == "cpu" and not torch.compiler.is_compiling():
        wrong = label[(label < 0) | (label > classes)]
        if len(wrong):
            raise ValueError(f"{function}: label: expected {expected}, got {wrong[0].item()}")
    return label


def _refused(model, arguments):
    """The model's own parameters, in words, where it can't be called with so many arguments; else None."""
    try:
        signature = inspect.signature(model.forward if isinstance(model, torch.nn.Module) else model)
    except ValueError:  # not known
        return None
    try:
        signature.bind(*[None] * arguments)
    except TypeError:
        return str(inspect.Signature([p.replace(annotation=p.empty) for p in signature.parameters.values()]))
    return None
