"""The command labdiff: hand out, grade, merge, and the key."""

import argparse
import os
import signal
import sys


def parser():
    top = argparse.ArgumentParser(
        prog="labdiff",
        description="The instructor's side of the diffusion lab: hand the notebooks out, collect them, grade a class.",
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    grade = commands.add_parser(
        "grade",
        help="grade a class",
        description="Grade the notebooks of a class. SUBMISSIONS is a folder "
        "with a folder for each student (student01/01_forward_noising.ipynb), flat files "
        "(student01_01_forward_noising.ipynb), or a zip of either. RESULTS gets index.html for the class, "
        "a page for each student, grades.csv, junit.xml and Gradescope files. Run it again to go on after "
        "an interruption, or after more was handed in: what is graded is kept.",
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
        type=positive,
        default=os.cpu_count() or 1,
        metavar="N",
        help="students at once (here %(default)s)",
    )
    grade.add_argument(
        "--notebook",
        action="append",
        default=[],
        metavar="NAME",
        help="only this notebook, such as 01 or "
        "01_forward_noising; may be given again. Otherwise all that at least one student handed in",
    )
    grade.add_argument(
        "--isolation",
        choices=("auto", "namespace", "none"),
        default="auto",
        help="namespace: each student's code "
        "runs without network and without others' files (Linux); none: as you; auto: namespace where it can be had. "
        'Results without it say "not isolated"',
    )
    grade.add_argument(
        "--shard",
        type=shard,
        default=(1, 1),
        metavar="I/N",
        help="grade only the I-th of N parts of the class; see labdiff merge",
    )
    grade.add_argument(
        "--timeout", type=positive, default=60, metavar="SECONDS", help="for each cell (%(default)s)"
    )
    grade.add_argument(
        "--memory", type=positive, default=4, metavar="GIB", help="for each student's process (%(default)s)"
    )
    grade.add_argument("--again", action="store_true", help="grade also what is graded already")
    notebooks(grade)
    grade.set_defaults(run=run_grade)

    merge = commands.add_parser(
        "merge",
        help="put the results of shards together",
        description="Put the results of labdiff grade --shard 1/N ... N/N into one folder, with its pages and tables.",
    )
    merge.add_argument("parts", nargs="+", metavar="RESULTS")
    merge.add_argument("--out", required=True, metavar="RESULTS")
    merge.set_defaults(run=run_merge)

    for name, text, more in (
        ("handout", "write the students' copies", "answer cells empty, outputs clean, metadata for nbgrader"),
        ("key", "write the solved copies", "answer cells filled in; not run"),
    ):
        command = commands.add_parser(
            name, help=text, description=f"{text.capitalize()} of the notebooks into OUT: {more}."
        )
        command.add_argument("out", metavar="OUT")
        command.add_argument(
            "--notebook",
            action="append",
            default=[],
            metavar="NAME",
            help="only this one; may be given again",
        )
        notebooks(command)
        command.set_defaults(run=run_write, solved=name == "key")
    return top


def notebooks(command):
    command.add_argument(
        "--notebooks",
        metavar="DIR",
        help="the course's notebooks, if they are not in the clone that labdiff is installed from",
    )


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text}")
    return value


def shard(text):
    part, _, parts = text.partition("/")
    if not (part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"expected I/N with 1 <= I <= N, such as 2/8, got {text}")
    return int(part), int(parts)


def run_grade(args):
    from labdiff.grading.intake import trusted
    from labdiff.grading.publish import results
    from labdiff.grading.run import batch, workers
    from labdiff.grading.sandbox import isolate

    signal.signal(
        signal.SIGTERM, lambda *_: workers.STOP.append(True)
    )  # a CI that gives up: clean up as after Ctrl-C
    isolation, why = isolate.choose(args.isolation)
    if isolation == "none":
        print(
            f"labdiff grade: NOT ISOLATED: {why}. The students' code runs with your rights; results say so.",
            file=sys.stderr,
        )
    records = batch.grade_class(
        args.submissions,
        args.out,
        trusted.load(args.notebooks),
        args.notebook,
        isolation,
        why,
        args.jobs,
        args.timeout,
        args.memory * 2**30,
        args.shard,
        args.again,
    )
    broken = sum(r["status"] == "grader error" for record in records for r in record["results"])
    look = sum(bool(results.flags_of(record)) for record in records)
    print(f"{len(records)} students graded, {look} need a look: {args.out}/index.html")
    if broken:
        print(
            f"{broken} questions could not be graded (grader error). Run the same command again.",
            file=sys.stderr,
        )
    return 1 if broken else 0


def run_merge(args):
    from labdiff.grading.publish import results

    records = {r["student"]: r for part in args.parts for r in results.load_all(part)}
    for record in records.values():
        results.save(args.out, record)
    results.write_all(args.out, [records[name] for name in sorted(records)])
    print(f"{len(records)} students: {args.out}/index.html")
    return 0


def run_write(args):
    from labdiff.grading.intake import trusted
    from labdiff.grading.publish import handout

    for notebook in trusted.load(args.notebooks, args.notebook):
        print(handout.write(trusted.folder(args.notebooks) / f"{notebook.stem}.ipynb", args.out, args.solved))
    return 0


def main(arguments=None):
    args = parser().parse_args(arguments)
    try:
        return args.run(args)
    except ImportError as error:
        print(
            f"labdiff: {error}. Grading needs more packages: pip install 'labdiff[grading]', or in a clone pip install "
            f"-e "
            "'.[grading]'",
            file=sys.stderr,
        )
    except (ValueError, RuntimeError, OSError) as error:
        print(f"labdiff: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nlabdiff: interrupted. Run the same command again to go on.", file=sys.stderr)
    return 2
