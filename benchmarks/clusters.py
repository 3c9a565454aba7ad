"""Where samples with few evaluations of a network may begin: at rough digits, not at noise.

At a middle level the noise hides what is wrong with a crude x_0. So x_0 is drawn from normal distributions of
clusters of digits, noised to that level, and denoised from there. Meng et al. 2022, "SDEdit", do the same
with a user's strokes.
"""

import torch

import labdiff as ld


class WithClusters(torch.nn.Module):
    """A network, and clusters of the digits of each label, by k-means (Lloyd 1982).

    Kept are the sizes (C, K), means (C, K, D) and `rank` main directions of the covariances (C, K, D, rank)
    of K clusters of each of C labels. Clusters of fewer than 2 rank digits, which these numbers would nearly
    give back, are dropped: no digit is kept. Digits whose labels are all equal have one label, 0.

    Args:
        network: what forward() calls.
        digits: what it was trained on.
        n_clusters, rank: for each label; less where a label has fewer than 4 rank digits for each cluster.
        generator: draws the digits that k-means begins with.
    """

    def __init__(self, network, digits, n_clusters, rank, generator):
        super().__init__()
        self.network = network
        self.classes = getattr(network, "classes", None)
        of_labels = [digits.images[digits.labels == label].flatten(1) for label in digits.labels.unique()]
        fewest = min(map(len, of_labels))
        rank = max(1, min(rank, fewest // 4))
        n_clusters = max(1, min(n_clusters, fewest // (4 * rank)))
        clusters = [normals(x, n_clusters, rank, generator) for x in of_labels]
        self.size, self.mean, self.root = map(torch.stack, zip(*clusters))

    def forward(self, *args):
        return self.network(*args)

    def noised(self, s, t, labels, generator):
        """x_t (n, 1, 28, 28) of rough digits of these labels (n,), at level t of schedule s."""
        k = torch.empty_like(labels)
        for label in labels.unique():
            these = labels == label
            k[these] = torch.multinomial(self.size[label], these.sum(), True, generator=generator)
        z = torch.randn(len(labels), self.root.shape[-1], generator=generator)
        x0 = torch.stack([self.mean[c, i] + self.root[c, i] @ row for c, i, row in zip(labels, k, z)])
        x0 = x0.view(-1, 1, 28, 28)
        return ld.q_sample(s, x0, t, torch.randn(x0.shape, generator=generator))


def normals(x, n_clusters, rank, generator):
    """The clusters of x (N, D): their sizes (K,), means (K, D) and main directions (K, D, rank)."""
    mean = x[torch.randperm(len(x), generator=generator)[:n_clusters]]
    for _ in range(10):
        nearest = torch.cdist(x, mean).argmin(1)
        member = torch.nn.functional.one_hot(nearest, len(mean)).to(x)
        size = member.sum(0)
        mean = torch.where(size[:, None] > 0, member.T @ x / size[:, None], mean)
    size[size < 2 * rank] = 0
    mean[size == 0] = 0
    root = torch.zeros(*mean.shape, rank)
    for k in size.nonzero().flatten().tolist():
        mine = x[nearest == k]
        _, scale, directions = torch.pca_lowrank(mine, q=min(len(mine), rank))
        root[k, :, : len(scale)] = directions * scale / len(mine) ** 0.5
    return size, mean, root
