"""The benchmarks' own arithmetic, and that docs/benchmarks.md quotes what they wrote."""

import importlib
import json
import sys
from pathlib import Path

import pytest
import torch

import labdiff as ld

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """A module of benchmarks/ by its name."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield importlib.import_module
    for name in ("run", "report", "quality", "peers"):
        sys.modules.pop(name, None)


def test_frechet_of_normals(load):
    frechet = load("quality").frechet
    g = torch.Generator().manual_seed(0)
    a = torch.randn(200_000, 3, generator=g, dtype=torch.float64)
    assert frechet(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet(a, a + 2) == pytest.approx(12)
    assert frechet(a, 3 * a) == pytest.approx(3 * (3 - 1) ** 2, rel=0.02)  # the sum of (sigma_1 - sigma_2)^2
    turned = (
        a * torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64),
        a * torch.tensor([2.0, 1.0, 1.0], dtype=torch.float64),
    )
    assert frechet(*turned) == pytest.approx(2, rel=0.02)


def test_the_judge_knows_digits_from_noise(load):
    quality = load("quality")
    train, test = ld.load_digits(), ld.load_digits("test")
    judge = quality.Judge(quality.train_classifier(train, epochs=1), test)
    assert judge.accuracy > 0.9
    g = torch.Generator().manual_seed(0)
    real = judge(train.images[:1000])
    fuzzy = judge(train.images[:1000] + 0.5 * torch.randn(1000, 1, 28, 28, generator=g))
    ones = judge(train.images[train.labels == 1])
    assert 0 < 3 * real["fd"] < fuzzy["fd"] and 3 * real["fd"] < ones["fd"]
    assert (
        0.05 < real["rarest"] < real["commonest"] < 0.15
        and ones["commonest"] > 0.9
        and 0.5 < real["confidence"] <= 1
    )


def test_time_to_quality_from_end_to_end(load, monkeypatch):
    run = load("run")
    for name, value in dict(N_SAMPLES=256, LEAST_ACCURACY=0.5, SEEDS_OF_PEER=0).items():
        monkeypatch.setattr(run, name, value)
    train_classifier = run.train_classifier
    monkeypatch.setattr(
        run, "train_classifier", lambda digits, device: train_classifier(digits, device, epochs=1)
    )
    saved = []
    result = run.quality(
        torch.device("cpu"), ld.load_digits(), ld.load_digits("test"), [0.08], 1, saved.append
    )
    assert saved == [result] and len(result["runs"]) == 1
    trained = result["runs"][0]
    assert all(
        shipped["fd"] < 0.5 * trained["fd"] for shipped in result["shipped"].values()
    )  # a second paints no digits
    assert trained["steps"] > 1 and trained["seconds"] > 0.2
    assert load("report").quality({"quality": result}).count("\n") == 7


def test_the_peer_has_the_labs_t(load):
    """Its scheduler's noising at t - 1 is ours at t; and its loop trains."""
    diffusers = pytest.importorskip("diffusers")
    images = ld.load_digits("test").images[:8]
    network, eps_model, steps = load("peers").diffusers(images, 4, "cpu", n_steps=2)
    before = network.conv_out.weight.detach().clone()
    assert 0.5 < next(steps) < 2 and not torch.equal(network.conv_out.weight, before)
    x, t = torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(0)), torch.tensor([1, 1000])
    with torch.no_grad():
        assert torch.equal(eps_model(x, t), network(x, torch.tensor([0, 999])).sample)
    theirs = diffusers.DDPMScheduler(num_train_timesteps=1000).add_noise(x, x, t - 1)
    torch.testing.assert_close(theirs, ld.q_sample(ld.linear_schedule(), x, t, x), rtol=0, atol=1e-5)


def test_a_table_says_how_many_times_as_long(load):
    compared = load("report").compared
    assert compared({"labdiff": [0.1, 0.2, 0.1], "other": [0.3, 0.8, 0.3]}) == [
        "100 ms [100–200]",
        "300 ms [300–800], ×3.0",
    ]


def test_the_docs_quote_what_was_measured(load):
    results = json.loads((BENCHMARKS / "results.json").read_text())
    table = load("report").table(results, list(load("peers").PEERS))
    assert table == (BENCHMARKS / "table.md").read_text()
    assert table in (ROOT / "docs" / "benchmarks.md").read_text()
    assert (BENCHMARKS / "quality.png").exists() == ("quality" in results)
