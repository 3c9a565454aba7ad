"""The factors with which arguments add up to a result, for groups of its numbers, by least squares."""

import itertools
from dataclasses import dataclass, replace

import numpy as np

from labdiff.checks.judging.agreement import close
from labdiff.checks.judging.sums import Group


@dataclass(frozen=True)
class Row:
    """The factors of one group of numbers: as they should be, and as they are."""

    probe: str
    group: Group
    right: np.ndarray
    got: np.ndarray

    @property
    def off(self):
        return np.abs(self.got - self.right) > 1e-3 * (1 + np.abs(self.right))


def fitted(seen, known, terms, changes=(), twins=False):
    """A Row for each group that has enough numbers to prove it; None where one is no such sum."""
    rows = _twins(seen, known, terms) if twins else []
    if rows is None:
        return None
    for probe, expected, outcome in seen.rows:
        want, have = (x.values[seen.first] for x in (expected, outcome))
        if want.shape != have.shape:
            return None
        alone = bool(changes) and len(want) == 1  # where no samples can mix
        if probe.rtol > 1e-4 or want.size < 6 or alone or not np.isfinite(have).all():
            continue
        given = dict(zip(seen.exercise.arguments, probe.args, strict=True))
        plain = [_array(given.get(name.split()[0]), have.shape) for name in terms]
        made = [
            _array(changes[name](given[name.split()[0]]), have.shape) if name in changes else x
            for name, x in zip(terms, plain, strict=True)
        ]
        for group in known.groups(*probe.args):
            if group.mask.sum() < len(terms) + 2:
                continue
            count = len(known.right)
            right = _factors(np.stack([x[group.mask] for x in plain[:count]], -1), want[group.mask])
            got = _factors(np.stack([x[group.mask] for x in made], -1), have[group.mask])
            if got is None:
                return None
            if np.isnan(got).any():
                continue
            got[np.abs(got) < 1e-6 * np.abs(got).max()] = 0  # rounding
            right = np.full(count, np.nan) if right is None else right
            right = np.pad(right, (0, len(terms) - count))
            if "1" in terms:
                group = replace(group, quantities=group.quantities | _means(known, given, group.mask, want))
            rows.append(Row(probe.name, group, right, got))
    return rows or None


def _means(known, given, mask, want):
    """The means of the terms and of the right result, over a group's numbers and over all."""
    values = {term: _array(given[term], want.shape) for term in known.right} | {"the right result": want}
    found = {f"mean of {name}": x[mask].mean() for name, x in values.items()}
    return found | {f"mean of {name} over everything": x.mean() for name, x in values.items()}


def _array(x, shape):
    return np.ones(shape) if x is None else np.broadcast_to(x.double().numpy(), shape)


def _factors(terms, values):
    """The factors with which the terms add up to the values, NaN where several would do; None if none do."""
    factors, _, rank, _ = np.linalg.lstsq(terms, values, rcond=None)
    if not close(values, terms @ factors, 1e-4):
        return None
    return factors if rank == terms.shape[1] else np.full(len(factors), np.nan)


def _twins(seen, known, terms):
    """Rows of one-pixel probes that differ in one argument; None where they are no such sum."""
    rows = []
    twins = [p for p, _, _ in seen.rows if p.twin]
    for name, group in itertools.groupby(twins, lambda p: p.twin[0]):
        if name not in seen.by_name:
            continue
        base = seen.by_name[name]
        right, got = {}, {}
        for probe in group:
            i = seen.exercise.arguments.index(probe.twin[1])
            dx = (probe.args[i] - base[0].args[i]).item()
            other = seen.by_name[probe.name]
            values = [other[k].values[seen.first] - base[k].values[seen.first] for k in (1, 2)]
            if any(v.size != 1 for v in values):
                return None
            right[probe.twin[1]], got[probe.twin[1]] = (v.item() / dx for v in values)
        given = dict(zip(seen.exercise.arguments, base[0].args, strict=True))
        if right.keys() != {*terms} or not np.isfinite([*got.values()]).all():
            continue
        rest = base[2].values[seen.first].item() - sum(got[n] * given[n].item() for n in got)
        if abs(rest) > 1e-4:
            return None
        parts = [part for part in known.groups(*base[0].args) if part.mask.any()]
        rows.append(Row(name, parts[0], *(np.array([x[n] for n in terms]) for x in (right, got))))
    return rows
