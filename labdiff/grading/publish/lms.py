"""What goes back into the learning platform: Canvas' and Moodle's import files, a folder of feedback.

Written where there is a roster: it has the platform's ids."""

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from labdiff.grading.gradebook.roster import Person, alone
from labdiff.grading.gradebook.scoring import Gradebook
from labdiff.grading.publish import pages
from labdiff.grading.publish.files import slug, write
from labdiff.grading.publish.tables import text
from labdiff.grading.records import Record

BOM = "\ufeff"  # or Excel takes UTF-8 for the system's old encoding; Canvas and Moodle skip it
CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
MOODLE = (
    "Identifier",
    "Full name",
    "Email address",
    "Status",
    "Grade",
    "Maximum Grade",
    "Grade can be changed",
    "Last modified (submission)",
    "Last modified (grade)",
    "Feedback comments",
)
OLDEST = (1980, 1, 1, 0, 0, 0)  # of a zip's entry, the same each time


def table(rows: Sequence[Sequence[str]]) -> str:
    file = io.StringIO()
    csv.writer(file).writerows([map(text, row) for row in rows])
    return BOM + file.getvalue()


def grade(record: Record) -> str:
    """The total, "" where the grader could not finish: platforms leave that one as it is."""
    return "" if record.ungraded else f"{record.total:g}"


def canvas(records: Sequence[Record], people: Mapping[str, Person], assignment: str) -> str:
    """For Canvas' Grades, Import. Students whom the roster does not know are left out: they have no ID."""
    most = max((record.max for record in records), default=0.0)
    rows = [[*CANVAS, assignment], ["    Points Possible", "", "", "", "", f"{most:g}"]]
    for record in records:
        if (person := people.get(record.student)) and person.in_canvas:
            who = (
                person.name or person.student,
                person.id,
                person.sis_id,
                person.login or person.email,
                person.section,
            )
            rows.append([*who, grade(record)])
    return table(rows)


def moodle(records: Sequence[Record], people: Mapping[str, Person]) -> str:
    """For an assignment's View all submissions, Upload grading worksheet."""
    rows: list[Sequence[str]] = [MOODLE]
    for record in records:
        if (person := people.get(record.student)) and person.identifier:
            rows.append(
                (
                    person.identifier,
                    person.name or person.student,
                    person.email,
                    "Submitted for grading",
                    grade(record),
                    f"{record.max:g}",
                    "Yes",
                    "",
                    person.grade_changed,
                    comments(record),
                )
            )
    return table(rows)


def comments(record: Record) -> str:
    """A student's feedback in a cell: one line for each exercise."""
    lines = [
        f"{r.exercise}: {r.status}"
        + ("" if r.ungraded else f", {r.points:g} of {r.max:g}")
        + (f" ({r.why})" if r.why else "")
        for r in record.results
    ]
    return "\n".join(lines + [why for why in (record.late_why, record.total_why) if why])


def mail(records: Sequence[Record], people: Mapping[str, Person]) -> str:
    """For a mail merge: to whom which file goes."""
    rows: list[Sequence[str]] = [("email", "name", "student", "total", "max", "file")]
    for record in records:
        person = people.get(record.student)
        if person and person.email:
            who = (person.email, person.shown, record.student)
            rows.append((*who, grade(record), f"{record.max:g}", f"{slug(record.student)}.html"))
    return table(rows)


def moodle_feedback(records: Sequence[Record], people: Mapping[str, Person]) -> bytes:
    """A zip for Upload multiple feedback files in a zip: NAME_ID_assignsubmission_file_feedback.html."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for record in records:
            person = people.get(record.student)
            number = "".join(filter(str.isdigit, person.identifier)) if person else ""
            if person and number:
                name = "".join(c if c.isalnum() or c in " -'" else " " for c in person.shown)
                info = zipfile.ZipInfo(f"{name}_{number}_assignsubmission_file_feedback.html", OLDEST)
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, pages.student_page(record))
    return made.getvalue()


def write_all(out: Path, records: Sequence[Record], book: Gradebook) -> None:
    """The files for the learning platform, in out/lms; nothing without a roster."""
    if book.people is None:
        return
    people = alone(book.matched(records)[0])
    folder = Path(out) / "lms"
    write(folder / "canvas.csv", canvas(records, people, book.course.assignment))
    write(folder / "moodle.csv", moodle(records, people))
    feedback = folder / "feedback"
    wanted = {f"{slug(record.student)}.html": record for record in records if record.student in people}
    for name, record in wanted.items():
        write(feedback / name, pages.student_page(record))
    for path in feedback.glob("*.html"):
        if path.name not in wanted:
            path.unlink()
    write(feedback / "mail.csv", mail(records, people))
    (folder / "moodle-feedback.zip").write_bytes(moodle_feedback(records, people))
