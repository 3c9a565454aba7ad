"""Finished weights in small files: those that ship with the package, and those that python -m labdiff.training writes."""

import json
from pathlib import Path

import safetensors.torch

from labdiff.arguments import check_path
from labdiff.data import ASSETS
from labdiff.schedule import Schedule
from labdiff.unet import UNet


def pretrained_steps(folder=ASSETS):
    """Training steps after which weights were saved in `folder`, rising; the last is the finished model."""
    folder = check_path("pretrained_steps", "folder", folder, "a folder's path")
    return sorted(int(path.stem[5:]) for path in folder.glob("unet_*.safetensors") if path.stem[5:].isdigit())


def save_weights(step, folder, data):
    """Write the averaged weights in half precision, all else as it is, and what rebuilds the model around them.

    Args:
        step: a Step that train() yielded for a UNet; the file is folder/unet_NNNNNN.safetensors.
        folder: existing folder.
        data: what it was trained on, in words.

    Returns: the file's path.
    """
    weights = {name for name, _ in step.ema.named_parameters()}
    tensors = {
        k: (v.half() if k in weights else v).cpu().contiguous() for k, v in step.ema.state_dict().items()
    }
    about = {"step": step.n, "unet": step.ema.config, "data": data}
    path = Path(folder) / f"unet_{step.n:06d}.safetensors"
    safetensors.torch.save_file(tensors | {"beta": step.s.beta}, path, {"labdiff": json.dumps(about)})
    return path


def load_pretrained(step=None, folder=ASSETS):
    """A trained U-Net, and the Schedule that it was trained with.

    Args:
        step: None for the finished model, or one of pretrained_steps(folder) for a snapshot of its training.
        folder: where the weights are; by default those that ship, trained on MNIST with the linear schedule, T = 1000.

    Returns: (model, s): a UNet in eval mode on the CPU, and its Schedule.
    Raises: TypeError: folder is no path; ValueError: no weights of that step.
    """
    folder = check_path("load_pretrained", "folder", folder, "a folder's path")
    steps = pretrained_steps(folder)
    if not steps:
        raise ValueError(
            f"load_pretrained: folder: expected one with files unet_NNNNNN.safetensors, got {folder}, "
            "which has none. python -m labdiff.training --out FOLDER writes some"
        )
    step = steps[-1] if step is None else step
    if step not in steps:
        raise ValueError(f"load_pretrained: step: expected one of {', '.join(map(str, steps))}, got {step!r}")
    with safetensors.safe_open(folder / f"unet_{step:06d}.safetensors", "pt") as file:
        config = json.loads(file.metadata()["labdiff"])["unet"]
        tensors = {k: file.get_tensor(k) for k in file.keys()}
    s = Schedule(tensors.pop("beta"))
    model = UNet(**config, alpha_bar=s.alpha_bar)
    model.load_state_dict({k: v.float() for k, v in tensors.items()})
    return model.eval(), s
