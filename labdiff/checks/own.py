"""An instructor's own exercise: a Python file exercises/NAME.py beside the notebook.

The file has the right formula as a function of the exercise's name, which is also the key's answer;
probes(seed) -> {label: arguments}; MISTAKES = {id: (wrong function, hint)}; and, if wanted, POINTS, SLIDE,
MEANING, OUTPUTS (names of what it returns) and BLOCKED (labdiff's functions that would answer it).
"""

import ast
import inspect
import textwrap
from functools import lru_cache
from pathlib import Path

from labdiff.checks import own_file
from labdiff.checks.exercises import ALL
from labdiff.checks.exercises.exercise import Exercise, Form
from labdiff.checks.exercises.probes import PUBLIC
from labdiff.checks.own_file import taken, wrong

FOLDER = "exercises"
BUILT_IN = {exercise.name: exercise for exercise in ALL}
INDENT = "    "


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
    return _load(str(Path(path).resolve()), Path(path).read_bytes())[0]


def points(path: str | Path) -> float | None:
    """The file's POINTS, None if it does not say. Raises ValueError, as load does."""
    return _load(str(Path(path).resolve()), Path(path).read_bytes())[1]


@lru_cache(maxsize=64)
def _load(path: str, data: bytes) -> tuple[Exercise, float | None]:
    name = Path(path).stem
    if not name.isidentifier():
        raise wrong(path, "file name", "the function's name, such as my_snr.py", Path(path).name)
    if name in BUILT_IN:
        raise wrong(path, "file name", "another name than that of labdiff's own exercise", name)
    module = own_file.run(path, name)
    right = taken(module, path, name, "a function with the right formula", inspect.isfunction)
    own_file.definition(path)  # the key's answer is its source
    arguments = tuple(inspect.signature(right).parameters)
    make = taken(module, path, "probes", "a function probes(seed) -> {label: arguments}", inspect.isfunction)
    made = own_file.probes_of(path, make, arguments)
    exercise = Exercise(
        name=name,
        arguments=arguments,
        outputs=own_file.outputs_of(path, module, name, right, made(PUBLIC)[0].args),
        slide=own_file.text_of(path, module, "SLIDE", name),
        meaning=own_file.text_of(path, module, "MEANING", "That is the right formula."),
        formula=lambda *args, instead=right: instead(*args),
        make_probes=made,
        mistakes=own_file.mistakes_of(path, module),
        forms=(Form((inspect.getdoc(right) or "the right formula").split("\n")[0]),),
        blocked=own_file.blocked_of(path, module),
    )
    return exercise, own_file.points_of(path, module)


def key(path: str | Path) -> str:
    """The right formula's source, without its docstring: what the key's answer cell holds."""
    text, node = own_file.definition(path)
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    lines = text.split("\n")[body[0].lineno - 1 : node.end_lineno]
    margin = lines[0].encode()[: body[0].col_offset].decode()
    if margin.strip():  # it begins on the line of the def or of the docstring
        lines = ast.unparse(ast.Module(body, [])).split("\n")
    if margin != INDENT:
        lines = textwrap.indent(textwrap.dedent("\n".join(lines)), INDENT).split("\n")
    arguments = ", ".join(a.arg for a in (*node.args.posonlyargs, *node.args.args))
    return "\n".join([f"def {node.name}({arguments}):", *lines, ""])
