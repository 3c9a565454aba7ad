"""The page for the class: attempts, answers that are alike, progress, and that a large class is readable."""

import json
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from test_gradebook import record, row

import labdiff as ld
from labdiff.checks import EXERCISES
from labdiff.grading.gradebook import attempts, similar
from labdiff.grading.intake import choice, submissions, trusted
from labdiff.grading.publish import pages
from labdiff.grading.publish.solutions import SOLUTIONS
from labdiff.grading.records import Question, Record, Result
from labdiff.grading.run.batch import with_history

RIGHT = row("q_step", "correct")

# the attempts log


def half(s, x0, t, eps):
    return 0.5 * x0


def test_the_log_is_off_unless_the_student_allows_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ld.check("q_sample", half)
    assert list(tmp_path.iterdir()) == []
    Path(attempts.FILE).touch()
    ld.check("q_sample", lambda s, x0, t, eps: ld.q_step(s, x0, t - 1, eps))
    ld.check("q_sample", EXERCISES["q_sample"].formula)
    lines = [json.loads(line) for line in Path(attempts.FILE).read_text("utf-8").splitlines()]
    assert [line["status"] for line in lines] == ["not yet", "correct"]
    assert lines[0].keys() == {"time", "exercise", "status", "mistake"}
    monkeypatch.setattr("labdiff.checks.attempts.LARGEST", 10)
    ld.check("q_sample", half)
    assert len(Path(attempts.FILE).read_text("utf-8").splitlines()) == 2


def log(*rows):
    return "\n".join(json.dumps({"exercise": e, "status": s, "mistake": m}) for e, s, m in rows).encode()


def test_which_mistake_was_repaired_after_how_many_attempts():
    off = "off-by-one"
    logs = {
        "anna": log(("q_step", "not yet", off), ("q_step", "not yet", None), ("q_step", "correct", None)),
        "ben": log(("q_step", "not yet", off), ("q_sample", "correct", None)),
        "eve": log(("q_step", "correct", None), ("q_step", "not yet", off), ("q_step", "correct", None)),
    }
    records = [replace(record(n, RIGHT), attempts=attempts.read(data)) for n, data in logs.items()]
    assert attempts.repaired(records) == [attempts.Repaired("q_step", off, 3, 2, 1.5)]
    page = pages.class_page(records)
    assert "Mistakes that were repaired" in page and "1.5" in page
    assert "repaired" not in pages.class_page([record("anna", RIGHT)])


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe",
        b"[]\n3\nnull\n" + b"[" * 100_000,
        b'{"exercise": 3, "status": "correct", "mistake": null}',
        b'{"exercise": "q", "status": "perfect", "mistake": null}',
        json.dumps({"exercise": "q" * 99, "status": "correct", "mistake": None}).encode(),
        b'{"exercise": "q", "status": "correct", "mistake": "a\\u0000"}',
    ],
)
def test_a_log_that_is_none_says_nothing(data):
    assert attempts.read(data) == ()
    assert attempts.read(data + b"\n" + log(("q_step", "correct", None))) == (("q_step", "correct", ""),)


def test_a_log_is_handed_in_beside_the_notebook(tmp_path):
    course = trusted.load()
    for name in ("anna", "ben"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "01_forward_noising.ipynb").write_text("{}")
    (tmp_path / "anna" / attempts.FILE).write_bytes(log(("q_step", "correct", None)))
    found = submissions.collect(tmp_path, course).students
    assert (
        choice.attempts(found["anna"]) == (("q_step", "correct", ""),) and choice.attempts(found["ben"]) == ()
    )
    assert choice.pick(found["anna"], course)["01_forward_noising"].flags == ()


# answers that are alike

LONG = """\
def q_step(s, x_prev, t, eps):
    first = s.beta[t].reshape(len(t), *([1] * 3))
    second = torch.exp(0.5 * torch.log1p(-first))
    third = torch.exp(0.5 * torch.log(first))
    return (second * x_prev + third * eps).to(x_prev.dtype)
"""


def answer(name, source):
    return Record(name, "namespace", "", "", (replace(RIGHT, source=source),))


def others(n):
    """n answers that are the key's with another constant each."""
    return [answer(f"s{i}", SOLUTIONS["q_step"].replace("-1, 1", f"-1, {i}")) for i in range(n)]


def test_a_copy_is_found_through_names_comments_and_layout():
    copy = LONG.replace("first", "b").replace("second", "a").replace("third", "c")
    copy = copy.replace("    a =", '    """Mine."""\n    # I thought of this myself\n    a  =', 1)
    records = [*others(20), answer("anna", LONG), answer("ben", copy)]
    (group,) = similar.alike(records, pages.SOLVED)
    assert group.students == ("anna", "ben") and set(group.sources) == {LONG, copy}
    page = pages.class_page(records)
    assert "Needs a look, and is no verdict" in page and "q_step: anna, ben" in page
    assert not [record.flags for record in records if record.flags]


def test_right_answers_are_alike_by_nature():
    same = [answer(f"a{i}", SOLUTIONS["q_step"]) for i in range(30)]
    assert similar.alike([*same, *others(20)], pages.SOLVED) == []
    usual = [answer(f"b{i}", LONG) for i in range(30)]  # half of the class has it, from the lecture
    assert similar.alike([*same, *usual], pages.SOLVED) == []
    assert (
        similar.alike([answer("anna", LONG), answer("ben", LONG)], pages.SOLVED) == []
    )  # no class to compare with


def test_right_answers_to_an_own_exercise_are_alike_by_nature_too():
    records = [
        Record(f"s{i}", "namespace", "", "", (replace(row("mine", "correct"), source=text),))
        for i, text in enumerate([LONG, LONG, *(f"def mine(x):\n    return x + {i}" for i in range(10))])
    ]
    assert "Answers that are alike" in pages.class_page(records)
    assert "Answers that are alike" not in pages.class_page(records, keys={"mine": LONG})


def test_what_is_no_python_is_compared_too():
    broken = [answer(n, "def q_step(:\n" + " ".join(f"word{i}" for i in range(40))) for n in ("anna", "ben")]
    assert [g.students for g in similar.alike([*others(10), *broken], {})] == [("anna", "ben")]


# progress


def test_progress_over_submissions_is_kept():
    first = replace(record("anna", row("q_step", "wrong")), stamp="a-1")
    again = with_history(replace(record("anna", RIGHT), stamp="b-1"), first)
    later = with_history(replace(record("anna", RIGHT), stamp="a-2"), first)
    assert again.history == () and later.history == (0.0,) and with_history(first, None).history == ()
    assert "<td>0</td>" in pages.class_page([later]) and "before" not in pages.class_page([again])


# a large class


def everyone(n):
    """n students with all exercises of the course."""
    statuses = ("correct", "wrong", "not attempted", "error")
    made = []
    for i in range(n):
        rows = [
            Result.of(
                Question(name, "", f"0{1 + k // 3}_notebook"),
                statuses[(i + k) % 4],
                mistake="off-by-one" if (i + k) % 4 == 1 else None,
                hint=textwrap.fill("A hint of some length that students get. " * 3, 400),
            )
            for k, name in enumerate(EXERCISES)
        ]
        made.append(
            Record(f"student with a long name {i:03d}", "namespace", "", "", tuple(rows), history=(1.0,))
        )
    return made


CELLS = "[...document.querySelectorAll('td, th')].map(cell => cell.getBoundingClientRect().right)"
RIGHTMOST = f"Math.max(...{CELLS})"
CLIPPED = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollHeight > e.clientHeight + 1).length"


@pytest.mark.browser
def test_paper_does_not_clip_sixteen_exercises(browser):
    page = browser.new_page()
    page.set_content(pages.class_page(everyone(40)))
    page.emulate_media(media="print")
    for width in (718, 1047):  # A4 upright and across, less margins of 1 cm, at 96 dpi
        page.set_viewport_size({"width": width, "height": 1000})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(RIGHTMOST) <= width and page.evaluate(CLIPPED) == 0
    page.close()


@pytest.mark.browser
def test_a_class_of_300_is_readable(browser):
    text = pages.class_page(everyone(300))
    assert len(text) < 3_000_000
    page = browser.new_page()
    page.set_viewport_size({"width": 1200, "height": 900})
    page.set_content(text)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1200
    assert page.evaluate("document.body.scrollHeight") < 5000  # lists of the whole class are folded or scroll
    page.evaluate("document.querySelector('.tall').scrollTop = 5000")
    head, box = (page.locator(f".tall {part}").first.bounding_box() for part in ("thead th", "table"))
    assert (
        abs(head["y"] - page.locator(".tall").bounding_box()["y"]) < 3 and box["y"] < head["y"]
    )  # names stay
    page.close()
