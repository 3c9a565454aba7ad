"""Images as 8-bit pixels."""

import warnings

import numpy as np
import torch

from labdiff.arguments import check_data, check_int, tensor_instead
from labdiff.signature import checked


def to_uint8(x: torch.Tensor, *, name: str = "to_uint8: x") -> np.ndarray:
    """Grey levels 0..255 of images in [-1, 1], clipped: (N, C, H, W) -> uint8 (N, H, W), or (N, H, W, 3) for
    colour.

    Args:
        x: (N, C, H, W) real; C = 1 grey, 3 RGB, 4 RGB and alpha, of which the transparent part is shown
            white.
        name: of the function and argument, for errors.
    """
    function, argument = name.split(": ", 1)
    if not isinstance(x, torch.Tensor) or x.ndim != 4 or x.shape[1] not in (1, 3, 4):
        got = f"{type(x).__name__}{tensor_instead(argument, x)}"
        if isinstance(x, torch.Tensor):
            got = f"{tuple(x.shape)}. Four channels are RGB and alpha; a single image is x[None]"
        raise ValueError(f"{name}: expected pictures of shape (N, 1, 3 or 4, H, W), got {got}")
    check_data(function, {argument: x})
    x = x.detach().float()
    _warn_if_scaled(name, x)
    x = x.clamp(-1, 1)
    if x.shape[1] == 4:
        alpha = (x[:, 3:] + 1) / 2
        x = alpha * x[:, :3] + (1 - alpha)
    x = ((x + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)
    return x.squeeze(3).cpu().numpy()


@checked
def tile(images: np.ndarray, n_columns: int, gap: int = 2) -> np.ndarray:
    """Images side by side on one sheet, the gaps between them in mid-grey.

    Args:
        images: (N, H, W) or (N, H, W, 3) uint8.
        n_columns: images in a row.
        gap: pixels between two.

    Returns: (rows (H+gap) - gap, columns (W+gap) - gap) uint8, or the same with 3 colours last.
    Raises: TypeError, ValueError: images of another kind, no column, or a gap below 0.
    """
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        got = images.dtype if isinstance(images, np.ndarray) else type(images).__name__
        raise TypeError(f"tile: images: expected a uint8 array, got {got}. Use to_uint8(images)")
    if images.shape[3:] not in ((), (3,)) or images.ndim < 3 or images.size == 0:
        raise ValueError(f"tile: images: expected shape (N, H, W) or (N, H, W, 3), got {images.shape}")
    check_int("tile", "n_columns", n_columns)
    check_int("tile", "gap", gap, 0)
    N, H, W, *C = images.shape
    columns = min(n_columns, N)
    rows = -(-N // columns)
    sheet = np.full((rows * columns, H + gap, W + gap, *C), 128, np.uint8)
    sheet[:N, :H, :W] = images
    sheet = sheet.reshape(rows, columns, H + gap, W + gap, *C).swapaxes(1, 2)
    sheet = sheet.reshape(rows * (H + gap), columns * (W + gap), *C)
    return sheet[: len(sheet) - gap, : sheet.shape[1] - gap]


def _warn_if_scaled(name, x):
    """Warn of 8-bit pixels on another scale; noised images and samples may well leave [-1, 1]."""
    widest = x[x.abs().flatten(1).amax(1).argmax()]
    low, high = (v.item() for v in widest.aminmax())
    if max(-low, high) > 1.05 and len(widest[0].unique()) <= min(256, widest[0].numel() // 2):
        warnings.warn(
            f"{name}: expected images in [-1, 1], got {low:.3g}..{high:.3g}; what lies outside is clipped. "
            "From 0..255: images / 127.5 - 1. Standardized: undo it, 2 * (images * std + mean) - 1",
            stacklevel=3,
        )
