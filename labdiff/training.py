"""Training: Algorithm 1 as a generator of steps that the caller loops over."""

import copy
import math
import runpy
import sys
import warnings

import torch
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from labdiff.arguments import (
    check_data,
    check_generator,
    check_int,
    check_number,
    check_schedule,
    eval_mode,
    randn,
)
from labdiff.checkpoint import Checkpoint, Step
from labdiff.device import has_bf16
from labdiff.objective import eps_loss
from labdiff.optimizer import MuonAdamW


def train(
    model,
    s,
    images,
    *,
    n_steps=2000,
    batch_size=128,
    lr=3e-3,
    warmup=50,
    ema_decay=0.9999,
    clip=1.0,
    generator=None,
    resume=None,
):
    """Algorithm 1: draw x_0, t and eps, take a gradient step on the simple loss, repeat. One `Step` is yielded for each.

        x_0 ~ data;  t ~ Uniform{1..T};  eps ~ N(0, I);  step on grad || eps - eps_theta(x_t, t) ||^2

    Muon for the kernels of convolutions, AdamW for all else; gradient norm clipped. The learning rate rises over `warmup`
    steps and then falls linearly to 0 at n_steps. t is stratified: one draw from each of batch_size equal parts of 1..T.
    The EMA of the weights has its decay warmed up, min(ema_decay, (1+n)/(10+n)). On hardware that has it, the network runs
    in bfloat16. A step is yielded after the optimizer and the EMA are done, so that `break` loses nothing. Processes that
    torchrun started, and that have initialized torch.distributed, train one model: the same run as that of one process.

    Args:
        model: a module (x, t) -> eps_hat; trained in place, on the device where it is.
        s: Schedule.
        images: (N, ...) real, clean data scaled to about [-1, 1], on any device.
        n_steps: number of steps, those of a resumed run included.
        batch_size: samples a step, drawn with replacement; of all processes together, and a multiple of their number.
        lr: highest learning rate, > 0.
        warmup: steps until it is reached.
        ema_decay: highest decay of the EMA, in [0, 1).
        clip: largest gradient norm.
        generator: source of all draws; None for a fresh one.
        resume: what load_checkpoint returned. The model, optimizer, EMA and generator are set to it, and the run goes on
            to the same numbers as if it had not stopped, when all other arguments are the same.

    Yields: Step, for n = 1 (or the resumed n + 1) .. n_steps.
    Raises: TypeError, ValueError: wrong arguments, at the call; FloatingPointError: a loss or gradient that is NaN or
        infinite, before it reaches the weights.
    Source: Ho et al. 2020, Algorithm 1; slide S14. Stratified t: Kingma et al. 2021, app. I.1. Muon: Jordan et al. 2024.
    """
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"train: model: expected a torch.nn.Module, got {type(model).__name__}")
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError(
            f"train: model: expected parameters that require gradients, got a {type(model).__name__} without"
        )
    check_schedule("train", s)
    _check_images(images)
    for name, value, least in (("n_steps", n_steps, 1), ("batch_size", batch_size, 1), ("warmup", warmup, 0)):
        check_int("train", name, value, least)
    if batch_size % _processes()[1]:
        raise ValueError(
            f"train: batch_size: expected a multiple of {_processes()[1]} (processes), got {batch_size}"
        )
    check_number("train", "lr", lr, "a number > 0", lambda v: 0 < v < math.inf)
    check_number("train", "clip", clip, "a number > 0", lambda v: v > 0)
    check_number("train", "ema_decay", ema_decay, "a number in [0, 1)", lambda v: 0 <= v < 1)
    if resume is not None and not isinstance(resume, Checkpoint):
        raise TypeError(
            f"train: resume: expected what load_checkpoint() returned, got {type(resume).__name__}"
        )
    if resume is not None and not torch.equal(resume.s.beta, s.beta):
        raise ValueError(
            f"train: resume: expected a checkpoint made with this schedule {s}, got one made with {resume.s}"
        )
    if resume is not None and n_steps < resume.n:
        raise ValueError(
            f"train: n_steps: expected at least the {resume.n} steps that the checkpoint has done, for they "
            f"count too, got {n_steps}"
        )
    generator = check_generator("train", generator, next(model.parameters()).device)
    return _steps(model, s, images, n_steps, batch_size, lr, warmup, ema_decay, clip, generator, resume)


def _steps(model, s, images, n_steps, batch_size, lr, warmup, ema_decay, clip, generator, resume):
    device = next(model.parameters()).device
    if device.type == "cuda":
        model.to(memory_format=torch.channels_last)  # pays on GPUs, costs on CPUs
    rank, world = _processes()
    share = slice(
        rank, None, world
    )  # every process draws the whole batch, to have the same draws, and takes its share
    net = DistributedDataParallel(model) if world > 1 else model  # averages the gradients of all processes
    images = images.to(device)
    bf16 = torch.autocast(device.type, torch.bfloat16, enabled=has_bf16(device))
    optimizer = MuonAdamW(model.parameters())
    ema = copy.deepcopy(model).requires_grad_(False).eval()
    pairs = list(zip(*((e, p) for e, p in zip(ema.parameters(), model.parameters()))))
    first = 1
    if resume is not None:
        first = resume.restore(model, ema, optimizer, generator) + 1
    if world > 1:
        state = [generator.get_state()]
        dist.broadcast_object_list(state, device=device)
        generator.set_state(state[0])

    progress = [first - 1]  # shared by all Steps, so that save_checkpoint knows a Step that is no longer the last
    for n in range(first, n_steps + 1):
        lr_n = lr * min(n / max(warmup, 1), (n_steps + 1 - n) / max(n_steps - warmup, 1), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = lr_n
        index = torch.randint(len(images), (batch_size,), generator=generator, device=generator.device)
        u = torch.rand(batch_size, generator=generator, device=generator.device)
        stratum = torch.arange(batch_size, device=generator.device)
        t = (1 + (stratum + u) / batch_size * s.T).long().clamp(max=s.T)
        eps = randn((batch_size, *images.shape[1:]), generator, like=images)
        x0, t, eps = images[index[share].to(device)], t[share].to(device), eps[share]

        with torch.enable_grad(), eval_mode(model, training=True):
            with bf16:
                loss = eps_loss.__wrapped__(net, s, x0, t, eps)
            model.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            loss = loss.detach()
            if world > 1:
                dist.all_reduce(loss)
            value, norm = torch.stack([loss / world, norm]).tolist()  # the only wait for a GPU in a step
            if not math.isfinite(value + norm):
                raise FloatingPointError(
                    f"train: the loss at step {n} is {value}, its gradient's norm {norm}; the weights are those of step "
                    f"{n - 1}. Try a smaller lr (now {lr_n:.1e}), and look whether the data or the model holds NaN"
                )
            optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(*pairs, 1 - min(ema_decay, (1 + n) / (10 + n)))
            for mine, theirs in zip(ema.buffers(), model.buffers()):
                mine.copy_(theirs)
        progress[0] = n
        yield Step(n, value, lr_n, ema, model, s, optimizer, generator, progress)


def _processes():
    """This process's rank, and the number of all that train together."""
    return (
        (dist.get_rank(), dist.get_world_size()) if dist.is_available() and dist.is_initialized() else (0, 1)
    )


def _check_images(images):
    check_data("train", {"images": images})
    low, high = images.min().item(), images.max().item()
    if max(-low, high) > 10:
        raise ValueError(
            f"train: images: expected values in about [-1, 1], got {low:g}..{high:g}. Grey levels 0..255: use "
            "images / 127.5 - 1"
        )
    if low >= 0:
        warnings.warn(
            f"train: images: expected values in about [-1, 1], got {low:g}..{high:g}. From [0, 1]: use "
            "2 * images - 1",
            stacklevel=3,
        )


# torchrun -m labdiff.training: the command stands above this module, so it is run and not imported
if __name__ == "__main__":
    sys.argv.insert(1, "train")
    runpy.run_module("labdiff", run_name="__main__")
