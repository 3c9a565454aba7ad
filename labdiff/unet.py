"""The network: a small U-Net (x, t) -> eps_hat."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from labdiff.arguments import check_generator, check_int, check_t
from labdiff.blocks import Attention, ResBlock, Shrink, norm
from labdiff.model_argument import check_label
from labdiff.precondition import Preconditioned
from labdiff.signature import checked

# numbers of x at once without gradients on a CPU: more spends its time page-faulting activations
CPU_BATCH = 200_000


def timestep_embedding(t: torch.Tensor, dim: int) -> torch.Tensor:
    """Turn a time step into a vector that a network can read: sines and cosines of t at falling frequencies.

        emb[k] = sin(t w_k),  emb[dim/2 + k] = cos(t w_k),  w_k = 10000^(-k / (dim/2)),  k = 0..dim/2 - 1

    Args:
        t: (B,) int64, time steps.
        dim: length of the embedding, even, >= 2.

    Returns: (B, dim) float32 in [-1, 1], on t's device.
    Raises: TypeError, ValueError: t is not (B,) int64, or dim is not even.
    Source: Vaswani et al. 2017, section 3.5; Ho et al. 2020, appendix B; slide S14.
    """
    k = torch.arange(dim // 2, device=t.device)
    angle = t.float()[:, None] * torch.exp(-math.log(10000) * k / (dim // 2))  # (B, dim/2)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


class UNet(nn.Module):
    """A U-Net that predicts the noise in x_t: eps_hat = eps_theta(x_t, t), or eps_theta(x_t, t, label).

    The image is first folded, 2x2 pixels into channels, so that all levels are small: 14, 7 and 4 pixels wide
    for a 28x28 digit. Each level has one residual block on the way down and one on the way up; between
    them the lowest has attention and one more block.

    Args:
        channels: width of the first level, >= 1.
        mults: width of each level as a multiple of `channels`, one per level.
        image_channels: 1 for grey, 3 for colour.
        classes: number of labels that the model knows, or None for a model without.
        alpha_bar: (T+1,) of the Schedule; None takes that of the schedule that the network is trained with.
        precondition: whether the output is preconditioned, see `Preconditioned`; False for the plain network.
        generator: source of the initial weights; None for a fresh one.

    Call: model(x, t, label=None) with x (B, image_channels, H, W) real, H and W even; t (B,) int64 in 1..T;
    label an int or (B,) int64 in 0..classes, where None and `classes` mean "no label".
    Returns eps_hat like x. At the start the last layer is zero, so that the plain network says eps_hat = 0.

    Raises: TypeError, ValueError: odd H or W, another number of channels, dtype or device, t not (B,) or not
        in 1..T, a label that is not in 0..classes; no ranges on a GPU, where looking at them would wait.
    Source: Ronneberger et al. 2015; Ho et al. 2020, appendix B; labels: Ho & Salimans 2022; slide S14.
    """

    @checked
    def __init__(
        self,
        channels: int = 32,
        *,
        mults: Sequence[int] = (1, 2, 3),
        image_channels: int = 1,
        classes: int | None = None,
        alpha_bar: torch.Tensor | None = None,
        precondition: bool = True,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        check_int("UNet", "channels", channels)
        check_int("UNet", "image_channels", image_channels)
        if (
            not isinstance(mults, tuple | list)
            or not mults
            or not all(type(m) is int and m > 0 for m in mults)
        ):
            raise ValueError(f"UNet: mults: expected a tuple of ints >= 1, got {mults!r}")
        self.config: dict[str, Any] = dict(
            channels=channels, mults=tuple(mults), image_channels=image_channels
        )
        self.classes = classes
        widths = [channels * m for m in mults]
        c_time = 4 * channels
        with _initial_weights_from(generator):
            self.time = nn.Sequential(
                nn.Linear(2 * channels, c_time), nn.SiLU(), nn.Linear(c_time, c_time), nn.SiLU()
            )
            self.stem = nn.Conv2d(4 * image_channels, widths[0], 3, padding=1)
            self.down = nn.ModuleList(
                ResBlock(a, b, c_time) for a, b in zip([widths[0], *widths[:-1]], widths, strict=True)
            )
            self.shrink = nn.ModuleList(map(Shrink, widths[:-1]))
            self.attention = Attention(widths[-1])
            self.middle = ResBlock(widths[-1], widths[-1], c_time)
            self.grow = nn.ModuleList(nn.Conv2d(b, a, 3, padding=1) for a, b in pairwise(widths))
            self.up = nn.ModuleList(ResBlock(2 * c, c, c_time) for c in widths)
            self.norm, self.head = norm(widths[0]), nn.Conv2d(widths[0], 4 * image_channels, 3, padding=1)
            if classes is not None:
                check_int("UNet", "classes", classes)
                self.config["classes"] = classes
                self.label = nn.Embedding(classes + 1, c_time)  # the last row: no label
        for p in self.head.parameters():
            nn.init.zeros_(p)
        self.precondition: Preconditioned | None = None
        if not precondition:
            self.config["precondition"] = False
        elif alpha_bar is not None:
            self.precondition = Preconditioned(alpha_bar)
        self.to(torch.get_default_device())

    def adopt(self, alpha_bar: torch.Tensor) -> None:
        """Become preconditioned with alpha_bar, unless it already is or was made with precondition=False."""
        if self.precondition is None and self.config.get("precondition", True):
            self.precondition = Preconditioned(alpha_bar).to(self.head.weight.device)

    def _load_from_state_dict(self, state_dict, prefix, *args):
        if prefix + "precondition.signal" in state_dict:  # weights bring their schedule along
            self.adopt(state_dict[prefix + "precondition.signal"].cpu().double() ** 2)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward(
        self, x: torch.Tensor, t: torch.Tensor, label: int | torch.Tensor | None = None
    ) -> torch.Tensor:
        t, label = self._checked(x, t, label)
        if x.device.type == "cpu" and x.numel() > CPU_BATCH and len(x) > 1 and not torch.is_grad_enabled():
            n = max(1, CPU_BATCH // x[0].numel())
            labels = [None] * len(x) if label is None else label.split(n)
            parts = zip(x.split(n), t.split(n), labels, strict=False)
            return torch.cat([self._eps_hat(*part) for part in parts])
        return self._eps_hat(x, t, label)

    def _eps_hat(self, x: torch.Tensor, t: torch.Tensor, label: torch.Tensor | None) -> torch.Tensor:
        emb = self.time(timestep_embedding(t, 2 * self.config["channels"]).to(self.head.weight.dtype))
        if label is not None:
            emb = emb + self.label(label)
        h = self.stem(F.pixel_unshuffle(x, 2))  # (B, widths[0], H/2, W/2)
        skips = []
        for i, block in enumerate(self.down):
            h = block(h, emb)
            skips.append(h)
            if i < len(self.shrink):
                h = self.shrink[i](h)
        h = self.middle(self.attention(h), emb)
        for i in reversed(range(len(self.up))):
            h = self.up[i](torch.cat([h, skips[i]], dim=1), emb)
            if i:
                h = self.grow[i - 1](F.interpolate(h, skips[i - 1].shape[-2:]))
        out = F.pixel_shuffle(self.head(F.silu(self.norm(h))), 2)  # (B, C, H, W)
        return out.to(x.dtype) if self.precondition is None else self.precondition(x, t, out)

    def _checked(self, x, t, label):
        """t and label as tensors (B,), or None for a network without labels; raise unless all fit."""
        C, weight = self.config["image_channels"], self.head.weight
        fits = isinstance(x, torch.Tensor) and x.ndim == 4 and x.shape[1] == C and x.numel() > 0
        if not fits or x.shape[2] % 2 or x.shape[3] % 2:
            got = tuple(x.shape) if isinstance(x, torch.Tensor) else type(x).__name__
            raise ValueError(f"UNet: x: expected shape (B, {C}, H, W) with even H and W, got {got}")
        expected = f"UNet: x: expected {weight.dtype} on {weight.device} like the weights"
        if x.device != weight.device:
            raise ValueError(f"{expected}, got {x.dtype} on {x.device}")
        short = x.is_floating_point() and x.element_size() < 8
        if x.dtype != weight.dtype and not (short and torch.is_autocast_enabled(x.device.type)):
            raise TypeError(f"{expected}, got {x.dtype} on {x.device}")
        T = math.inf if self.precondition is None else len(self.precondition.signal) - 1
        t = check_t("UNet", t, T, 1, x, wait=False)
        if self.classes is not None:
            return t, check_label("UNet", label, self.classes, x)
        if label is not None:
            raise ValueError(f"UNet: label: expected None, for it was made without classes=, got {label!r}")
        return t, None


@contextlib.contextmanager
def _initial_weights_from(generator: torch.Generator | None) -> Iterator[None]:
    """Draw a module's initial weights from `generator`, on the CPU; the global random state stays."""
    generator = check_generator("UNet", generator)
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        with torch.device("cpu"):
            yield
    finally:
        torch.set_rng_state(state)
