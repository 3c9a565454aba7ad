"""Curves and histograms."""

import numpy as np
import torch
from matplotlib.axes import Axes

from labdiff.arguments import check_choice, check_int
from labdiff.plot.style import COLORS, Figure, Numbers, check_labelled, panels, settings
from labdiff.signature import checked, plain


@checked
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
        ys: {label: (N,) numbers}; labels become the legend, beside the curves, when there are two or more.
        title, xlabel, ylabel: texts; every figure has all three.
        yscale: "linear" or "log".
        styles: {label: matplotlib line style}, for curves that lie on top of each other.
        ax: Axes to draw into; default a new figure.

    Returns: the Figure.
    Raises: TypeError, ValueError: no numbers, not as many as x, or a wrong argument.
    """
    check_labelled("curves", "ys", ys)
    if styles is not None:
        check_labelled("curves", "styles", styles)
    check_choice("curves", "yscale", yscale, ("linear", "log"))
    _check_axes("curves", ax)
    pairs = {label: _pair(f"curves: ys[{label!r}]", x, y) for label, y in ys.items()}
    with settings():
        ax = panels()[1][0] if ax is None else ax
        for label, pair in pairs.items():
            ax.plot(*pair, (styles or {}).get(label, "-"), label=label)
        return _label(ax, title, xlabel, ylabel, yscale, legend=len(ys) > 1)


@checked
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
        samples: {label: numbers of any shape}.
        densities: {label: (grid, density)}, two (M,) each.
        title, xlabel: texts.
        bins: number of bins, >= 1, or their edges, two or more.
        ax: Axes to draw into; default a new figure.

    Returns: the Figure.
    Raises: TypeError, ValueError: no numbers, or a wrong argument.
    """
    check_labelled("histogram", "samples", samples)
    if densities is not None:
        check_labelled("histogram", "densities", densities)
    _check_axes("histogram", ax)
    values = {label: _numpy(f"histogram: samples[{label!r}]", x).ravel() for label, x in samples.items()}
    pairs = {label: _two("histogram", label, pair) for label, pair in (densities or {}).items()}
    bins = plain(bins)
    if isinstance(bins, int):
        check_int("histogram", "bins", bins)
    elif (bins := _numpy("histogram: bins", bins)).ndim != 1 or len(bins) < 2:
        raise ValueError(f"histogram: bins: expected an int, or two edges or more, got {bins.size}")
    with settings():
        ax = panels()[1][0] if ax is None else ax
        for label, x in values.items():
            ax.hist(x, bins=bins, density=True, alpha=0.45, label=label)
        for color, (label, pair) in zip(COLORS[len(samples) :], pairs.items(), strict=False):
            ax.plot(*pair, label=label, color=color)
        return _label(ax, title, xlabel, "density", "linear", legend=True)


def _label(ax, title, xlabel, ylabel, yscale, legend):
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel, yscale=yscale)
    if legend:
        _legend_beside(ax)
    return ax.figure


def _legend_beside(ax: Axes) -> None:
    """Put the legend to the right of Axes, where it covers nothing; Axes side by side with the same labels
    share the last one's."""
    with settings():
        labels = ax.get_legend_handles_labels()[1]
        for other in ax.figure.axes:
            legend = other.get_legend()
            if legend and set(labels) <= set(other.get_legend_handles_labels()[1]):
                legend.remove()
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)


def _check_axes(function, ax):
    if ax is not None and not isinstance(ax, Axes):
        got = type(ax).__name__
        raise TypeError(f"{function}: ax: expected Axes such as panels()[1][0], got {got}")


def _two(function, label, pair):
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        got = type(pair).__name__
        raise TypeError(f"{function}: densities[{label!r}]: expected (grid, density), got {got}")
    return _pair(f"{function}: densities[{label!r}]", *pair)


def _pair(where, x, y):
    """x and y as arrays (N,)."""
    x, y = _numpy(f"{where.split(':')[0]}: x", x), _numpy(where, y)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"{where}: expected as many numbers as x, (N,), got {y.shape} for an x of {x.shape}")
    return x, y


def _numpy(where, x):
    try:
        return np.asarray(x.detach().cpu().double() if isinstance(x, torch.Tensor) else x, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(f"{where}: expected numbers, got {x!r:.60}") from None
