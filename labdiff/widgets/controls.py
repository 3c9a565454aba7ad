"""The controls of a panel: sliders and lists to choose from."""

import traitlets

from labdiff.signature import plain
from labdiff.widgets.panel import Control


class OneOf(traitlets.TraitType):
    """A trait that takes the given values only."""

    def __init__(self, values, **metadata):
        self.values = values
        super().__init__(values[0], **metadata)

    def validate(self, obj, value):
        if (value := plain(value)) in self.values:
            return value
        shown = [*self.values] if len(self.values) < 12 else [*self.values[:3], "...", self.values[-1]]
        raise traitlets.TraitError(
            f"{self.name}: expected one of {', '.join(map(str, shown))}, got {value!r}"
        )


class Whole(traitlets.Int):
    """An int; NumPy's count."""

    def validate(self, obj, value):
        return super().validate(obj, plain(value))


class Real(traitlets.Float):
    """A number; NumPy's count."""

    def validate(self, obj, value):
        return super().validate(obj, plain(value))


def slider(function, name, low, high, start, *, step=1, label=None, speak=None, digits=None):
    """A slider over low..high; whole numbers when step is 1. `function` is named in errors."""
    if (
        isinstance(start, bool)
        or not isinstance(start, (int, float) if step != 1 else int)
        or not low <= start <= high
    ):
        kind = "a number" if step != 1 else "an int"
        raise ValueError(f"{function}: {name}: expected {kind} in {low}..{high}, got {start!r}")
    trait = (Whole if step == 1 else Real)(low, min=low, max=high)
    return Control(
        name,
        trait,
        start,
        {
            "kind": "range",
            "min": low,
            "max": high,
            "step": step,
            "label": label or name,
            "speak": speak,
            "digits": digits,
        },
    )


def stops(name, values, start, *, label=None, speak=None, labels=None, play=False, only=None):
    """A slider over the given values, shown as labels; with play=True the buttons of a player beside it.

    `only` {control: value}: it is disabled while another control has another value.
    """
    return Control(
        name,
        OneOf(values),
        start,
        {
            "kind": "range",
            "values": list(values),
            "label": label or name,
            "speak": speak,
            "labels": labels,
            "play": play,
            "only": only,
        },
    )


def t_slider(function, s, levels, start):
    """A slider over t: all of levels, which are 0..T or 1..T, or a part of those."""
    low = levels[0]
    control = slider(function, "t", low, s.T, start, speak="noise level t")
    if len(levels) == s.T + 1 - low:
        return control
    return stops("t", levels, min(levels, key=lambda level: abs(level - start)), speak="noise level t")


def button(name, label):
    """A button that counts how often it was pressed."""
    return Control(name, traitlets.Int(0, min=0), 0, {"kind": "button", "label": label})


def mark(name, of, high, label):
    """A button that notes where the control `of` stands, 0..high; -1 until it is pressed."""
    return Control(name, traitlets.Int(-1, min=-1, max=high), -1, {"kind": "mark", "of": of, "label": label})


def choice(name, values, *, label=None, labels=None):
    """A list to choose from, shown as labels; it starts with the first."""
    spec = {"kind": "choice", "values": list(values), "label": label or name, "labels": labels}
    return Control(name, OneOf(values), values[0], spec)
