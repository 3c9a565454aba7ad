"""What all figures share: their look, and how a notebook shows them."""

import io
import math
import re
from collections.abc import Sequence

import matplotlib
import matplotlib.figure
import matplotlib.rcsetup
import matplotlib.style
import numpy as np
import torch
from matplotlib.colors import same_color
from matplotlib.legend import Legend
from matplotlib.text import Text
from PIL import Image

from labdiff.arguments import check_int, check_number
from labdiff.signature import checked

Numbers = Sequence[float] | np.ndarray | torch.Tensor

INK = "#7a7a7a"  # contrast above 4:1 on white and on JupyterLab's dark page
# distinguishable without telling red from green, on a light page and on a dark one
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8c8c8c")
_STYLE = {
    "axes.prop_cycle": matplotlib.rcsetup.cycler(color=COLORS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": INK,
    "grid.alpha": 0.25,
    "axes.axisbelow": True,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "axes.titlepad": 8,
    "lines.linewidth": 1.8,
    "font.size": 9,
    "figure.titlesize": 12,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.titlecolor", "axes.edgecolor"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color"), INK),
}


def settings():
    """A context in which matplotlib's settings are those of these figures, whatever the user has set."""
    return matplotlib.style.context(["default", _STYLE])


class Figure(matplotlib.figure.Figure):
    """A matplotlib Figure that a notebook shows as it is, without pyplot."""

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        return {"image/png": self._repr_png_()}, {"image/png": {"alt": described(self)}}

    def _repr_png_(self) -> bytes:
        drawn, small = io.BytesIO(), io.BytesIO()
        _readable_on_any_page(self)
        with settings():
            self.savefig(drawn, format="png", dpi=100, bbox_inches="tight")
        image = Image.open(drawn).convert("RGBA")
        if image.getcolors(4096) is not None:  # 256 colours are a third of the size; a heat map needs more
            image = image.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        image.save(small, "PNG", optimize=True)
        return small.getvalue()


def described(figure: matplotlib.figure.Figure) -> str:
    """What is told to who can't see a figure: its titles, its axes, and what its curves or images are."""
    said = [figure.get_suptitle()]
    for ax in figure.axes:
        axes = " over ".join(filter(None, (ax.get_ylabel(), ax.get_xlabel())))
        labels = ", ".join(ax.get_legend_handles_labels()[1])
        said += [ax.get_title(), axes, labels, *(text.get_text() for text in ax.texts)]
    texts = [" ".join(re.sub(r"[${}\\]", " ", text).split()) for text in said]
    kind = "Images" if any(ax.images for ax in figure.axes) else "Plot"
    return ": ".join(filter(None, (kind, "; ".join(dict.fromkeys(filter(None, texts))))))


def _readable_on_any_page(figure):
    """What was added to the Axes outside of settings() is black on white: make it like the rest."""
    user = matplotlib.rcParams["text.color"]
    for ax in figure.axes:
        ax.tick_params(which="both", colors=INK)
        ax.title.set_fontsize(_STYLE["axes.titlesize"])
    for legend in figure.findobj(Legend):
        legend.set_frame_on(False)
        legend.get_frame().set_facecolor("none")
    for text in figure.findobj(Text):
        if same_color(text.get_color(), "black") or same_color(text.get_color(), user):
            text.set_color(INK)


@checked
def panels(
    n: int = 1, *, width: float | None = None, height: float = 3.0, title: str | None = None
) -> tuple[Figure, np.ndarray]:
    """An empty figure with n Axes side by side.

    Args:
        n: number of Axes.
        width, height: of the figure, in inches, > 0; width defaults to 4.2 for each of the Axes, 6.4 for one.
        title: above all of them.

    Returns: (figure, axes): axes an array of n Axes.
    Raises: TypeError, ValueError: wrong type or range.
    """
    check_int("panels", "n", n)
    check_size("panels", "height", height)
    if width is not None:
        check_size("panels", "width", width)
    with settings():
        figure = Figure(figsize=(width or (6.4 if n == 1 else 4.2 * n), height), layout="constrained")
        axes = figure.subplots(1, n, squeeze=False)[0]
        if title:
            figure.suptitle(title)
    return figure, axes


def check_labelled(function, name, value):
    if not isinstance(value, dict) or not value:
        raise TypeError(
            f"{function}: {name}: expected a dict {{label: data}} with an entry or more, "
            f"got {' '.join(repr(value).split()):.60}"
        )
    if not all(isinstance(label, str) for label in value):
        raise TypeError(f"{function}: {name}: expected texts as labels, got {[*value]}")


def check_size(function, name, value):
    check_number(function, name, value, "a number > 0", lambda v: 0 < v < math.inf)
