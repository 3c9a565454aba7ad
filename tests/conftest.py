"""What all tests share: seeded generators, small models, and a watch over the global state."""

import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import labdiff as ld

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the peer library must not look for a network

TABLES = ("beta", "alpha", "alpha_bar", "beta_tilde")


def global_state():
    """Everything that a call must leave as it was, in a form that can be compared."""
    state = {
        "torch RNG": torch.get_rng_state().numpy().tobytes(),
        "numpy RNG": repr(
            [part.tobytes() if hasattr(part, "tobytes") else part for part in np.random.get_state()]
        ),
        "python RNG": random.getstate(),
        "grad mode": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "default dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
    }
    if "matplotlib" in sys.modules:
        state["rcParams"] = dict(sys.modules["matplotlib"].rcParams)
    return state


@pytest.fixture(autouse=True)
def watch_global_state():
    """No test here uses global randomness or settings, so whatever changes them is a function under test."""
    before = global_state()
    yield
    after = global_state()
    assert [k for k in before if before[k] != after[k]] == []


@pytest.fixture
def g():
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def s():
    """A short schedule, for tests that do not depend on its length."""
    return ld.linear_schedule(T=20)


@pytest.fixture(
    params=[("linear", 1), ("linear", 2), ("linear", 50), ("linear", 1000), ("cosine", 50), ("cosine", 1000)],
    ids=lambda p: f"{p[0]}-{p[1]}",
)
def any_s(request):
    kind, T = request.param
    return (ld.linear_schedule if kind == "linear" else ld.cosine_schedule)(T)


@pytest.fixture
def net(s):
    """A small U-Net whose output is not zero."""
    return make_net(s)


def make_net(s, seed=1, **kwargs):
    generator = torch.Generator().manual_seed(seed)
    model = ld.UNet(8, mults=(1, 2), alpha_bar=s.alpha_bar, generator=generator, **kwargs)
    with torch.no_grad():
        model.head.weight.copy_(0.1 * torch.randn(model.head.weight.shape, generator=generator))
    return model


class Spy(torch.nn.Module):
    """A model that notes what it is called with and answers `answer(x, t)`."""

    def __init__(self, answer=lambda x, t: torch.zeros_like(x)):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.child = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.BatchNorm1d(1))
        self.answer, self.t, self.x, self.training_seen, self.grad_seen = answer, [], [], [], []

    def forward(self, x, t):
        self.t.append(t.clone())
        self.x.append(x.detach().clone())
        self.training_seen.append([m.training for m in self.modules()])
        self.grad_seen.append(torch.is_grad_enabled())
        return self.answer(x, t) + 0 * self.weight.to(x.dtype)


@pytest.fixture
def with_npm():
    """For tests of what npm brings."""
    from labdiff.site import npm

    if npm.modules() is None:
        if os.environ.get("CI"):
            pytest.fail("CI has to build the site with node and npm: apt-get install nodejs npm")
        pytest.skip(
            "node or npm is missing, or npm ci failed: apt-get install nodejs npm runs this test, too"
        )


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A Chromium for pages that need no server; each test opens a page of its own."""
    import lab_in_browser

    lab_in_browser.need_chromium()
    with lab_in_browser.chromium(tmp_path_factory.mktemp("profile")) as context:
        context.set_offline(True)
        yield context


@pytest.fixture(scope="session")
def committed_site(tmp_path_factory):
    """The site with the outputs that are committed: no kernel, so no panel. One for all workers."""
    import filelock

    base = tmp_path_factory.getbasetemp()
    out = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "committed_site"
    with filelock.FileLock(f"{out}.lock"):
        if not out.exists():
            write_site(out.with_suffix(".unfinished")).rename(out)
    return out


def write_site(out):
    """Write all pages into the folder `out`, and return it."""
    import nbformat

    from labdiff.site import pages, sources

    out.mkdir(exist_ok=True)
    titles = sources.titles_of(sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb")))
    for path in titles:
        notebook = (
            nbformat.read(path, 4) if path.suffix == ".ipynb" else sources.markdown(path.read_text("utf-8"))
        )
        pages.write(path, notebook, titles, out)
    pages.write_index(titles, out)
    return out
