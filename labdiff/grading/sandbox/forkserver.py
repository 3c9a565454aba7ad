"""Kernels forked from a process that has torch imported already, because importing takes longer than grading.

python forkserver.py serve SOCKET FOLDER PATH: one for a batch. It knows no secret and runs no one's code
    itself; when the batch has ended, in whatever way, it removes FOLDER.
python forkserver.py ask SOCKET CONFIG ...: one for a kernel, started by jupyter_client; ends with the kernel.
python forkserver.py try CONFIG: exits with 0 if a kernel can have namespaces of its own here.

For each request the server forks a guard, which forks the kernel in its namespaces and watches from outside
when it ends, when the requesting process ends, and how much it takes.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable

if __name__ == "__main__":  # run by itself, without labdiff
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import cleanup
    import limits
    import namespaces
    from config import KernelConfig
else:
    from labdiff.grading.sandbox import cleanup, limits, namespaces
    from labdiff.grading.sandbox.config import KernelConfig

POLL = 0.1  # seconds
IMPORTED = ("torch", "torch._dynamo", "ipykernel.kernelapp", "ipykernel.debugger", "matplotlib.pyplot")


def serve(address: str, folder: str, path: str) -> None:
    """Accept requests until the batch ends, which closes stdin; children are reaped automatically."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.path[:] = [*path.split(os.pathsep), *sys.path[1:]]
    for name in IMPORTED:
        importlib.import_module(name)  # each kernel would do so, or an answer in its time
    gc.freeze()  # the collector in a kernel need not look at what was imported, which would copy it, too
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    server = socket.socket(socket.AF_UNIX)
    server.bind(address + ".new")
    server.listen(64)
    os.rename(address + ".new", address)
    while 0 not in select.select([server.fileno(), 0], [], [])[0]:
        request, _ = server.accept()
        if os.fork() == 0:
            server.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            namespaces.option(namespaces.DIE_WITH_PARENT, signal.SIGKILL)
            try:
                request.sendall(bytes([guard(request)]))
            finally:
                os._exit(0)
        request.close()
    end = time.monotonic() + 5
    while limits.descendants(os.getpid()) and time.monotonic() < end:  # guards that still clean up
        time.sleep(0.02)
    cleanup.remove_tree(folder)


def guard(request: socket.socket) -> int:
    """Fork the kernel, wait until it or the request ends, kill what is left; returns ask()'s exit code."""
    text, command = json.loads(request.makefile("rb").readline())
    config = KernelConfig.from_json(text)
    namespaces.option(namespaces.SUBREAPER, 1)
    isolated = config.isolation == "namespace"
    if isolated:
        namespaces.new_user(0, namespaces.NEW_PIDS)
    child = os.fork()
    if child == 0:
        request.close()
        os._exit(first_process(config, command))
    request.settimeout(POLL)
    code = None
    while code is None:
        if os.waitpid(child, os.WNOHANG)[0]:
            code = 1
            continue
        code = limits.excess(os.getpid(), config, look_at_disk=not isolated)
        try:
            code = 1 if code is None and request.recv(1) == b"" else code
        except OSError as why:
            code = None if isinstance(why, TimeoutError) else 1
    kill_all(os.getpid())
    cleanup.remove_tree(config.run)
    return code


def kill_all(pid: int) -> None:
    """Kill all processes below pid, also those that start while this goes on."""
    for _ in range(100):
        for each in limits.descendants(pid):
            with contextlib.suppress(OSError):
                os.kill(each, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except OSError:
            return
        time.sleep(0.02)


def first_process(config: KernelConfig, command: list[str]) -> int:
    """In the namespaces: process 1, the kernel's parent. Returns when the kernel ends."""
    try:
        namespaces.option(namespaces.DIE_WITH_PARENT, signal.SIGKILL)
        isolated = config.isolation == "namespace"
        if isolated:
            namespaces.new_root(config)
        os.makedirs(config.cwd, exist_ok=True)
        here, there = socket.socketpair()
        kernel = os.fork()
        if kernel == 0:
            here.close()
            be_kernel(config, command, there)
        there.close()
        if here.recv(1) and isolated:  # its sockets are there, and no code of the student's has run
            namespaces.seal(config)
        here.close()
        while os.wait()[0] != kernel:
            pass
    except BaseException:
        return 1
    return 0


def be_kernel(config: KernelConfig, command: list[str], parent: socket.socket) -> None:
    """What `python -m ipykernel_launcher ...` does, in a process that has imported it."""
    os.setsid()
    enter_limits(config)
    null = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    keep = parent.detach()
    os.closerange(3, keep)
    os.closerange(keep + 1, limits.OPEN_FILES)
    parent = socket.socket(fileno=keep)
    os.environ.clear()
    os.environ.update(config.environment)
    os.chdir(config.cwd)
    sys.path[:] = [config.lib, *sys.path, config.cwd]
    for name in ("cleanup", "config", "limits", "namespaces"):
        sys.modules.pop(name)
    sys.argv = ["ipykernel_launcher", *command]
    from ipykernel.kernelapp import IPKernelApp

    app = IPKernelApp.instance()
    app.initialize(command)
    parent.sendall(b"1")
    parent.recv(1)  # until it is closed: now nothing can be written any more
    parent.close()
    app.start()
    os._exit(0)


def enter_limits(config: KernelConfig) -> None:
    namespaces.option(namespaces.DIE_WITH_PARENT, signal.SIGKILL)
    limits.set_limits(config)
    if config.isolation == "namespace":
        namespaces.give_rights_away()


def ask(address: str, *texts: str) -> int:
    """Be the process that jupyter_client takes for the kernel: it lives as long as the kernel does."""
    namespaces.option(namespaces.DIE_WITH_PARENT, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        server.sendall(json.dumps([texts[0], texts[1:]]).encode() + b"\n")
        return (server.recv(1) or b"\1")[0]


def attempt(text: str) -> int:
    """Enter the namespaces that a kernel would get; what the system refuses goes to stderr."""
    config = KernelConfig.from_json(text)
    namespaces.new_user(0, namespaces.NEW_PIDS)
    child = os.fork()
    if child == 0:
        namespaces.new_root(config)
        second = os.fork()
        if second == 0:
            enter_limits(config)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(second, 0)[1])
        namespaces.seal(config)
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    modes: dict[str, Callable[..., int | None]] = {"serve": serve, "ask": ask, "try": attempt}
    sys.exit(modes[sys.argv[1]](*sys.argv[2:]))
