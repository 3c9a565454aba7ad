"""Calling a student's function with its effects contained: state, output, time, exceptions."""

import contextlib
import inspect
import io
import signal
import sys
import threading
import time
import warnings
from dataclasses import dataclass

from labdiff.checks.in_kernel.exceptions import raised_by_code
from labdiff.checks.in_kernel.state import seed_all, settings

TIME_LIMIT = 5.0  # seconds a call; the probes are tiny
TOTAL_LIMIT = 20.0  # seconds for all the calls of a check
SEED = 20  # of the global random generators during a call: what a function draws from them can be drawn again


class OutOfTime(BaseException):
    """Raised in the student's function by the clock; no `except Exception` catches it."""


@dataclass
class Call:
    """How a call went: its result or its exception, and what it said meanwhile."""

    result: object = None
    error: BaseException | None = None
    printed: str = ""
    warned: str = ""


class FirstWords(io.StringIO):
    """Captures the first 10,000 characters that this thread prints; other threads' output passes through."""

    def __init__(self, others):
        super().__init__()
        self.others, self.thread = others, threading.get_ident()

    def write(self, text):
        if threading.get_ident() != self.thread:
            return self.others.write(text)
        if self.tell() < 10_000:
            super().write(text[: 10_000 - self.tell()])
        return len(text)


def guarded(function, seed=SEED, limit=TIME_LIMIT):
    """Call function() and return a Call; a KeyboardInterrupt of the user's is raised again."""
    call, out = Call(), FirstWords(sys.stdout)
    with (
        settings(),
        warnings.catch_warnings(record=True) as caught,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
    ):
        warnings.simplefilter("always")
        seed_all(seed)
        try:
            call.result = limited(function, limit, PATIENCE)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and not raised_by_code(error):
                raise
            call.error = error
        if inspect.iscoroutine(call.result):
            call.result.close()  # or Python warns, later and elsewhere, that nobody awaited it
    call.printed = out.getvalue() if not out.closed else ""
    call.warned = str(caught[0].message) if caught else ""
    return call


PATIENCE = 6  # factor on a time limit where this process got less than half of that time on a CPU


class Clock:
    """Tells when a time limit is over.

    With patience > 1, for a busy machine: over once half of it was CPU time of this process, or else after
    `patience` times the limit.
    """

    def __init__(self, seconds, patience=1):
        self.seconds, self.patience = seconds, patience
        self.began, self.worked = time.monotonic(), time.process_time()

    def over(self):
        elapsed, worked = time.monotonic() - self.began, time.process_time() - self.worked
        return elapsed >= self.seconds * (self.patience if worked < self.seconds / 2 else 1)


def limited(function, seconds, patience=1):
    """function(), in which OutOfTime is raised after that time, again and again; no limit without SIGALRM
    (Windows) or outside of the main thread.

    An alarm that someone else had set is set again afterwards, for the time it had left.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        return function()

    rings, here, clock = 0, sys._getframe(), Clock(seconds, patience)

    def ring(signum, frame):
        nonlocal rings
        if not clock.over() or (rings and frame is here):
            return
        rings += 1
        if rings > 1:
            # A bare `except:` in a loop caught it. Python handles signals at calls and jumps; the jump back
            # to the loop's head may be the only one outside of the `try`. So ring at ever other instants,
            # microseconds apart, until one falls there.
            signal.setitimer(signal.ITIMER_REAL, 1e-6 * (3 + rings % 40), 0.05)
        raise OutOfTime

    handler = signal.signal(signal.SIGALRM, ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)
    try:
        return function()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:
            signal.setitimer(
                signal.ITIMER_REAL, max(left - (time.monotonic() - clock.began), 0.001), interval
            )
