"""Curves and histograms."""

import numpy as np
import torch
from matplotlib.axes import Axes

from labdiff.plot.style import COLORS, Figure, Numbers, check_labelled, panels, settings


def curves(
    x: Numbers,
    ys: dict[str, Numbers],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    yscale: str = "linear",
    styles: dict[str, str] | None = None,
    ax: Axes | None = None,
) -> Figure:
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
    check_labelled("curves", "ys", ys)
    with settings():
        ax = panels()[1][0] if ax is None else ax
        for label, y in ys.items():
            ax.plot(_numpy(x), _numpy(y), (styles or {}).get(label, "-"), label=label)
        return _label(ax, title, xlabel, ylabel, yscale, legend=len(ys) > 1)


def histogram(
    samples: dict[str, Numbers],
    densities: dict[str, tuple[Numbers, Numbers]] | None = None,
    *,
    title: str,
    xlabel: str,
    bins: int | Numbers = 80,
    ax: Axes | None = None,
) -> Figure:
    """Histograms of samples, scaled to area 1, under density curves.

    Args:
        samples: {label: (N,) numbers}.
        densities: {label: (grid, density)}, two (M,) each.
        title, xlabel: texts.
        bins: number of bins, or their edges.
        ax: Axes to draw into; default a new figure.

    Returns: the Figure.
    """
    check_labelled("histogram", "samples", samples)
    with settings():
        ax = panels()[1][0] if ax is None else ax
        for label, values in samples.items():
            ax.hist(
                _numpy(values).ravel(),
                bins=bins if isinstance(bins, int) else _numpy(bins),
                density=True,
                alpha=0.45,
                label=label,
            )
        colors = COLORS[len(samples) :]
        for color, (label, (grid, density)) in zip(colors, (densities or {}).items(), strict=False):
            ax.plot(_numpy(grid), _numpy(density), label=label, color=color)
        return _label(ax, title, xlabel, "density", "linear", legend=True)


def _label(ax, title, xlabel, ylabel, yscale, legend):
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel, yscale=yscale)
    if legend:
        ax.legend(fontsize=9)
    return ax.figure


def _numpy(x):
    return x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)
