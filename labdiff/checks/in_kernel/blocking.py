"""While a check runs, labdiff's own function for that exercise says "write it yourself"."""

import contextlib
import inspect
import threading
import types


class WriteItYourself(Exception):
    """Raised where a student's function calls the one it should be."""


_calls = []  # for each running check, one inside of another: names of the blocked functions that were called
# (module, qualified name) -> [a copy of the original, the thread that may not call it or None]
_originals = {}


@contextlib.contextmanager
def blocked(functions):
    """Let these functions raise, by whatever name they are reached; yield the list of calls made.

    The code object is exchanged and put back afterwards. Nothing simpler will do: a notebook that says
    `from labdiff import q_sample`, a partial, a default argument or a closure holds the function itself, out
    of reach of a name that is replaced in labdiff's modules. All of them run the one code object. Other
    threads, such as a training that goes on in the background, still reach the original.
    """
    functions = {(f.__module__, f.__qualname__): f for f in map(inspect.unwrap, functions)}
    free = [key for key in functions if _originals.get(key, (None, None))[1] is None]
    for key in free:
        _originals[key] = [_copy(functions[key]), threading.get_ident()]
        functions[key].__code__ = _instead(key)
    _calls.append([])
    try:
        yield _calls[-1]
    finally:
        _calls.pop()
        for key in free:
            functions[key].__code__ = _originals[key][0].__code__
            _originals[key][1] = None  # the copy stays: another thread may be on its way to it


def refuse(key, args, kwargs):
    """What runs in place of a blocked function."""
    original, thread = _originals[key]
    if threading.get_ident() != thread:
        return original(*args, **kwargs)
    note(key[1])


def note(name):
    """Remember the call, for the exception may be caught, and raise."""
    if _calls:
        _calls[-1].append(name)
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
