"""Linux's namespaces and limits for a student's kernel, by system calls. Standard library only; see warm.py.

A kernel's config is a dict: isolation ("namespace" or "none"), visible (what the kernel may read), run (the one folder it
may write, for its sockets), cwd, env, memory, file_size.
"""

import ctypes
import os
import re
import resource
import signal
import subprocess
import sys

BIND, RECURSIVE, READ_ONLY, REMOUNT, NO_SUID, PRIVATE, DETACH = 4096, 16384, 1, 32, 2, 1 << 18, 2
NEW_USER, NEW_PIDS, NEW_MOUNTS, NEW_NETWORK, NEW_IPC = (
    0x10000000,
    0x20000000,
    0x00020000,
    0x40000000,
    0x08000000,
)
DIE_WITH_PARENT, SUBREAPER, NO_NEW_PRIVILEGES = 1, 36, 38
PROCESSES = 400  # in a namespace, threads included


def libc():
    return ctypes.CDLL(None, use_errno=True)


def option(number, value):
    if sys.platform == "linux":
        libc().prctl(number, value, 0, 0, 0)


def mount(source, target, kind=None, flags=0, data=None):
    words = [None if w is None else os.fsencode(w) for w in (source, target, kind)]
    if libc().mount(*words, flags, None if data is None else data.encode()):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), target)


def show(path, root, write=False):
    """Make a path visible in the new root; a link stays a link."""
    target = root + path
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(path):
        if not os.path.lexists(target):
            os.symlink(os.readlink(path), target)
        return
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    elif not os.path.exists(target):
        open(target, "w").close()
    mount(path, target, None, BIND | RECURSIVE)
    if not write:
        mount(None, target, None, BIND | REMOUNT | READ_ONLY | NO_SUID)


def empty(path):
    os.makedirs(path, exist_ok=True)
    mount("tmpfs", path, "tmpfs", 0, "size=64m")


def new_root(config):
    """In namespaces of our own, leave everything but the visible folders behind."""
    unshare(NEW_MOUNTS | NEW_NETWORK | NEW_IPC)
    mount(None, "/", None, RECURSIVE | PRIVATE)
    root = config["run"] + "/root"
    os.makedirs(root)
    mount("tmpfs", root, "tmpfs", 0, "size=1m")
    empty(root + "/tmp")
    for path in [
        *config["visible"],
        *(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom")),
    ]:
        show(path, root, write=path.startswith("/dev/"))
    show(config["run"], root, write=True)
    empty(root + "/dev/shm")
    empty(root + config["cwd"])
    os.makedirs(root + "/proc")
    mount("proc", root + "/proc", "proc")
    os.chdir(root)
    subprocess.run(["pivot_root", ".", "."], check=True, env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"})
    libc().umount2(b".", DETACH)
    os.chdir("/")
    if tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (
        6,
        14,
    ):  # before, it is the whole machine's
        with open("/proc/sys/kernel/pid_max", "w") as f:
            f.write(str(PROCESSES))
    for name in (
        "sys",
        "sysrq-trigger",
        "irq",
        "bus",
        "fs",
        "acpi",
    ):  # settings of the whole machine, where root grades
        if os.path.exists(f"/proc/{name}"):
            mount(f"/proc/{name}", f"/proc/{name}", None, BIND)
            mount(None, f"/proc/{name}", None, BIND | REMOUNT | READ_ONLY | NO_SUID)


def unshare(flags):
    """Enter new namespaces."""
    if libc().unshare(flags):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "unshare")


def new_user(inside, flags=0):
    """Enter a new user namespace, in which we are user number `inside`."""
    ids = os.getuid(), os.getgid()
    unshare(NEW_USER | flags)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside} {ids[0]} 1"),
        ("gid_map", f"{inside} {ids[1]} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as f:
            f.write(text)


def give_rights_away():
    """A second user namespace in which we are nobody: no mount can be undone, no right taken back."""
    new_user(1000)
    option(NO_NEW_PRIVILEGES, 1)
    if libc().capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()):
        raise OSError(ctypes.get_errno(), "capset")


def descendants(pid):
    """All processes below pid, where there is /proc; nearer ones first."""
    found, todo = [], [pid]
    while todo and len(found) < 2000:
        try:
            for task in os.listdir(f"/proc/{todo[0]}/task"):
                with open(f"/proc/{todo[0]}/task/{task}/children") as f:
                    children = [int(word) for word in f.read().split()]
                found += children
                todo += children
        except OSError:
            pass
        todo.pop(0)
    return found


def resident(pid):
    """Bytes of memory of a process."""
    try:
        with open(f"/proc/{pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def before_kernel(config):
    option(DIE_WITH_PARENT, signal.SIGKILL)
    for what, size in (
        (resource.RLIMIT_DATA, config["memory"]),
        (resource.RLIMIT_FSIZE, config["file_size"]),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (size, size))
    if config["isolation"] == "namespace":
        give_rights_away()
