"""Running the cells of a student's notebook in the kernel, statement by statement, with a time limit."""

import __future__

import ast
import asyncio
import builtins
import inspect
import re
import time

from IPython import get_ipython
from labdiff_protocol import Ran

from labdiff.checks.in_kernel import guard
from labdiff.checks.in_kernel.exceptions import text_of

DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
CELL_LIMIT = 10.0  # seconds for a cell that is run late
PATIENCE = 2  # times as long, where the machine is busy
LATE = 2.0  # seconds for what a cell defines after a statement that took too long
CELL_MAGIC = re.compile(r"\s*%%(\w+).*(\n|$)")
TIMERS = ("time", "timeit", "capture", "prun")

_shell = get_ipython()
_lost: set[str] = set()  # names that imports of packages which are not here would have given


def statements(source):
    """(file name, statements) of a cell, as IPython reads it."""
    while (magic := CELL_MAGIC.match(source)) and runs_its_cell(magic[1]):
        source = source[magic.end() :]
    text = _shell.transform_cell(source)
    name = _shell.compile.cache(text)
    for node in ast.parse(text, name).body:
        if isinstance(node, ast.Import):  # one at a time: a missing one does not take the others with it
            for alias in node.names:
                yield name, ast.copy_location(ast.Import([alias]), node)
        else:
            yield name, node


def runs_its_cell(magic):
    """Whether it only runs the cell, or is not installed here: then the cell is run without it."""
    return magic in TIMERS or magic not in _shell.magics_manager.magics["cell"]


def run(source, function="", only=(), limit=None):
    """Run a cell statement by statement, and return a Ran.

    Args:
        function: the name of the function that the cell is about.
        only: the kinds of statements to run; all if it is empty.
        limit: seconds for the cell; what it still imports and defines after that counts.
    """
    error, early, missing, slow = "", False, [], False
    before = _shell.user_ns.get(function)
    end = None if limit is None else time.monotonic() + limit
    try:
        todo = list(statements(source))
    except Exception as why:
        return Ran(words(why), early=True)
    for name, node in todo:
        if only and not isinstance(node, only):
            continue
        try:
            if end is None:
                execute(name, node)
            else:
                left = max(0.01, end - time.monotonic())
                guard.limited(lambda name=name, node=node: execute(name, node), left, PATIENCE)
        except guard.OutOfTime:
            if slow:
                break
            slow, only, end = True, DEFINITIONS, time.monotonic() + LATE  # a demonstration before a def
        except BaseException as why:
            if not error:
                error, early = words(why), _shell.user_ns.get(function) is before
            if isinstance(why, ModuleNotFoundError) and why.name and why.name.split(".")[0] != "labdiff":
                missing.append(full_name(node, why.name)[:60])
                _lost.update((a.asname or a.name).split(".")[0] for a in getattr(node, "names", ()))
    return Ran(error, early, tuple(dict.fromkeys(missing))[:5], slow)


def execute(name, node):
    """Run a statement; a definition without the annotations and decorators of packages that are not here."""
    try:
        execute_as(name, node, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except NameError as why:
        if why.name not in _lost or not isinstance(node, DEFINITIONS[2:]):
            raise
        node.decorator_list = [d for d in node.decorator_list if _lost.isdisjoint(names_in(d))]
        execute_as(name, node, __future__.annotations.compiler_flag)


def names_in(node):
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def execute_as(name, node, flag):
    """exec, also of a statement that awaits, as notebooks may; the kernel's own event loop is running."""
    with _shell.compile.extra_flags(flag):
        code = _shell.compile(ast.Module([node], []), name, "exec")
    made = eval(code, _shell.user_ns)
    if inspect.iscoroutine(made):
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        try:
            asyncio.new_event_loop().run_until_complete(made)
        finally:
            asyncio._set_running_loop(outer)


def full_name(node, missing):
    """google.colab where the statement asks for that, and the exception names google only."""
    asked = node.module if isinstance(node, ast.ImportFrom) else getattr(node, "names", [None])[0]
    asked = getattr(asked, "name", asked) or ""
    return asked if asked.startswith(f"{missing}.") else missing


def words(error):
    """An exception in one line."""
    return f"{type(error).__name__}: {text_of(error)}"[:300].encode("utf-8", "replace").decode()


def fill_in(name, sources, clock):
    """Run those of the notebook's other cells that define a name, and what they need; returns whether it is
    there now.

    What is defined already stays as it is.
    """
    cells = [(source, *binds_and_uses(source)) for source in sources]
    wanted, chosen = {name}, set()
    while more := {i for i, (_, binds, _) in enumerate(cells) if binds & wanted} - chosen:
        chosen |= more
        wanted |= set().union(*(cells[i][2] for i in more)) - _shell.user_ns.keys()
    kept = dict(_shell.user_ns)
    for i in sorted(chosen):
        if not clock.over():
            run(cells[i][0], limit=CELL_LIMIT)
    _shell.user_ns.update(kept)
    return name in _shell.user_ns and name not in kept


def binds_and_uses(source):
    """(names that a cell defines outside of functions, names that it uses anywhere)."""
    lines = [line for line in source.split("\n") if not line.lstrip().startswith(("%", "!"))]
    try:
        tree = ast.parse("\n".join(lines))
    except Exception:
        return set(), set()
    binds, todo = set(), [tree]
    while todo:
        for node in ast.iter_child_nodes(todo.pop()):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                binds.add(node.name)
                continue
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                binds.add(node.id)
            elif isinstance(node, ast.alias):
                binds.add((node.asname or node.name).split(".")[0])
            todo.append(node)
    everything = list(ast.walk(tree))
    names = [n for n in everything if isinstance(n, ast.Name)]
    inner = {n.arg for n in everything if isinstance(n, ast.arg)}
    inner |= {n.id for n in names if isinstance(n.ctx, ast.Store)}
    inner |= {n.name for n in everything if isinstance(n, DEFINITIONS[2:])}
    inner |= {(n.asname or n.name).split(".")[0] for n in everything if isinstance(n, ast.alias)}
    return binds, {n.id for n in names} - inner - binds - vars(builtins).keys()
