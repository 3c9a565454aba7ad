"""Training on the page: it shows how it goes, stops calmly, and goes on where it stopped."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from IPython import get_ipython
from IPython.display import display

from labdiff.arguments import check_data, check_int, check_path, check_schedule
from labdiff.checkpoint import load_checkpoint
from labdiff.edge import sample, train
from labdiff.images import to_uint8
from labdiff.interrupts import stop_requests
from labdiff.schedule import Schedule
from labdiff.signature import checked
from labdiff.widgets.saved_run import check_fits, read_losses, restored, save_run
from labdiff.widgets.training_view import TrainingView

SAVE_EVERY = 60.0  # seconds between two checkpoints; the last step is always saved


@dataclass(frozen=True)
class TrainingRun:
    """What training() returns.

    Attributes:
        n: number of steps done; less than n_steps where the run was stopped.
        n_steps: number of steps asked for.
        ema: the averaged model, in eval mode, to sample from.
        losses: the loss of each step 1..n; NaN where only the checkpoint of an earlier run is left.
        gallery: {step: (N, C, H, W)}, what `paint` returned, the last step's included.
    """

    n: int
    n_steps: int
    ema: torch.nn.Module
    losses: list[float]
    gallery: dict[int, torch.Tensor]

    def __repr__(self):
        return f"TrainingRun: {self.n} of {self.n_steps} steps"


@checked
def training(
    model: torch.nn.Module,
    s: Schedule,
    images: torch.Tensor,
    *,
    n_steps: int = 2000,
    batch_size: int = 128,
    lr: float = 3e-3,
    labels: torch.Tensor | None = None,
    min_snr: float = math.inf,
    generator: torch.Generator | None = None,
    checkpoint: str | Path | None = None,
    restart: bool = False,
    paint: Callable[[torch.nn.Module], torch.Tensor] | None = None,
) -> TrainingRun:
    """Train with ld.train() and show how it goes: progress and time left, the loss curve, samples.

        run = ld.widgets.training(model, s, digits.images, n_steps=2000, checkpoint="digits.checkpoint")
        ld.plot.image_grid(ld.sample(run.ema, s, (16, 1, 28, 28)))

    Interrupting the kernel, as the Stop button does, ends the run after the current step without an error:
    what was learned is saved and returned. Running the cell again goes on from the checkpoint, to the same
    numbers as a run that was never stopped; a finished run is returned as it is. A second interrupt raises
    KeyboardInterrupt as usual.

    Args:
        model, s, images, n_steps, batch_size, lr, labels, min_snr, generator: as for ld.train().
        checkpoint: file to save to, once a minute and at the end, and to resume from if it exists; the losses
            are kept in a text file beside it. None: nothing is saved.
        restart: start anew and overwrite the checkpoint.
        paint: called as paint(ema) -> (N, 1 or 3, H, W) in [-1, 1] after steps 50, 150, 400, every 500, and
            the last. Default, for images: eight samples from one fixed noise by 20 DDIM steps.

    Returns: a TrainingRun.
    Raises: TypeError, ValueError: wrong arguments, or a checkpoint of another model or schedule;
        FloatingPointError: a loss or gradient that is NaN or infinite.
    Source: Ho et al. 2020, Algorithm 1; slide S14.
    """
    check_int("training", "n_steps", n_steps)
    check_schedule("training", s)
    check_data("training", {"images": images})
    if paint is not None and not callable(paint):
        raise TypeError(f"training: paint: expected a callable ema -> images, got {type(paint).__name__}")
    path = None if checkpoint is None else check_path("training", "checkpoint", checkpoint, "a file's path")
    saved = load_checkpoint(path) if path and path.is_file() and not restart else None
    if saved:
        check_fits(path, saved, model, s, n_steps)
    view, gallery, losses = TrainingView(n_steps), {}, read_losses(path, saved.n) if saved else []
    paint = paint or _samples_of(s, images)
    if saved and saved.n == n_steps:
        _show(view)
        _paint(paint, ema := restored(model, saved), n_steps, gallery, view)
        view.say(f"all {n_steps} steps were done before ({path}): restart=True trains anew", n=n_steps)
        return TrainingRun(n_steps, n_steps, ema, losses, gallery)
    given: dict[str, Any] = dict(
        n_steps=n_steps, batch_size=batch_size, lr=lr, labels=labels, min_snr=min_snr
    )
    steps = train(model, s, images, generator=generator, resume=saved, **given)
    _show(view)
    n, saved_at = saved.n if saved else 0, time.monotonic()
    unread = []  # a loss is read when the next step is under way, so that a GPU need not stop for it
    with stop_requests() as stop:
        try:
            for step in steps:
                n = step.n
                unread.append(step)
                last = stop.is_set() or n == n_steps
                save = path and (last or time.monotonic() - saved_at > SAVE_EVERY)
                while len(unread) > (not last and not save):
                    losses.append(unread[0].loss)
                    view.update(unread.pop(0))
                if save:
                    save_run(path, step, losses)
                    saved_at = time.monotonic()
                if last or n in (50, 150, 400) or n % 500 == 0:
                    _paint(paint, step.ema, n, gallery, view)
                if stop.is_set():
                    break
        except BaseException as error:
            view.say(f"ended after step {n} of {n_steps} by {type(error).__name__}", n=n)
            raise
    if n < n_steps:
        text = f"stopped after step {n} of {n_steps}"
        text += ": run this cell again to go on" if path else ", not saved: checkpoint=... keeps it"
        view.say(text, n=n)
        print(text)  # for pages without widgets
    return TrainingRun(n, n_steps, step.ema, losses, gallery)


def _samples_of(s, images):
    """What paints eight samples from one noise, or None for data that are no images."""
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        return None

    def paint(ema):
        noise, shape = torch.Generator().manual_seed(0), (8, *images.shape[1:])
        return sample(ema, s, shape, method="ddim", n_steps=min(20, s.T), generator=noise)

    return paint


def _paint(paint, ema, n, gallery, view):
    if paint is not None:
        gallery[n] = x = paint(ema)
        to_uint8(x, name="training: paint")  # an error names who made it
        view.show(x)


def _show(view):
    if get_ipython() is not None:
        display(view)
