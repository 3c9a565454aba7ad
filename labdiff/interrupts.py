"""Ctrl-C, or the kernel's Stop button, as a request: a loop can finish its step first."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """An Event that the first interrupt sets; the second one raises KeyboardInterrupt."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only the main thread hears of interrupts
        yield stop
        return
    before = signal.getsignal(signal.SIGINT) or signal.default_int_handler
    if before is signal.SIG_IGN:  # as a shell starts what runs in the background
        yield stop
        return

    def on_interrupt(number, frame):
        stop.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
