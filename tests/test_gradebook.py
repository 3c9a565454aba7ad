"""From verdicts to points: the course file, overrides, late days, the roster, what changed."""

import csv
import io
import json
import time
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from labdiff import cli
from labdiff.checks import EXERCISES
from labdiff.grading.gradebook import changes, course_file, given, overrides, roster, tables_in
from labdiff.grading.gradebook.course_file import CourseFile, Late
from labdiff.grading.gradebook.overrides import TOTAL, Override
from labdiff.grading.gradebook.roster import Person
from labdiff.grading.gradebook.scoring import Gradebook, days_late, penalty
from labdiff.grading.intake import trusted
from labdiff.grading.publish import lms, pages, results, tables
from labdiff.grading.records import Question, Record, Result
from labdiff.grading.run import batch

ROOT = Path(__file__).parents[1]
MISTAKES = {name: tuple(m.id for m in e.mistakes) for name, e in EXERCISES.items()}
STEM = "01_forward_noising"


def row(exercise, status, **more):
    return Result.of(Question(exercise, "", STEM), status, **more)


def record(name, *rows, **more):
    return Record(name, "namespace", "", "1-2", rows, **more)


WRONG = row("q_sample", "wrong", mistake="off-by-one")
RIGHT = row("q_step", "correct")


def course(tmp_path, text):
    path = tmp_path / "course.toml"
    path.write_text(text, "utf-8")
    return course_file.read(path, MISTAKES)


# the course file


def test_a_course_file_decides_on_points_credit_and_late_days(tmp_path):
    read = course(
        tmp_path,
        """
assignment = "Lab 15: Diffusion"
packages = ["networkx"]
[credit]
off-by-one = "50 %"
[exercises.q_sample]
points = 3
credit = { variance-for-std = 0.25, "off-by-one+wrong-sign" = "10%" }
[exercises.q_step]
points = 0.5
extra_credit = true
[late]
deadline = 2026-12-01T23:59:00+01:00
penalty_per_day = "10 %"
days = 3
free_days = 1
grace_minutes = 15
""",
    )
    assert read.assignment == "Lab 15: Diffusion" and read.packages == ("networkx",)
    assert read.points == {"q_sample": 3, "q_step": 0.5} and read.extra == {"q_step"}
    shares = {m: read.share("q_sample", m) for m in ("off-by-one", "variance-for-std", "wrong-sign", None)}
    assert shares == {"off-by-one": 0.5, "variance-for-std": 0.25, "wrong-sign": 0, None: 0}
    assert read.share("q_sample", "off-by-one+variance-for-std") == 0.125
    assert read.share("q_sample", "off-by-one+wrong-sign") == 0.1
    assert read.share("p_mean", "off-by-one") == 0.5 and read.late.days == 3 and read.late.penalty == 0.1


@pytest.mark.parametrize(
    "text, words",
    [
        ("pionts = 3", "pionts: expected one of the keys assignment, packages"),
        ("[exercises.q_sampel]\npoints = 1", "exercises.q_sampel: expected one of alpha_bar, q_step"),
        (
            "[exercises.q_sample]\npoints = -1",
            "exercises.q_sample.points: expected a number from 0 on, got -1",
        ),
        ("[exercises.q_sample]\npoints = true", "exercises.q_sample.points: expected a number"),
        ("[exercises.q_sample]\npoints = nan", "exercises.q_sample.points: expected a number"),
        ("[exercises.q_sample]\npoint = 3", "exercises.q_sample.point: expected one of the keys points"),
        ("[exercises]\nq_sample = 3", "exercises.q_sample: expected a table"),
        (
            "[exercises.q_sample.credit]\noff-by-two = 1",
            "exercises.q_sample.credit.off-by-two: expected mist",
        ),
        (
            "[exercises.q_sample.credit]\noff-by-one = 50",
            'credit.off-by-one: expected a share such as "50 %"',
        ),
        ('[credit]\noff-by-one = "half"', "credit.off-by-one: expected a share"),
        ('[credit]\noff-by-one = "150 %"', "credit.off-by-one: expected a share"),
        ("[late]\ndeadline = 2026-12-01", "late.deadline: expected a date and time such as"),
        ("[late]\ndays = 1.5", "late.days: expected a whole number"),
        ("[late]\npenalty = 1", "late.penalty: expected one of the keys deadline"),
        ("packages = [3]", "packages: expected names of packages"),
        ('assignment = " "', "assignment: expected the name of the assignment, got ' '"),
        ("[late]\ndeadline = 2026-12-01", "without quotes, got 2026-12-01"),
        ('[late]\ndeadline = "2026-12-01T00:00:00Z"', "without quotes, got '2026-12-01T00:00:00Z'"),
        (
            "[late]\ndeadline = 2026-12-01T00:00:00Z",
            'penalty_per_day: expected what a late day costs, such as "10',
        ),
        ("[exercises.q-step]\npoints = 1", "got 'q-step' (q_step?)"),
        ("[credit]\noff-by-won = 0.5", ", ..., got 'off-by-won' (off-by-one?)"),
        ("a = [", "expected TOML, got"),
    ],
)
def test_a_wrong_course_file_is_told_by_file_and_key(tmp_path, text, words):
    with pytest.raises(ValueError) as error:
        course(tmp_path, text)
    assert str(error.value).startswith(f"{tmp_path}/course.toml: ") and words in str(error.value)


def test_points_in_a_cells_metadata_count_and_are_kept(tmp_path):
    notebook = json.loads((ROOT / "notebooks" / f"{STEM}.ipynb").read_text("utf-8"))
    cells = {cell["id"]: cell for cell in notebook["cells"]}
    cells["q-sample-check"]["metadata"]["nbgrader"]["points"] = 3
    cells["q-step-answer"]["metadata"]["points"] = 2
    del cells["q-step-check"]["metadata"]["nbgrader"]
    path = tmp_path / "course" / f"{STEM}.ipynb"
    path.parent.mkdir()
    path.write_text(json.dumps(notebook), "utf-8")
    asked = {q.name: q.points for q in trusted.read(path).questions}
    assert asked["q_sample"] == 3 and asked["q_step"] == 2 and asked["alpha_bar"] == 1
    (tmp_path / "course" / "course.toml").write_text("[exercises.alpha_bar]\npoints = 4", "utf-8")
    assert cli.main(["handout", str(tmp_path / "out"), "--notebooks", str(path.parent)]) == 0
    handed_out = {q.name: q.points for q in trusted.read(tmp_path / "out" / path.name).questions}
    assert handed_out == {**asked, "alpha_bar": 4}
    cells["q-step-answer"]["metadata"]["points"] = "two"
    path.write_text(json.dumps(notebook), "utf-8")
    with pytest.raises(ValueError, match="cell q-step-answer: metadata: points: expected a number"):
        trusted.read(path)


# scoring


def test_partial_credit_has_its_reason_on_page_and_in_tables():
    book = Gradebook(CourseFile(points={"q_sample": 3}, credit={("", "off-by-one"): 0.5}))
    (made,) = book.scored([record("anna", RIGHT, WRONG)])
    assert [(r.points, r.max) for r in made.results] == [(1, 1), (1.5, 3)] and made.total == 2.5
    assert "(50 % for off-by-one)" in pages.student_page(made)
    assert "q_sample: 50 % for off-by-one" in tables.grades([made])
    assert "50 % for off-by-one" in tables.junit([made])
    assert "1.5 of 3: 50 % for off-by-one" in tables.gradescope(made)["tests"][1]["output"]


def test_without_a_course_file_it_is_as_it_was():
    rows = [record("anna", RIGHT, WRONG, row("alpha_bar", "not attempted"), row("p_mean", "grader error"))]
    assert Gradebook().scored(rows) == rows
    assert Gradebook(points={(STEM, "q_step"): 3}).scored(rows)[0].results[0].points == 3


def test_credit_is_for_a_mistake_and_for_nothing_else():
    book = Gradebook(CourseFile(credit={("", "off-by-one"): 0.5}))
    for status in ("not attempted", "missing", "unreadable", "kernel died", "grader error"):
        (made,) = book.scored([record("a", row("q_sample", status, mistake="off-by-one"))])
        assert made.results[0].points == 0 and not made.remarks


def test_extra_credit_comes_on_top():
    book = Gradebook(CourseFile(extra=frozenset({"q_step"})))
    (made,) = book.scored([record("anna", RIGHT, row("q_sample", "correct"))])
    assert made.total == 2 and made.max == 1 and "(extra credit)" in pages.student_page(made)


def test_scoring_again_changes_nothing_and_forgets_nothing():
    book = Gradebook(
        CourseFile(points={"q_sample": 3}, credit={("", "off-by-one"): 0.5}, late=Late(penalty=0.1)),
        {("anna", "q_step"): Override(0.25, "oral")},
        [Person("anna", late_days=2)],
        {(STEM, "q_step"): 1.0, (STEM, "q_sample"): 1.0},
    )
    once = book.scored([record("anna", RIGHT, WRONG)])
    assert book.scored(once) == once and once[0].total == 1.4
    plain = replace(book, course=CourseFile(), overrides={}, people=None)
    assert plain.scored(once) == [record("anna", RIGHT, WRONG)]


@pytest.mark.parametrize(
    "came, days",
    [
        ("2026-12-01T22:59:00+00:00", 0),
        ("2026-12-01T23:13:59+00:00", 0),
        ("2026-12-01T23:20:00+00:00", 1),
        ("2026-12-02T23:59:00+01:00", 1),
        ("2026-12-03T00:20:00", 2),
        ("2026-11-01T00:00:00+00:00", 0),
    ],
)
def test_a_day_begun_is_a_day_late(came, days):
    rule = Late(datetime.fromisoformat("2026-12-01T23:59:00+01:00"), grace_minutes=15)
    assert days_late(rule, Person(submitted=datetime.fromisoformat(came))) == days


def test_late_days_take_off_points_but_never_more_than_there_are():
    rule = Late(penalty=0.4, days=2, free_days=1)
    assert [penalty(rule, d) for d in range(4)] == [0, 0.4, 0.8, 1.0]
    assert penalty(Late(penalty=0.4), 5) == 1.0
    assert days_late(rule, Person(late_days=3)) == 2 and days_late(rule, Person(late_days=1)) == 0
    naive = Late(datetime(2026, 12, 1))
    assert days_late(naive, Person(submitted=datetime(2026, 12, 2, tzinfo=timezone.utc))) == 1
    (made,) = Gradebook(CourseFile(late=rule), people=[Person("anna", late_days=2)]).scored(
        [record("anna", RIGHT)]
    )
    assert made.total == 0.6 and "late: 1 day, -40 % (-0.4)" in tables.grades([made])
    assert "late: 1 day, -40 %" in pages.student_page(made)


# overrides


def test_an_override_is_shown_as_what_it_is(tmp_path):
    path = tmp_path / "o.csv"
    path.write_text("student;exercise;points;comment\r\nanna;q_sample;0,5;=oral exam\r\nben;total;7;\r\n")
    book = Gradebook(overrides=overrides.read(path, MISTAKES))
    rows = [record("anna", RIGHT, row("q_sample", "grader error")), record("ben", RIGHT)]
    anna, ben = book.scored(rows)
    assert anna.total == 1.5 and not anna.ungraded and ben.total == 7
    assert "set by hand: =oral exam" in pages.student_page(anna) and "0.5 of 1" in pages.student_page(anna)
    table = list(csv.DictReader(io.StringIO(tables.grades([anna, ben]))))
    assert table[0]["q_sample"] == "0.5" and table[0]["remarks"] == "q_sample: set by hand: =oral exam"
    assert table[1]["total"] == "7" and table[1]["remarks"] == "total set by hand"
    assert tables.gradescope(anna)["score"] == 1.5
    assert book.said(rows[:1]) == ["an override for a student who is not here: ben"]


@pytest.mark.parametrize(
    "text, words",
    [
        ("student,exercise\na,b\n", "expected the columns student, exercise, points, got student, exercise"),
        ("student,exercise,points\nanna,q_sampel,1\n", "line 2: exercise: expected one of alpha_bar"),
        (
            "student,exercise,points\nanna,q_step,one\n",
            "line 2: points: expected a number from 0 on, got 'one'",
        ),
        ("student,exercise,points\n\nanna,q_step,-1\n", "line 3: points: expected a number"),
        ("student,exercise,points\n,q_step,1\n", "line 2: student: expected a name"),
        (
            "student,exercise,points\nanna,q-step,1\n",
            "interpolate, flow_velocity, total, got 'q-step' (q_step?)",
        ),
        (
            "student,exercise,points\nanna,q_step,nan\n",
            "line 2: points: expected a number from 0 on, got 'nan'",
        ),
        (
            'student,exercise,points\nanna,q_step,"1,000"\n',
            "points: expected a number that can't be read in two",
        ),
        ("student,exercise,points,Points\nanna,q_step,1,2\n", "expected one column points, got 2"),
        ("PK\x03\x04\0\0\0\0", "expected a CSV file, got no text: in a spreadsheet, save it as CSV (UTF-8)"),
        ("student,exercise,points\na,q_step,1\na,q_step,2\n", "line 3: exercise: expected one line"),
        ("", "expected the columns"),
    ],
)
def test_a_wrong_override_is_told_by_line_and_column(tmp_path, text, words):
    path = tmp_path / "o.csv"
    path.write_text(text)
    with pytest.raises(ValueError) as error:
        overrides.read(path, MISTAKES)
    assert str(path) in str(error.value) and words in str(error.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_are_read_as_spreadsheets_write_them(tmp_path, encoding, delimiter):
    path = tmp_path / "o.csv"
    text = delimiter.join(["Student", "Points"]) + "\r\n" + delimiter.join(["Zoë", '"1,5"']) + "\r\n"
    path.write_bytes(text.encode(encoding))
    (only,) = tables_in.read(path, ("student",))
    assert only["student"] == "Zoë" and only.number("points") == 1.5


def test_tables_may_have_excels_first_line_and_the_apostrophes_of_grades_csv(tmp_path):
    path = tmp_path / "o.csv"
    path.write_bytes(
        "sep=;\r\nstudent;exercise;points\r\n'=O’Neil;q_step;1,5\r\n'tis;q_step;1\r\n".encode("cp1252")
    )
    assert list(overrides.read(path, MISTAKES)) == [("=O’Neil", "q_step"), ("'tis", "q_step")]
    assert tables.text("=O’Neil") == "'=O’Neil"


def test_an_override_that_does_nothing_or_too_much_is_told():
    hands = {("Anna", TOTAL): 1, ("anna", "p_mean"): 1, ("anna", "q_step"): 10, ("anna", "q_sample"): 1}
    book = Gradebook(overrides={key: Override(points, "") for key, points in hands.items()})
    assert book.said([record("anna", RIGHT, WRONG)]) == [
        "an override for a student who is not here: Anna (anna?)",
        "an override for an exercise that was not graded: anna, p_mean",
        "an override of more points than there are: anna, q_step, 10 of 1",
    ]


def test_late_days_that_can_not_be_counted_are_told(tmp_path):
    late = CourseFile(late=Late(datetime(2026, 12, 1), 0.1))
    words = "late days cost points, but nobody is late: the roster has no times of handing in"
    rows = [record("anna", RIGHT)]
    assert Gradebook(late).said(rows) == [words]
    assert words in Gradebook(late, people=people(tmp_path, "student\nanna\n")).said(rows)
    for column, value in (("late_days", "0"), ("submitted", "2026-11-01")):
        assert Gradebook(late, people=people(tmp_path, f"student,{column}\nanna,{value}\n")).said(rows) == []
    assert words in Gradebook(
        CourseFile(late=Late(None, 0.1)), people=people(tmp_path, "student,submitted\nanna,2026-12-01\n")
    ).said(rows)


# the roster

CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,Lab 15 (77)
    Points Possible,,,,,3
"Müller, Anna",4711,s1,amueller,A,
"Berg, Ben",4712,s2,bberg,A,
"Berg, Ben",4713,s3,bberg2,B,
"""
MOODLE = """Identifier,Full name,Email address,Status,Grade,Maximum Grade,Last modified (submission)
Participant 901,Anna Müller,anna@example.org,Submitted,,3,"Tuesday, 1 December 2026, 11:00 PM"
Participant 902,Ben Berg,ben@example.org,,,3,-
"""


def people(tmp_path, text):
    path = tmp_path / "roster.csv"
    path.write_text(text, "utf-8")
    return roster.read(path)


def test_a_roster_from_canvas_or_moodle_knows_who_is_who(tmp_path):
    found, missing = roster.match(
        ["muelleranna_4711", "Anna Muller", "amueller", "bergben_4712", "berg ben", "someone"],
        people(tmp_path, CANVAS),
    )
    ids = {name: person.id for name, person in found.items()}
    assert ids == {
        "muelleranna_4711": "4711",
        "Anna Muller": "4711",
        "amueller": "4711",
        "bergben_4712": "4712",
    }
    assert [person.id for person in missing] == ["4713"]  # "berg ben" is two people, and so nobody
    found, missing = roster.match(["Anna Müller_901", "ben"], people(tmp_path, MOODLE))
    assert found["Anna Müller_901"].email == "anna@example.org" and found["ben"].identifier[-3:] == "902"


def test_unknown_and_missing_students_are_listed(tmp_path):
    book = Gradebook(people=people(tmp_path, "student,email\nanna,a@x.org\nben,b@x.org\n"))
    rows = [record("anna", RIGHT), record("eve", RIGHT)]
    said = book.said(rows)
    assert said == ["not in the roster: eve", "in the roster, but nothing handed in: ben"]
    assert all(line in pages.class_page(rows, said=said) for line in said)
    book = replace(book, course=CourseFile(late=Late(datetime(2026, 12, 1))))
    assert "no time of handing in, taken as in time: anna" in book.said(rows)


def test_who_is_not_one_person_in_the_roster_is_told(tmp_path):
    twins = people(
        tmp_path, "student,name,id,email\na,Ann,1,\nb,Ann,2,b@x.org\nben,,3,\nben,,3,\nc,,,c@x.org\n"
    )
    assert len(twins) == 4  # a row that stands there twice is one person
    rows = [record(name, RIGHT) for name in ("Ann", "b", "B_2", "c", "ben")]
    book = Gradebook(people=twins)
    assert book.said(rows) == [
        "several people in the roster fit Ann, and so none counts: Ann (1), Ann (2)",
        "several submissions fit, and so none of them goes to a platform, Ann in the roster: B_2, b",
        "in the roster, but nothing handed in: Ann",
        "not in lms/canvas.csv, for the roster does not say enough: c",
        "not in lms/feedback/mail.csv, for the roster does not say enough: ben",
    ]
    lms.write_all(tmp_path, rows, book)
    assert (tmp_path / "lms" / "canvas.csv").read_text("utf-8").splitlines()[2:] == ["ben,3,,,,1"]


def test_a_wrong_roster_is_told(tmp_path):
    with pytest.raises(ValueError, match="line 3: id: expected another one for each person, got '1'"):
        people(tmp_path, "student,id\nanna,1\nben,1\n")
    with pytest.raises(ValueError, match="expected a row for each student, got a heading only"):
        people(tmp_path, "student,id\n")
    with pytest.raises(ValueError, match="expected one column id, got 2"):
        people(tmp_path, "student,id,ID\nanna,1,2\n")
    with pytest.raises(ValueError, match="line 2: late_days: expected a whole number from 0 on, got '0.5'"):
        people(tmp_path, "student,late_days\nanna,0.5\n")
    with pytest.raises(ValueError, match="line 2: submitted: expected a date and time"):
        people(tmp_path, "student,submitted\nanna,yesterday\n")
    with pytest.raises(ValueError, match="expected a column such as student"):
        people(tmp_path, "who,what\nanna,1\n")
    with pytest.raises(ValueError, match="line 3: student: expected a name"):
        people(tmp_path, "student,section\nanna,1\n,2\n")


# runs


def test_results_that_are_a_file_are_told(tmp_path, capsys):
    (tmp_path / "out").write_text("mine")
    for command in (["grade", str(tmp_path)], ["merge", str(tmp_path)]):
        assert cli.main([*command, "--out", str(tmp_path / "out")]) == 2
        assert "--out: expected a folder to write into, got a file" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "mine"


def test_what_changed_since_the_last_run(tmp_path):
    first = [record("anna", RIGHT, WRONG), record("ben", RIGHT)]
    assert results.finish(tmp_path, first, [], [], Gradebook()) == []
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert results.finish(tmp_path, first, [], [], Gradebook()) == []
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    now = [record("anna", RIGHT, row("q_sample", "correct")), record("=eve", RIGHT)]
    found = results.finish(tmp_path, now, [], [], Gradebook())
    told = {(c.student, c.exercise): (c.before, c.after) for c in found}
    assert told["anna", "q_sample"] == ("wrong, 0 of 1", "correct, 1 of 1")
    assert told["ben", "total"] == ("1 of 1", "") and told["=eve", "total"] == ("", "1 of 1")
    assert "wrong, 0 of 1" in (tmp_path / "index.html").read_text("utf-8")
    assert "'=eve,total" in (tmp_path / "changes.csv").read_text("utf-8")
    (tmp_path / changes.LAST).write_text("[]")
    assert results.finish(tmp_path, now, [], [], Gradebook()) == []


def test_pages_of_students_who_are_gone_go(tmp_path):
    for one in (record("anna", RIGHT), record("b/c", RIGHT)):
        results.save(tmp_path, one, "key")
        results.write_student(tmp_path, one)
    results.remove_gone(tmp_path, ["b/c"])
    left = sorted(p.name for p in tmp_path.rglob("*") if "anna" in str(p))
    assert left == ["anna.json"] and (tmp_path / ".gone" / "anna.json").exists()
    assert results.load(tmp_path, "b/c", "key") == record("b/c", RIGHT)


def test_files_that_were_given_are_kept_for_later_runs(tmp_path):
    out, notebooks = tmp_path / "out", tmp_path / "course"
    notebooks.mkdir()
    path = tmp_path / "mine.csv"
    path.write_text("student,exercise,points\nanna,q_step,0.5\n")
    book, used, said = given.read(out, named={given.OVERRIDES: str(path)})
    assert not out.exists()  # nothing is written before it is known to be a folder for results
    given.keep(out, used)
    assert book.overrides["anna", "q_step"].points == 0.5 and not said
    path.unlink()
    book, _, said = given.read(out)
    assert book.overrides and "overrides.csv (delete it" in said[0]
    (notebooks / "course.toml").write_text("[exercises.q_step]\npoints = 2")
    assert given.read(out, notebooks=notebooks)[0].course.points == {"q_step": 2}
    with pytest.raises(ValueError, match="nothing.csv: expected a CSV file"):
        given.read(out, named={given.ROSTER: str(tmp_path / "nothing.csv")})


def test_a_merge_goes_on_with_the_parts_files(tmp_path):
    for i, name in enumerate(("anna", "ben")):
        out = tmp_path / str(i)
        results.save(out, record(name, RIGHT, WRONG), results.secret(out))
    (tmp_path / "1" / "inputs").mkdir()
    (tmp_path / "1" / "inputs" / "course.toml").write_text('[credit]\noff-by-one = "50 %"')
    merged, *_ = results.merge([tmp_path / "0", tmp_path / "1"], tmp_path / "all")
    assert [one.total for one in merged] == [1.5, 1.5]
    assert (tmp_path / "all" / "inputs" / "course.toml").is_file()
    path = tmp_path / "o.csv"
    path.write_text("student,exercise,points\nben,q_step,0\n")
    named = {given.OVERRIDES: str(path)}
    merged, *_ = results.merge([tmp_path / "0", tmp_path / "1"], tmp_path / "all", named)
    assert [one.total for one in merged] == [1.5, 0.5]


def test_a_merge_checks_a_file_that_is_named_and_leaves_nothing_where_it_fails(tmp_path):
    old = Gradebook(CourseFile(points={"q_step": 3.0}))
    results.save(
        tmp_path / "0", old.scored([record("anna", RIGHT, WRONG)])[0], results.secret(tmp_path / "0")
    )
    out, course, by_hand = (tmp_path / name for name in ("all", "course.toml", "o.csv"))
    for text, wrong in {'[credit]\noff-by-on = "50 %"': "off-by-on", "[exercises.q_stp]": "q_stp"}.items():
        course.write_text(text)
        with pytest.raises(ValueError, match=wrong):
            results.merge([tmp_path / "0"], out, {given.COURSE: str(course)})
    assert not (out / "inputs").exists()
    course.write_text('assignment = "x"')  # the old file's three points don't stay
    by_hand.write_text("student,exercise,points\nanna,ddim_step,1\n")  # of a notebook that comes later
    merged, _, said = results.merge(
        [tmp_path / "0"], out, {given.COURSE: str(course), given.OVERRIDES: str(by_hand)}
    )
    assert [(r.points, r.max) for r in merged[0].results] == [(1, 1), (0, 1)]
    assert "an override for an exercise that was not graded: anna, ddim_step" in said
    results.merge([tmp_path / "0"], out)
    assert not list((out / "inputs").iterdir())  # a later run goes on with what this one went by


def test_a_record_goes_through_json():
    one = record("a", replace(WRONG, why="x", source="def"), late=1.0, history=(1.0, 2.0), total_by_hand=3.0)
    assert Record.from_plain(json.loads(json.dumps(one.plain()))) == one


def test_pages_and_tables_appear_as_students_are_done(tmp_path):
    one, now = record("anna", RIGHT), time.monotonic()
    assert batch.progress(tmp_path, [one], one, Gradebook(), now) == now
    assert (tmp_path / "students" / "anna.html").exists() and not (tmp_path / "grades.csv").exists()
    assert batch.progress(tmp_path, [one], one, Gradebook(), now - 2 * batch.PROGRESS) >= now
    assert "anna,1,1,1" in (tmp_path / "grades.csv").read_text("utf-8")
    assert (tmp_path / "index.html").exists()


def test_the_page_while_grading_knows_an_own_exercises_key(tmp_path):
    source = (
        "def snr(s, t):\n    ratio = s.alpha_bar[t] / (1 - s.alpha_bar[t])\n    return 10 * ratio.log10()"
    )
    sources = {
        "anna": source,
        "ben": source,
        **{f"s{k}": f"def snr(s, t):\n    return {k}" for k in range(6)},
    }
    made = [record(name, replace(RIGHT, exercise="snr", source=source)) for name, source in sources.items()]
    for keys, alike in (({}, True), ({"snr": source}, False)):
        batch.progress(tmp_path, made, made[0], Gradebook(keys=keys), -2 * batch.PROGRESS)
        assert ("are alike" in (tmp_path / "index.html").read_text("utf-8")) == alike
