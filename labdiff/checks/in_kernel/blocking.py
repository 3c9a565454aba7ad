"""While a check runs, labdiff's own function for that exercise says "write it yourself"."""

import contextlib
import inspect
import threading
import types


class WriteItYourself(Exception):
    """Raised where a student's function calls the one it should be."""


calls = []  # names of the blocked functions that were called, also where the exception was caught
_originals = {}  # (module, qualified name) -> (the original, as a function of its own; the checking thread)


@contextlib.contextmanager
def blocked(functions):
    """Let these functions raise, by whatever name they are reached; yield the list of calls made.

    The code object is exchanged and put back afterwards. Nothing simpler will do: a notebook that says
    `from labdiff import q_sample`, a partial, a default argument or a closure holds the function itself, out
    of reach of a name that is replaced in labdiff's modules. All of them run the one code object. Other
    threads, such as a training that goes on in the background, still reach the original.
    """
    free = [f for f in map(inspect.unwrap, functions) if (f.__module__, f.__qualname__) not in _originals]
    calls.clear()
    for f in free:
        key = f.__module__, f.__qualname__
        _originals[key] = _copy(f), threading.get_ident()
        f.__code__ = _instead(key)
    try:
        yield calls
    finally:
        for f in free:
            f.__code__ = _originals.pop((f.__module__, f.__qualname__))[0].__code__


def refuse(key, args, kwargs):
    """What runs in place of a blocked function."""
    original, thread = _originals[key]
    if threading.get_ident() != thread:
        return original(*args, **kwargs)
    note(key[1])


def note(name):
    """Remember the call, and raise."""
    calls.append(name)
    raise WriteItYourself(f"labdiff.{name} is what this exercise asks you to write")


def _copy(f):
    copy = types.FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, f.__closure__)
    copy.__kwdefaults__ = f.__kwdefaults__
    return copy


def _instead(key):
    scope = {}
    exec(
        f"def f(*args, **kwargs):\n"
        f"    from labdiff.checks.in_kernel.blocking import refuse\n"
        f"    return refuse({key!r}, args, kwargs)",
        scope,
    )
    return scope["f"].__code__
