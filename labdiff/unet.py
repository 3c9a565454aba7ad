"""The network: a small U-Net (x, t) -> eps_hat, and the skip connection that makes two CPU cores enough to train it."""

import contextlib
import math

import torch
from torch import nn
from torch.nn import functional as F

from labdiff.arguments import check_data, check_generator, check_int, check_t


def timestep_embedding(t, dim):
    """Turn a time step into a vector that a network can read: sines and cosines of t at falling frequencies.

        emb[k] = sin(t w_k),  emb[dim/2 + k] = cos(t w_k),  w_k = 10000^(-k / (dim/2)),  k = 0..dim/2 - 1

    Args:
        t: (B,) int64, time steps.
        dim: length of the embedding, even, >= 2.

    Returns: (B, dim) float32 in [-1, 1], on t's device.
    Raises: TypeError, ValueError: t is not (B,) int64, or dim is not even.
    Source: Vaswani et al. 2017, section 3.5; Ho et al. 2020, appendix B; slide S14.
    """
    t = check_t("timestep_embedding", t, math.inf, 0, wait=False)
    if not isinstance(dim, int) or dim < 2 or dim % 2:
        raise ValueError(f"timestep_embedding: dim: expected an even int >= 2, got {dim!r}")
    k = torch.arange(dim // 2, device=t.device)
    angle = t.float()[:, None] * torch.exp(-math.log(10000) * k / (dim // 2))  # (B, dim/2)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


class ResBlock(nn.Module):
    """GroupNorm, SiLU, convolution, twice; the time is added in the middle, the input at the end."""

    def __init__(self, c_in, c_out, c_time):
        super().__init__()
        self.norm1, self.conv1 = _norm(c_in), nn.Conv2d(c_in, c_out, 3, padding=1)
        self.time = nn.Linear(c_time, c_out)
        self.norm2, self.conv2 = _norm(c_out), nn.Conv2d(c_out, c_out, 3, padding=1)
        self.skip = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x))) + self.time(emb)[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return self.skip(x) + h


class Attention(nn.Module):
    """Every pixel looks at every other pixel of the (small) picture."""

    def __init__(self, c):
        super().__init__()
        self.heads = c // 32 if c % 32 == 0 else 1
        self.norm, self.qkv, self.out = _norm(c), nn.Conv2d(c, 3 * c, 1), nn.Conv2d(c, c, 1)

    def forward(self, x):
        B, C, H, W = x.shape
        qkv = self.qkv(self.norm(x)).reshape(B, 3, self.heads, C // self.heads, H * W)
        q, k, v = qkv.transpose(-1, -2).unbind(1)  # each (B, heads, H*W, C/heads)
        h = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(h.transpose(-1, -2).reshape(B, C, H, W))


class UNet(nn.Module):
    """A U-Net that predicts the noise in x_t: eps_hat = eps_theta(x_t, t).

    The picture is first folded, 2x2 pixels into channels, so that all levels are small: 14, 7 and 4 pixels wide for a
    28x28 digit. Each level has one residual block on the way down and one on the way up; the lowest has attention.

    Args:
        channels: width of the first level, >= 1.
        mults: width of each level as a multiple of `channels`, one per level.
        image_channels: 1 for grey, 3 for colour.
        alpha_bar: (T+1,) of the Schedule, or None. If given, the output is preconditioned, see `Preconditioned`.
        generator: source of the initial weights; None for a fresh one.

    Call: model(x, t) with x (B, image_channels, H, W) real, H and W even; t (B,) int64 in 1..T. Returns eps_hat like x. At
    the start the last layer is zero, so that the plain network says eps_hat = 0.

    Raises: TypeError, ValueError: odd H or W, another number of channels, dtype or device, t not (B,) or not in 1..T.
    Source: Ronneberger et al. 2015; Ho et al. 2020, appendix B; slide S14.
    """

    def __init__(self, channels=32, *, mults=(1, 2, 3), image_channels=1, alpha_bar=None, generator=None):
        super().__init__()
        check_int("UNet", "channels", channels)
        check_int("UNet", "image_channels", image_channels)
        if (
            not isinstance(mults, (tuple, list))
            or not mults
            or not all(type(m) is int and m >= 1 for m in mults)
        ):
            raise ValueError(f"UNet: mults: expected a tuple of ints >= 1, got {mults!r}")
        self.config = dict(channels=channels, mults=tuple(mults), image_channels=image_channels)
        widths = [channels * m for m in mults]
        c_time = 4 * channels
        with _initial_weights_from(generator):
            self.time = nn.Sequential(
                nn.Linear(2 * channels, c_time), nn.SiLU(), nn.Linear(c_time, c_time), nn.SiLU()
            )
            self.stem = nn.Conv2d(4 * image_channels, widths[0], 3, padding=1)
            self.down = nn.ModuleList(ResBlock(a, b, c_time) for a, b in zip([widths[0], *widths], widths))
            self.shrink = nn.ModuleList(nn.Conv2d(c, c, 3, stride=2, padding=1) for c in widths[:-1])
            self.attention = Attention(widths[-1])
            self.middle = ResBlock(widths[-1], widths[-1], c_time)
            self.grow = nn.ModuleList(nn.Conv2d(b, a, 3, padding=1) for a, b in zip(widths, widths[1:]))
            self.up = nn.ModuleList(ResBlock(2 * c, c, c_time) for c in widths)
            self.norm, self.head = _norm(widths[0]), nn.Conv2d(widths[0], 4 * image_channels, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.precondition = None if alpha_bar is None else Preconditioned(alpha_bar)

    def forward(self, x, t):
        C = self.config["image_channels"]
        fits = isinstance(x, torch.Tensor) and x.ndim == 4 and x.shape[1] == C and x.numel() > 0
        if not fits or x.shape[2] % 2 or x.shape[3] % 2:
            raise ValueError(f"UNet: x: expected shape (B, {C}, H, W) with even H and W, got {_shape(x)}")
        weight = self.head.weight
        if x.device != weight.device or (x.dtype != weight.dtype and not _autocast_takes(x)):
            raise (ValueError if x.device != weight.device else TypeError)(
                f"UNet: x: expected {weight.dtype} on {weight.device} like the weights, got {x.dtype} on {x.device}"
            )
        T = math.inf if self.precondition is None else len(self.precondition.signal) - 1
        t = check_t("UNet", t, T, 1, x, wait=False)
        emb = self.time(timestep_embedding(t, self.time[0].in_features).to(weight.dtype))
        h = self.stem(F.pixel_unshuffle(x, 2))  # (B, widths[0], H/2, W/2)
        skips = []
        for i, block in enumerate(self.down):
            h = block(h, emb)
            skips.append(h)
            if i < len(self.shrink):
                h = self.shrink[i](h)  # half the size, rounded up
        h = self.middle(self.attention(h), emb)
        for i in reversed(range(len(self.up))):
            h = self.up[i](torch.cat([h, skips[i]], dim=1), emb)
            if i:
                h = self.grow[i - 1](F.interpolate(h, skips[i - 1].shape[-2:]))
        out = F.pixel_shuffle(self.head(F.silu(self.norm(h))), 2)  # (B, C, H, W)
        return out.to(x.dtype) if self.precondition is None else self.precondition(x, t, out)


class Preconditioned(nn.Module):
    """The skip connection that gives the noise for free where x_t is almost all noise.

        eps_hat = sqrt(1 - alpha_bar_t) x_t + sqrt(alpha_bar_t) F(x_t, t)

    What is left for the network is F = sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) x_0, of the same size at every t.

    Args:
        alpha_bar: (T+1,) of the Schedule that the model is trained with. Kept as a buffer, so it travels with the weights.

    Call: (x_t, t, F) with x_t and F (B, ...), t (B,) int64. Returns eps_hat like x_t.
    Source: Karras et al. 2022, section 5; Salimans & Ho 2022, appendix D (F is their v).
    """

    def __init__(self, alpha_bar):
        super().__init__()
        check_data("Preconditioned", {"alpha_bar": alpha_bar})
        if alpha_bar.ndim != 1 or alpha_bar[0] != 1 or (alpha_bar < 0).any() or (alpha_bar > 1).any():
            raise ValueError(
                "Preconditioned: alpha_bar: expected that of a Schedule, (T+1,) in [0, 1] with alpha_bar[0] = "
                f"1, got shape {tuple(alpha_bar.shape)}, values {alpha_bar.min():g}..{alpha_bar.max():g}"
            )
        self.register_buffer("signal", alpha_bar.sqrt().float())
        self.register_buffer("noise", (1 - alpha_bar).sqrt().float())

    def forward(self, xt, t, out):
        t = check_t("Preconditioned", t, len(self.signal) - 1, 1, xt, wait=False)
        signal, noise = (
            a[t].reshape(-1, *[1] * (xt.ndim - 1)).to(xt.dtype) for a in (self.signal, self.noise)
        )
        return noise * xt + signal * out


def _norm(c):
    """GroupNorm in at most 8 groups of at least two channels: one channel of a single pixel would be normed to 0."""
    return nn.GroupNorm(math.gcd(8, c, c // 2), c) if c > 1 else nn.Identity()


@contextlib.contextmanager
def _initial_weights_from(generator):
    """Draw a module's initial weights from `generator`; the global random state stays as it was."""
    generator = check_generator("UNet", generator)
    seed = torch.randint(2**62, (), generator=generator, device=generator.device).item()
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(state)


def _autocast_takes(x):
    return torch.is_autocast_enabled(x.device.type) and x.dtype in (
        torch.float32,
        torch.bfloat16,
        torch.float16,
    )


def _shape(x):
    return tuple(x.shape) if isinstance(x, torch.Tensor) else type(x).__name__
