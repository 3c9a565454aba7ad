"""Training: Algorithm 1 as a generator of steps that the caller loops over."""

import copy
import math
import runpy
import sys
from collections.abc import Iterator

import torch
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from labdiff.arguments import check_generator, device_of, randn
from labdiff.checkpoint import Checkpoint, Step, unwrapped
from labdiff.device import OnItsWay, has_bf16, moved, processes
from labdiff.gradient_step import update
from labdiff.optimizer import MuonAdamW
from labdiff.schedule import Schedule

EARLY = 1000  # steps over which the weight on the squared error rises to 1


def train(
    model: torch.nn.Module,
    s: Schedule,
    images: torch.Tensor,
    *,
    labels: torch.Tensor | None = None,
    drop_label: float = 0.1,
    n_steps: int = 2000,
    batch_size: int = 128,
    lr: float = 3e-3,
    warmup: int = 50,
    min_snr: float = math.inf,
    ema_decay: float = 0.9999,
    clip: float = 1.0,
    accumulate: int = 1,
    generator: torch.Generator | None = None,
    resume: Checkpoint | None = None,
) -> Iterator[Step]:
    """Algorithm 1: draw x_0, t, eps, take a gradient step on the simple loss, repeat; yield a `Step` each.

        x_0 ~ data;  t ~ Uniform{1..T};  eps ~ N(0, I);  step on grad || eps - eps_theta(x_t, t) ||^2

    Muon for the kernels of convolutions between layers, AdamW for all else; gradient norm clipped. The
    learning rate rises over `warmup` steps and then falls linearly to 0 at n_steps. With min_snr the squared
    error at t weighs less in the first 1,000 steps where there is little noise: w_t = min(1, min_snr / SNR_t)
    at first, rising to 1, the simple loss; SNR_t = alpha_bar_t / (1 - alpha_bar_t). t is stratified: one draw
    from each of batch_size equal parts of 1..T. The EMA of the weights has its decay warmed up,
    min(ema_decay, (1+n)/(10+n)). On hardware that has it, the network runs in bfloat16. A step is yielded
    after the optimizer and the EMA are done, so that `break` loses nothing. Processes that torchrun started,
    and that have initialized torch.distributed, train one model: the same run as that of one process.

    Args:
        model: a module (x, t) -> eps_hat, with labels (x, t, label) -> eps_hat; trained in place, on its
            device.
        s: Schedule.
        images: (N, ...) real, clean data scaled to about [-1, 1], on any device.
        labels: (N,) int64 in 0..classes-1, for a model with `classes` such as UNet(classes=10); None trains
            without.
        drop_label: share of the samples whose label is replaced by `classes`, "no label", in [0, 1].
        n_steps: number of steps, those of a resumed run included.
        batch_size: samples a step, drawn with replacement; of all processes together, and a multiple of their
            number times `accumulate`. Where time allows fewer than 400 steps of 128 digits, 64 or 32 in more
            steps make better ones.
        lr: highest learning rate, > 0.
        warmup: steps until it is reached.
        min_snr: signal-to-noise ratio above which w_t is less than 1 at the start, > 0. Infinity is the
            simple loss throughout. 5 gives better digits after a few hundred steps; small networks, and data
            with sharp edges, lose by it.
        ema_decay: highest decay of the EMA, in [0, 1).
        clip: largest gradient norm.
        accumulate: parts that each batch goes through the model in, for a GPU with little memory: the same
            step.
        generator: source of all draws but a model's own, such as dropout's; None for a fresh one.
        resume: what load_checkpoint returned. The model, optimizer, EMA and generator are set to it, and the
            run goes on to the same numbers as if it had not stopped, when all other arguments are the same.

    Yields: Step, for n = 1 (or the resumed n + 1) .. n_steps.
    Raises: TypeError, ValueError: wrong arguments, at the call; FloatingPointError: a loss or gradient that
        is NaN or infinite, before it reaches the weights.
    Source: Ho et al. 2020, Algorithm 1; slide S14. Stratified t: Kingma et al. 2021, app. I.1. Muon: Jordan
        et al. 2024. Dropped labels: Ho & Salimans 2022. w_t: Hang et al. 2023, "Min-SNR weighting".
    """
    device = device_of(model)
    of_images = all(p.ndim < 5 for p in (*model.parameters(), *model.buffers()))  # not of volumes
    if device.type == "cuda" and of_images:
        model.to(memory_format=torch.channels_last)  # faster on GPUs, slower on CPUs
    rank, world = processes()
    own = unwrapped(model)
    if adopt := getattr(own, "adopt", None):
        adopt(s.alpha_bar)
    images, labels = images.detach().to(device), None if labels is None else labels.to(device)
    generator = check_generator("train", generator, device)
    net = DistributedDataParallel(model) if world > 1 else model  # averages the gradients of all processes
    optimizer = MuonAdamW(model.parameters())
    ema = copy.deepcopy(model).requires_grad_(False).eval()
    done = 0 if resume is None else resume.restore(model, ema, optimizer, generator)
    _share_state(generator, device)  # every process draws the whole batch and takes its share

    early = (min_snr * (1 - s.alpha_bar) / s.alpha_bar).nan_to_num(nan=1.0)  # w_t at n = 0; inf 0 is NaN
    early = early.clamp(max=1).float().to(device)
    # one list for all Steps: save_checkpoint knows one that is no longer the last; it is empty within a step
    progress = [done]
    finite, bf16 = torch.ones((), dtype=torch.bool, device=device), has_bf16(device)
    unread = []  # Steps whose loss is on its way: on a GPU it is read one step late, so that nothing waits
    for n in range(done + 1, n_steps + 1):
        progress.clear()
        weight = torch.lerp(early, torch.ones_like(early), min(n / EARLY, 1.0))
        batch = [a[rank::world] for a in _draw(images, labels, drop_label, own, s.T, batch_size, generator)]
        lr_n = lr * min(n / max(warmup, 1), (n_steps + 1 - n) / max(n_steps - warmup, 1), 1.0)
        decay = min(ema_decay, (1 + n) / (10 + n))
        w = weight[batch[1]]
        seen = update(net, ema, optimizer, s, batch, finite, lr_n, decay, clip, accumulate, bf16, w)
        unread.append(Step(n, OnItsWay(seen), lr_n, ema, model, s, optimizer, generator, progress))
        step = unread[-1]
        while len(unread) > (device.type == "cuda" and n < n_steps):
            last = unread.pop(0)
            try:
                _check_finite(last)
            except FloatingPointError:
                progress.append(last.n - 1)
                raise
        progress.append(n)
        yield step


def _draw(images, labels, drop_label, model, T, B, generator):
    """x_0, t, eps and, if there are any, labels of a batch, drawn with `generator`, on the images' device."""
    here, device = generator.device, images.device
    index = moved(torch.randint(len(images), (B,), generator=generator, device=here), device)
    u = torch.rand(B, generator=generator, device=here)
    # one from each of B equal parts of 1..T
    t = (1 + (torch.arange(B, device=here) + u) / B * T).long().clamp(max=T)
    batch = [images[index], moved(t, device), randn((B, *images.shape[1:]), generator, like=images)]
    if labels is not None:
        dropped = torch.rand(B, generator=generator, device=here) < drop_label
        batch.append(labels[index].masked_fill(moved(dropped, device), model.classes))
    return batch


def _check_finite(step):
    """Raise where the loss of a Step or its gradient's norm is not finite."""
    loss, norm = step.seen.numbers()
    if not math.isfinite(loss + norm):
        raise FloatingPointError(
            f"train: the loss at step {step.n} is {loss}, its gradient's norm {norm}; the weights are those "
            f"of step {step.n - 1}. Try a smaller lr (now {step.lr:.1e}), and look whether the data or the "
            "model holds NaN"
        )


def _share_state(generator, device):
    """Set the generators of all processes to the state of the first one's."""
    if processes()[1] > 1:
        state = [generator.get_state()]
        dist.broadcast_object_list(state, device=device)
        generator.set_state(state[0])


# torchrun -m labdiff.training: this module may not import the command, so it runs it
if __name__ == "__main__":
    sys.argv.insert(1, "train")
    runpy.run_module("labdiff", run_name="__main__")
