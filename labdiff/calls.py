"""What the public functions ask of their arguments: one check for each, which may replace some."""

import math
import numbers
from typing import Any

import torch

from labdiff.arguments import (
    LARGEST,
    check_choice,
    check_data,
    check_dense,
    check_finite,
    check_generator,
    check_int,
    check_number,
    check_schedule,
    check_t,
)
from labdiff.model_argument import check_label, check_model
from labdiff.precondition import check_trained_with


def levels(name: str, given: dict[str, Any]) -> None:
    check_int(name, "T", given["T"])
    for beta in {"beta_1", "beta_T"} & given.keys():
        check_number(name, beta, given[beta], "a number in (0, 1)", lambda v: 0 < v < 1)
    if "offset" in given:
        check_number(name, "offset", given["offset"], "a number in [0, 1)", lambda v: 0 <= v < 1)


def embedding(name: str, given: dict[str, Any]) -> None:
    given["t"], dim = check_t(name, given["t"], math.inf, 0), given["dim"]
    if not isinstance(dim, int) or isinstance(dim, bool) or not 2 <= dim <= LARGEST or dim % 2:
        raise ValueError(f"{name}: dim: expected an even int >= 2, got {dim!r}")


def normals(name: str, given: dict[str, Any]) -> None:
    """Means and variances are real, finite, and alike but for dimensions of 1; numbers become tensors."""
    tensors = [v for v in given.values() if isinstance(v, torch.Tensor)]
    like = tensors[0] if tensors else torch.zeros((), dtype=torch.float64)
    for k, v in given.items():
        if isinstance(v, numbers.Real) and not isinstance(v, bool):
            given[k] = torch.tensor(v, dtype=like.dtype, device=like.device)
            continue
        if not isinstance(v, torch.Tensor) or not v.is_floating_point():
            got = v.dtype if isinstance(v, torch.Tensor) else type(v).__name__
            raise TypeError(f"{name}: {k}: expected real numbers, a tensor of them or one alone, got {got}")
        check_dense(name, k, v)
        if v.device != like.device:
            raise ValueError(f"{name}: {k}: expected device {like.device} like the others, got {v.device}")
        if v.numel() == 0:
            raise ValueError(f"{name}: {k}: expected at least one number, got shape {tuple(v.shape)}")
        if v.is_meta:
            raise ValueError(f"{name}: {k}: expected a device that holds numbers, got meta")
    for k in ("var1", "var2"):
        if (least := given[k].min().item()) <= 0:
            raise ValueError(f"{name}: {k}: expected a variance > 0, got {least:g}")
    if len({v.shape for v in tensors}) > 1:
        shapes = {k: tuple(v.shape) for k, v in given.items() if v.ndim}
        sizes = [max(size) for size in zip(*shapes.values(), strict=False)]
        for shape in shapes.values():
            if len(shape) != len(sizes) or any(n not in (1, m) for n, m in zip(shape, sizes, strict=True)):
                expected = "shapes that agree dimension by dimension, or have 1 there"
                raise ValueError(f"{name}: expected {expected}, got {shapes}")
    check_finite(name, given, "NaN or infinity")


def elbo(name: str, given: dict[str, Any]) -> None:
    x0, bins = given["x0"], given["bins"]
    check_choice(name, "var", given["var"], ("beta", "beta_tilde"))
    check_generator(name, given["generator"])
    if bins is not None:
        check_int(name, "bins", bins, least=2)
        low, high = (v.item() for v in x0.detach().aminmax())
        if max(-low, high) > 1 + 1 / bins:
            raise ValueError(
                f"{name}: x0: expected {bins} levels in [-1, 1], got {low:g}..{high:g}. Scale it, or use "
                "bins=None for real-valued data"
            )


def sampler(name: str, given: dict[str, Any]) -> None:
    s, shape = given["s"], given["shape"]
    check_model(name, given["model"])
    check_schedule(name, s)
    check_generator(name, given["generator"])
    starts = {k: given[k] for k in ("shape", "xt", "t") if given.get(k) is not None}
    if starts.keys() == {"xt", "t"}:
        check_data(name, {"xt": given["xt"]})
        check_int(name, "t", given["t"], most=s.T)
    elif starts.keys() != {"shape"}:
        got = " and ".join(starts) or "neither"
        raise ValueError(f"{name}: shape: expected either shape, or xt with its t, got {got}")
    elif not isinstance(shape, tuple | list) or not shape or not all(map(_is_count, shape)):
        got = "a tensor. Use tuple(x.shape)" if isinstance(shape, torch.Tensor) else repr(shape)
        raise ValueError(f"{name}: shape: expected whole numbers >= 1 such as (16, 1, 28, 28), got {got}")
    if given.get("n_steps") is not None and name != "sample":
        check_int(name, "n_steps", given["n_steps"])
        if given["n_steps"] > (levels := given["t"] or s.T):
            expected = f"at most one for each of the {levels} noise levels"
            raise ValueError(f"{name}: n_steps: expected {expected}, got {given['n_steps']}")
    if "eta" in given:
        check_number(name, "eta", given["eta"], "a number in [0, 1]", lambda v: 0 <= v <= 1)


def _is_count(n):
    return isinstance(n, numbers.Integral) and not isinstance(n, bool) and n > 0


def sample(name: str, given: dict[str, Any]) -> None:
    check_choice(name, "method", given["method"], ("ddpm", "ddim", "dpm"))
    sampler(name, given)
    if not given["any_schedule"]:
        check_trained_with(name, given["model"], given["s"])
    n_steps, T = given["n_steps"], given["s"].T
    if n_steps is not None:
        check_int(name, "n_steps", n_steps, most=T)
        if given["method"] == "ddpm" and n_steps < T:
            expected = f"None or T = {T} for method='ddpm'"
            raise ValueError(f"{name}: n_steps: expected {expected}, got {n_steps}. Use method='ddim'")


def guided(name: str, given: dict[str, Any]) -> None:
    model, label = given["model"], given["label"]
    check_model(name, model, arguments=3)
    if getattr(model, "classes", 0) is None:
        got = f"a {type(model).__name__} without"
        raise ValueError(f"{name}: model: expected one with labels, such as UNet(classes=10), got {got}")
    check_number(name, "scale", given["scale"], "a finite number", math.isfinite)
    if label is None:
        raise TypeError(f"{name}: label: expected an int, or an int64 tensor of shape (B,), got None")
    if isinstance(label, torch.Tensor) and label.is_meta:
        raise ValueError(f"{name}: label: expected a device that holds numbers, got meta")
    label = label.cpu() if isinstance(label, torch.Tensor) else label  # where its range is looked at
    like = label if isinstance(label, torch.Tensor) and label.ndim == 1 else torch.empty(1, device="cpu")
    classes = getattr(model, "classes", math.inf)
    within = f", in 0..{classes} ({classes}: no label)" if classes != math.inf else ""
    expected = f"an int, or an int64 tensor of shape (B,){within}"
    check_label(name, label, classes, like, expected)
    if isinstance(label, torch.Tensor) and label.numel() == 0:
        raise ValueError(f"{name}: label: expected {expected}, got shape {tuple(label.shape)}")


def inpaint(name: str, given: dict[str, Any]) -> None:
    x0, mask = given["x0"], given["mask"]
    check_model(name, given["model"])
    check_schedule(name, given["s"])
    check_data(name, {"x0": _finite(x0)})
    if not isinstance(mask, torch.Tensor) or mask.is_complex():
        got = mask.dtype if isinstance(mask, torch.Tensor) else type(mask).__name__
        raise TypeError(f"{name}: mask: expected a tensor of 0 and 1, got {got}")
    check_dense(name, "mask", mask)
    fits = mask.ndim == x0.ndim and all(n in (1, m) for n, m in zip(mask.shape, x0.shape, strict=True))
    if not fits or mask.device != x0.device:
        expected = f"shape {tuple(x0.shape)} like x0 or with 1 in places, on {x0.device}"
        raise ValueError(f"{name}: mask: expected {expected}, got {tuple(mask.shape)} on {mask.device}")
    if not ((mask == 0) | (mask == 1)).all():
        raise ValueError(f"{name}: mask: expected 1 (known) and 0 (open) alone, got other numbers")
    check_finite(name, {"x0": torch.where(mask == 1, x0, 0)})  # what is open may be anything
    if given["n_steps"] is not None:
        check_int(name, "n_steps", given["n_steps"], most=given["s"].T)
    check_int(name, "resample", given["resample"])
    check_generator(name, given["generator"])


def _finite(x):
    """x with 0 for NaN and infinity; what is no tensor of plain real numbers as it is."""
    real = isinstance(x, torch.Tensor) and x.layout == torch.strided and x.dtype in FLOATS
    return torch.where(torch.isfinite(x), x, 0) if real else x


FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def interpolate(name: str, given: dict[str, Any]) -> None:
    check_number(name, "w", given["w"], "a number in [0, 1]", lambda v: 0 <= v <= 1)


def invert(name: str, given: dict[str, Any]) -> None:
    check_int(name, "n_steps", given["n_steps"], most=given["s"].T)
