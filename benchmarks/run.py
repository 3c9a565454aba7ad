"""Measure everything beside its peers; write results.json, table.md and quality.png beside this file, and
print the table.

    python benchmarks/run.py --download           # all, on the full MNIST set: three hours
    python benchmarks/run.py --only step,import   # some of it; the rest of results.json stays, if it is
                                                  # this machine's: else give --out FOLDER
    python benchmarks/run.py --only quality --minutes 2 --seeds 1

Times are medians, with the range in brackets; competitors take turns within one run, so read them as ratios.
"""

import argparse
import collections
import functools
import itertools
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

os.environ.setdefault("TQDM_DISABLE", "1")  # a peer's progress bar

import report
import torch
from peers import PEERS, diffusers, labdiff
from quality import Judge, train_classifier
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

import labdiff as ld
from labdiff.device import has_bf16

HERE = Path(__file__).parent
SEEDS_OF_PEER = 1
N_SAMPLES = 10_000  # so that the distance of real digits is as low as what it has to tell apart
LEAST_ACCURACY = 0.99  # of the classifier whose features are compared


def clock(device):
    if device.type != "cpu":
        torch.accelerator.synchronize()
    return time.perf_counter()


def turns(jobs, device, rounds, warmup=2):
    """{name: [seconds, ..]}: each job is called `rounds` times, taking turns with the others."""
    times = {name: [] for name in jobs}
    for i in range(warmup + rounds):
        for name, job in jobs.items():
            start = clock(device)
            job()
            if i >= warmup:
                times[name].append(clock(device) - start)
    return times


def ceiling(device, n=2048, B=128):
    """Multiplications and additions per second of n x n matrix products and B convolutions, at best, in the
    types that the hardware has."""
    order = torch.channels_last if device.type == "cuda" else torch.contiguous_format
    rates = {}
    for dtype in (torch.float32, torch.bfloat16)[: 1 + has_bf16(device)]:  # without hardware it takes minutes
        a = torch.randn(n, n, device=device, dtype=dtype)
        x = torch.randn(B, 64, 28, 28, device=device, dtype=dtype).to(memory_format=order)
        conv = torch.nn.Conv2d(64, 64, 3, padding=1, device=device, dtype=dtype).to(memory_format=order)
        jobs = {
            "matrix product": (functools.partial(torch.matmul, a, a), 2 * n**3),
            "convolution": (functools.partial(conv, x), 2 * x.numel() * 64 * 9),
        }
        with torch.no_grad():
            times = turns({name: job for name, (job, _) in jobs.items()}, device, rounds=7)
        for name, (_, flops) in jobs.items():
            rates[f"{name} {str(dtype).removeprefix('torch.')}"] = flops / min(times[name])
    return rates


def step(device, images, rounds):
    """The whole training step of each library, batch 128."""
    peers = {name: make(images, 128, device) for name, make in PEERS.items()}
    jobs = {name: lambda steps=steps: next(steps) for name, (_, _, steps) in peers.items()}
    result = {
        "times": turns(jobs, device, rounds),
        "parameters": {name: sum(p.numel() for p in peer[0].parameters()) for name, peer in peers.items()},
        "operations": {},
        "kernels": {},
        "memory": {},
    }
    for name, (_, _, steps) in peers.items():
        with (
            sdpa_kernel(SDPBackend.MATH),
            FlopCounterMode(display=False) as counter,
        ):  # only this form is counted on a CPU
            next(steps)
        result["operations"][name] = counter.get_total_flops()
        if device.type == "cuda":
            with profile(activities=[ProfilerActivity.CUDA]) as trace:
                next(steps)
            result["kernels"][name] = sum(
                event.device_type.name == "CUDA" and not event.name.startswith("Mem")
                for event in trace.events()
            )
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            alone = PEERS[name](images, 128, device)[2]  # its data, weights and moments included
            collections.deque(itertools.islice(alone, 3), maxlen=1)
            result["memory"][name] = torch.cuda.max_memory_allocated() - before
    return result


@torch.no_grad()
def forward(device, images, rounds):
    """The network alone, batch 64, in float32, as samplers call it."""
    x, t = torch.randn(64, 1, 28, 28, device=device), torch.full((64,), 500, device=device)
    jobs = {}
    for name, make in PEERS.items():
        network, eps_model, _ = make(images, 128, device)
        network.eval()
        jobs[name] = lambda eps_model=eps_model: eps_model(x, t)
    return {"times": turns(jobs, device, rounds)}


def sampling(device, rounds):
    """The samplers, and what each DDPM loop costs beside the network: 100 steps of 64 digits, with a model
    for free."""
    from diffusers import DDPMScheduler

    model, s = ld.load_pretrained()
    model.to(device)
    shape, g = (64, 1, 28, 28), torch.Generator(device).manual_seed(0)
    samplers = {
        "DPM-Solver++ in 10 steps": lambda: ld.sample(model, s, shape, method="dpm", generator=g),
        "DDIM in 50": lambda: ld.sample(model, s, shape, method="ddim", generator=g),
        "DDPM in 1000": lambda: ld.sample(model, s, shape, generator=g),
    }

    short = ld.linear_schedule(100)
    eps_hat = torch.randn(shape, device=device)
    alpha, alpha_bar, sigma = (a.tolist() for a in (short.alpha, short.alpha_bar, short.beta.sqrt()))
    scheduler = DDPMScheduler(100, variance_type="fixed_large", clip_sample=False)

    def free(x, t):
        return eps_hat

    def bare():
        x = torch.randn(shape, generator=g, device=device)
        for t in range(100, 0, -1):
            free(x, torch.full((64,), t, device=device))
            x = (x - (1 - alpha[t]) / (1 - alpha_bar[t]) ** 0.5 * eps_hat) / alpha[t] ** 0.5
            if t > 1:
                x = x + sigma[t] * torch.randn(shape, generator=g, device=device)

    def theirs():
        x = torch.randn(shape, generator=g, device=device)
        for t in scheduler.timesteps:
            x = scheduler.step(eps_hat, t, x, generator=g).prev_sample

    loops = {
        "labdiff": lambda: ld.sample(free, short, shape, generator=g),
        "bare loop": bare,
        "diffusers": theirs,
    }
    return {"samplers": turns(samplers, device, rounds=3, warmup=0), "loops": turns(loops, device, rounds)}


def threads(device, images, rounds):
    """One thread beside all of them: the network for a few digits and for many, and a training step."""
    every, model = torch.get_num_threads(), ld.load_pretrained()[0]
    if device.type != "cpu" or every == 1:
        return {}

    def on(n, job):
        torch.set_num_threads(n)
        job()

    @torch.no_grad()
    def look(n):
        model(images[:n], torch.full((n,), 500))

    jobs = {f"{n} digit{'s' * (n > 1)}": functools.partial(look, n) for n in (1, 4, 16, 64)}
    jobs["a training step of 128"] = functools.partial(next, labdiff(images, 128, device)[2])
    try:
        return {
            name: turns({f"{n}": functools.partial(on, n, job) for n in (1, every)}, device, rounds)
            for name, job in jobs.items()
        }
    finally:
        torch.set_num_threads(every)


def slider(rounds):
    """A frame of 8x8 digits: in the browser that draws the lab's sliders, and redrawn by matplotlib in the
    kernel."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    x0, s = ld.load_digits("test").images[:64], ld.linear_schedule()
    eps = torch.randn(x0.shape)
    figure, axes = plt.subplots(8, 8, figsize=(6, 6))
    pictures = [ax.imshow(x0[0, 0], cmap="gray", vmin=-1, vmax=1) for ax in axes.flat]
    levels = itertools.cycle(range(1, 1001))

    def redraw():
        for picture, xt in zip(pictures, ld.q_sample(s, x0, next(levels), eps)):
            picture.set_data(xt[0])
        figure.canvas.draw()

    times = turns(
        {
            "matplotlib (redrawing one, in the kernel)": redraw,
            "labdiff (making a slider of all 1001, in the kernel)": lambda: ld.widgets.noise_slider(
                s, x0, eps=eps
            ),
        },
        torch.device("cpu"),
        rounds,
    )
    plt.close(figure)
    site = [sys.executable, "benchmarks/site.py"]
    out = subprocess.run(site, cwd=HERE.parent, capture_output=True, text=True).stdout
    found = re.search(r"key to pixels: median +(\d+) ms(?:.|\n)*95th percentile +(\d+) ms", out)
    names = ("labdiff (from key press to pixels, in Chromium)", "95 % of them within")
    # no Chromium, no times
    browser = {name: float(t) / 1000 for name, t in zip(names, found.groups())} if found else {}
    return {"times": times, "browser": browser}


def notebooks():
    """Seconds for each notebook, from top to bottom in a kernel of its own."""
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        copies = [shutil.copy(path, folder) for path in sorted((HERE.parent / "notebooks").glob("*.ipynb"))]
        done = subprocess.run(
            [sys.executable, HERE.parent / "tools" / "run_notebooks.py", *copies],
            capture_output=True,
            text=True,
            check=True,
        )
    return {
        name: float(seconds) for name, seconds in re.findall(r"^(\S+)\.ipynb: (\d+) s", done.stdout, re.M)
    }


def imports(rounds):
    """Seconds in a fresh process, beyond those of `import torch`."""
    jobs = {
        "labdiff": "import labdiff",
        "diffusers": "import diffusers; diffusers.UNet2DModel; diffusers.DDPMScheduler",
    }
    code = "import time, torch; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
    times = {name: [] for name in jobs}
    for _, (name, job) in itertools.product(range(rounds), jobs.items()):
        out = subprocess.run(
            [sys.executable, "-c", code.format(job)], capture_output=True, text=True, check=True
        ).stdout
        times[name].append(float(out.split()[-1]))
    return {"times": times}


def quality(device, train, test, minutes, seeds, save):
    """Train for a number of minutes, from scratch, and judge 10,000 samples; a budget is a number of steps at
    the pace that a trial shows just before, so that the learning rate can be planned."""
    judge = Judge(train_classifier(train, device), test)
    if judge.accuracy < LEAST_ACCURACY:
        sys.exit(
            f"the judging classifier knows {judge.accuracy:.2%} of the test digits, "
            f"expected {LEAST_ACCURACY:.0%}"
        )
    model, s = ld.load_pretrained()
    model.to(device)
    samplers = {
        "DDIM, eta = 1, 50 steps": samples,
        "DDIM, 50 steps": functools.partial(samples, eta=0.0),
        "DDIM, 10 steps": functools.partial(samples, eta=0.0, n_steps=10),
        "DPM-Solver++, 10 steps": functools.partial(samples, sampler=ld.dpm_steps, n_steps=10),
    }
    result = {
        "accuracy": judge.accuracy,
        "real": judge(train.images[:N_SAMPLES]),
        "shipped": {name: judge(how(model, s, device, seed=0)) for name, how in samplers.items()},
        "runs": [],
    }
    plan = [
        (budget, name, make, seed)
        for budget in minutes
        for name, make, n in (("labdiff", labdiff, seeds), ("diffusers", diffusers, SEEDS_OF_PEER))
        for seed in range(n)
    ]
    for budget, name, make, seed in plan:
        trial = make(train.images, 128, device)[2]
        pace = statistics.median(
            turns({name: functools.partial(next, trial)}, device, rounds=15, warmup=3)[name]
        )
        n_steps = max(1, round(60 * budget / pace))
        network, eps_model, steps = make(train.images, 128, device, n_steps=n_steps, seed=seed)
        start = clock(device)
        last = collections.deque(itertools.islice(steps, n_steps), maxlen=1).pop()
        seconds = clock(device) - start
        network.eval()
        trained = (last.ema, last.s) if name == "labdiff" else (eps_model, ld.linear_schedule())
        run = {
            "name": name,
            "minutes": budget,
            "seed": seed,
            "seconds": seconds,
            "steps": n_steps,
            **judge(samples(*trained, device, seed)),
        }
        print(run, flush=True)
        result["runs"].append(run)
        save(result)
    return result


def samples(model, s, device, seed, sampler=ld.ddim_steps, n_steps=50, **options):
    """N_SAMPLES digits; by default from DDIM with as much noise on the way as DDPM."""
    if sampler is ld.ddim_steps:
        options = {"eta": 1.0} | options
    g = torch.Generator(device).manual_seed(seed)
    *_, end = sampler(model, s, (N_SAMPLES, 1, 28, 28), n_steps=n_steps, generator=g, **options)
    return end.x


def machine(device):
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    processor = platform.processor() or platform.machine()
    names = Path("/proc/cpuinfo")
    if names.exists():
        found = re.search(r"model name\s*: (.*)", names.read_text())
        processor = found.group(1) if found else processor
    floats = "bfloat16" if has_bf16(device) else "float32"  # one name covers processors with and without it
    return f"{torch.get_num_threads()} threads of {processor} in {floats}, torch {torch.__version__}"


def commit():
    """The commit that is measured; "" outside of a clone."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, cwd=HERE, capture_output=True, text=True).stdout.strip()
    except OSError:  # there is no git
        return ""


def load():
    """The machine's load over the last minute; NaN where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def put(path, results):
    """Write results as JSON; a file that was there stays whole until the new one is."""
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(results, indent=1) + "\n")
    new.replace(path)


def main():
    sections = ["ceiling", "step", "forward", "sampling", "threads"]
    sections += ["slider", "import", "notebooks", "quality"]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(sections), help="some of %(default)s")
    parser.add_argument("--root", type=Path, help="folder of the full MNIST set (default ~/.cache/labdiff)")
    parser.add_argument("--download", action="store_true", help="fetch it if it is not there")
    parser.add_argument("--rounds", type=int, default=15, choices=range(1, 1000), metavar="N")
    parser.add_argument("--minutes", type=float, nargs="+", default=[2, 5, 10], help="training budgets")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=HERE)
    args = parser.parse_args()
    wanted = args.only.split(",")
    if unknown := set(wanted) - set(sections):
        parser.error(f"--only: expected some of {', '.join(sections)}, got {', '.join(unknown)}")

    device = ld.pick_device()
    args.out.mkdir(parents=True, exist_ok=True)
    saved = args.out / "results.json"
    results = json.loads(saved.read_text()) if saved.exists() else {}
    if results.get("machine") != machine(device):  # what another machine measured does not go with it
        if results and set(wanted) != set(sections):
            parser.error(
                f"--out: {saved} is of another machine, {results.get('machine')}: give another folder"
            )
        results = {"machine": machine(device)}

    def save(section, result):
        results[section] = result
        minutes = round((time.monotonic() - since) / 60, 1)
        results.setdefault("measured", {})[section] = begun | {"minutes": minutes}
        put(saved, results)
        (args.out / "table.md").write_text(report.table(results, list(PEERS)))

    digits = ld.load_digits()
    mnist = (
        [
            ld.load_digits(split, "MNIST", root=args.root, download=args.download)
            for split in ("train", "test")
        ]
        if "quality" in wanted
        else None
    )
    jobs = {
        "ceiling": lambda: ceiling(device),
        "step": lambda: step(device, digits.images, args.rounds),
        "forward": lambda: forward(device, digits.images, args.rounds),
        "sampling": lambda: sampling(device, args.rounds),
        "threads": lambda: threads(device, digits.images, args.rounds),
        "slider": lambda: slider(args.rounds),
        "import": lambda: imports(5),
        "notebooks": notebooks,
        "quality": lambda: quality(
            device, *mnist, args.minutes, args.seeds, lambda result: save("quality", result)
        ),
    }
    for section in sections:
        if section in wanted:
            print(f"measuring: {section}", flush=True)
            begun = {"date": f"{date.today()}", "commit": commit(), "load": f"{load():.1f}"}
            since = time.monotonic()
            save(section, jobs[section]())
    if "quality" in results:
        report.picture(results["quality"], args.out / "quality.png")
    print((args.out / "table.md").read_text())


if __name__ == "__main__":
    main()
