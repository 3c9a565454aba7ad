"""What a function did with one probe, as arrays and texts: all that leaves a student's kernel."""

from dataclasses import dataclass, field

import numpy as np

STOPS = ("not attempted", "library", "time", "signature")  # problems after which no further probe is tried


@dataclass(frozen=True)
class Outcome:
    """What a function did with one probe.

    Attributes:
        values: output name -> float64 array; empty if there is a problem.
        problem: "" | "not attempted" | "library" | "time" | "raised" | "type" | "signature".
        kind: for "raised" the exception's name; for "type" what came instead of a tensor.
        message, line: the exception's text and the student's own line.
        changed: names of arguments that were changed in place.
        random: names of outputs that other random numbers changed.
        notes: harmless oddities, such as a NumPy array for a tensor.
        printed, warned: what the function said.
        model_calls: x and t of the first calls of the probe's model, where it has one that records them.
    """

    values: dict[str, np.ndarray] = field(default_factory=dict)
    problem: str = ""
    kind: str = ""
    message: str = ""
    line: str = ""
    changed: tuple[str, ...] = ()
    random: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    printed: str = ""
    warned: str = ""
    model_calls: tuple[tuple[np.ndarray, np.ndarray], ...] = ()


def changed_values(a, b):
    """Names of the outputs in `a` that are not the same in `b`."""
    return tuple(
        k
        for k in a
        if k not in b or a[k].shape != b[k].shape or not np.allclose(a[k], b[k], 1e-6, 1e-7, equal_nan=True)
    )
