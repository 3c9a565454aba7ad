"""Finished weights in small files: those that ship with the package, and those of `labdiff train`."""

import numbers
import os
import warnings
from pathlib import Path

import safetensors
import torch

from labdiff.arguments import check_int, check_path
from labdiff.checkpoint import Step, check_latest, read, unwrapped, write
from labdiff.data import ASSETS
from labdiff.schedule import Schedule
from labdiff.unet import UNet


def pretrained_steps(folder: str | os.PathLike = ASSETS) -> list[int]:
    """Training steps after which weights were saved in `folder`, rising; the last is the finished model."""
    return sorted(_files("pretrained_steps", folder))


def save_weights(
    step: Step, folder: str | os.PathLike, data: str, after: int = 0, size: tuple[int, int] = (28, 28)
) -> Path:
    """Write the averaged weights in half precision, all else as it is, and what rebuilds the model.

    Args:
        step: the Step that train() yielded last, of a UNet.
        folder: existing folder; the file's name is unet_NNNNNN.safetensors with N = after + step.n.
        data: what it was trained on, in words.
        after: number of training steps behind the weights that this run started from.
        size: height and width of what it was trained on, which labdiff sample draws.

    Returns: the file's path.
    Raises: TypeError: step is no Step of a UNet; ValueError: the run has gone on since that step; OSError:
        the file can't be written.
    Warns: UserWarning: the folder has weights of a later step, which load_pretrained takes by default.
    """
    folder = check_path("save_weights", "folder", folder, "a folder's path")
    check_latest("save_weights", step)
    check_int("save_weights", "after", after, 0)
    ema, n = unwrapped(step.ema), after + step.n
    if not isinstance(ema, UNet):
        raise TypeError(
            f"save_weights: step: expected one of a UNet, got one of a {type(ema).__name__}. save_checkpoint "
            "and load_checkpoint keep any network"
        )
    later = [m for m in pretrained_steps(folder) if m > n]
    if later:
        warnings.warn(
            f"save_weights: folder: expected one without weights of a longer run, got {folder} with those of "
            f"step {later[-1]}, which load_pretrained takes. For these: load_pretrained({n}, folder=...)",
            stacklevel=2,
        )
    return write_weights(ema, step.s, folder, n, data, size)


def write_weights(
    model: UNet, s: Schedule, folder: Path, n: int, data: str, size: tuple[int, int] = (28, 28)
) -> Path:
    """What save_weights() does with the weights of step n, averaged or not; returns the file's path."""
    weights = {name for name, _ in model.named_parameters()}
    tensors = {k: (v.half() if k in weights else v) for k, v in model.state_dict().items()}
    path = folder / f"unet_{n:06d}.safetensors"
    about = {"step": n, "unet": model.config, "data": data, "size": size}
    write("save_weights", path, tensors | {"beta": s.beta}, about)
    return path


def load_pretrained(step: int | None = None, folder: str | os.PathLike = ASSETS) -> tuple[UNet, Schedule]:
    """A trained U-Net, and the Schedule that it was trained with.

    Args:
        step: None for the model of most steps, or one of pretrained_steps(folder) for a snapshot; those that
            ship are of a run of their own.
        folder: where the weights are; by default those that ship, trained on MNIST with the linear schedule,
            T = 1000.

    Returns: (model, s): a UNet in eval mode on the CPU, and its Schedule.
    Raises: TypeError: folder is no path; ValueError: no weights of that step, or none that can be read.
    """
    files = _files("load_pretrained", folder)
    if not files:
        raise ValueError(
            f"load_pretrained: folder: expected one with files unet_NNNNNN.safetensors, got {folder}, "
            "which has none. labdiff train --out FOLDER writes some"
        )
    step = max(files) if step is None else step
    if not isinstance(step, numbers.Integral) or isinstance(step, bool) or step not in files:
        steps = ", ".join(map(str, sorted(files)))
        raise ValueError(f"load_pretrained: step: expected one of {steps}, got {step!r}")
    try:
        about, tensors = read(files[step])
        s = Schedule(tensors.pop("beta"))
        tensors = {k.removeprefix("_orig_mod."): v.float() for k, v in tensors.items()}
        alpha_bar = s.alpha_bar if "precondition.signal" in tensors else None
        model = UNet(**about["unet"], alpha_bar=alpha_bar)
        model.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
        raise ValueError(
            f"load_pretrained: folder: expected weights that save_weights wrote, got {files[step]}, which is "
            f"corrupt, or holds something else ({' '.join(str(error).split())})"
        ) from error
    return model.eval(), s


def size_of(step: int | None, folder: str | os.PathLike) -> tuple[int, int]:
    """Height and width of what the weights that load_pretrained(step, folder) gives were trained on."""
    files = _files("size_of", folder)
    height, width = read(files[max(files) if step is None else step])[0].get("size", (28, 28))
    return height, width


def with_labels(model: UNet, classes: int, generator: torch.Generator | None = None) -> UNet:
    """A copy of a UNet that knows `classes` labels, and that predicts without a label what `model` predicts.

    Args:
        model: a UNet, with other labels or none.
        classes: number of labels.
        generator: source of the new labels' embeddings, which are N(0, 1); None for a fresh one.

    Returns: a UNet on the CPU.
    """
    table = None if model.precondition is None else torch.ones(len(model.precondition.signal))
    new = UNet(**model.config | {"classes": classes}, alpha_bar=table, generator=generator)
    state, old = new.state_dict(), model.state_dict()
    no_label = old.pop("label.weight", torch.zeros_like(state["label.weight"]))[-1]
    state["label.weight"][-1] = no_label
    new.load_state_dict(state | old)
    return new


def _files(function: str, folder: str | os.PathLike) -> dict[int, Path]:
    """{step: file}, for the weights in a folder."""
    folder = check_path(function, "folder", folder, "a folder's path")
    paths = [path for path in folder.glob("unet_*.safetensors") if path.stem[5:].isdecimal()]
    return {int(path.stem[5:]): path for path in paths}
