"""A right answer, made fit for the cells that use it: results like the data, data of any shape."""

import functools
from collections.abc import Callable

import numpy as np
import torch

DATA = {"x_prev", "x0", "xt", "eps", "eps_hat", "eps_none", "eps_label", "a", "b", "x_tau", "z"}


def like_its_data(arguments: tuple[str, ...], function: Callable) -> Callable:
    """The function, whose results in float64 or as NumPy arrays come as tensors like the data given to it.

    Args:
        arguments: names of the function's arguments, in order; without data among them it stays as it is.
    """
    place = next((i for i, name in enumerate(arguments) if name in DATA), None)
    if place is None:
        return function

    @functools.wraps(function)
    def fitted(*args):
        result = function(*args)
        parts = result if isinstance(result, tuple) else (result,)
        parts = tuple(_like(value, args[place]) for value in parts)
        return parts if isinstance(result, tuple) else parts[0]

    return fitted


def _like(value, data):
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(value)
    return value.to(data) if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def as_images(arguments: tuple[str, ...], function: Callable) -> Callable:
    """The function, which gets data (B, ...) of any shape as images (B, 1, 1, n).

    Args:
        arguments: names of the function's arguments, in order.
        function: right for images (B, C, H, W).

    Returns: a function with the same arguments; its results have the shape of the data that it was given, or
        (B, 1, .., 1) where they are one number a sample.
    """
    data = [i for i, name in enumerate(arguments) if name in DATA]

    def of_any_shape(*args):
        shape = args[data[0]].shape
        if len(shape) == 4:
            return function(*args)
        args = [a.reshape(shape[0], 1, 1, -1) if i in data else a for i, a in enumerate(args)]
        if "model" in arguments:
            place = arguments.index("model")
            model = args[place]
            args[place] = lambda x, t: model(x.reshape(shape), t).reshape(x.shape)
        result = function(*args)
        if isinstance(result, tuple):
            return tuple(_back(value, shape) for value in result)
        return _back(result, shape)

    return of_any_shape


def _back(value, shape):
    if value.ndim == 0:  # a loss
        return value
    return value.reshape(
        shape if value.numel() == shape.numel() else torch.Size([len(value), *[1] * (len(shape) - 1)])
    )
