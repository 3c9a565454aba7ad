"""labdiff: the library behind the diffusion lab notebooks.

t is the slides' t everywhere: t = 1..T are noise levels, t = 0 is clean data. Randomness comes only from
`generator`, a slider's `seed` or an explicit `eps`. Start with `import labdiff as ld`.
"""

from typing import Any as _Any

from labdiff.checkpoint import Checkpoint, Step
from labdiff.data import Digits
from labdiff.edge import (
    cosine_schedule,
    ddim_steps,
    ddpm_steps,
    dpm_steps,
    elbo,
    eps_loss,
    eps_weight,
    guided,
    inpaint,
    interpolate,
    invert,
    linear_schedule,
    load_checkpoint,
    load_digits,
    load_images,
    load_pretrained,
    normal_kl,
    p_mean,
    pick_device,
    predict_x0,
    pretrained_steps,
    q_posterior,
    q_sample,
    q_step,
    sample,
    save_checkpoint,
    spiral,
    timestep_embedding,
    train,
    two_bumps,
)
from labdiff.objective import Elbo
from labdiff.schedule import Schedule
from labdiff.toys import GaussianMixture
from labdiff.unet import Preconditioned, UNet

__version__ = "0.1.0"

_LAZY = {"plot", "widgets"}  # modules that are imported on first use: they need matplotlib, ipywidgets
_RESULTS = {"Checkpoint", "Elbo", "Preconditioned", "Step"}  # what functions return, not there to be typed


def __getattr__(name: str) -> _Any:
    from importlib import import_module

    if name in _LAZY:
        return import_module(f"labdiff.{name}")
    if name in ("check", "yours"):
        return getattr(import_module("labdiff.checks"), name)
    raise AttributeError(f"module 'labdiff' has no attribute {name!r}")


def __dir__() -> list[str]:
    """For the Tab key: the public names, without the modules that hold them."""
    own = {k for k, v in globals().items() if not k.startswith("_") and callable(v)}
    return sorted((own | _LAZY | {"check", "yours"}) - _RESULTS)
