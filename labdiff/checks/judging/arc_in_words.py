"""What wrong weights of an arc mean together: another angle, another w, another length."""

import numpy as np

from labdiff.checks.judging.expressions import short
from labdiff.checks.judging.rows_in_words import examples, named, same


def _arc(rows, share=None, angle=None):
    """The weights of the arc at another share or angle."""
    w = np.array([row.group.quantities["w"] for row in rows]) if share is None else share
    theta = np.array([row.group.quantities["theta"] for row in rows]) if angle is None else angle
    return np.stack([np.sin((1 - w) * theta), np.sin(w * theta)], -1) / np.sin(theta)[:, None]


ANGLES = {
    "arcsin of the cosine": lambda theta: np.pi / 2 - theta,
    "the cosine itself": np.cos,
    "the sine of it": np.sin,
    "pi less it": lambda theta: np.pi - theta,
    "twice it": lambda theta: 2 * theta,
    "half of it": lambda theta: theta / 2,
    "its square": np.square,
    "its root": np.sqrt,
    "it divided by pi": lambda theta: theta / np.pi,
    "the angle in degrees": np.rad2deg,
    "it in [0, pi/2], cut off above": lambda theta: np.minimum(theta, np.pi / 2),
    "1 - the cosine": lambda theta: 1 - np.cos(theta),
    "arccos of the cosine's square": lambda theta: np.arccos(np.cos(theta) ** 2),
    "its tangent": np.tan,
}


def _straight(rows):
    """The straight line, for some samples."""
    off = [row for row in rows if row.off.any()]
    w = [row.group.quantities["w"] for row in off]
    if not same([row.got for row in off], np.stack([1 - np.array(w), w], -1)):
        return None
    return (
        f"For {'; '.join(row.group.at for row in off[:2])} you go along the straight line, (1 - w) a + w b; "
        "for the other samples along the arc, which is right at these angles too: the line is for angles "
        "near 0 alone."
    )


def _flipped(rows):
    """b turned round where the angle is above 90 degrees."""
    theta = np.array([row.group.quantities["theta"] for row in rows])
    far = theta > np.pi / 2
    turned = _arc(rows, angle=np.where(far, np.pi - theta, theta)) * np.where(far, -1, 1)[:, None] ** [[0, 1]]
    if not same([row.got for row in rows], turned):
        return None
    return (
        "You take -b in place of b where its angle to a is above 90 degrees, as one does with rotations. "
        "Here b and -b are two different samples: keep the sign."
    )


def _line_rescaled(rows):
    """The straight line, made longer or shorter."""
    w = np.array([row.group.quantities["w"] for row in rows])
    ratio = np.array([row.got for row in rows]) / np.stack([1 - w, w], -1)
    if not same(ratio[:, 0], ratio[:, 1]):
        return None
    return (
        "You go along the straight line and bring the result to another length: it is (1 - w) a + w b "
        f"times {examples(ratio[:, 0], rows)}. The steps are not even then. Go along the arc."
    )


def _turned(rows):
    got = np.array([row.got for row in rows])
    theta = np.array([row.group.quantities["theta"] for row in rows])
    for words, change in ANGLES.items():
        if same(got, _arc(rows, angle=change(theta)), 2e-2 if "degrees" in words else 2e-3):
            return (
                "Your weights are those of another angle: in place of theta = arccos(cosine) you take "
                f"{words}, {examples(change(theta), rows)}."
            )
    grid = np.linspace(0.02, 3.1, 1541)
    far = np.stack([np.abs(_arc(rows, angle=np.full(len(rows), x)) - got).max(-1) for x in grid])
    near = [_refined(row, grid[i]) for row, i in zip(rows, far.argmin(0), strict=True)]
    if not same(got, _arc(rows, angle=np.array(near))):
        return None
    near = np.array(near)
    batches = [
        [k for k, row in enumerate(rows) if row.probe == name]
        for name in dict.fromkeys(row.probe for row in rows)
    ]
    whole = [batch for batch in batches if len(batch) > 1]
    if whole and all(np.ptp(near[batch]) < 2e-3 for batch in whole):
        known = {
            "the first sample's": [theta[batch[0]] for batch in whole],
            "the mean of theirs": [theta[batch].mean() for batch in whole],
            "the largest of theirs": [theta[batch].max() for batch in whole],
            "the smallest of theirs": [theta[batch].min() for batch in whole],
        }
        found = [name for name, x in known.items() if same(near[[batch[0] for batch in whole]], x, 5e-3)]
        which = f", {found[0]}" if len(found) == 1 else ""
        return "mixes-samples", (
            f"You take one angle for all samples of a batch{which}: {short(near[whole[0][0]])} in the probe "
            f"of {rows[whole[0][0]].probe}. Each sample has its own."
        )
    wrong = [k for k, row in enumerate(rows) if row.off.any()]
    text = examples(near[wrong], [rows[k] for k in wrong])
    name = f"{found}, " if (found := named(near, rows)) else ""
    return f"Your weights are those of another angle than theta = arccos(cosine): you take {name}{text}."


def _refined(row, angle):
    """The angle near this one that fits the weights best."""
    step = 2e-3
    while step > 1e-7:
        tries = angle + step * np.array([-1, 0, 1])
        off = [np.abs(_arc([row], angle=np.array([x])) - row.got).max() for x in tries]
        angle, step = tries[int(np.argmin(off))], step / 2
    return angle


def _slid(rows):
    """The point of the arc at another w."""
    got = np.array([row.got for row in rows])
    theta = np.array([row.group.quantities["theta"] for row in rows])
    used = np.arctan2(got[:, 1] * np.sin(theta), got[:, 0] + got[:, 1] * np.cos(theta)) / theta
    if not same(got, _arc(rows, share=used)):
        return None
    name = named(used, rows)
    w = np.array([row.group.quantities["w"] for row in rows])
    for words, change in (
        ("3 w^2 - 2 w^3", 3 * w**2 - 2 * w**3),
        ("(1 - cos(pi w)) / 2", (1 - np.cos(np.pi * w)) / 2),
        ("sin(pi w / 2)", np.sin(np.pi * w / 2)),
    ):
        name = words if same(used, change) else name
    if np.ptp(used) < 1e-4:
        return f"Your result lies on the arc, but at w = {short(used[0])} whatever w is."
    first = [i for i in range(len(rows)) if not np.isclose(w[:i], w[i]).any()]
    return (
        "Your result lies on the arc, but elsewhere on it: in place of w you take "
        f"{name + ', ' if name else ''}{examples(used[first], [rows[i] for i in first])}."
    )


def _scaled(rows):
    """The right result, made longer or shorter."""
    ratio = np.array([row.got / row.right for row in rows])
    if not same(ratio[:, 0], ratio[:, 1]):
        return None
    name = named(ratio[:, 0], rows, ("sin(theta)",))
    text = f"Your result has the right direction and another length: it is the right one times {name or ''}"
    return f"{text}{'' if name else examples(ratio[:, 0], rows)}. The arc brings the length by itself."


def _between(rows):
    """A sum of the arc and the straight line."""
    w = np.array([row.group.quantities["w"] for row in rows])
    both = np.stack([np.ravel(_arc(rows)), np.ravel(np.stack([1 - w, w], -1))], -1)
    got = np.ravel([row.got for row in rows])
    shares, _, rank, _ = np.linalg.lstsq(both, got, rcond=None)
    if rank < 2 or not same(got, both @ shares) or min(abs(shares)) < 1e-3:
        return None
    arc, line = (short(share) for share in shares)
    return (
        f"Your result is {arc} times the right one plus {line} times the straight line (1 - w) a + w b. Take "
        "the arc alone."
    )


ARC = (_straight, _turned, _line_rescaled, _flipped, _slid, _scaled, _between)
