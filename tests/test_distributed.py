"""Several processes train as one would: the same draws, the same losses, the same weights."""

import os
import re
import runpy
import subprocess
import sys

import pytest
import safetensors.torch
import torch

import labdiff as ld
from labdiff import cli
from labdiff.commands.processes import _device

ENVIRONMENT = os.environ | {"LABDIFF_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
if sys.platform == "linux":
    ENVIRONMENT["GLOO_SOCKET_IFNAME"] = "lo"  # a machine without a network can't look up its own name
# Prints its losses; the ranks start from different weights and generators, which training must not mind. Then
# it tries a batch that two processes can't share.
SCRIPT = """
import sys, torch, labdiff as ld
from labdiff.commands.processes import processes

with processes() as (rank, device):
    images = ld.load_digits("test").images[:40].double()
    s = ld.linear_schedule(20)
    for batch_size in (6, 7):
        seeds = [torch.Generator().manual_seed(rank) for _ in range(2)]
        model = ld.UNet(8, mults=(1, 2), alpha_bar=s.alpha_bar, generator=seeds[0]).double()
        more = dict(n_steps=5, batch_size=batch_size, lr=0.01, warmup=2, generator=seeds[1])
        for step in ld.train(model, s, images, **more):
            w = step.ema.head.weight.abs().sum().item()
            sys.stdout.write(f"{batch_size} {rank} {step.n} {step.loss!r} {w!r}\\n")
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
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def double(rows):
    return torch.tensor(rows, dtype=torch.float64)


def curves(out):
    """{rank: [(n, loss, weights' sum), ..]} of batches of 6, from the lines that SCRIPT printed."""
    lines = [line.split()[1:] for line in out.splitlines() if line.startswith("6 ")]
    return {
        rank: sorted((int(n), float(loss), float(w)) for r, n, loss, w in lines if r == rank)
        for rank, *_ in lines
    }


def test_two_processes_have_the_loss_curve_of_one_and_refuse_a_batch_that_can_not_be_shared_out(
    script, monkeypatch, capsys
):
    monkeypatch.setenv("LABDIFF_DEVICE", "cpu")
    runpy.run_path(str(script))  # here: a process of its own would only have to start
    out = capsys.readouterr().out
    alone, done = curves(out)["0"], run(script, n=2)
    assert len(alone) == 5 and out.count("\n7 0 ") == 5
    together = curves(done.stdout)
    assert together.keys() == {"0", "1"}, done.stderr
    for curve in together.values():
        assert torch.allclose(double(curve), double(alone), rtol=1e-9, atol=0)
    assert done.returncode != 0 and "\n7 " not in done.stdout
    assert "train: batch_size: expected a multiple of 2 (processes), got 7" in done.stderr


def test_the_command_line_in_one_process_and_in_two(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LABDIFF_DEVICE", "cpu")
    arguments = [
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
        if n == 1:  # here: a process of its own would only have to start
            assert cli.main(["train", *map(str, arguments), str(tmp_path / "1")]) == 0
            out = capsys.readouterr().out
        else:
            out = python("-m", "labdiff.training", *arguments, tmp_path / "2", n=2)
        assert out.count("unet_000002.safetensors: ") == out.count("step 4: loss ") == 1
        losses.append(float(re.search(r"step 4: loss ([\d.]+)", out).group(1)))
        assert ld.pretrained_steps(tmp_path / str(n)) == [2, 4]
        weights.append(safetensors.torch.load_file(tmp_path / str(n) / "unet_000004.safetensors"))
    assert losses[0] == pytest.approx(losses[1], abs=2e-3)
    head, other = (w["head.weight"].float() for w in weights)  # zero at the start, so all of it is learnt
    assert (head - other).norm() < 0.1 * head.norm() and head.norm() > 0
    model, s = ld.load_pretrained(folder=tmp_path / "2")
    assert torch.equal(s.beta, ld.linear_schedule().beta)
    assert ld.sample(model, s, (2, 1, 28, 28), method="ddim", n_steps=2).isfinite().all()


def test_an_error_of_the_command_is_one_line():
    done = run("-m", "labdiff.training", "--name", "MNIST", "--root", "nowhere", n=1)
    last = done.stderr.splitlines()[-1]  # above it, Python warns that -m runs a module that labdiff imports
    assert done.returncode == 2 and last.startswith("labdiff: --root: expected MNIST in nowhere")
    assert "Give --download" in last and "Traceback" not in done.stderr


# Which device each process takes


@pytest.fixture
def gpus(monkeypatch):
    """As if the machine had n GPUs."""

    def has(n, wanted=None):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: n > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        monkeypatch.delenv("LABDIFF_DEVICE", raising=False)
        if wanted:
            monkeypatch.setenv("LABDIFF_DEVICE", wanted)

    return has


@pytest.mark.parametrize(
    ("n", "wanted", "local_rank", "world", "device"),
    [
        (2, None, 1, 2, "cuda:1"),
        (2, "cuda", 1, 2, "cuda:1"),
        (2, None, 1, 4, "cuda:1"),  # two machines
        (2, "cpu", 1, 2, "cpu"),
        (0, None, 5, 8, "cpu"),
        (2, "cuda:1", 0, 1, "cuda:1"),
    ],
)
def test_the_device_of_a_process(gpus, capsys, n, wanted, local_rank, world, device):
    gpus(n, wanted)
    assert _device(local_rank, world) == torch.device(device)
    assert len(capsys.readouterr().out.splitlines()) == (local_rank == 0)  # one line, not one a process


def test_devices_that_can_not_be_shared_out(gpus):
    gpus(2, "cuda:1")
    with pytest.raises(ValueError, match="LABDIFF_DEVICE: expected cuda or cpu for 2 processes, got cuda:1"):
        _device(0, 2)
    gpus(2)
    with pytest.raises(ValueError, match="--nproc_per_node: expected at most 2, one for each GPU, got more"):
        _device(2, 3)
    gpus(0, "cuda")
    with pytest.raises(ValueError, match="LABDIFF_DEVICE: expected one of cpu on this machine, got 'cuda'"):
        _device(0, 2)
