"""Whose file or folder it is, by its name: as students name them, and as learning platforms do."""

import re
from collections.abc import Sequence

from labdiff.grading.records import Trusted

MOODLE = re.compile(r"_assignsubmission_(file|onlinetext)(_|$).*", re.S)  # NAME_ID_assignsubmission_file_...
CANVAS = re.compile(
    r"([^_]+)(?:_LATE)?_(\d{2,})_(\d{4,})(?:_|$)"
)  # NAME_UID_FILEID_..., with other ids for each file
# no part of a name fits two ways: a name made for it would else take hours
COPIED = re.compile(
    r"([\s_-]*(\(\d+\)|(copy([\s_-]*of)?|kopie([\s_-]*von)?|copie([\s_-]*de)?)(\s*\d+)?))+[\s_-]*$", re.I
)
COPY_OF_WHOM = re.compile(r"[\s_-]*(\(\d+\)|-\s?(copy|kopie|copie)\d*)(?=[\s_-]+\w)", re.I)  # then a name
DATE = re.compile(r"[\s_-]*(?<!\d)20\d\d-\d\d-\d\d([T\s_-]*\d\d[-:.h]?\d\d([-:.]?\d\d)?)?(?!\d)")
VERSION = re.compile(r"(v|version|attempt|try|old|new|backup|draft|final|copy)[\s_-]*\d*", re.I)
NO_NAME = re.compile(
    r"(copy ?of|kopie ?von|copie ?de|final|solved|solution|done|v)?[\s_-]*\d*|-\d{1,2}", re.I
)


def pattern(trusted: Trusted) -> re.Pattern:
    """A notebook's name as students may write it: with other separators, with or without its number."""
    words = trusted.stem.removeprefix(trusted.number).strip("_- ")
    words = r"[\W_]*".join(re.escape(word) for word in re.split(r"[\W_]+", words) if word)
    return re.compile(rf"(?:(?<!\d){trusted.number}[\W_]*)?{words or trusted.stem}", re.I)


def longest(name: str, course: Sequence[Trusted]) -> tuple[Trusted, re.Match] | None:
    """The notebook whose name stands in a name, and where: 04_training in anna-training_04_training."""
    found = [(t, match) for t in course for match in pattern(t).finditer(name)]
    return max(found, key=lambda pair: len(pair[1][0]), default=None)


def named(name: str, course: Sequence[Trusted]) -> Trusted | None:
    """The notebook that a name names: by its words, or else by the number that it begins with."""
    if found := longest(name, course):
        return found[0]
    return next((t for t in course if t.number and re.match(rf"{t.number}(\D|$)", name)), None)


def canvas(name: str) -> str:
    """NAME_UID, if the name is one that Canvas gives; else ""."""
    match = CANVAS.match(name)
    return f"{match[1]}_{match[2]}" if match else ""


def late_in_canvas(name: str) -> bool:
    """Whether Canvas says in the name that it came late."""
    return "_LATE_" in name and bool(CANVAS.match(name))


def of_folder(name: str) -> str:
    """Whose folder it is: its name, but for what Moodle adds."""
    return MOODLE.sub("", name)


def of_file(stem: str, course: Sequence[Trusted]) -> str:
    """Who is named by a file's name; "" if it names only a notebook."""
    if MOODLE.search(stem):
        return MOODLE.sub("", stem)
    found = longest(stem, course)
    if found is None:
        return stem
    end = COPY_OF_WHOM.match(stem, found[1].end()) or found[1]
    before, after = (tidy(part) for part in (stem[: found[1].start()], stem[end.end() :]))
    return "_".join(part for part in (before, after) if part)


def tidy(part: str) -> str:
    """What stands before or after a notebook's name, without marks of a copy; a number after _ is a name."""
    part = COPIED.sub("", DATE.sub("", part))
    number = re.fullmatch(r"_?\d+_?|\d+[\s-]*", part)
    return "" if NO_NAME.fullmatch(part.strip("_ .")) and not number else part.strip("_- .")
