"""labdiff's own recipe with labels: ld.train with an early weight, then few steps from rough digits."""

import torch
from clusters import WithClusters

import labdiff as ld

N_STEPS = 700
LABELS = True  # whether train() looks at the labels
# evaluations: (level at which the network begins, steps, guidance scale, which but for 1 costs two each)
PLANS = {1: (350, 1, 1.0), 2: (450, 2, 1.0), 4: (450, 4, 1.0), 10: (550, 5, 1.5), 20: (600, 10, 1.5)}
EVALUATIONS = tuple(PLANS)


def train(digits, seed):
    s, generator = ld.cosine_schedule(), torch.Generator().manual_seed(seed)
    model = ld.UNet(alpha_bar=s.alpha_bar, classes=10, generator=generator)
    run = ld.train(
        model, s, digits.images, labels=digits.labels, n_steps=N_STEPS, min_snr=5.0, generator=generator
    )
    *_, step = run
    return WithClusters(step.ema, digits, n_clusters=80, rank=16, generator=generator)


def sample(model, n, seed, counted, evaluations):
    """n digits, drawn by calling counted(model), a model that notes how often it is called."""
    start, n_steps, scale = PLANS[evaluations]
    labels, s, generator = torch.arange(n) % 10, ld.cosine_schedule(), torch.Generator().manual_seed(seed)
    xt = model.noised(s, start, labels, generator)
    model = ld.guided(counted(model), labels, scale)
    *_, end = ld.ddim_steps(
        model, s, xt=xt, t=start, n_steps=n_steps, eta=1.0, clip_x0=True, generator=generator
    )
    return end.x
