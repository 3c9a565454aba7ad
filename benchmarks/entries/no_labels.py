"""labdiff's own recipe without labels: ld.train with an early weight, DDIM with full noise."""

import torch

import labdiff as ld

N_STEPS = 3500
LABELS = False  # whether train() looks at the labels


def train(digits, seed):
    s, generator = ld.cosine_schedule(), torch.Generator().manual_seed(seed)
    model = ld.UNet(alpha_bar=s.alpha_bar, generator=generator)
    *_, step = ld.train(model, s, digits.images, n_steps=N_STEPS, min_snr=5.0, generator=generator)
    return step.ema


def sample(model, n, seed, counted):
    """n digits, drawn by calling counted(model), a model that notes how often it is called."""
    s, generator = ld.cosine_schedule(), torch.Generator().manual_seed(seed)
    *_, end = ld.ddim_steps(counted(model), s, (n, 1, 28, 28), n_steps=50, eta=1.0, generator=generator)
    return end.x
