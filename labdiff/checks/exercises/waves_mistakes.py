"""The embedding of t: the mistakes that are made with it."""

import math

import torch

from labdiff.checks.exercises.exercise import catalogue, wrong


def _expanded(t, w):
    return t[:, None].expand(-1, len(w))


def _by_rows(sine, cosine):
    return torch.where(torch.arange(len(sine))[:, None] % 2 == 0, sine, cosine)


def _in_turn(sine, cosine):
    return torch.where(torch.arange(sine.shape[1]) % 2 == 0, sine, cosine)


def _one_hot(t, _):
    return torch.nn.functional.one_hot(t[:, 0].long(), 1001)[:, : 2 * t.shape[1]].double()


def _bits(t, _):
    return ((t[:, :1].long() >> torch.arange(2 * t.shape[1])) & 1).double()


def _w(waves):
    return 10000 ** (-torch.arange(waves.shape[1], dtype=torch.float64) / waves.shape[1])


def _outside(sine, cosine):
    w = 10000 ** (-torch.arange(sine.shape[1], dtype=torch.float64) / sine.shape[1])
    return torch.cat([sine * w, cosine * w], 1)


MISTAKES = catalogue(
    """
exponent-positive: Your angles grow with k, t * 10000^(+k/half): the minus sign in the exponent is missing,
    or you divide where you should multiply. The frequencies fall from 1.
half-the-range: You divide k by dim in the exponent. k runs to dim/2 only, so the frequencies end at 1/100;
    divide by half = dim/2.
doubled-exponent: Your exponent is -2k/half, twice too large: the frequencies fall too quickly. It is -k/half
    = -2k/dim.
exponent-not-divided: You don't divide k by half = dim/2 in the exponent: already the second frequency is
    1/10000.
log-missing: The logarithm is missing: exp(-log(10000) k/half) falls to 1/10000, exp(-k/half) only to about
    1/e.
frequencies-vanish: All your frequencies but the first are 0: exp(-10000 k/half) with the logarithm missing
    does that, and so do whole numbers for w_k. It is exp(-log(10000) k/half), not rounded.
starts-at-k-1: Your k starts at 1. It starts at 0, so that the fastest wave has frequency 1.
wrong-base: Your frequencies fall to about 1/1000. The formula has 10000.
wrong-base/large: Your frequencies fall to about 1/100000. The formula has 10000.
no-cosine: Both halves are sines. One has to be the cosine: with sines alone t and its mirror image look
    alike.
no-cosine/at-all: Your columns are all sines, at dim frequencies. Take dim/2 frequencies; each gives a sine
    and a cosine.
no-sine: Both halves are cosines. One has to be the sine.
t-not-used: Your rows are all the same: the frequencies are not multiplied with t.
cycles: You multiply by 2 pi: with w_0 = 1 every whole t then gives sin = 0, cos = 1. The angle is t * w_k.
t-scaled: Your angles are a thousand times too small: t goes in as it is, 1..T, not as t/1000.
off-by-one: You embed t-1. The angles are t * w_k, with the slides' t.
added-for-multiplied: You add t and the frequencies. The angle is their product.
transposed: Your result is (dim, B): rows and columns are swapped. Each t gets a row.
half-the-columns: Your result has dim/2 columns: sines and cosines *both* have dim/2.
half-the-columns/added: Your result has dim/2 columns: sines and cosines are added. Put them side by side.
twice-the-columns: Your result has 2 dim columns: take dim/2 frequencies, each gives a sine and a cosine.
joined-along-batch: You put sines and cosines below each other, (2B, dim/2). Join them along the columns,
    dim=1.
cosine-at-other-frequency: Your cosines have other frequencies than your sines: the exponent is 2k/dim for
    both columns of a pair, not i/dim for column i.
frequencies-grow-linearly: Your frequencies are 1, 2, 3, ..: they grow by addition. They fall by a constant
    factor, 10000^(-k/half).
frequencies-linear: Your frequencies fall by equal steps, from 1 to 1/10000. They fall by a constant factor,
    10000^(-k/half).
negated: The sign of your columns is the wrong way round. The angle is t * w_k.
degrees: You convert to radians. The angle t * w_k is in radians already.
half-angle: Your angles are half of t * w_k. The factor 1/2 does not belong there.
wrong-base/log10: You take the logarithm to base 10. The formula has the natural one: exp(-log(10000)
    k/half).
no-waves: Your columns are the angles themselves. Take their sine and cosine.
no-waves/t: Your columns are t itself. Multiply it by the frequencies, and take sine and cosine.
waves-along-batch: Sine and cosine change from row to row: [::2] takes every other t of the batch. Every t
    needs both: take [:, ::2] and [:, 1::2], or torch.cat along dim=1.
first-t-for-all: You use the first t for all rows. Each t gets its own.
place-for-t: Your rows are numbered 0, 1, 2, ..: you embed the place in the batch, not t.
angles-rounded: Your angles are rounded to whole numbers. t is int64: turn it into floats before it is
    multiplied with the frequencies.
negated/cosine: The sign of your cosines is the wrong way round.
scaled: Your columns are scaled, by sqrt(dim) as a transformer does with its inputs. They are sine and cosine
    themselves.
t-scaled/large: Your angles are a thousand times too large: t goes in as it is, 1..T, not as 1000 t.
powers-of-two: Your frequencies are powers of 2. They fall by a constant factor, 10000^(-k/half).
frequencies-linear/to-0: Your frequencies fall by equal steps. They fall by a constant factor,
    10000^(-k/half).
frequencies-are-1: All your frequencies are 1: k // half is 0. Divide with /, not with //.
frequency-outside: You multiply sin(t) by the frequencies. They belong into the sine: sin(t * w_k).
rounded: Your columns are whole numbers: you cast the result to t's dtype. Sines and cosines need floats.
wrong-base/other: Your frequencies fall to another number than about 1/10000: look at the base of the power.
wrong-base/log2: You take the logarithm to base 2. The formula has the natural one: exp(-log(10000) k/half).
other-function: Your columns are another function of the angle than sine and cosine (tan, sigmoid, tanh, an
    absolute value or a product). They are sin(t w_k) and cos(t w_k).
t-scaled/log: You take the logarithm or the root of t first. t goes in as it is, 1..T.
t-scaled/cycles: You divide t by 1000 and multiply by 2 pi. t goes in as it is, 1..T.
t-scaled/largest: You divide t by the largest t of the batch: the same t then gets another row in another
    batch.
scaled/to-0-1: You bring the columns to 0..1. They are sine and cosine themselves.
scaled/length: You divide the rows by their length. They are sine and cosine themselves.
off-by-one/up: You embed t+1. The angles are t * w_k, with the slides' t.
one-hot: Your columns are zeros and ones, a code of t. The formula has sine and cosine at dim/2 frequencies.
t-not-used/half: Half of your columns do not depend on t: t * w_k belongs into the sine *and* the cosine.
frequency-missing: Half of your columns have the frequency 1: w_k belongs into the sine *and* the cosine.
cosine-at-other-frequency/all: Each of your columns has a frequency of its own. Sine and cosine of a pair
    share it: there are dim/2.
squared: You square the sines and cosines. They are the columns as they are.
""",
    wrong("exponent-positive", sign=1),
    wrong("half-the-range", exponent=lambda k, half: k / (2 * half)),
    wrong("doubled-exponent", exponent=lambda k, half: 2 * k / half),
    wrong("exponent-not-divided", exponent=lambda k, half: k),
    wrong("log-missing", base=math.e),
    wrong("frequencies-vanish", sign=-10000, base=math.e),
    wrong("starts-at-k-1", exponent=lambda k, half: (k + 1) / half),
    wrong("wrong-base", base=1000),
    wrong("wrong-base/large", base=100000),
    wrong("no-cosine", second=torch.sin),
    wrong("no-cosine/at-all", count=lambda dim: dim, join=lambda a, b: a),
    wrong("no-sine", first=torch.cos),
    wrong("t-not-used", angle=lambda t, w: w.expand(len(t), -1)),
    wrong("cycles", angle=lambda t, w: 2 * math.pi * t[:, None] * w),
    wrong("t-scaled", angle=lambda t, w: t[:, None] / 1000 * w),
    wrong("off-by-one", angle=lambda t, w: (t[:, None] - 1) * w),
    wrong("added-for-multiplied", angle=lambda t, w: t[:, None] + w),
    wrong("transposed", join=lambda a, b: torch.cat([a, b], 1).T),
    wrong("half-the-columns", join=lambda a, b: a),
    wrong("half-the-columns/added", join=lambda a, b: a + b),
    wrong("twice-the-columns", count=lambda dim: dim),
    wrong("joined-along-batch", join=lambda a, b: torch.cat([a, b], 0)),
    wrong("cosine-at-other-frequency", second=lambda a: torch.cos(a * 10000 ** (-0.5 / a.shape[1]))),
    wrong("frequencies-linear", frequencies=lambda half: torch.linspace(1, 1e-4, half, dtype=torch.float64)),
    wrong("frequencies-grow-linearly", frequencies=lambda half: torch.arange(half, dtype=torch.float64)),
    wrong("frequencies-grow-linearly", frequencies=lambda half: torch.arange(half, dtype=torch.float64) + 1),
    wrong("negated", first=lambda a: -torch.sin(a), second=lambda a: -torch.cos(a)),
    wrong("degrees", angle=lambda t, w: t[:, None] * w * math.pi / 180),
    wrong("half-angle", angle=lambda t, w: t[:, None] * w / 2),
    wrong("wrong-base/log10", base=math.e**4),
    wrong("no-waves", first=lambda a: a, second=lambda a: a),
    wrong("no-waves/t", angle=_expanded, first=lambda a: a, second=lambda a: a),
    wrong("no-waves/t", angle=lambda t, w: _expanded(t, w) / 1000, first=lambda a: a, second=lambda a: a),
    wrong("waves-along-batch", count=lambda dim: dim, join=_by_rows),
    wrong("waves-along-batch", join=lambda a, b: _by_rows(a, b).repeat(1, 2)),
    wrong("waves-along-batch", join=lambda a, b: _by_rows(a, b).repeat_interleave(2, 1)),
    wrong("first-t-for-all", angle=lambda t, w: (t[:1, None] * w).expand(len(t), -1)),
    wrong("place-for-t", angle=lambda t, w: torch.arange(len(t), dtype=t.dtype)[:, None] * w),
    wrong("angles-rounded", angle=lambda t, w: (t[:, None] * w).trunc()),
    wrong("negated/cosine", second=lambda a: -torch.cos(a)),
    wrong("scaled", join=lambda a, b: torch.cat([a, b], 1) * (2 * a.shape[1]) ** 0.5),
    wrong("t-scaled/large", angle=lambda t, w: 1000 * t[:, None] * w),
    wrong("powers-of-two", frequencies=lambda half: 2.0 ** -torch.arange(half, dtype=torch.float64)),
    wrong("powers-of-two", frequencies=lambda half: 2.0 ** torch.arange(half, dtype=torch.float64)),
    wrong("frequencies-linear/to-0", frequencies=lambda half: 1 - torch.arange(half).double() / half),
    wrong("frequencies-are-1", frequencies=lambda half: torch.ones(half, dtype=torch.float64)),
    wrong("frequency-outside", angle=lambda t, w: _expanded(t, w), join=_outside),
    wrong("rounded", join=lambda a, b: torch.cat([a, b], 1).trunc(), sign=-1),  # never beside another sign
    wrong("squared", join=lambda a, b: torch.cat([a, b], 1) ** 2),
    *(
        wrong(
            "wrong-base/other",
            frequencies=lambda half, base=base: base ** (-torch.arange(half).double() / half),
        )
        for base in (1e6, 1e7, 5e3, 2e3, 5e4, 2e4, 5e2, 50.0, 10.0, 2.0)
    ),
    wrong("wrong-base/log2", base=math.exp(math.log2(10000))),
    wrong("other-function", first=torch.sigmoid, second=torch.tanh),
    wrong("other-function", first=lambda a: a.sin().abs(), second=lambda a: a.cos().abs()),
    wrong("other-function", first=lambda a: a.sin() * a.cos(), second=lambda a: a.sin() * a.cos()),
    wrong("t-scaled/log", angle=lambda t, w: t.log()[:, None] * w),
    wrong("t-scaled/log", angle=lambda t, w: t.sqrt()[:, None] * w),
    wrong("t-scaled/cycles", angle=lambda t, w: 2 * math.pi * t[:, None] / 1000 * w),
    wrong("t-scaled/largest", angle=lambda t, w: (t / t.max())[:, None] * w),
    wrong("scaled/to-0-1", join=lambda a, b: (torch.cat([a, b], 1) + 1) / 2),
    wrong("scaled/length", join=lambda a, b: torch.cat([a, b], 1) / a.shape[1] ** 0.5),
    wrong("off-by-one/up", angle=lambda t, w: (t[:, None] + 1) * w),
    wrong("one-hot", angle=_expanded, first=lambda a: a, second=lambda a: a, join=_one_hot),
    wrong("one-hot", angle=_expanded, first=lambda a: a, second=lambda a: a, join=_bits),
    wrong("t-not-used/half", join=lambda a, b: torch.cat([a, _w(b).cos().expand_as(b)], 1)),
    wrong("t-not-used/half", join=lambda a, b: torch.cat([_w(a).sin().expand_as(a), b], 1)),
    wrong("frequency-missing", join=lambda a, b: torch.cat([a, b[:, :1].expand_as(b)], 1)),  # w_0 = 1
    wrong("frequency-missing", join=lambda a, b: torch.cat([a[:, :1].expand_as(a), b], 1)),
    wrong(
        "cosine-at-other-frequency/all",
        count=lambda dim: dim,
        join=_in_turn,
        exponent=lambda k, half: 2 * k / half,
    ),
)
