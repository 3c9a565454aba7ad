"""Measure labdiff on this machine's GPU within nine minutes; write gpu.json and gpu.md, and print the table.

    python benchmarks/gpu.py --root ~/mnist --download     # with the full MNIST set
    python benchmarks/gpu.py                               # with the digits that ship

Needs an NVIDIA card, torch >= 2.11 and labdiff; diffusers, and Jupyter for the notebooks, if they are there.
What fails is noted, and the rest goes on. Without a card the whole course runs on the CPU with tiny sizes.
"""

import argparse
import collections
import contextlib
import copy
import functools
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from peers import diffusers
from quality import Judge, train_classifier
from report import fastest_convolution
from run import ceiling, clock, commit, machine, put, turns
from torch.utils.flop_counter import FlopCounterMode

import labdiff as ld
from labdiff.device import has_bf16
from labdiff.gradient_step import update
from labdiff.optimizer import MuonAdamW

HERE = Path(__file__).parent
GOALS = (15, 5, 2)  # Frechet distances whose time is asked for


@dataclass(frozen=True)
class Sizes:
    channels: int
    mults: tuple[int, ...]
    batches: tuple[int, ...]
    rounds: int
    T: int
    digits: int  # that a sampler draws at once
    judged: int  # samples for a Frechet distance
    epochs: int  # of the judging classifier
    train_seconds: float


CARD = Sizes(32, (1, 2, 3), (128, 1024), 30, 1000, 64, 10_000, 6, 60.0)
TINY = Sizes(8, (1,), (4,), 2, 20, 2, 32, 1, 0.2)


def network(size, s, device, **kwargs):
    g = torch.Generator().manual_seed(0)
    model = ld.UNet(size.channels, mults=size.mults, alpha_bar=s.alpha_bar, generator=g, **kwargs).to(device)
    return model.to(memory_format=torch.channels_last) if device.type == "cuda" else model


def steps_of(device, size, images):
    """{batch size: {how: seconds a step}} of whole training steps: eager, compiled, and diffusers' eager."""
    s, result = ld.cosine_schedule(size.T), {}
    makers = {"eager": eager_step, "compiled": compiled_step}
    if importlib.util.find_spec("diffusers") and device.type == "cuda":
        makers["diffusers"] = lambda device, size, s, B, images: functools.partial(
            next, diffusers(images, B, device)[2]
        )
    for B in size.batches:
        result[str(B)] = {}
        for name, maker in makers.items():  # one that fails leaves the others
            try:
                job = maker(device, size, s, B, images)
                times = turns({name: job}, device, size.rounds, warmup=3)[name]
                result[str(B)][name] = sorted(times)[len(times) // 2]
            except Exception as error:
                result[str(B)][name] = f"failed: {type(error).__name__}: {str(error)[:200]}"
    return result


def eager_step(device, size, s, B, images):
    g = torch.Generator(device).manual_seed(0)
    model = network(size, s, device)
    return functools.partial(next, ld.train(model, s, images, n_steps=10**6, batch_size=B, generator=g))


def compiled(device):
    """How torch.compile is asked here: on a card with CUDA graphs, else for the graph alone."""
    return {"mode": "reduce-overhead"} if device.type == "cuda" else {"backend": "eager"}


def compiled_step(device, size, s, B, images):
    """The training step of gradient_step.py under torch.compile, on one batch."""
    net = network(size, s, device)
    ema, optimizer = copy.deepcopy(net).requires_grad_(False), MuonAdamW(net.parameters())
    x0, t = images[:B].to(device), torch.randint(1, size.T + 1, (B,), device=device)
    finite = torch.ones((), dtype=torch.bool, device=device)
    lr, decay = torch.tensor(1e-3, device=device), torch.tensor(0.99, device=device)
    batch = [x0, t, torch.randn_like(x0)]
    take = functools.partial(update, net, ema, optimizer, s, batch, finite, bf16=has_bf16(device))
    take(1e-3, 0.99)  # the optimizer's state is made outside of the graph
    graph = torch.compile(take, fullgraph=True, **compiled(device))

    def job():
        with torch._dynamo.config.patch(trace_autograd_ops=True):
            return graph(lr, decay)

    return job


def share_of_ceiling(device, size, images, rates, steps):
    """The step's operations per second, over those of a large convolution in the fastest type."""
    s, B = ld.cosine_schedule(size.T), size.batches[0]
    run = ld.train(network(size, s, device), s, images, n_steps=10**6, batch_size=B)
    next(run)
    with FlopCounterMode(display=False) as counter:
        next(run)
    seconds = min(t for how in ("eager", "compiled") if isinstance(t := steps[str(B)].get(how), float))
    operations = counter.get_total_flops()
    best, dtype = fastest_convolution(rates)
    return {"operations": operations, "share": operations / seconds / best, "of": f"{dtype} convolution"}


def memory(device, size, images):
    """Peak bytes of three training steps at each batch size, the network's and the data's included."""
    s, found = ld.cosine_schedule(size.T), {}
    for B in size.batches:
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        run = ld.train(network(size, s, device), s, images, n_steps=3, batch_size=B)
        collections.deque(run, maxlen=0)
        found[f"training steps of {B}"] = torch.cuda.max_memory_allocated() if device.type == "cuda" else 0
    return found


def samplers(device, size):
    s = ld.linear_schedule(size.T)
    model, shape = network(size, s, device).eval(), (size.digits, 1, 28, 28)
    fast = torch.compile(model, fullgraph=True, **compiled(device))
    jobs = {
        "DPM-Solver++ in 10 steps": lambda: ld.sample(model, s, shape, method="dpm"),
        "DDIM in 50": lambda: ld.sample(model, s, shape, method="ddim"),
        "DDIM in 50, compiled": lambda: ld.sample(fast, s, shape, method="ddim"),
        f"DDPM in {size.T}": lambda: ld.sample(model, s, shape),
    }
    return {name: min(times) for name, times in turns(jobs, device, rounds=2, warmup=1).items()}


def quality(device, size, train, test):
    """Train on `train` for a planned time; Frechet distances on the way, the clock stopped meanwhile."""
    judge = Judge(train_classifier(train, device, epochs=size.epochs), test)
    s, B = ld.cosine_schedule(size.T), size.batches[0]

    def fresh(n_steps):
        g = torch.Generator(device).manual_seed(0)
        model = network(size, s, device, classes=10)
        return ld.train(
            model, s, train.images, labels=train.labels, n_steps=n_steps, batch_size=B, generator=g
        )

    pace = min(turns({"": functools.partial(next, fresh(10**6))}, device, rounds=20, warmup=5)[""])
    n_steps = max(8, round(size.train_seconds / pace))
    stops = sorted({round(n_steps * share) for share in (1 / 8, 1 / 4, 1 / 2, 3 / 4, 1)})
    labels = torch.arange(size.judged, device=device) % 10
    seconds, curve, since = 0.0, [], clock(device)
    for step in fresh(n_steps):
        if step.n in stops:
            seconds += clock(device) - since
            g, shape = torch.Generator(device).manual_seed(0), (size.judged, 1, 28, 28)
            model = ld.guided(step.ema, labels, 1.5)
            *_, end = ld.ddim_steps(model, s, shape, n_steps=min(50, s.T), eta=1.0, generator=g)
            curve.append({"step": step.n, "seconds": seconds, **judge(end.x)})
            since = clock(device)
    reached = {f"{goal}": next((p["seconds"] for p in curve if p["fd"] <= goal), None) for goal in GOALS}
    return {
        "accuracy": judge.accuracy,
        "real": judge(train.images[: size.judged]),
        "curve": curve,
        "to": reached,
    }


def notebooks(device, seconds):
    """Run every notebook in a kernel on the device, if Jupyter is there; what each took, or why not."""
    if not importlib.util.find_spec("nbclient") or not importlib.util.find_spec("ipykernel"):
        return "no Jupyter here"
    if seconds < 60:
        return "no time left"
    with tempfile.TemporaryDirectory() as folder:
        copies = [shutil.copy(path, folder) for path in sorted((HERE.parent / "notebooks").glob("*.ipynb"))]
        command = [sys.executable, HERE.parent / "tools" / "run_notebooks.py", *copies]
        env = os.environ | {"LABDIFF_DEVICE": device.type}
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=env)
    said = done.stdout.splitlines()[-12:]
    return {"said": said} | ({} if done.returncode == 0 else {"failed": done.stderr[-2000:]})


@contextlib.contextmanager
def no_longer_than(seconds):
    """TimeoutError after that time, where the system has an alarm."""

    def ring(signum, frame):
        raise TimeoutError("no time left")

    if seconds <= 0:
        raise TimeoutError("no time left")
    if not hasattr(signal, "setitimer"):
        yield
        return
    handler = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)  # again, for a section notes what failed and goes on
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)


def table(results):
    lines = [
        f"Measured on {results['machine']}, Python {results['python']}, commit {results['commit']}, "
        f"{results['digits']} training digits, in {results['seconds']:.0f} s. Times to a distance are those "
        "of the first of five looks at one training of a planned length.",
        "",
        *(["A trial of the course with tiny sizes: no measurement.", ""] if results["tiny"] else []),
        "| what | measured |",
        "| --- | --- |",
    ]
    for section in ("ceiling", "step", "share", "samplers", "quality", "memory", "notebooks"):
        lines += [f"| {section}: {name} | {value} |" for name, value in flat(results.get(section, "not run"))]
    return "\n".join(lines) + "\n"


def flat(value, name=""):
    """(name, text) of every number in nested dicts and lists."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [pair for k, v in items for pair in flat(v, f"{name} {k}".strip())]
    return [(name, f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "/"))]


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, help="folder of the full MNIST set")
    parser.add_argument("--download", action="store_true", help="fetch it if it is not there")
    parser.add_argument("--minutes", type=float, default=9.0, help="time for all (%(default)s)")
    parser.add_argument("--out", type=Path, default=HERE)
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    end, began = time.monotonic() + 60 * args.minutes, time.monotonic()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    size = CARD if device.type == "cuda" else TINY
    full = (
        {"name": "MNIST", "root": args.root, "download": args.download} if args.root or args.download else {}
    )
    train, test = (ld.load_digits(split, **full) for split in ("train", "test"))
    if size is TINY:
        train, test = (ld.Digits(d.images[:512], d.labels[:512]) for d in (train, test))
    results = {"machine": machine(device), "python": platform.python_version(), "tiny": size is TINY}
    results |= {"commit": commit(), "digits": len(train.images)}

    def course():
        yield "ceiling", lambda: ceiling(device) if size is CARD else ceiling(device, 64, 2)
        yield "step", lambda: steps_of(device, size, train.images)
        yield (
            "share",
            lambda: share_of_ceiling(device, size, train.images, results["ceiling"], results["step"]),
        )
        yield "samplers", lambda: samplers(device, size)
        yield "quality", lambda: quality(device, size, train, test)
        yield "memory", lambda: memory(device, size, train.images)
        yield "notebooks", lambda: notebooks(device, end - time.monotonic() - 5 if size is CARD else 0)

    for section, job in course():
        print(f"measuring: {section}", flush=True)
        try:
            with torch.random.fork_rng(), no_longer_than(end - time.monotonic()):
                results[section] = job()
        except Exception as error:
            results[section] = {"failed": f"{type(error).__name__}: {str(error)[:300]}"}
        results["seconds"] = time.monotonic() - began
        put(args.out / "gpu.json", results)
        (args.out / "gpu.md").write_text(table(results))
    print((args.out / "gpu.md").read_text())
    return results


if __name__ == "__main__":
    main()
