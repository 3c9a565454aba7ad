"""CSV files that instructors write: read with patience for Excel, refused by line and column."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """A row by its column's names in lower case, with its line and file, for messages."""

    cells: dict[str, str]
    line: int
    file: str

    def __getitem__(self, name: str) -> str:
        return self.cells.get(name, "")

    def wrong(self, column: str, expected: str, got: object) -> ValueError:
        return ValueError(f"{self.file}: line {self.line}: {column}: expected {expected}, got {got!r}")

    def number(self, column: str, least: float = 0.0) -> float:
        """The number in a column; a decimal comma will do."""
        try:
            value = float(self[column].replace(",", "."))
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= least):
            raise self.wrong(column, f"a number from {least:g} on", self[column])
        return value


def read(path: str | Path, needed: Sequence[str] = ()) -> list[Row]:
    """The rows of a CSV file: comma, semicolon or tab; UTF-8 with or without a mark, UTF-16, or Latin-1.

    Raises: ValueError: no such file, no heading, or a column of `needed` that is not there.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as why:
        raise ValueError(f"{path}: expected a CSV file, got {why.strerror or why}") from None
    text = text_of(data)
    heading = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(",;\t", key=heading.count)
    table = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=False)
    names: list[str] | None = None
    rows = []
    try:
        for cells in table:
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if names is None:
                names = [cell.lower() for cell in cells]
                continue
            rows.append(Row(dict(zip(names, cells, strict=False)), table.line_num, str(path)))
    except csv.Error as why:
        raise ValueError(f"{path}: line {table.line_num}: expected a CSV file, got {why}") from None
    missing = [name for name in needed if name not in (names or ())]
    if names is None or missing:
        got = ", ".join(names) if names else "an empty file"
        raise ValueError(f"{path}: expected the columns {', '.join(needed) or 'in a heading'}, got {got}")
    return rows


def text_of(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
