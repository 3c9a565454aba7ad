"""Notebook 06: classifier-free guidance, two predictions of the noise made into one."""

import torch

from labdiff import guidance
from labdiff.checks.exercises.arc import norm
from labdiff.checks.exercises.exercise import Exercise, Form, catalogue, functions_of, wrong
from labdiff.checks.exercises.probes import numbers, picture, pixels, with_one_alone
from labdiff.checks.in_kernel.probe import Probe


def guided(
    eps_none,
    eps_label,
    scale,
    *,
    base=lambda none, label: none,
    change=lambda none, label: label - none,
    strength=lambda w: w,
    out=lambda eps, none, label, w: eps,
):
    eps = base(eps_none, eps_label) + strength(scale) * change(eps_none, eps_label)
    return out(eps, eps_none, eps_label, scale)


def _probes(seed):
    (none, label), others = pixels(seed, 2)
    probes = []

    def add(name, none, label, scale, **options):
        probes.append(Probe(name, (none, label, scale), **options))

    for scale in (2.0, 0.5):
        name = f"one pixel, scale = {scale:g}"
        add(name, none, label, scale)
        add(f"{name}, another eps_none", others[0], label, scale, twin=(name, "eps_none"))
        add(f"{name}, another eps_label", none, others[1], scale, twin=(name, "eps_label"))
    add("one pixel, scale = 1 (eps_label)", none, label, 1.0)
    add("one pixel, scale = 0 (eps_none)", none, label, 0.0)
    add("three samples, scale = 7.5", *numbers(seed + 2, (3, 1, 3, 4), 2), 7.5)
    add("an int as scale", *numbers(seed + 3, (2, 3, 2, 2), 2), 3)
    add("float64", *numbers(seed + 4, (2, 1, 3, 5), 2, torch.float64), 1.5)
    add("2-D data (3, 2)", *numbers(seed + 5, (3, 2), 2), 1.5)
    ring = torch.cat([picture(seed), picture(seed).mT])
    add("two pictures", *numbers(seed + 6, (2, 1, 16, 16), 1), ring, 1.5, picture=True)
    return with_one_alone(probes, "three samples, scale = 7.5")


def _rescaled(eps, none, label, w):
    return eps * label.std() / eps.std()


def _rescaled_each(eps, none, label, w):
    axes = tuple(range(1, eps.ndim))
    return eps * label.std(axes, keepdim=True) / eps.std(axes, keepdim=True)


def _rescaled_to_length(eps, none, label, w):
    return eps * norm(label) / norm(eps)


MISTAKES = catalogue(
    """
one-plus-scale: You take 1 + scale where scale belongs. Ho and Salimans write their weight so that 0 means no
    guidance; here scale = 1 is eps_label itself, and 0 is eps_none.
swapped: The two predictions are swapped: you start from eps_label and go towards eps_none. Start from
    eps_none and go scale times the way to eps_label.
difference-reversed: The difference is the wrong way round: eps_none - eps_label leads away from the label.
    It is eps_none + scale (eps_label - eps_none).
difference-missing: You add scale eps_label to eps_none. What is scaled is the *difference* that the label
    makes, eps_label - eps_none; yours grows in size with scale, and at scale = 1 it is not eps_label.
only-difference: You return the scaled difference alone. It is added to eps_none.
without-none: You scale eps_label alone: eps_none never enters. Guidance is the way from eps_none to
    eps_label, gone on.
ignores-label: The label's prediction never enters your result.
ignores-scale: You return eps_label: scale never enters your result. That is scale = 1 only.
scale-minus-one: You take scale - 1 where scale belongs: scale = 1 is then no label at all.
averaged: You take the mean of the two predictions. It is eps_none + scale (eps_label - eps_none).
averaged/weights: You divide by the weights, so that your result lies between the two. Guidance goes *beyond*
    eps_label when scale > 1.
plus-for-minus: You add the two predictions where their difference belongs: eps_label - eps_none.
both-scaled: You scale eps_none too. Only the difference eps_label - eps_none is scaled.
clamped: You clamp the result to [-1, 1]. Noise is Gaussian and goes beyond.
scale-clamped: You clamp scale to 1. Guidance goes beyond eps_label: that is what it is for.
rescaled: You bring the result back to the standard deviation of eps_label. Some samplers do that afterwards;
    the formula is without it.
root-of-scale: You take a square root of scale. It enters as it is, once.
scale-squared: You square scale, or use it twice. It enters as it is, once.
sign-of-none: The part of eps_none has the wrong sign: it is scale eps_label + (1 - scale) eps_none, whose
    weights add up to 1.
divided-by-scale: You divide by scale at the end. It is eps_none + scale (eps_label - eps_none) as it stands.
scale-on-none: Your scale stands with eps_none. It scales the difference eps_label - eps_none.
weights-not-one: Your weights do not add up to 1. It is scale eps_label + (1 - scale) eps_none: where both
    predictions agree, so does the result.
halved: Half of the guidance is missing: the scaled difference is not halved.
bracket: Your scale is added to eps_none and multiplies the difference together with it. It is eps_none +
    scale (eps_label - eps_none).
squared-difference: You square the difference. It enters as it is.
multiplied: You multiply the two predictions. It is eps_none + scale (eps_label - eps_none).
guided-twice: You guide twice: starting from eps_label, you add 1 + scale times the difference. It is
    eps_none + scale (eps_label - eps_none).
rescaled/mixed: You bring the result towards the standard deviation of eps_label, as some samplers do
    afterwards (guidance_rescale). The formula is without it.
distance-for-difference: You take the absolute value of the difference. Its sign says where the label leads.
clamped/difference: You clamp the difference to [-1, 1]. It enters as it is.
sign-of-difference: You take only the sign of the difference. It enters as it is, with its size.
unit-difference: You divide the difference by its length. How long it is, is what the label has to say.
""",
    wrong("one-plus-scale", strength=lambda w: 1 + w),
    wrong("swapped", base=lambda none, label: label, change=lambda none, label: none - label),
    wrong("difference-reversed", change=lambda none, label: none - label),
    wrong("difference-missing", change=lambda none, label: label),
    wrong("only-difference", base=lambda none, label: 0 * none),
    wrong("without-none", base=lambda none, label: 0 * none, change=lambda none, label: label),
    wrong("ignores-label", out=lambda eps, none, label, w: none),
    wrong("ignores-label", out=lambda eps, none, label, w: w * none),
    wrong("ignores-scale", strength=lambda w: 1),
    wrong("scale-minus-one", strength=lambda w: w - 1),
    wrong("averaged", strength=lambda w: 0.5),
    wrong("averaged/weights", out=lambda eps, none, label, w: (none + w * label) / (1 + w)),
    wrong("plus-for-minus", change=lambda none, label: label + none),
    wrong("both-scaled", out=lambda eps, none, label, w: w * (none + label)),
    wrong("clamped", out=lambda eps, none, label, w: eps.clamp(-1, 1)),
    wrong("scale-clamped", strength=lambda w: min(w, 1)),
    wrong("rescaled", out=_rescaled),
    wrong("root-of-scale", strength=lambda w: w**0.5),
    wrong("scale-squared", strength=lambda w: w**2),
    wrong("sign-of-none", out=lambda eps, none, label, w: w * label + (w - 1) * none),
    wrong("divided-by-scale", out=lambda eps, none, label, w: eps / w if w else eps),
    wrong("scale-on-none", out=lambda eps, none, label, w: w * none + label),
    wrong("scale-on-none", out=lambda eps, none, label, w: w * none + (1 + w) * label),
    wrong("weights-not-one", out=lambda eps, none, label, w: label - w * none),
    wrong("weights-not-one", out=lambda eps, none, label, w: w * label - none),
    wrong("halved", strength=lambda w: w / 2),
    wrong("multiplied", out=lambda eps, none, label, w: w * none * label),
    wrong("multiplied", out=lambda eps, none, label, w: none + w * label * none),
    wrong("bracket", out=lambda eps, none, label, w: (none + w) * (label - none)),
    wrong("squared-difference", change=lambda none, label: (label - none) ** 2),
    wrong("guided-twice", strength=lambda w: 2 + w),
    wrong("rescaled", out=_rescaled_each),
    wrong("rescaled", out=_rescaled_to_length),
    wrong("rescaled/mixed", out=lambda *args: 0.7 * _rescaled(*args) + 0.3 * args[0]),
    wrong("rescaled/mixed", out=lambda *args: 0.7 * _rescaled_each(*args) + 0.3 * args[0]),
    wrong("distance-for-difference", change=lambda none, label: (label - none).abs()),
    wrong("clamped/difference", change=lambda none, label: (label - none).clamp(-1, 1)),
    wrong("sign-of-difference", change=lambda none, label: (label - none).sign()),
    wrong("unit-difference", change=lambda none, label: (label - none) / norm(label - none)),
    wrong("multiplied", out=lambda eps, none, label, w: w * none * (label - none)),
)

EXERCISE = Exercise(
    name="guided_eps",
    arguments=("eps_none", "eps_label", "scale"),
    outputs=("eps_hat",),
    slide="S15; Ho & Salimans 2022, eq. 6 with scale = 1 + w",
    meaning="Guidance goes on in the direction that the label makes: clearer digits, less variety.",
    formula=guided,
    make_probes=_probes,
    mistakes=MISTAKES,
    forms=(Form("eps_none + scale (eps_label - eps_none)"),),
    blocked=functions_of(guidance),
    factors=("eps_none", "eps_label"),
)
