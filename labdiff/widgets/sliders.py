"""Sliders whose data goes to the browser once: digits, schedules, and curves."""

import math
import warnings

import torch

from labdiff import process, schedule
from labdiff.arguments import check_data, check_generator, check_schedule, randn
from labdiff.widgets.noised import noised
from labdiff.widgets.panel import Panel
from labdiff.widgets.panes import choice, lines, mixed, numbers, stops, t_slider, texts


def noise_slider(s, x0, *, q_sample=None, eps=None, generator=None, t=0):
    """Slide t and watch x_t noise up: pictures, alpha_bar_t, the signal-to-noise ratio, and where on the schedule t is.

    Args:
        s: Schedule.
        x0: (N, 1 or 3, H, W) real in [-1, 1], the clean pictures.
        q_sample: the function that noises them, (s, x0, t, eps) -> x_t with t (N,) int64; default labdiff's own.
            Give yours: it is called for every t, now, and what it returns is what is shown.
        eps: like x0, the noise; default one draw, kept for all t.
        generator: source of that draw; None for a fresh one.
        t: where the slider starts, 0..T.

    Returns: a Panel with the trait t. It has fewer stops than 0..T where q_sample takes over a millisecond, or where
        what it returns is no mix of x0 and eps and would fill more than 16 MB.
    Raises: TypeError, ValueError: wrong type, shape, or range, q_sample's result included.
    Source: slides S5, S13.
    """
    _check_pictures("noise_slider", x0=x0)
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


def schedule_slider(x0, *, generator=None):
    """Choose a schedule and see alpha_bar_t, and what becomes of a picture on its way to x_T.

    Args:
        x0: (1, 1 or 3, H, W) real in [-1, 1], one clean picture; the first of several is taken.
        generator: source of the noise; None for a fresh one.

    Returns: a Panel with the traits kind ("linear" or "cosine"), T, and beta_T (the last beta of the linear schedule, as
        for T = 1000).
    Raises: TypeError, ValueError: x0 is no such picture.
    Source: slides S4, S5, S13; Nichol & Dhariwal 2021.
    """
    _check_pictures("schedule_slider", x0=x0)
    n, points = 9, 101
    eps = randn((n, *x0.shape[1:]), check_generator("schedule_slider", generator), like=x0)
    kinds, sizes = ("linear", "cosine"), (10, 20, 50, 100, 200, 500, 1000)
    betas = [float(f"{0.02 * 10 ** (i / 20):.3g}") for i in range(-24, 15)]  # 0.02 is among them
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the table says whether x_T is noise
        cosine = {T: schedule.cosine_schedule(T) for T in sizes}
        all_of_them = [
            schedule.linear_schedule(T, beta_T=beta) if kind == "linear" else cosine[T]
            for kind in kinds
            for T in sizes
            for beta in betas
        ]
    axes = ("kind", "T", "beta_T")
    along = torch.stack([s.alpha_bar[torch.arange(n) * s.T // (n - 1)] for s in all_of_them])
    curve = torch.stack(
        [s.alpha_bar[(torch.arange(points) / (points - 1) * s.T).round().long()] for s in all_of_them]
    )
    left = along[:, -1].tolist()
    factors = [f.to(x0.dtype) for f in (along.sqrt(), (1 - along).sqrt())]  # rounded as q_sample rounds them
    strip = mixed(
        x0[:1].expand_as(eps),
        eps,
        *factors,
        axes=axes,
        columns=n,
        caption="x_t at t = 0, T/8, 2T/8, .., T",
        alt="one picture at nine t from 0 to T",
    )
    plot = lines(
        torch.arange(points) / (points - 1),
        {"alpha_bar_t": curve},
        axes=axes,
        xlabel="t / T",
        ylabel="alpha_bar_t",
        ylim=(0, 1),
        alt="alpha_bar over t / T",
    )
    table = numbers(
        {
            "alpha_bar_T": texts((f"{v:.2g}" for v in left), axes),
            "x_T is": texts(
                ("noise" if v < 0.01 else "NOT noise: the digit shines through" for v in left), axes
            ),
        }
    )
    controls = [
        choice("kind", kinds, label="schedule"),
        stops("T", sizes, 1000, speak="number of noise levels T"),
        stops(
            "beta_T",
            betas,
            0.02,
            labels=[f"{beta:.3g}" for beta in betas],
            speak="last beta of the linear schedule",
        ),
    ]
    return Panel(
        "schedule_slider",
        controls,
        [[strip], [plot, table]],
        says=texts((f"alpha_bar_T = {v:.2g}" for v in left), axes),
    )


def curve_slider(x, ys, *, xlabel="t", ylabel, xscale="linear", yscale="linear", start=0):
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


def _check_pictures(function, **tensors):
    first = check_data(function, tensors)
    if first.ndim != 4 or first.shape[1] not in (1, 3):
        raise ValueError(
            f"{function}: {next(iter(tensors))}: expected pictures of shape (N, 1 or 3, H, W), "
            f"got {tuple(first.shape)}"
        )
