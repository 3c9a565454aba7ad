"""What the public functions ask of their arguments: one check for each, which may replace some."""

import math
import numbers
import warnings
from typing import Any

import torch

from labdiff.arguments import (
    check_choice,
    check_data,
    check_finite,
    check_generator,
    check_int,
    check_label,
    check_model,
    check_number,
    check_schedule,
    check_t,
)
from labdiff.checkpoint import Checkpoint
from labdiff.training import processes


def levels(name: str, given: dict[str, Any]) -> None:
    check_int(name, "T", given["T"])
    for beta in {"beta_1", "beta_T"} & given.keys():
        check_number(name, beta, given[beta], "a number in (0, 1)", lambda v: 0 < v < 1)
    if "offset" in given:
        check_number(name, "offset", given["offset"], "a number in [0, 1)", lambda v: 0 <= v < 1)


def embedding(name: str, given: dict[str, Any]) -> None:
    given["t"], dim = check_t(name, given["t"], math.inf, 0), given["dim"]
    if not isinstance(dim, int) or dim < 2 or dim % 2:
        raise ValueError(f"{name}: dim: expected an even int >= 2, got {dim!r}")


def normals(name: str, given: dict[str, Any]) -> None:
    """Means and variances are real, finite, and alike but for dimensions of 1; numbers become tensors."""
    tensors = [v for v in given.values() if isinstance(v, torch.Tensor)]
    like = tensors[0] if tensors else torch.zeros((), dtype=torch.float64)
    for k, v in given.items():
        if isinstance(v, numbers.Real) and not isinstance(v, bool):
            given[k] = torch.tensor(v, dtype=like.dtype, device=like.device)
        elif not isinstance(v, torch.Tensor) or not v.is_floating_point():
            got = v.dtype if isinstance(v, torch.Tensor) else type(v).__name__
            raise TypeError(f"{name}: {k}: expected real numbers, a tensor of them or one alone, got {got}")
        elif v.device != like.device:
            raise ValueError(f"{name}: {k}: expected device {like.device} like the others, got {v.device}")
        elif v.numel() == 0:
            raise ValueError(f"{name}: {k}: expected at least one number, got shape {tuple(v.shape)}")
        elif v.is_meta:
            raise ValueError(f"{name}: {k}: expected a device that holds numbers, got meta")
    check_finite(name, given, "NaN or infinity")
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
    elif not isinstance(shape, tuple | list) or not shape or not all(type(n) is int and n > 0 for n in shape):
        raise ValueError(f"{name}: shape: expected whole numbers >= 1 such as (16, 1, 28, 28), got {shape!r}")
    if "n_steps" in given and name != "sample":
        check_int(name, "n_steps", given["n_steps"])
        if given["n_steps"] > (levels := given["t"] or s.T):
            expected = f"at most one for each of the {levels} noise levels"
            raise ValueError(f"{name}: n_steps: expected {expected}, got {given['n_steps']}")
    if "eta" in given:
        check_number(name, "eta", given["eta"], "a number in [0, 1]", lambda v: 0 <= v <= 1)


def sample(name: str, given: dict[str, Any]) -> None:
    check_choice(name, "method", given["method"], ("ddpm", "ddim", "dpm"))
    sampler(name, given)
    n_steps, T = given["n_steps"], given["s"].T
    if n_steps is not None:
        check_int(name, "n_steps", n_steps, most=T)
        if given["method"] == "ddpm" and n_steps < T:
            expected = f"None or T = {T} for method='ddpm'"
            raise ValueError(f"{name}: n_steps: expected {expected}, got {n_steps}. Use method='ddim'")


def guided(name: str, given: dict[str, Any]) -> None:
    model, label = given["model"], given["label"]
    check_model(name, model)
    if getattr(model, "classes", 0) is None:
        got = f"a {type(model).__name__} without"
        raise ValueError(f"{name}: model: expected one with labels, such as UNet(classes=10), got {got}")
    check_number(name, "scale", given["scale"], "a finite number", math.isfinite)
    like = label if isinstance(label, torch.Tensor) and label.ndim == 1 else torch.empty(1)
    if label is None:
        raise TypeError(f"{name}: label: expected an int, or an int64 tensor of shape (B,), got None")
    check_label(name, label, getattr(model, "classes", math.inf), like)


def train(name: str, given: dict[str, Any]) -> None:
    model, s, resume, n_steps = (given[k] for k in ("model", "s", "resume", "n_steps"))
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"{name}: model: expected a torch.nn.Module, got {type(model).__name__}")
    if not any(p.requires_grad for p in model.parameters()):
        got = f"a {type(model).__name__} without"
        raise ValueError(f"{name}: model: expected parameters that require gradients, got {got}")
    check_schedule(name, s)
    for argument, least in (("n_steps", 1), ("batch_size", 1), ("warmup", 0), ("accumulate", 1)):
        check_int(name, argument, given[argument], least)
    parts = processes()[1] * given["accumulate"]
    if given["batch_size"] % parts:
        expected = f"a multiple of {parts} (processes{' times accumulate' * (given['accumulate'] > 1)})"
        raise ValueError(f"{name}: batch_size: expected {expected}, got {given['batch_size']}")
    check_number(name, "lr", given["lr"], "a number > 0", lambda v: 0 < v < math.inf)
    check_number(name, "clip", given["clip"], "a number > 0", lambda v: v > 0)
    check_number(name, "ema_decay", given["ema_decay"], "a number in [0, 1)", lambda v: 0 <= v < 1)
    check_number(name, "drop_label", given["drop_label"], "a number in [0, 1]", lambda v: 0 <= v <= 1)
    check_generator(name, given["generator"])
    if resume is not None and not isinstance(resume, Checkpoint):
        got = type(resume).__name__
        raise TypeError(f"{name}: resume: expected what load_checkpoint() returned, got {got}")
    if resume is not None and not torch.equal(resume.s.beta, s.beta):
        expected = f"a checkpoint made with this schedule {s}"
        raise ValueError(f"{name}: resume: expected {expected}, got one made with {resume.s}")
    if resume is not None and n_steps < resume.n:
        expected = f"at least the {resume.n} steps that the checkpoint has done, for they count too"
        raise ValueError(f"{name}: n_steps: expected {expected}, got {n_steps}")
    _images(name, given["images"])
    if given["labels"] is not None:
        _labels(name, given["labels"], given["images"], model)


def _images(name, images):
    check_data(name, {"images": images})
    low, high = (v.item() for v in images.aminmax())
    expected = f"{name}: images: expected values in about [-1, 1], got {low:g}..{high:g}"
    if max(-low, high) > 10:
        raise ValueError(f"{expected}. Grey levels 0..255: use images / 127.5 - 1")
    if low >= 0:
        warnings.warn(
            f"{expected}. From [0, 1]: use 2 * images - 1", stacklevel=4
        )  # the line that calls train


def _labels(name, labels, images, model):
    classes = getattr(model, "classes", None)
    if not isinstance(classes, int):
        got = f"a {type(model).__name__} without classes"
        raise ValueError(f"{name}: labels: expected a model with labels, such as UNet(classes=10), got {got}")
    expected = f"an int64 tensor of shape ({len(images)},) like the images, in 0..{classes - 1}"
    if not isinstance(labels, torch.Tensor) or labels.dtype != torch.int64:
        got = labels.dtype if isinstance(labels, torch.Tensor) else type(labels).__name__
        raise TypeError(f"{name}: labels: expected {expected}, got {got}")
    if labels.shape != images.shape[:1]:
        raise ValueError(f"{name}: labels: expected {expected}, got shape {tuple(labels.shape)}")
    low, high = (v.item() for v in labels.aminmax())
    if low < 0 or high >= classes:
        raise ValueError(f"{name}: labels: expected {expected}, got {low}..{high}")
