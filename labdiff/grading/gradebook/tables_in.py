"""CSV files that instructors write: read with patience for Excel, refused by line and column."""

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # what a spreadsheet takes for the beginning of a formula


@dataclass(frozen=True)
class Row:
    """A row by its column's names in lower case, with its line and file, for messages."""

    cells: dict[str, str]
    line: int
    file: str

    def __getitem__(self, name: str) -> str:
        return self.cells.get(name, "")

    def wrong(self, column: str, expected: str, got: object, hint: str = "") -> ValueError:
        return ValueError(f"{self.file}: line {self.line}: {column}: expected {expected}, got {got!r}{hint}")

    def number(self, column: str) -> float:
        """The number in a column, from 0 on; a decimal comma will do."""
        text = self[column]
        try:
            value = float(text.replace(",", "."))
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= 0):
            raise self.wrong(column, "a number from 0 on", text)
        if re.fullmatch(r"\d{1,3},\d{3}", text):
            raise self.wrong(column, "a number that can't be read in two ways, such as 1.5", text)
        return value

    def whole(self, column: str) -> int:
        value = self.number(column)
        if value != int(value):
            raise self.wrong(column, "a whole number from 0 on", self[column])
        return int(value)


def read(path: str | Path, known: Sequence[str], needed: Sequence[str] = ()) -> list[Row]:
    """The rows of a CSV file: comma, semicolon or tab; UTF-8 with or without a mark, UTF-16, or Windows'.

    Args:
        known: columns that mean something, each of which may be there once; needed: those that must be there.

    Raises: ValueError: no such file, no text, no heading, a column that is not there or there twice.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as why:
        raise ValueError(f"{path}: expected a CSV file, got {why.strerror or why}") from None
    text = text_of(data)
    if "\0" in text:
        raise ValueError(
            f"{path}: expected a CSV file, got no text: in a spreadsheet, save it as CSV (UTF-8)"
        )
    text = text.lstrip("\r\n")
    heading = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=heading.count)
    if mark := re.match(r"sep=(.)\r?\n", text):  # for Excel
        delimiter, text = mark[1], text[mark.end() :]
    table = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=False)
    names: list[str] | None = None
    rows = []
    try:
        for cells in table:
            cells = [unescaped(cell.strip()) for cell in cells]
            if not any(cells):
                continue
            if names is None:
                names = [cell.lower() for cell in cells]
                continue
            rows.append(Row(dict(zip(names, cells, strict=False)), table.line_num, str(path)))
    except csv.Error as why:
        raise ValueError(f"{path}: line {table.line_num}: expected a CSV file, got {why}") from None
    names = names or []
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1 and name in known]:
        raise ValueError(f"{path}: expected one column {twice[0]}, got {names.count(twice[0])}")
    if not names or not set(needed) <= set(names):
        got = ", ".join(names) or "an empty file"
        raise ValueError(f"{path}: expected the columns {', '.join(needed) or 'in a heading'}, got {got}")
    return rows


def unescaped(cell: str) -> str:
    """A cell as it was, if labdiff put a ' before what a spreadsheet takes for a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:].lstrip(" ")[:1] in FORMULA else cell


def text_of(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")  # Excel's plain CSV in western languages
