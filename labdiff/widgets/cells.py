"""Widgets that end with their cell: running it again closes what its earlier run made.

ipywidgets itself keeps every widget, with its data, until someone closes it.
"""

import difflib

from IPython import get_ipython

_made = {}  # {cell: (number of the run, [widgets])}; the cell that ran last stands last
# where cells have no id, code that is so similar to that of the cell before is the same cell, edited
_SAME = 0.9


def close_with_cell(widget) -> None:
    """Close what an earlier run of the running cell made, and keep `widget` until the next run."""
    cell, run = _running_cell()
    if cell is None:
        return
    if _made.get(cell, (None,))[0] != run:
        for old in _made.pop(cell, (None, []))[1]:
            old.close()
        _made[cell] = (run, [])
    _made[cell][1].append(widget)


def _running_cell():
    """(what identifies the running cell, number of this run), or (None, None) outside IPython."""
    shell = get_ipython()
    if shell is None:
        return None, None
    kernel = getattr(shell, "kernel", None)
    header = kernel.get_parent("shell") if kernel else {}
    cell = header.get("metadata", {}).get("cellId")
    if cell is None:
        cell = _cell_by_code(shell.history_manager.input_hist_raw[-1] if shell.history_manager else "")
    return cell, shell.execution_count


def _cell_by_code(code):
    """The code as a cell's name, under which an edited cell keeps its widgets."""
    if code in _made or not _made:
        return code
    before = next(reversed(_made))
    if difflib.SequenceMatcher(None, before, code, autojunk=False).ratio() >= _SAME:
        _made[code] = _made.pop(before)
    return code
