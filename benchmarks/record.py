"""Judge a recipe by the rules of records.md; write its log beside it, and print its row of the table.

    python benchmarks/record.py --entry my_recipe.py --try                   # whether it runs: nothing counts
    python benchmarks/record.py --entry my_recipe.py --root ~/mnist --download

An entry is a Python file with LABELS, train(digits, seed) -> model and sample(model, n, seed, counted) ->
images. With EVALUATIONS, such as (1, 2, 4, 10), it is trained once and sampled with each of these numbers of
evaluations an image: sample(model, n, seed, counted, evaluations); each has a row and a log of its own.
"""

import argparse
import contextlib
import functools
import hashlib
import importlib.util
import itertools
import json
import os
import sys
import time
import traceback
from pathlib import Path

import torch
from quality import Judge, train_classifier
from run import LEAST_ACCURACY, N_SAMPLES, commit, load, machine, put

import labdiff as ld

IDLE = 0.5  # load of a machine on which seconds are compared
ROW = "| {entry} | {labels} | {seed} | {seconds:.0f} | {cpu:.0f} | {evaluations:g} | {fd:.2f} | {real:.2f} |"
ROW += " {precision:.3f}, {recall:.3f} | {background:.3f} | {load} |"


class Counted(torch.nn.Module):
    """A model that notes how many images went through it."""

    def __init__(self, model):
        super().__init__()
        self.model, self.images = model, 0
        self.classes = getattr(model, "classes", None)

    def forward(self, x, *args, **kwargs):
        self.images += len(x)
        return self.model(x, *args, **kwargs)


@contextlib.contextmanager
def entrys(what):
    """What goes wrong in the entry's own code ends the command, with the place where it did; torch's settings
    and the working folder are as before, for the judge."""
    dtype, threads, folder = torch.get_default_dtype(), torch.get_num_threads(), os.getcwd()
    try:
        with torch.enable_grad():
            yield
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        raise SystemExit(f"record: {what}: {type(error).__name__}: {error}") from error
    finally:
        torch.set_default_dtype(dtype)
        if torch.get_default_device() != torch.device("cpu"):
            torch.set_default_device(None)
        torch.set_num_threads(threads)
        torch.set_autocast_enabled("cpu", False)
        torch.use_deterministic_algorithms(False)
        torch.set_float32_matmul_precision("highest")
        torch.autograd.set_detect_anomaly(False)
        os.chdir(folder)


def recipe(path):
    """The entry, as a module."""
    spec = importlib.util.spec_from_file_location(f"entry_{path.stem}", path)
    if spec is None or not path.is_file():
        raise SystemExit(f"record: --entry: expected a Python file, got {path}")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    with entrys(path.name):
        spec.loader.exec_module(module)
    if missing := sorted({"LABELS", "train", "sample"} - vars(module).keys()):
        raise SystemExit(f"record: --entry: expected LABELS, train and sample in {path}, got no {missing[0]}")
    if not isinstance(module.LABELS, bool):
        raise SystemExit(f"record: --entry: LABELS: expected True or False, got {module.LABELS!r}")
    samplers(module)
    return module


def samplers(entry):
    """{evaluations an image, None where the entry promises no number: its sampler}."""
    if not hasattr(entry, "EVALUATIONS"):
        return {None: entry.sample}
    counts = entry.EVALUATIONS
    if not isinstance(counts, tuple) or not counts or {*map(type, counts)} != {int}:
        raise SystemExit(f"record: --entry: EVALUATIONS: expected a tuple of ints, got {counts!r}")
    return {count: functools.partial(entry.sample, evaluations=count) for count in counts}


def trained(entry, digits, seed):
    """Train once: (model, what is known of it without a judge)."""
    labels = digits.labels.clone() if entry.LABELS else torch.full_like(digits.labels, -1)
    digits = ld.Digits(digits.images.clone(), labels)
    torch.manual_seed(seed)  # for layers that draw their first weights from the global generator
    before, began, worked = load(), time.perf_counter(), sum(os.times()[:4])  # of child processes, too
    with entrys("train()"):
        model = entry.train(digits, seed)
    seconds, cpu = time.perf_counter() - began, sum(os.times()[:4]) - worked
    if torch.cuda.is_initialized():
        raise SystemExit("record: train(): expected the CPU alone, for seconds on it are compared, got CUDA")
    return model, {
        "entry": Path(entry.__file__).name,
        "code": hashlib.sha256(Path(entry.__file__).read_bytes()).hexdigest(),
        "labels": entry.LABELS,
        "seed": seed,
        "seconds": seconds,
        "cpu": cpu,
        "load": f"{before:.2f} before, {load():.2f} after",
        "machine": machine(torch.device("cpu")),
        "commit": commit(),
    }


def drawn(sample, model, log, n, promised=None):
    """Sample once: (images, the log with what is known of them)."""
    made = []

    def counted(model):
        made.append(Counted(model))
        return made[-1]

    with entrys("sample()"):
        images = sample(model, n, log["seed"], counted)
    evaluations = sum(model.images for model in made) / n
    refuse_samples(images, n, evaluations, promised)
    images = images.detach().cpu().float()
    samples = hashlib.sha256(images.numpy().tobytes()).hexdigest()
    return images, log | {"evaluations": evaluations, "samples": samples}


def refuse_samples(images, n, evaluations, promised):
    """End the command where they are no n digits, or were made with other evaluations than promised."""
    expected = f"record: sample(): expected real images {(n, 1, 28, 28)}"
    stored = isinstance(images, torch.Tensor) and images.layout is torch.strided and not images.is_meta
    if not stored or not images.is_floating_point():
        got = type(images).__name__
        if isinstance(images, torch.Tensor):
            got = images.dtype if stored else f"{images.layout} on {images.device}"
        raise SystemExit(f"{expected}, got {got}")
    if images.shape != (n, 1, 28, 28):
        raise SystemExit(f"{expected}, got {tuple(images.shape)}")
    images = images.float()
    if not images.isfinite().all():
        raise SystemExit(f"{expected}, got NaN or infinite numbers")
    if images.min() > -0.5:
        raise SystemExit(f"{expected} in [-1, 1], got {images.min():.3g} to {images.max():.3g}")
    if evaluations == 0:
        raise SystemExit("record: sample(): expected calls of counted(model), got none: they must be counted")
    if promised not in (None, evaluations):
        raise SystemExit(f"{expected} with {promised} evaluations each, counted {evaluations:g}")


def write(log, entry):
    """Write the log beside the entry, over none that is there; compare it with those, and return its path."""
    name = f"{entry.stem}.{log['evaluations']:g}_evaluations.seed{log['seed']}"
    for again in itertools.count(1):
        path = entry.with_name(f"{name}{f'.{again}' if again > 1 else ''}.json")
        if not path.exists():
            put(path, log)
            return path
        same = f'"samples": "{log["samples"]}"' in path.read_text()
        print(f"record: {'the same samples as' if same else 'other samples than'} in {path}", file=sys.stderr)


def gradescopes(path):
    """What is in Gradescope's results.json at `path`, to add to."""
    if not path.parent.is_dir():
        raise SystemExit(f"record: --results: expected a file in a folder that is there, got {path}")
    try:
        results = json.loads(path.read_text()) if path.exists() else {"score": 0.0}
    except ValueError:
        results = None
    if not isinstance(results, dict):
        raise SystemExit(f"record: --results: expected Gradescope's results.json, got {path} with other text")
    return results


def leaderboard(logs):
    """Gradescope's field, with the numbers of the log of least distance."""
    log = min(logs, key=lambda log: log["fd"])
    ascending = {"distance": log["fd"], "seconds": log["seconds"], "evaluations": log["evaluations"]}
    rows = [{"name": name, "value": round(value, 2), "order": "asc"} for name, value in ascending.items()]
    # of recall more is better, which is Gradescope's own order
    return {"leaderboard": [*rows, {"name": "recall", "value": round(log["recall"], 3)}]}


def parsed(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entry", type=Path, required=True, help="a Python file, see benchmarks/entries")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (%(default)s)")
    parser.add_argument("--root", type=Path, help="folder of the full MNIST set (default ~/.cache/labdiff)")
    parser.add_argument("--download", action="store_true", help="fetch it if it is not there")
    parser.add_argument(
        "--results", type=Path, metavar="FILE", help="Gradescope's results.json, to add the leaderboard to"
    )
    parser.add_argument(
        "--try",
        action="store_true",
        dest="tried",
        help="200 samples, the digits that ship and a judge of one epoch; writes nothing",
    )
    return parser.parse_args(arguments)


def judged(args):
    """Train, sample and judge by these arguments; one log for each number of evaluations."""
    entry = recipe(args.entry)
    torch.set_num_threads(args.threads)
    full = {} if args.tried else {"name": "MNIST", "root": args.root, "download": args.download}
    try:
        train, test = (ld.load_digits(split, **full) for split in ("train", "test"))
    except FileNotFoundError as error:
        raise SystemExit(f"record: --root, --download: {error}") from None
    if not args.tried and load() > IDLE:
        print(f"record: load {load():.1f}: seconds count below {IDLE} only", file=sys.stderr)
    n = 200 if args.tried else N_SAMPLES
    model, log = trained(entry, train, args.seed)
    # before the judge is trained: errors come at once
    drawings = [drawn(sample, model, log, n, promised) for promised, sample in samplers(entry).items()]
    judge = Judge(train_classifier(train, epochs=1 if args.tried else 6), test)
    if not args.tried and judge.accuracy < LEAST_ACCURACY:
        sys.exit(f"record: the judge knows {judge.accuracy:.2%} of the test digits, too few")
    real = {"real": judge(train.images[:n])["fd"], "accuracy": judge.accuracy}
    return [log | real | judge(images) for images, log in drawings]


def main(arguments=None):
    args = parsed(arguments)
    before = gradescopes(args.results) if args.results else None  # a wrong path is told before the training
    try:
        logs = judged(args)
    except SystemExit as end:
        if args.results and not args.tried:
            put(args.results, before | {"output": str(end)})  # what the student sees there
        raise
    for log in logs:
        print(ROW.format(**log | {"labels": "yes" if log["labels"] else "no"}), flush=True)
    if args.tried:
        print("record: a trial: the numbers count for nothing, and no file is written", file=sys.stderr)
        return
    for log in logs:
        print(f"record: {write(log, args.entry)}", file=sys.stderr)
    if args.results:
        put(args.results, {"output": args.entry.name} | before | leaderboard(logs))


if __name__ == "__main__":
    main()
