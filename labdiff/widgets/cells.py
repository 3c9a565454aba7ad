"""Widgets that end with their cell: running it again closes what its earlier run made, so that nothing piles
up.

ipywidgets itself keeps every widget, with its data, until someone closes it.
"""

from IPython import get_ipython

_made = {}  # {cell: (number of the run, [widgets])}


def close_with_cell(widget):
    """Close what an earlier run of the running cell made, and keep `widget` until the next run."""
    cell, run = _running_cell()
    if cell is None:
        return
    if _made.get(cell, (None,))[0] != run:
        for old in _made.get(cell, (None, []))[1]:
            old.close()
        _made[cell] = (run, [])
    _made[cell][1].append(widget)


def _running_cell():
    """(what tells the running cell from others, number of this run), or (None, None) outside IPython."""
    shell = get_ipython()
    if shell is None:
        return None, None
    kernel = getattr(shell, "kernel", None)
    header = kernel.get_parent("shell") if kernel else {}
    code = shell.history_manager.input_hist_raw[-1] if shell.history_manager else ""
    # front ends without cell ids: a cell is its code
    return header.get("metadata", {}).get("cellId") or code, shell.execution_count
