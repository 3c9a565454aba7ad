"""Line plots as SVG text, for widgets: drawn in a fraction of a millisecond, in the colours of the page's theme."""

import html
import math

import numpy as np

COLORS = ("#1f8fd6", "#e2681c", "#12a37c", "#c87aa8")  # mid tones: readable on white and on black


def line_plot(x, ys, *, xlabel, ylabel, alt, xlim=None, ylim=None, yscale="linear", mark=None, width=420, height=190):
    """One SVG element with lines over a common x, a legend, axes with labels, and a movable mark.

    Args:
        x: (N,) numbers.
        ys: {label: (N,) numbers}; numbers that are not finite are left out.
        xlabel, ylabel: texts at the axes.
        alt: what a screen reader says of the picture.
        xlim, ylim: (low, high); default the data's range.
        yscale: "linear" or "log".
        mark: x of a vertical line, with a dot on each curve.
        width, height: in pixels.

    Returns: the SVG, a string.
    """
    x, ys = np.asarray(x, float), {label: np.asarray(y, float) for label, y in ys.items()}
    if yscale == "log":
        ys = {label: np.log10(np.where(y > 0, y, np.nan)) for label, y in ys.items()}
        ylim = ylim and tuple(math.log10(v) for v in ylim)
    low_x, high_x = xlim or (x.min(), x.max())
    low_y, high_y = ylim or _range(np.concatenate(list(ys.values())))
    left, right, top, bottom = 52, 12, 10 + (16 if len(ys) > 1 else 0), 36

    def px(v):
        return left + (v - low_x) / ((high_x - low_x) or 1) * (width - left - right)

    def py(v):
        return height - bottom - (v - low_y) / ((high_y - low_y) or 1) * (height - top - bottom)

    parts = []
    for v in _ticks(low_x, high_x):
        parts.append(f'<text x="{px(v):.1f}" y="{height - bottom + 14}" text-anchor="middle">{v:g}</text>')
    for v in _ticks(low_y, high_y, whole=yscale == "log"):
        label = f"1e{v:g}" if yscale == "log" else f"{v:g}"
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{py(v):.1f}" y2="{py(v):.1f}" stroke-opacity=".18"/>'
                     f'<text x="{left - 5}" y="{py(v) + 4:.1f}" text-anchor="end">{label}</text>')
    parts.append(f'<path d="M{left} {top}V{height - bottom}H{width - right}" fill="none"/>'
                 f'<text x="{(left + width - right) / 2}" y="{height - 4}" text-anchor="middle">{html.escape(xlabel)}</text>'
                 f'<text transform="translate(11 {(top + height - bottom) / 2}) rotate(-90)" '
                 f'text-anchor="middle">{html.escape(ylabel)}</text>')
    if mark is not None:
        parts.append(f'<line x1="{px(mark):.1f}" x2="{px(mark):.1f}" y1="{top}" y2="{height - bottom}" stroke-dasharray="3 3"/>')
    for i, (label, y) in enumerate(ys.items()):
        color, ok = COLORS[i % len(COLORS)], np.isfinite(y) & (x >= low_x) & (x <= high_x)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(px(x[ok]), py(np.clip(y[ok], low_y, high_y)), strict=True))
        dash = ' stroke-dasharray="7 3"' if i % 2 else ""
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"{dash}/>')
        if mark is not None and ok.any():
            value = np.interp(mark, x[ok], y[ok])
            parts.append(f'<circle cx="{px(mark):.1f}" cy="{py(np.clip(value, low_y, high_y)):.1f}" r="4" fill="{color}" stroke="none"/>')
        if len(ys) > 1:
            at = left + 8 + i * (width - left - right) / len(ys)
            parts.append(f'<line x1="{at:.0f}" x2="{at + 20:.0f}" y1="11" y2="11" stroke="{color}" stroke-width="2"{dash}/>'
                         f'<text x="{at + 25:.0f}" y="15">{html.escape(label)}</text>')
    return (f'<svg role="img" aria-label="{html.escape(alt, quote=True)}" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" style="max-width:100%;color:var(--jp-ui-font-color1,currentColor)" '
            f'stroke="currentColor"><g font-size="11" style="font-family:system-ui,sans-serif">'
            f'<style>svg[role=img] text{{fill:currentColor;stroke:none}}</style>{"".join(parts)}</g></svg>')


def _range(y):
    y = y[np.isfinite(y)]
    low, high = (y.min(), y.max()) if len(y) else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _ticks(low, high, whole=False):
    """Three to six round numbers in low..high."""
    step = 10.0 ** math.floor(math.log10((high - low) or 1))
    step = next(step * f for f in (0.2, 0.5, 1, 2, 5) if (high - low) / (step * f) <= 6)
    step = max(round(step), 1) if whole else step
    return [round(step * i, 10) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
