"""The panes of a panel: images and curves, with the data that they show."""

import numpy as np
import torch

from labdiff.widgets.tables import as_double, as_real


def mixed(
    x0,
    eps,
    signal,
    noise,
    *,
    double=None,
    fresh=None,
    path=None,
    axes=("t",),
    columns=8,
    scale=3,
    caption="",
    alt="pictures",
):
    """Images signal * x0 + noise * eps, mixed in the browser with the rounding of the kernel's float32.

    Args:
        x0: (N, C, H, W) float32 or float64, or "drawing" for what is on the panel's pad; eps: (N, C, H, W).
        signal, noise: (P,) or (P, N), with P rows over axes.
        double: the mix is computed in float64; default where eps is.
        fresh: key under which the kernel hands over another eps, as channels_last() of it.
        path: name of the lines(local=...) pane that shows how the pixel that is pointed at moves.
        columns, scale: images in a row, screen pixels for each of theirs; fewer where the page is narrow.
        caption, alt: texts above, and for a screen reader.
    """
    N, C, H, W = eps.shape
    return {
        "type": "pictures",
        "size": [N, H, W, C],
        "x0": x0 if isinstance(x0, str) else channels_last(x0),
        "eps": channels_last(eps),
        "signal": as_double(signal),
        "noise": as_double(noise),
        "axes": list(axes),
        "fresh": fresh,
        "path": path,
        "double": eps.dtype == torch.float64 if double is None else double,
        "columns": columns,
        "scale": scale,
        "caption": caption,
        "alt": alt,
    }


def frames(stack, *, axes=("i",), columns=8, scale=3, caption="", alt="pictures"):
    """Images looked up among frames.

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


def computed(key, shape, *, axes=None, columns=8, scale=3, caption="", alt="pictures"):
    """Images from the kernel, as to_uint8() under `key`; shape (N, C, H, W) keeps their place.

    With axes they are frames, as in frames(): with P rows over axes.
    """
    N, C, H, W = shape
    return {
        "type": "pictures",
        "size": [N, H, W, C],
        "computed": key,
        "axes": axes,
        "columns": columns,
        "scale": scale,
        "caption": caption,
        "alt": alt,
    }


def formula(left, terms, control):
    """A formula left = sum of coefficient * symbol, whose coefficients grow, shrink, and can be dragged.

    Args:
        left: text.
        terms: {(coefficient, symbol): (P,) values of the coefficient at the stops of the control}.
        control: name of the slider that a drag moves.
    """
    named = [{"name": name, "symbol": symbol, "values": as_double(v)} for (name, symbol), v in terms.items()]
    return {"type": "formula", "left": left, "terms": named, "control": control}


def after(control, *panes):
    """Panes that are not shown before the mark() `control` is set."""
    return [pane | {"after": control} for pane in panes]


def path_lines(key, *, xlabel, ylabel, alt, mark, width=560, height=170):
    """Curves that an image pane with path=key makes in the browser; nothing until a pixel is pointed at."""
    return {
        "type": "lines",
        "local": key,
        "xlabel": xlabel,
        "ylabel": ylabel,
        "alt": alt,
        "mark": mark,
        "width": width,
        "height": height,
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
    second=None,
    fit=False,
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
        second: a mark() control, where a second mark stands.
        fit: the x axis follows the bell()s, which the browser then draws on a grid of its own.
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
        "second": second,
        "fit": fit,
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
        "x": as_double(x),
        "series": [
            {"label": label}
            | (y if isinstance(y, dict) else {"y": as_real(y), "axes": list(axes) if np.ndim(y) == 2 else []})
            for label, y in ys.items()
        ],
    }


def channels_last(x):
    x = x.detach().cpu().permute(0, 2, 3, 1)
    return x if x.dtype in (torch.float32, torch.float64) else x.float()
