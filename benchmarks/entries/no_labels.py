"""labdiff's own recipe without labels, for few evaluations, too: the network does not begin at noise."""

import torch
from clusters import WithClusters

import labdiff as ld

N_STEPS = 700
LABELS = False  # whether train() looks at the labels
EVALUATIONS = (1, 2, 4, 10)
START = 450  # level at which the network begins


def train(digits, seed):
    s, generator = ld.cosine_schedule(), torch.Generator().manual_seed(seed)
    model = ld.UNet(alpha_bar=s.alpha_bar, generator=generator)
    *_, step = ld.train(model, s, digits.images, n_steps=N_STEPS, min_snr=5.0, generator=generator)
    return WithClusters(step.ema, digits, n_clusters=200, rank=32, generator=generator)


def sample(model, n, seed, counted, evaluations):
    """n digits, drawn by calling counted(model), a model that notes how often it is called."""
    s, generator = ld.cosine_schedule(), torch.Generator().manual_seed(seed)
    xt = model.noised(s, START, torch.zeros(n, dtype=torch.int64), generator)
    *_, end = ld.ddim_steps(
        counted(model), s, xt=xt, t=START, n_steps=evaluations, eta=1.0, clip_x0=True, generator=generator
    )
    return end.x
