"""Kernels from a process that has torch imported already: forked, not started, because importing takes longer than grading.

    python warm.py serve SOCKET           one for a batch. It knows no secret and runs no one's code itself.
    python warm.py ask SOCKET CONFIG ...  one for a kernel, started by jupyter_client: stands for it, and ends with it.
    python warm.py try CONFIG             exits with 0 if a kernel can have namespaces of its own here.

For each asker the server forks a guard, which forks the kernel in its namespaces (see launch.py) and watches it from
outside: its end, the asker's end, how many processes it has and how much memory they take.
"""

import json
import os
import signal
import socket
import sys
import time

if __name__ == "__main__":  # run by itself, without labdiff, which imports torch
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import launch
else:
    from labdiff.grading.sandbox import launch

TOO_MANY, TOO_MUCH = 71, 72  # exit codes of the asker
PROCESSES = 100  # an honest answer starts none


def serve(path):
    """Wait for askers; one that is done is reaped by the kernel."""
    launch.option(launch.DIE_WITH_PARENT, signal.SIGKILL)
    import ipykernel.kernelapp  # noqa: F401
    import torch  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path + ".new")
    server.listen(64)
    os.rename(path + ".new", path)
    while True:
        asker, _ = server.accept()
        if os.fork() == 0:
            server.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            launch.option(launch.DIE_WITH_PARENT, signal.SIGKILL)
            try:
                asker.sendall(bytes([guard(asker)]))
            finally:
                os._exit(0)
        asker.close()


def guard(asker):
    """Fork the kernel, wait until it or the asker ends, kill what is left; returns the asker's exit code."""
    config, command = json.loads(asker.makefile("rb").readline())
    launch.option(launch.SUBREAPER, 1)
    if config["isolation"] == "namespace":
        launch.new_user(0, launch.NEW_PIDS)
    child = os.fork()
    if child == 0:
        asker.close()
        os._exit(first_process(config, command))
    asker.settimeout(0.1)
    code = None
    while code is None:
        if os.waitpid(child, os.WNOHANG)[0]:
            return 1
        family = launch.descendants(os.getpid())
        if len(family) > PROCESSES:
            code = TOO_MANY
        elif sum(map(launch.resident, family)) > 1.5 * config["memory"]:
            code = TOO_MUCH
        try:
            code = 1 if code is None and asker.recv(1) == b"" else code
        except TimeoutError:
            pass
        except OSError:
            code = 1
    kill_all(os.getpid())
    return code


def kill_all(pid):
    for _ in range(20):
        family = launch.descendants(pid)
        for each in family:
            try:
                os.kill(each, signal.SIGKILL)
            except OSError:
                pass
        if not family:
            return
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except OSError:
            return
        time.sleep(0.02)


def first_process(config, command):
    """In the namespaces: number 1, the kernel's parent. Returns when the kernel ends."""
    try:
        launch.option(launch.DIE_WITH_PARENT, signal.SIGKILL)
        if config["isolation"] == "namespace":
            launch.new_root(config)
        os.makedirs(config["cwd"], exist_ok=True)
        kernel = os.fork()
        if kernel == 0:
            be_kernel(config, command)
        while os.wait()[0] != kernel:
            pass
    except BaseException:
        return 1
    return 0


def be_kernel(config, command):
    """What `python -m ipykernel_launcher ...` does, in a process that has imported it."""
    os.setsid()
    launch.before_kernel(config)
    null = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.closerange(3, 256)
    os.environ.clear()
    os.environ.update(config["env"])
    os.chdir(config["cwd"])
    repo = os.path.abspath(os.path.join(__file__, *[".."] * 4))
    sys.path[:] = [
        config["env"]["PYTHONPATH"].split(os.pathsep)[0],
        *(p for p in sys.path if p not in (repo, os.path.dirname(os.path.abspath(__file__)))),
    ]
    sys.modules.pop("launch")
    sys.argv = ["ipykernel_launcher", *command]
    from ipykernel import kernelapp

    kernelapp.launch_new_instance(argv=command)
    os._exit(0)


def ask(path, *texts):
    """Stand for a kernel."""
    launch.option(launch.DIE_WITH_PARENT, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        server.sendall(json.dumps([json.loads(texts[0]), texts[1:]]).encode() + b"\n")
        return (server.recv(1) or b"\1")[0]


def attempt(text):
    """Go where a kernel would go, and say on stderr what is refused."""
    config = json.loads(text)
    launch.new_user(0, launch.NEW_PIDS)
    child = os.fork()
    if child == 0:
        launch.new_root(config)
        launch.before_kernel(config)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit({"serve": serve, "ask": ask, "try": attempt}[sys.argv[1]](*sys.argv[2:]))
