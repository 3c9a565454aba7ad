"""Samples as functions of what made them: the noise, the number of steps, a label and the guidance scale."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from labdiff.arguments import check_data, check_generator, check_int, check_schedule, device_of, randn
from labdiff.edge import ddim_steps, sample
from labdiff.images import to_uint8
from labdiff.model_argument import check_function, check_model, takes_label
from labdiff.precondition import check_trained_with
from labdiff.schedule import Schedule
from labdiff.signature import checked
from labdiff.widgets.controls import slider, stops
from labdiff.widgets.in_browser import in_browser
from labdiff.widgets.panel import Panel
from labdiff.widgets.panes import computed, frames


@checked
def sample_slider(
    model: Callable, s: Schedule, *, n: int = 8, image_shape: Sequence[int] = (1, 28, 28), seed: int = 0
) -> Panel:
    """Choose the noise and the number of DDIM steps, and see the samples: the same noise gives the same
    images.

    Args:
        model: callable (x, t) -> eps_hat, such as a UNet, or what guided() makes of it.
        s: Schedule.
        n: number of samples.
        image_shape: (C, H, W) of one.
        seed: where the seed slider starts, 0..99.

    Returns: a Panel with the traits seed and n_steps. It computes when a slider is let go.
    Raises: TypeError, ValueError: wrong type or range.
    Source: slide S14; Song, Meng & Ermon 2021.
    """
    check_schedule("sample_slider", s)
    check_model("sample_slider", model)
    check_trained_with("sample_slider", model, s, "")
    shape = shape_of("sample_slider", n, image_shape)

    words = "seed {seed}, {n_steps} DDIM steps"

    def samples(panel):
        generator = torch.Generator().manual_seed(panel.seed)
        steps = {"method": "ddim", "n_steps": panel.n_steps, "generator": generator}
        x = sample(model, s, shape, **steps)
        says = words.format(seed=panel.seed, n_steps=panel.n_steps)
        return {"samples": to_uint8(x), "samples_caption": says, "says": says}

    steps = [k for k in (1, 2, 5, 10, 20, 50, 100) if k <= s.T]
    controls = [
        slider("sample_slider", "seed", 0, 99, seed),
        stops("n_steps", steps, steps[-3:][0], label="DDIM steps"),
    ]
    pane = computed("samples", shape, alt=f"{n} samples")
    job = {"seed": {"control": "seed"}, "n_steps": {"control": "n_steps"}, "show": {"samples": "x0_hat"}}
    texts = {"says": words, "captions": {"samples": words}}
    sampler = in_browser(model, s, method="ddim", shape=shape, clip=True, **job, **texts)
    return Panel("sample_slider", controls, [[pane]], compute=samples, sampler=sampler)


@checked
def interpolation_slider(
    model: Callable,
    s: Schedule,
    a: torch.Tensor | None = None,
    b: torch.Tensor | None = None,
    *,
    interpolate: Callable | None = None,
    n: int = 4,
    image_shape: Sequence[int] = (1, 28, 28),
    n_stops: int = 21,
    n_steps: int = 10,
    generator: torch.Generator | None = None,
) -> Panel:
    """Slide from one x_T to another: what lies between two samples? All are computed now, so that it moves at
    once.

    Args:
        model: callable (x, t) -> eps_hat, such as a UNet, or what guided() makes of it.
        s: Schedule.
        a, b: (N, C, H, W) real, two x_T of each sample; default two draws of n.
        interpolate: (a, b, w) -> x_T for w in 0..1, 0 giving a; default along the great circle of each
            sample.
        n, image_shape: number of samples and (C, H, W) of one, where a and b are not given.
        n_stops: stops of the slider, both ends included.
        n_steps: steps of DDIM.
        generator: source of a and b; None for a fresh one.

    Returns: a Panel with the trait w.
    Raises: TypeError, ValueError: wrong type, shape, or range.
    Source: Song, Meng & Ermon 2021, eq. 67; slide S15.
    """
    check_schedule("interpolation_slider", s)
    check_model("interpolation_slider", model)
    check_trained_with("interpolation_slider", model, s, "")
    check_int("interpolation_slider", "n_stops", n_stops, least=2)
    check_int("interpolation_slider", "n_steps", n_steps, most=s.T)
    generator, like = check_generator("interpolation_slider", generator), torch.empty(0)
    shape = shape_of("interpolation_slider", n, image_shape)
    a = randn(shape, generator, like) if a is None else a
    check_data("interpolation_slider", {"a": a})
    b = randn(a.shape, generator, a) if b is None else b
    check_data("interpolation_slider", {"a": a, "b": b})
    ws = [i / (n_stops - 1) for i in range(n_stops)]
    interpolate = _great_circle if interpolate is None else interpolate
    check_function("interpolation_slider", "interpolate", interpolate, "(a, b, w) -> x_T")
    between = [interpolate(a, b, w) for w in ws]
    if any(not isinstance(x, torch.Tensor) or x.shape != a.shape for x in between):
        raise ValueError(
            f"interpolation_slider: interpolate(a, b, w): expected a tensor of shape {tuple(a.shape)} like a"
        )
    xt = torch.cat(between).to(a.dtype).to(device_of(model, a.device))
    x = _ddim(model, s, xt, n_steps).reshape(n_stops, *a.shape)
    pane = frames(np.stack([to_uint8(each) for each in x]), axes=("w",), alt="samples between two x_T")
    control = stops("w", ws, ws[n_stops // 2], labels=[f"{w:.2f}" for w in ws], play=True)
    return Panel("interpolation_slider", [control], [[pane]])


def _ddim(model, s, xt, n_steps):
    *_, last = ddim_steps(model, s, xt=xt, t=s.T, n_steps=n_steps)
    return last.x


def _great_circle(a, b, w):
    """sin((1-w) angle) / sin(angle) a + sin(w angle) / sin(angle) b, the angle being that of each sample."""
    flat = [x.flatten(1) / x.flatten(1).norm(dim=1, keepdim=True) for x in (a, b)]
    angle = (flat[0] * flat[1]).sum(1).clamp(-1, 1).acos().clamp(min=1e-6).reshape(-1, *[1] * (a.ndim - 1))
    return (torch.sin((1 - w) * angle) * a + torch.sin(w * angle) * b) / torch.sin(angle)


def labels_of(function, labels, model):
    """The labels to choose from as a list, whole numbers that the model knows; all of them for None."""
    known = getattr(model, "classes", math.inf) if takes_label(model) else 0
    if labels is None:
        return list(range(10 if known == math.inf else known or 0))
    many = isinstance(labels, Sequence) and not isinstance(labels, str) and len(labels) > 0
    if not many or not all(isinstance(k, int) and not isinstance(k, bool) for k in labels):
        got = repr(labels) if isinstance(labels, list | tuple | str | int) else type(labels).__name__
        raise TypeError(f"{function}: labels: expected ints to choose from, such as range(10), got {got}")
    if wrong := [k for k in labels if not 0 <= k < (known or 0)]:
        has = f"has the labels 0..{known - 1}" if known else "takes none. Make one: UNet(classes=10)"
        raise ValueError(f"{function}: labels: expected labels of the model, which {has}, got {wrong[0]}")
    return list(labels)


def shape_of(function, n, image_shape):
    check_int(function, "n", n)
    sized = isinstance(image_shape, tuple | list) and len(image_shape) == 3
    if not sized or not all(isinstance(k, int) and k > 0 for k in image_shape):
        raise ValueError(
            f"{function}: image_shape: expected (C, H, W), whole numbers >= 1, got {image_shape!r}"
        )
    return (n, *image_shape)
