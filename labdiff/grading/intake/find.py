"""All files in a folder or zip of submissions, zips in it included, and what is left out."""

import io
import os
import re
import stat
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from labdiff.grading.intake.files import NOTEBOOK, File, Unreadable

DEEPEST, NESTED, MOST = 12, 3, 200_000  # folders in folders, zips in zips, entries
ALL = 2**30  # bytes of all that is in a student's zip: it is all read
ARCHIVE = re.compile(r"\.(rar|7z|tar|tgz|txz|tar\.\w+)$", re.I)
TOOLS = {"__MACOSX", ".git", "__pycache__", "node_modules", "site-packages"}
VENV, IN_VENV = "pyvenv.cfg", {"bin", "include", "lib", "lib64", "scripts", "share", "etc"}
A_TOOL, TOO_DEEP = "a folder of tools, not of answers", f"more than {DEEPEST} folders deep"


@dataclass
class Found:
    """All files; folders, for students who handed in nothing; and what was not looked at."""

    files: list[File] = field(default_factory=list)
    folders: list[PurePosixPath] = field(default_factory=list)
    repositories: set[PurePosixPath] = field(default_factory=set)  # folders with a .git
    skipped: dict[str, list[str]] = field(default_factory=dict)  # by why

    def add(self, file: File, size: int = 0) -> int:
        """Returns `size`, the bytes of a student's zip so far, with those of what is in this file."""
        if len(self.files) + len(self.folders) >= MOST:
            self.skip(file.inner, f"there are more than {MOST} files")
        elif file.inner.name.startswith("._"):
            self.skip(file.inner, "macOS's notes on a file")
        elif ARCHIVE.search(file.inner.name):
            folder = file.inner.with_name(ARCHIVE.sub("", file.inner.name) or file.inner.name)
            problem = "an archive that is no zip is not opened"
            self.files.append(File(folder / file.inner.name, file.source, file.members, problem))
        elif file.inner.suffix.lower() == ".zip" and not file.problem:
            return look_into_zip(self, file, file.inner.with_suffix(""), size)
        else:
            self.files.append(file)
        return size

    def skip(self, inner: PurePosixPath, why: str) -> None:
        self.skipped.setdefault(why, []).append(str(inner))

    def said(self) -> list[str]:
        """What was skipped, in a line for each reason."""
        more = {why: f" and {len(paths) - 5} more" * (len(paths) > 5) for why, paths in self.skipped.items()}
        return [f"{', '.join(paths[:5])}{more[why]}: {why}" for why, paths in self.skipped.items()]


def find(place: Path, out: Path | None = None) -> Found:
    """All that lies in a folder or zip, without the results' own folder `out`. Raises ValueError."""
    found, place = Found(), Path(place)
    if place.is_dir():
        look_into_folder(found, place, out)
    elif place.is_file() and zipfile.is_zipfile(place):
        look_into_zip(found, File(PurePosixPath(place.name), place), PurePosixPath())
    else:
        raise ValueError(f"SUBMISSIONS: expected a folder or a zip, got {place}. Is the path right?")
    found.files.sort(key=lambda file: str(file.inner))
    return found


def look_into_folder(found: Found, place: Path, out: Path | None) -> None:
    todo = [(place, PurePosixPath())]
    while todo:
        folder, inner = todo.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as why:
            problem = f"the folder can't be read ({why.strerror})"
            found.files.append(File(inner / "(folder)", folder, problem=problem))
            continue
        for entry in entries:
            path = inner / printable(entry.name)
            if entry.is_symlink():
                name = path if path.suffix else path / "link.ipynb"
                found.add(File(name, Path(entry), problem="the file is a link, and links are not followed"))
            elif not entry.is_dir():
                odd = "" if entry.is_file() else "it is not a file"
                found.add(File(path, Path(entry), problem=odd))
            elif why := not_looked_into(Path(entry), path, out):
                found.skip(path, why)
                found.repositories |= {inner} if path.name == ".git" else set()
            else:
                found.folders.append(path)
                todo.append((Path(entry), path))


def not_looked_into(folder: Path, inner: PurePosixPath, out: Path | None) -> str:
    """Why a folder is left out; "" if it is not."""
    if out is not None and os.path.realpath(folder) == os.path.realpath(out):
        return "the results of this run"
    if inner.name in TOOLS or os.path.exists(folder.parent / VENV) and inner.name.lower() in IN_VENV:
        return A_TOOL
    _, _, names = next(os.walk(folder), ("", [], []))
    around = any(map(NOTEBOOK.search, names))  # a student may have made it where they work
    if os.path.exists(folder / VENV) and (not around or inner.name.strip(".") in ("venv", "env")):
        return A_TOOL
    if os.path.isfile(folder / ".secret") and os.path.isdir(folder / "students") and not around:
        return "results of labdiff grade"
    return TOO_DEEP if len(inner.parts) > DEEPEST else ""


def look_into_zip(found: Found, zipped: File, top: PurePosixPath, size: int = 0) -> int:
    """Add what is in a zip, as if it were the folder `top`; returns `size` with all that is in it."""
    try:
        if len(zipped.members) >= NESTED:
            raise Unreadable(f"more than {NESTED} zips in each other")
        data = io.BytesIO(zipped.read()) if zipped.members else zipped.source
        with zipfile.ZipFile(data) as archive:
            infos = archive.infolist()
    except Exception as why:  # damaged or strange
        problem = f"the zip can't be opened ({why})"
        found.files.append(File(top / zipped.inner.name, zipped.source, zipped.members, problem))
        return size
    found.folders += [top] if top.parts else []
    for index, info in enumerate(infos):
        size += info.file_size  # no more than that is ever read of it
        parts = [printable(p) for p in name_in_zip(info).split("/") if p not in ("", ".", "..")]
        path = top.joinpath(*parts)
        if TOOLS.intersection(parts):
            first = next(i for i, part in enumerate(parts) if part in TOOLS)
            found.repositories |= {top.joinpath(*parts[:first])} if parts[first] == ".git" else set()
            found.skip(path, A_TOOL)
        elif len(parts) > DEEPEST:
            found.skip(path, TOO_DEEP)
        elif info.is_dir():
            found.folders.append(path)
        else:
            problem = "the file is a link" if stat.S_ISLNK(info.external_attr >> 16) else ""
            if top.parts and size > ALL:
                problem = f"the zip holds more than {ALL >> 20} MB"
            file = File(path, zipped.source, (*zipped.members, index), problem)
            size = found.add(file, size if top.parts else 0)
    return size


def name_in_zip(info: zipfile.ZipInfo) -> str:
    """Its name, with /. macOS writes UTF-8 without its flag; zips made on Windows may have backslashes."""
    name = info.filename
    if not info.flag_bits & 0x800:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    return name.replace("\\", "/")


def printable(name: str) -> str:
    """A name with undecodable bytes escaped; different names stay different."""
    return os.fsencode(name.replace("\\", "\\\\")).decode("utf-8", "backslashreplace")
