"""Data: real digits that ship with the package, torchvision's sets by name, and toys whose densities are all known."""

import math
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from labdiff.arguments import (
    check_choice,
    check_data,
    check_generator,
    check_int,
    check_number,
    check_path,
    check_schedule,
    check_t,
)

ASSETS = Path(__file__).parent / "assets"
TORCHVISION_SETS = ("MNIST", "FashionMNIST", "KMNIST", "CIFAR10", "CIFAR100", "USPS")


@dataclass(frozen=True)
class Digits:
    """Pictures with their labels.

    Attributes:
        images: (N, C, H, W) float32 in [-1, 1]; -1 is background.
        labels: (N,) int64, 0..9 for digits.
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self):
        return len(self.images)

    def __repr__(self):
        return f"Digits(images={tuple(self.images.shape)}, labels={tuple(self.labels.shape)})"


def load_digits(split="train", name=None, *, root=None, download=False):
    """Real MNIST digits from the package (10,000 for training, 2,000 for test), or a full data set through torchvision.

    Args:
        split: "train" or "test".
        name: None for the digits that ship with the package, without any network; or one of MNIST, FashionMNIST, KMNIST,
            CIFAR10, CIFAR100, USPS for the full set.
        root: folder that holds, or shall hold, the full sets; default ~/.cache/labdiff.
        download: fetch the full set if `root` does not hold it, or holds a damaged one.

    Returns: Digits.
    Raises: ValueError: unknown split or name; FileNotFoundError: the set is not in `root` and download is False;
        RuntimeError: it can't be read, downloaded or written. A failed download leaves `root` as it was.
    Source: LeCun et al. 1998, the MNIST database; the subset is drawn class by class by tools/make_digits.py.
    """
    check_choice("load_digits", "download", download, (True, False))
    if split not in ("train", "test"):
        raise ValueError(f"load_digits: split: expected 'train' or 'test', got {split!r}")
    if name is None:
        with np.load(ASSETS / "mnist_subset.npz") as file:
            return _digits(file[f"{split}_images"], file[f"{split}_labels"])
    if name not in TORCHVISION_SETS:
        raise ValueError(
            f"load_digits: name: expected None or one of {', '.join(TORCHVISION_SETS)}, got {name!r}"
        )
    root = check_path("load_digits", "root", "~/.cache/labdiff" if root is None else root, "a folder's path")
    try:
        return _read(name, root, split)
    except Exception as error:  # torchvision raises whatever its parsers raise on a missing or damaged file
        if not download:
            missing = (
                isinstance(error, FileNotFoundError)
                or isinstance(error, RuntimeError)
                and "not found" in str(error)
            )
            got = "none" if missing else f"files that can not be read ({_in_one_line(error)})"
            raise (FileNotFoundError if missing else RuntimeError)(
                f"load_digits: root: expected {name} in {root}, got {got}. Call it with download=True, or leave out name "
                "for the digits that ship with the package"
            ) from error
    return _download(name, root, split)


def _read(name, root, split, download=False):
    import torchvision

    data = getattr(torchvision.datasets, name)(root, train=split == "train", download=download)
    return _digits(np.asarray(data.data), np.asarray(data.targets))


def _download(name, root, split):
    """Download into a folder beside the final place, read it there, and only then move it: half a set is never left."""
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
    ) as error:  # URLError, HTTPError, checksum and parser errors, OSError: all end the same way
        raise RuntimeError(
            f"load_digits: {name} into {root}: could not {step}. ({_in_one_line(error)}) The digits that "
            "ship with the package need no download: leave out name"
        ) from error


def _in_one_line(error):
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _digits(images, labels):
    """Digits from uint8 (N, H, W) or (N, H, W, C)."""
    if images.dtype != np.uint8 or len(images) != len(labels):
        raise ValueError(
            f"expected as many uint8 pictures as labels, got {images.dtype}, {len(images)} and {len(labels)}"
        )
    images = torch.from_numpy(images)
    images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2)
    return Digits(images.float() / 127.5 - 1, torch.from_numpy(np.asarray(labels, dtype=np.int64)))


class GaussianMixture:
    """A mixture of round normals sum_k w_k N(m_k, v I), of which everything is known; v = 0 makes it a set of points.

    Args:
        means: (K, ...) real, the centres m_k: (K, 1) for 1-D, (K, 2) for points in the plane, (K, 1, 28, 28) for digits.
        var: v >= 0, the variance of each component in each dimension.
        weights: (K,) > 0, scaled to sum 1; default all alike.

    Source: slides S5, S6 (what q(x_t) becomes, and the exact answer to what the network has to learn).
    """

    def __init__(self, means, var=0.0, weights=None):
        if (
            not isinstance(means, torch.Tensor)
            or not means.is_floating_point()
            or means.ndim < 2
            or not len(means)
        ):
            got = tuple(means.shape) if isinstance(means, torch.Tensor) else type(means).__name__
            raise ValueError(
                f"GaussianMixture: means: expected real numbers of shape (K, ...), K >= 1, got {got}"
            )
        check_data("GaussianMixture", {"means": means})
        check_number("GaussianMixture", "var", var, "a number >= 0", lambda v: 0 <= v < math.inf)
        try:
            w = torch.ones(len(means)) if weights is None else torch.as_tensor(weights, dtype=means.dtype)
            fit = w.shape == (len(means),) and ((w > 0) & (w < math.inf)).all().item()
        except (
            TypeError,
            ValueError,
            RuntimeError,
        ):  # what torch says of texts, dicts, tensors without numbers
            fit = False
        if not fit:
            raise ValueError(
                f"GaussianMixture: weights: expected {len(means)} positive numbers, got {weights!r}"
            )
        self.means, self.var = means, float(var)
        self.weights = (w / w.sum()).to(means.dtype).to(means.device)

    def sample(self, n, generator):
        """(n, ...) independent draws."""
        check_int("GaussianMixture.sample", "n", n)
        generator = check_generator("GaussianMixture.sample", generator, self.means.device)
        k = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(
            n, *self.means.shape[1:], generator=generator, device=self.means.device, dtype=self.means.dtype
        )
        return self.means[k] + math.sqrt(self.var) * noise

    def noised(self, alpha_bar):
        """The mixture that x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps follows; alpha_bar is a number in [0, 1]."""
        check_number(
            "GaussianMixture.noised", "alpha_bar", alpha_bar, "a number in [0, 1]", lambda v: 0 <= v <= 1
        )
        return GaussianMixture(
            math.sqrt(alpha_bar) * self.means, alpha_bar * self.var + 1 - alpha_bar, self.weights
        )

    def log_prob(self, x):
        """(B,) log density, in nats, at x (B, ...); needs var > 0."""
        if self.var == 0:
            raise ValueError(
                "GaussianMixture.log_prob: expected var > 0, got 0: points have no density. Use .noised()"
            )
        self._check("GaussianMixture.log_prob", x)
        d = x[0].numel()
        return torch.logsumexp(self._log_joint(x), dim=1) - d / 2 * math.log(2 * math.pi * self.var)

    def exact_eps(self, s):
        """The best answer any network can give: a model (x, t) -> E[eps | x_t], for x_0 from this mixture.

            E[eps | x_t] = (x_t - sqrt(alpha_bar_t) E[x_0 | x_t]) / sqrt(1 - alpha_bar_t)

        Args:
            s: the Schedule that made x_t.

        Returns: a callable (x, t) -> eps_hat as samplers and losses take it; x (B, ...), t (B,) int64 in 1..T.
        """
        check_schedule("exact_eps", s)

        def model(x, t):
            self._check("exact_eps", x)
            t = check_t("exact_eps", t, s.T, 1, x)
            eps_hat = torch.empty_like(x)
            for level in t.unique():
                alpha_bar, at_level = s.alpha_bar[level].item(), t == level
                xt, noised = x[at_level].to(self.means), self.noised(alpha_bar)
                posterior = noised._log_joint(xt).softmax(dim=1)  # (b, K): which component x_t came from
                mean = (posterior @ noised.means.flatten(1)).reshape(
                    xt.shape
                )  # sum_k p_k sqrt(alpha_bar) m_k
                eps_hat[at_level] = ((xt - mean) * (math.sqrt(1 - alpha_bar) / noised.var)).to(x)
            return eps_hat

        return model

    def _check(self, function, x):
        check_data(function, {"x": x})
        if x.shape[1:] != self.means.shape[1:]:
            shape = ", ".join(map(str, self.means.shape[1:]))
            raise ValueError(
                f"{function}: x: expected shape (B, {shape}) like the means, got {tuple(x.shape)}"
            )

    def _log_joint(self, x):
        """(B, K): log w_k - |x - m_k|^2 / 2v."""
        x, means = x.flatten(1), self.means.flatten(1)
        square = x.square().sum(1, keepdim=True) - 2 * x @ means.T + means.square().sum(1)
        return self.weights.log() - square.clamp(min=0) / (2 * self.var)


def two_bumps():
    """The 1-D mixture of the notebooks: 0.3 N(-0.7, 0.15^2) + 0.7 N(0.5, 0.15^2), in float64."""
    return GaussianMixture(
        torch.tensor([[-0.7], [0.5]], dtype=torch.float64), var=0.15**2, weights=[0.3, 0.7]
    )


def spiral(n, generator):
    """(n, 2) float32 points on a spiral with two turns, in about [-1, 1]: a 2-D toy that trains in seconds."""
    check_int("spiral", "n", n)
    generator = check_generator("spiral", generator)
    u = torch.rand(n, generator=generator, device=generator.device).sqrt()
    angle = 4 * math.pi * u
    noise = 0.02 * torch.randn(n, 2, generator=generator, device=generator.device)
    return u[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1) + noise
