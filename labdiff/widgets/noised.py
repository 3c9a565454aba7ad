"""What the browser needs in order to show a person's own q_sample at every t."""

import contextlib
import io
import time

import numpy as np
import torch

from labdiff.images import to_uint8
from labdiff.widgets.panes import frames, mixed

LARGEST = 16e6  # bytes of frames sent to the page
LONGEST = 4.0  # seconds spent on calling q_sample


def caller(s, q_sample, name):
    """q_sample as call(x0, t, eps) with one t for all; it gets copies, and its result is checked."""

    def call(x0, t, eps):
        with contextlib.redirect_stdout(io.StringIO()):  # a print in it would come a thousand times
            xt = q_sample(s, x0.clone(), torch.full((len(x0),), t, device=x0.device), eps.clone())
        if not isinstance(xt, torch.Tensor):
            raise TypeError(
                f"{name}: q_sample(s, x0, t, eps): expected a tensor of shape {tuple(x0.shape)}, "
                f"got {type(xt).__name__}"
            )
        if xt.shape != x0.shape or not xt.is_floating_point():
            raise ValueError(
                f"{name}: q_sample(s, x0, t, eps): expected real numbers of shape {tuple(x0.shape)} like x0, "
                f"got {xt.dtype} of shape {tuple(xt.shape)}"
            )
        return xt

    return call


def how_many(call, calls):
    """How many levels there is time for when each takes so many calls."""
    times = []
    for _ in range(6):  # the first call warms up; the fastest is what it takes where nothing else runs
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return LONGEST / (calls * min(times))


def evenly(T, at_most):
    """All of 0..T, or about at_most of them, at least 3, evenly, with both ends."""
    n = max(3, min(T + 1, int(at_most)))
    return sorted({round(i * T / (n - 1)) for i in range(n)})


def noised(s, x0, eps, q_sample, name, **look):
    """The pane that shows q_sample(s, x0, t, eps), and the t's that it has.

    Where each picture equals, grey level by grey level, a mix a_t x0 + b_t eps, only x0, eps and the factors
    go to the browser; a_t and b_t are what q_sample makes of ones and of zeros. Otherwise its pictures
    themselves go there. Either way the function is called for every t that is shown; for fewer, evenly many,
    where it is slow or the pictures large.

    Args:
        s: Schedule.
        x0, eps: (N, 1 or 3, H, W) in [-1, 1], and the noise.
        q_sample: (s, x0, t, eps) -> x_t, with t (N,) int64.
        name: of the widget, for errors.
        look: what the pane looks like, see mixed().

    Returns: (pane, levels): levels a list of t's, 0..T or a part of them with both ends.
    Raises: TypeError, ValueError: q_sample returns no pictures like x0; whatever q_sample raises.
    """
    call = caller(s, q_sample, name)
    double = call(x0, s.T, eps).dtype == torch.float64
    levels = evenly(
        s.T, how_many(lambda: call(x0, s.T, eps), calls=4)
    )  # for each t three calls and a comparison
    wide_x0, wide_eps = (x0.double(), eps.double()) if double else (x0, eps)
    zeros, ones, signal, noise = torch.zeros_like(x0), torch.ones_like(x0), [], []
    for t in levels:
        xt, a, b = (
            call(x0, t, eps),
            call(ones, t, zeros).flatten()[0].item(),
            call(zeros, t, ones).flatten()[0].item(),
        )
        mix = a * wide_x0 + b * wide_eps
        same_type = xt.dtype == mix.dtype and xt.dtype in (torch.float32, torch.float64)
        if not same_type or not np.array_equal(to_uint8(xt), to_uint8(mix)):
            break
        signal.append(a)
        noise.append(b)
    else:
        return mixed(x0, eps, signal, noise, double=double, **look), levels
    levels = evenly(s.T, min(len(levels), LARGEST / to_uint8(x0).nbytes))
    return frames(np.stack([to_uint8(call(x0, t, eps)) for t in levels]), axes=("t",), **look), levels
