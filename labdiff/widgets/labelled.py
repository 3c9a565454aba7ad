"""Samples of a chosen label, and how strongly the sampler is steered towards it."""

from collections.abc import Callable, Sequence

import torch

from labdiff.arguments import check_int, check_number, check_schedule
from labdiff.edge import guided, sample
from labdiff.images import to_uint8
from labdiff.model_argument import check_model
from labdiff.precondition import check_trained_with
from labdiff.schedule import Schedule
from labdiff.signature import checked
from labdiff.widgets.controls import slider, stops
from labdiff.widgets.in_browser import in_browser
from labdiff.widgets.panel import Panel
from labdiff.widgets.panes import computed
from labdiff.widgets.samples import labels_of, shape_of


@checked
def guidance_slider(
    model: Callable,
    s: Schedule,
    *,
    labels: Sequence[int] | None = None,
    n: int = 8,
    image_shape: Sequence[int] = (1, 28, 28),
    n_steps: int = 10,
    label: int | None = None,
    scale: float = 1.5,
    seed: int = 0,
) -> Panel:
    """Choose a label and the guidance scale: the same noise, as samples of another label or scale.

    Args:
        model: callable (x, t, label=None) -> eps_hat, such as a UNet with classes that was trained with
            labels.
        s: Schedule.
        labels: the labels to choose from, ints; None for all of the model's, 0..9 where it has no `classes`.
        n: number of samples.
        image_shape: (C, H, W) of one.
        n_steps: steps of DPM-Solver++.
        label, scale, seed: where the controls start: one of labels, default the first; 0..6; 0..99.

    Returns: a Panel with the traits label, scale and seed. It computes when a control is let go.
    Raises: TypeError, ValueError: wrong type or range.
    Source: Ho & Salimans 2022; slide S15.
    """
    check_schedule("guidance_slider", s)
    check_model("guidance_slider", model, arguments=3)
    check_trained_with("guidance_slider", model, s, "")
    shape = shape_of("guidance_slider", n, image_shape)
    labels = labels_of("guidance_slider", labels, model)
    if not labels:
        raise ValueError(
            "guidance_slider: model: expected one with labels, such as UNet(classes=10), got none"
        )
    check_int("guidance_slider", "n_steps", n_steps, most=s.T)
    check_number("guidance_slider", "scale", scale, "a number in 0..6", lambda v: 0 <= v <= 6)
    label = labels[0] if label is None else label
    if not isinstance(label, int) or label not in labels:
        raise ValueError(f"guidance_slider: label: expected one of {labels}, got {label!r}")

    words = "label {label}, scale {scale}, seed {seed}"

    def samples(panel):
        generator = torch.Generator().manual_seed(panel.seed)
        heading = guided(model, panel.label, scale=panel.scale)
        steps = {"method": "dpm", "n_steps": n_steps, "generator": generator}
        x = sample(heading, s, shape, **steps)
        says = words.format(label=panel.label, scale=f"{panel.scale:g}", seed=panel.seed)
        return {"samples": to_uint8(x), "samples_caption": says, "says": says}

    controls = [
        stops("label", labels, label),
        slider("guidance_slider", "scale", 0.0, 6.0, float(scale), step=0.25, digits=2),
        slider("guidance_slider", "seed", 0, 99, seed),
    ]
    pane = computed("samples", shape, alt=f"{n} samples")
    moved = {name: {"control": name} for name in ("label", "scale", "seed")}
    texts = {"says": words, "captions": {"samples": words}, "show": {"samples": "x0_hat"}}
    sampler = in_browser(model, s, method="dpm", shape=shape, n_steps=n_steps, clip=True, **moved, **texts)
    return Panel("guidance_slider", controls, [[pane]], compute=samples, sampler=sampler)
