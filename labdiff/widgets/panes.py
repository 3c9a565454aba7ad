"""The parts of a panel: controls, and panes with the data that they show.

Data may depend on controls: a table has one row for each combination of the values of its `axes`, names of controls.
"""

import numpy as np
import torch
import traitlets

from labdiff.widgets.panel import Control


class OneOf(traitlets.TraitType):
    """A trait that takes the given values only."""

    def __init__(self, values, **metadata):
        self.values = values
        super().__init__(values[0], **metadata)

    def validate(self, obj, value):
        if value in self.values:
            return value
        shown = [*self.values] if len(self.values) < 12 else [*self.values[:3], "...", self.values[-1]]
        raise traitlets.TraitError(
            f"{self.name}: expected one of {', '.join(map(str, shown))}, got {value!r}"
        )


def slider(function, name, low, high, start, *, step=1, label=None, speak=None, digits=None):
    """A slider over low..high in steps; whole numbers when step is 1. `function` is who is called, for the error."""
    if (
        isinstance(start, bool)
        or not isinstance(start, (int, float) if step != 1 else int)
        or not low <= start <= high
    ):
        kind = "a number" if step != 1 else "an int"
        raise ValueError(f"{function}: {name}: expected {kind} in {low}..{high}, got {start!r}")
    trait = (traitlets.Int if step == 1 else traitlets.Float)(low, min=low, max=high)
    return Control(
        name,
        trait,
        start,
        {
            "kind": "range",
            "min": low,
            "max": high,
            "step": step,
            "label": label or name,
            "speak": speak,
            "digits": digits,
        },
    )


def stops(name, values, start, *, label=None, speak=None, labels=None, play=False):
    """A slider that stops at the given values, shown as labels; with play, pause, step and speed where asked."""
    return Control(
        name,
        OneOf(values),
        start,
        {
            "kind": "range",
            "values": list(values),
            "label": label or name,
            "speak": speak,
            "labels": labels,
            "play": play,
        },
    )


def t_slider(function, s, levels, start):
    """A slider over t: all of levels, which are 0..T or 1..T, or a part of those."""
    low = levels[0]
    control = slider(function, "t", low, s.T, start, speak="noise level t")
    if len(levels) == s.T + 1 - low:
        return control
    return stops("t", levels, min(levels, key=lambda level: abs(level - start)), speak="noise level t")


def choice(name, values, *, label=None):
    """A list to choose from; it starts with the first."""
    return Control(
        name, OneOf(values), values[0], {"kind": "choice", "values": list(values), "label": label or name}
    )


def texts(entries, axes=("t",)):
    """A table of texts."""
    return {"axes": list(axes), "texts": list(entries)}


def linear(axes=("t",), **terms):
    """A number that is the sum of entry * value: for each control in terms a table of entries (P,)."""
    return {"axes": list(axes), "terms": {name: _double(table) for name, table in terms.items()}}


def numbers(rows):
    """A small table: {label: a texts() table, or (number, digits)}; a linear() number, or the name of one of bayes()."""
    rows = {
        label: row if isinstance(row, dict) else {"value": row[0], "digits": row[1]}
        for label, row in rows.items()
    }
    return {"type": "numbers", "rows": [{"label": label} | row for label, row in rows.items()]}


def mixed(
    x0, eps, signal, noise, *, double=None, axes=("t",), columns=8, scale=3, caption="", alt="pictures"
):
    """Pictures signal * x0 + noise * eps, mixed in the browser with the rounding of the kernel's float32.

    Args:
        x0: (N, C, H, W) float32 or float64, or "drawing" for what is on the panel's pad; eps: (N, C, H, W).
        signal, noise: (P,) or (P, N), with P rows over axes.
        double: the mix is computed in float64; default where eps is.
        columns, scale: pictures in a row, screen pixels for each of theirs; fewer where the page is narrow.
        caption, alt: texts above, and for a screen reader.
    """
    N, C, H, W = eps.shape
    return {
        "type": "pictures",
        "size": [N, H, W, C],
        "x0": x0 if isinstance(x0, str) else _channels_last(x0),
        "eps": _channels_last(eps),
        "signal": _double(signal),
        "noise": _double(noise),
        "axes": list(axes),
        "double": eps.dtype == torch.float64 if double is None else double,
        "columns": columns,
        "scale": scale,
        "caption": caption,
        "alt": alt,
    }


def frames(stack, *, axes=("i",), columns=8, scale=3, caption="", alt="pictures"):
    """Pictures looked up among frames.

    Args:
        stack: (P, N, H, W) or (P, N, H, W, 3) uint8, with P rows over axes.
    """
    return {
        "type": "pictures",
        "size": [*stack.shape[1:4], stack.shape[4] if stack.ndim == 5 else 1],
        "frames": stack,
        "axes": list(axes),
        "columns": columns,
        "scale": scale,
        "caption": caption,
        "alt": alt,
    }


def computed(key, shape, *, columns=8, scale=3, caption="", alt="pictures"):
    """Pictures that the kernel hands over under `key`, as to_uint8() of them; shape (N, C, H, W) keeps their place."""
    N, C, H, W = shape
    return {
        "type": "pictures",
        "size": [N, H, W, C],
        "computed": key,
        "columns": columns,
        "scale": scale,
        "caption": caption,
        "alt": alt,
    }


def lines(
    x,
    ys,
    *,
    xlabel,
    ylabel,
    alt,
    axes=(),
    xlim=None,
    ylim=None,
    xlog=False,
    log=False,
    mark=None,
    width=440,
    height=210,
):
    """Curves over a common x.

    Args:
        x: (M,) rising numbers.
        ys: {label: (M,), or (P, M) with P rows over axes, or a bell() or another curve made in the browser}.
        xlabel, ylabel, alt: texts.
        xlim, ylim: (low, high); default the data's range.
        xlog, log: logarithmic axes, x and y.
        mark: the control, or linear() number, that says where the movable mark stands on x.
        width, height: in pixels, less wide where the page is.
    """
    return curves(x, ys, axes) | {
        "type": "lines",
        "xlabel": xlabel,
        "ylabel": ylabel,
        "alt": alt,
        "xlim": xlim,
        "ylim": ylim,
        "xlog": xlog,
        "log": log,
        "mark": mark,
        "width": width,
        "height": height,
    }


def computed_lines(key, *, xlabel, ylabel, alt, log=False, width=440, height=210):
    """Curves that the kernel hands over under `key`, as curves() of them."""
    return {
        "type": "lines",
        "computed": key,
        "xlabel": xlabel,
        "ylabel": ylabel,
        "alt": alt,
        "log": log,
        "mark": None,
        "width": width,
        "height": height,
    }


def curves(x, ys, axes=()):
    """A common x (M,), and {label: (M,), or (P, M) with P rows over axes, or a bell()}."""
    return {
        "x": _double(x),
        "series": [
            {"label": label}
            | (y if isinstance(y, dict) else {"y": _real(y), "axes": list(axes) if np.ndim(y) == 2 else []})
            for label, y in ys.items()
        ],
    }


def area(y, axes=("t",)):
    """A curve (P, M), with P rows over axes, as the area under it."""
    return {"y": _real(y), "axes": list(axes), "area": True}


def bell(mean, var):
    """exp(-(x - mean)^2 / (2 var)): a linear() mean, var (P,) over the same axes."""
    return {"mean": mean, "var": _double(var)}


def log_density(logs, axes=("t",)):
    """exp(logs), scaled to height 1: (P, M) with P rows over axes."""
    return {"logs": _real(logs.float()), "axes": list(axes)}


def bayes(prior, likelihood):
    """Their product, scaled to height 1, given their places among the curves: a log_density() and a bell().

    Numbers: "mean", "std" of it, and "kl", in nats, to the Gaussian with the same two.
    """
    return {"bayes": [prior, likelihood]}


def gaussian_of(product):
    """The Gaussian with mean and variance of a bayes() curve, given its place, and on its scale."""
    return {"gaussian_of": product}


def _double(values):
    return np.asarray(values.detach().cpu() if isinstance(values, torch.Tensor) else values, np.float64)


def _real(values):
    return (
        values.detach().cpu()
        if isinstance(values, torch.Tensor) and values.dtype == torch.float32
        else _double(values)
    )


def _channels_last(x):
    x = x.detach().cpu().permute(0, 2, 3, 1)
    return x if x.dtype in (torch.float32, torch.float64) else x.float()
