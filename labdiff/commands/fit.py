"""What labdiff train does once its options are read."""

import argparse
import collections
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist

from labdiff.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from labdiff.data import Digits, load_digits
from labdiff.edge import train
from labdiff.image_folder import load_images
from labdiff.interrupts import stop_requests
from labdiff.pretrained import load_pretrained, pretrained_steps, save_weights, with_labels
from labdiff.schedule import Schedule, cosine_schedule, linear_schedule
from labdiff.unet import UNet

EVERY, SECONDS = 500, 60  # steps between two checkpoints at most, and seconds
SCHEDULES: dict[str, Callable[[], Schedule]] = {"cosine": cosine_schedule, "linear": linear_schedule}
# the arguments that decide the numbers of a run, and so have to be the same when it goes on
SAME = "name images size channels schedule start batch_size lr seed labels drop_label".split()


def fit(args: argparse.Namespace, rank: int, device: torch.device) -> None:
    """What each process does; the one with rank 0 writes."""
    wrong = [n for n in args.snapshots if n > args.steps]
    if wrong:
        raise ValueError(f"--snapshots: expected steps in 1..{args.steps}, got {wrong[0]}")
    checkpoint = args.checkpoint or args.out / "run.checkpoint"
    for option, folder in (("--out", args.out), ("--checkpoint", checkpoint.parent)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(
                f"{option}: expected a folder that can be written to, got {folder}: {error}"
            ) from error
    first = os.environ.get("LOCAL_RANK", "0") == "0"
    if dist.is_initialized() and not first:
        dist.barrier()  # until the first process of each machine has downloaded the data
    data = load(args, args.download and first)
    if dist.is_initialized() and first:
        dist.barrier()
    about = {name: getattr(args, name) for name in SAME}
    about |= {name: str(about[name].resolve()) for name in ("images", "start") if about[name]}
    resume = [to_resume(args, checkpoint, about) if rank == 0 else None]
    if dist.is_initialized():
        dist.broadcast_object_list(resume, device=device)
    if resume[0] is not None and resume[0].n == args.steps:
        return
    generator = torch.Generator(device).manual_seed(args.seed)
    model, s, before = network(args, data, generator)
    size = data.images.shape[2], data.images.shape[3]
    words = f"{args.images or args.name or 'the digits that ship'}, {len(data)} training images"
    more: dict[str, Any] = {} if args.drop_label is None else {"drop_label": args.drop_label}
    start, losses = time.perf_counter(), collections.deque(maxlen=EVERY)
    saved = start
    with stop_requests() as stop:  # a checkpoint is only right between two steps
        for step in train(
            model.to(device),
            s,
            data.images,
            labels=data.labels if args.labels else None,
            n_steps=args.steps,
            batch_size=args.batch_size,
            lr=args.lr,
            accumulate=args.accumulate,
            generator=generator,
            resume=resume[0],
            **more,
        ):
            losses.append(step.seen)  # numbers that a GPU may still have to compute
            write = step.n in {*args.snapshots, args.steps}
            now = time.perf_counter()
            if rank > 0 and stop.is_set():
                raise KeyboardInterrupt
            if rank > 0 or not (write or stop.is_set() or step.n % EVERY == 0 or now - saved > SECONDS):
                continue
            seconds, saved = now - start, now
            mean = sum(seen.numbers()[0] for seen in losses) / len(losses)
            print(f"step {step.n}: loss {mean:.4f}, {seconds:.0f} s", flush=True)
            if write:
                path = save_weights(step, args.out, words, before, size)
                print(f"{path}: {path.stat().st_size / 1e6:.2f} MB", flush=True)
            save_checkpoint(checkpoint, step, about | {"steps": args.steps})
            if stop.is_set() and step.n < args.steps:
                raise KeyboardInterrupt


def load(args: argparse.Namespace, download: bool = False) -> Digits:
    """The data that the options name."""
    if args.images is None:
        lone = [f"--{name}" for name in ("size", "channels") if getattr(args, name)]
        if lone:
            raise ValueError(f"{lone[0]}: expected --images FOLDER beside it, got it alone")
        if args.name is None and (args.root or args.download):
            raise ValueError(
                "--root, --download: expected --name NAME beside them: the digits that ship have none"
            )
        more = {"root": args.root} if args.root else {}
        return load_digits("train", args.name, download=download, **more)
    if args.root or args.download:
        raise ValueError("--root, --download: expected --name NAME beside them, got --images")
    return load_images(args.images, args.size or 28, args.channels or 1)


def network(args: argparse.Namespace, data: Digits, generator: torch.Generator) -> tuple[UNet, Schedule, int]:
    """The network to train, its Schedule, and the number of steps behind the weights that it starts from."""
    classes, channels = (int(data.labels.max()) + 1 if args.labels else None), data.images.shape[1]
    if classes == 1:
        raise ValueError("--labels: expected data with at least two labels (a subfolder for each), got one")
    if args.drop_label is not None and not args.labels:
        raise ValueError("--drop-label: expected --labels beside it, got it alone")
    if args.start is None:
        s = SCHEDULES[args.schedule or "cosine"]()
        model = UNet(image_channels=channels, classes=classes, alpha_bar=s.alpha_bar, generator=generator)
        return model, s, 0
    model, s = load_pretrained(folder=args.start)
    if args.schedule and not torch.equal(SCHEDULES[args.schedule]().beta, s.beta):
        raise ValueError(
            f"--schedule: expected that of the weights in {args.start}, got {args.schedule}. Leave it out"
        )
    if model.config["image_channels"] != channels:
        raise ValueError(
            f"--start: expected weights for {channels} image channels, got {model.config['image_channels']}"
        )
    if classes and model.config.get("classes") != classes:
        model = with_labels(model, classes, generator)
    return model, s, pretrained_steps(args.start)[-1]


def to_resume(args: argparse.Namespace, checkpoint: Path, about: dict) -> Checkpoint | None:
    """The Checkpoint to go on from; None to start anew, in a folder without weights of another run."""
    if not checkpoint.exists():
        found = pretrained_steps(args.out)
        if found:
            raise ValueError(
                f"--out: expected a folder without weights of another run, got {args.out} with those of step "
                f"{found[-1]}, and no {checkpoint} to go on from. Choose another, or delete them"
            )
        return None
    resume = load_checkpoint(checkpoint)
    before = {name: resume.notes.get(name) for name in about}
    changed = [name for name in about if about[name] != before[name]]
    if changed:
        raise ValueError(
            f"--{changed[0].replace('_', '-')}: expected {before[changed[0]]!r} as in the run in "
            f"{checkpoint}, got {about[changed[0]]!r}. Give the same, or another --out, or delete that file"
        )
    if args.steps < resume.n:
        raise ValueError(
            f"--steps: expected at least the {resume.n} that the run in {checkpoint} has done, got "
            f"{args.steps}. Choose another --out for a shorter run"
        )
    gone = {n for n in args.snapshots if n <= resume.n}
    if gone:
        behind = sum(pretrained_steps(args.start)[-1:]) if args.start else 0  # steps before the run's first
        gone -= {n - behind for n in pretrained_steps(args.out)}
    if gone:
        raise ValueError(
            f"--snapshots: expected steps after the {resume.n} that the run in {checkpoint} has done, got "
            f"{min(gone)}. Choose another --out for a run with that snapshot"
        )
    if args.steps == resume.n:
        print(f"finished: the run in {checkpoint} has done its {resume.n} steps. More --steps train it on")
        return resume
    print(f"going on from step {resume.n} of {checkpoint}", flush=True)
    if args.steps != resume.notes["steps"]:
        print(
            f"from here, the learning rate is that of a run of {args.steps} steps, not of "
            f"{resume.notes['steps']}"
        )
    return resume
