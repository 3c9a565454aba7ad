"""The parts of an own exercise's file, each read with an error that says what is expected in it."""

import ast
import importlib.util
import inspect
import math
import re
import sys
import tokenize
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from labdiff.checks.exercises.exercise import Mistake
from labdiff.checks.in_kernel.probe import Probe
from labdiff.checks.in_kernel.spies import Spy
from labdiff.schedule import Schedule

ARGUMENTS = (torch.Tensor, Schedule, Spy, int, float)  # what can be sent into a grading kernel


def wrong(path: str | Path, what: str, expected: str, got: object) -> ValueError:
    return ValueError(f"{path}: {what}: expected {expected}, got {str(got)[:200]}")


def run(path: str, name: str) -> types.ModuleType:
    """The module in a file, which is not put into sys.modules and leaves nothing beside it."""
    spec = importlib.util.spec_from_file_location(f"labdiff_own_{name}", path)
    assert spec is not None and spec.loader is not None
    module, before = importlib.util.module_from_spec(spec), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        line = getattr(error, "lineno", None) or lines_in(error, path)
        raise wrong(
            path, f"line {line}", "a Python file that runs", f"{type(error).__name__}: {error}"
        ) from None
    finally:
        sys.dont_write_bytecode = before
    return module


def lines_in(error: BaseException, path: str) -> int:
    """The line of the file in which it was raised."""
    line, step = 1, error.__traceback__
    while step is not None:
        line = step.tb_lineno if step.tb_frame.f_code.co_filename == path else line
        step = step.tb_next
    return line


def taken(module: types.ModuleType, path: str, name: str, expected: str, fits: Callable[[Any], bool]) -> Any:
    value = getattr(module, name, None)
    if not fits(value):
        raise wrong(path, name, expected, "nothing" if value is None else type(value).__name__)
    return value


def probes_of(path: str, make: Callable, arguments: tuple[str, ...]) -> Callable[[int], list[Probe]]:
    """function(seed) -> probes, from the instructor's."""

    def probes(seed: int) -> list[Probe]:
        try:
            table = make(seed)
        except Exception as error:
            raise wrong(path, f"probes({seed})", "probes", f"{type(error).__name__}: {error}") from None
        if not isinstance(table, dict) or not table:
            raise wrong(path, f"probes({seed})", "a dict {label: arguments}", type(table).__name__)
        for label, args in table.items():
            if not isinstance(args, tuple) or len(args) != len(arguments):
                raise wrong(path, f"probe {label!r}", f"a tuple ({', '.join(arguments)})", args)
            strange = [type(a).__name__ for a in args if not isinstance(a, ARGUMENTS)]
            if strange:
                raise wrong(path, f"probe {label!r}", "tensors, numbers, Schedules or a spy", strange[0])
        return [Probe(str(label), args) for label, args in table.items()]

    return probes


def outputs_of(
    path: str, module: types.ModuleType, name: str, right: Callable, args: tuple
) -> tuple[str, ...]:
    """Names of what the function returns: OUTPUTS, or its own name, numbered if there are several."""
    try:
        result = right(*args)
    except Exception as error:
        raise wrong(path, name, "numbers", f"{type(error).__name__}: {error}") from None
    count = len(result) if isinstance(result, tuple | list) else 1
    given = getattr(module, "OUTPUTS", None) or (
        [name] if count == 1 else [f"{name}_{i + 1}" for i in range(count)]
    )
    listed = isinstance(given, list | tuple) and all(isinstance(one, str) for one in given)
    if not listed or len(given) != count:
        raise wrong(path, "OUTPUTS", f"{count} names in a tuple", repr(given))
    return tuple(given)


def blocked_of(path: str, module: types.ModuleType) -> tuple[Callable, ...]:
    found = getattr(module, "BLOCKED", ())
    if not isinstance(found, list | tuple):
        raise wrong(path, "BLOCKED", "a tuple such as (ld.q_sample,)", found)
    for one in found:
        plain = inspect.unwrap(one) if callable(one) else one
        if not inspect.isfunction(plain) or not plain.__module__.startswith("labdiff."):
            raise wrong(path, "BLOCKED", "functions of labdiff", one)
    return tuple(found)


def definition(path: str | Path) -> tuple[str, ast.FunctionDef]:
    """(the file's text, the right formula in it). Raises ValueError."""
    name = Path(path).stem
    try:
        with tokenize.open(path) as file:
            text = file.read()
    except (SyntaxError, UnicodeDecodeError) as why:
        raise wrong(path, "text", "UTF-8", why) from None
    found = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == name]
    if not found:
        raise wrong(path, name, f"def {name}(...) at the left margin: its lines are the key's answer", "none")
    return text, found[-1]


def mistakes_of(path: str, module: types.ModuleType) -> tuple[Mistake, ...]:
    """The catalogue."""
    table = taken(
        module, path, "MISTAKES", "a dict {id: (wrong function, hint)}", lambda v: isinstance(v, dict)
    )
    for key, entry in table.items():
        if not isinstance(key, str) or not re.fullmatch(r"[a-z][a-z0-9-]*", key):
            raise wrong(path, "MISTAKES", "ids of small letters, digits and dashes", key)
        pair = isinstance(entry, tuple) and len(entry) == 2
        if not pair or not callable(entry[0]) or not isinstance(entry[1], str) or not entry[1].strip():
            raise wrong(path, f"MISTAKES[{key!r}]", "a pair (wrong function, hint)", entry)
    return tuple(Mistake(id, " ".join(hint.split()), {"instead": f}) for id, (f, hint) in table.items())


def text_of(path: str, module: types.ModuleType, name: str, default: str) -> str:
    """SLIDE or MEANING."""
    value = getattr(module, name, default)
    if not isinstance(value, str) or not value.strip():
        raise wrong(path, name, "a text", repr(value))
    return value


def points_of(path: str, module: types.ModuleType) -> float | None:
    """POINTS, None if the file does not say."""
    value = getattr(module, "POINTS", None)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise wrong(path, "POINTS", "a number from 0 on", repr(value))
    return value
