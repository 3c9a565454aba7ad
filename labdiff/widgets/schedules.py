"""The schedule slider: what becomes of an image on its way to x_T."""

import math
import warnings

import torch

from labdiff import schedule
from labdiff.arguments import check_generator, randn
from labdiff.signature import checked
from labdiff.widgets.controls import choice, stops
from labdiff.widgets.noised import check_images
from labdiff.widgets.panel import Panel
from labdiff.widgets.panes import lines, mixed
from labdiff.widgets.tables import numbers, texts


@checked
def schedule_slider(x0: torch.Tensor, *, generator: torch.Generator | None = None) -> Panel:
    """Choose a schedule and see alpha_bar_t, and what becomes of a picture on its way to x_T.

    Args:
        x0: (1, 1 or 3, H, W) real in [-1, 1], one clean picture; the first of several is taken.
        generator: source of the noise; None for a fresh one.

    Returns: a Panel with the traits kind ("linear" or "cosine"), T, and beta_T (the last beta of the linear
        schedule, as for T = 1000).
    Raises: TypeError, ValueError: x0 is no such picture.
    Source: slides S4, S5, S13; Nichol & Dhariwal 2021.
    """
    check_images("schedule_slider", x0=x0)
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
    left = along[:, -1]
    # S9's L_T: KL( q(x_T | x_0) || N(0, I) ), and how often the best possible judge tells the two apart
    shift = left * x0[0].double().square().sum().cpu()  # || sqrt(alpha_bar_T) x_0 ||^2
    kl = (shift - x0[0].numel() * (left + torch.log1p(-left))) / 2
    told = [50 * (1 + math.erf(v / 8**0.5)) for v in shift.sqrt().tolist()]
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
    rows = {
        "alpha_bar_T": texts((f"{v:.2g}" for v in left.tolist()), axes),
        "KL( q(x_T | x_0) || N(0, I) ), nats": texts((f"{v:.2g}" for v in kl.tolist()), axes),
        "an ideal judge tells x_T from noise": texts((_told(v) for v in told), axes),
    }
    table = numbers(rows)
    controls = [
        choice("kind", kinds, label="schedule"),
        stops("T", sizes, 1000, speak="number of noise levels T"),
        stops(
            "beta_T",
            betas,
            0.02,
            labels=[f"{beta:.3g}" for beta in betas],
            speak="last beta of the linear schedule",
            only={"kind": "linear"},
        ),
    ]
    return Panel(
        "schedule_slider",
        controls,
        [[strip], [plot, table]],
        says=texts(
            (f"alpha_bar_T = {a:.2g}, told from noise: {_told(v)}" for a, v in zip(left, told, strict=True)),
            axes,
        ),
    )


def _told(percent):
    return f"{percent:.0f} % of the time: {'noise' if percent < 55 else 'NOT noise'}"
