"""Training: Algorithm 1 as a generator of steps that the caller loops over, and checkpoints to stop and resume it."""

import copy
import json
import math
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from labdiff._contract import (check_data, check_generator, check_int, check_model, check_schedule, eval_mode, randn)
from labdiff.objective import eps_loss
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


def train(model, s, images, *, n_steps=2000, batch_size=128, lr=2e-3, warmup=50, ema_decay=0.9999, clip=1.0,
          generator=None, resume=None):
    """Algorithm 1: draw x_0, t and eps, take a gradient step on the simple loss, repeat. One `Step` is yielded for each.

        x_0 ~ data;  t ~ Uniform{1..T};  eps ~ N(0, I);  step on grad || eps - eps_theta(x_t, t) ||^2

    AdamW, gradient norm clipped; the learning rate rises over `warmup` steps and then falls linearly to 0 at n_steps. t is
    stratified: one draw from each of batch_size equal parts of 1..T. The EMA of the weights has its decay warmed up,
    min(ema_decay, (1+n)/(10+n)). On hardware that has it, the network runs in bfloat16. A step is yielded after the optimizer
    and the EMA are done, so that `break` loses nothing.

    Args:
        model: a module (x, t) -> eps_hat; trained in place, on the device where it is.
        s: Schedule.
        images: (N, ...) real, clean data scaled to about [-1, 1], on any device.
        n_steps: number of steps, those of a resumed run included.
        batch_size: samples a step, drawn with replacement.
        lr: highest learning rate, > 0.
        warmup: steps until it is reached.
        ema_decay: highest decay of the EMA, in [0, 1).
        clip: largest gradient norm.
        generator: source of all draws; None for a fresh one.
        resume: what load_checkpoint returned. The model, optimizer, EMA and generator are set to it, and the run goes on to
            the same numbers as if it had not stopped, when all other arguments are the same.

    Yields: Step, for n = 1 (or the resumed n + 1) .. n_steps.
    Raises: TypeError, ValueError: wrong arguments, at the call; FloatingPointError: a loss that is NaN or infinite, before
        it reaches the weights.
    Source: Ho et al. 2020, Algorithm 1; slide S14. Stratified t: Kingma et al. 2021, appendix I.1.
    """
    check_model("train", model)
    if not isinstance(model, torch.nn.Module) or not any(p.requires_grad for p in model.parameters()):
        raise TypeError(f"train: model: expected a torch.nn.Module with parameters, got {type(model).__name__}")
    check_schedule("train", s)
    _check_images(images)
    for name, value, least in (("n_steps", n_steps, 1), ("batch_size", batch_size, 1), ("warmup", warmup, 0)):
        check_int("train", name, value, least)
    for name, value, ok in (("lr", lr, lr > 0), ("ema_decay", ema_decay, 0 <= ema_decay < 1), ("clip", clip, clip > 0)):
        if not ok:
            raise ValueError(f"train: {name}: expected {'0 <= ema_decay < 1' if name == 'ema_decay' else '> 0'}, got {value}")
    if resume is not None and not isinstance(resume, Checkpoint):
        raise TypeError(f"train: resume: expected what load_checkpoint() returned, got {type(resume).__name__}")
    generator = check_generator("train", generator, next(model.parameters()).device)
    return _steps(model, s, images, n_steps, batch_size, lr, warmup, ema_decay, clip, generator, resume)


def _steps(model, s, images, n_steps, batch_size, lr, warmup, ema_decay, clip, generator, resume):
    device = next(model.parameters()).device
    if device.type == "cuda":
        model.to(memory_format=torch.channels_last)  # pays on GPUs, costs on CPUs
    images = images.to(device)
    bf16 = torch.autocast(device.type, torch.bfloat16, enabled=_has_bf16(device))
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.99), weight_decay=0.01, fused=device.type != "mps")
    ema = copy.deepcopy(model).requires_grad_(False).eval()
    pairs = list(zip(*((e, p) for e, p in zip(ema.parameters(), model.parameters()))))
    first = 1
    if resume is not None:
        first = resume.restore(model, ema, optimizer, generator) + 1

    for n in range(first, n_steps + 1):
        lr_n = lr * min(n / max(warmup, 1), (n_steps + 1 - n) / max(n_steps - warmup, 1), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = lr_n
        index = torch.randint(len(images), (batch_size,), generator=generator, device=generator.device)
        x0 = images[index.to(device)]
        u = torch.rand(batch_size, generator=generator, device=generator.device)
        stratum = torch.arange(batch_size, device=generator.device)
        t = (1 + (stratum + u) / batch_size * s.T).long().clamp(max=s.T).to(device)
        eps = randn(x0.shape, generator, like=x0)

        with torch.enable_grad(), eval_mode(model, training=True):
            with bf16:
                loss = eps_loss(model, s, x0, t, eps)
            value = loss.item()
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"train: the loss at step {n} is {value}; the weights are those of step {n - 1}. Try a smaller lr "
                    f"(now {lr_n:.1e}), and look whether the data or the model holds NaN")
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(*pairs, 1 - min(ema_decay, (1 + n) / (10 + n)))
            for mine, theirs in zip(ema.buffers(), model.buffers()):
                mine.copy_(theirs)
        yield Step(n, value, lr_n, ema, model, s, optimizer, generator)


def _has_bf16(device):
    """Whether the device multiplies bfloat16 in hardware, where it is faster than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and getattr(torch.cpu, "get_capabilities", dict)().get("avx512_bf16", False)


def _check_images(images):
    check_data("train", {"images": images})
    low, high = images.min().item(), images.max().item()
    if max(-low, high) > 10:
        raise ValueError(f"train: images: expected values in about [-1, 1], got {low:g}..{high:g}. Grey levels 0..255: use "
                         "images / 127.5 - 1")
    if low >= 0:
        warnings.warn(f"train: images: expected values in about [-1, 1], got {low:g}..{high:g}. From [0, 1]: use "
                      "2 * images - 1", stacklevel=3)


@dataclass(frozen=True)
class Checkpoint:
    """A stopped run: its step n, its Schedule, and its tensors by name (model.*, ema.*, optimizer.*, generator)."""

    n: int
    s: Schedule
    tensors: dict

    def part(self, prefix):
        """The tensors whose names start with `prefix`., without it: a state_dict for "model" and "ema"."""
        return {k[len(prefix) + 1:]: v for k, v in self.tensors.items() if k.startswith(prefix + ".")}

    def restore(self, model, ema, optimizer, generator):
        """Set all four to this checkpoint and return its n."""
        saved, own = self.part("model"), model.state_dict()
        wrong = sorted(k for k in saved.keys() | own.keys()
                       if k not in saved or k not in own or saved[k].shape != own[k].shape)
        if wrong:
            raise ValueError(f"train: resume: expected a checkpoint of this model, got one that differs in {len(wrong)} "
                             f"tensors such as {wrong[0]}. Build the model with the arguments it was saved with")
        if self.tensors["generator"].shape != generator.get_state().shape:
            raise ValueError(f"train: resume: expected a generator of the kind that was saved, got one on "
                             f"{generator.device}. Make it on the device where the checkpoint was made")
        model.load_state_dict(saved)
        ema.load_state_dict(self.part("ema"))
        state = {}
        for key, value in self.part("optimizer").items():
            index, name = key.split(".")
            state.setdefault(int(index), {})[name] = value.clone()
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        generator.set_state(self.tensors["generator"])
        return self.n


def save_checkpoint(path, step):
    """Write all that resuming a run needs into one safetensors file; an older file there is replaced only when it is done.

    Args:
        path: file to write; its folder must exist.
        step: the Step that train() yielded last.

    Raises: TypeError: step is not a Step; OSError: the file can't be written.
    """
    if not isinstance(step, Step):
        raise TypeError(f"save_checkpoint: step: expected a Step that train() yielded, got {type(step).__name__}")
    tensors = {"generator": step.generator.get_state(), "beta": step.s.beta}
    for name, module in dict(model=step.model, ema=step.ema).items():
        tensors |= {f"{name}.{k}": v for k, v in module.state_dict().items()}
    for index, state in step.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v for k, v in state.items()}
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    safetensors.torch.save_file(tensors, partial, {"labdiff": json.dumps({"n": step.n})})
    os.replace(partial, path)


def load_checkpoint(path):
    """Read a file that save_checkpoint wrote.

    Args:
        path: the file.

    Returns: a Checkpoint; give it to train(..., resume=...). `.part("ema")` is a state_dict for model.load_state_dict().
    Raises: FileNotFoundError: no such file; ValueError: it is not a checkpoint, or is damaged.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"load_checkpoint: path: expected a file that save_checkpoint wrote, got {path}, which "
                                "does not exist")
    try:
        with safetensors.safe_open(path, "pt") as file:
            n = json.loads(file.metadata()["labdiff"])["n"]
            tensors = {k: file.get_tensor(k) for k in file.keys()}
        return Checkpoint(n, Schedule(tensors.pop("beta")), tensors)
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"load_checkpoint: path: expected a file that save_checkpoint wrote, got {path}: {error}. Use an "
                         "earlier checkpoint") from error
