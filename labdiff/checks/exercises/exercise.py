"""What an exercise is made of: the right formula, the catalogue of wrong ones. Data only; nothing runs here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations


@dataclass(frozen=True)
class Mistake:
    """One entry of a catalogue: a wrong formula, told by the parts in which it differs from the right one.

    Attributes:
        id: short name; entries with the same id are spellings of one mistake.
        hint: what the mistake is and where to look, for the student.
        parts: keyword arguments for the exercise's formula. Two mistakes in different parts also make a recognised pair.
    """

    id: str
    hint: str
    parts: dict


def mistake(id, hint, **parts):
    return Mistake(id, hint, parts)


@dataclass(frozen=True)
class Form:
    """One of the right answers: its name, and the parts that make it."""

    label: str
    parts: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Exercise:
    """An exercise as data.

    Attributes:
        name: as in check(name, function).
        arguments: names of the function's arguments, in order.
        outputs: names of what it returns.
        slide: where the formula stands.
        meaning: one sentence on what a right answer means.
        formula: function(*args, **parts), right when called without parts.
        probes: function(seed) -> list of Probe, the smallest first.
        mistakes: the catalogue.
        forms: all that is right; the first is the default.
        blocked: labdiff's functions that the student has to write.
        call: function(student's function, args) -> outputs; None to just call it.
        same: function(expected, got, rtol) -> bool on two arrays of one shape; None for element by element.
        factors: arguments in which the first output is linear, for the clue that reads off their factors.
        loose: outputs that may also have the full shape of the first output, all copies alike.
        way: function(args) -> {name: number or tensor}, the right intermediate results, to follow a probe by hand.
        verdict: function(exercise, probes, outcomes) for an exercise that is not judged number by number, see behaviour.py.
    """

    name: str
    arguments: tuple
    outputs: tuple
    slide: str
    meaning: str
    formula: Callable
    probes: Callable
    mistakes: tuple
    forms: tuple
    blocked: tuple
    call: Callable = None
    same: Callable = None
    factors: tuple = ()
    loose: tuple = ()
    way: Callable = None
    verdict: Callable = None

    def candidates(self, size):
        """Groups of `size` mistakes that can be made at once, and the keyword arguments of the formula that makes them."""
        for group in combinations(self.mistakes, size):
            names = [name for m in group for name in m.parts]
            if len(set(names)) < len(names) or len({m.id for m in group}) < size:
                continue
            wrong = {name: part for m in group for name, part in m.parts.items()}
            for form in self.forms:
                if not form.parts.keys() & wrong.keys():
                    yield group, {**form.parts, **wrong}
