"""labdiff's own recipe without labels, for few evaluations, too: the network does not begin at noise.

At level START the noise hides what is wrong with a crude x_0. So x_0 is drawn from normal distributions of
clusters of digits, noised to that level, and denoised from there. Meng et al. 2022, "SDEdit", do the same
with a user's strokes.
"""

import torch

import labdiff as ld

N_STEPS = 700
LABELS = False  # whether train() looks at the labels
EVALUATIONS = (1, 2, 4, 10)
START = 450  # level at which the network begins
N_CLUSTERS, RANK = 200, 32


class WithClusters(torch.nn.Module):
    """A network, and clusters of data x (N, D) by k-means (Lloyd 1982): their sizes (K,), their means (K, D)
    and RANK main directions of each covariance (K, D, RANK)."""

    def __init__(self, network, x, generator):
        super().__init__()
        self.network = network
        self.mean = x[torch.randperm(len(x), generator=generator)[:N_CLUSTERS]]
        for _ in range(10):
            nearest = torch.cdist(x, self.mean).argmin(1)
            member = torch.nn.functional.one_hot(nearest, len(self.mean)).to(x)
            self.size = member.sum(0)
            moved = member.T @ x / self.size[:, None]
            self.mean = torch.where(self.size[:, None] > 0, moved, self.mean)
        self.root = torch.zeros(*self.mean.shape, RANK)
        for k in self.size.nonzero().flatten().tolist():
            mine = x[nearest == k]
            _, scale, directions = torch.pca_lowrank(mine, q=min(len(mine), RANK))
            self.root[k, :, : len(scale)] = directions * scale / len(mine) ** 0.5

    def forward(self, xt, t):
        return self.network(xt, t)

    def start(self, n, generator):
        """(n, D) of the clusters' normal distributions."""
        k = torch.multinomial(self.size, n, replacement=True, generator=generator)
        z = torch.randn(n, RANK, generator=generator)
        return self.mean[k] + torch.stack([self.root[i] @ row for i, row in zip(k, z)])


def train(digits, seed):
    s, generator = ld.cosine_schedule(), torch.Generator().manual_seed(seed)
    model = ld.UNet(alpha_bar=s.alpha_bar, generator=generator)
    *_, step = ld.train(model, s, digits.images, n_steps=N_STEPS, min_snr=5.0, generator=generator)
    return WithClusters(step.ema, digits.images.flatten(1), generator)


def sample(model, n, seed, counted, evaluations):
    """n digits, drawn by calling counted(model), a model that notes how often it is called."""
    s, generator = ld.cosine_schedule(), torch.Generator().manual_seed(seed)
    x0 = model.start(n, generator).view(n, 1, 28, 28)
    xt = ld.q_sample(s, x0, START, torch.randn(x0.shape, generator=generator))
    *_, end = ld.ddim_steps(
        counted(model), s, xt=xt, t=START, n_steps=evaluations, eta=1.0, clip_x0=True, generator=generator
    )
    return end.x
