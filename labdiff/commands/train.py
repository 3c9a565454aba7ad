"""Train a U-Net from the command line, on one device or on many, and write its averaged weights.

    python -m labdiff.training --steps 2000 --out weights
    torchrun --nproc_per_node=2 -m labdiff.training --steps 2000 --out weights     # one process for each GPU or CPU core

Both give the same run: --batch-size is that of all processes together. An interrupted run goes on from its checkpoint when
the same command is given again. ld.load_pretrained(folder="weights") loads what was written.
"""

import argparse
import collections
import contextlib
import json
import os
import sys
import time
from pathlib import Path

import torch
from torch import distributed as dist

from labdiff.checkpoint import load_checkpoint, save_checkpoint
from labdiff.data import TORCHVISION_SETS, load_digits
from labdiff.device import pick_device
from labdiff.pretrained import save_weights
from labdiff.schedule import cosine_schedule, linear_schedule
from labdiff.training import train
from labdiff.unet import UNet

EVERY = 500  # steps between two checkpoints
SCHEDULES = {"cosine": cosine_schedule, "linear": linear_schedule}


def arguments(argv=None):
    parser = argparse.ArgumentParser(
        prog="python -m labdiff.training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--name", choices=TORCHVISION_SETS, help="a whole data set; without it the digits that ship"
    )
    parser.add_argument("--root", type=Path, help="folder of that data set (default ~/.cache/labdiff)")
    parser.add_argument("--download", action="store_true", help="fetch the data set if it is not there")
    parser.add_argument(
        "--schedule", choices=SCHEDULES, default="cosine", help="cosine, which trains faster, or linear"
    )
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument(
        "--batch-size", type=int, default=128, help="of all processes together (default %(default)s)"
    )
    parser.add_argument("--lr", type=float, default=3e-3, help="highest learning rate (default %(default)s)")
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument(
        "--snapshots", type=int, nargs="*", default=[], metavar="STEP", help="write the weights then too"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("weights"), help="folder for the weights (default %(default)s)"
    )
    parser.add_argument("--checkpoint", type=Path, help="default: OUT/run.checkpoint")
    return parser.parse_args(argv)


@contextlib.contextmanager
def processes():
    """Join the processes that torchrun started, if it did; yield this one's rank and device."""
    if "RANK" not in os.environ:
        yield 0, pick_device()
        return
    local_rank = int(os.environ["LOCAL_RANK"])
    on_gpus = torch.cuda.is_available() and os.environ.get("LABDIFF_DEVICE") != "cpu"
    if on_gpus and local_rank >= torch.cuda.device_count():
        sys.exit(
            f"labdiff.train: --nproc_per_node: expected at most {torch.cuda.device_count()}, one for each GPU, got "
            f"{os.environ['LOCAL_WORLD_SIZE']}. To run on the CPU, set LABDIFF_DEVICE=cpu"
        )
    device = torch.device("cuda", local_rank) if on_gpus else torch.device("cpu")
    if on_gpus:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if on_gpus else "gloo")
    try:
        yield dist.get_rank(), device
    finally:
        dist.destroy_process_group()


def unfinished(checkpoint, settings):
    """The Checkpoint to go on from, or None. The settings of its run lie beside it, and have to be those of this one."""
    beside = checkpoint.with_suffix(".json")
    before = json.loads(beside.read_text()) if beside.exists() else settings
    if not checkpoint.exists():
        beside.write_text(json.dumps(settings))
        return None
    if before != settings:
        sys.exit(
            f"labdiff.train: expected the arguments of the unfinished run in {checkpoint}, {before}, got {settings}. "
            "Give the same, or another --out, or delete that file"
        )
    resume = load_checkpoint(checkpoint)
    print(f"going on from step {resume.n} of {checkpoint}", flush=True)
    return resume


def main(argv=None):
    args = arguments(argv)
    checkpoint = args.checkpoint or args.out / "run.checkpoint"
    with processes() as (rank, device):
        args.out.mkdir(parents=True, exist_ok=True)
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        if (
            args.download and os.environ.get("LOCAL_RANK", "0") == "0"
        ):  # the machine's other processes find it done
            load_digits("train", args.name, root=args.root, download=True)
        settings = {
            name: getattr(args, name) for name in ("name", "schedule", "steps", "batch_size", "lr", "seed")
        }
        resume = [unfinished(checkpoint, settings) if rank == 0 else None]
        if dist.is_initialized():
            dist.broadcast_object_list(resume, device=device)
            dist.barrier()
        images = load_digits("train", args.name, root=args.root).images
        s = SCHEDULES[args.schedule]()
        generator = torch.Generator(device).manual_seed(args.seed)
        model = UNet(image_channels=images.shape[1], alpha_bar=s.alpha_bar, generator=generator).to(device)
        start, losses = time.perf_counter(), collections.deque(maxlen=EVERY)
        for step in train(
            model,
            s,
            images,
            n_steps=args.steps,
            batch_size=args.batch_size,
            lr=args.lr,
            generator=generator,
            resume=resume[0],
        ):
            losses.append(step.loss)
            if rank > 0:
                continue
            if step.n in {*args.snapshots, args.steps}:
                path = save_weights(
                    step, args.out, f"{args.name or 'the digits that ship'}, {len(images)} training images"
                )
                print(f"{path}: {path.stat().st_size / 1e6:.2f} MB", flush=True)
            if step.n % EVERY == 0 or step.n == args.steps:
                seconds = time.perf_counter() - start
                print(f"step {step.n}: loss {sum(losses) / len(losses):.4f}, {seconds:.0f} s", flush=True)
                save_checkpoint(checkpoint, step)
        if rank == 0:
            for path in (checkpoint, checkpoint.with_suffix(".json")):
                path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
