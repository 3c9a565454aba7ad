"""labdiff sample: pictures from weights, as one PNG."""

import argparse
from pathlib import Path

from labdiff.commands import options
from labdiff.data import ASSETS

METHODS = ("dpm", "ddim", "ddpm")


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parser of sample."""
    sample = commands.add_parser(
        "sample",
        help="draw pictures from weights",
        description="Sample from the weights that ship, or from those of labdiff train, and write all "
        "pictures side by side into OUT.png.",
    )
    sample.add_argument("out", type=Path, metavar="OUT.png")
    sample.add_argument(
        "-n", type=options.positive, default=64, metavar="N", help="how many pictures (default: %(default)s)"
    )
    sample.add_argument(
        "--weights",
        type=Path,
        default=ASSETS,
        metavar="FOLDER",
        help="written by labdiff train --out (default: those that ship)",
    )
    sample.add_argument(
        "--snapshot",
        type=options.positive,
        metavar="STEP",
        help="the weights after that training step (default: the last)",
    )
    sample.add_argument("--method", choices=METHODS, default="dpm", help="(default: %(default)s)")
    sample.add_argument(
        "--steps",
        type=options.positive,
        metavar="K",
        help="steps (default: dpm 10, ddim 50; ddpm takes all T), with guidance of two evaluations each",
    )
    sample.add_argument(
        "--size",
        type=options.positive,
        nargs=2,
        metavar=("HEIGHT", "WIDTH"),
        help="of a picture, even (default: that of the pictures it was trained on)",
    )
    sample.add_argument(
        "--columns",
        type=options.positive,
        default=8,
        metavar="N",
        help="pictures in a row (default: %(default)s)",
    )
    sample.add_argument(
        "--enlarge",
        type=options.positive,
        default=3,
        metavar="N",
        help="pixels of the file for each of a picture's (default: %(default)s)",
    )
    sample.add_argument("--label", type=int, metavar="K", help="only of this class, such as the digit 7")
    sample.add_argument(
        "--guidance",
        type=float,
        default=1.5,
        metavar="W",
        help="with --label: the guidance scale (default: %(default)s)",
    )
    sample.add_argument(
        "--seed", type=int, default=0, help="another seed, other pictures (default: %(default)s)"
    )
    sample.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Sample and write the PNG."""
    import torch
    from PIL import Image

    import labdiff as ld
    from labdiff.pretrained import size_of

    if args.out.suffix.lower() != ".png":
        raise ValueError(f"sample: OUT.png: expected a name that ends in .png, got {args.out}")
    device = ld.pick_device()
    model, s = ld.load_pretrained(args.snapshot, folder=args.weights)
    generator = torch.Generator(device).manual_seed(args.seed)
    size = args.size or size_of(args.snapshot, args.weights)
    shape = (args.n, model.config["image_channels"], *size)
    model = model.to(device)
    if args.label is not None:
        model = ld.guided(model, args.label, args.guidance)
    pictures = ld.sample(model, s, shape, method=args.method, n_steps=args.steps, generator=generator)
    sheet = Image.fromarray(ld.plot.tile(ld.plot.to_uint8(pictures), args.columns))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    sheet.resize((sheet.width * args.enlarge, sheet.height * args.enlarge), Image.Resampling.NEAREST).save(
        args.out
    )
    print(f"{args.out}: {args.n} pictures, seed {args.seed}")
    return 0
