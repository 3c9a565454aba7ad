"""One call of the student's function, as data."""

from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Probe:
    """One call of the student's function.

    Attributes:
        name: what is special about it, for people.
        args: what the function is called with (each call gets a copy).
        rtol: how far, relative to the size of the expected numbers, an answer may be off: float32 loses
            digits in 1 - alpha_bar.
        required: False: a failure becomes a note, never a reason to refuse.
        used_for_diagnosis: False: a failure is a reason to refuse, but is not compared with the catalogue's
            mistakes; for an edge case that wrong formulas treat in many ways.
        twin: (name of the base probe, the argument that differs from it), for reading off the factor of that
            argument.
        picture: whether it is worth looking at.
    """

    name: str
    args: tuple
    rtol: float = 1e-4
    required: bool = True
    used_for_diagnosis: bool = True
    twin: tuple[str, ...] = ()
    picture: bool = False
