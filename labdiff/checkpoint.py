"""Checkpoints: all that a training run needs to go on, in one safetensors file."""

import contextlib
import json
import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from labdiff.arguments import check_path
from labdiff.device import OnItsWay
from labdiff.schedule import Schedule


@dataclass(frozen=True)
class Step:
    """One finished training step.

    Attributes:
        n: number of steps done, 1..n_steps.
        loss: the simple loss of this step's batch, a float; on a GPU, reading it waits for it.
        lr: the learning rate that it used.
        ema: the averaged model, in eval mode, to sample from: a module of the same class as the model.
        model, s, optimizer, generator: what a checkpoint needs. These and `ema` are no copies: they are the
            run's own, which change with every step.
        progress: [number of steps that the run has done by now], empty within a step; one for all its Steps.
    """

    n: int
    seen: OnItsWay = field(repr=False)
    lr: float
    ema: torch.nn.Module = field(repr=False)
    model: torch.nn.Module = field(repr=False)
    s: Schedule = field(repr=False)
    optimizer: torch.optim.Optimizer = field(repr=False)
    generator: torch.Generator = field(repr=False)
    progress: list[int] = field(repr=False)

    @property
    def loss(self) -> float:
        return self.seen.numbers()[0]


@dataclass(frozen=True)
class Checkpoint:
    """A stopped run: step n, Schedule, notes, tensors by name (model.*, ema.*, optimizer.*, generator)."""

    n: int
    s: Schedule
    tensors: dict[str, torch.Tensor] = field(repr=False)
    notes: dict

    def part(self, prefix: str) -> dict[str, torch.Tensor]:
        """The tensors of the part `prefix`, by their names in it: a state_dict for "model" and "ema"."""
        return {k[len(prefix) + 1 :]: v for k, v in self.tensors.items() if k.startswith(prefix + ".")}

    def restore(
        self,
        model: torch.nn.Module,
        ema: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator,
    ) -> int:
        """Set all four to this checkpoint and return its n."""
        saved, own = self.part("model"), unwrapped(model).state_dict()
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
        unwrapped(model).load_state_dict(saved)
        unwrapped(ema).load_state_dict(self.part("ema"))
        state = {}
        for key, value in self.part("optimizer").items():
            index, name = key.split(".")
            state.setdefault(int(index), {})[name] = value.clone()
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        if self.tensors["generator"].shape == generator.get_state().shape:
            generator.set_state(self.tensors["generator"])
        else:
            generator.manual_seed(
                (generator.initial_seed() + self.n) % 2**63
            )  # not the draws of step 1 again
            warnings.warn(
                f"train: resume: the checkpoint's generator ran on another kind of device than this one "
                f"({generator.device}), so the run goes on with other draws than it would have had there",
                stacklevel=4,
            )
        return self.n


def save_checkpoint(path: str | os.PathLike, step: Step, notes: dict | None = None) -> None:
    """Write all that resuming a run needs into one safetensors file; an older file is replaced at the end.

    Args:
        path: file to write; its folder must exist.
        step: the Step that train() yielded last.
        notes: what else to keep, such as the arguments of the run, as JSON can hold it.

    Raises: TypeError: path is no path, step no Step, or notes not as said; ValueError: the run has gone on
        since that step; OSError: the file can't be written.
    """
    path = check_path("save_checkpoint", "path", path, "a file's path")
    check_latest("save_checkpoint", step)
    tensors = {"generator": step.generator.get_state(), "beta": step.s.beta}
    for name, module in dict(model=step.model, ema=step.ema).items():
        tensors |= {f"{name}.{k}": v for k, v in unwrapped(module).state_dict().items()}
    for index, state in step.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v for k, v in state.items()}
    write("save_checkpoint", path, tensors, {"n": step.n, "notes": _plain_notes(notes)})


def _plain_notes(notes):
    if notes is not None and not isinstance(notes, dict):
        raise TypeError(f"save_checkpoint: notes: expected a dict, got {type(notes).__name__}")
    try:
        json.dumps(notes)
    except (TypeError, ValueError) as error:
        expected = "texts, numbers, lists and dicts of them, as JSON can hold"
        raise TypeError(f"save_checkpoint: notes: expected {expected}, got others ({error})") from None
    return notes or {}


def load_checkpoint(path: str | os.PathLike) -> Checkpoint:
    """Read a file that save_checkpoint wrote.

    Args:
        path: the file.

    Returns: a Checkpoint; give it to train(..., resume=...). `.part("ema")` is a state_dict for the model.
    Raises: TypeError: path is no path; FileNotFoundError: no such file; ValueError: it is corrupt, or not a
        checkpoint.
    """
    path = check_path("load_checkpoint", "path", path, "a file's path")
    expected = f"load_checkpoint: path: expected a file that save_checkpoint wrote, got {path}"
    if not path.is_file():
        raise FileNotFoundError(f"{expected}, where there is no file")
    try:
        about, tensors = read(path)
        return Checkpoint(about["n"], Schedule(tensors.pop("beta")), tensors, about["notes"])
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"{expected}, which is corrupt, or not a checkpoint: {error}. Use an earlier checkpoint"
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{expected}, which holds other tensors") from error


def check_latest(function: str, step: Step) -> None:
    """Raise unless `step` is a Step whose weights are still those of that step."""
    if not isinstance(step, Step):
        raise TypeError(f"{function}: step: expected a Step that train() yielded, got {type(step).__name__}")
    if step.progress != [step.n]:
        done = f"has done {step.progress[0]}" if step.progress else "was stopped within a later one"
        raise ValueError(
            f"{function}: step: expected the Step that train() yielded last, got step {step.n} of a run "
            f"that {done}, so its weights and generator are no longer those of step {step.n}. Save "
            "inside the loop, before the next step"
        )


def unwrapped(model: torch.nn.Module) -> torch.nn.Module:
    """The module inside the wrapper of torch.compile or DataParallel: its state_dict has the plain names."""
    parallel = isinstance(model, (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel))
    inner = getattr(model, "module" if parallel else "_orig_mod", None)
    return model if inner is None else unwrapped(inner)


def write(function: str, path: Path, tensors: dict[str, torch.Tensor], about: dict) -> None:
    """Write tensors and `about` as safetensors; an older file at `path` stays until it is whole."""
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    partial = path.resolve().parent / f"{path.name}.{os.getpid()}.partial"  # others may write that file, too
    try:
        # not save_file: it makes files that others can't read (mode 0600), whatever the umask says
        partial.write_bytes(safetensors.torch.save(tensors, {"labdiff": json.dumps(about)}))
        os.replace(partial, path.resolve())  # of a link: what it leads to
    except (OSError, safetensors.SafetensorError) as error:
        raise OSError(
            f"{function}: path: expected a file in a folder that can be written to, got {path}: {error}. "
            "What was there before is as it was"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # it is only there if the writing failed or was interrupted
            partial.unlink()


def read(path: Path) -> tuple[dict, dict[str, torch.Tensor]]:
    """(about, tensors) that `write` wrote."""
    with safetensors.safe_open(path, "pt") as file:
        about = json.loads((file.metadata() or {})["labdiff"])
        return about, {k: file.get_tensor(k) for k in file.keys()}
