"""labdiff: the library behind the diffusion lab notebooks.

t is the slides' t everywhere: t = 1..T are noise levels, t = 0 is clean data. Randomness comes only from `generator`
or an explicit `eps`. Start with `import labdiff as ld`.
"""

import importlib

from labdiff.checkpoint import Checkpoint, Step, load_checkpoint, save_checkpoint
from labdiff.data import Digits, load_digits
from labdiff.device import pick_device
from labdiff.image_folder import load_images
from labdiff.objective import Elbo, elbo, eps_loss, eps_weight, normal_kl
from labdiff.pretrained import load_pretrained, pretrained_steps
from labdiff.process import p_mean, predict_x0, q_posterior, q_sample, q_step
from labdiff.sampling import ddim_steps, ddpm_steps, dpm_steps, sample
from labdiff.schedule import Schedule, cosine_schedule, linear_schedule
from labdiff.toys import GaussianMixture, spiral, two_bumps
from labdiff.training import train
from labdiff.unet import Preconditioned, UNet, timestep_embedding

__version__ = "0.1.0"

_LAZY = {
    "plot": "labdiff.plot",
    "widgets": "labdiff.widgets",
}  # imported on first use: they need matplotlib, ipywidgets


def __getattr__(name):
    if name in _LAZY:
        return importlib.import_module(_LAZY[name])
    if name == "check":
        return importlib.import_module("labdiff.checks").check
    raise AttributeError(f"module 'labdiff' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_LAZY, "check"})  # for the Tab key
