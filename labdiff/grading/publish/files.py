"""Files of results: named after students, and written whole or not at all."""

import hashlib
import os
import re
import tempfile
from pathlib import Path


def slug(student: str) -> str:
    """A file name for a student's id: safe, readable, and unlike that of any other id."""
    plain = re.sub(r"[^\w-]", "_", student).encode("utf-8", "replace")[:120].decode("utf-8", "ignore")
    if plain == student and not re.search(r"-[0-9a-f]{10}$", plain):
        return plain
    return f"{plain}-{hashlib.sha256(student.encode('utf-8', 'replace')).hexdigest()[:10]}"


def write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".half-")
    with open(handle, "w", encoding="utf-8", errors="replace", newline="") as f:
        f.write(text)
    os.chmod(beside, mode)
    os.replace(beside, path)
