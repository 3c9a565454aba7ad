"""Judge a recipe by the rules of records.md; write its log beside it, and print its row of the table.

    python benchmarks/record.py --entry benchmarks/entries/labels.py --root ~/mnist --download

An entry is a Python file with LABELS, train(digits, seed) -> model and sample(model, n, seed, counted) ->
images.
"""

import argparse
import importlib.util
import json
import os
import sys
import time
from pathlib import Path

import torch
from quality import Judge, train_classifier
from run import LEAST_ACCURACY, machine

import labdiff as ld

N_SAMPLES = 10_000
ROW = "| {entry} | {labels} | {seed} | {seconds:.0f} | {cpu:.0f} | {evaluations:g} | {fd:.2f} | {real:.2f} |"
ROW += " {precision:.3f}, {recall:.3f} | {background:.3f} | {load} |"


class Counted(torch.nn.Module):
    """A model that notes how many images went through it."""

    def __init__(self, model):
        super().__init__()
        self.model, self.images = model, 0
        self.classes = getattr(model, "classes", None)

    def forward(self, x, t, *label):
        self.images += len(x)
        return self.model(x, t, *label)


def recipe(path):
    """The entry, as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if missing := {"LABELS", "train", "sample"} - vars(module).keys():
        raise SystemExit(
            f"record: --entry: expected LABELS, train and sample in {path}, got no {missing.pop()}"
        )
    return module


def measure(entry, train, judge, seed, n_samples=N_SAMPLES):
    """Train and sample once; the log, as a dict."""
    digits = ld.Digits(train.images.clone(), train.labels.clone())
    load, began, worked = os.getloadavg()[0], time.perf_counter(), time.process_time()
    model = entry.train(digits, seed)
    seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    made = []

    def counted(model):
        made.append(Counted(model))
        return made[-1]

    images = entry.sample(model, n_samples, seed, counted).detach().cpu()
    if images.shape != (n_samples, 1, 28, 28):
        expected = f"{(n_samples, 1, 28, 28)}"
        raise SystemExit(f"record: sample(): expected images {expected}, got {tuple(images.shape)}")
    return {
        "labels": entry.LABELS,
        "seed": seed,
        "seconds": seconds,
        "cpu": cpu,
        "evaluations": sum(model.images for model in made) / n_samples,
        "load": f"{load:.1f} before, {os.getloadavg()[0]:.1f} after",
        "real": judge(train.images[:n_samples])["fd"],
        "accuracy": judge.accuracy,
        "machine": machine(torch.device("cpu")),
        **judge(images),
    }


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entry", type=Path, required=True, help="a Python file, see benchmarks/entries")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (%(default)s)")
    parser.add_argument("--root", type=Path, help="folder of the full MNIST set (default ~/.cache/labdiff)")
    parser.add_argument("--download", action="store_true", help="fetch it if it is not there")
    args = parser.parse_args(arguments)
    entry = recipe(args.entry)
    torch.set_num_threads(args.threads)
    train, test = (
        ld.load_digits(split, "MNIST", root=args.root, download=args.download) for split in ("train", "test")
    )
    judge = Judge(train_classifier(train), test)
    if judge.accuracy < LEAST_ACCURACY:
        sys.exit(f"record: the judge knows {judge.accuracy:.2%} of the test digits, too few")
    log = {"entry": args.entry.name} | measure(entry, train, judge, args.seed)
    path = args.entry.with_suffix(f".seed{args.seed}.json")
    path.write_text(json.dumps(log, indent=1) + "\n")
    print(ROW.format(**log | {"labels": "yes" if log["labels"] else "no"}))


if __name__ == "__main__":
    main()
