"""The arc between two draws of noise: the mistakes that are made with it."""

import torch

from labdiff.checks.exercises.arc import cosine, dot, norm, slerp
from labdiff.checks.exercises.exercise import catalogue, wrong


def _flat(a, b):
    return (a * b).flatten(1).sum(1) / (a.flatten(1).norm(dim=1) * b.flatten(1).norm(dim=1))


def _linear(x, a, b, w):
    return (1 - w) * a + w * b


def _undone(w, theta):
    """A weight whose division by sin(theta) is undone."""
    return torch.sin(w * theta) * torch.sin(theta)


def _length(a, b, w):
    return (1 - w) * norm(a) + w * norm(b)


def _mean(x):
    return x.flatten(1).mean(1).reshape(-1, *[1] * (x.ndim - 1))


def _spread(x):
    return x.flatten(1).std(1).reshape(-1, *[1] * (x.ndim - 1))


def _over(*axes):
    """The cosine along these axes only."""
    return lambda a, b: (
        (a * b).sum(axes, keepdim=True) / (a.norm(dim=axes, keepdim=True) * b.norm(dim=axes, keepdim=True))
    )


MISTAKES = catalogue(
    """
linear: You go along the straight line (1 - w) a + w b. Half-way between two draws of noise its variance is
    only half of theirs, and the sampler gets a picture too grey for level T. Go along the arc: sin((1 - w)
    theta) a + sin(w theta) b, over sin(theta).
linear/swapped: You go along the straight line, and from b to a. Half-way its variance is only half of that
    of a and b. Go along the arc: sin((1 - w) theta) a + sin(w theta) b, over sin(theta).
linear-rescaled: You go along the straight line and bring the result back to a length. That keeps the
    variance, but the steps are not even. Go along the arc: sin((1 - w) theta) a + sin(w theta) b, over
    sin(theta).
root-weights: Your weights are sqrt(1 - w) and sqrt(w). They keep the variance of two *independent* draws;
    the arc uses the angle that the two really have.
cosine-weights: Your weights are those of a right angle, cos(w pi/2) and sin(w pi/2). Take the angle theta
    that each sample of a and b really has.
batch-angle: Your angle is one for the whole batch. Each sample has its own: sum over its pixels only, for
    example with flatten(1).
pixel-angle: Your angle is that of single pixels or rows, not that of whole samples. Sum over all axes but
    the first, for example with flatten(1).
not-reshaped: Your angles have the shape (B,) and meet the columns W. Give them the shape (B, 1, 1, 1).
swapped-w: w and 1 - w are swapped: w = 0 has to be a, and w = 1 has to be b.
no-norms: Your cosine is the dot product alone. Divide it by the lengths of a and b, or arccos gets numbers
    beyond 1.
no-norms/one: Your cosine is divided by one of the lengths only. Divide the dot product by both, of a and of
    b.
no-norms/mean: Your cosine is the mean of the products, which is right for numbers of variance 1 on average
    only. Divide the dot product by both lengths.
squared-norms: You divide the dot product by the squared lengths. The cosine is dot / (|a| |b|).
no-angle: You use the cosine where the angle belongs: theta = arccos(cosine).
wrong-angle: You take arcsin. The angle is theta = arccos(cosine).
not-divided: The division by sin(theta) is missing: w = 0 does not give a.
divided-by-theta: You divide by theta. It is sin(theta), so that w = 0 gives a.
cosine-for-sine: Your weights are cosines. They are sin((1 - w) theta) and sin(w theta).
unit-length: You divide a and b by their lengths, and the result has length 1. Lengths belong into the cosine
    only.
one-minus-missing: Your weight of a is sin(theta) - sin(w theta). It is sin((1 - w) theta).
one-minus-missing/bracket: Your weight of a is sin(1 - w theta). Brackets are missing: sin((1 - w) theta).
degrees: Your angle is in degrees. torch.sin takes radians, as torch.acos gives them.
no-angle/cosine: You take the cosine or sine of the cosine. The angle is theta = arccos(cosine).
only-a: b never enters your result. The path goes from a (w = 0) to b (w = 1).
divided-by-cosine: You divide by cos(theta). It is sin(theta), so that w = 0 gives a.
circle: Your weights are cos(w theta) and sin(w theta). That turns from a towards a direction at right
    angles; b is reached with sin((1 - w) theta) and sin(w theta), over sin(theta).
norms-added: You divide the dot product by the sum of the lengths. It is their product.
batch-angle/norms: You divide each sample's dot product by the lengths of the whole batch. Each sample has
    its own.
w-ignored: w never enters your result: it is the mean of a and b.
wrong-sign: You subtract the part of b. The two parts are added.
unit-length/result: You divide the result by its length. The arc keeps the length by itself.
half-angle: You take half of the angle. theta = arccos(cosine) is all of it.
geometric: You multiply powers of a and b. The path is a sum, with weights sin((1 - w) theta) and sin(w
    theta).
not-divided/one: Only one of your two parts is divided by sin(theta). Put brackets around their sum.
unit-length/rescaled: You divide a and b by their lengths and bring the result back to a length afterwards.
    They enter as they are; lengths belong into the cosine only.
root-weights/circle: Your weights are w and sqrt(1 - w^2): the squares add up to 1, which keeps the variance
    of two *independent* draws. The arc uses the angle that the two really have.
linear/reversed: You go from a away from b: the difference is the wrong way round. And the way is not the
    straight line, but the arc: sin((1 - w) theta) a + sin(w theta) b, over sin(theta).
divided-twice: You divide by sin(theta) twice. Once is enough: w = 0 has to give a.
multiplied: You multiply by sin(theta). Divide by it, so that w = 0 gives a.
halved: Your result is half of what it should be. The two parts are added, not averaged.
no-sine: Your weights are angles, (1 - w) theta and w theta. Take their sines.
shortest-path: You turn b round where its angle to a is above 90 degrees, as one does with rotations. Here b
    and -b are two different samples: keep the sign.
centred: You subtract means before you take the cosine: that is a correlation. The angle is that of a and b
    as they are.
switched: You return a for small w and b for large w. The path between them is an arc.
""",
    wrong("linear", out=_linear),
    wrong("linear/swapped", out=lambda x, a, b, w: w * a + (1 - w) * b),
    wrong("linear-rescaled", out=lambda x, a, b, w: _linear(x, a, b, w) / (w**2 + (1 - w) ** 2) ** 0.5),
    wrong(
        "linear-rescaled", out=lambda x, a, b, w: _linear(x, a, b, w) / norm(_linear(x, a, b, w)) * norm(a)
    ),
    wrong(
        "linear-rescaled",
        out=lambda x, a, b, w: _linear(x, a, b, w) / norm(_linear(x, a, b, w)) * _length(a, b, w),
    ),
    wrong("root-weights", out=lambda x, a, b, w: (1 - w) ** 0.5 * a + w**0.5 * b),
    wrong("cosine-weights", angle=lambda c: torch.acos(0 * c)),
    wrong("batch-angle", cosine=lambda a, b: (a * b).sum() / (a.norm() * b.norm())),
    wrong("pixel-angle", cosine=_over(1)),
    wrong("pixel-angle", cosine=_over(-1)),
    wrong("pixel-angle", cosine=_over(-2, -1)),
    wrong("not-reshaped", cosine=_flat),
    wrong("swapped-w", share=lambda w: 1 - w),
    wrong("no-norms", cosine=dot),
    wrong("no-norms", cosine=lambda a, b: dot(a, b).clamp(-1, 1)),
    wrong("no-norms", cosine=lambda a, b: dot(a, b).clamp(-1 + 1e-6, 1 - 1e-6)),
    wrong("no-norms", cosine=lambda a, b: dot(a, b).clamp(-1 + 1e-7, 1 - 1e-7)),
    wrong("no-norms/one", cosine=lambda a, b: dot(a, b) / norm(a)),
    wrong("no-norms/one", cosine=lambda a, b: dot(a, b) / norm(a) ** 2),
    wrong("no-norms/mean", cosine=lambda a, b: dot(a, b) / a[0].numel()),
    wrong("squared-norms", cosine=lambda a, b: dot(a, b) / (norm(a) ** 2 * norm(b) ** 2)),
    wrong("no-angle", angle=lambda c: c),
    wrong("wrong-angle", angle=torch.asin),
    wrong("not-divided", down=torch.ones_like),
    wrong("divided-by-theta", down=lambda theta: theta),
    wrong("cosine-for-sine", weights=lambda w, theta: (torch.cos((1 - w) * theta), torch.cos(w * theta))),
    wrong("unit-length", unit=lambda x: x / norm(x)),
    wrong(
        "one-minus-missing",
        weights=lambda w, theta: (torch.sin(theta) - torch.sin(w * theta), torch.sin(w * theta)),
    ),
    wrong(
        "one-minus-missing/bracket", weights=lambda w, theta: (torch.sin(1 - w * theta), torch.sin(w * theta))
    ),
    wrong("degrees", angle=lambda c: torch.acos(c).rad2deg()),
    wrong("no-angle/cosine", angle=torch.cos),
    wrong("no-angle/cosine", angle=torch.sin),
    wrong("only-a", weights=lambda w, theta: (torch.sin((1 - w) * theta), 0 * theta)),
    wrong("divided-by-cosine", down=torch.cos),
    wrong(
        "circle", weights=lambda w, theta: (torch.cos(w * theta), torch.sin(w * theta)), down=torch.ones_like
    ),
    wrong("norms-added", cosine=lambda a, b: dot(a, b) / (norm(a) + norm(b))),
    wrong("batch-angle/norms", cosine=lambda a, b: dot(a, b) / (a.norm() * b.norm())),
    wrong("w-ignored", out=lambda x, a, b, w: (a + b) / 2),
    wrong("wrong-sign", weights=lambda w, theta: (torch.sin((1 - w) * theta), -torch.sin(w * theta))),
    wrong("unit-length/result", out=lambda x, a, b, w: x / norm(x)),
    wrong("half-angle", angle=lambda c: torch.acos(c) / 2),
    wrong("geometric", out=lambda x, a, b, w: a ** (1 - w) * b**w),
    wrong("geometric", out=lambda x, a, b, w: a * (b / a) ** w),
    wrong("not-divided/one", weights=lambda w, theta: (torch.sin((1 - w) * theta), _undone(w, theta))),
    wrong("not-divided/one", weights=lambda w, theta: (_undone(1 - w, theta), torch.sin(w * theta))),
    wrong("unit-length/rescaled", unit=lambda x: x / norm(x), out=lambda x, a, b, w: x * norm(a)),
    wrong("unit-length/rescaled", unit=lambda x: x / norm(x), out=lambda x, a, b, w: x * _length(a, b, w)),
    wrong(
        "unit-length/rescaled",
        unit=lambda x: x / norm(x),
        out=lambda x, a, b, w: x * norm(a) ** (1 - w) * norm(b) ** w,
    ),
    wrong("root-weights/circle", out=lambda x, a, b, w: (1 - w**2) ** 0.5 * a + w * b),
    wrong("root-weights/circle", out=lambda x, a, b, w: (1 - w) * a + (1 - (1 - w) ** 2) ** 0.5 * b),
    wrong("linear-rescaled", out=lambda x, a, b, w: _linear(x, a, b, w) / norm(_linear(x, a, b, w))),
    wrong("linear-rescaled", out=lambda x, a, b, w: _linear(x, a, b, w) / _linear(x, a, b, w).std()),
    wrong("linear-rescaled", out=lambda x, a, b, w: _linear(x, a, b, w) / _spread(_linear(x, a, b, w))),
    wrong("linear/reversed", out=lambda x, a, b, w: a + w * (a - b)),
    wrong("divided-twice", down=lambda theta: torch.sin(theta) ** 2),
    wrong("multiplied", down=lambda theta: 1 / torch.sin(theta)),
    wrong("halved", out=lambda x, a, b, w: x / 2),
    wrong("no-sine", weights=lambda w, theta: ((1 - w) * theta, w * theta)),
    wrong("no-sine", weights=lambda w, theta: ((1 - w) * theta, w * theta), down=torch.ones_like),
    wrong("shortest-path", out=lambda x, a, b, w: slerp(a, torch.where(dot(a, b) < 0, -b, b), w)),
    wrong("shortest-path", angle=lambda c: torch.acos(c.abs())),
    wrong("centred", cosine=lambda a, b: cosine(a - a.mean(), b - b.mean())),
    wrong("centred", cosine=lambda a, b: cosine(a - _mean(a), b - _mean(b))),
    wrong("switched", out=lambda x, a, b, w: a if w < 0.5 else b),
    wrong("pixel-angle", cosine=_over(0)),
)
