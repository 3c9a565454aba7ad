"""Figures for the notebooks, and images as files. What draws returns a Figure, or takes Axes to draw into.

Figures have no background, and ink that reads on a light page and on a dark one. Nothing here uses pyplot,
changes matplotlib's settings, or depends on them.
"""

from labdiff.images import tile, to_uint8
from labdiff.plot.charts import curves, histogram
from labdiff.plot.files import save_gif, save_images
from labdiff.plot.sheets import image_grid, image_rows
from labdiff.plot.style import COLORS, INK, Figure, panels

__all__ = [
    "COLORS",
    "INK",
    "Figure",
    "curves",
    "histogram",
    "image_grid",
    "image_rows",
    "panels",
    "save_gif",
    "save_images",
    "tile",
    "to_uint8",
]
