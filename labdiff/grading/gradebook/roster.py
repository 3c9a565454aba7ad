"""The roster: a CSV that maps the names in the submissions to the learning platform's ids and to e-mails.

The columns are those that Canvas (Grades, Export) and Moodle (Download grading worksheet) write, or own
ones."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
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
    rows = tables_in.read(path)
    known = {name for names in COLUMNS.values() for name in names}
    if rows and not known & rows[0].cells.keys():
        raise ValueError(
            f"{path}: expected a column such as student, name, id, login, email, identifier, "
            f"got {', '.join(rows[0].cells)}"
        )
    people = []
    for row in rows:
        cells = {
            field: next((row[name] for name in names if row[name]), "") for field, names in COLUMNS.items()
        }
        if plain(cells["student"]) == plain(POINTS_POSSIBLE):
            continue
        days = int(row.number("late_days")) if cells["late_days"] else None
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
        people.append(person)
    return people


def match(students: Iterable[str], people: Sequence[Person]) -> tuple[dict[str, Person], list[Person]]:
    """(student's name in the submissions -> person, people without a submission).

    A name that fits two people fits none. It fits whole, or by an id at its end, as Canvas' NAME_ID and
    Moodle's NAME_ID have it.
    """
    by_key: dict[str, list[Person]] = {}
    for person in people:
        for key in person.keys():
            by_key.setdefault(key, []).append(person)

    def find(student: str) -> Person | None:
        exact = [person for person in people if person.student == student]
        ended = re.fullmatch(r"(.*)_(\d+)", student)
        options = [exact, by_key.get(plain(student), [])]
        if ended:
            ids = [p for p in people if ended[2] in (p.id, re.sub(r"\D", "", p.identifier), p.sis_id)]
            options += [ids, by_key.get(plain(ended[1]), [])]
        fits = next((found for found in options if found), [])
        return fits[0] if len(fits) == 1 else None

    found = {student: person for student in students if (person := find(student))}
    taken = {id(person) for person in found.values()}
    return found, [person for person in people if id(person) not in taken]
