"""Numbers and texts that depend on controls.

A table has one row for each combination of the values of its `axes`, names of controls.
"""

import numpy as np
import torch


def texts(entries, axes=("t",)):
    """A table of texts."""
    return {"axes": list(axes), "texts": list(entries)}


def linear(axes=("t",), **terms):
    """A number that is the sum of entry * value: for each control in terms a table of entries (P,)."""
    return {"axes": list(axes), "terms": {name: as_double(table) for name, table in terms.items()}}


def numbers(rows):
    """A small table: {label: texts(), or (linear(), digits), or (a number's name in bayes(), digits)}; digits
    None for a number >= 0 that may be very small.
    """
    rows = {
        label: row if isinstance(row, dict) else {"value": row[0], "digits": row[1]}
        for label, row in rows.items()
    }
    return {"type": "numbers", "rows": [{"label": label} | row for label, row in rows.items()]}


def as_double(values):
    return np.asarray(values.detach().cpu() if isinstance(values, torch.Tensor) else values, np.float64)


def as_real(values):
    return (
        values.detach().cpu()
        if isinstance(values, torch.Tensor) and values.dtype == torch.float32
        else as_double(values)
    )
