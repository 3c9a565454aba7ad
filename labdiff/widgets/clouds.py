"""A density in the plane that is drawn by hand, and its particles on the way to noise and back."""

from collections.abc import Callable

import numpy as np
import torch

from labdiff.arguments import check_generator, check_int, check_schedule, randn
from labdiff.edge import ddpm_steps
from labdiff.model_argument import check_model
from labdiff.process import q_sample
from labdiff.schedule import Schedule
from labdiff.signature import checked
from labdiff.toys import GaussianMixture, spiral
from labdiff.widgets.controls import t_slider
from labdiff.widgets.live import Pad
from labdiff.widgets.noised import evenly
from labdiff.widgets.panes import computed
from labdiff.widgets.tables import as_double

STOPS = 41  # of the slider
REACH = 2.4  # the pictures show [-REACH, REACH] in both directions
SIDE = 96  # pixels
WIDTH = 0.03  # std of the ink around each point that was drawn


class CloudPad(Pad):
    """A pad whose ink is a density in [-1, 1] x [-1, 1]; until something is drawn it is a spiral."""

    @property
    def cloud(self) -> GaussianMixture:
        """The density: a narrow Gaussian at each point with ink, in float64."""
        rows, columns = (self.x0[0, 0] > 0).nonzero(as_tuple=True)
        points = torch.stack([columns, 27 - rows], 1) / 13.5 - 1
        points = points if len(points) else untouched()
        return GaussianMixture(points.double(), var=WIDTH**2)


def untouched() -> torch.Tensor:
    """The points (K, 2) of a pad on which nothing is drawn."""
    return spiral(400, torch.Generator().manual_seed(0))


@checked
def cloud_pad(
    s: Schedule,
    *,
    model: Callable | None = None,
    n: int = 1000,
    generator: torch.Generator | None = None,
    t: int | None = None,
) -> CloudPad:
    """Draw a density with mouse, pen or finger, and slide t: its particles go to noise, others walk back.

    Args:
        s: Schedule.
        model: callable (x, t) -> eps_hat for x (B, 2), what walks back; default the exact denoiser of what is
            drawn.
        n: number of particles.
        generator: source of all draws, the same for each drawing; None for a fresh one.
        t: where the slider starts, 0..T; default 0.3 T.

    Returns: a Panel with the traits t and drawing, as that of drawing_pad(), and .cloud, the GaussianMixture
        of what is drawn. What is drawn is computed when the pen is lifted; then t moves at once.
    Raises: TypeError, ValueError: wrong type or range.
    Source: slides S5, S14, Algorithm 2.
    """
    check_schedule("cloud_pad", s)
    if model is not None:
        check_model("cloud_pad", model)
    check_int("cloud_pad", "n", n)
    generator = check_generator("cloud_pad", generator)
    seed = int(torch.randint(2**31, (), generator=generator, device=generator.device))
    levels, known, says = evenly(s.T, STOPS), {}, f"{n} particles"

    def walks(panel):
        if panel.drawing not in known:
            known.clear()
            known[panel.drawing] = there_and_back(panel.cloud)
        return known[panel.drawing] | {"says": says}

    def there_and_back(cloud):
        g = torch.Generator().manual_seed(seed)
        x0 = cloud.sample(n, g)
        eps = randn(x0.shape, g, x0)
        to_noise = [raster(q_sample(s, x0, level, eps)) for level in levels]
        kept, back = set(levels), {}
        start = {"xt": eps.to(torch.float32) if model else eps, "t": s.T}
        for state in ddpm_steps(model or cloud.exact_eps(s), s, **start, generator=g):
            if state.t in kept:
                back[state.t] = raster(state.x)
        return {"to_noise": np.stack(to_noise), "back": np.stack([back[level] for level in levels])}

    captions = {"to_noise": "to noise: x_t", "back": "back: Algorithm 2"}
    shape = (1, 1, SIDE, SIDE)
    panes = [
        computed(key, shape, axes=["t"], scale=2, caption=caption, alt=caption)
        for key, caption in captions.items()
    ]
    start = round(0.3 * s.T) if t is None else t
    control = t_slider("cloud_pad", s, levels, start)
    rows = [[{"type": "pad", "caption": "draw a density"}, *panes]]
    look = {"n": n, "levels": levels, "side": SIDE, "reach": REACH, "variance": WIDTH**2}
    exact = {"cloud": look | {"points": as_double(untouched())}, "alpha_bar": as_double(s.alpha_bar)}
    sampler = exact | {"seed": seed, "says": says} if model is None else None  # a page knows no other network
    return CloudPad("cloud_pad", [control], rows, compute=walks, sampler=sampler)


def raster(x: torch.Tensor) -> np.ndarray:
    """Particles (N, 2) as a picture (1, SIDE, SIDE) uint8: the brighter, the more lie there."""
    columns, rows = (
        ((x.double().cpu() * torch.tensor([1.0, -1.0]) + REACH) * SIDE / (2 * REACH)).floor().long().T
    )
    inside = (columns >= 0) & (columns < SIDE) & (rows >= 0) & (rows < SIDE)
    counts = torch.bincount(rows[inside] * SIDE + columns[inside], minlength=SIDE * SIDE)
    return (counts * 120).clamp(max=255).to(torch.uint8).reshape(1, SIDE, SIDE).numpy()
