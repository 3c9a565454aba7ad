"""What a training on the page keeps in files: its checkpoint, and the losses beside it."""

import copy
import math

import torch

from labdiff.checkpoint import save_checkpoint
from labdiff.widgets.in_browser import noted


def check_fits(path, saved, model, s, n_steps):
    """Raise unless the checkpoint is one of this model and schedule, and of no more than n_steps."""
    anew = "Give another path, or restart=True to start anew"
    model = copy.deepcopy(model)
    getattr(model, "adopt", lambda alpha_bar: None)(s.alpha_bar)  # as train() does
    states = saved.part("model"), model.state_dict()
    theirs, own = ({k: v.shape for k, v in state.items()} for state in states)
    other_schedule = not torch.equal(saved.s.beta, s.beta)
    if other_schedule or theirs != own:
        got = f"another schedule, {saved.s}" if other_schedule else "another model"
        made = f"{path}, made with {got}. {anew}"
        raise ValueError(f"training: checkpoint: expected one of this model and schedule, got {made}")
    if saved.n > n_steps:
        expected = f"at least the {saved.n} steps done in {path}"
        raise ValueError(f"training: n_steps: expected {expected}, got {n_steps}. {anew}")


def restored(model, saved):
    """Set the model to a finished run's weights; return the averaged model."""
    ema = copy.deepcopy(model).requires_grad_(False).eval()
    model.load_state_dict(saved.part("model"))
    ema.load_state_dict(saved.part("ema"))
    return ema


def save_run(path, step, losses):
    """Save the checkpoint, and the losses in a text file beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(noted(path), step)
    noted(_losses_file(path)).write_text("".join(f"{loss!r}\n" for loss in losses), "utf-8")


def read_losses(path, n):
    """The first n losses of the run saved at path; NaN where their file does not have them."""
    file = _losses_file(path)
    lines = file.read_text("utf-8").split()[:n] if file.is_file() else []
    return [float(line) for line in lines] + [math.nan] * (n - len(lines))


def _losses_file(path):
    return path.with_name(path.name + ".losses")
