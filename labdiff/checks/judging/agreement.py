"""Whether two outcomes are the same numbers."""

import numpy as np

ATOL = 1e-6


def close(expected, got, rtol):
    """Element by element; NaN equals NaN. The tolerance includes the mean size, for numbers that cancel."""
    sizes = np.abs(expected)
    size = sizes.sum() / max(1, sizes.size)
    if not np.isfinite(size):
        finite = np.isfinite(expected)
        if not np.array_equal(finite, np.isfinite(got)):
            return False
        if not finite.all():
            same = np.array_equal(expected[~finite], got[~finite], equal_nan=True)
            return same and close(expected[finite], got[finite], rtol)
    return bool((np.abs(expected - got) <= ATOL + rtol * (sizes + size)).all())


def agrees(exercise, expected, got, rtol):
    """Whether two Outcomes have the same numbers in the same shapes, or the same kind of exception."""
    if expected.problem or got.problem:
        return (expected.problem, expected.kind) == (got.problem, got.kind)
    same = exercise.same or close
    full = expected.values[exercise.outputs[0]].shape
    for name, want in expected.values.items():
        have = got.values[name]
        if name in exercise.may_be_full_shape and have.shape == full and want.ndim == have.ndim:
            want = np.broadcast_to(want, have.shape)
        if want.shape != have.shape or not same(want, have, rtol):
            return False
    return True
