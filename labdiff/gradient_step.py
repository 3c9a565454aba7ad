"""One gradient step of Algorithm 1, on tensors alone."""

from collections.abc import Sequence

import torch
from torch import distributed as dist

from labdiff.arguments import eval_mode
from labdiff.device import processes
from labdiff.objective import eps_errors
from labdiff.optimizer import MuonAdamW
from labdiff.schedule import Schedule
from labdiff.trajectory import explained


def update(
    net: torch.nn.Module,
    ema: torch.nn.Module,
    optimizer: MuonAdamW,
    s: Schedule,
    batch: Sequence[torch.Tensor],
    finite: torch.Tensor,
    lr: float | torch.Tensor,
    decay: float | torch.Tensor,
    clip: float = 1.0,
    parts: int = 1,
    bf16: bool = False,
    weight: torch.Tensor | None = None,
) -> torch.Tensor:
    """One step on tensors alone, which torch.compile takes whole: gradient, clipping, optimizer, EMA.

    Args:
        net: the model, in place; ema: the average of its weights, in place.
        batch: x_0, t, eps and, for a model with labels, the labels.
        finite: a bool on the device, in place; once a loss or gradient is not finite, so that it is False, no
            step changes the weights.
        lr, decay: of this step; tensors where torch.compile shall not look at their values.
        weight: (B,) weight of each sample's squared error in the gradient; None for 1.

    Returns: (2,) the simple loss, without weights, and the gradient's norm before clipping, on the device.
    """
    net.zero_grad()
    weight = torch.ones(len(batch[0]), device=batch[0].device) if weight is None else weight
    loss = _backward(net, s, [weight, *batch], parts, bf16)
    norm = torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
    if processes()[1] > 1:
        dist.all_reduce(loss)
        loss = loss / processes()[1]
    finite.logical_and_(torch.isfinite(loss + norm))
    if torch.compiler.is_compiling() or finite.device.type == "cuda":  # without looking
        lr = lr * finite
        for grad in (p.grad for p in net.parameters() if p.grad is not None):
            grad.masked_fill_(~finite, 0)  # 0 times NaN is NaN
    elif not finite:
        return torch.stack([loss, norm])
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.step()
    _average(ema, net, decay)
    return torch.stack([loss, norm])


def _backward(net, s, batch, parts, bf16):
    """Put the gradient of the batch's weighted loss into the parameters, one part at a time; return the loss
    without the weights."""
    device, total = batch[0].device, torch.zeros((), device=batch[0].device)
    with torch.enable_grad(), eval_mode(net, training=True):
        for weight, x0, t, eps, *label in zip(*(a.chunk(parts) for a in batch), strict=True):
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16), explained("train"):
                labelled = lambda x, t, label=label: net(x, t, *label)  # noqa: E731
                errors = eps_errors("train", labelled, s, x0, t, eps) / parts
            (weight * errors).mean().backward()
            total = total + errors.detach().mean()
    return total


@torch.no_grad()
def _average(ema, model, decay):
    """ema <- decay ema + (1 - decay) model; buffers are copied."""
    averages, weights = list(ema.parameters()), list(model.parameters())
    share = [1 - decay] * len(weights) if isinstance(decay, torch.Tensor) else 1 - decay
    torch._foreach_lerp_(averages, weights, share)
    for mine, theirs in zip(ema.buffers(), model.buffers(), strict=True):
        mine.copy_(theirs)
