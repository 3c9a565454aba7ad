"""A real JupyterLab and a real Chromium for the browser tests; both live in a folder of their own. What they
wait for has long limits: a machine may be busy."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LONG = 180_000  # ms
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def notebook(path, *cells):
    """Write a notebook with these code cells."""
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    nb.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nb, path)
    return path


@contextlib.contextmanager
def jupyter_lab(folder):
    """Serve `folder` on a free loopback port; yields url(path), the address of a notebook in it."""
    home = folder / ".jupyter"
    overrides = home / "settings" / "@jupyterlab" / "notebook-extension"
    overrides.mkdir(parents=True)
    news = home / "settings" / "@jupyterlab" / "apputils-extension"
    news.mkdir()
    # nothing is asked for, and cells off the screen are in the page, too
    (news / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    (overrides / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    environment = os.environ | {
        f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")
    }
    environment |= {
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        "OMP_NUM_THREADS": "1",
        "JUPYTER_TOKEN": token,
    }
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.expose_app_in_browser=True",
    ]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True, cwd=folder
        )
    try:
        address, late = f"http://127.0.0.1:{port}", f"JupyterLab did not start: {home / 'log'}"
        _wait(f"{address}/api?token={token}", LONG / 1000, late)
        # a workspace for each: a notebook that another test left open stays away
        yield lambda path: f"{address}/doc/workspaces/{path.split('.')[0]}/tree/{path}?token={token}"
    finally:
        server.send_signal(signal.SIGINT)  # twice: it shuts its kernels down
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(1)
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)  # the group that was started above, nothing else


def need_chromium():
    """Skip a test where there is none; in CI it fails."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("CI has to run the browser tests, and there is no Chromium: apt-get install chromium")
        pytest.skip("no Chromium on the PATH: apt-get install chromium runs these tests, too")


_drivers = []


@contextlib.contextmanager
def _driver():
    """The one driver of all browsers that are open: a thread can have no second one."""
    from playwright.sync_api import sync_playwright

    if _drivers:
        yield _drivers[0]
        return
    with sync_playwright() as playwright:
        _drivers.append(playwright)
        try:
            yield playwright
        finally:
            _drivers.clear()


@contextlib.contextmanager
def chromium(folder, **options):
    """A Chromium with an empty profile in `folder`; yields its context."""
    with _driver() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(folder),
            executable_path=CHROMIUM,
            args=FLAGS,
            headless=True,
            timeout=LONG,
            viewport={"width": 1280, "height": 900},
            **options,
        )
        context.set_default_timeout(LONG)
        # anywidget gives a panel two seconds to appear, a busy machine needs more
        longer = f"() => timeout({LONG})"
        context.add_init_script(f"{{ const {{timeout}} = AbortSignal; AbortSignal.timeout = {longer} }}")
        try:
            yield context
        finally:
            context.close()


def run_all(page, url, panels):
    """Open a notebook, run it, and wait for so many panels."""
    page.goto(url)
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_function(
        """() => {
        const session = window.jupyterapp?.shell.currentWidget?.sessionContext;
        const kernel = session?.isReady && session.session?.kernel;
        return kernel?.status === "idle" && kernel.connectionStatus === "connected";
    }"""
    )
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")  # not awaited
    page.wait_for_function(f"document.querySelectorAll('section.labdiff').length >= {panels}")


def _answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def _wait(url, seconds, message):
    end = time.monotonic() + seconds
    while not _answers(url):
        if time.monotonic() > end:
            raise TimeoutError(message)
        time.sleep(0.1)
