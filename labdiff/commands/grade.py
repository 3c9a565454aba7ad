"""labdiff grade and labdiff merge: points and feedback for a class."""

import argparse
import os
import signal
import sys

from labdiff.commands import options


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parsers of grade and merge."""
    grade = commands.add_parser(
        "grade",
        help="for instructors: grade a class",
        description="Grade the notebooks of a class. SUBMISSIONS is a folder with a folder for each student "
        "(student01/01_forward_noising.ipynb), flat files (student01_01_forward_noising.ipynb), or a zip of "
        "either. RESULTS gets index.html for the class, a page for each student, grades.csv, changes.csv "
        "(what is new since the last run), junit.xml and Gradescope files. Run it again to go on after an "
        "interruption, or after more was handed in: what is graded is kept.",
    )
    grade.add_argument("submissions", metavar="SUBMISSIONS")
    grade.add_argument(
        "--out",
        required=True,
        metavar="RESULTS",
        help="the folder for the results; don't publish its file .secret",
    )
    grade.add_argument(
        "-j",
        "--jobs",
        type=options.positive,
        default=os.cpu_count() or 1,
        metavar="N",
        help="students at once (here %(default)s)",
    )
    grade.add_argument(
        "--notebook",
        action="append",
        default=[],
        metavar="NAME",
        help="only this notebook, such as 01 or 01_forward_noising; may be given again. "
        "Otherwise all that at least one student handed in",
    )
    grade.add_argument(
        "--isolation",
        choices=("auto", "namespace", "none"),
        default="auto",
        help="namespace: each student's code runs without network and without others' files (Linux); none: "
        'as you; auto: namespace where it can be had. Results without it say "not isolated"',
    )
    grade.add_argument(
        "--shard",
        type=shard,
        default=(1, 1),
        metavar="I/N",
        help="grade only the I-th of N parts of the class; see labdiff merge",
    )
    grade.add_argument(
        "--timeout", type=options.positive, default=60, metavar="SECONDS", help="for each cell (%(default)s)"
    )
    grade.add_argument(
        "--memory",
        type=options.positive,
        default=4,
        metavar="GIB",
        help="for each student's process (%(default)s)",
    )
    grade.add_argument(
        "--package",
        action="append",
        default=[],
        metavar="NAME",
        help="a further package, installed here, that answers may import; may be given again",
    )
    grade.add_argument("--again", action="store_true", help="grade also what is graded already")
    grade.add_argument(
        "--student",
        action="append",
        default=[],
        metavar="NAME",
        help="grade only this one, again; all others stay as they are; may be given again",
    )
    options.gradebook(grade)
    options.notebooks(grade)
    grade.set_defaults(run=run_grade)

    merge = commands.add_parser(
        "merge",
        help="for instructors: put the results of shards together",
        description="Put the results of labdiff grade --shard 1/N ... N/N together, with pages and tables.",
    )
    merge.add_argument("parts", nargs="+", metavar="RESULTS")
    merge.add_argument("--out", required=True, metavar="RESULTS")
    options.gradebook(merge)
    merge.set_defaults(run=run_merge)


def shard(text: str) -> tuple[int, int]:
    """An argparse type: I/N with 1 <= I <= N."""
    part, _, parts = text.partition("/")
    if not (part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"expected I/N with 1 <= I <= N, such as 2/8, got {text}")
    return int(part), int(parts)


def run_grade(args: argparse.Namespace) -> int:
    """Grade the class; 1 if the grader itself failed on a question."""
    from labdiff.course import folder
    from labdiff.grading.gradebook import given
    from labdiff.grading.intake import trusted
    from labdiff.grading.run import batch, workers
    from labdiff.grading.sandbox import isolate

    options.require_folder("--out", args.out)
    # a CI job that is cancelled: clean up as after Ctrl-C
    signal.signal(signal.SIGTERM, lambda *_: workers.STOP.append(True))
    isolation, why = isolate.choose(args.isolation)
    if isolation == "none":
        print(
            f"labdiff grade: NOT ISOLATED: {why}. The students' code runs with your rights; results say so.",
            file=sys.stderr,
        )
    course = trusted.load(args.notebooks)
    book, used, said = given.read(args.out, course, folder(args.notebooks), options.gradebook_files(args))
    for line in said:
        print(f"labdiff grade: {line}", file=sys.stderr)
    records = batch.grade_class(
        args.submissions,
        args.out,
        course,
        args.notebook,
        isolation,
        why,
        args.jobs,
        args.timeout,
        args.memory * 2**30,
        args.shard,
        args.again,
        (*args.package, *book.course.packages),
        book,
        args.student,
    )
    given.keep(args.out, used)
    broken = sum(r.ungraded for record in records for r in record.results)
    look = sum(bool(record.flags) for record in records)
    print(f"{len(records)} students graded, {look} need a look: {args.out}/index.html")
    if broken:
        print(
            f"{broken} questions could not be graded (grader error). Run the same command again.",
            file=sys.stderr,
        )
    return 1 if broken else 0


def run_merge(args: argparse.Namespace) -> int:
    """Put shards together."""
    from labdiff.grading.publish import results, tables

    options.require_folder("--out", args.out)
    records, unread, said = results.merge(args.parts, args.out, options.gradebook_files(args))
    print(f"{len(records)} students: {args.out}/index.html")
    for line in said[:20]:
        print(f"labdiff merge: {tables.clean(line)}", file=sys.stderr)
    for line in unread:
        print(f"labdiff merge: can't be read, grade that student again: {line}", file=sys.stderr)
    return 1 if unread or any(record.ungraded for record in records) else 0
