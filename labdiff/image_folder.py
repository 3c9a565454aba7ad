"""Own images from a folder, as load_digits gives digits."""

import os
import re
import warnings
from pathlib import Path

import numpy as np

from labdiff.arguments import check_choice, check_int, check_path
from labdiff.data import Digits, digits_from_uint8

SUFFIXES = frozenset(".png .jpg .jpeg .jfif .gif .bmp .webp .tif .tiff .ppm .pgm .avif".split())
HEIC = frozenset((".heic", ".heif"))  # of telephones; Pillow reads them once another package has taught it


def load_images(folder: str | os.PathLike, size: int = 28, channels: int = 1) -> Digits:
    """All images in a folder, cropped to their central square and resized; its subfolders give labels.

    Args:
        folder: has images (all labels are 0), or a subfolder for each label: 0, 1, ... in the order of their
            names, in which numbers count as numbers (2 before 10). PNG, JPEG, GIF (the first frame), WebP,
            TIFF, BMP and others that Pillow reads.
        size: width and height of what is returned, >= 1; a UNet takes even ones.
        channels: 1 for grey, 3 for colour. Transparent pixels become white.

    Returns: Digits: images (N, channels, size, size) float32 in [-1, 1], labels (N,) int64; sorted by path;
        names, those of the subfolders, by label.
    Raises: TypeError, ValueError: wrong arguments; FileNotFoundError, NotADirectoryError: no such folder;
        ValueError: no image in it can be read, or images lie both in it and in its subfolders.
    Warns: UserWarning: names the files that are corrupt; they are skipped.
    """
    folder = check_path("load_images", "folder", folder, "a folder's path")
    check_int("load_images", "size", size)
    check_choice("load_images", "channels", channels, (1, 3))
    expected = f"load_images: folder: expected a folder with images, got {folder}"
    if not folder.exists():
        raise FileNotFoundError(f"{expected}, which does not exist (looked in {Path.cwd()})")
    if not folder.is_dir():
        raise NotADirectoryError(f"{expected}, which is a file. Give the folder that it lies in")
    paths = sorted(path for path in folder.rglob("*") if _is_image(path, folder))
    tops = [path.relative_to(folder).parts[0] if path.parent != folder else "" for path in paths]
    names = sorted(set(tops), key=_as_counted)
    if "" in names and len(names) > 1:
        raise ValueError(
            f"{expected} with images both in it and in its subfolders, such as {names[1]}. Subfolders are "
            "labels: put each image into one, or all into one folder"
        )
    pixels, labels, corrupt = [], [], []
    for path, top in zip(paths, tops, strict=True):
        try:
            pixels.append(_read(path, size, channels))
            labels.append(names.index(top))
        except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error
            corrupt.append(f"{path.relative_to(folder)} ({' '.join(str(error).split())})")
    if not pixels:
        kinds = ", ".join(sorted(SUFFIXES))
        got = f"with {len(corrupt)} that can not be read: {_few(corrupt)}" if corrupt else "without any"
        raise ValueError(f"{expected} {got}. Images are files that end in {kinds}")
    if corrupt:
        warnings.warn(
            f"load_images: {len(corrupt)} of {len(paths)} files can not be read and are left out: "
            f"{_few(corrupt)}",
            stacklevel=3,
        )
    return digits_from_uint8(np.stack(pixels), np.asarray(labels), tuple(name for name in names if name))


def _as_counted(name: str) -> list[tuple[int, str]]:
    """A key to sort by, in which the digits of a name are numbers."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _is_image(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts)
    return path.suffix.lower() in SUFFIXES | HEIC and not hidden and path.is_file()


def _read(path: Path, size: int, channels: int) -> np.ndarray:
    """(size, size) or (size, size, 3) uint8."""
    from PIL import Image, ImageOps

    if path.suffix.lower() in HEIC and not HEIC & Image.registered_extensions().keys():
        raise ValueError(
            "Pillow does not read HEIC: save it as JPEG, or call pillow_heif.register_heif_opener()"
        )
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file)
        if image.mode.startswith(("I", "F")):  # 16 and 32 bit: Pillow would clip them to 0..255
            image = Image.fromarray(_to_uint8(np.asarray(image)))
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("L" if channels == 1 else "RGB")
        return np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS))


def _to_uint8(levels: np.ndarray) -> np.ndarray:
    """Grey levels 0..65535, or real numbers from 0 to 1, 255 or 65535, as 0..255."""
    if not (levels.min() >= 0 and levels.max() <= 65535):  # so that NaN is refused too
        raise ValueError(f"expected grey levels 0..65535, got {levels.min()}..{levels.max()}")
    tops = (1, 255, 65535) if levels.dtype.kind == "f" else (65535,)
    top = next(top for top in tops if levels.max() <= top)
    return np.round(levels / top * 255).astype(np.uint8)


def _few(names: list[str], n: int = 10) -> str:
    return ", ".join(names[:n]) + (f" and {len(names) - n} more" if len(names) > n else "")
