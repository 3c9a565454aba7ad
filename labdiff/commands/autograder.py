"""labdiff gradescope, classroom50 and grade-one: graders that a platform runs for each submission."""

import argparse
import json
import os
import sys
from pathlib import Path

from labdiff import course
from labdiff.commands import options


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parsers."""
    for name, text, out in (
        ("gradescope", "write the zip that Gradescope takes as an autograder", "ZIP"),
        ("classroom50", "write the folder autograders/ASSIGNMENT of Classroom 50", "FOLDER"),
    ):
        command = commands.add_parser(
            name,
            help=f"for instructors: {text}",
            description=f"{text[0].upper()}{text[1:]}. It holds labdiff, the course's notebooks, course.toml "
            "and own exercises, and grades a submission as labdiff grade does.",
        )
        command.add_argument("out", metavar=out)
        options.which(command)
        options.notebooks(command)
        command.set_defaults(run=run_write, platform=name)
    one = commands.add_parser(
        "grade-one",
        help="for platforms: grade one submission",
        description="Grade the files of one student and write a platform's results file.",
    )
    one.add_argument("submission", metavar="SUBMISSION", nargs="?", help="a folder or a zip")
    one.add_argument("--results", metavar="FILE", help="the file to write")
    one.add_argument("--format", choices=("gradescope", "classroom50"), default="gradescope")
    one.add_argument("--metadata", metavar="FILE", help="Gradescope's submission_metadata.json: when it came")
    one.add_argument(
        "--self-test", action="store_true", help="only see whether the key scores all points here"
    )
    one.add_argument(
        "--timeout", type=options.positive, default=60, metavar="SECONDS", help="for each cell (60)"
    )
    options.which(one)
    options.notebooks(one)
    one.set_defaults(run=run_one)


def run_write(args: argparse.Namespace) -> int:
    """Write the zip or the folder."""
    from labdiff.grading.gradebook import given
    from labdiff.grading.intake import trusted
    from labdiff.grading.publish import autograders

    folder, notebooks = course.folder(args.notebooks), trusted.load(args.notebooks)
    late = given.course_of(folder, notebooks).late  # a course file that is wrong is told here, and not there
    writer = autograders.gradescope
    if args.platform == "classroom50":
        options.require_folder("OUT", args.out)
        writer = autograders.classroom50
        if late:
            print("labdiff classroom50: [late] of course.toml does not count there", file=sys.stderr)
    elif Path(args.out).is_dir():
        raise ValueError(f"ZIP: expected a file to write, got a folder, {args.out}")
    writer(Path(args.out), folder, trusted.select(notebooks, args.notebook))
    print(args.out)
    return 0


def run_one(args: argparse.Namespace) -> int:
    """Grade one; 1 if the grader itself failed on a question."""
    from labdiff.grading.gradebook import given
    from labdiff.grading.gradebook.scoring import Gradebook
    from labdiff.grading.intake import trusted
    from labdiff.grading.publish import platforms, tables
    from labdiff.grading.run import one

    notebooks = trusted.load(args.notebooks)
    chosen = trusted.select(notebooks, args.notebook)
    book = Gradebook(
        given.course_of(course.folder(args.notebooks), notebooks),
        points={(t.stem, q.name): q.points for t in notebooks for q in t.questions},
    )
    if args.self_test:
        one.self_test(chosen, book.course.packages)
        print("labdiff grade-one: the key scores all points here, the untouched notebooks none")
        return 0
    if not args.submission or not args.results:
        raise ValueError("grade-one: expected SUBMISSION and --results FILE, got one of them at most")
    if not Path(args.results).parent.is_dir():
        raise ValueError(f"--results: expected a file in a folder that is there, got {args.results}")
    if args.metadata and Path(args.metadata).is_file():
        book = platforms.with_metadata(book, json.loads(Path(args.metadata).read_text("utf-8")), one.STUDENT)
    record = one.grade(args.submission, notebooks, chosen, book, args.timeout)
    if args.format == "classroom50":
        made = platforms.classroom50(record, book, dict(os.environ), platforms.committed(args.submission))
    else:
        made = tables.gradescope(record)
    Path(args.results).write_text(json.dumps(made, indent=1), "utf-8")
    if record.ungraded:
        print(
            "labdiff grade-one: a question could not be graded (grader error): run it again", file=sys.stderr
        )
    return 1 if record.ungraded and args.format == "classroom50" else 0
