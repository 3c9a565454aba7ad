"""Figures for the notebooks: each function takes data and returns a Figure, or draws into the Axes it is given.

Figures stand on white paper, so that they read in a light and in a dark notebook alike. Nothing here touches rcParams or
pyplot.
"""

import io

import matplotlib
import matplotlib.figure
import numpy as np
import torch
from PIL import Image

from labdiff.arguments import check_data, check_int

COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#444444",
)  # tell apart without red and green
_STYLE = {
    "axes.prop_cycle": matplotlib.cycler(color=COLORS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "axes.titlepad": 8,
    "lines.linewidth": 1.8,
    "font.size": 9,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "figure.titlesize": 12,
}


class Figure(matplotlib.figure.Figure):
    """A matplotlib Figure that a notebook shows as it is, without pyplot."""

    def _repr_png_(self):
        drawn, small = io.BytesIO(), io.BytesIO()
        self.savefig(drawn, format="png", dpi=100, bbox_inches="tight", facecolor="white")
        picture = Image.open(drawn).convert(
            "RGB"
        )  # at most 256 colours: a third of the size, in every committed notebook
        smooth = picture.getcolors(4096) is None  # a heat map needs the finer choice of colours
        method = Image.Quantize.MEDIANCUT if smooth else Image.Quantize.FASTOCTREE
        picture.quantize(256, method, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        return small.getvalue()


def panels(n=1, *, width=None, height=3.0, title=None):
    """An empty figure with n Axes side by side.

    Args:
        n: number of Axes.
        width, height: of the whole figure, in inches; width defaults to 4.2 for each of the Axes, 6.4 for a single one.
        title: above all of them.

    Returns: (figure, axes): axes an array of n Axes.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width or (6.4 if n == 1 else 4.2 * n), height), layout="constrained")
        axes = figure.subplots(1, n, squeeze=False)[0]
        if title:
            figure.suptitle(title)
    return figure, axes


def curves(x, ys, *, title, xlabel, ylabel, yscale="linear", styles=None, ax=None):
    """Lines over a common x.

    Args:
        x: (N,) numbers.
        ys: {label: (N,) numbers}; labels become the legend when there are two or more.
        title, xlabel, ylabel: texts; every figure has all three.
        yscale: "linear" or "log".
        styles: {label: matplotlib line style}, for curves that lie on top of each other.
        ax: Axes to draw into; default a new figure.

    Returns: the Figure.
    """
    _check_labelled("curves", "ys", ys)
    ax = panels()[1][0] if ax is None else ax
    for label, y in ys.items():
        ax.plot(_numpy(x), _numpy(y), (styles or {}).get(label, "-"), label=label)
    return _label(ax, title, xlabel, ylabel, yscale, legend=len(ys) > 1)


def histogram(samples, densities=None, *, title, xlabel, bins=80, ax=None):
    """Histograms of samples, scaled to area 1, under density curves.

    Args:
        samples: {label: (N,) numbers}.
        densities: {label: (grid, density)}, two (M,) each.
        title, xlabel: texts.
        bins: number of bins, or their edges.
        ax: Axes to draw into; default a new figure.

    Returns: the Figure.
    """
    _check_labelled("histogram", "samples", samples)
    ax = panels()[1][0] if ax is None else ax
    for label, values in samples.items():
        ax.hist(_numpy(values).ravel(), bins=bins, density=True, alpha=0.45, label=label)
    for color, (label, (grid, density)) in zip(
        COLORS[len(samples) :], (densities or {}).items(), strict=False
    ):
        ax.plot(_numpy(grid), _numpy(density), label=label, color=color)
    return _label(ax, title, xlabel, "density", "linear", legend=True)


def image_rows(rows, *, columns=None, title=None, size=0.85):
    """Rows of pictures with a label before each row and a text above each column.

    Args:
        rows: {label: (N, C, H, W) real in [-1, 1]}; values outside are clipped for display.
        columns: N texts.
        title: above all.
        size: of one picture, in inches.

    Returns: the Figure.
    """
    _check_labelled("image_rows", "rows", rows)
    n = max(len(x) for x in rows.values())
    with matplotlib.rc_context(_STYLE):
        label_width = 0.085 * max(len(line) for label in rows for line in label.split("\n"))
        height = size * len(rows) + (0.25 if columns else 0) + (0.3 if title else 0)
        figure = Figure(figsize=(size * n + label_width + 0.2, height), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
        axes = figure.subplots(len(rows), n, squeeze=False)
        for ax in axes.flat:
            ax.set_axis_off()
        for row, (label, x) in zip(axes, rows.items(), strict=True):
            for ax, picture in zip(row, to_uint8(x), strict=False):
                ax.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            row[0].text(-0.12, 0.5, label, transform=row[0].transAxes, ha="right", va="center", fontsize=9)
        for ax, text in zip(axes[0], columns or (), strict=False):
            ax.set_title(text, fontsize=9, pad=3)
        if title:
            figure.suptitle(title)
    return figure


def image_grid(x, *, n_columns=8, title=None, scale=2):
    """Pictures side by side in one figure, without space for labels.

    Args:
        x: (N, C, H, W) real in [-1, 1]; values outside are clipped for display.
        n_columns: pictures in a row.
        title: above all.
        scale: screen pixels for each of the pictures' pixels.

    Returns: the Figure.
    """
    check_int("image_grid", "n_columns", n_columns)
    picture = tile(to_uint8(x), n_columns)
    height, width = picture.shape[:2]
    with matplotlib.rc_context(_STYLE):
        figure = Figure(
            figsize=(scale * width / 100, scale * height / 100 + (0.35 if title else 0)), layout="constrained"
        )
        ax = figure.subplots()
        ax.set_axis_off()
        ax.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        if title:
            ax.set_title(title)
    return figure


def to_uint8(x, *, name="to_uint8: x"):
    """Grey levels 0..255 of images in [-1, 1], clipped: (N, C, H, W) -> uint8 (N, H, W), or (N, H, W, 3) for colour.

    Args:
        x: (N, C, H, W) real; C = 1 grey, 3 RGB, 4 RGB and alpha, of which the transparent part is shown white.
        name: of the function and argument, for errors.
    """
    if not isinstance(x, torch.Tensor) or x.ndim != 4 or x.shape[1] not in (1, 3, 4):
        got = tuple(x.shape) if isinstance(x, torch.Tensor) else type(x).__name__
        raise ValueError(
            f"{name}: expected pictures of shape (N, 1 or 3, H, W), got {got}. Four channels are RGB and alpha; "
            "a single image is x[None]"
        )
    function, argument = name.split(": ")
    check_data(function, {argument: x})
    x = x.detach().float().clamp(-1, 1)
    if x.shape[1] == 4:
        alpha = (x[:, 3:] + 1) / 2
        x = alpha * x[:, :3] + (1 - alpha)
    x = ((x + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)
    return x.squeeze(3).cpu().numpy()


def tile(pictures, n_columns, gap=2):
    """One picture of N: (N, H, W[, 3]) uint8 -> (rows (H+gap), columns (W+gap)[, 3]), the gaps in mid-grey."""
    N, H, W, *C = pictures.shape
    columns = min(n_columns, N)
    rows = -(-N // columns)
    sheet = np.full((rows * columns, H + gap, W + gap, *C), 128, np.uint8)
    sheet[:N, :H, :W] = pictures
    sheet = sheet.reshape(rows, columns, H + gap, W + gap, *C).swapaxes(1, 2)
    return sheet.reshape(rows * (H + gap), columns * (W + gap), *C)[:-gap, :-gap]


def _check_labelled(function, name, value):
    if not isinstance(value, dict) or not value:
        raise TypeError(
            f"{function}: {name}: expected a dict {{label: data}} with an entry or more, got {value!r:.60}"
        )


def _label(ax, title, xlabel, ylabel, yscale, legend):
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel, yscale=yscale)
    if legend:
        ax.legend(frameon=False, fontsize=9)
    return ax.figure


def _numpy(x):
    return x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)
