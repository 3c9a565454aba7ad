"""What every public function promises about its arguments, one check for each kind of argument."""

import contextlib
import functools
import math
import numbers
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from labdiff.device import moved
from labdiff.schedule import Schedule
from labdiff.signature import plain


def check_schedule(function: str, s: object) -> None:
    if not isinstance(s, Schedule):
        got = type(s).__name__
        raise TypeError(f"{function}: s: expected a Schedule such as linear_schedule(), got {got}")


def check_data(function: str, tensors: Mapping[str, Any]) -> torch.Tensor:
    """Raise unless all tensors are real, finite, non-empty and alike; return the first."""
    first_name, first = next(iter(tensors.items()))
    for name, x in tensors.items():
        if not isinstance(x, torch.Tensor):
            got = f"{type(x).__name__}{tensor_instead(name, x)}"
            raise TypeError(f"{function}: {name}: expected a tensor, got {got}")
        if not x.is_floating_point():
            use = f"{name}.float()" + " / 127.5 - 1" * (x.dtype == torch.uint8)
            expected = "real numbers such as float32"
            raise TypeError(f"{function}: {name}: expected {expected}, got {x.dtype}. Use {use}")
        check_dense(function, name, x)
        if x.ndim == 0 or x.numel() == 0:
            got = tuple(x.shape)
            raise ValueError(f"{function}: {name}: expected a non-empty batch (B, ...), got shape {got}")
        if x.shape != first.shape or x.dtype != first.dtype or x.device != first.device:
            what = next(w for w in ("shape", "dtype", "device") if getattr(x, w) != getattr(first, w))
            show = tuple if what == "shape" else str
            expected, got = (show(getattr(tensor, what)) for tensor in (first, x))
            raise (TypeError if what == "dtype" else ValueError)(
                f"{function}: {name}: expected {what} {expected} like {first_name}, got {got}"
            )
    if first.is_meta:
        raise ValueError(f"{function}: {first_name}: expected a device that holds numbers, got meta")
    check_finite(function, tensors)
    return first


def check_dense(function: str, name: str, x: torch.Tensor) -> None:
    """Raise for real tensors that torch's formulas do not take: sparse ones, and floats of 8 bits."""
    if x.layout is not torch.strided:
        use = f"Use {name}.to_dense()"
        raise ValueError(f"{function}: {name}: expected a dense tensor, got {x.layout}. {use}")
    if x.is_floating_point() and x.dtype.itemsize < 2:
        expected = "float16, bfloat16, float32 or float64"
        raise TypeError(f"{function}: {name}: expected {expected}, got {x.dtype}. Use {name}.float()")


def tensor_instead(name: str, x: object) -> str:
    """What to give in place of x, which is no tensor, as the end of a message."""
    for own in (name, "images"):
        if isinstance(getattr(x, own, None), torch.Tensor):
            return f". Give it {type(x).__name__.lower()}.{own}"
    if hasattr(x, "__array__") or isinstance(x, (list, tuple)):
        return f". Use torch.stack({name}) or torch.as_tensor({name})"
    many = hasattr(x, "__iter__") or hasattr(x, "__getitem__")
    return ". Give it one tensor of all: torch.stack([x for x, *_ in dataset])" * many


def check_finite(function: str, tensors: Mapping[str, torch.Tensor], got: str = "") -> None:
    """Raise unless all numbers of tensors that broadcast together are finite."""
    # NaN and infinity survive products and sums, which are cheaper than isfinite; overflow is looked at again
    if math.isfinite(functools.reduce(torch.mul, tensors.values()).sum().item()):
        return
    for name, x in tensors.items():
        finite = torch.isfinite(x)
        if not finite.all():
            got = got or f"{int((~finite).sum())} of {x.numel()} that are NaN or infinite"
            raise ValueError(f"{function}: {name}: expected finite numbers, got {got}")


def check_t(
    function: str, t: Any, T: float, t_min: int, x: torch.Tensor | None = None, wait: bool = True
) -> torch.Tensor:
    """Raise unless t is an int or int64 (B,) in t_min..T on x's device (0-d: an int); return a tensor (B,).

    T may be math.inf. With wait=False the range is checked where that neither waits nor breaks a graph."""
    B = 1 if x is None else x.shape[0]

    def wrong(kind: type[Exception], got: object) -> Exception:
        shape, most = "(B,)" if x is None else f"({B},)", "T" if T == math.inf else T
        expected = f"an int, or an int64 tensor of shape {shape}, in {t_min}..{most}"
        return kind(f"{function}: t: expected {expected}, got {got}{_T_0 * (got == 0)}")

    if not isinstance(t, torch.Tensor):
        t = plain(t)
        if not isinstance(t, int) or isinstance(t, bool):
            use = ". Use torch.as_tensor(t)" * isinstance(t, list | tuple | np.ndarray)
            raise wrong(TypeError, f"{type(t).__name__} {t!r}{use}")
        if not t_min <= t <= min(T, 2**63 - 1):
            raise wrong(ValueError, t)
        return torch.full((B,), t, device=None if x is None else x.device)
    if t.dtype != torch.int64:
        raise wrong(TypeError, f"{t.dtype}{'. Use t.long()' * (t.dtype != torch.bool)}")
    if t.ndim == 0:
        t = t.repeat(B)
    if t.ndim != 1 or t.shape[0] == 0 or (x is not None and t.shape[0] != B):
        raise wrong(ValueError, f"shape {tuple(t.shape)}")
    if x is not None and t.device != x.device:
        raise ValueError(f"{function}: t: expected device {x.device} like the data, got {t.device}")
    if t.is_meta:
        raise ValueError(f"{function}: t: expected a device that holds numbers, got meta")
    if wait or (t.device.type == "cpu" and not torch.compiler.is_compiling()):
        values = t.tolist()
        if min(values) < t_min or max(values) > T:
            raise wrong(ValueError, next(n for n in values if not t_min <= n <= T))
    return t


LARGEST = 2**31 - 1  # whole numbers beyond are no sizes or counts
_T_0 = ". t = 0 is clean data, the first noise level is t = 1"


def check_choice(function: str, name: str, value: object, choices: tuple) -> None:
    if not isinstance(value, str | int | None) or isinstance(value, bool) or value not in choices:
        raise ValueError(
            f"{function}: {name}: expected one of {', '.join(map(repr, choices))}, got {value!r}"
        )


def check_int(function: str, name: str, value: Any, least: int = 1, most: float = math.inf) -> None:
    expected = f"an int >= {least}" if most == math.inf else f"an int in {least}..{most}"
    if not isinstance(value, int) or isinstance(value, bool):
        got = "a tensor" if isinstance(value, torch.Tensor) else repr(value)
        raise TypeError(f"{function}: {name}: expected {expected}, got {got}")
    if not least <= value <= min(most, LARGEST):
        expected = f"an int in {least}..{LARGEST}" if value > LARGEST else expected
        raise ValueError(f"{function}: {name}: expected {expected}, got {value}")


def check_number(function: str, name: str, value: Any, expected: str, ok: Callable[[Any], bool]) -> None:
    """Raise unless value is a real number for which ok(value) holds; NaN fails every comparison."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(f"{function}: {name}: expected {expected}, got {value!r}")
    if not ok(value):
        raise ValueError(f"{function}: {name}: expected {expected}, got {value}")


def check_path(function: str, name: str, path: Any, expected: str) -> Path:
    """Raise unless path is one; return it as a Path."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{function}: {name}: expected {expected}, got {type(path).__name__}")
    if path == "":
        raise ValueError(f"{function}: {name}: expected {expected}, got ''")
    return Path(path).expanduser()


def check_generator(function: str, generator: Any, device: torch.device | str = "cpu") -> torch.Generator:
    """The generator itself, or for None a fresh one with a random seed: the global RNG stays as it is."""
    if generator is None:
        generator = torch.Generator(device)
        generator.seed()
    elif not isinstance(generator, torch.Generator):
        raise TypeError(
            f"{function}: generator: expected a torch.Generator or None, got {type(generator).__name__}. "
            "Make one with torch.Generator().manual_seed(0)"
        )
    return generator


def randn(shape: tuple[int, ...], generator: torch.Generator, like: torch.Tensor) -> torch.Tensor:
    """Standard normal draws on the generator's device, moved to the device and dtype of `like`."""
    on = generator.device
    return moved(torch.randn(shape, generator=generator, device=on, dtype=like.dtype), like.device)


@contextlib.contextmanager
def eval_mode(model: object, training: bool = False) -> Iterator[None]:
    """Put a module (or another callable) into eval or training mode for a while, then back into its own."""
    modules = model.modules() if isinstance(model, torch.nn.Module) else ()
    modules = [m for m in modules if m.training != training]
    for m in modules:
        m.training = training
    try:
        yield
    finally:
        for m in modules:
            m.training = not training


def device_of(model: object, default: torch.device | str = "cpu") -> torch.device:
    """The device that a module's weights lie on; `default` for a callable without any."""
    weight = next(model.parameters(), None) if isinstance(model, torch.nn.Module) else None
    return torch.device(default) if weight is None else weight.device
