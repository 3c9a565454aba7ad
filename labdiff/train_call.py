"""What train asks of its arguments, beside the checks of calls.py."""

import math
import warnings
from typing import Any

import torch

from labdiff.arguments import check_data, check_generator, check_int, check_number, check_schedule
from labdiff.checkpoint import Checkpoint, unwrapped
from labdiff.model_argument import check_model
from labdiff.precondition import check_trained_with
from labdiff.training import processes
from labdiff.unet import UNet


def train(name: str, given: dict[str, Any]) -> None:
    model, s, resume, n_steps = (given[k] for k in ("model", "s", "resume", "n_steps"))
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"{name}: model: expected a torch.nn.Module, got {type(model).__name__}")
    if any(torch.nn.parameter.is_lazy(p) for p in model.parameters()):
        use = "Call it once before: model(images[:1], torch.ones(1, dtype=torch.int64))"
        raise ValueError(f"{name}: model: expected weights of known shapes, got lazy ones. {use}")
    if not any(p.requires_grad for p in model.parameters()):
        got = f"a {type(model).__name__} without"
        raise ValueError(f"{name}: model: expected parameters that require gradients, got {got}")
    check_schedule(name, s)
    if torch.is_inference_mode_enabled():
        raise ValueError(
            f"{name}: expected to be called outside of torch.inference_mode(), got a call inside"
        )
    if any(p.is_inference() for p in model.parameters()):
        got = "one made in torch.inference_mode()"
        raise ValueError(f"{name}: model: expected weights that can be trained, got {got}. Make it outside")
    for argument, least in (("n_steps", 1), ("batch_size", 1), ("warmup", 0), ("accumulate", 1)):
        check_int(name, argument, given[argument], least)
    parts = processes()[1] * given["accumulate"]
    if given["batch_size"] % parts:
        expected = f"a multiple of {parts} (processes{' times accumulate' * (given['accumulate'] > 1)})"
        raise ValueError(f"{name}: batch_size: expected {expected}, got {given['batch_size']}")
    check_number(name, "lr", given["lr"], "a number > 0", lambda v: 0 < v < math.inf)
    check_number(name, "clip", given["clip"], "a number > 0", lambda v: v > 0)
    check_number(name, "min_snr", given["min_snr"], "a number > 0", lambda v: v > 0)
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
    labelled = given["labels"] is not None
    if labelled and not isinstance(getattr(unwrapped(model), "classes", None), int):
        got = f"a {type(model).__name__} without classes. An own network says how many it knows, as "
        got += "self.classes = 10, and takes that number, 10, for no label"
        raise ValueError(f"{name}: labels: expected a model with labels, such as UNet(classes=10), got {got}")
    check_model(name, model, arguments=3 if labelled else 2, wrapped=False)
    check_trained_with(name, model, s, ", or make a new model")
    _images(name, given["images"], model)
    if given["labels"] is not None:
        _labels(name, given["labels"], given["images"], model)


def _images(name, images, model):
    check_data(name, {"images": images})
    dtype = next(p.dtype for p in model.parameters() if p.requires_grad)
    if dtype in (torch.float16, torch.bfloat16):
        expected = "float32 weights (bfloat16 is used inside, where it pays)"
        raise TypeError(f"{name}: model: expected {expected}, got {dtype}. Use model.float()")
    own = unwrapped(model)
    channels = own.config["image_channels"] if isinstance(own, UNet) else None
    if channels and images.dtype != dtype:
        expected = f"{dtype} like the model's weights"
        use = "images.float()" if dtype == torch.float32 else f"images.to({dtype})"
        raise TypeError(f"{name}: images: expected {expected}, got {images.dtype}. Use {use}")
    if channels and (images.ndim != 4 or images.shape[1] != channels):
        _shape(name, images.shape, channels)
    low, high = (v.item() for v in images.aminmax())
    expected = f"{name}: images: expected values in about [-1, 1], got {low:g}..{high:g}"
    if max(-low, high) > 10:
        top = 255 if high < 256 else 65535
        raise ValueError(f"{expected}. Grey levels 0..{top}: use images / {top / 2} - 1")
    hint = None
    if low >= 0:
        hint = "From [0, 1]: use 2 * images - 1"
    elif images.ndim == 4 and max(-low, high) > 1.5:
        hint = (
            "Images are shown and samples clipped in [-1, 1]: use 2 * (x - x.min()) / (x.max() - x.min()) - 1"
        )
    if hint:
        warnings.warn(f"{expected}. {hint}", stacklevel=4)  # the line that calls train


def _shape(name, shape, channels):
    """Say what to do with images that are not (N, channels, H, W)."""
    if len(shape) == 3:
        use = "Use images[:, None]"
    elif len(shape) == 4 and shape[-1] == channels:
        use = "Use images.permute(0, 3, 1, 2)"
    elif len(shape) == 4:
        use = f"Make the model with UNet(image_channels={shape[1]})"
    else:
        use = f"Use images.reshape(-1, {channels}, H, W)"
    expected = f"(N, {channels}, H, W) for this model"
    raise ValueError(f"{name}: images: expected {expected}, got {tuple(shape)}. {use}")


def _labels(name, labels, images, model):
    classes = unwrapped(model).classes
    expected = f"an int64 tensor of shape ({len(images)},) like the images, in 0..{classes - 1}"
    if not isinstance(labels, torch.Tensor) or labels.dtype != torch.int64:
        got = f"{type(labels).__name__}. Use torch.as_tensor(labels)"
        if isinstance(labels, torch.Tensor):
            use = "labels.argmax(1)" if labels.ndim == 2 else "labels.long()"
            got = f"{labels.dtype}. Use {use}"
        raise TypeError(f"{name}: labels: expected {expected}, got {got}")
    if labels.shape != images.shape[:1]:
        raise ValueError(f"{name}: labels: expected {expected}, got shape {tuple(labels.shape)}")
    if labels.is_meta:
        raise ValueError(f"{name}: labels: expected a device that holds numbers, got meta")
    low, high = (v.item() for v in labels.aminmax())
    if low < 0 or high >= classes:
        raise ValueError(f"{name}: labels: expected {expected}, got {low}..{high}")
