"""Distil two networks into one: without a label it answers as the first, with a label as the second.

python tools/distill.py --plain FOLDER --labelled FOLDER --out FOLDER [--root FOLDER] [--download]

A network that has learned labels on top is worse without one: its classes come in wrong proportions. They
are decided at large t, where eps_loss is a thousandth of what it is at small t. So what the teachers say,
which has no noise of its own, is learned with each level divided by its own eps_loss: first by the embedding
of "no label" alone, which changes nothing for the labels, then by all weights.
"""

import argparse
import copy
import math
from pathlib import Path

import numpy as np
import torch

import labdiff as ld
from labdiff.optimizer import MuonAdamW
from labdiff.pretrained import load_pretrained, pretrained_steps, write_weights
from labdiff.training import _draw

AVERAGE = 0.01  # what a step adds to the averaged weights


def levels(plain, s, images, generator, B=64):
    """(T+1,) eps_loss of each level, log-linear between 41 that are measured."""
    measured = torch.linspace(1, s.T, 41).long().tolist()
    logs = []
    for t in measured:
        eps = torch.randn(images[:B].shape, generator=generator)
        with torch.no_grad():
            logs.append(math.log(ld.eps_loss(plain, s, images[:B], torch.full((len(eps),), t), eps)))
    return torch.tensor(np.exp(np.interp(np.arange(s.T + 1), measured, logs)), dtype=torch.float32)


def batches(plain, labelled, s, digits, generator, drop_label, B=128):
    """Endless (x_t, t, label, eps_hat of the teacher), drawn as train() does."""
    labels = digits.labels.long()
    while True:
        x0, t, eps, label = _draw(digits.images, labels, drop_label, labelled, s.T, B, generator)
        xt, known = ld.q_sample(s, x0, t, eps), label != labelled.classes
        target = torch.empty_like(eps)
        with torch.no_grad():
            target[~known] = plain(xt[~known], t[~known])
            if known.any():
                target[known] = labelled(xt[known], t[known], label[known])
        yield xt, t, label, target


def learn(student, optimizer, data, level, n_steps, lr, mask=None):
    """Train in place; the learning rate falls linearly. Returns the averaged weights as a module."""
    ema = copy.deepcopy(student).requires_grad_(False)
    for n, (xt, t, label, target) in zip(range(1, n_steps + 1), data, strict=False):
        student.train()
        loss = ((student(xt, t, label) - target).square().flatten(1).mean(1) / level[t]).mean()
        optimizer.zero_grad()
        loss.backward()
        if mask is not None:
            student.label.weight.grad.mul_(mask)
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = lr * min(n / 30, 1 - (n - 1) / n_steps)
        optimizer.step()
        student.eval()
        with torch.no_grad():
            share = max(AVERAGE, 9 / (9 + n))
            torch._foreach_lerp_(list(ema.parameters()), list(student.parameters()), share)
        if n % 50 == 0:
            print(f"step {n}: {loss.item():.5f} of eps_loss from the teachers", flush=True)
    return ema


def distill(plain, labelled, s, digits, first=300, n_steps=700, seed=31):
    """The student, a copy of `labelled` that has learned both."""
    g = torch.Generator().manual_seed(seed)
    student = copy.deepcopy(labelled)
    for teacher in (plain, labelled):
        teacher.eval().requires_grad_(False)
    level = levels(plain, s, digits.images, g)
    row = torch.zeros(len(student.label.weight), 1)
    row[-1] = 1
    student.requires_grad_(False).label.requires_grad_(True)
    optimizer = torch.optim.Adam([student.label.weight], betas=(0.9, 0.99))
    learn(student, optimizer, batches(plain, labelled, s, digits, g, drop_label=1), level, first, 2e-2, row)
    student.requires_grad_(True)
    optimizer = MuonAdamW(student.parameters(), weight_decay=0.0)
    return learn(
        student, optimizer, batches(plain, labelled, s, digits, g, drop_label=0.5), level, n_steps, 4e-4
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plain", type=Path, required=True, help="folder of the weights without labels")
    parser.add_argument("--labelled", type=Path, required=True, help="folder of the weights with labels")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--root", type=Path, help="folder of the full MNIST set")
    parser.add_argument("--download", action="store_true", help="download the full set if it is not there")
    args = parser.parse_args()
    where = {"root": args.root} if args.root else {}
    digits = ld.load_digits("train", "MNIST", download=args.download, **where)
    (plain, s), (labelled, _) = load_pretrained(folder=args.plain), load_pretrained(folder=args.labelled)
    first, n_steps = 300, 700
    student = distill(plain, labelled, s, digits, first, n_steps)
    after = pretrained_steps(args.labelled)[-1] + first + n_steps
    words = f"MNIST, {len(digits)} training images"
    print(write_weights(student, s, args.out, after, words))


if __name__ == "__main__":
    main()
