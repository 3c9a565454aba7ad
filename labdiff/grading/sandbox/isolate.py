"""How far a student's kernel is shut in: which level this machine can have, and the command that starts a kernel in it."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from labdiff.grading.intake.trusted import PACKAGE
from labdiff.grading.sandbox import launch

WARM = str(Path(__file__).with_name("warm.py"))
SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/alternatives",
    "/etc/fonts",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
)
FILE_SIZE = 64 * 1024 * 1024


def choose(wanted):
    """(level, why): "namespace" or "none". Raises ValueError where namespace is asked for by name and can't be had."""
    if wanted == "none":
        return "none", "asked for with --isolation none"
    why = cant()
    if why and wanted == "namespace":
        raise ValueError(
            f"--isolation: expected a machine with Linux user namespaces, got: {why}. Run as root in a container "
            "with --privileged, switch them on (sysctl kernel.apparmor_restrict_unprivileged_userns=0), or take "
            "--isolation none"
        )
    return ("none", why) if why else ("namespace", "")


@cache
def cant():
    """Why a kernel can't have namespaces of its own here; "" if it can. It is tried, not guessed."""
    if sys.platform != "linux":
        return f"namespaces are Linux's, this is {sys.platform}"
    if not shutil.which("pivot_root", path="/usr/sbin:/sbin:/usr/bin:/bin"):
        return "util-linux's pivot_root is not installed"
    with tempfile.TemporaryDirectory(prefix="ldg") as folder:
        command = [sys.executable, "-I", WARM, "try", config("namespace", folder, folder, memory=2**31)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return (
        ""
        if done.returncode == 0
        else (done.stderr.strip().split("\n")[-1] or f"it ends with {done.returncode}")
    )


@contextmanager
def server(folder):
    """The process that kernels are forked from, for a batch: its socket, or None where kernels are started one by one."""
    if sys.platform != "linux":
        yield None
        return
    path = f"{folder}/warm"
    process = subprocess.Popen(
        [sys.executable, WARM, "serve", path],
        env=clean_environment(folder, folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not os.path.exists(path):
            if process.poll() is not None:
                raise RuntimeError(
                    f"grading: expected {WARM} to start, got exit code {process.returncode}. Can this Python import "
                    "torch and ipykernel?"
                )
            time.sleep(0.05)
        yield path
    finally:
        end = time.monotonic() + 5
        while launch.descendants(process.pid) and time.monotonic() < end:  # guards that still clean up
            time.sleep(0.05)
        process.kill()
        process.wait()


def start(isolation, run, lib, memory, server):
    """The beginning of a kernel's command line; the kernel's own arguments follow."""
    if server is None:
        return [sys.executable, "-m", "ipykernel_launcher"]
    return [sys.executable, "-I", "-S", WARM, "ask", server, config(isolation, run, lib, memory)]


def config(isolation, run, lib, memory):
    return json.dumps(
        {
            "isolation": isolation,
            "run": str(run),
            "cwd": f"{run}/work",
            "memory": memory,
            "file_size": FILE_SIZE,
            "visible": visible(lib),
            "env": clean_environment(run, lib),
        }
    )


def visible(lib):
    """What a kernel may read: the system's programs and libraries, Python, and its own labdiff. No home, no /tmp, no
    repo."""
    python = {
        sys.prefix,
        sys.base_prefix,
        os.path.dirname(os.path.realpath(sys.executable)),
        *map(str, packages()),
    }
    paths = [*SYSTEM, *sorted(python), str(lib), str(Path(lib).parent / "assets")]
    tops = [p for p in paths if not any(p != q and Path(p).is_relative_to(q) for q in paths)]
    return [p for p in dict.fromkeys(tops) if os.path.lexists(p) and p != "/"]


def packages():
    """Folders of installed packages on the path, without the repository's own."""
    known = {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")}
    more = {p for p in sys.path if p and Path(p).name in ("site-packages", "dist-packages")}
    return [Path(p) for p in known | more if Path(p).is_dir() and not PACKAGE.is_relative_to(p) or p in known]


def clean_environment(run, lib):
    """Nothing of the grader's own environment: a CI has secrets there."""
    path = os.pathsep.join([str(lib), *map(str, packages())])
    home = f"{run}/work"
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "LANG": "C.UTF-8",
        "PYTHONPATH": path,
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "IPYTHONDIR": f"{home}/ipython",
        "JUPYTER_RUNTIME_DIR": f"{home}/jupyter",
        "MPLBACKEND": "agg",
        "MPLCONFIGDIR": f"{home}/matplotlib",
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "LABDIFF_DEVICE": "cpu",
        "TZ": "UTC",
    }
