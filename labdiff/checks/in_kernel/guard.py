"""Running a student's function so that nothing it does reaches the notebook: state, output, time,
exceptions."""

import contextlib
import inspect
import io
import os
import random
import signal
import sys
import threading
import time
import warnings
from dataclasses import dataclass

import numpy as np
import torch

from labdiff.checks.in_kernel.exceptions import raised_by_code

TIME_LIMIT = 5.0  # seconds a call; the probes are tiny
TOTAL_LIMIT = 20.0  # seconds for all the calls of a check
SEED = 20  # of the global random generators during a call: what a function draws from them can be drawn again


class OutOfTime(BaseException):
    """Raised in the student's function by the clock; no `except Exception` catches it."""


@dataclass
class Call:
    """How a call went: its result or its exception, and what it said meanwhile."""

    result: object = None
    error: BaseException = None
    printed: str = ""
    warned: str = ""


class FirstWords(io.StringIO):
    """Keeps the beginning of what this thread prints, however much that is; what others print goes where it
    went."""

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
    """Call function() and return a Call. An interrupt by the user (not by the function's own code) goes
    through."""
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
            with time_limit(limit):
                call.result = function()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and not raised_by_code(error):
                raise
            call.error = error
        if inspect.iscoroutine(call.result):
            call.result.close()  # or Python warns, later and elsewhere, that nobody awaited it
    call.printed = out.getvalue() if not out.closed else ""
    call.warned = str(caught[0].message) if caught else ""
    return call


def seed_all(seed):
    torch.default_generator.manual_seed(seed)  # torch.manual_seed also queues work for a GPU not in use
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    np.random.seed(seed)
    random.seed(seed)


@contextlib.contextmanager
def time_limit(seconds):
    """Raise OutOfTime after that time, again and again; works in the main thread where there is SIGALRM,
    else does nothing.

    An alarm that someone else had set is set again afterwards, for the time it had left.
    """
    if not limits_time():
        yield
        return

    rings, tracer = [], sys.gettrace()

    def stop_at_next_line(frame, event, arg):
        raise OutOfTime

    def ring(signum, frame):
        rings.append(frame)
        if len(rings) % 2 or frame is None:
            raise OutOfTime
        # A bare `except:` in a loop caught it, and would again: Python looks for signals at calls,
        # and those stand inside
        # of the `try`. Only a trace function is called on the lines outside of it.
        frame.f_trace = stop_at_next_line
        sys.settrace(stop_at_next_line)

    begin = time.monotonic()
    handler = signal.signal(signal.SIGALRM, ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if rings:
            sys.settrace(tracer)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - begin), 0.001), interval)


def limits_time():
    """Whether an endless loop can be stopped here: on Linux and macOS, in the main thread."""
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


@contextlib.contextmanager
def settings():
    """Give torch's cheap global settings back as they were; gradients are on meanwhile, as in a notebook."""
    dtype, grad, anomaly = torch.get_default_dtype(), torch.is_grad_enabled(), torch.is_anomaly_enabled()
    torch.set_grad_enabled(True)
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
        if torch.is_anomaly_enabled() != anomaly:
            torch.autograd.set_detect_anomaly(anomaly)
        if torch.get_default_device() != torch.device("cpu"):
            torch.set_default_device(None)


_one_at_a_time = threading.RLock()  # all of this is the process's, not the thread's


@contextlib.contextmanager
def preserved():
    """Give back what a notebook would miss: random generators, rcParams, NumPy's and torch's settings, the
    folder.

    Meanwhile torch has one thread, which is faster for thousands of tiny tensors, and other checks wait.
    """
    with _one_at_a_time, _preserved():
        yield


@contextlib.contextmanager
def _preserved():
    torch_state, numpy_state, python_state = torch.get_rng_state(), np.random.get_state(), random.getstate()
    cuda_states = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    matplotlib = sys.modules.get("matplotlib")
    style = matplotlib.rcParams.copy() if hasattr(matplotlib, "rcParams") else None
    errors, shown, folder, depth = np.geterr(), np.get_printoptions(), os.getcwd(), sys.getrecursionlimit()
    device, threads, tracer = torch.get_default_device(), torch.get_num_threads(), sys.gettrace()
    torch.set_default_device(None)
    dtype, torch_shown = torch.get_default_dtype(), vars(torch._tensor_str.PRINT_OPTS).copy()
    torch.set_default_dtype(torch.float32)
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode(False):
            yield
    finally:
        torch.set_rng_state(torch_state)
        np.random.set_state(numpy_state)
        random.setstate(python_state)
        if cuda_states is not None:
            torch.cuda.set_rng_state_all(cuda_states)
        if style is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                dict.update(matplotlib.rcParams, style)
        np.seterr(**errors)
        np.set_printoptions(**shown)
        vars(torch._tensor_str.PRINT_OPTS).update(torch_shown)
        torch.set_default_dtype(dtype)
        if device != torch.device("cpu"):
            torch.set_default_device(device)
        if torch.are_deterministic_algorithms_enabled() != deterministic:
            torch.use_deterministic_algorithms(deterministic)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        if sys.gettrace() is not tracer:
            sys.settrace(tracer)
        os.chdir(folder)
        sys.setrecursionlimit(depth)
