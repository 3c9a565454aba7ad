"""The blocks that the U-Net is made of."""

import math

import torch
from torch import nn
from torch.nn import functional as F


def norm(c: int) -> nn.Module:
    """GroupNorm in at most 8 groups of two channels or more: one number alone would be normed to 0."""
    return nn.GroupNorm(math.gcd(8, c, c // 2), c) if c > 1 else nn.Identity()


class ResBlock(nn.Module):
    """GroupNorm, SiLU, convolution, twice; the time is added in the middle, the input at the end."""

    def __init__(self, c_in: int, c_out: int, c_time: int):
        super().__init__()
        self.norm1, self.conv1 = norm(c_in), nn.Conv2d(c_in, c_out, 3, padding=1)
        self.time = nn.Linear(c_time, c_out)
        self.norm2, self.conv2 = norm(c_out), nn.Conv2d(c_out, c_out, 3, padding=1)
        self.skip = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(self, x: torch.Tensor, emb: torch.Tensor) -> torch.Tensor:
        h = self.conv1(F.silu(self.norm1(x))) + self.time(emb)[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return self.skip(x) + h


class Shrink(nn.Conv2d):
    """A convolution to half the size, rounded up.

    A side of one pixel gets no stride: the gradient of a strided convolution of it is wrong in bfloat16.
    """

    def __init__(self, c: int):
        super().__init__(c, c, 3, stride=2, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        stride = [min(2, n) for n in x.shape[-2:]]
        return F.conv2d(x, self.weight, self.bias, stride, padding=1)


class Attention(nn.Module):
    """Every pixel looks at every other pixel of the (small) image."""

    def __init__(self, c: int):
        super().__init__()
        self.heads = c // 32 if c % 32 == 0 else 1
        self.norm, self.qkv, self.out = norm(c), nn.Conv2d(c, 3 * c, 1), nn.Conv2d(c, c, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, C, H, W = x.shape
        qkv = self.qkv(self.norm(x)).reshape(B, 3, self.heads, C // self.heads, H * W)
        q, k, v = qkv.transpose(-1, -2).unbind(1)  # each (B, heads, H*W, C/heads)
        h = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(h.transpose(-1, -2).reshape(B, C, H, W))
