"""What the browser needs in order to show a person's own q_sample at every t."""

import contextlib
import io
import time

import numpy as np
import torch

from labdiff import process
from labdiff.arguments import check_data
from labdiff.images import to_uint8
from labdiff.model_argument import check_function
from labdiff.widgets.panes import frames, mixed

LARGEST = 16e6  # bytes of frames sent to the page
LONGEST = 4.0  # seconds spent on calling q_sample


def caller(s, q_sample, name):
    """q_sample as call(x0, t, eps) with one t for all; it gets copies, and its result is checked."""
    check_function(name, "q_sample", q_sample, "(s, x0, t, eps) -> x_t")

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

    labdiff's own is a mix a_t x0 + b_t eps, of which only x0, eps and the factors go to the browser. So is
    another function whose images equal such a mix, grey level by grey level; a_t and b_t are what it makes of
    ones and of zeros. Otherwise its images themselves go there. Such a function is called for every t that is
    shown: for fewer, evenly many, where it is slow or the images large.

    Args:
        s: Schedule.
        x0, eps: (N, 1 or 3, H, W) in [-1, 1], and the noise.
        q_sample: (s, x0, t, eps) -> x_t, with t (N,) int64; None for labdiff's own.
        name: of the widget, for errors.
        look: what the pane looks like, see mixed().

    Returns: (pane, levels): levels a list of t's, 0..T or a part of them with both ends.
    Raises: TypeError, ValueError: q_sample returns no images like x0; whatever q_sample raises.
    """
    if is_own(q_sample):
        signal, noise = (f.sqrt().to(x0.dtype) for f in (s.alpha_bar, 1 - s.alpha_bar))
        return mixed(x0, eps, signal, noise, **look), list(range(s.T + 1))
    call = caller(s, q_sample, name)
    double = call(x0, s.T, eps).dtype == torch.float64
    # for each t three calls and a comparison
    levels = evenly(s.T, how_many(lambda: call(x0, s.T, eps), calls=4))
    wide_x0, wide_eps = (x0.double(), eps.double()) if double else (x0, eps)
    zeros, ones, signal, noise = torch.zeros_like(x0), torch.ones_like(x0), [], []
    for t in levels:
        xt = call(x0, t, eps)
        a, b = (call(*given).flatten()[0].item() for given in ((ones, t, zeros), (zeros, t, ones)))
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


def is_own(q_sample):
    """Whether q_sample is labdiff's, with or without the checks of its arguments."""
    names = (getattr(q_sample, "__module__", None), getattr(q_sample, "__name__", None))
    return q_sample is None or names == (process.__name__, "q_sample")


def check_images(function, **tensors):
    """Raise unless the tensors are images (N, 1 or 3, H, W), real, finite and alike."""
    first = check_data(function, tensors)
    if first.ndim != 4 or first.shape[1] not in (1, 3):
        name = next(iter(tensors))
        raise ValueError(
            f"{function}: {name}: expected pictures of shape (N, 1 or 3, H, W), got {tuple(first.shape)}. "
            f"A single one is {name}[None]"
        )
    to_uint8(first, name=f"{function}: {next(iter(tensors))}")  # warns of another scale
