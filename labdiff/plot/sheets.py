"""Figures of many images: labelled rows, and a plain grid."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine

from labdiff.arguments import check_int
from labdiff.images import tile, to_uint8
from labdiff.plot.style import Figure, check_labelled, check_size, settings
from labdiff.signature import checked


@checked
def image_rows(
    rows: dict[str, torch.Tensor],
    *,
    columns: Sequence[str] | None = None,
    title: str | None = None,
    size: float = 0.85,
) -> Figure:
    """Rows of images with a label before each row and a text above each column.

    Args:
        rows: {label: (N, C, H, W) real in [-1, 1], with C as in to_uint8()}.
        columns: N texts.
        title: above all.
        size: of one image, in inches, > 0.

    Returns: the Figure.
    Raises: TypeError, ValueError: no rows, or one that has no such images.
    """
    check_labelled("image_rows", "rows", rows)
    check_size("image_rows", "size", size)
    if columns is not None and (isinstance(columns, str) or not isinstance(columns, Sequence)):
        got = type(columns).__name__
        raise TypeError(f"image_rows: columns: expected a list of texts, one for each column, got {got}")
    pixels = {label: to_uint8(x, name=f"image_rows: rows[{label!r}]") for label, x in rows.items()}
    n = max(len(x) for x in pixels.values())
    with settings():
        label_width = 0.085 * max(len(line) for label in rows for line in label.split("\n"))
        height = size * len(rows) + (0.25 if columns else 0) + (0.3 if title else 0)
        close = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
        figure = Figure(figsize=(size * n + label_width + 0.2, height), layout=close)
        axes = figure.subplots(len(rows), n, squeeze=False)
        for ax in axes.flat:
            ax.set_axis_off()
        for row, (label, images) in zip(axes, pixels.items(), strict=True):
            for ax, image in zip(row, images, strict=False):
                _show(ax, image)
            row[0].text(-0.12, 0.5, label, transform=row[0].transAxes, ha="right", va="center", fontsize=9)
        for ax, text in zip(axes[0], columns or (), strict=False):
            ax.set_title(text, fontsize=9, pad=3)
        if title:
            figure.suptitle(title)
    return figure


@checked
def image_grid(x: torch.Tensor, *, n_columns: int = 8, title: str | None = None, scale: int = 2) -> Figure:
    """Images side by side in one figure, without space for labels.

    Args:
        x: (N, C, H, W) real in [-1, 1], with C as in to_uint8().
        n_columns: images in a row.
        title: above all.
        scale: screen pixels for each of the images' pixels, > 0.

    Returns: the Figure.
    Raises: TypeError, ValueError: no such images, or a wrong argument.
    """
    check_int("image_grid", "n_columns", n_columns)
    check_size("image_grid", "scale", scale)
    sheet = tile(to_uint8(x, name="image_grid: x"), n_columns)
    height, width = sheet.shape[:2]
    with settings():
        size = (scale * width / 100, scale * height / 100 + (0.35 if title else 0))
        figure = Figure(figsize=size, layout="constrained")
        ax = figure.subplots()
        ax.set_axis_off()
        _show(ax, sheet)
        if title:
            ax.set_title(title)
    return figure


def _show(ax: Axes, image: np.ndarray) -> None:
    ax.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
