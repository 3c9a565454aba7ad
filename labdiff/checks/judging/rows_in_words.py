"""What several views of factors share: a name for a row of numbers, whether two rows agree, and examples."""

import numpy as np

from labdiff.checks.judging.expressions import expression, short


def named(values, rows, over=()):
    return expression(values, [row.group.quantities for row in rows], over)


def same(one, other, rtol=1e-3):
    return np.allclose(one, other, rtol=rtol, atol=5e-4)


def examples(values, rows):
    """The first value that is shown for each of the first three places; of one for all places, its number."""
    if np.ptp(values) < 1e-4:
        return f"{short(values[0])} for every one"
    shown = dict(zip((row.group.at for row in reversed(rows)), reversed(values), strict=True))
    return ", ".join(f"{short(value)} for {at}" for at, value in [*shown.items()][::-1][:3])
