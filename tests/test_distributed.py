"""Several processes train as one would: the same draws, the same losses, the same weights."""

import os
import re
import subprocess
import sys

import pytest
import safetensors.torch
import torch

import labdiff as ld

ENVIRONMENT = os.environ | {"LABDIFF_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
if sys.platform == "linux":
    ENVIRONMENT["GLOO_SOCKET_IFNAME"] = "lo"  # a machine without a network can't look up its own name
# prints its losses; the ranks start from different weights and with different generators, which training must not mind
SCRIPT = """
import sys, torch, labdiff as ld
from labdiff.commands.train import processes

batch_size, n_steps, start = map(int, sys.argv[1:4])
with processes() as (rank, device):
    images = ld.load_digits("test").images[:40].double()
    s = ld.linear_schedule(20)
    seeds = [torch.Generator().manual_seed(start + rank) for _ in range(2)]
    model = ld.UNet(8, mults=(1, 2), alpha_bar=s.alpha_bar, generator=seeds[0]).double()
    for step in ld.train(model, s, images, n_steps=n_steps, batch_size=batch_size, lr=0.01, warmup=2, generator=seeds[1]):
        w = step.ema.head.weight.abs().sum().item()
        sys.stdout.write(f"{rank} {step.n} {step.loss!r} {w!r}\\n")
        sys.stdout.flush()
"""


def python(*arguments, n=1):
    """Run Python code or a module in n processes; return what they print."""
    done = run(*arguments, n=n)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(*arguments, n):
    torchrun = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--local-addr=localhost",
        f"--nproc_per_node={n}",
    ]
    command = [sys.executable, *(torchrun if n > 1 else []), *map(str, arguments)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def double(rows):
    return torch.tensor(rows, dtype=torch.float64)


def curves(out):
    """{rank: [(n, loss, weights' sum), ..]} from the lines that SCRIPT printed."""
    lines = [line.split() for line in out.splitlines() if line[0].isdigit()]
    return {
        rank: sorted((int(n), float(loss), float(w)) for r, n, loss, w in lines if r == rank)
        for rank, *_ in lines
    }


def test_two_processes_have_the_loss_curve_of_one(script):
    alone = curves(python(script, 6, 5, 0))["0"]
    together = curves(python(script, 6, 5, 0, n=2))
    assert len(alone) == 5 and together.keys() == {"0", "1"}
    for curve in together.values():
        assert torch.allclose(double(curve), double(alone), rtol=1e-9, atol=0)


def test_a_batch_that_can_not_be_shared_out(script):
    done = run(script, 7, 2, 0, n=2)
    assert done.returncode != 0
    assert "train: batch_size: expected a multiple of 2 (processes), got 7" in done.stderr


def test_the_command_line_in_one_process_and_in_two(tmp_path):
    arguments = [
        "-m",
        "labdiff.training",
        "--steps",
        4,
        "--batch-size",
        8,
        "--lr",
        0.05,
        "--schedule",
        "linear",
        "--snapshots",
        2,
        "--out",
    ]
    weights, losses = [], []
    for n in (1, 2):
        out = python(*arguments, tmp_path / str(n), n=n)
        assert out.count("unet_000002.safetensors: ") == out.count("step 4: loss ") == 1
        losses.append(float(re.search(r"step 4: loss ([\d.]+)", out).group(1)))
        assert ld.pretrained_steps(tmp_path / str(n)) == [2, 4]
        assert not list((tmp_path / str(n)).glob("run.*"))
        weights.append(safetensors.torch.load_file(tmp_path / str(n) / "unet_000004.safetensors"))
    assert losses[0] == pytest.approx(losses[1], abs=2e-3)
    head, other = (w["head.weight"].float() for w in weights)  # zero at the start, so all of it is learnt
    assert (head - other).norm() < 0.1 * head.norm() and head.norm() > 0
    model, s = ld.load_pretrained(folder=tmp_path / "2")
    assert torch.equal(s.beta, ld.linear_schedule().beta)
    assert ld.sample(model, s, (2, 1, 28, 28), method="ddim", n_steps=2).isfinite().all()


def test_an_interrupted_command_goes_on(tmp_path, monkeypatch, capsys):
    from labdiff.commands import train as command

    monkeypatch.setenv("LABDIFF_DEVICE", "cpu")
    monkeypatch.setattr(command, "EVERY", 2)
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    arguments = ["--steps", "3", "--batch-size", "4", "--out"]
    command.main([*arguments, str(whole)])

    saved = command.save_checkpoint
    monkeypatch.setattr(
        command, "save_checkpoint", lambda path, step: (saved(path, step), 1 / 0)
    )  # the lights go out
    with pytest.raises(ZeroDivisionError):
        command.main([*arguments, str(halves)])
    assert (halves / "run.checkpoint").exists() and not ld.pretrained_steps(halves)
    monkeypatch.setattr(command, "save_checkpoint", saved)
    with pytest.raises(
        SystemExit, match="expected the arguments of the unfinished run in .*'seed': 15.* got .*'seed': 16"
    ):
        command.main([*arguments, str(halves), "--seed", "16"])
    capsys.readouterr()
    command.main([*arguments, str(halves)])
    out = capsys.readouterr().out
    assert f"going on from step 2 of {halves / 'run.checkpoint'}" in out and "step 2:" not in out
    a, b = (safetensors.torch.load_file(folder / "unet_000003.safetensors") for folder in (whole, halves))
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
