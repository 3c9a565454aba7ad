"""Sliders over t: noised images, and curves."""

import math
from collections.abc import Callable, Sequence

import torch

from labdiff import process
from labdiff.arguments import check_data, check_generator, check_schedule, randn
from labdiff.schedule import Schedule
from labdiff.widgets.controls import stops, t_slider
from labdiff.widgets.noised import noised
from labdiff.widgets.panel import Panel
from labdiff.widgets.panes import lines
from labdiff.widgets.tables import numbers, texts


def noise_slider(
    s: Schedule,
    x0: torch.Tensor,
    *,
    q_sample: Callable | None = None,
    eps: torch.Tensor | None = None,
    generator: torch.Generator | None = None,
    t: int = 0,
) -> Panel:
    """Slide t and watch x_t noise up: pictures, alpha_bar_t, the signal-to-noise ratio, and where on the
    schedule t is.

    Args:
        s: Schedule.
        x0: (N, 1 or 3, H, W) real in [-1, 1], the clean pictures.
        q_sample: the function that noises them, (s, x0, t, eps) -> x_t with t (N,) int64; default labdiff's
            own. Give yours: it is called for every t, now, and what it returns is what is shown.
        eps: like x0, the noise; default one draw, kept for all t.
        generator: source of that draw; None for a fresh one.
        t: where the slider starts, 0..T.

    Returns: a Panel with the trait t. It has fewer stops than 0..T where q_sample takes over a millisecond,
        or where what it returns is no mix of x0 and eps and would fill more than 16 MB.
    Raises: TypeError, ValueError: wrong type, shape, or range, q_sample's result included.
    Source: slides S5, S13.
    """
    check_pictures("noise_slider", x0=x0)
    check_schedule("noise_slider", s)
    generator = check_generator("noise_slider", generator)
    eps = randn(x0.shape, generator, like=x0) if eps is None else eps
    check_data("noise_slider", {"x0": x0, "eps": eps})
    pane, levels = noised(
        s, x0, eps, q_sample or process.q_sample, "noise_slider", alt=f"{len(x0)} pictures x_t"
    )
    alpha_bar = s.alpha_bar[levels]
    snr = alpha_bar / (1 - alpha_bar)
    factors = {
        "sqrt(alpha_bar_t): signal": s.alpha_bar.sqrt(),
        "sqrt(1-alpha_bar_t): noise": (1 - s.alpha_bar).sqrt(),
    }
    curves = lines(
        range(s.T + 1),
        factors,
        xlabel="t",
        ylabel="factor",
        ylim=(0, 1),
        mark="t",
        alt="factors of signal and noise over t",
    )
    table = numbers(
        {
            "alpha_bar_t": texts(f"{v:.4f}" for v in alpha_bar),
            "signal-to-noise ratio alpha_bar_t / (1-alpha_bar_t)": texts(
                f"{v:.3g}" if v < math.inf else "infinite" for v in snr
            ),
        }
    )
    return Panel(
        "noise_slider",
        [t_slider("noise_slider", s, levels, t)],
        [[pane], [curves, table]],
        says=texts(f"alpha_bar = {v:.4f}" for v in alpha_bar),
    )


def curve_slider(
    x: Sequence | torch.Tensor,
    ys: dict,
    *,
    xlabel: str = "t",
    ylabel: str,
    xscale: str = "linear",
    yscale: str = "linear",
    start: int = 0,
) -> Panel:
    """Slide along curves and read their values.

    Args:
        x: (N,) rising whole numbers, such as t.
        ys: {label: (N,) numbers}.
        xlabel, ylabel: texts at the axes.
        xscale, yscale: "linear" or "log".
        start: index into x where the slider starts.

    Returns: a Panel with the trait x_at, one of the numbers x.
    """
    x, ys = [int(v) for v in x], {label: torch.as_tensor(y) for label, y in ys.items()}
    plot = lines(
        x,
        ys,
        xlabel=xlabel,
        ylabel=ylabel,
        xlog=xscale == "log",
        log=yscale == "log",
        mark="x_at",
        width=560,
        height=240,
        alt=f"{', '.join(ys)} over {xlabel}",
    )
    table = numbers({label: texts((f"{v:.4g}" for v in y.tolist()), ("x_at",)) for label, y in ys.items()})
    says = texts(
        (", ".join(f"{label} = {y[i].item():.4g}" for label, y in ys.items()) for i in range(len(x))),
        ("x_at",),
    )
    return Panel("curve_slider", [stops("x_at", x, x[start], label=xlabel)], [[plot, table]], says=says)


def check_pictures(function, **tensors):
    first = check_data(function, tensors)
    if first.ndim != 4 or first.shape[1] not in (1, 3):
        raise ValueError(
            f"{function}: {next(iter(tensors))}: expected pictures of shape (N, 1 or 3, H, W), "
            f"got {tuple(first.shape)}"
        )
