"""Running a notebook for its page: what fails is kept and marked, and the rest still runs."""

import contextlib
import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from labdiff.widgets.in_browser import KEEP, MADE

TIMEOUT = 900  # seconds for a cell
FAILED = "failed"  # the tag of a cell that failed


def run(path: Path, networks: Path) -> nbformat.NotebookNode:
    """The notebook with its outputs and its widgets' state, run in its folder; the file stays as it is.

    Its panels leave their networks in the folder `networks`, and what it trained anew leaves no checkpoint: a
    short run for a page is not the reader's own. A cell that raises gets the tag `failed`. So does one that
    runs too long or ends the kernel: the last one.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        allow_errors=True,
        extra_arguments=["--log-level=ERROR"],  # nothing here is for who waits for the pages
        resources={"metadata": {"path": path.parent}},
    )
    started = []
    client.on_cell_execute = lambda cell, cell_index: started.append(cell)
    try:
        client.execute(env=os.environ | {KEEP: str(networks)})
    except (CellTimeoutError, DeadKernelError) as error:
        said = str(error).strip().splitlines()[0]
        started[-1].outputs.append(
            nbformat.v4.new_output("error", ename="Stopped", evalue=said, traceback=[said])
        )
    finally:
        _remove(networks / MADE)
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        errors = [o for o in cell.get("outputs", []) if o.output_type == "error"]
        if errors and "raises-exception" not in tags:
            cell.metadata.tags = [*tags, FAILED]
    return notebook


def failed(notebook: nbformat.NotebookNode) -> list[int]:
    """Numbers of the code cells that failed, counted from 1 as Jupyter counts them."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [n for n, cell in enumerate(code, 1) if FAILED in cell.metadata.get("tags", [])]


def _remove(list_of_files: Path) -> None:
    """Remove the files in the list, the folders that they leave empty, and the list itself."""
    made = list_of_files.read_text("utf-8").splitlines() if list_of_files.is_file() else []
    for path in map(Path, made):
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it is not empty
            path.parent.rmdir()
    list_of_files.unlink(missing_ok=True)
