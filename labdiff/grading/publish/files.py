"""Files of results: named after students, and written beside their place first, so that no half file is left."""

import hashlib
import os
import re
import tempfile
from pathlib import Path


def slug(student: str) -> str:
    """A file name for a student's id: safe, readable, and unlike that of any other id."""
    plain = re.sub(r"[^\w-]", "_", student)[:80]
    return (
        plain
        if plain == student
        else f"{plain}-{hashlib.sha256(student.encode('utf-8', 'replace')).hexdigest()[:6]}"
    )


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".half-")
    with open(handle, "w", encoding="utf-8", errors="replace", newline="") as f:
        f.write(text)
    os.chmod(beside, 0o644)
    os.replace(beside, path)
