"""One file that was handed in, on disk or in a zip: read as bytes, never followed or unpacked."""

import io
import os
import re
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

BIGGEST = 256 * 1024 * 1024  # bytes of a file; a notebook with more than that in its outputs is not read
NOTEBOOK = re.compile(r"\.ipynb(\.txt|\.json)?$", re.I)  # some browsers add an ending


class Unreadable(Exception):
    """Why a file can't be graded, in words for student and instructor."""


@dataclass(frozen=True)
class File:
    """A file that was handed in.

    Attributes:
        inner: its path below the submissions, for people; the name of a zip stands in it like a folder's.
        source: the file on disk; members: where it is in that zip, and in the zips in it.
        problem: why it can't be read, where that is known.
    """

    inner: PurePosixPath
    source: Path
    members: tuple[int, ...] = ()
    problem: str = ""

    @property
    def stem(self) -> str:
        return NOTEBOOK.sub("", self.inner.name)

    @property
    def is_notebook(self) -> bool:
        return NOTEBOOK.search(self.inner.name) is not None

    @property
    def autosaved(self) -> bool:
        return ".ipynb_checkpoints" in self.inner.parts

    def read(self) -> bytes:
        """Its bytes. Raises Unreadable."""
        if self.problem:
            raise Unreadable(self.problem)
        try:
            if self.members:
                return member(self.source, self.members)
            with open(os.open(self.source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise Unreadable("it is not a file")
                data = file.read(BIGGEST + 1)
                within(len(data))
                return data
        except Unreadable:
            raise
        except Exception as error:  # a damaged or strange zip makes zipfile raise nearly anything
            where = "the zip is damaged here" if self.members else "it can't be read"
            raise Unreadable(f"{where} ({error or type(error).__name__})") from None


def member(source: Path, members: tuple[int, ...]) -> bytes:
    """Bytes of a file in a zip, or in a zip in a zip: `members` are places in their lists of contents."""
    place: Path | io.BytesIO = source
    data = b""
    for index in members:
        with zipfile.ZipFile(place) as archive:
            info = archive.infolist()[index]
            if info.flag_bits & 1:
                raise Unreadable("the zip is encrypted: hand it in without a password")
            within(info.file_size)  # what it says of itself, which may be wrong
            with archive.open(info) as file:
                data = file.read(BIGGEST + 1)
            within(len(data))
            place = io.BytesIO(data)
    return data


def within(size: int) -> None:
    if size > BIGGEST:
        raise Unreadable(f"the file has more than {BIGGEST >> 20} MB: clear the outputs and hand it in again")
