"""What a student's kernel may read: the interpreter, the packages that labdiff's exercises need, its own
labdiff.

It is a list of what is shown, at both levels of isolation: packages are found through a folder of links
(`site`), so a module that is not on the list can't be imported even where namespaces don't hide it, and the
verdicts are the same."""

import csv
import os
import re
import sys
from collections.abc import Iterable
from functools import cache
from glob import glob
from importlib import metadata
from pathlib import Path

# labdiff's own dependencies, the kernel, and what an honest answer might import where it is installed
NEEDED = ("torch", "torchvision", "numpy", "safetensors", "matplotlib", "ipywidgets", "anywidget", "pillow")
PACKAGES = (*NEEDED, "ipykernel", "scipy", "pandas", "scikit-learn", "tqdm", "einops", "seaborn")
SYSTEM = ("/etc/ld.so.cache", "/sys/devices/system/cpu")


@cache
def packages(further: tuple[str, ...] = ()) -> dict[str, str]:
    """Name -> path in site-packages, for all that the packages and their requirements installed."""
    from packaging.requirements import Requirement

    found, seen, todo = {}, set(), [*PACKAGES, *further]
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if name in seen or name == "labdiff":
            continue
        seen.add(name)
        try:
            one = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        for entry in top_level(one):
            path = Path(str(one.locate_file(entry)))
            if path.exists():
                found.setdefault(entry, os.path.realpath(path))
        for need in map(Requirement, one.requires or ()):
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                todo.append(need.name)
    return found


def top_level(distribution: metadata.Distribution) -> set[str]:
    """Names of what a package puts into site-packages."""
    record = csv.reader((distribution.read_text("RECORD") or "").splitlines())
    names = {row[0].partition("/")[0] for row in record if row}  # .files would make a Path of each
    if not names:
        listed = (distribution.read_text("top_level.txt") or distribution.metadata["Name"]).split()
        names = {name.replace("-", "_") for name in listed} | {f"{name}.py" for name in listed}
    return {n for n in names if n not in ("..", "__pycache__", "labdiff") and not n.endswith(".pth")}


def write_site(folder: str, further: Iterable[str] = ()) -> None:
    """Fill a folder with links to the packages. Raises ValueError if a further one is not installed."""
    further = tuple(further)
    for name in further:
        try:
            metadata.distribution(name)
        except metadata.PackageNotFoundError:
            raise ValueError(
                f"--package, or packages in course.toml: expected what is installed here, got {name}: "
                f"pip install {name}"
            ) from None
    os.makedirs(folder)
    for name, path in packages(further).items():
        os.symlink(path, os.path.join(folder, name))


def interpreter() -> tuple[list[str], list[str]]:
    """(visible, hidden): the standard library without what is installed below it, and the program."""
    library = os.path.dirname(os.path.realpath(os.__file__))
    dynamic = [os.path.realpath(p) for p in sys.path if os.path.basename(p) == "lib-dynload"]
    program, programs = sys.executable, []
    while program not in programs:  # a virtual environment's python is a link to a link
        programs.append(program)
        if os.path.islink(program):
            program = os.path.join(os.path.dirname(program), os.readlink(program))
    environment = os.path.join(sys.prefix, "pyvenv.cfg")
    visible = [library, *dynamic, *map(os.path.normpath, programs), environment, *SYSTEM]
    hidden = [os.path.join(library, name) for name in ("site-packages", "dist-packages")]
    return [p for p in dict.fromkeys(visible) if os.path.lexists(p)], hidden


def libraries(pid: int) -> list[str]:
    """Shared libraries that a process has loaded, with the names that the loader knows them by."""
    with open(f"/proc/{pid}/maps", errors="surrogateescape") as f:
        lines = [line.rstrip("\n").split(None, 5) for line in f]
    loaded = {line[5] for line in lines if len(line) == 6 and re.search(r"\.so(\.|$)", line[5])}
    found = set(loaded)
    for path in loaded:
        beginning = path[: path.index(".so") + 3]
        names = {path[: m.end()] for m in re.finditer(r"\.\d+", path)} | {beginning}
        found |= {n for n in names if os.path.islink(n) and os.path.realpath(n) == os.path.realpath(path)}
    found |= {
        os.path.realpath(os.path.dirname(p)) + "/" + os.path.basename(p) for p in glob("/lib*/ld-*.so*")
    }
    return sorted(found | {p for p in ("/lib", "/lib32", "/lib64") if os.path.islink(p)})


def visible(further: tuple[str, ...] = (), pid: int | None = None) -> tuple[list[str], list[str]]:
    """(visible, hidden) of a kernel that is forked from process pid, but for its own folders."""
    shown, hidden = interpreter()
    inside = [os.path.dirname(path) for path in packages(further).values()]
    shown += [*packages(further).values(), *(libraries(pid) if pid else ())]
    hidden += [p for p in inside if os.path.basename(p) in ("site-packages", "dist-packages")]
    folders = [p for p in shown if os.path.isdir(p) and not os.path.islink(p)]

    def below(path: str) -> bool:
        tops = [top for top in folders if path.startswith(f"{top}/")]
        return any(
            not any(path.startswith(f"{h}/") and h.startswith(f"{top}/") for h in hidden) for top in tops
        )

    return [p for p in dict.fromkeys(shown) if not below(p)], sorted(set(hidden))
