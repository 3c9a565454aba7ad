"""The KL divergence of two normals: its formula, and the mistakes that are made with it."""

import torch

from labdiff.checks.exercises.exercise import catalogue, wrong


def kl(
    mean1,
    var1,
    mean2,
    var2,
    *,
    order=lambda *normals: normals,
    means=lambda m1, m2: m1 - m2,
    var=lambda v: v,
    log=lambda v1, v2: (v2 / v1).log(),
    ratio=lambda v1, v2: v1 / v2,
    square=lambda d, v1, v2: d**2 / v2,
    one=1,
    half=0.5,
    out=lambda kl: kl,
):
    mean1, var1, mean2, var2 = order(mean1, var1, mean2, var2)
    v1, v2 = var(var1), var(var2)
    return out(half * (log(v1, v2) + ratio(v1, v2) + square(means(mean1, mean2), v1, v2) - one))


def _both(d, v1, v2):
    return d**2 * (1 / v1 + 1 / v2) / 2


MISTAKES = catalogue(
    """
arguments-reversed: This is KL(p || q), the arguments the wrong way round. KL is not symmetric: (mean1, var1)
    is the distribution that the expectation is over, and var2 stands in the denominators.
variance-squared: You treat the variances as standard deviations and square them: a formula written for
    sigma. The arguments are variances already.
std-for-variance: You use standard deviations, sqrt(var), where the formula has variances.
std-for-variance/in-both: You use standard deviations, sqrt(var), in the two quotients, where the formula has
    variances.
std-for-variance/in-square: In the squared distance you divide by a standard deviation; the formula has var2.
std-for-variance/in-ratio: The quotient var1/var2 has standard deviations in your formula.
log-of-std: Your logarithm is of sigma2/sigma1 but stands inside the 1/2: take the logarithm of var2/var1
    there, or put log(sigma2/sigma1) outside.
log-inverted: The ratio in your logarithm is upside down: it is log(var2 / var1). Check: the KL of two equal
    normals is 0, and no KL is negative.
log-missing: The logarithm log(var2 / var1) is missing.
log-not-halved: The 1/2 belongs to the logarithm too: log(var2/var1) / 2 = log(sigma2/sigma1).
log-base-2: Your logarithm has base 2 or 10. The formula has the natural one, and the result is in nats.
ratio-inverted: The quotient of the variances is upside down: it is var1 / var2.
ratio-missing: The term var1 / var2 is missing: the first normal's spread costs something too.
divided-by-var1: You divide the squared distance by var1. It is var2, the variance of the second normal.
not-divided: The squared distance of the means has to be divided by var2.
not-squared: The distance of the means has to be squared.
means-missing: The means don't enter your result: (mean1 - mean2)^2 / var2 is missing.
means-only: You have only the squared distance of the means. That is enough when the variances are equal
    (S11); in general the terms with var1 belong to it.
half-missing: The factor 1/2 in front of it all is missing: it comes from the exponent of the normal density.
minus-one-missing: The -1 is missing. Check: the KL of two equal normals must be 0.
one-variance: Your formula has only one variance: that of the second normal is taken for 1. The KL of any two
    normals has both, var1 / var2 and (mean1 - mean2)^2 / var2.
half-missing/but-log: The factor 1/2 stands before the logarithm only. It belongs to all terms.
symmetric/sum: You add KL(q || p) and KL(p || q). The KL has a direction; only one of them is asked for.
negated: The sign is the wrong way round: a KL is never negative.
summed: You sum over the elements. The result is asked for element by element, in the arguments' shape.
averaged: You average over the elements. The result is asked for element by element, in the arguments' shape.
half-missing/quotients: The factor 1/2 is missing in front of the two quotients: log(sigma2/sigma1) has it
    already, var1/var2 and the squared distance do not.
halved-twice: The squared distance is halved twice: the 1/2 in front of it all is enough.
halved-twice/both: var1/var2 and the squared distance are halved twice: the 1/2 in front of it all is enough.
plus-one: You add 1 at the end. It is -1. Check: the KL of two equal normals must be 0.
log-of-quotient: You divide the logarithms. It is the logarithm of the quotient: log(var2) - log(var1).
means-added: You square the sum of the means. It is their difference, (mean1 - mean2)^2.
arguments-reversed/but-log: Your quotients are those of KL(p || q), the arguments the wrong way round: var1
    and the squared distance are divided by var2. The logarithm is right.
second-ignored: You assume a standard normal as the second one, as a VAE's formula does. Use mean2 and var2.
ratio-subtracted: You subtract the variances where the formula divides them: var1 / var2.
variance-squared/in-square: You divide the squared distance by var2^2. var2 is a variance, the square of
    sigma2, already.
minus-one-outside: The -1 stands outside of the factor 1/2. It is halved too: 1/2 (... - 1). Check: the KL of
    two equal normals must be 0.
squared-apart: You subtract the squares of the means. It is the square of their difference, (mean1 -
    mean2)^2.
log-of-difference: Your logarithm is of a difference of the variances. It is of their quotient, log(var2 /
    var1).
half-missing/square: The factor 1/2 is missing on the squared distance: it is (mean1 - mean2)^2 / (2 var2).
log-variance: You take var1 and var2 for logarithms of variances, as some code passes them. They are the
    variances themselves: no exp, and the log of their quotient.
symmetric: You take the mean of both directions. KL is not symmetric: it is that of the first from the second.
entropy-missing: You return the cross-entropy, or -log of the second density: the first one's entropy is still
    in it. KL is their difference.
variances-added: You divide the squared difference by var1 + var2. It is var2 alone.
""",
    wrong("arguments-reversed", order=lambda m1, v1, m2, v2: (m2, v2, m1, v1)),
    wrong("variance-squared", var=lambda v: v**2),
    wrong("std-for-variance", var=lambda v: v.sqrt()),
    wrong(
        "std-for-variance/in-both",
        ratio=lambda v1, v2: (v1 / v2).sqrt(),
        square=lambda d, v1, v2: d**2 / v2.sqrt(),
    ),
    wrong("std-for-variance/in-square", square=lambda d, v1, v2: d**2 / v2.sqrt()),
    wrong("std-for-variance/in-ratio", ratio=lambda v1, v2: (v1 / v2).sqrt()),
    wrong("log-of-std", log=lambda v1, v2: 0.5 * (v2 / v1).log()),
    wrong("log-inverted", log=lambda v1, v2: (v1 / v2).log()),
    wrong("log-missing", log=lambda v1, v2: 0 * v1),
    wrong("log-not-halved", log=lambda v1, v2: 2 * (v2 / v1).log()),
    wrong("log-base-2", log=lambda v1, v2: (v2 / v1).log2()),
    wrong("ratio-inverted", ratio=lambda v1, v2: v2 / v1),
    wrong("ratio-missing", ratio=lambda v1, v2: 0 * v1),
    wrong("divided-by-var1", square=lambda d, v1, v2: d**2 / v1),
    wrong("not-divided", square=lambda d, v1, v2: d**2),
    wrong("not-squared", square=lambda d, v1, v2: d / v2),
    wrong("not-squared", square=lambda d, v1, v2: d.abs() / v2),
    wrong("means-missing", square=lambda d, v1, v2: 0 * d),
    wrong(
        "means-only",
        log=lambda v1, v2: 0 * v1,
        ratio=lambda v1, v2: 0 * v1,
        one=0,
        square=lambda d, v1, v2: d**2 / v2,
    ),
    wrong("half-missing", half=1.0),
    wrong("minus-one-missing", one=0),
    wrong("negated", half=-0.5),
    wrong("summed", out=lambda kl: kl.sum()),
    wrong("averaged", out=lambda kl: kl.mean()),
    wrong("half-missing/quotients", half=1, one=0.5, log=lambda v1, v2: 0.5 * (v2 / v1).log()),
    wrong("halved-twice", square=lambda d, v1, v2: d**2 / (2 * v2)),
    wrong("halved-twice/both", ratio=lambda v1, v2: v1 / (2 * v2), square=lambda d, v1, v2: d**2 / (2 * v2)),
    wrong("plus-one", one=-1),
    wrong("log-base-2", log=lambda v1, v2: (v2 / v1).log10()),
    wrong("log-of-quotient", log=lambda v1, v2: v2.log() / v1.log()),
    wrong("means-added", order=lambda m1, v1, m2, v2: (m1, v1, -m2, v2)),
    wrong("arguments-reversed/but-log", ratio=lambda v1, v2: v2 / v1, square=lambda d, v1, v2: d**2 / v1),
    wrong("second-ignored", order=lambda m1, v1, m2, v2: (m1, v1, 0 * m2, v2 / v2)),
    wrong("ratio-subtracted", ratio=lambda v1, v2: v1 - v2),
    wrong("variance-squared/in-square", square=lambda d, v1, v2: d**2 / v2**2),
    wrong("minus-one-outside", one=2),
    wrong("minus-one-outside", one=0.5),
    wrong("squared-apart", means=lambda m1, m2: m1**2 - m2**2, square=lambda d, v1, v2: d / v2),
    wrong("log-of-difference", log=lambda v1, v2: (v2 - v1).log()),
    wrong("log-of-difference", log=lambda v1, v2: (v1 - v2).log()),
    wrong("half-missing/square", square=lambda d, v1, v2: 2 * d**2 / v2),
    wrong(
        "log-variance",
        log=lambda v1, v2: v2 - v1,
        ratio=lambda v1, v2: (v1 - v2).exp(),
        square=lambda d, v1, v2: d**2 * (-v2).exp(),
    ),
    wrong("symmetric", log=lambda v1, v2: 0, ratio=lambda v1, v2: (v1 / v2 + v2 / v1) / 2, square=_both),
    wrong("entropy-missing", log=lambda v1, v2: (2 * torch.pi * v2).log(), ratio=lambda v1, v2: 0, one=0),
    wrong("entropy-missing", log=lambda v1, v2: (2 * torch.pi * v2).log(), one=0),
    wrong("variances-added", square=lambda d, v1, v2: d**2 / (v1 + v2)),
    wrong(
        "one-variance", log=lambda v1, v2: -v1.log(), ratio=lambda v1, v2: v1, square=lambda d, v1, v2: d**2
    ),
    wrong("half-missing/but-log", half=1, log=lambda v1, v2: 0.5 * (v2 / v1).log()),
    wrong(
        "symmetric/sum", log=lambda v1, v2: v2 / v1, square=lambda d, v1, v2: d**2 * (1 / v1 + 1 / v2), one=2
    ),
)
