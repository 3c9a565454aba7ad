"""What a page without a kernel needs in order to compute a panel by itself."""

import hashlib
from collections.abc import Callable

import torch

from labdiff.guidance import Guided
from labdiff.schedule import Schedule
from labdiff.unet import UNet
from labdiff.widgets.tables import as_double


def fingerprint(net: UNet) -> str:
    """A name for a network's weights: equal for equal ones."""
    digest = hashlib.sha256(repr(sorted(net.config.items())).encode())
    for name, tensor in sorted(net.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()[:16]


def in_browser(model: Callable, s: Schedule, **job) -> dict | None:
    """The panel's computation for static/sampler.js; None for a model that is no UNet, nor guided() of one.

    A page that has the network computes with it what the kernel would; {"control": name} stands for the
    value of a control.

    Args:
        model: the panel's model.
        s: Schedule.
        job: method, "ddpm", "ddim" or "dpm"; shape (N, C, H, W); n_steps; clip, whether x0_hat is clipped;
            seed, of x_T, or t, to start from the x_t of the pane that shows it; label and scale, of guided();
            show, {key of a computed() pane: "x", "x0_hat", or "first" for the first x0_hat}; says and
            captions, texts with {control} for its value.
    """
    guide, net = {}, model
    if isinstance(model, Guided):
        label = model.label.tolist() if isinstance(model.label, torch.Tensor) else model.label
        guide, net = {"label": label, "scale": model.scale}, model.model
    if not isinstance(net, UNet):
        return None
    return {"weights": fingerprint(net), "alpha_bar": as_double(s.alpha_bar)} | guide | job
