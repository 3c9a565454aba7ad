"""Make labdiff/assets/mnist_subset.npz: a part of MNIST, drawn class by class, from the full set's idx files.

    python tools/make_digits.py --root FOLDER      # FOLDER/MNIST/raw/*.gz

The shares of the ten classes are those of the source; the draw is fixed, so the file comes out the same each
time.
"""

import argparse
import gzip
from pathlib import Path

import numpy as np

ASSETS = Path(__file__).parents[1] / "labdiff" / "assets"


def read_idx(path, header):
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)


def subset(labels, n, rng):
    """Sorted indices of n samples; each class has its share of the source, rounded by largest remainder."""
    share = np.bincount(labels) * n / len(labels)
    count = share.astype(int)
    count[np.argsort(count - share)[: n - count.sum()]] += 1
    return np.sort(
        np.concatenate(
            [rng.choice(np.flatnonzero(labels == c), k, replace=False) for c, k in enumerate(count)]
        )
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, required=True, help="folder with MNIST/raw/*.gz")
    raw = parser.parse_args().root / "MNIST" / "raw"
    rng, arrays = np.random.default_rng(15), {}
    for split, prefix, n in (("train", "train", 10_000), ("test", "t10k", 2_000)):
        labels = read_idx(raw / f"{prefix}-labels-idx1-ubyte.gz", 8)
        index = subset(labels, n, rng)
        arrays[f"{split}_images"] = read_idx(raw / f"{prefix}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)[
            index
        ]
        arrays[f"{split}_labels"] = labels[index]
        print(split, arrays[f"{split}_images"].shape, "per class", np.bincount(arrays[f"{split}_labels"]))
    path = ASSETS / "mnist_subset.npz"
    np.savez_compressed(path, **arrays)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
