"""Players: a reverse trajectory, and pictures along a training run, frame by frame."""

from collections.abc import Iterable

import numpy as np
import torch

from labdiff.images import to_uint8
from labdiff.widgets.controls import choice, stops
from labdiff.widgets.panel import Panel
from labdiff.widgets.panes import frames

LARGEST = 16e6  # bytes of frames sent to the page


def trajectory_player(steps: Iterable | dict[str, Iterable], *, n_columns: int = 4) -> Panel:
    """Slide t through a reverse trajectory, or let it play: x_t and the x0_hat that the model sees in it,
    side by side.

    Args:
        steps: the States of ddpm_steps() or ddim_steps(), or any part of them, with pictures (N, 1 or 3, H,
            W). A generator is run to its end. Or {name: such steps}, all over the same t, to choose from:
            seeds, snapshots of training.
        n_columns: pictures in a row.

    Returns: a Panel with the trait i, the state's place in the trajectory, from noise to data, and run where
        there are several. More than 16 MB of pictures are thinned out evenly; first and last stay.
    Raises: ValueError: no steps, or runs over different t.
    Source: slide S14, Algorithm 2.
    """
    runs = steps if isinstance(steps, dict) else {"": steps}
    runs = {
        name: [(state.t, to_uint8(state.x), to_uint8(state.x0_hat)) for state in run]
        for name, run in runs.items()
    }
    levels = [[t for t, _, _ in run] for run in runs.values()]
    if not levels or not levels[0]:
        raise ValueError(
            "trajectory_player: steps: expected at least one State of ddpm_steps() or ddim_steps(), got none"
        )
    if any(other != levels[0] for other in levels):
        raise ValueError(
            "trajectory_player: steps: expected runs over the same t, "
            f"got {[len(ts) for ts in levels]} states"
        )
    each = sum(run[0][1].nbytes + run[0][2].nbytes for run in runs.values())
    n = max(2, min(len(levels[0]), int(LARGEST / each)))
    kept = (
        sorted({round(i * (len(levels[0]) - 1) / (n - 1)) for i in range(n)}) if len(levels[0]) > 1 else [0]
    )
    ts = [levels[0][i] for i in kept]
    axes = ("run", "i") if isinstance(steps, dict) else ("i",)

    def pane(which, caption, alt):
        stack = np.stack([run[i][which] for run in runs.values() for i in kept])
        return frames(stack, axes=axes, columns=n_columns, caption=caption, alt=alt)

    panes = [
        pane(1, "x_t", "samples x_t"),
        pane(2, "x0_hat: what the model sees in it", "x0_hat of the samples"),
    ]
    controls = [choice("run", list(runs))] if isinstance(steps, dict) else []
    controls.append(
        stops(
            "i", range(len(ts)), 0, label="t", speak="noise level t", labels=[str(t) for t in ts], play=True
        )
    )
    return Panel("trajectory_player", controls, [panes])


def snapshot_slider(
    pictures: dict[int | str, torch.Tensor], *, n_columns: int = 8, label: str = "training step"
) -> Panel:
    """Slide along a training run and see what became of the same pictures: samples from the same noise, say.

    Args:
        pictures: {step: (N, 1 or 3, H, W) in [-1, 1]}, in the order of the slider.
        n_columns: pictures in a row.
        label: what the keys are.

    Returns: a Panel with the trait i, the place among the keys; it starts at the last.
    Raises: ValueError: no pictures.
    """
    if not pictures:
        raise ValueError("snapshot_slider: pictures: expected {step: pictures}, got none")
    pane = frames(np.stack([to_uint8(x) for x in pictures.values()]), columns=n_columns, alt="pictures")
    keys = [str(key) for key in pictures]
    control = stops("i", range(len(keys)), len(keys) - 1, label=label, labels=keys, play=True)
    return Panel("snapshot_slider", [control], [[pane]])
