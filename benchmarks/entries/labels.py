"""labdiff's own recipe with labels: ld.train with an early weight, guidance 1.5, DDIM with full noise."""

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
    labels, s = torch.arange(n) % 10, ld.cosine_schedule()
    model = ld.guided(counted(model), labels, 1.5)
    generator = torch.Generator().manual_seed(seed)
    *_, end = ld.ddim_steps(model, s, (n, 1, 28, 28), n_steps=25, eta=1.0, generator=generator)
    return end.x
