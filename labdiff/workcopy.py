"""A learner's own copy of the course: outputs hidden until they are run, work kept when the course changes.

What was copied is remembered in WORK/.labdiff. When the course's notebook changes later, the new one takes
over each cell that the learner changed or added; what they had before stays there, too.
"""

import json
import os
import time
from pathlib import Path

from labdiff import course

MEMORY = ".labdiff"


def update(source: Path, work: Path) -> list[str]:
    """Bring all files of `source` into `work`; returns a sentence for each that was written or left alone."""
    (work / MEMORY).mkdir(parents=True, exist_ok=True)
    said = []
    files = [*source.iterdir(), *(source / "exercises").glob("*.py")]
    for path in sorted(path for path in files if path.is_file() and not path.name.startswith(".")):
        new = path.read_bytes()
        if path.suffix == ".ipynb":
            new = course.text_of(course.clean(json.loads(new))).encode()
        said.append(
            _update_one(new, work / path.relative_to(source), work / MEMORY / path.relative_to(source))
        )
    return [sentence for sentence in said if sentence]


def _update_one(new: bytes, target: Path, memory: Path) -> str:
    mine = target.read_bytes() if target.exists() else None
    old = memory.read_bytes() if memory.exists() else None
    if mine is None or mine == new or mine == old:
        if mine == new == old:
            return ""
        _write(target, new)
        _write(memory, new)
        return f"{target}: {'copied' if mine is None else 'the newer one, for you had not changed it'}"
    if old == new:
        return ""
    merged = _merged(old, mine, new)
    if merged is None:
        return f"{target}: yours, kept as it is. The course's own differs: move yours away to get that"
    kept = memory.with_stem(f"{memory.stem}-{time.strftime('%Y%m%d-%H%M%S')}")
    _write(kept, mine)
    _write(target, merged)
    _write(memory, new)
    return f"{target}: updated, with all cells that you changed or added. As it was: {kept}"


def _merged(old: bytes | None, mine: bytes, new: bytes) -> bytes | None:
    """The new notebook with the learner's cells and outputs; None where ids don't tell the cells apart."""
    try:
        before, yours, fresh = (json.loads(text) for text in (old or b"", mine, new))
        cells, sources = _by_id(yours), {i: course.source_of(c) for i, c in _by_id(before).items()}
        fresh_ids = _by_id(fresh).keys()
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    own = {i for i, cell in cells.items() if course.source_of(cell) != sources.get(i)}
    result = []
    for cell in fresh["cells"]:
        yours_of_it = cells.get(cell["id"], cell)
        same = course.source_of(yours_of_it) == course.source_of(cell)
        result.append(yours_of_it if same or cell["id"] in own else cell)
    above = None
    for i, cell in cells.items():
        if i in own and i not in fresh_ids:
            places = [n for n, other in enumerate(result) if other["id"] == above]
            result.insert(places[0] + 1 if places else 0 if above is None else len(result), cell)
        elif not any(other["id"] == i for other in result):
            continue  # a cell that the course has dropped
        above = i
    return course.text_of(fresh | {"cells": result}).encode()


def _by_id(notebook: dict) -> dict[str, dict]:
    cells = {cell["id"]: cell for cell in notebook["cells"]}
    if len(cells) < len(notebook["cells"]):
        raise ValueError("two cells with one id")
    return cells


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    half = path.with_name(f".{path.name}.partial")  # so that an interruption leaves the old file
    half.write_bytes(data)
    os.replace(half, path)
