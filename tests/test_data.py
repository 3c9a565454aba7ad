"""The digits that ship, torchvision's sets from files written here, and toys whose densities are known."""

import gzip
import struct
import subprocess
import sys
import warnings
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision

import labdiff as ld
from labdiff.data import ASSETS

SPLITS = {"train": 10_000, "test": 2_000}
MNIST_COUNTS = {
    "train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
}


# The digits that ship


@pytest.mark.parametrize("split", SPLITS)
def test_digits_that_ship(split):
    digits = ld.load_digits(split)
    n = SPLITS[split]
    assert len(digits) == n and digits.images.shape == (n, 1, 28, 28) and digits.labels.shape == (n,)
    assert digits.images.dtype == torch.float32 and digits.labels.dtype == torch.int64
    assert digits.images.min() == -1 and digits.images.max() == 1
    levels = (digits.images + 1) * 127.5
    assert (levels - levels.round()).abs().max() < 1e-3  # 256 grey levels
    assert -0.8 < digits.images.mean() < -0.7  # MNIST's mean 0.1307 is -0.739 here
    source = torch.tensor(MNIST_COUNTS[split], dtype=torch.float64)
    assert (digits.labels.bincount() - source / source.sum() * n).abs().max() < 1  # each class has its share
    assert len(digits.images.flatten(1).unique(dim=0)) == n  # no picture twice
    assert repr(digits) == f"Digits(images=({n}, 1, 28, 28), labels=({n},))"


def test_digits_are_labelled_right():
    """Nearest class mean, a classifier of one line, gets about 81 % of MNIST's test digits."""
    train, test = ld.load_digits("train"), ld.load_digits("test")
    means = torch.stack([train.images[train.labels == c].mean(0) for c in range(10)])
    guess = torch.cdist(test.images.flatten(1), means.flatten(1)).argmin(1)
    assert 0.75 < (guess == test.labels).float().mean() < 0.9
    assert not set(map(bytes, train.images.numpy())) & set(map(bytes, test.images.numpy()))


def test_one_small_file_with_its_source_and_licence():
    assert (ASSETS / "mnist_subset.npz").stat().st_size <= 2.5e6
    text = (ASSETS / "SOURCES.md").read_text()
    assert "mnist_subset.npz" in text and "Share Alike" in text


def test_no_network_is_needed():
    code = """
import socket
def refuse(*args, **kwargs):
    raise AssertionError("network")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
import sys, labdiff as ld
print(len(ld.load_digits("train")), len(ld.load_digits("test")), "torchvision" in sys.modules)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.stdout == "10000 2000 False\n", out.stderr


def test_what_the_digits_that_ship_do_not_use_is_said(tmp_path):
    for kwargs, unused in (
        ({"root": tmp_path}, "root"),
        ({"download": True}, "download"),
        ({"root": str(tmp_path), "download": True}, "root and download"),
    ):
        with pytest.warns(UserWarning, match=f"^load_digits: {unused}: not used.*For a full set") as said:
            assert len(ld.load_digits("test", **kwargs)) == 2000
        assert said[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ld.load_digits("test")


def test_each_call_gives_its_own_tensors():
    a = ld.load_digits("test")
    a.images.zero_()
    assert ld.load_digits("test").images.max() == 1


def test_digits_are_float32_whatever_the_default_is():
    torch.set_default_dtype(torch.float64)
    try:
        assert ld.load_digits("test").images.dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


# Full sets through torchvision


def idx(array):
    """MNIST's own file format: two zero bytes, 8 (uint8), the number of dimensions, the sizes, the data."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def files(n=5):
    """MNIST's four files, with n pictures for training and n + 1 for test."""
    rng, content = np.random.default_rng(0), {}
    for prefix, count in (("train", n), ("t10k", n + 1)):
        content[f"{prefix}-images-idx3-ubyte"] = idx(rng.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        content[f"{prefix}-labels-idx1-ubyte"] = idx(np.arange(count, dtype=np.uint8))
    return content


def write(root, name="MNIST"):
    folder = root / name / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files().items():
        (folder / file).write_bytes(content)
    return folder


def fake_download(monkeypatch, behave=None):
    """Stand in for the network. `behave(path)` runs after a file was written and may spoil it or raise."""

    def download(url, download_root, filename, md5=None, **kwargs):
        path = torchvision.datasets.mnist.os.path.join(download_root, filename.removesuffix(".gz"))
        content = files()[filename.removesuffix(".gz")]
        with open(path, "wb") as file:
            file.write(content)
        with gzip.open(path + ".gz", "wb") as file:
            file.write(content)
        if behave:
            behave(path)

    monkeypatch.setattr(torchvision.datasets.mnist, "download_and_extract_archive", download)


def check_loaded(digits, n):
    assert digits.images.shape == (n, 1, 28, 28) and digits.images.dtype == torch.float32
    assert digits.labels.tolist() == list(range(n))
    first = np.frombuffer(
        files()["train-images-idx3-ubyte" if n == 5 else "t10k-images-idx3-ubyte"][16 : 16 + 784], np.uint8
    )
    torch.testing.assert_close(
        digits.images[0].flatten(), torch.tensor(first / 127.5 - 1, dtype=torch.float32)
    )


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "KMNIST"])
def test_full_sets_are_read_from_their_files(tmp_path, name):
    write(tmp_path, name)
    check_loaded(ld.load_digits("train", name, root=tmp_path), 5)
    check_loaded(ld.load_digits("test", name, root=str(tmp_path)), 6)
    check_loaded(ld.load_digits("test", name, root=tmp_path, download=True), 6)  # nothing to download


def test_colour_pictures(tmp_path, monkeypatch):
    data = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    monkeypatch.setattr(
        torchvision.datasets,
        "CIFAR10",
        lambda root, train, download: type("Set", (), {"data": data, "targets": [3, 1, 2]}),
    )
    digits = ld.load_digits("train", "CIFAR10", root=tmp_path)
    assert digits.images.shape == (3, 3, 32, 32) and digits.labels.tolist() == [3, 1, 2]
    torch.testing.assert_close(
        digits.images[1, 2, 5, 7].item(), data[1, 5, 7, 2] / 127.5 - 1, rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "KMNIST", "CIFAR10", "CIFAR100", "USPS"])
def test_each_set_that_is_not_there_is_called_missing(tmp_path, name):
    with pytest.raises(
        FileNotFoundError, match=f"load_digits: root: expected {name} in .*, got none. .*download=True"
    ):
        ld.load_digits("train", name, root=tmp_path)


def test_a_set_that_is_not_there(tmp_path, monkeypatch):
    with pytest.raises(
        FileNotFoundError, match="load_digits: root: expected MNIST in .*download=True, or leave out name"
    ):
        ld.load_digits("train", "MNIST", root=tmp_path)
    fake_download(monkeypatch)
    check_loaded(ld.load_digits("train", "MNIST", root=tmp_path, download=True), 5)
    check_loaded(ld.load_digits("train", "MNIST", root=tmp_path), 5)  # it stays
    assert [path.name for path in tmp_path.iterdir()] == ["MNIST"]


SPOIL = {
    "truncated": lambda whole: whole[: len(whole) // 2],
    "one byte short": lambda whole: whole[:-1],
    "one byte more": lambda whole: whole + b"\0",
    "empty": lambda whole: b"",
    "text": lambda whole: b"<html>404 Not Found</html>",
    "other magic": lambda whole: b"\1\2\3\4" + whole[4:],
}


@pytest.mark.parametrize("which", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
@pytest.mark.parametrize("how", SPOIL)
def test_a_damaged_file_and_its_repair(tmp_path, monkeypatch, which, how):
    path = write(tmp_path) / which
    path.write_bytes(SPOIL[how](path.read_bytes()))
    with pytest.raises(
        RuntimeError,
        match=r"load_digits: root: expected MNIST in .*files that can not be read \(\w+: .*download=True",
    ):
        ld.load_digits("train", "MNIST", root=tmp_path)
    fake_download(monkeypatch)
    check_loaded(ld.load_digits("train", "MNIST", root=tmp_path, download=True), 5)
    check_loaded(ld.load_digits("train", "MNIST", root=tmp_path), 5)


def test_a_file_of_another_set(tmp_path):
    """As many labels as pictures, or it is damaged."""
    folder = write(tmp_path)
    (folder / "train-labels-idx1-ubyte").write_bytes(files()["t10k-labels-idx1-ubyte"])
    with pytest.raises(RuntimeError, match="load_digits: root: expected MNIST"):
        ld.load_digits("train", "MNIST", root=tmp_path)


def no_network(path):
    raise URLError("no route to host")


def checksum(path):
    raise RuntimeError("File not found or corrupted.")


def full_disk(path):
    raise OSError(28, "No space left on device")


def half_a_file(path):
    with open(path, "rb+") as file:
        file.truncate(100)


def interrupted(path):
    half_a_file(path)
    raise TimeoutError("timed out")


@pytest.mark.parametrize("behave", [no_network, checksum, full_disk, half_a_file, interrupted])
def test_a_failed_download_leaves_nothing_behind(tmp_path, monkeypatch, behave):
    root = tmp_path / "sets"
    fake_download(monkeypatch, behave)
    with pytest.raises(
        RuntimeError,
        match="load_digits: MNIST into .*could not download: look at the network and call it again"
        ".*leave out name",
    ) as caught:
        ld.load_digits("train", "MNIST", root=root, download=True)
    assert caught.value.__cause__ is not None
    assert list(root.iterdir()) == []
    fake_download(monkeypatch)
    check_loaded(ld.load_digits("train", "MNIST", root=root, download=True), 5)  # and a later call works


def test_a_failed_download_keeps_what_was_there(tmp_path, monkeypatch):
    folder = write(tmp_path)
    (folder / "train-images-idx3-ubyte").write_bytes(b"damaged")
    fake_download(monkeypatch, no_network)
    with pytest.raises(RuntimeError, match="could not download"):
        ld.load_digits("train", "MNIST", root=tmp_path, download=True)
    assert len(list(folder.iterdir())) == 4
    check_loaded(ld.load_digits("test", "MNIST", root=tmp_path), 6)  # the other split is whole


def test_what_an_interrupted_download_left_is_no_obstacle(tmp_path, monkeypatch):
    """A killed process may leave its folder of parts; the next call does not look at it."""
    (tmp_path / ".partial-abc" / "MNIST" / "raw").mkdir(parents=True)
    fake_download(monkeypatch)
    check_loaded(ld.load_digits("train", "MNIST", root=tmp_path, download=True), 5)


@pytest.mark.parametrize("read_only", ["a file is in the way", "no permission"])
def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch, read_only):
    fake_download(monkeypatch)
    root = tmp_path / "sets"
    if read_only == "no permission":

        def refuse(*args, **kwargs):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("tempfile.mkdtemp", refuse)
    else:
        root.write_text("")
    with pytest.raises(
        RuntimeError, match="load_digits: MNIST into .*could not write to that folder: choose another root"
    ):
        ld.load_digits("train", "MNIST", root=root, download=True)
    monkeypatch.undo()
    fake_download(monkeypatch)
    check_loaded(ld.load_digits("train", "MNIST", root=tmp_path / "elsewhere", download=True), 5)


def test_something_in_the_way_of_the_finished_files(tmp_path, monkeypatch):
    (tmp_path / "MNIST").write_text("")
    fake_download(monkeypatch)
    with pytest.raises(RuntimeError, match="could not move the finished files: remove what is in the way"):
        ld.load_digits("train", "MNIST", root=tmp_path, download=True)
