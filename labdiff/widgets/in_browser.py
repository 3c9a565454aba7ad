"""What a page without a kernel needs in order to compute a panel by itself."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import torch

from labdiff.guidance import Guided
from labdiff.schedule import Schedule
from labdiff.unet import UNet
from labdiff.widgets.tables import as_double

KEEP = "LABDIFF_NETWORKS"  # environment variable: folder in which panels leave their networks for the site
MADE = "made.txt"  # in that folder: names of the files of checkpoints that did not exist before


def fingerprint(net: UNet) -> str:
    """A name for a network's weights: equal for equal ones."""
    digest = hashlib.sha256(repr(sorted(net.config.items())).encode())
    for name, tensor in sorted(net.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()[:16]


def noted(path: Path) -> Path:
    """The path; while the site is made, a file that is new is noted, to be removed after the run."""
    folder = os.environ.get(KEEP)
    if folder and not path.exists():
        with (Path(folder) / MADE).open("a", encoding="utf-8") as file:
            file.write(f"{path.resolve()}\n")
    return path


def in_browser(model: Callable | None, s: Schedule, **job) -> dict | None:
    """The panel's computation for site/web/jobs.js; None for a model that is no UNet, nor guided() of one.

    A page that has the network computes with it what the kernel would; {"control": name} stands for the
    value of a control.

    Args:
        model: the panel's model.
        s: Schedule.
        job: method, "ddpm", "ddim" or "dpm"; shape (N, C, H, W); n_steps; clip, whether x0_hat is clipped;
            eta, of DDIM; seed, of all noise, and reseed, what is added to it; t, to start from the x_t of the
            mixed() pane, or from that of the pad's drawing; label ("any" for none) and scale, of guided();
            keeps, {"control", "boxes": {its value: [top, bottom, left, right]}}, the part of the drawing that
            stays; show, {key of a computed() pane: "x", "x0_hat", "first" for the first x0_hat, "start" for
            the first x}; says and captions, texts with {control} for its value, or {"control", "texts": {its
            value: text}}.
    """
    guide, net = {}, model
    if isinstance(model, Guided):
        label = model.label.tolist() if isinstance(model.label, torch.Tensor) else model.label
        guide, net = {"label": label, "scale": model.scale}, model.model
    if not isinstance(net, UNet):
        return None
    name = fingerprint(net)
    if folder := os.environ.get(KEEP):
        torch.save({"config": net.config, "state": net.state_dict()}, Path(folder) / f"{name}.pt")
    return {"weights": name, "alpha_bar": as_double(s.alpha_bar)} | guide | job
