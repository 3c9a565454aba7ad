"""How the tests themselves run: in a HOME that can't be written, on several workers, in CI."""

import ast
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path):
    """A folder with the repository's conftest.py."""
    (tmp_path / "conftest.py").write_text((ROOT / "conftest.py").read_text("utf-8"))
    return tmp_path


def run_pytest(folder, *arguments, plugin="xdist.plugin", **environment):
    """pytest with one of the installed plugins: to load them all takes longer than these tests."""
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        "/dev/null",
        "--rootdir",
        folder,
        "-q",
        "-p",
        plugin,
        *arguments,
        folder,
    ]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, cwd=folder)


def test_notebooks_run_where_home_cannot_be_written(folder):
    """matplotlib says on stderr that it can't, and nbval would take that for an output of the cell."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("import matplotlib.pyplot", execution_count=1)]
    )
    nbformat.write(notebook, folder / "figure.ipynb")
    nowhere = {"HOME": "/proc/nowhere", "XDG_CACHE_HOME": "", "XDG_CONFIG_HOME": "", "MPLCONFIGDIR": ""}
    end = run_pytest(
        folder, "--nbval", plugin="nbval.plugin", JUPYTER_RUNTIME_DIR=str(folder / "runtime"), **nowhere
    )
    assert end.returncode == 0, end.stdout


def test_of_a_verdict_and_its_number_only_the_verdict_is_compared(folder):
    notebook = nbformat.v4.new_notebook()
    for n, source in enumerate(["print('near: True (0.21, 3e-05)')", "print('near: False (0.2)')"], 1):
        output = nbformat.v4.new_output("stream", name="stdout", text="near: True (0.2)\n")
        notebook.cells.append(nbformat.v4.new_code_cell(source, execution_count=n, outputs=[output]))
    nbformat.write(notebook, folder / "verdict.ipynb")
    end = run_pytest(folder, "--nbval", plugin="nbval.plugin", JUPYTER_RUNTIME_DIR=str(folder / "runtime"))
    assert "1 failed, 1 passed" in end.stdout, end.stdout


def test_a_worker_gets_whole_files(folder):
    """The cells of a notebook need the cells before them."""
    for name in "abcd":
        tests = "".join(
            f"def test_{n}():\n    SEEN.append({n})\n    assert len(SEEN) == {n + 1}\n" for n in range(6)
        )
        (folder / f"test_{name}.py").write_text("SEEN = []\n" + tests)
    end = run_pytest(folder, "-n", "2")
    assert end.returncode == 0 and "24 passed" in end.stdout, end.stdout


def test_on_workers_the_longest_file_starts_first_with_one_thread_and_ctrl_c(folder, monkeypatch):
    (folder / "test_a.py").write_text("".join(f"def test_{n}(): pass\n" for n in range(4)))
    (folder / "test_checks.py").write_text(
        "import os, signal\n\ndef test_first():\n    assert os.environ['OMP_NUM_THREADS'] == '1'\n"
        "    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
    )
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as what a shell runs in the background
    try:
        end = run_pytest(folder, "-n", "1", "-vv")
    finally:
        signal.signal(signal.SIGINT, before)
    assert end.returncode == 0, end.stdout
    assert re.findall(r"PASSED .*?(test_\w+)\.py", end.stdout) == ["test_checks"] + 4 * ["test_a"]


def test_what_is_shortened_is_there(request):
    """A cell that was changed would run in full again, unnoticed."""
    (conftest,) = [p for p in request.config.pluginmanager.get_plugins() if hasattr(p, "SHORTER")]
    for notebook, parts in conftest.SHORTER.items():
        cells = nbformat.read(ROOT / "notebooks" / notebook, 4).cells
        code = "\n".join(c.source for c in cells if c.cell_type == "code")
        assert [long for long in parts if long not in code] == [], notebook
        short = conftest.shorter(notebook, code)
        assert [part for part in parts.values() if part not in short] == [], notebook
        ast.parse(short)


@pytest.mark.parametrize("ci, end", [("true", 1), ("", 0)])
def test_in_ci_a_browser_test_that_is_skipped_fails(folder, ci, end):
    (folder / "test_page.py").write_text(
        "import pytest\n\n@pytest.mark.browser\ndef test_page():\n    pytest.skip('no Chromium')\n"
    )
    done = run_pytest(folder, CI=ci)
    assert done.returncode == end and ("CI has to run the browser tests" in done.stdout) == bool(ci)
