"""What every public function promises about its arguments: checked by name, once, before the formula runs."""

import contextlib
import functools
import inspect
import math
import numbers
import os
from pathlib import Path

import torch


def checked(function=None, *, t_min=1):
    """Decorator: check a function's arguments by their names, then call it.

    `s` is a Schedule; `model` a callable; `t` an int or int64 (B,) in t_min..T; tensors named in _DATA are real, finite,
    not empty and agree in shape, dtype and device. A wrong one raises TypeError or ValueError: *function: argument,
    expected, got*. The unchecked formula stays reachable as `function.__wrapped__`, for loops that made their own inputs.
    """
    if function is None:
        return functools.partial(checked, t_min=t_min)
    signature = inspect.signature(function)

    @functools.wraps(function)
    def with_checks(*args, **kwargs):
        name = function.__name__
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}: {error}, expected {name}{signature}") from None
        given = bound.arguments
        if "s" in given:
            check_schedule(name, given["s"])
        if "model" in given:
            check_model(name, given["model"])
        x = check_data(name, {k: v for k, v in given.items() if k in _DATA})
        if "t" in given:
            given["t"] = check_t(name, given["t"], given["s"].T, t_min, x)
        return function(*bound.args, **bound.kwargs)

    return with_checks


_DATA = ("x0", "xt", "x_prev", "eps", "eps_hat", "z")


def check_schedule(function, s):
    from labdiff.schedule import Schedule  # here, for schedule imports this module

    if not isinstance(s, Schedule):
        raise TypeError(
            f"{function}: s: expected a Schedule such as linear_schedule(), got {type(s).__name__}"
        )


def check_model(function, model):
    if not callable(model):
        raise TypeError(
            f"{function}: model: expected a callable (x, t) -> eps_hat, got {type(model).__name__}"
        )


def check_data(function, tensors):
    """Raise unless all tensors are real, finite, non-empty and alike; return the first."""
    first = None
    for name, x in tensors.items():
        if not isinstance(x, torch.Tensor):
            raise TypeError(f"{function}: {name}: expected a tensor, got {type(x).__name__}")
        if not x.is_floating_point():
            raise TypeError(f"{function}: {name}: expected real numbers such as float32, got {x.dtype}")
        if x.ndim == 0 or x.numel() == 0:
            raise ValueError(
                f"{function}: {name}: expected a non-empty batch (B, ...), got shape {tuple(x.shape)}"
            )
        first = first or (name, x)
        for what in ("shape", "dtype", "device"):
            expected, got = getattr(first[1], what), getattr(x, what)
            if expected != got:
                show = tuple if what == "shape" else str
                raise (TypeError if what == "dtype" else ValueError)(
                    f"{function}: {name}: expected {what} {show(expected)} like {first[0]}, got {show(got)}"
                )
    for name, x in tensors.items():
        if x.is_meta:
            raise ValueError(f"{function}: {name}: expected a device that holds numbers, got meta")
        if not torch.isfinite(x).all():
            raise ValueError(
                f"{function}: {name}: expected finite numbers, got "
                f"{int((~torch.isfinite(x)).sum())} of {x.numel()} that are NaN or infinite"
            )
    return first[1] if first else None


def check_t(function, t, T, t_min, x=None, wait=True):
    """Raise unless t is an int or an int64 tensor of shape (B,) in t_min..T on x's device; return it as a tensor.

    T may be math.inf. With wait=False the range is checked only where that does not wait for a GPU.
    """
    B, device = ("B", None) if x is None else (len(x), x.device)
    expected = f"an int, or an int64 tensor of shape ({B},), in {t_min}..{'T' if T == math.inf else T}"
    if isinstance(t, int) and not isinstance(t, bool):
        if not t_min <= t <= min(T, 2**63 - 1):
            raise ValueError(f"{function}: t: expected {expected}, got {t}{_T_0 * (t == 0)}")
        return torch.full((1 if x is None else B,), t, device=device)
    if not isinstance(t, torch.Tensor) or t.dtype != torch.int64:
        got = t.dtype if isinstance(t, torch.Tensor) else f"{type(t).__name__} {t!r}"
        raise TypeError(f"{function}: t: expected {expected}, got {got}")
    if t.ndim != 1 or len(t) == 0 or (x is not None and len(t) != B):
        raise ValueError(f"{function}: t: expected {expected}, got shape {tuple(t.shape)}")
    if x is not None and t.device != device:
        raise ValueError(f"{function}: t: expected device {device} like the data, got {t.device}")
    if t.is_meta:
        raise ValueError(f"{function}: t: expected a device that holds numbers, got meta")
    if wait or t.device.type == "cpu":
        wrong = t[(t < t_min) | (t > T)]
        if len(wrong):
            raise ValueError(
                f"{function}: t: expected {expected}, got {wrong[0].item()}{_T_0 * (wrong[0].item() == 0)}"
            )
    return t


_T_0 = ". t = 0 is clean data, the first noise level is t = 1"


def check_choice(function, name, value, choices):
    if value not in choices:
        raise ValueError(
            f"{function}: {name}: expected one of {', '.join(map(repr, choices))}, got {value!r}"
        )


def check_int(function, name, value, least=1, most=math.inf):
    expected = f"an int >= {least}" if most == math.inf else f"an int in {least}..{most}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{function}: {name}: expected {expected}, got {value!r}")
    if not least <= value <= most:
        raise ValueError(f"{function}: {name}: expected {expected}, got {value}")


def check_number(function, name, value, expected, ok):
    """Raise unless value is a real number for which ok(value) holds; NaN fails every comparison."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(f"{function}: {name}: expected {expected}, got {value!r}")
    if not ok(value):
        raise ValueError(f"{function}: {name}: expected {expected}, got {value}")


def check_path(function, name, path, expected):
    """Raise unless path is one; return it as a Path."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{function}: {name}: expected {expected}, got {type(path).__name__}")
    if path == "":
        raise ValueError(f"{function}: {name}: expected {expected}, got ''")
    return Path(path).expanduser()


def check_output(function, eps_hat, x):
    """Raise unless the model's output is real and has the shape and device of its input; its precision is its own."""
    if not isinstance(eps_hat, torch.Tensor) or eps_hat.shape != x.shape:
        got = tuple(eps_hat.shape) if isinstance(eps_hat, torch.Tensor) else type(eps_hat).__name__
        raise ValueError(
            f"{function}: model(x, t): expected a tensor of shape {tuple(x.shape)} like x, got {got}"
        )
    if not eps_hat.is_floating_point():
        raise TypeError(f"{function}: model(x, t): expected real numbers like x, got {eps_hat.dtype}")
    if eps_hat.device != x.device:
        raise ValueError(f"{function}: model(x, t): expected device {x.device} like x, got {eps_hat.device}")


def check_generator(function, generator, device="cpu"):
    """The generator itself, or for None a fresh one, seeded by the operating system: the global RNG stays as it is."""
    if generator is None:
        generator = torch.Generator(device)
        generator.seed()
    elif not isinstance(generator, torch.Generator):
        raise TypeError(
            f"{function}: generator: expected a torch.Generator or None, got {type(generator).__name__}. "
            "Make one with torch.Generator().manual_seed(0)"
        )
    return generator


def randn(shape, generator, like):
    """Standard normal draws on the generator's device, moved to the device and dtype of `like`."""
    return torch.randn(shape, generator=generator, device=generator.device, dtype=like.dtype).to(like.device)


@contextlib.contextmanager
def eval_mode(model, training=False):
    """Put a module (or callable that is none) into eval or training mode for a while; each submodule gets its own back."""
    modules = (
        [m for m in model.modules() if m.training != training] if isinstance(model, torch.nn.Module) else []
    )
    for m in modules:
        m.training = training
    try:
        yield
    finally:
        for m in modules:
            m.training = not training


def device_of(model, default="cpu"):
    """The device that a module's weights lie on; `default` for a callable without any."""
    weight = next(model.parameters(), None) if isinstance(model, torch.nn.Module) else None
    return torch.device(default) if weight is None else weight.device
