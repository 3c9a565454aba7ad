"""What was handed in: a folder with a folder for each student, flat files named student_notebook.ipynb, or a zip of either.

Nothing of a submission is followed, imported or unpacked to disk: files are read as bytes, links are refused.
"""

import re
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from labdiff.grading.intake import reading
from labdiff.grading.records import MISSING, HandedIn, Trusted


@dataclass(frozen=True)
class File:
    """One .ipynb: `inner` is its path below the submissions; read() gives its bytes, or raises Unreadable."""

    inner: PurePosixPath
    source: Path
    zipped: bool = False

    def read(self):
        if not self.zipped:
            if self.source.is_symlink():
                raise reading.Unreadable("the file is a link, and links are not followed")
            if not self.source.is_file():
                raise reading.Unreadable("it is not a file")
            if self.source.stat().st_size > reading.BIGGEST:
                raise reading.Unreadable(
                    f"the file has more than {reading.BIGGEST >> 20} MB: clear the outputs"
                )
            return self.source.read_bytes()
        with zipfile.ZipFile(self.source) as archive:
            info = archive.getinfo(str(self.inner))
            if stat.S_ISLNK(info.external_attr >> 16) or info.file_size > reading.BIGGEST:
                raise reading.Unreadable("the file is a link, or too large")
            try:
                return archive.read(info)
            except (zipfile.BadZipFile, RuntimeError, OSError) as error:
                raise reading.Unreadable(f"the zip is damaged here ({error})") from None


def find(place):
    """All .ipynb files. Raises ValueError if there is nothing to grade."""
    place = Path(place)
    if place.is_file() and zipfile.is_zipfile(place):
        with zipfile.ZipFile(place) as archive:
            files = [File(PurePosixPath(n), place, True) for n in archive.namelist() if n.endswith(".ipynb")]
    elif place.is_dir():
        files = [File(PurePosixPath(p.relative_to(place).as_posix()), p) for p in walk(place)]
    else:
        raise ValueError(f"SUBMISSIONS: expected a folder or a zip, got {place}. Is the path right?")
    files = [f for f in files if not any(part.startswith((".", "__MACOSX")) for part in f.inner.parts)]
    if not files:
        raise ValueError(
            f"SUBMISSIONS: expected .ipynb files in {place} or in a folder for each student, got none"
        )
    return sorted(files, key=lambda f: str(f.inner))


def walk(folder, depth=6):
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink() and depth:
            yield from walk(path, depth - 1)
        elif path.suffix == ".ipynb" or path.is_symlink() and path.is_dir():
            yield path / "link.ipynb" if path.suffix != ".ipynb" else path


def students(place, notebooks):
    """student -> {notebook's stem: [File, ...], "": [files that no name tells apart]}."""
    found, files = {}, find(place)
    if Path(place).is_dir() and any(
        len(f.inner.parts) > 1 for f in files
    ):  # one who handed in nothing has a row too
        folders = [p for p in sorted(Path(place).iterdir()) if p.is_dir() and not p.is_symlink()]
        found = {p.name: {} for p in folders if not p.name.startswith(".")}
    for file in files:
        stem = next((t.stem for t in notebooks if names(t, file.inner.stem)), "")
        parts = file.inner.parts
        if len(parts) > 1:
            student = parts[0]
        else:
            before = re.split(re.escape(stem), file.inner.stem, flags=re.I)[0] if stem else file.inner.stem
            student = before.strip("_- .") or Path(place).resolve().stem
        found.setdefault(student, {}).setdefault(stem, []).append(file)
    return found


def names(trusted, stem):
    """Whether a file's name says that it is this notebook: its name is in it, or it begins with its number."""
    return trusted.stem.lower() in stem.lower() or re.match(rf"{trusted.number}(\D|$)", stem) is not None


def pick(files: dict[str, list[File]], notebooks: list[Trusted]) -> dict[str, HandedIn]:
    """What one student handed in for each notebook, by its stem. Files are told by name, then by content."""
    chosen = {}
    for stem, group in files.items():
        if not stem:
            continue
        exact = (
            [f for f in group if f.inner.stem == stem]
            or [f for f in group if f.inner.stem.lower().endswith(stem)]
            or group
        )
        flags = [f"{len(group)} files for {stem}: graded {exact[0].inner.name}"] if len(group) > 1 else []
        chosen[stem] = load(exact[0], *flags)
    for file in files.get("", []):
        found = load(file, f"known by its content: {file.inner.name}")
        stem = by_content(found.data, notebooks) if found.data is not None else None
        if stem and stem not in chosen:
            chosen[stem] = found
    return chosen


def load(file: File, *flags: str) -> HandedIn:
    try:
        return HandedIn(file.read(), flags=flags)
    except (reading.Unreadable, OSError) as why:
        return HandedIn(problem=str(why), flags=flags)


def by_content(data: bytes, notebooks: list[Trusted]) -> str | None:
    try:
        cells, _ = reading.parse(data)
    except reading.Unreadable:
        return None
    scores = {t.stem: sum(reading.answer(cells, q).status != MISSING for q in t.questions) for t in notebooks}
    best = max(scores, key=scores.get)
    return best if scores[best] else None
