"""Make the weights that ship with the package, and the snapshots along their training run, on the full MNIST set.

    python tools/make_weights.py --root FOLDER     # FOLDER/MNIST/raw/*; --download fetches them

An interrupted run goes on from its checkpoint (--checkpoint) when the same command is given again.
"""

import argparse
import json
import time
from pathlib import Path

import safetensors.torch
import torch

from labdiff.checkpoint import load_checkpoint, save_checkpoint
from labdiff.data import ASSETS, load_digits
from labdiff.schedule import linear_schedule
from labdiff.train import train
from labdiff.unet import UNet

SNAPSHOTS = (100, 400, 1500)  # and the end


def save_weights(step, path):
    """The averaged weights in half precision (all else as it is), with what rebuilds the model around them."""
    is_weight = {name for name, _ in step.ema.named_parameters()}
    tensors = {k: v.half().cpu() if k in is_weight else v.cpu() for k, v in step.ema.state_dict().items()}
    about = {"step": step.n, "unet": step.ema.config, "data": "MNIST, 60,000 training digits"}
    safetensors.torch.save_file(tensors | {"beta": step.s.beta}, path, {"labdiff": json.dumps(about)})
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="folder of the full MNIST set (default ~/.cache/labdiff)")
    parser.add_argument("--download", action="store_true")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, default=ASSETS)
    parser.add_argument("--checkpoint", type=Path, default=Path("weights.checkpoint.safetensors"))
    args = parser.parse_args()

    images = load_digits("train", "MNIST", root=args.root, download=args.download).images
    s = linear_schedule()
    generator = torch.Generator(args.device).manual_seed(15)
    model = UNet(alpha_bar=s.alpha_bar, generator=generator).to(args.device)
    resume = load_checkpoint(args.checkpoint) if args.checkpoint.exists() else None
    start, losses = time.perf_counter(), []
    for step in train(model, s, images, n_steps=args.steps, batch_size=args.batch_size, generator=generator, resume=resume):
        losses.append(step.loss)
        if step.n in SNAPSHOTS or step.n == args.steps:
            save_weights(step, args.out / f"unet_{step.n:06d}.safetensors")
        if step.n % 500 == 0:
            save_checkpoint(args.checkpoint, step)
            print(f"step {step.n}: loss {sum(losses[-500:]) / len(losses[-500:]):.4f}, "
                  f"{time.perf_counter() - start:.0f} s", flush=True)
    args.checkpoint.unlink()


if __name__ == "__main__":
    main()
