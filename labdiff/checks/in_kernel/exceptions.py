"""Where an exception was raised, and its text."""

import dis
import linecache
import traceback


def raised_by_code(error):
    """Whether a `raise` statement raised it: not torch's C++, not the user's interrupt."""
    frame = _last(error)
    return frame is not None and dis.opname[frame.tb_frame.f_code.co_code[frame.tb_lasti]] == "RAISE_VARARGS"


def raiser(error):
    """Name of the function that raised it."""
    return _last(error).tb_frame.f_code.co_name


def _last(error):
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return tb


def own_line(error, function):
    """The line of the student's own file or cell where it happened, or ""."""
    code = getattr(function, "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    mine = [f for f in frames if code is not None and f.filename == code.co_filename]
    if not mine:
        return ""
    return (mine[-1].line or linecache.getline(mine[-1].filename, mine[-1].lineno)).strip()


def text_of(error):
    """The first line of an exception's text, in characters that can be shown; its text may itself raise."""
    try:
        text = str(error)
    except BaseException:
        text = ""
    return text.strip().split("\n")[0][:200].encode("utf-8", "replace").decode("utf-8")
