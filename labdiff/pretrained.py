"""The weights that ship with the package: a U-Net trained on the full MNIST set by tools/make_weights.py."""

import json

import safetensors

from labdiff.data import ASSETS
from labdiff.schedule import Schedule
from labdiff.unet import UNet


def pretrained_steps():
    """Training steps after which the shipped weights were saved, rising; the last is the finished model."""
    return sorted(int(path.stem.removeprefix("unet_")) for path in ASSETS.glob("unet_*.safetensors"))


def load_pretrained(step=None):
    """A U-Net trained on MNIST, and the Schedule that it was trained with.

    Args:
        step: None for the finished model, or one of pretrained_steps() for a snapshot of its training.

    Returns: (model, s): a UNet in eval mode on the CPU, and its Schedule (linear, T = 1000).
    Raises: ValueError: no weights of that step.
    """
    steps = pretrained_steps()
    step = steps[-1] if step is None else step
    if step not in steps:
        raise ValueError(f"load_pretrained: step: expected one of {', '.join(map(str, steps))}, got {step!r}")
    with safetensors.safe_open(ASSETS / f"unet_{step:06d}.safetensors", "pt") as file:
        config = json.loads(file.metadata()["labdiff"])["unet"]
        tensors = {k: file.get_tensor(k) for k in file.keys()}
    s = Schedule(tensors.pop("beta"))
    model = UNet(**config, alpha_bar=s.alpha_bar)
    model.load_state_dict({k: v.float() for k, v in tensors.items()})
    return model.eval(), s
