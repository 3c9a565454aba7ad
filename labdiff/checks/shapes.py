"""An answer that is right for images alone, made fit for the numbers and points of the notebooks' toys."""

from collections.abc import Callable

import torch

DATA = {"x_prev", "x0", "xt", "eps", "eps_hat", "eps_none", "eps_label", "a", "b", "x_tau", "z"}


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
