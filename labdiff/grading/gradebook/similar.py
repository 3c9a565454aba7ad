"""Answers that are alike beyond chance: never a verdict, only ever something to look at.

Two right answers to one question are alike by nature. What counts is what they share and the class does not:
runs of code, without names, comments and layout, that neither the key nor many students have."""

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from labdiff.grading.records import Record

LENGTH = 4  # tokens in a run
LEAST = 12  # rare runs that two answers must share
SHARE = 0.8  # of all runs of the two
RARE = 0.03  # of the class, and at least three students, may have a rare run
SMALLEST = 8  # answers, from which on something can be said of chance
MOST = 20  # groups that are shown
SKIPPED = (
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
)


@dataclass(frozen=True)
class Alike:
    """A group of students whose answers to one exercise are alike; the sources of the first two of them."""

    exercise: str
    students: tuple[str, ...]
    shared: int
    sources: tuple[str, str]


def normal(source: str) -> list[str]:
    """The tokens of an answer, without comments, docstrings and layout, its own names numbered."""
    try:
        tree = ast.parse(source)
        named = {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
        named |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        named |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
        lines = {
            n.body[0].lineno
            for n in ast.walk(tree)
            if isinstance(n, ast.FunctionDef) and ast.get_docstring(n, clean=False) is not None
        }
        found = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return source.split()
    names: dict[str, str] = {}
    tokens = []
    for token in found:
        if token.type in SKIPPED or token.type == tokenize.STRING and token.start[0] in lines:
            continue
        if token.type == tokenize.NAME and token.string in named:
            tokens.append(names.setdefault(token.string, f"name{len(names)}"))
        elif token.string:
            tokens.append(token.string)
    return tokens


@lru_cache(maxsize=20_000)  # the page of a class is written again and again while it is graded
def runs(source: str) -> frozenset[tuple[str, ...]]:
    tokens = normal(source)
    return frozenset(tuple(tokens[i : i + LENGTH]) for i in range(len(tokens) - LENGTH + 1))


def alike(records: Sequence[Record], known: Mapping[str, Sequence[str]]) -> list[Alike]:
    """The groups, those that share most first; `known`: exercise -> the key's answer and the stub."""
    answers: dict[str, dict[str, str]] = {}
    for record in records:
        for r in record.results:
            if r.source:
                answers.setdefault(r.exercise, {})[record.student] = r.source
    found = [group for e, sources in answers.items() for group in _groups(e, sources, known.get(e, ()))]
    return sorted(found, key=lambda g: (-g.shared, g.exercise, g.students))[:MOST]


def _groups(exercise: str, sources: Mapping[str, str], known: Sequence[str]) -> list[Alike]:
    if len(sources) < SMALLEST:
        return []
    usual = frozenset().union(*map(runs, known))
    of = {student: runs(source) for student, source in sources.items()}
    count = Counter(run for own in of.values() for run in own)
    limit = max(3, RARE * len(of))
    holders: dict[tuple[str, ...], list[str]] = {}
    for student, own in of.items():
        for run in own - usual:
            if 2 <= count[run] <= limit:
                holders.setdefault(run, []).append(student)
    shared = Counter((a, b) for some in holders.values() for i, a in enumerate(some) for b in some[i + 1 :])
    pairs = {
        pair: n
        for pair, n in shared.items()
        if n >= LEAST and len(of[pair[0]] & of[pair[1]]) >= SHARE * len(of[pair[0]] | of[pair[1]])
    }
    groups: list[set[str]] = []
    for pair in pairs:
        touching = [group for group in groups if not group.isdisjoint(pair)]
        groups = [group for group in groups if group.isdisjoint(pair)] + [set(pair).union(*touching)]
    made = []
    for group in groups:
        most = max(n for pair, n in pairs.items() if group.issuperset(pair))
        a, b = next(pair for pair, n in pairs.items() if n == most and group.issuperset(pair))
        made.append(Alike(exercise, tuple(sorted(group)), most, (sources[a], sources[b])))
    return made
