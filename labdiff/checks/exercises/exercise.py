"""What an exercise is made of: the right formula and the catalogue of wrong ones, as data."""

import functools
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations


@dataclass(frozen=True, eq=False)
class Mistake:
    """One entry of a catalogue: a wrong formula, told by the parts in which it differs from the right one.

    Attributes:
        id: short name; entries with the same id are spellings of one mistake.
        hint: what the mistake is and where to look, for the student.
        parts: keyword arguments for the exercise's formula. Two mistakes in different parts also make a
            recognised pair.
    """

    id: str
    hint: str
    parts: dict


def catalogue(hints, *entries):
    """Mistakes from a text of hints and a table of wrong formulas.

    Args:
        hints: paragraphs that begin with "id: " or "id/place: ", one for each mistake or place where it is
            made.
        entries: wrong(key, **parts) where key is one of these, or Mistakes of another catalogue.
    """
    found = re.split(r"^([a-z][\w/-]*): ", hints, flags=re.M)
    texts = {key: " ".join(text.split()) for key, text in zip(found[1::2], found[2::2], strict=False)}
    unused = texts.keys() - {entry[0] for entry in entries if not isinstance(entry, Mistake)}
    if unused:
        raise ValueError(
            f"catalogue: hints: expected a wrong formula for each, got none for {sorted(unused)}"
        )
    return tuple(
        entry if isinstance(entry, Mistake) else Mistake(entry[0].split("/")[0], texts[entry[0]], entry[1])
        for entry in entries
    )


def wrong(key, **parts):
    return key, parts


@dataclass(frozen=True, eq=False)
class Form:
    """One of the right answers: its name, and the parts that make it."""

    label: str
    parts: dict = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Exercise:
    """An exercise as data.

    Attributes:
        name: as in check(name, function).
        arguments: names of the function's arguments, in order.
        outputs: names of what it returns.
        slide: where the formula stands.
        meaning: one sentence on what a right answer means.
        formula: function(*args, **parts), right when called without parts.
        make_probes: function(seed) -> list of Probe, the smallest first.
        mistakes: the catalogue.
        forms: all that is right; the first is the default.
        blocked: labdiff's functions through which all that the student has to write could be had, also for a
            schedule of one's own: a jump to level 1 is a step.
        call: function(student's function, args) -> outputs; None to just call it.
        same: function(expected, got, rtol) -> bool on two arrays of one shape; None for element by element.
        factors: arguments in which the first output is linear, for the clue that reads off their factors.
        terms: function(*args) -> {name: (groups, numbers)}: the terms whose sum is right, with factors of
            their own for each group, and others met in wrong answers; for the clue that reads them off.
        may_be_full_shape: outputs that may also have the full shape of the first output, all copies alike.
        intermediates: function(*args) -> {name: number or tensor}, the right intermediate results, to follow
            a probe by hand.
        judged_by: "numbers", compared with the formula's; or "features" of a training step, see
            training_features.py.
    """

    name: str
    arguments: tuple[str, ...]
    outputs: tuple[str, ...]
    slide: str
    meaning: str
    formula: Callable
    make_probes: Callable
    mistakes: tuple[Mistake, ...]
    forms: tuple[Form, ...]
    blocked: tuple[Callable, ...]
    call: Callable | None = None
    same: Callable | None = None
    factors: tuple[str, ...] = ()
    terms: Callable | None = None
    may_be_full_shape: tuple[str, ...] = ()
    intermediates: Callable | None = None
    judged_by: str = "numbers"

    @functools.lru_cache(maxsize=64)  # noqa: B019  exercises live as long as the program
    def probes(self, seed):
        """The probes of this seed: the same objects each time, so that results of formulas can be cached."""
        return tuple(self.make_probes(seed))

    def candidates(self, size):
        """Groups of `size` mistakes that can be made at once, with the formula's keyword arguments."""
        for group in combinations(self.mistakes, size):
            names = [name for m in group for name in m.parts]
            if len(set(names)) < len(names) or len({m.id for m in group}) < size:
                continue
            wrong = {name: part for m in group for name, part in m.parts.items()}
            for form in self.forms:
                if not form.parts.keys() & wrong.keys():
                    yield group, {**form.parts, **wrong}


def functions_of(*modules):
    """All functions and methods of these modules: for an exercise that each of them would answer, in its own
    way."""
    own = [x for m in modules for x in vars(m).values() if getattr(x, "__module__", "") == m.__name__]
    methods = [f for c in own if isinstance(c, type) for name, f in vars(c).items() if name[:2] != "__"]
    return tuple(f for f in (*own, *methods) if inspect.isfunction(f))
