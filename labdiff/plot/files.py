"""Images as files: an animation, and single pictures."""

import contextlib
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from labdiff.arguments import check_int, check_number, check_path
from labdiff.images import tile, to_uint8
from labdiff.signature import checked

FRAMES = 200  # at most; longer runs are thinned out evenly, first and last frame kept


@checked
def save_gif(
    states: Iterable, path: str | Path, *, seconds: float = 5.0, n_columns: int = 8, scale: int = 4
) -> Path:
    """Write an animation of a reverse trajectory; it ends with a second of its last frame, and starts again.

    Args:
        states: the States of ddpm_steps(), ddim_steps() or dpm_steps(), or images (N, C, H, W) of each frame.
        path: the file, such as "digits.gif".
        seconds: how long it takes, without the pause at the end; at least 0.02 for each frame.
        n_columns: images in a row.
        scale: screen pixels for each of the images' pixels.

    Returns: the path.
    Raises: TypeError, ValueError: no states, or a wrong argument; OSError: the file can't be written.
    """
    path = _check("save_gif", path, n_columns, scale, ".gif")
    check_number("save_gif", "seconds", seconds, "a number > 0", lambda v: 0 < v < 1e6)
    if not isinstance(states, Iterable) or isinstance(states, dict):
        raise TypeError(f"save_gif: states: expected the States of a sampler, got {type(states).__name__}")
    if isinstance(states, torch.Tensor) and states.ndim < 5:
        expected = "the States of a sampler, or images (N, C, H, W) of each frame"
        got = f"one tensor of shape {tuple(states.shape)}. save_images(x, path) writes a still picture"
        raise ValueError(f"save_gif: states: expected {expected}, got {got}")
    images = [getattr(state, "x", state) for state in states]
    if not images:
        raise ValueError("save_gif: states: expected at least one State of a sampler, got none")
    n = min(len(images), FRAMES)
    kept = sorted({round(i * (len(images) - 1) / max(n - 1, 1)) for i in range(n)})
    frames = [_sheet(images[i], "save_gif: states", n_columns, scale) for i in kept]
    if len({frame.size for frame in frames}) > 1:
        raise ValueError("save_gif: states: expected images of one shape in all frames, got several")
    each = max(20, round(1000 * seconds / len(frames)))  # ms; browsers slow down what is faster
    pauses = [each] * (len(frames) - 1) + [each + 1000]
    with _writing("save_gif", path):
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=pauses, loop=0)
    return path


@checked
def save_images(
    x: torch.Tensor, path: str | Path, *, together: bool = False, n_columns: int = 8, scale: int = 1
) -> list[Path]:
    """Write images as PNG files: one each, 000.png, 001.png, ... in a folder, or all together as one file.

    Args:
        x: (N, C, H, W) real in [-1, 1], with C as in to_uint8().
        path: the folder, made if need be; the file with together=True.
        together: one file with n_columns images in a row.
        n_columns: images in a row.
        scale: pixels in the file for each of the images' pixels.

    Returns: the files' paths.
    Raises: TypeError, ValueError: no images, or a wrong argument; OSError: a file can't be written.
    Warns: UserWarning: the folder holds other PNG files, such as those of a larger x before; they stay.
    """
    path = _check("save_images", path, n_columns, scale, ".png" if together else "")
    if together:
        sheet = _sheet(x, "save_images: x", n_columns, scale)
        with _writing("save_images", path):
            sheet.save(path)
        return [path]
    pixels = to_uint8(x, name="save_images: x")
    width = max(3, len(str(len(pixels) - 1)))
    files = [path / f"{i:0{width}}.png" for i in range(len(pixels))]
    with _writing("save_images", path):
        path.mkdir(parents=True, exist_ok=True)
        for file, image in zip(files, pixels, strict=True):
            _enlarged(image, scale).save(file)
    if others := sorted(set(path.glob("*.png")) - set(files)):
        what = f"{len(others)} other PNG files, such as {others[0].name}: load_images takes them too"
        warnings.warn(f"save_images: path: {path} also holds {what}", stacklevel=3)
    return files


@contextlib.contextmanager
def _writing(function, path):
    try:
        yield
    except OSError as error:
        expected = "one that can be written, in a folder that exists"
        raise OSError(
            f"{function}: path: expected {expected}, got {str(path)!r}: {error.strerror or error}"
        ) from error


def _check(function, path, n_columns, scale, ending):
    check_int(function, "n_columns", n_columns)
    check_int(function, "scale", scale)
    path = check_path(
        function, "path", path, f"a path that ends in {ending}" if ending else "a folder's path"
    )
    if ending and path.suffix.lower() != ending:
        raise ValueError(f"{function}: path: expected a path that ends in {ending}, got {str(path)!r}")
    if not ending and path.is_file():
        raise ValueError(
            f"{function}: path: expected a folder's path, got the file {str(path)!r}. "
            "together=True writes one file"
        )
    return path


def _sheet(x, name, n_columns, scale):
    return _enlarged(tile(to_uint8(x, name=name), n_columns), scale)


def _enlarged(image, scale):
    return Image.fromarray(np.kron(image, np.ones((scale, scale, *[1] * (image.ndim - 2)), np.uint8)))
