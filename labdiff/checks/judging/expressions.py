"""The simplest expression in given quantities that a row of numbers follows."""

import numpy as np


def expression(values, quantities, over=()):
    """The expression as text, or None.

    Args:
        values: numbers, one for each row.
        quantities: [name -> number] for each row, all with the same names; the first name is the quantity on
            which the values depend above all: it has to take three values at least.
        over: names of quantities by which products may be divided.
    """
    values, names = np.array(values, float), list(quantities[0])
    table = np.array([[row[name] for name in names] for row in quantities], float).T
    if not np.isfinite(values).all():
        return None
    if np.allclose(values, values.mean(), rtol=1e-4, atol=1e-4):
        return short(values.mean())
    if len(set(table[0].round(6))) < 3:
        return None
    with np.errstate(all="ignore"):
        for found in (_itself, _linear, _single, _power, _ratio, _product, _multiple):
            if (text := found(values, names, table, over)) is not None:
                return text
    return None


def _fits(values, candidates):
    """Index of the first row of candidates (n, rows) that the values follow, or None."""
    hits = np.isclose(candidates, values, rtol=3e-4, atol=1e-4).all(-1)
    return int(hits.argmax()) if hits.any() else None


def _itself(values, names, table, over):
    return names[i] if (i := _fits(values, table)) is not None else None


def _single(values, names, table, over):
    for words, made in (
        ("-{}", -table),
        ("1 - {}", 1 - table),
        ("1 / {}", 1 / table),
        ("-1 / {}", -1 / table),
        ("1 + {}", 1 + table),
        ("{} - 1", table - 1),
        ("1 + 1 / {}", 1 + 1 / table),
        ("1 - 1 / {}", 1 - 1 / table),
    ):
        if (i := _fits(values, made)) is not None:
            return words.format(_closed(names[i]))
    return None


def _ratio(values, names, table, over):
    for sign, words in ((1, ""), (-1, "-")):
        if (
            i := _fits(values, (sign * table[:, None] / table[None]).reshape(-1, table.shape[1]))
        ) is not None:
            above, below = divmod(i, len(names))
            return f"{words}{_closed(names[above])} / {_closed(names[below])}"
    return None


def _product(values, names, table, over):
    product = (table[:, None] * table[None]).reshape(-1, table.shape[1])
    for below in ("", *over):
        divisor = table[names.index(below)] if below else 1
        for sign, words in ((1, ""), (-1, "-")):
            if (i := _fits(values, sign * product / divisor)) is not None:
                one, other = divmod(i, len(names))
                divided = f" / {_closed(below)}" if below else ""
                both = (
                    f"{_closed(names[one])}^2"
                    if one == other
                    else f"{_closed(names[one])} {_closed(names[other])}"
                )
                return f"{words}{both}{divided}"
    return None


def _linear(values, names, table, over):
    """c + k x and 1 / (c + k x), x the first quantity."""
    x = table[0]
    for words, y in (("{}", values), ("1 / {}", 1 / values)):
        if np.isfinite(y).all():
            k, c = np.polyfit(x, y, 1)
            if abs(k) > 1e-3 and _fits(y, (c + k * x)[None]) is not None:
                slope = names[0] if abs(abs(k) - 1) < 1e-4 else f"{abs(k):.4g} {names[0]}"
                sign = "+" if k > 0 else "-"
                line = f"{c:.4g} {sign} {slope}" if abs(c) > 1e-3 else f"{sign.strip('+')}{slope}"
                return words.format(_closed(line) if words != "{}" else line)
    return None


def _power(values, names, table, over):
    """The first quantity to a power."""
    x = table[0]
    if not (x > 0).all() or not (values > 0).all():
        return None
    power = np.polyfit(np.log(x), np.log(values), 1)[0]
    return f"{names[0]}^{power:.3g}" if _fits(values, (x**power)[None]) is not None else None


def _multiple(values, names, table, over):
    """A quantity, its inverse or a ratio of two, times a number."""
    for words, made in (
        ([_closed(n) for n in names], table),
        ([f"1 / {_closed(n)}" for n in names], 1 / table),
        (
            [f"{_closed(n)} / {_closed(m)}" for n in names for m in names],
            (table[:, None] / table[None]).reshape(-1, len(values)),
        ),
    ):
        ratios = values / made
        usual = np.nanmedian(ratios, -1, keepdims=True)
        hits = np.isfinite(ratios).all(-1) & np.isclose(ratios, usual, rtol=3e-4, atol=0).all(-1)
        if hits.any():
            i = int(hits.argmax())
            return f"{short(usual[i].item())} {words[i]}".replace(" 1 / ", " / ")
    return None


def short(number):
    return f"{round(float(number), 6) + 0:.4g}"


def _closed(name):
    """The name, in brackets where it is a sum or a product."""
    depth, open_ = 0, False
    for sign in name:
        depth += (sign in "([{") - (sign in ")]}")
        open_ |= sign == " " and depth == 0
    return f"({name})" if open_ else name
