"""Data: real digits that ship with the package, and torchvision's sets by name."""

import os
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from labdiff.arguments import check_path
from labdiff.signature import checked_class

ASSETS = Path(__file__).parent / "assets"
TORCHVISION_SETS = ("MNIST", "FashionMNIST", "KMNIST", "CIFAR10", "CIFAR100", "USPS")


@checked_class
@dataclass(frozen=True)
class Digits:
    """Images with their labels.

    Attributes:
        images: (N, C, H, W) float32 in [-1, 1]; -1 is black, the background of digits.
        labels: (N,) int64, 0..9 for digits.
        names: of the labels, where they have some: names[label].
    """

    images: torch.Tensor
    labels: torch.Tensor
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        names = f", names={self.names}" if self.names else ""
        return f"Digits(images={tuple(self.images.shape)}, labels={tuple(self.labels.shape)}{names})"


def load_digits(
    split: str = "train",
    name: str | None = None,
    *,
    root: str | os.PathLike | None = None,
    download: bool = False,
) -> Digits:
    """Real MNIST digits from the package (10,000 for training, 2,000 for test), or a full torchvision set.

    Args:
        split: "train" or "test".
        name: None for the digits that ship with the package; or one of MNIST, FashionMNIST, KMNIST, CIFAR10,
            CIFAR100, USPS for the full set.
        root: folder where torchvision keeps the full sets, MNIST in root/MNIST/raw; default ~/.cache/labdiff.
        download: download the full set if it is not in `root`, or if its files there are corrupt.

    Returns: Digits.
    Raises: ValueError: unknown split or name; FileNotFoundError: the set is not in `root`, and download is
        False; RuntimeError: it can't be read, downloaded or written (then `root` stays as it was).
    Warns: UserWarning: `root` or `download` without `name`: the digits that ship do not use them.
    Source: LeCun et al. 1998, the MNIST database; the subset is drawn class by class by tools/make_digits.py.
    """
    if split not in ("train", "test"):
        raise ValueError(f"load_digits: split: expected 'train' or 'test', got {split!r}")
    if name is not None and name not in TORCHVISION_SETS:
        raise ValueError(
            f"load_digits: name: expected None or one of {', '.join(TORCHVISION_SETS)}, got {name!r}"
        )
    default = "~/.cache/labdiff"
    root_path = check_path("load_digits", "root", default if root is None else root, "a folder's path")
    if name is None:
        unused = ["root"] * (root is not None) + ["download"] * bool(download)
        if unused:
            warnings.warn(
                f"load_digits: {' and '.join(unused)}: not used, because without name these are the digits "
                'that ship with the package. For a full set: load_digits(split, "MNIST", ...)',
                stacklevel=3,
            )
        with np.load(ASSETS / "mnist_subset.npz") as file:
            return digits_from_uint8(file[f"{split}_images"], file[f"{split}_labels"])
    try:
        return _read(name, root_path, split)
    except Exception as error:  # torchvision raises whatever its parsers raise on a missing or corrupt file
        if not download:
            missing = isinstance(error, FileNotFoundError) or "not found" in str(error)
            got = "none" if missing else f"files that can not be read ({_in_one_line(error)})"
            raise (FileNotFoundError if missing else RuntimeError)(
                f"load_digits: root: expected {name} in {root_path}, got {got}. Call it with download=True, "
                "or leave out name for the digits that ship with the package"
            ) from error
    return _download(name, root_path, split)


def digits_from_uint8(images: np.ndarray, labels: np.ndarray, names: tuple[str, ...] = ()) -> Digits:
    """Digits from grey levels 0..255, uint8 of shape (N, H, W) or (N, H, W, C), and as many labels."""
    if images.dtype != np.uint8 or len(images) != len(labels):
        raise ValueError(
            f"expected as many uint8 images as labels, got {images.dtype}, {len(images)} and {len(labels)}"
        )
    x = torch.from_numpy(images)
    x = x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2)
    return Digits(x.float() / 127.5 - 1, torch.from_numpy(np.asarray(labels, dtype=np.int64)), names)


def _read(name: str, root: Path, split: str, download: bool = False) -> Digits:
    import torchvision

    data = getattr(torchvision.datasets, name)(root, train=split == "train", download=download)
    return digits_from_uint8(np.asarray(data.data), np.asarray(data.targets))


def _download(name: str, root: Path, split: str) -> Digits:
    """Download into a temporary folder inside `root`, read the set, only then move its files into place."""
    step = "write to that folder: choose another root, or make it writable"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".partial-") as partial:
            step = "download: look at the network and call it again, or put the unpacked files there by hand"
            digits = _read(name, Path(partial), split, download=True)
            step = "move the finished files: remove what is in the way"
            for file in sorted(Path(partial).rglob("*")):
                if file.is_file():
                    target = root / file.relative_to(partial)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(file, target)
            return digits
    except (
        Exception
    ) as error:  # URLError, HTTPError, checksum and parser errors, OSError: one message for all
        raise RuntimeError(
            f"load_digits: {name} into {root}: could not {step}. ({_in_one_line(error)}) The digits that "
            "ship with the package need no download: leave out name"
        ) from error


def _in_one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
