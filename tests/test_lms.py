"""What goes into Canvas and Moodle, as their importers read it, and the feedback to mail."""

import csv
import io
import re
import zipfile
from dataclasses import replace

import pytest
from test_gradebook import CANVAS, MOODLE, people, record, row

from labdiff.grading.gradebook.course_file import CourseFile
from labdiff.grading.gradebook.scoring import Gradebook
from labdiff.grading.publish import lms, tables

RIGHT, WRONG = row("q_step", "correct"), row("q_sample", "wrong", mistake="off-by-one", hint="Index with t.")
EVIL = ("=cmd()", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "＝1", "\r=1")


def read(text):
    assert text.startswith("\ufeff")  # Excel
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


@pytest.fixture
def canvas(tmp_path):
    records = [record("amueller", RIGHT, WRONG), record("bberg", row("q_step", "grader error"), WRONG)]
    records.append(record("stranger", RIGHT, RIGHT))
    return records, Gradebook(CourseFile("Lab 15: Diffusion"), people=people(tmp_path, CANVAS))


def test_canvas_takes_the_file(canvas):
    records, book = canvas
    heading, possible, *rows = read(lms.canvas(records, book.matched(records)[0], book.course.assignment))
    # Canvas' importer: the first column names Student, the second ID, all up to Section is the person, then
    # come assignments; a row whose first cell says Points Possible is none of a student
    assert heading == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Lab 15: Diffusion"]
    assert re.search("Points Possible", possible[0]) and possible[5] == "2"
    assert rows == [
        ["Müller, Anna", "4711", "s1", "amueller", "A", "1"],
        ["Berg, Ben", "4712", "s2", "bberg", "A", ""],  # the grader could not finish: no number
    ]


def test_moodle_takes_the_worksheet(tmp_path):
    records = [record("Anna Müller_901", RIGHT, WRONG), record("stranger", RIGHT)]
    book = Gradebook(people=people(tmp_path, MOODLE))
    heading, *rows = read(lms.moodle(records, book.matched(records)[0]))
    # Moodle's importer looks for these by name, and takes the number behind "Participant "
    assert {"Identifier", "Grade", "Last modified (grade)", "Feedback comments"} <= set(heading)
    (only,) = [dict(zip(heading, row)) for row in rows]
    assert only["Identifier"] == "Participant 901" and only["Grade"] == "1" and only["Maximum Grade"] == "2"
    assert only["Full name"] == "Anna Müller" and only["Email address"] == "anna@example.org"
    assert only["Feedback comments"] == "q_step: correct, 1 of 1\nq_sample: wrong, 0 of 1"
    with zipfile.ZipFile(io.BytesIO(lms.moodle_feedback(records, book.matched(records)[0]))) as archive:
        (name,) = archive.namelist()
        assert name.split("_", 4) == ["Anna Müller", "901", "assignsubmission", "file", "feedback.html"]
        assert "Index with t." in archive.read(name).decode()


@pytest.mark.parametrize("cell", EVIL)
def test_no_spreadsheet_runs_a_cell(tmp_path, cell):
    assert tables.text(cell).startswith("'")
    people_here = people(
        tmp_path, f'student,name,id,login,identifier,email\n"{cell}","{cell}",1,x,Participant 1,e@x.org\n'
    )
    records = [record(cell, row("q_step", "wrong"))]
    records = [replace(r, late_why=cell) for r in records]
    who = {cell: people_here[0]}
    for text in (
        lms.canvas(records, who, cell),
        lms.moodle(records, who),
        lms.mail(records, who),
        "\ufeff" + tables.grades(records),
    ):
        for line in read(text):
            assert not [c for c in line if c.lstrip(" ")[:1] in tuple("=+-@\t\r＝＋－＠")]


def test_numbers_and_names_stay_as_they_are():
    for cell in ("", "1.5", "Müller, Anna", "O'Neil", "a=b", "anna@example.org"):
        assert tables.text(cell) == cell


def test_feedback_is_ready_to_mail(tmp_path, canvas):
    _, book = canvas
    book = replace(book, people=people(tmp_path, "student,email\nanna,a@x.org\nben,\n"))
    lms.write_all(tmp_path, [record("anna", RIGHT), record("ben", RIGHT), record("eve", RIGHT)], book)
    folder = tmp_path / "lms" / "feedback"
    assert {p.name for p in folder.iterdir()} == {"anna.html", "ben.html", "mail.csv"}
    heading, *rows = read((folder / "mail.csv").read_text("utf-8"))
    assert rows == [["a@x.org", "anna", "anna", "1", "1", "anna.html"]]
    lms.write_all(tmp_path, [record("ben", RIGHT)], book)
    assert {p.name for p in folder.glob("*.html")} == {"ben.html"}
    lms.write_all(tmp_path / "other", [record("ben", RIGHT)], Gradebook())
    assert not (tmp_path / "other").exists()
