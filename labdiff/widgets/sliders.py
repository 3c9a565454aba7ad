"""Sliders over t: noised images, and curves."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from labdiff import process
from labdiff.arguments import (
    check_choice,
    check_data,
    check_generator,
    check_int,
    check_schedule,
    device_of,
    randn,
)
from labdiff.edge import ddim_steps
from labdiff.images import to_uint8
from labdiff.model_argument import check_model
from labdiff.precondition import check_trained_with
from labdiff.schedule import Schedule
from labdiff.signature import checked
from labdiff.widgets.controls import mark, stops, t_slider
from labdiff.widgets.in_browser import in_browser
from labdiff.widgets.noised import check_images, is_own, noised
from labdiff.widgets.panel import Panel
from labdiff.widgets.panes import after, computed, formula, lines, path_lines
from labdiff.widgets.tables import numbers, texts


@checked
def noise_slider(
    s: Schedule,
    x0: torch.Tensor,
    *,
    q_sample: Callable | None = None,
    eps: torch.Tensor | None = None,
    generator: torch.Generator | None = None,
    t: int = 0,
    guess: bool = False,
    model: Callable | None = None,
) -> Panel:
    """Slide t and watch x_t noise up: images, alpha_bar_t, the signal-to-noise ratio, and where on the
    schedule t is. The formula's coefficients can be dragged, and a pixel can be pointed at, to see its path
    over t. With a model, its x0_hat, what it sees in x_t, follows.

    Args:
        s: Schedule.
        x0: (N, 1 or 3, H, W) real in [-1, 1], clean images.
        q_sample: the function that noises them, (s, x0, t, eps) -> x_t with t (N,) int64; default labdiff's
            own. Give yours: it is called for every t, now, and what it returns is what is shown.
        eps: like x0, the noise; default one draw, kept for all t.
        generator: source of that draw; None for a fresh one.
        t: where the slider starts, 0..T.
        guess: first ask at which t the digit is gone; the curve and the numbers are shown after the answer.
        model: callable (x, t) -> eps_hat, such as a UNet, or what guided() makes of it.

    Returns: a Panel with the trait t, and with guess the trait gone, -1 before the answer. It has fewer stops
        than 0..T where a q_sample of your own takes over a millisecond, or where what it returns is no mix of
        x0 and eps and would fill more than 16 MB.
    Raises: TypeError, ValueError: wrong type, shape, or range, q_sample's result included.
    Source: slides S5, S13.
    """
    check_schedule("noise_slider", s)
    check_images("noise_slider", x0=x0)
    generator = check_generator("noise_slider", generator)
    eps = randn(x0.shape, generator, like=x0) if eps is None else eps
    check_data("noise_slider", {"x0": x0, "eps": eps})
    if model is not None:
        check_model("noise_slider", model)
        check_trained_with("noise_slider", model, s, "")
    pane, levels = noised(s, x0, eps, q_sample, "noise_slider", alt=f"{len(x0)} pictures x_t")
    rows, head = [[pane]], None
    if "x0" in pane:
        pane["path"] = "path"
        right = np.allclose(pane["signal"] ** 2, s.alpha_bar[levels], atol=1e-3)
        names = ("sqrt(alpha_bar_t)", "sqrt(1-alpha_bar_t)") if right else ("your factor", "your factor")
        terms = {(names[0], "x_0"): pane["signal"], (names[1], "eps"): pane["noise"]}
        path = path_lines("path", xlabel="t", ylabel="pixel", alt="one pixel over t", mark="t")
        rows, head = [[pane], [path]], formula("x_t", terms, "t")
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
        second="gone" if guess else None,
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
    controls = [t_slider("noise_slider", s, levels, t)]
    if guess:
        controls.append(mark("gone", "t", s.T, "Now the digit is gone"))
    seen = _seen(s, x0, q_sample, eps, model)
    if model is not None:
        rows.insert(
            1, [computed("x0_hat", x0.shape, caption="x0_hat: what the model sees in x_t", alt="x0_hat")]
        )
    return Panel(
        "noise_slider",
        controls,
        [*rows, after("gone", curves, table) if guess else [curves, table]],
        says=texts(f"alpha_bar = {v:.4f}" for v in alpha_bar),
        head=head,
        **seen,
    )


def _seen(s, x0, q_sample, eps, model):
    """What makes a Panel show the model's x0_hat of x_t at once: nothing without a model."""
    if model is None:
        return {}

    def look(xt, t):
        xt = xt.to(device_of(model, xt.device))
        return next(iter(ddim_steps(model, s, xt=xt, t=t, n_steps=1))).x0_hat.clamp(-1, 1)

    def x0_hat(panel):
        t = torch.full((len(x0),), panel.t, device=x0.device)
        xt = (q_sample or process.q_sample)(s, x0, t, eps)
        return {"x0_hat": to_uint8(look(xt, panel.t) if panel.t else xt), "says": f"at t = {panel.t}"}

    look(x0, 1)  # a model that does not fit is refused here, not where the slider moves
    job = dict(method="ddim", n_steps=1, shape=x0.shape, t={"control": "t"}, clip=False)
    show = dict(show={"x0_hat": "first"}, says="at t = {t}")
    sampler = in_browser(model, s, **job, **show) if is_own(q_sample) else None
    return {"compute": x0_hat, "follows": True, "sampler": sampler}


@checked
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
    Raises: TypeError, ValueError: wrong type, or numbers that are not as many as x.
    """
    if not isinstance(ys, dict) or not ys:
        raise TypeError(f"curve_slider: ys: expected a dict {{label: numbers}}, got {type(ys).__name__}")
    for name, value in (("xscale", xscale), ("yscale", yscale)):
        check_choice("curve_slider", name, value, ("linear", "log"))
    try:
        x, ys = [int(v) for v in x], {label: torch.as_tensor(y) for label, y in ys.items()}
    except (TypeError, ValueError) as error:
        raise TypeError(f"curve_slider: expected whole numbers x, and numbers ys, got {error}") from None
    if not x or any(y.shape != (len(x),) for y in ys.values()):
        raise ValueError(
            f"curve_slider: ys: expected {len(x)} numbers each, as many as x and at least one, got shapes "
            f"{[tuple(y.shape) for y in ys.values()]}"
        )
    check_int("curve_slider", "start", start, 0, len(x) - 1)
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
