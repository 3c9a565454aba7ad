"""The factors of a result that is a sum of arguments, or of something made of them, read off and named."""

import itertools
from dataclasses import replace

import numpy as np
import torch

from labdiff.checks.judging.chosen_numbers import by_another_mask, one_of
from labdiff.checks.judging.expressions import expression, short
from labdiff.checks.judging.fitted_sums import Row, fitted
from labdiff.checks.judging.sums import KNOWN, OTHER, SUMS, by_sign
from labdiff.checks.judging.sums_in_words import in_words

# what may stand in an argument's place
CHANGES = {
    "clamped to [-1, 1]": lambda x: x.clamp(-1, 1),
    "without its sign": torch.abs,
    "squared": torch.square,
    "its sign only": torch.sign,
    "of the first sample": lambda x: x[:1].expand_as(x),
    "its mean over the batch": lambda x: x.mean(0, keepdim=True).expand_as(x),
    "its mean over each sample": lambda x: x.mean(tuple(range(1, x.ndim)), keepdim=True).expand_as(x),
    "less its mean over each sample": lambda x: x - x.mean(tuple(range(1, x.ndim)), keepdim=True),
    "of the samples in reversed order": lambda x: x.flip(0),
    "turned upside down or sideways": lambda x: x.flip(-1),
    "its mean over each row": lambda x: x.mean(-1, keepdim=True).expand_as(x),
    "a number in its place": torch.ones_like,
}
DEPENDS = (
    " One pixel shows that the factors depend on the numbers: look for a length, a dot product, a spread "
    "or a maximum."
)
MIXING = {  # what mixes with what
    "of the first sample": "sample",
    "its mean over the batch": "sample",
    "of the samples in reversed order": "sample",
    "its mean over each row": "pixel",
}


def read_sums(seen):
    """(id, sentences) on the factors, where the result is a sum of the right terms, or of nearly those."""
    known = SUMS.get(seen.exercise.name)
    if known is None:
        return None
    terms = list(known.right)
    for twins in (True, False):  # one pixel may do otherwise, where a length or a mean enters
        rows = fitted(seen, known, terms, twins=twins)
        if rows is not None:
            told = _told(seen, known, terms, rows)
            return told and (told[0], told[1] + ("" if twins else DEPENDS))
    if (rows := fitted(seen, known, [*terms, "1"])) is not None and any(
        abs(row.got[-1]) > 1e-3 for row in rows
    ):
        return _with_a_number(seen, known, terms, rows)
    for term, (words, change) in itertools.product(terms, CHANGES.items()):
        rows = fitted(seen, known, terms, {term: change})
        if rows is not None and any(np.abs(row.got[terms.index(term)]) > 1e-3 for row in rows):
            told = _told(seen, known, terms, rows)
            return f"{term}-changed", (
                f"Your result has {term} {words} where {term} as it is belongs."
                + (f" {told[1]}" if told else "")
            )
    for words, kind in MIXING.items():
        others = {f"{term} ({words})": CHANGES[words] for term in terms}
        rows = fitted(seen, known, [*terms, *others], others)
        if rows is not None and any(np.abs(row.got[len(terms) :]).max() > 1e-3 for row in rows):
            used = [n for i, n in enumerate([*terms, *others]) if any(abs(row.got[i]) > 1e-3 for row in rows)]
            return f"mixes-{kind}s", (
                f"Your result is made of {' and '.join(used)}: {kind}s mix. Each {kind} has only its own "
                f"numbers in its result, {' and '.join(terms)}."
            )
    if seen.exercise.name == "interpolate" and fitted(seen, replace(known, groups=by_sign), terms):
        return "pixel-angle", (
            "Your weights are one pair of numbers where a and b have the same sign, and another one where "
            "they have not: your angle is that of single pixels. Sum over all axes but the first, for "
            "example with flatten(1)."
        )
    told = by_another_mask(seen) if seen.exercise.name == "inpaint_step" else None
    return told or one_of(seen, terms)


def _with_a_number(seen, known, terms, rows):
    name = expression([row.got[-1] for row in rows], [row.group.quantities for row in rows], known.over)
    shown = max(rows, key=lambda row: abs(row.got[-1]))
    number = name or f"{short(shown.got[-1])} for {shown.group.at}"
    rows = [Row(row.probe, row.group, row.right[:-1], row.got[:-1]) for row in rows]
    if all(np.abs(row.got).max() < 1e-6 for row in rows):
        return "number-added", f"Your result is one number, {number}: neither {' nor '.join(terms)} enters."
    told = _told(seen, known, terms, rows)
    return "number-added", (
        f"You add a number, {number}, the same to every pixel of a sample." + (f" {told[1]}" if told else "")
    )


def _told(seen, known, terms, rows):
    """(id, sentences) on the factors that are wrong, or None."""
    wrong = [term for i, term in enumerate(terms) if any(row.off[i] for row in rows)]
    if not wrong:
        return None
    id = "+".join(f"factor-of-{term}" for term in wrong)
    if all(np.abs(row.got).max() < 1e-6 for row in rows):
        return id, f"Your result is 0: neither {' nor '.join(terms)} enters."
    off = [row for row in rows if row.off.any()]
    if len(off) < len(rows) and all(np.abs(row.got).max() < 1e-6 for row in off):
        places = list(dict.fromkeys(f"{row.group.at}{row.group.part}" for row in off))
        return id, f"Your result is 0 for {', '.join(places[:4])}; elsewhere it is right."
    whole = in_words(seen.exercise.name, rows)
    if whole is not None:
        return whole[0] or id, whole[1]
    fine = [term for term in terms if term not in wrong]
    sentences = []
    for part in dict.fromkeys(row.group.part for row in rows):
        mine = [row for row in rows if row.group.part == part]
        for term in wrong:
            sentences += _sentence(known, terms.index(term), term, part, mine)
    if fine:
        sentences.append(f"The factor of {' and '.join(fine)} is right.")
    return id, " ".join(sentences)


def _sentence(known, i, term, part, rows):
    off = [row for row in rows if row.off[i]]
    if not off:
        return
    whole, named = (
        expression([row.got[i] for row in some], [row.group.quantities for row in some], known.over)
        for some in (rows, off)
    )
    rest = [row.got[i] - row.right[i] for row in rows]
    beside = None if whole or named else expression(rest, [row.group.quantities for row in rows], known.over)
    named = whole or named
    should = known.right[term]
    if part:
        should = {KNOWN: "0" if term == "x_prev" else should, OTHER: "1" if term == "x_prev" else "0"}[part]
    got, right = short(off[0].got[i]), short(off[0].right[i])
    fine = sorted({row.group.at for row in rows} - {row.group.at for row in off})
    where = f" It is right for {' and '.join(fine)}." if 0 < len(fine) < 3 and not whole else ""
    only = sorted({row.group.at for row in off})
    if len(fine) > 2 and len(only) < 3 and not whole:
        where = f" That is so for {' and '.join(only)} only."
    if beside is not None:
        yield f"Your factor of {term}{part} is the right one, {should}, plus {beside}."
        return
    if named == "0":
        yield f"{term} does not enter your result{part}; its factor is {should}.{where}"
    else:
        numbers = named if named == got else f"{named + ', ' if named else ''}{got} for {off[0].group.at}"
        yield (
            f"Your factor of {term}{part} is {numbers}; right is "
            f"{should}{'' if right == should else ', ' + right}.{where}"
        )
