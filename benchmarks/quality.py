"""How good samples are, in a classifier's features: Frechet distance to real digits, precision, recall and
classes; and in pixels: how even the background is."""

import torch
from torch import nn
from torch.nn import functional as F


class Classifier(nn.Module):
    """A small network. Calling it gives the 64 features of digits (B, 1, 28, 28); `head` makes classes of
    them."""

    def __init__(self):
        super().__init__()
        widths = [1, 32, 64, 64]
        self.body = nn.Sequential(
            *(
                layer
                for a, b in zip(widths, widths[1:])
                for layer in (
                    nn.Conv2d(a, b, 5, stride=2, padding=2, bias=False),
                    nn.BatchNorm2d(b),
                    nn.ReLU(),
                )
            )
        )
        self.features = nn.Sequential(nn.Flatten(), nn.Linear(64 * 4 * 4, 64), nn.ReLU())
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.features(self.body(x))


def train_classifier(digits, device="cpu", *, epochs=6, batch_size=128, seed=0):
    """A Classifier trained on `digits`, shifted by up to two pixels; in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = Classifier().to(device)
    images, labels = digits.images.to(device), digits.labels.to(device)
    n_steps = epochs * len(images) // batch_size
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, n_steps)
    for _ in range(n_steps):
        index = torch.randint(len(images), (batch_size,), generator=generator)
        shift = torch.randint(-2, 3, (2,), generator=generator).tolist()
        loss = F.cross_entropy(net.head(net(images[index].roll(shift, (2, 3)))), labels[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net.eval()


class Judge:
    """Compares samples with all real test digits.

    Args:
        net: a trained Classifier.
        test: the Digits to compare with.
    """

    def __init__(self, net, test):
        self.net = net
        self.real = self.features(test.images)
        self.background = test.images.amax(0) == test.images.min()  # pixels that no test digit touches
        self.accuracy = (self.classes(self.real).argmax(1) == test.labels).double().mean().item()

    @torch.no_grad()
    def features(self, images):
        device = self.net.head.weight.device
        return torch.cat([self.net(part.to(device)) for part in images.split(1000)]).double().cpu()

    @torch.no_grad()
    def classes(self, features):
        return self.net.head(features.float().to(self.net.head.weight.device)).softmax(1).cpu()

    def __call__(self, images):
        """The Frechet distance, precision and recall, the shares of the rarest and the commonest class, the
        mean confidence, and the std of the pixels that are background in all real digits, where it is 0."""
        images = images.clamp(-1, 1)
        features = self.features(images)
        classes = self.classes(features)
        share = classes.argmax(1).bincount(minlength=10) / len(images)
        return {
            "fd": frechet(features, self.real),
            "precision": inside(features, self.real),
            "recall": inside(self.real, features),
            "rarest": share.min().item(),
            "commonest": share.max().item(),
            "confidence": classes.max(1).values.mean().item(),
            "background": images[:, self.background.to(images.device)].std().item(),
        }


def inside(a, b, k=3, part=1000):
    """The share of features a (N, D) that are nearer to one of b (M, D) than that one's k-th neighbour in b.

    Precision for samples among real digits, recall for real digits among samples: guidance that buys a low
    Frechet distance with variety shows in the second.
    Source: Kynkaanniemi et al. 2019, "Improved precision and recall metric", eq. 1-2.
    """
    a, b = a.float(), b.float()
    k = min(k, len(b) - 1)
    radius = torch.cat(
        [torch.cdist(rows, b).topk(k + 1, largest=False).values[:, k] for rows in b.split(part)]
    )
    hits = sum((torch.cdist(rows, b) <= radius).any(1).sum().item() for rows in a.split(part))
    return hits / len(a)


def frechet(a, b):
    """Frechet distance of two sets of features (N, D): of the normal distributions with their means and
    covariances.

    |mean_a - mean_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))
    """
    cov_a, cov_b = a.T.cov(), b.T.cov()
    root = torch.linalg.eigvals(cov_a @ cov_b).real.clamp(min=0).sqrt().sum()  # the trace of the root
    return ((a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * root).item()
