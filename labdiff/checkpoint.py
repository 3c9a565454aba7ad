"""Checkpoints: all that a training run needs to go on, in one safetensors file."""

import contextlib
import json
import os
import warnings
from dataclasses import dataclass

import safetensors
import safetensors.torch
import torch

from labdiff.arguments import check_path
from labdiff.schedule import Schedule


@dataclass(frozen=True)
class Step:
    """One finished training step.

    Attributes:
        n: number of steps done, 1..n_steps.
        loss: the simple loss of this step's batch, a float.
        lr: the learning rate that it used.
        ema: the averaged model, in eval mode, to sample from: a module of the same class as the model.
        model, s, optimizer, generator: what a checkpoint needs, as they are now.
    """

    n: int
    loss: float
    lr: float
    ema: torch.nn.Module
    model: torch.nn.Module
    s: Schedule
    optimizer: torch.optim.Optimizer
    generator: torch.Generator


@dataclass(frozen=True)
class Checkpoint:
    """A stopped run: its step n, its Schedule, and its tensors by name (model.*, ema.*, optimizer.*, generator)."""

    n: int
    s: Schedule
    tensors: dict

    def part(self, prefix):
        """The tensors whose names start with `prefix`., without it: a state_dict for "model" and "ema"."""
        return {k[len(prefix) + 1 :]: v for k, v in self.tensors.items() if k.startswith(prefix + ".")}

    def restore(self, model, ema, optimizer, generator):
        """Set all four to this checkpoint and return its n."""
        saved, own = self.part("model"), model.state_dict()
        wrong = sorted(
            k
            for k in saved.keys() | own.keys()
            if k not in saved or k not in own or saved[k].shape != own[k].shape
        )
        if wrong:
            raise ValueError(
                f"train: resume: expected a checkpoint of this model, got one that differs in {len(wrong)} "
                f"tensors such as {wrong[0]}. Build the model with the arguments it was saved with"
            )
        model.load_state_dict(saved)
        ema.load_state_dict(self.part("ema"))
        state = {}
        for key, value in self.part("optimizer").items():
            index, name = key.split(".")
            state.setdefault(int(index), {})[name] = value.clone()
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        if self.tensors["generator"].shape == generator.get_state().shape:
            generator.set_state(self.tensors["generator"])
        else:
            warnings.warn(
                f"train: resume: the checkpoint's generator ran on another kind of device than this one "
                f"({generator.device}), so the run goes on with other draws than it would have had there",
                stacklevel=4,
            )
        return self.n


def save_checkpoint(path, step):
    """Write all that resuming a run needs into one safetensors file; an older file there is replaced only when it is done.

    Args:
        path: file to write; its folder must exist.
        step: the Step that train() yielded last.

    Raises: TypeError: path is no path, or step no Step; OSError: the file can't be written.
    """
    path = check_path("save_checkpoint", "path", path, "a file's path")
    if not isinstance(step, Step):
        raise TypeError(
            f"save_checkpoint: step: expected a Step that train() yielded, got {type(step).__name__}"
        )
    tensors = {"generator": step.generator.get_state(), "beta": step.s.beta}
    for name, module in dict(model=step.model, ema=step.ema).items():
        tensors |= {f"{name}.{k}": v for k, v in module.state_dict().items()}
    for index, state in step.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v for k, v in state.items()}
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    about = {"labdiff": json.dumps({"n": step.n})}
    partial = path.parent / f"{path.name}.partial"
    try:
        safetensors.torch.save_file(tensors, partial, about)
        os.replace(partial, path)
    except (OSError, safetensors.SafetensorError) as error:
        raise OSError(
            f"save_checkpoint: path: expected a file in a folder that can be written to, got {path}: {error}. "
            "What was there before is as it was"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # it is only there if the writing failed or was interrupted
            partial.unlink()


def load_checkpoint(path):
    """Read a file that save_checkpoint wrote.

    Args:
        path: the file.

    Returns: a Checkpoint; give it to train(..., resume=...). `.part("ema")` is a state_dict for model.load_state_dict().
    Raises: FileNotFoundError: no such file; ValueError: it is not a checkpoint, or is damaged.
    """
    path = check_path("load_checkpoint", "path", path, "a file's path")
    if not path.is_file():
        raise FileNotFoundError(
            f"load_checkpoint: path: expected a file that save_checkpoint wrote, got {path}, where "
            "there is no file"
        )
    try:
        with safetensors.safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {})["labdiff"])
            tensors = {k: file.get_tensor(k) for k in file.keys()}
        return Checkpoint(about["n"], Schedule(tensors.pop("beta")), tensors)
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"load_checkpoint: path: expected a file that save_checkpoint wrote, got {path}, which is damaged "
            f"or none: {error}. Use an earlier checkpoint"
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"load_checkpoint: path: expected a file that save_checkpoint wrote, got {path}, which holds "
            "other tensors"
        ) from error
