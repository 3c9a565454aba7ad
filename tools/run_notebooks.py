"""Run the notebooks in place and keep outputs, without widget state and volatile metadata.

python tools/run_notebooks.py [notebooks/01_forward_noising.ipynb ...]      # default: all

Each runs in an empty folder of its own, as in a fresh clone: 04 trains anew, 05 samples
from the weights that ship.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LARGEST = 500_000  # bytes


def run(path):
    notebook = nbformat.read(path, as_version=4)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as empty:
        NotebookClient(
            notebook,
            timeout=900,
            kernel_name="python3",
            store_widget_state=False,
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": empty}},
        ).execute()
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        }
    )
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            # without its state JupyterLab would show an error in its place; the text beside it stays
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    nbformat.write(notebook, path)
    size = path.stat().st_size
    print(f"{path.name}: {time.perf_counter() - start:.0f} s, {size / 1000:.0f} kB", flush=True)
    return size <= LARGEST


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="*", type=Path)
    paths = parser.parse_args().paths or sorted(NOTEBOOKS.glob("*.ipynb"))
    if not all([run(path) for path in paths]):
        sys.exit(f"a notebook is larger than {LARGEST / 1000:.0f} kB: draw fewer or smaller pictures")


if __name__ == "__main__":
    main()
