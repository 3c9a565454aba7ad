"""A pad to draw a digit on whose other half is made anew, as the digit that one asks for."""

from collections.abc import Callable, Sequence

import torch

from labdiff.arguments import check_generator, check_int, check_schedule, device_of, randn
from labdiff.edge import ddim_steps, guided
from labdiff.guidance import Guided
from labdiff.images import to_uint8
from labdiff.model_argument import check_model
from labdiff.precondition import check_trained_with
from labdiff.process import q_sample, tables_at
from labdiff.schedule import Schedule
from labdiff.signature import checked
from labdiff.widgets.controls import button, choice, t_slider
from labdiff.widgets.in_browser import in_browser
from labdiff.widgets.live import Pad
from labdiff.widgets.panel import Panel
from labdiff.widgets.panes import computed
from labdiff.widgets.samples import labels_of

SCALE = 1.5  # of guidance, where a label is chosen
HALVES = {  # what of the drawing is known: top, bottom, left, right
    "nothing": (0, 0, 0, 0),
    "left half": (0, 28, 0, 14),
    "right half": (0, 28, 14, 28),
    "upper half": (0, 14, 0, 28),
    "lower half": (14, 28, 0, 28),
}


@checked
def repair_pad(
    model: Callable,
    s: Schedule,
    *,
    labels: Sequence[int] | None = None,
    n_steps: int = 25,
    generator: torch.Generator | None = None,
    t: int | None = None,
) -> Panel:
    """Draw a digit, say which half of it is to stay and what it is: the rest comes back from noise level t.

    Args:
        model: callable (x, t, label=None) -> eps_hat for images (1, 1, 28, 28), such as a UNet with classes.
        s: Schedule.
        labels: the labels to choose from beside "any", ints; None for all of the model's, 0..9 where it has
            no `classes`.
        n_steps: DDIM steps from T, with as much noise as Algorithm 2; fewer from a smaller t.
        generator: source of the noise; None for a fresh one.
        t: where the slider starts, 1..T; default 0.6 T.

    Returns: a Panel with the traits t, label ("any", "0", "1", ...), known ("nothing", "left half", "right
        half", "upper half", "lower half"), draw, and drawing as that of drawing_pad().
    Raises: TypeError, ValueError: wrong type or range.
    Source: Meng et al. 2022 (SDEdit); Lugmayr et al. 2022 (known pixels); slide S15.
    """
    check_schedule("repair_pad", s)
    check_model("repair_pad", model)
    check_trained_with("repair_pad", model, s, "")
    check_int("repair_pad", "n_steps", n_steps)
    labels = labels_of("repair_pad", labels, model)
    shape, generator = (1, 1, 28, 28), check_generator("repair_pad", generator)
    seed = int(torch.randint(2**31, (), generator=generator, device=generator.device))

    as_what = {"any": "brought back"} | {str(k): f"brought back as a {k}" for k in labels}
    xt_caption, says = "the rest at t = {t}", "from t = {t}"

    def repaired(panel):
        g = torch.Generator().manual_seed(seed + panel.draw)  # the same noise for every t, label and half
        x0, mask, t = panel.x0, torch.zeros(shape), panel.t
        top, bottom, left, right = HALVES[panel.known]
        mask[..., top:bottom, left:right] = 1
        xt = q_sample(s, x0, t, randn(shape, g, x0))
        heading = model if panel.label == "any" else guided(model, int(panel.label), SCALE)
        device = device_of(model, x0.device)
        keeps = keeping(heading, s, x0.to(device), mask.to(device))
        few = max(1, min(n_steps, s.T) * t // s.T)
        *_, last = ddim_steps(
            keeps, s, xt=xt.to(device), t=t, n_steps=few, eta=1.0, clip_x0=True, generator=g
        )
        return {
            "xt": to_uint8(torch.where(mask > 0, x0, xt)),
            "xt_caption": xt_caption.format(t=t),
            "back": to_uint8(last.x),
            "back_caption": as_what[panel.label],
            "says": says.format(t=t),
        }

    controls = [
        t_slider("repair_pad", s, range(1, s.T + 1), max(1, round(0.6 * s.T)) if t is None else t),
        choice("label", ["any", *map(str, labels)]),
        choice("known", list(HALVES)),
        button("draw", "new noise"),
    ]
    panes = [computed(key, shape, scale=6, alt=alt) for key, alt in (("xt", "x_t"), ("back", "brought back"))]
    pad = {"type": "pad", "caption": "draw a digit"}
    sampler = in_browser(
        None if isinstance(model, Guided) else model,  # a label that is chosen here replaces none
        s,
        method="ddim",
        eta=1.0,
        clip=True,
        shape=shape,
        n_steps=n_steps,
        seed=seed,
        reseed={"control": "draw"},
        t={"control": "t"},
        label={"control": "label"},
        scale=SCALE,
        keeps={"control": "known", "boxes": HALVES},
        show={"xt": "start", "back": "x0_hat"},
        says=says,
        captions={"xt": xt_caption, "back": {"control": "label", "texts": as_what}},
    )
    return Pad("repair_pad", controls, [[pad, *panes]], compute=repaired, sampler=sampler)


def keeping(model: Callable, s: Schedule, x0: torch.Tensor, mask: torch.Tensor) -> Callable:
    """The model, but where mask = 1 with the eps_hat whose x0_hat is x0: samplers keep those pixels."""

    def known(x, t):
        at, level = tables_at(s, t, x)
        eps_hat = (x - at.sqrt_alpha_bar[level] * x0) / at.sqrt_one_minus_alpha_bar[level]
        return mask * eps_hat + (1 - mask) * model(x, t)

    return known
