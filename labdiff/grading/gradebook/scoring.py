"""From verdicts to points. A verdict stays as it is; what it is worth is made anew each time."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timezone

from labdiff.grading.gradebook import roster as rosters
from labdiff.grading.gradebook.course_file import CourseFile, Late
from labdiff.grading.gradebook.known import nearest
from labdiff.grading.gradebook.overrides import TOTAL, Overrides
from labdiff.grading.gradebook.roster import Person
from labdiff.grading.records import CORRECT, ERROR, TIMEOUT, WRONG, Record, Result

# file for a platform -> whether a person can be in it
PLATFORMS: dict[str, Callable[[Person], bool]] = {
    "lms/canvas.csv": lambda person: person.in_canvas,
    "lms/moodle.csv": lambda person: bool(person.identifier),
    "lms/feedback/mail.csv": lambda person: bool(person.email),
}
CREDITED = (WRONG, ERROR, TIMEOUT)  # what a mistake's credit can be given for


@dataclass(frozen=True)
class Gradebook:
    """All that decides on points beside the verdicts.

    Attributes:
        course: the course file.
        overrides: points by hand.
        people: the roster, None where there is none.
        points: (notebook, exercise) -> points by the notebook's cell, if not as when it was graded.
        keys: own exercise -> the key's answer, which right answers share by nature.
    """

    course: CourseFile = CourseFile()
    overrides: Overrides = field(default_factory=dict)
    people: Sequence[Person] | None = None
    points: Mapping[tuple[str, str], float] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)

    def scored(self, records: Sequence[Record]) -> list[Record]:
        """The records with their points, late days and overrides."""
        by_name, _ = self.matched(records)
        return [self._one(record, by_name.get(record.student)) for record in records]

    def matched(self, records: Sequence[Record]) -> tuple[dict[str, Person], list[Person]]:
        """(student -> person, people who handed in nothing)."""
        return rosters.match([record.student for record in records], self.people or ())

    def said(self, records: Sequence[Record]) -> list[str]:
        """What does not fit together, a line each: for the class page and the terminal."""
        found: list[str] = []
        by_name, missing = self.matched(records)
        late = self.course.late
        if self.people is not None:
            found += rosters.unclear([record.student for record in records], self.people)
            found += [f"in the roster, but nothing handed in: {person.shown}" for person in missing]
            for file, known in PLATFORMS.items():
                lacking = [name for name, person in by_name.items() if not known(person)]
                if lacking and any(map(known, self.people)):
                    found.append(f"not in {file}, for the roster does not say enough: {', '.join(lacking)}")
            if late and late.deadline:
                unknown = [n for n, p in by_name.items() if p.submitted is None and p.late_days is None]
                found += [f"no time of handing in, taken as in time: {', '.join(unknown)}"] * bool(unknown)
        if late and not any(
            p.late_days is not None or late.deadline and p.submitted for p in self.people or ()
        ):
            found.append("late days cost points, but nobody is late: the roster has no times of handing in")
        return found + self._overrides_said(records)

    def _overrides_said(self, records: Sequence[Record]) -> list[str]:
        """What of the overrides does not fit, a line each."""
        most = {
            (record.student, r.exercise): r.max for record in self.scored(records) for r in record.results
        }
        names = sorted({record.student for record in records})
        found = []
        for (student, exercise), hand in self.overrides.items():
            if student not in names:
                near = nearest(student, names)
                found.append(f"an override for a student who is not here: {student}{near}")
            elif exercise != TOTAL and (student, exercise) not in most:
                found.append(f"an override for an exercise that was not graded: {student}, {exercise}")
            elif hand.points > most.get((student, exercise), math.inf):
                what = f"{hand.points:g} of {most[student, exercise]:g}"
                found.append(f"an override of more points than there are: {student}, {exercise}, {what}")
        return list(dict.fromkeys(found))

    def _one(self, record: Record, person: Person | None) -> Record:
        rows = tuple(self._result(record.student, r) for r in record.results)
        hand = self.overrides.get((record.student, TOTAL))
        days = days_late(self.course.late, person)
        share = penalty(self.course.late, days)
        made = replace(record, results=rows, late=0.0, late_why="", total_by_hand=None, total_why="")
        if share:
            off = round(share * sum(r.points for r in rows), 6)
            words = f"late: {days} day{'s' * (days > 1)}, -{100 * share:g} % (-{off:g})"
            made = replace(made, late=off, late_why=words)
        if hand:
            made = replace(made, total_by_hand=hand.points, total_why=f"total {hand.words}")
        return made

    def _result(self, student: str, r: Result) -> Result:
        base = self.points.get((r.notebook, r.exercise), r.max if r.cell is None else r.cell)
        most = self.course.points.get(r.exercise, base)
        share = 1.0 if r.status == CORRECT else 0.0
        why = ""
        if r.status in CREDITED and r.mistake and (share := self.course.share(r.exercise, r.mistake)):
            why = f"{100 * share:g} % for {r.mistake}"
        extra = r.exercise in self.course.extra
        hand = self.overrides.get((student, r.exercise))
        points = round(share * most, 6)
        if hand:
            points, why = hand.points, hand.words
        return replace(r, points=points, max=most, extra=extra, why=why, overridden=bool(hand))


def days_late(rule: Late | None, person: Person | None) -> int:
    """Days begun after the deadline, without those that are free."""
    if rule is None or person is None:
        return 0
    if person.late_days is not None:
        return max(0, person.late_days - rule.free_days)
    if rule.deadline is None or person.submitted is None:
        return 0
    deadline, came = rule.deadline, person.submitted
    if deadline.tzinfo is None and came.tzinfo is not None:
        deadline = deadline.replace(tzinfo=timezone.utc)
    if deadline.tzinfo is not None and came.tzinfo is None:
        came = came.replace(tzinfo=deadline.tzinfo)  # a time without a zone is the deadline's
    seconds = (came - deadline).total_seconds() - 60 * rule.grace_minutes
    return max(0, math.ceil(seconds / 86400) - rule.free_days)


def penalty(rule: Late | None, days: int) -> float:
    if rule is None or not days:
        return 0.0
    return 1.0 if rule.days is not None and days > rule.days else min(1.0, days * rule.penalty)
