"""A process for each student, some at once: one that dies, hangs or takes too much costs its student only."""

import json
import multiprocessing
import shutil
import signal
import sys
import tempfile
import time
from multiprocessing.connection import wait

from labdiff.grading.intake import submissions
from labdiff.grading.run import student
from labdiff.grading.sandbox import launch

STOP = []  # anything in here ends the batch; an exception out of a signal's handler could get lost in a fork


def processes(todo, base, options, jobs, tick=lambda: None):
    """Yield (name, results, extra) for each of todo, as they come; `jobs` at once. A process that dies costs its student
    only."""
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    todo, running = list(todo)[::-1], {}
    try:
        while todo or running:
            if STOP:
                raise KeyboardInterrupt
            while todo and len(running) < jobs:
                name, extra = todo.pop()
                work = tempfile.mkdtemp(dir=base)
                here, there = context.Pipe(duplex=False)
                process = context.Process(
                    target=work_on, args=(there, name, extra, {**options, "work": work})
                )
                process.start()
                there.close()
                questions = sum(len(t.questions) for t in options["trusted"])
                end = time.monotonic() + 120 + questions * (150 + 8 * options["timeout"])
                running[here] = process, name, extra, work, end
            ready = wait(list(running), timeout=1)
            ready += [c for c, row in running.items() if time.monotonic() > row[-1] and c not in ready]
            for connection in ready:
                process, name, extra, work, _ = running.pop(connection)
                try:
                    done = json.loads(connection.recv_bytes()) if connection.poll() else None
                except (EOFError, OSError):
                    done = None
                process.kill() if done is None else process.join(5)
                process.join()
                shutil.rmtree(work, ignore_errors=True)
                tick()
                yield name, done or lost(options["trusted"]), extra
    finally:
        for process, *_ in running.values():
            process.kill()


def work_on(connection, name, extra, options):
    """In the student's process, which ends with the batch, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    launch.option(launch.DIE_WITH_PARENT, signal.SIGKILL)
    files = extra["ready"] if "ready" in extra else submissions.pick(extra["files"], options["trusted"])
    connection.send_bytes(json.dumps(student.grade(name, files, options)).encode())


def lost(notebooks):
    return [
        {
            **student.new_result(t.stem, q.name, 1.0),
            "status": "grader error",
            "hint": "The grading process of this student ended early. Grade again: what is done is kept.",
            "flags": ["grading process lost"],
        }
        for t in notebooks
        for q in t.questions
    ]


def progress(total, done):
    """A function that shows one more student done: a bar on a terminal, lines elsewhere."""
    began, count = time.monotonic(), [done]

    def tick():
        count[0] += 1
        left = (time.monotonic() - began) / (count[0] - done) * (total - count[0])
        share = count[0] * 30 // total
        text = f"[{'#' * share}{'.' * (30 - share)}] {count[0]} of {total} students, about {left / 60:.1f} min left"
        end = "\n" if count[0] == total else "\r"
        if sys.stderr.isatty():
            print(text, end=end, file=sys.stderr, flush=True)
        elif count[0] == total or count[0] % max(1, total // 20) == 0:
            print(text, file=sys.stderr, flush=True)

    return tick
