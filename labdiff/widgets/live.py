"""Panels for which the kernel computes: noise an image and bring it back, a pad to draw on, samples."""

from collections.abc import Callable, Sequence

import torch
import traitlets

from labdiff import process
from labdiff.arguments import (
    check_data,
    check_generator,
    check_int,
    check_model,
    check_schedule,
    device_of,
    randn,
)
from labdiff.images import to_uint8
from labdiff.sampling import ddim_steps
from labdiff.schedule import Schedule
from labdiff.widgets.controls import slider, stops, t_slider
from labdiff.widgets.panel import Panel
from labdiff.widgets.panes import computed, mixed
from labdiff.widgets.tables import texts


def renoise(
    model: Callable,
    s: Schedule,
    x0: torch.Tensor,
    *,
    n_steps: int = 25,
    generator: torch.Generator | None = None,
    t: int | None = None,
) -> Panel:
    """Noise pictures to t and bring them back with DDIM: at which t do they come back as something else?

    Args:
        model: callable (x, t) -> eps_hat.
        s: Schedule.
        x0: (N, 1 or 3, H, W) real in [-1, 1].
        n_steps: DDIM steps from T; fewer from a smaller t.
        generator: source of the noise, drawn once; None for a fresh one.
        t: where the slider starts, 1..T; default half way.

    Returns: a Panel with the trait t. x_t follows the slider; the way back is computed when it is let go.
    Raises: TypeError, ValueError: wrong type, shape, or range.
    Source: slides S5, S14.
    """
    check_data("renoise", {"x0": x0})
    return _there_and_back("renoise", model, s, x0, x0.shape, n_steps, generator, t)


def drawing_pad(
    model: Callable,
    s: Schedule,
    *,
    n_steps: int = 25,
    generator: torch.Generator | None = None,
    t: int | None = None,
) -> Panel:
    """Draw a digit, noise it to t, and see what the model brings back.

    Args:
        model: callable (x, t) -> eps_hat for pictures (1, 1, 28, 28).
        s: Schedule.
        n_steps, generator, t: as in renoise().

    Returns: a Panel with the traits t, and drawing: 28 x 28 bytes, the grey levels of what is on the pad; .x0
        has them as a (1, 1, 28, 28) tensor in [-1, 1].
    Raises: TypeError, ValueError: wrong type or range.
    Source: slides S5, S14.
    """
    return _there_and_back("drawing_pad", model, s, "drawing", (1, 1, 28, 28), n_steps, generator, t)


def sample_slider(
    model: Callable, s: Schedule, *, n: int = 8, image_shape: Sequence[int] = (1, 28, 28), seed: int = 0
) -> Panel:
    """Choose the noise and the number of DDIM steps, and see the samples: the same noise gives the same
    pictures.

    Args:
        model: callable (x, t) -> eps_hat.
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
    check_int("sample_slider", "n", n)

    def samples(panel):
        generator = torch.Generator().manual_seed(panel.seed)
        *_, last = ddim_steps(model, s, (n, *image_shape), n_steps=panel.n_steps, generator=generator)
        says = f"seed {panel.seed}, {panel.n_steps} DDIM steps"
        return {"samples": to_uint8(last.x), "samples_caption": says, "says": says}

    steps = [k for k in (1, 2, 5, 10, 20, 50, 100) if k <= s.T]
    controls = [
        slider("sample_slider", "seed", 0, 99, seed),
        stops("n_steps", steps, steps[-3:][0], label="DDIM steps"),
    ]
    pane = computed("samples", (n, *image_shape), alt=f"{n} samples")
    return Panel("sample_slider", controls, [[pane]], compute=samples)


class Pad(Panel):
    """A Panel with a pad. `drawing` is what is on it; `stroke` counts how often a person lifted the pen."""

    drawing = traitlets.CBytes(bytes(28 * 28)).tag(sync=True)  # C: it comes from the page as a memoryview
    stroke = traitlets.Int(0, min=0).tag(sync=True)

    @traitlets.validate("drawing")
    def _check_drawing(self, proposal):
        if len(proposal["value"]) != 28 * 28:
            raise traitlets.TraitError(f"drawing: expected {28 * 28} bytes, got {len(proposal['value'])}")
        return proposal["value"]

    def watched(self):
        return [*super().watched(), "stroke"]

    @property
    def x0(self):
        return torch.tensor(list(self.drawing), dtype=torch.float32).reshape(1, 1, 28, 28) / 127.5 - 1


def _there_and_back(name, model, s, x0, shape, n_steps, generator, t):
    """The panel of renoise() and drawing_pad(); x0 images, or "drawing" for what is on the panel's pad."""
    check_schedule(name, s)
    check_model(name, model)
    check_int(name, "n_steps", n_steps)
    on_pad = isinstance(x0, str)
    eps = randn(shape, check_generator(name, generator), like=torch.empty(0) if on_pad else x0)

    def back(panel):
        t, clean = panel.t, panel.x0 if on_pad else x0
        xt = process.q_sample(s, clean, t, eps)
        few = max(1, min(n_steps, s.T) * t // s.T)
        *_, last = ddim_steps(model, s, xt=xt.to(device_of(model, xt.device)), t=t, n_steps=few)
        return {
            "back": to_uint8(last.x),
            "back_caption": f"brought back from t = {t}",
            "says": f"from t = {t}",
        }

    alpha_bar, one = s.alpha_bar[1:], torch.ones(s.T)
    look = {"columns": shape[0], "scale": 6 if on_pad else 3}
    panes = [
        mixed(x0, eps, one, 0 * one, caption="x_0", alt="x_0", **look),
        mixed(
            x0,
            eps,
            *(f.sqrt().to(eps.dtype) for f in (alpha_bar, 1 - alpha_bar)),
            caption="x_t",
            alt="x_t",
            **look,
        ),
        computed("back", shape, caption="brought back", alt="brought back", **look),
    ]
    rows = [[{"type": "pad", "caption": "draw a digit"}, *panes]] if on_pad else [[pane] for pane in panes]
    return (Pad if on_pad else Panel)(
        name,
        [t_slider(name, s, range(1, s.T + 1), -(-s.T // 2) if t is None else t)],
        rows,
        says=texts(f"alpha_bar = {v:.4f}" for v in alpha_bar),
        compute=back,
    )
