"""Noise an image and bring it back: yours, or one that is drawn on a pad."""

from collections.abc import Callable

import torch
import traitlets

from labdiff import process
from labdiff.arguments import check_generator, check_int, check_schedule, device_of, randn
from labdiff.edge import ddim_steps
from labdiff.images import to_uint8
from labdiff.model_argument import check_model
from labdiff.precondition import check_trained_with
from labdiff.schedule import Schedule
from labdiff.signature import checked
from labdiff.widgets.controls import button, t_slider
from labdiff.widgets.in_browser import in_browser
from labdiff.widgets.noised import check_images
from labdiff.widgets.panel import Panel
from labdiff.widgets.panes import channels_last, computed, mixed
from labdiff.widgets.tables import texts


@checked
def renoise(
    model: Callable,
    s: Schedule,
    x0: torch.Tensor,
    *,
    n_steps: int = 25,
    generator: torch.Generator | None = None,
    t: int | None = None,
) -> Panel:
    """Noise images to t and bring them back with DDIM: at which t do they come back as something else?

    Args:
        model: callable (x, t) -> eps_hat, such as a UNet, or what guided() makes of it.
        s: Schedule.
        x0: (N, 1 or 3, H, W) real in [-1, 1].
        n_steps: DDIM steps from T; fewer from a smaller t.
        generator: source of the noise, drawn once, and again for each press of "new noise"; None for a fresh
            one.
        t: where the slider starts, 1..T; default half way.

    Returns: a Panel with the traits t, and draw: 0 for the first noise, and one more for each new one. x_t
        follows the slider; the way back is computed when it is let go.
    Raises: TypeError, ValueError: wrong type, shape, or range.
    Source: slides S5, S14.
    """
    check_images("renoise", x0=x0)
    check_schedule("renoise", s)
    t = -(-s.T // 2) if t is None else t
    return _there_and_back("renoise", model, s, x0, x0.shape, n_steps, generator, t)


@checked
def drawing_pad(
    model: Callable,
    s: Schedule,
    *,
    n_steps: int = 25,
    generator: torch.Generator | None = None,
    t: int | None = None,
) -> Panel:
    """Draw a digit with mouse, pen, finger or keyboard, noise it to t, and see what the model brings back.

    Args:
        model: callable (x, t) -> eps_hat for images (1, 1, 28, 28), such as a UNet, or what guided() makes of
            it.
        s: Schedule.
        n_steps, generator: as in renoise().
        t: where the slider starts, 1..T; default 0.3 T, where the stroke is lost and the digit is not.

    Returns: a Panel with the traits t, draw, and drawing: 28 x 28 bytes, the grey levels of what is on the
        pad; .x0 has them as a (1, 1, 28, 28) tensor in [-1, 1].
    Raises: TypeError, ValueError: wrong type or range.
    Source: slides S5, S14; Meng et al. 2022 (SDEdit).
    """
    check_schedule("drawing_pad", s)
    t = max(1, round(0.3 * s.T)) if t is None else t
    return _there_and_back("drawing_pad", model, s, "drawing", (1, 1, 28, 28), n_steps, generator, t)


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
    def x0(self) -> torch.Tensor:
        return torch.tensor(list(self.drawing), dtype=torch.float32).reshape(1, 1, 28, 28) / 127.5 - 1


def _there_and_back(name, model, s, x0, shape, n_steps, generator, t):
    """The panel of renoise() and drawing_pad(); x0 images, or "drawing" for what is on the panel's pad."""
    check_model(name, model)
    check_trained_with(name, model, s, "")
    check_int(name, "n_steps", n_steps)
    on_pad = isinstance(x0, str)
    like, generator = torch.empty(0) if on_pad else x0, check_generator(name, generator)
    noises = [randn(shape, generator, like)]

    caption, says = "brought back from t = {t}", "from t = {t}"

    def back(panel):
        while len(noises) <= panel.draw:
            noises.append(randn(shape, generator, like))
        t, clean, eps = panel.t, panel.x0 if on_pad else x0, noises[panel.draw]
        xt = process.q_sample(s, clean, t, eps)
        few = max(1, min(n_steps, s.T) * t // s.T)
        first, *_, last = ddim_steps(model, s, xt=xt.to(device_of(model, xt.device)), t=t, n_steps=few)
        return {
            "back": to_uint8(last.x),
            "x0_hat": to_uint8(first.x0_hat.clamp(-1, 1)),
            "back_caption": caption.format(t=t),
            "says": says.format(t=t),
            "eps": channels_last(eps),
        }

    alpha_bar, one = s.alpha_bar[1:], torch.ones(s.T)
    factors = [f.sqrt().to(like.dtype) for f in (alpha_bar, 1 - alpha_bar)]
    look = {"columns": shape[0], "scale": 6 if on_pad else 3}
    panes = [
        mixed(x0, noises[0], one, 0 * one, caption="x_0", alt="x_0", **look),
        mixed(x0, noises[0], *factors, fresh="eps", caption="x_t", alt="x_t", **look),
        computed("back", shape, caption="brought back", alt="brought back", **look),
        computed("x0_hat", shape, caption="x0_hat: what the model sees in x_t", alt="x0_hat", **look),
    ]
    rows = [[{"type": "pad", "caption": "draw a digit"}, *panes]] if on_pad else [[pane] for pane in panes]
    controls = [t_slider(name, s, range(1, s.T + 1), t), button("draw", "new noise")]
    sampler = in_browser(
        model,
        s,
        method="ddim",
        shape=shape,
        n_steps=n_steps,
        clip=False,
        t={"control": "t"},
        show={"back": "x0_hat", "x0_hat": "first"},
        says=says,
        captions={"back": caption},
    )
    speech = texts(f"alpha_bar = {v:.4f}" for v in alpha_bar)
    return (Pad if on_pad else Panel)(name, controls, rows, says=speech, compute=back, sampler=sampler)
