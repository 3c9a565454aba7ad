"""An instructor's own exercise: a Python file exercises/NAME.py beside the notebook.

The file has the right formula as a function of the exercise's name, which is also the key's answer;
probes(seed) -> {label: arguments}; MISTAKES = {id: (wrong function, hint)}; and, if wanted, POINTS, SLIDE,
MEANING, OUTPUTS (names of what it returns) and BLOCKED (labdiff's functions that would answer it).
"""

import ast
import importlib.util
import inspect
import re
import sys
import types
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from labdiff.checks.exercises import ALL
from labdiff.checks.exercises.exercise import Exercise, Form, Mistake
from labdiff.checks.exercises.probes import PUBLIC
from labdiff.checks.in_kernel.probe import Probe
from labdiff.checks.in_kernel.spies import Spy
from labdiff.schedule import Schedule

FOLDER = "exercises"
BUILT_IN = {exercise.name: exercise for exercise in ALL}
ARGUMENTS = (torch.Tensor, Schedule, Spy, int, float)  # what can be sent into a grading kernel


def path_of(name: str, folder: str | Path = ".") -> Path:
    return Path(folder) / FOLDER / f"{name}.py"


def find(name: str, folder: str | Path = ".") -> Exercise | None:
    """The exercise of that name: labdiff's, or the one in folder/exercises; None if there is none.

    Raises: ValueError: its file is wrong.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    path = path_of(name, folder)
    return load(path) if str(name).isidentifier() and path.is_file() else None


def load(path: str | Path) -> Exercise:
    """The exercise in a file; read again when the file has changed.

    Raises: ValueError: what is wrong with the file.
    """
    return _load(str(Path(path).resolve()), Path(path).read_bytes())


@lru_cache(maxsize=64)
def _load(path: str, data: bytes) -> Exercise:
    name = Path(path).stem
    if name in BUILT_IN:
        raise wrong(path, "file name", "another name than that of labdiff's own exercise", name)
    module = run(path, name)
    right = taken(module, path, name, "a function with the right formula", inspect.isfunction)
    arguments = tuple(inspect.signature(right).parameters)
    make = taken(module, path, "probes", "a function probes(seed) -> {label: arguments}", inspect.isfunction)
    table = taken(
        module, path, "MISTAKES", "a dict {id: (wrong function, hint)}", lambda v: isinstance(v, dict)
    )
    for key, entry in table.items():
        if not isinstance(key, str) or not re.fullmatch(r"[a-z][a-z0-9-]*", key):
            raise wrong(path, "MISTAKES", "ids of small letters, digits and dashes", key)
        pair = isinstance(entry, tuple) and len(entry) == 2
        if not pair or not callable(entry[0]) or not isinstance(entry[1], str) or not entry[1].strip():
            raise wrong(path, f"MISTAKES[{key!r}]", "a pair (wrong function, hint)", entry)
    made = probes_of(path, make, arguments)
    outputs = outputs_of(path, module, name, right, made(PUBLIC)[0].args)
    return Exercise(
        name=name,
        arguments=arguments,
        outputs=outputs,
        slide=getattr(module, "SLIDE", name),
        meaning=getattr(module, "MEANING", "That is the right formula."),
        formula=lambda *args, instead=right: instead(*args),
        make_probes=made,
        mistakes=tuple(Mistake(k, " ".join(hint.split()), {"instead": f}) for k, (f, hint) in table.items()),
        forms=(Form((inspect.getdoc(right) or "the right formula").split("\n")[0]),),
        blocked=blocked_of(path, module),
    )


def run(path: str, name: str) -> types.ModuleType:
    """The module in a file, which is not put into sys.modules and leaves nothing beside it."""
    spec = importlib.util.spec_from_file_location(f"labdiff_own_{name}", path)
    assert spec is not None and spec.loader is not None
    module, before = importlib.util.module_from_spec(spec), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        spec.loader.exec_module(module)
    except Exception as error:
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


def wrong(path: str, what: str, expected: str, got: object) -> ValueError:
    return ValueError(f"{path}: {what}: expected {expected}, got {str(got)[:200]}")


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
    if len(given) != count or not all(isinstance(one, str) for one in given):
        raise wrong(path, "OUTPUTS", f"{count} names", given)
    return tuple(given)


def blocked_of(path: str, module: types.ModuleType) -> tuple[Callable, ...]:
    found = tuple(getattr(module, "BLOCKED", ()))
    for one in found:
        plain = inspect.unwrap(one) if callable(one) else one
        if not inspect.isfunction(plain) or not plain.__module__.startswith("labdiff."):
            raise wrong(path, "BLOCKED", "functions of labdiff", one)
    return found


def points(path: str | Path) -> float | None:
    """The file's POINTS, None if it does not say. Raises ValueError."""
    value = getattr(run(str(path), Path(path).stem), "POINTS", None)
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0
    ):
        raise wrong(str(path), "POINTS", "a number from 0 on", value)
    return value


def key(path: str | Path) -> str:
    """The right formula's source, without its docstring: what the key's answer cell holds."""
    name, text = Path(path).stem, Path(path).read_text("utf-8")
    node = next(n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef) and n.name == name)
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    lines = text.split("\n")[body[0].lineno - 1 : node.end_lineno]
    return "\n".join([f"def {name}({', '.join(a.arg for a in node.args.args)}):", *lines, ""])
