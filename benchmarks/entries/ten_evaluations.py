"""labdiff's recipe with labels, for ten evaluations an image: five steps of DPM-Solver++ at guidance 1.5."""

import torch

import labdiff as ld

N_STEPS = 700
LABELS = True  # whether train() looks at the labels


def train(digits, seed):
    s, generator = ld.cosine_schedule(), torch.Generator().manual_seed(seed)
    model = ld.UNet(alpha_bar=s.alpha_bar, classes=10, generator=generator)
    run = ld.train(
        model, s, digits.images, labels=digits.labels, n_steps=N_STEPS, min_snr=5.0, generator=generator
    )
    *_, step = run
    return step.ema


def sample(model, n, seed, counted):
    """n digits, drawn by calling counted(model), a model that notes how often it is called."""
    model = ld.guided(counted(model), torch.arange(n) % 10, 1.5)
    generator = torch.Generator().manual_seed(seed)
    s = ld.cosine_schedule()
    return ld.sample(model, s, (n, 1, 28, 28), method="dpm", n_steps=5, generator=generator)
