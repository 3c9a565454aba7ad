"""Players: a reverse trajectory, and images along a training run, frame by frame."""

from collections.abc import Iterable

import numpy as np
import torch

from labdiff.arguments import check_int, check_schedule
from labdiff.images import to_uint8
from labdiff.schedule import Schedule
from labdiff.signature import checked
from labdiff.widgets.controls import choice, stops
from labdiff.widgets.panel import Panel
from labdiff.widgets.panes import formula, frames, path_lines

LARGEST = 16e6  # bytes of frames sent to the page


@checked
def trajectory_player(
    steps: Iterable | dict[str, Iterable], *, n_columns: int = 4, s: Schedule | None = None
) -> Panel:
    """Slide t through a reverse trajectory, or let it play: x_t beside the x0_hat that the model sees in it.
    A pixel can be pointed at, to see its path over t.

    Args:
        steps: the States of ddpm_steps(), ddim_steps() or dpm_steps(), or any part of them, with images
            (N, 1 or 3, H, W). A generator is run to its end. Or {name: such steps}, all over the same t, to
            choose from: seeds, snapshots of training.
        n_columns: images in a row.
        s: Schedule; with it, the formula x_t = sqrt(alpha_bar_t) x0_hat + sqrt(1-alpha_bar_t) eps_hat stands
            above.

    Returns: a Panel with the trait i, the state's place in the trajectory, from noise to data, and run where
        there are several. More than 16 MB of images are thinned out evenly; first and last stay.
    Raises: TypeError, ValueError: no steps of a sampler, or runs over different t.
    Source: slide S14, Algorithm 2.
    """
    check_int("trajectory_player", "n_columns", n_columns)
    if s is not None:
        check_schedule("trajectory_player", s)
    runs = steps if isinstance(steps, dict) else {"": steps}
    runs = {name: [_frames_of(state) for state in _iterable(run)] for name, run in runs.items()}
    levels = [[t for t, _, _ in run] for run in runs.values()]
    if not levels or not levels[0]:
        raise ValueError("trajectory_player: steps: expected at least one State of a sampler, got none")
    if any(other != levels[0] for other in levels):
        raise ValueError(
            "trajectory_player: steps: expected runs over the same t, "
            f"got {[len(ts) for ts in levels]} states"
        )
    each = sum(run[0][1].nbytes + run[0][2].nbytes for run in runs.values())
    n = max(2, min(len(levels[0]), int(LARGEST / each)))
    last = len(levels[0]) - 1
    kept = sorted({round(i * last / (n - 1)) for i in range(n)})
    ts = [levels[0][i] for i in kept]
    axes = ("run", "i") if isinstance(steps, dict) else ("i",)

    def pane(which, name, caption, alt):
        stack = np.stack([run[i][which] for run in runs.values() for i in kept])
        look = {"columns": n_columns, "caption": caption, "alt": alt}
        return frames(stack, axes=axes, **look) | {"path": "path", "track": name}

    rows = [
        [
            pane(1, "x_t", "x_t", "samples x_t"),
            pane(2, "x0_hat", "x0_hat: what the model sees in it", "x0_hat of the samples"),
        ],
        [path_lines("path", xlabel="t", ylabel="pixel, as shown", alt="one pixel over t", mark="i")],
    ]
    head = None
    if s is not None:
        alpha_bar = s.alpha_bar[ts]
        names = ("sqrt(alpha_bar_t)", "x0_hat"), ("sqrt(1-alpha_bar_t)", "eps_hat")
        values = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
        head = formula("x_t", dict(zip(names, values, strict=True)), "i")
    look = {"label": "t", "speak": "noise level t", "labels": [str(t) for t in ts], "play": True}
    controls = [choice("run", list(runs))] if isinstance(steps, dict) else []
    return Panel("trajectory_player", [*controls, stops("i", range(len(ts)), 0, **look)], rows, head=head)


@checked
def snapshot_slider(
    pictures: dict[int | str, torch.Tensor], *, n_columns: int = 8, label: str = "training step"
) -> Panel:
    """Slide along a training run and see what became of the same images: samples from the same noise, say.

    Args:
        pictures: {step: (N, 1 or 3, H, W) in [-1, 1]}, alike, in the order of the slider.
        n_columns: images in a row.
        label: what the keys are.

    Returns: a Panel with the trait i, the place among the keys; it starts at the last.
    Raises: TypeError, ValueError: no images, or of different shapes.
    """
    check_int("snapshot_slider", "n_columns", n_columns)
    if not isinstance(pictures, dict):
        got = type(pictures).__name__
        raise TypeError(f"snapshot_slider: pictures: expected a dict {{step: pictures}}, got {got}")
    if not pictures:
        raise ValueError("snapshot_slider: pictures: expected {step: pictures}, got none")
    pixels = [to_uint8(x, name=f"snapshot_slider: pictures[{key!r}]") for key, x in pictures.items()]
    if len({x.shape for x in pixels}) > 1:
        got = [tuple(x.shape) for x in pictures.values()]
        raise ValueError(f"snapshot_slider: pictures: expected one shape for all, got {got}")
    pane = frames(np.stack(pixels), columns=n_columns, alt="pictures")
    keys = [str(key) for key in pictures]
    control = stops("i", range(len(keys)), len(keys) - 1, label=label, labels=keys, play=True)
    return Panel("snapshot_slider", [control], [[pane]])


def _iterable(run):
    if isinstance(run, torch.Tensor) or not isinstance(run, Iterable):
        raise TypeError(_WANTED.format(type(run).__name__))
    return run


def _frames_of(state):
    try:
        t, *images = state.t, state.x, state.x0_hat
    except AttributeError:
        raise TypeError(_WANTED.format(f"an item of type {type(state).__name__}")) from None
    return t, *(to_uint8(x, name="trajectory_player: steps") for x in images)


_WANTED = (
    "trajectory_player: steps: expected the States of ddpm_steps(), ddim_steps() or dpm_steps(), got {}. "
    "Give it steps = ld.ddpm_steps(model, s, shape), not the images"
)
