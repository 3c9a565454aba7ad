"""The isolation of a student's kernel: the level that this machine supports, and the command to start it."""

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from labdiff.grading.sandbox import namespaces
from labdiff.grading.sandbox.config import KernelConfig
from labdiff.grading.sandbox.visible import visible

FORK_SERVER = str(Path(__file__).with_name("forkserver.py"))
LONGEST = 107  # bytes of a socket's address, on Linux; 103 on macOS
SOCKET = "/tmp12345678/r12345/k-1"  # what a kernel's address adds to the batch's folder, at most


def choose(wanted: str) -> tuple[str, str]:
    """(level, why): "namespace" or "none".

    Raises ValueError where no kernel can be limited at all, or where namespace is asked for by name and can't
    be had."""
    try:
        import resource  # noqa: F401
    except ImportError:
        raise ValueError(
            f"labdiff grade: expected Linux or macOS, got {sys.platform}: its Python has no module "
            "'resource', which limits a student's code. Grade in WSL, in a Linux container or in CI"
        ) from None
    if wanted == "none":
        return "none", "asked for with --isolation none"
    why = cant()
    if why and wanted == "namespace":
        raise ValueError(
            f"--isolation: expected a machine with Linux user namespaces, got: {why}. Run as root in a "
            "container with --privileged, switch them on (sysctl "
            "kernel.apparmor_restrict_unprivileged_userns=0), or take --isolation none"
        )
    return ("none", why) if why else ("namespace", "")


@cache
def cant() -> str:
    """Why a kernel can't have namespaces of its own here; "" if it can. It is tried, not guessed."""
    if sys.platform != "linux":
        return f"namespaces are Linux's, this is {sys.platform}"
    if platform.machine() not in namespaces.PIVOT_ROOT:
        return f"labdiff does not know the system calls of {platform.machine()}"
    with batch_folder() as folder:
        os.makedirs(f"{folder}/lib/q_sample")
        os.makedirs(f"{folder}/run")
        command = [
            *python(),
            "try",
            config("namespace", f"{folder}/run", f"{folder}/lib/q_sample", 2**31).to_json(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    last = done.stderr.strip().split("\n")[-1]
    return "" if done.returncode == 0 else last or f"the attempt ended with exit code {done.returncode}"


def python() -> list[str]:
    return [sys.executable, "-I", "-S", FORK_SERVER]


@contextmanager
def batch_folder() -> Iterator[str]:
    """A private folder for a batch, with a name short enough for the addresses of its kernels' sockets."""
    from labdiff.grading.sandbox.cleanup import remove_tree

    for place in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp", os.getcwd())):
        if len(os.fsencode(f"{place}/ldg12345678{SOCKET}")) <= LONGEST and os.access(place, os.W_OK):
            break
    else:
        raise ValueError(
            f"TMPDIR: expected a folder whose name has at most {LONGEST - len(SOCKET) - 12} bytes (addresses "
            f"of sockets are short), got {tempfile.gettempdir()} and no /tmp to write to. Set a shorter one"
        )
    folder = tempfile.mkdtemp(prefix="ldg", dir=place)
    try:
        yield folder
    finally:
        remove_tree(folder)


@contextmanager
def server(folder: str, further: tuple[str, ...] = ()) -> Iterator[str | None]:
    """The process that kernels are forked from, for a batch: its address, or None where kernels are started
    one by one.

    It removes `folder` when the batch ends, also if this process is killed.
    """
    if sys.platform != "linux":
        yield None
        return
    address, site = f"{folder}/server", f"{folder}/lib/site"
    process = subprocess.Popen(
        [*python(), "serve", address, folder, site],
        env=environment(folder, f"{folder}/lib/none"),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=(log := open(f"{folder}/server.log", "w+")),
        start_new_session=True,  # Ctrl-C is for this process; the server ends when stdin is closed
    )
    try:
        while not os.path.exists(address):
            if process.poll() is not None:
                log.seek(0)
                raise RuntimeError(
                    f"grading: expected {FORK_SERVER} to start, got exit code {process.returncode}: "
                    f"{log.read().strip()[-300:]}"
                )
            time.sleep(0.05)
        shown[address] = visible(further, process.pid)
        yield address
    finally:
        log.close()
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


shown: dict[str, tuple[list[str], list[str]]] = {}  # a server's address -> what its kernels may read


def start(isolation: str, run: str, lib: str, memory: int, server: str | None) -> list[str]:
    """The beginning of a kernel's command line; the kernel's own arguments follow."""
    if server is None:
        return [sys.executable, "-m", "ipykernel_launcher"]
    return [*python(), "ask", server, config(isolation, run, lib, memory, shown.get(server)).to_json()]


def config(isolation: str, run: str, lib: str, memory: int, paths=None) -> KernelConfig:
    allowed, hidden = paths or visible()
    base = Path(lib).parent
    own = [p for p in (str(lib), str(base / "site"), str(base / "assets")) if os.path.exists(p)]
    return KernelConfig(isolation, run, lib, [*allowed, *own], hidden, environment(run, lib), memory)


def environment(run: str, lib: str) -> dict[str, str]:
    """Nothing of the grader's own environment: a CI has secrets there."""
    home = f"{run}/work"
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "USER": "student",
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join([lib, f"{Path(lib).parent}/site"]),
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_NO_INDEX": "1",
        "IPYTHONDIR": f"{home}/ipython",
        "JUPYTER_RUNTIME_DIR": f"{home}/jupyter",
        "MPLBACKEND": "agg",
        "MPLCONFIGDIR": f"{home}/matplotlib",
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "LABDIFF_DEVICE": "cpu",
        "TORCHDYNAMO_DISABLE": "1",  # torch.compile needs a C++ compiler; without it the same is computed
        "TZ": "UTC",
    }
