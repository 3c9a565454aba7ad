"""The roster: a CSV that maps the names in the submissions to the learning platform's ids and to e-mails.

The columns are those that Canvas (Grades, Export) and Moodle (Download grading worksheet) write, or own
ones."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from labdiff.grading.gradebook import tables_in

# what a person's fields are called in rosters: our own name, Canvas' and Moodle's
COLUMNS = {
    "student": ("student", "submission"),
    "name": ("name", "student name", "full name"),
    "id": ("id", "canvas id", "user id"),
    "identifier": ("identifier",),
    "sis_id": ("sis_id", "sis user id", "id number"),
    "login": ("login", "sis login id", "username", "login id"),
    "email": ("email", "email address", "e-mail"),
    "section": ("section",),
    "submitted": ("submitted", "last modified (submission)"),
    "late_days": ("late_days",),
    "grade_changed": ("last modified (grade)",),
}
IDS = ("id", "identifier", "sis_id")
POINTS_POSSIBLE = "points possible"  # the second row of Canvas' export is no person


@dataclass(frozen=True)
class Person:
    """A row of the roster; "" for what it does not say.

    Attributes:
        student: the name in the submissions, or the one in Canvas' column Student.
        id, sis_id, login, section: Canvas'; identifier: Moodle's, "Participant 12345".
        submitted: when it was handed in; late_days: days late, instead of counting them.
    """

    student: str = ""
    name: str = ""
    id: str = ""
    identifier: str = ""
    sis_id: str = ""
    login: str = ""
    email: str = ""
    section: str = ""
    submitted: datetime | None = None
    late_days: int | None = None
    grade_changed: str = ""

    @property
    def in_canvas(self) -> bool:
        """Whether Canvas would know this person."""
        return bool(self.id or self.sis_id or self.login)

    @property
    def shown(self) -> str:
        return self.name or self.student or self.email or self.login or self.id or self.identifier

    def keys(self) -> set[str]:
        """What a submission of this person may be named by, plain()."""
        given = {self.student, self.name, self.email, self.email.split("@")[0], self.login, self.sis_id}
        given |= {self.id, re.sub(r"\D", "", self.identifier)}
        for name in (self.student, self.name):
            last, comma, first = name.partition(",")
            given |= {f"{first} {last}"} if comma else set()
        return {plain(key) for key in given} - {""}


def plain(name: str) -> str:
    """A name without case, accents, blanks and punctuation."""
    letters = unicodedata.normalize("NFKD", name.casefold().replace("ß", "ss"))
    return "".join(c for c in letters if c.isalnum())


def read(path: str | Path) -> list[Person]:
    """The people in a roster. Raises ValueError: file, line, column, what is expected."""
    known = [name for names in COLUMNS.values() for name in names]
    rows = tables_in.read(path, known)
    if not rows:
        raise ValueError(f"{path}: expected a row for each student, got a heading only")
    if rows[0].cells.keys().isdisjoint(known):
        raise ValueError(
            f"{path}: expected a column such as student, name, id, login, email, identifier, "
            f"got {', '.join(rows[0].cells)}"
        )
    people: dict[Person, None] = {}  # a row that stands there twice is one person
    ids: dict[tuple[str, str], Person] = {}
    for row in rows:
        cells = {
            field: next((row[name] for name in names if row[name]), "") for field, names in COLUMNS.items()
        }
        if plain(cells["student"]) == plain(POINTS_POSSIBLE):
            continue
        days = row.whole("late_days") if cells["late_days"] else None
        try:
            when = datetime.fromisoformat(cells["submitted"].replace("Z", "+00:00"))
        except ValueError:
            if row["submitted"]:
                raise row.wrong(
                    "submitted", "a date and time such as 2026-12-01T23:59:00+01:00", row["submitted"]
                ) from None
            when = None  # Moodle's own words for a date: kept out, for they depend on the language
        given: dict[str, Any] = {**cells, "submitted": when, "late_days": days}
        person = Person(**given)
        if not person.keys():
            raise row.wrong("student", "a name, an id or an e-mail", "")
        for key in IDS:
            if cells[key] and ids.setdefault((key, cells[key]), person) != person:
                raise row.wrong(key, "another one for each person", cells[key])
        people[person] = None
    return list(people)


def fitting(students: Iterable[str], people: Sequence[Person]) -> dict[str, list[Person]]:
    """Student's name in the submissions -> the people whom it fits.

    It fits whole, or by an id at its end, as Canvas' NAME_ID and Moodle's NAME_ID have it.
    """
    by_key: dict[str, list[Person]] = {}
    for person in people:
        for key in person.keys():
            by_key.setdefault(key, []).append(person)

    def find(student: str) -> list[Person]:
        exact = [person for person in people if person.student == student]
        ended = re.fullmatch(r"(.*)_(\d+)", student)
        options = [exact, by_key.get(plain(student), [])]
        if ended:
            ids = [p for p in people if ended[2] in (p.id, re.sub(r"\D", "", p.identifier), p.sis_id)]
            options += [ids, by_key.get(plain(ended[1]), [])]
        return next((found for found in options if found), [])

    return {student: find(student) for student in students}


def match(students: Iterable[str], people: Sequence[Person]) -> tuple[dict[str, Person], list[Person]]:
    """(student's name in the submissions -> person, people without a submission).

    A name that fits two people fits none.
    """
    found = {name: some[0] for name, some in fitting(students, people).items() if len(some) == 1}
    taken = set(found.values())
    return found, [person for person in people if person not in taken]


def alone(found: Mapping[str, Person]) -> dict[str, Person]:
    """Those with a person of their own: a platform takes one grade for each."""
    count = Counter(found.values())
    return {name: person for name, person in found.items() if count[person] == 1}


def unclear(students: Iterable[str], people: Sequence[Person]) -> list[str]:
    """A line for each student whom no person, or not one person alone, in the roster fits."""
    fits = fitting(students, people)
    said, shared = [], {}
    for name, some in sorted(fits.items()):
        if not some:
            said.append(f"not in the roster: {name}")
        elif len(some) > 1:
            who = ", ".join(p.shown + f" ({p.id or p.identifier or p.email})" for p in some)
            said.append(f"several people in the roster fit {name}, and so none counts: {who}")
        else:
            shared.setdefault(some[0], []).append(name)
    for person, names in shared.items():
        if len(names) > 1:
            who = f"{person.shown} in the roster: {', '.join(names)}"
            said.append(f"several submissions fit, and so none of them goes to a platform, {who}")
    return said
