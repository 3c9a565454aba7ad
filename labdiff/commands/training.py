"""labdiff train: a U-Net from the command line, on one device or on many."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import torch

from labdiff.commands import options
from labdiff.commands.fit import SCHEDULES, fit
from labdiff.commands.processes import processes
from labdiff.data import ASSETS, TORCHVISION_SETS

# how the library's errors name an argument, and its option here
IN_OPTIONS = {
    "load_digits: root:": "--root:",
    "load_images: folder:": "--images:",
    "load_pretrained: folder:": "--start:",
    "load_checkpoint: path:": "--checkpoint:",
    "save_checkpoint: path:": "--checkpoint:",
    "save_weights: path:": "--out:",
    "train: batch_size:": "--batch-size:",
    "train: accumulate:": "--accumulate:",
    "Call it with download=True": "Give --download",
    "leave out name": "leave out --name",
    "another root": "another --root",
    "a smaller lr": "a smaller --lr",
}


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parser of train."""
    command = commands.add_parser(
        "train",
        help="train a network",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="""\
Train a U-Net and write its averaged weights to OUT, for ld.load_pretrained(folder="OUT").

    labdiff train --steps 2000 --out weights
    labdiff train --images photos --size 32 --channels 3 --out weights
    torchrun --nproc_per_node=2 -m labdiff.training --out weights      # a process for each GPU or CPU core

One process or many, it is the same run: --batch-size is that of all together. The same command goes on with
a run that was interrupted, and with more --steps also with one that is finished: from there, the learning
rate is that of the longer run. LABDIFF_DEVICE chooses the device.""",
    )
    data = command.add_argument_group("data")
    which = data.add_mutually_exclusive_group()
    which.add_argument("--name", choices=TORCHVISION_SETS, help="a full data set (default: digits that ship)")
    which.add_argument("--images", type=Path, metavar="FOLDER", help="own images; a subfolder for each label")
    data.add_argument("--root", type=Path, help="folder of the full set (default: ~/.cache/labdiff)")
    data.add_argument("--download", action="store_true", help="download the full set if it is not there")
    data.add_argument("--size", type=even, help="width and height of --images (default: 28)")
    data.add_argument("--channels", type=int, choices=(1, 3), help="of --images, grey or colour (default: 1)")
    net = command.add_argument_group("network")
    net.add_argument("--labels", action="store_true", help="train with labels, so that one can be asked for")
    net.add_argument("--drop-label", type=share, metavar="P", help="share of labels left out (default: 0.1)")
    net.add_argument("--schedule", choices=SCHEDULES, help="(default: cosine, which trains faster)")
    net.add_argument(
        "--start",
        type=Path,
        nargs="?",
        const=ASSETS,
        metavar="FOLDER",
        help="start from the weights there, on their schedule (without FOLDER: those that ship); --labels "
        "teaches labels to a network without",
    )
    run_ = command.add_argument_group("run")
    run_.add_argument(
        "--steps", type=options.positive, default=2000, help="training steps (default: %(default)s)"
    )
    run_.add_argument(
        "--batch-size",
        type=options.positive,
        default=128,
        help="images a step (default: %(default)s); where time allows fewer than 400 steps, 64 or 32 and "
        "more --steps make better digits",
    )
    run_.add_argument("--accumulate", type=options.positive, default=1, metavar="N", help="for a GPU with "
                      "little memory: each batch goes through the network in N parts")  # fmt: skip
    run_.add_argument("--lr", type=rate, default=3e-3, help="highest learning rate (default: %(default)s)")
    run_.add_argument("--seed", type=int, default=15, help="another seed, another run (default: %(default)s)")
    run_.add_argument("--snapshots", type=options.positive, nargs="*", default=[], metavar="STEP",
                      help="write the weights after these steps too")  # fmt: skip
    run_.add_argument(
        "--out", type=Path, default=Path("weights"), help="folder of the weights (default: %(default)s)"
    )
    run_.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="what an interrupted run goes on from (default: OUT/run.checkpoint)",
    )
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, or go on training, and write checkpoints and weights."""
    try:
        with processes() as (rank, device):
            fit(args, rank, device)
    except torch.OutOfMemoryError as error:
        raise RuntimeError(
            f"--batch-size: the device has too little memory for {args.batch_size} images at once. Give a "
            "smaller one, or the same with --accumulate 4"
        ) from error
    except (ValueError, RuntimeError, ArithmeticError, OSError) as error:
        text = str(error)
        for name, option in IN_OPTIONS.items():
            text = text.replace(name, option)
        raise RuntimeError(text) from error
    return 0


def even(text: str) -> int:
    """An argparse type: an even number of pixels."""
    if options.positive(text) % 2:
        raise argparse.ArgumentTypeError(f"expected an even number of pixels, got {text}")
    return int(text)


def share(text: str) -> float:
    """An argparse type: a number in [0, 1]."""
    return _number(text, "a number in [0, 1]", lambda value: 0 <= value <= 1)


def rate(text: str) -> float:
    """An argparse type: a number > 0."""
    return _number(text, "a number > 0", lambda value: 0 < value < math.inf)


def _number(text: str, expected: str, fits: Callable[[float], bool]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not fits(value):
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text}")
    return value
