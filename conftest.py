"""For all tests, the notebooks too: loopback, Ctrl-C, matplotlib's caches, a worker a file, no skip in CI."""

import os
import signal
import socket
import struct
import sys

import pytest

# On several workers these start first, the longest before the others, so that none is left alone at the end.
LONGEST = (
    "test_grading_hostile.py",
    "test_checks.py",
    "06_lets_try.ipynb",
    "05_sampling.ipynb",
    "test_site_in_browser.py",
    "04_training.ipynb",
    "test_gradebook_run.py",
    "test_browser.py",
    "test_autograders.py",
    "test_nbgrader.py",
    "test_site_network.py",
    "test_benchmarks.py",
    "test_distributed.py",
    "03_elbo_to_eps_loss.ipynb",
    "01_forward_noising.ipynb",
    "02_posterior.ipynb",
    "test_sample.py",
    "test_site.py",
)

# What the cells print holds with fewer steps and samples, too; `make notebooks` runs them all as they are.
SHORTER = {
    "03_elbo_to_eps_loss.ipynb": {"digits[:8]": "digits[:2]"},
    "04_training.ipynb": {
        "n_steps=1500": "n_steps=700",
        "budget = 75 ": "budget = 1 ",  # 150 steps, the least
        "(128, 64, 32)": "(16,)",
        "n_steps=150, batch_size=32": "n_steps=150, batch_size=8",
        "test.images[:128].to(device), test.labels[:128]": "test.images[:32].to(device), test.labels[:32]",
    },
    "05_sampling.ipynb": {
        "range(400)": "range(250)",
        "n=512": "n=160",
        "n_steps=20):": "n_steps=10):",
        "n_steps=10)\n    back": "n_steps=5)\n    back",
        "[:512]": "[:160]",
        "* 512": "* 160",
        "[:256]": "[:160]",
        "draw(model, s, 256, ": "draw(model, s, 160, ",
        "four_samplers(model, s, (8, ": "four_samplers(lambda x, i: model(x, 10 * i), s_10, (8, ",  # T = 100
        "four = ": "alpha_bar = s.alpha_bar[::10]\n"
        "s_10 = ld.Schedule(torch.cat([s.beta[:1], 1 - alpha_bar[1:] / alpha_bar[:-1]]).double())\nfour = ",
        "test.images[:128].to(device), test.labels[:128]": "test.images[:48].to(device), test.labels[:48]",
    },
    "06_lets_try.ipynb": {
        "(3, 4, 5)": "(3,)",
        "n_steps=250": "n_steps=400",  # with half of the batch
        "batch_size=32": "batch_size=16",
        "1500": "800",
    },
}

# The number behind a verdict differs in its last digits from machine to machine; the verdict is compared.
NOT_COMPARED = {r"(: (?:True|False)) \([^()]*\)": r"\1"}


def pytest_configure(config):
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what runs in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.platform == "linux":
        loopback_up()
    # Builds its font cache, and replaces a HOME that can't be written. Both write to stderr, which in a cell
    # of a notebook would be a wrong output. The kernels inherit what it finds.
    import matplotlib.font_manager  # noqa: F401


def loopback_up():
    """A machine without any network still needs its loopback, for Jupyter's kernels."""
    import fcntl

    get_flags, set_flags, up = 0x8913, 0x8914, 0x1  # SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP of Linux' headers
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        flags = struct.unpack("16xH14x", fcntl.ioctl(s, get_flags, struct.pack("16sH14x", b"lo", 0)))[0]
        if not flags & up:  # as in `unshare -n pytest`, where it may be switched on
            fcntl.ioctl(s, set_flags, struct.pack("16sH14x", b"lo", flags | up))


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """-n N of pytest-xdist: a worker gets whole files, for a notebook's cells need the cells before them; and
    one thread, for there are as many workers as cores.
    """
    if getattr(config.option, "numprocesses", None):
        config.option.dist, config.option.loadscopereorder = "loadfile", False
        os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items):
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))
    for item in items:
        if item.path.name in SHORTER:
            item.cell.source = shorter(item.path.name, item.cell.source)
        if hasattr(item.parent, "sanitize_patterns"):
            item.parent.sanitize_patterns.update(NOT_COMPARED)


def shorter(notebook, source):
    for long, short in SHORTER[notebook].items():
        source = source.replace(long, short)
    return source


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """In CI a browser test that is skipped has failed."""
    report = yield
    if report.skipped and os.environ.get("CI") and "browser" in item.keywords:
        report.outcome, report.longrepr = "failed", f"CI has to run the browser tests. {report.longrepr}"
    return report
