"""A process for each student, some at once: one that dies, hangs or takes too much costs its student only."""

import gc
import multiprocessing
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess

from labdiff.grading.records import GRADER_ERROR, HandedIn, Options, Result
from labdiff.grading.run import student
from labdiff.grading.sandbox import namespaces
from labdiff.grading.sandbox.cleanup import remove_tree
from labdiff.grading.sandbox.kernel import patience

STOP = []  # a signal handler puts something in to end the batch: an exception in it could get lost in a fork


@dataclass(frozen=True)
class Task:
    """One student to grade; find() reads what was handed in, in the student's process."""

    student: str
    find: Callable[[], Mapping[str, HandedIn]]
    stamp: str = ""


@dataclass(frozen=True)
class Running:
    process: BaseProcess
    task: Task
    work: str
    end: float


def processes(
    todo: Iterable[Task], base: str, options: Options, jobs: int, tick: Callable[[], None] = lambda: None
) -> Iterator[tuple[Task, list[Result]]]:
    """Yield each task with its results, as they come; a process that dies costs its student only."""
    context: ForkContext | SpawnContext = multiprocessing.get_context("spawn")
    if sys.platform == "linux":
        context = multiprocessing.get_context("fork")
    todo = list(todo)[::-1]
    running: dict[Connection, Running] = {}
    questions = sum(len(t.questions) for t in options.notebooks)
    try:
        while todo or running:
            if STOP:
                raise KeyboardInterrupt
            while todo and len(running) < jobs:
                task, work = todo.pop(), tempfile.mkdtemp(dir=base)
                here, there = context.Pipe(duplex=False)
                process = context.Process(target=work_on, args=(there, task, replace(options, work=work)))
                process.start()
                there.close()
                longest = 120 + questions * (150 + 8 * options.timeout)
                end = time.monotonic() + longest * max(2.0, patience())
                running[here] = Running(process, task, work, end)
            ready = wait(list(running), timeout=1)
            late = [c for c, one in running.items() if time.monotonic() > one.end]
            for connection in [c for c in running if c in ready or c in late]:
                one = running.pop(connection)
                try:
                    done = connection.recv() if connection.poll() else None
                except (EOFError, OSError):
                    done = None
                one.process.kill() if done is None else one.process.join(5)
                one.process.join()
                remove_tree(one.work)
                tick()
                yield one.task, done or lost(options)
    finally:
        for one in running.values():
            one.process.kill()


def work_on(connection, task: Task, options: Options) -> None:
    """Grade one student, in a process that is killed when the batch ends."""
    gc.freeze()  # what the batch has made is not collected here, where looking at it would copy it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    namespaces.option(namespaces.DIE_WITH_PARENT, signal.SIGKILL)
    connection.send(student.grade(task.student, task.find(), options))


def lost(options: Options) -> list[Result]:
    hint = "The grading process of this student ended early. Grade again: what is done is kept."
    return [
        Result.of(q, GRADER_ERROR, hint=hint, flags=("grading process lost",))
        for t in options.notebooks
        for q in t.questions
    ]


def progress(total: int, done: int) -> Callable[[], None]:
    """A function that shows one more student done: a bar on a terminal, lines elsewhere."""
    began, count = time.monotonic(), [done]

    def tick():
        count[0] += 1
        left = (time.monotonic() - began) / (count[0] - done) * (total - count[0])
        share = count[0] * 30 // total
        bar = f"[{'#' * share}{'.' * (30 - share)}]"
        text = f"{bar} {count[0]} of {total} students, about {left / 60:.1f} min left"
        end = "\n" if count[0] == total else "\r"
        if sys.stderr.isatty():
            print(text, end=end, file=sys.stderr, flush=True)
        elif count[0] == total or count[0] % max(1, total // 20) == 0:
            print(text, file=sys.stderr, flush=True)

    return tick
