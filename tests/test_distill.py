"""The tool that makes one network of two."""

import sys
from pathlib import Path

import torch

import labdiff as ld
from conftest import make_net
from labdiff.pretrained import with_labels

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import distill


def test_without_a_label_as_the_first_with_one_as_the_second(s):
    """The distance to both teachers falls; the first stage changes nothing for the labels."""
    plain, labelled = (
        make_net(s, seed=1),
        with_labels(make_net(s, seed=2), 3, torch.Generator().manual_seed(3)),
    )
    g = torch.Generator().manual_seed(4)
    images = torch.rand(64, 1, 8, 8, generator=g) * 2 - 1
    digits = ld.Digits(images, torch.arange(64) % 3)
    xt, t = torch.randn(32, 1, 8, 8, generator=g), 1 + torch.arange(32) % s.T

    def answers(model, label=None):
        with torch.no_grad():
            return model(xt, t, label)

    def apart(a, b):
        return (a - b).square().mean().item()

    target, before = answers(plain), apart(answers(labelled), answers(plain))
    first = distill.distill(plain, labelled, s, digits, first=30, n_steps=1)
    assert apart(answers(first), target) < before
    student = distill.distill(plain, labelled, s, digits, first=1, n_steps=60)
    assert apart(answers(student), target) < 0.8 * before
    assert apart(answers(student, 1), answers(labelled, 1)) < 0.5 * apart(target, answers(labelled, 1))
    assert before == apart(answers(labelled), answers(plain))  # the teachers stay as they are
