"""Linux's namespaces for a student's kernel, by system calls. Standard library only; see forkserver.py.

A kernel lives in two user namespaces, one in the other. In the outer one a process has the rights to mount,
so it makes the file system that the kernel sees; in the inner one the kernel has no rights at all and can
make no namespaces of its own."""

import contextlib
import ctypes
import os
import platform
import re
import sys

try:
    from config import KernelConfig  # run by itself, without labdiff
except ImportError:
    from labdiff.grading.sandbox.config import KernelConfig

READ_ONLY, NO_SUID, NO_DEV, NO_EXEC, REMOUNT, DETACH = 1, 2, 4, 8, 32, 2
BIND, RECURSIVE, PRIVATE = 1 << 12, 1 << 14, 1 << 18
NEW_MOUNTS, NEW_IPC, NEW_USER, NEW_PIDS, NEW_NETWORK = 1 << 17, 1 << 27, 1 << 28, 1 << 29, 1 << 30
DIE_WITH_PARENT, SUBREAPER, NO_NEW_PRIVILEGES = 1, 36, 38
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}
DEVICES = ("null", "zero", "full", "random", "urandom")
THREADS = 400  # in a kernel's pid namespace, processes included
SHARED_MEMORY = 16 * 2**20  # bytes of System V shared memory


def libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def checked(code: int, what: str) -> None:
    if code:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), what)


def option(number: int, value: int) -> None:
    """Set an option of this process with prctl; does nothing where there is none."""
    if sys.platform == "linux":
        libc().prctl(number, value, 0, 0, 0)


def mount(source: str | None, target: str, kind: str | None = None, flags: int = 0, data: str | None = None):
    words = [None if w is None else os.fsencode(w) for w in (source, target, kind, data)]
    checked(libc().mount(*words[:3], flags, words[3]), target)


def mounts_below(folder: str) -> list[str]:
    with open("/proc/self/mountinfo", errors="surrogateescape") as f:
        places = [re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), line.split()[4]) for line in f]
    return [place for place in places if place.startswith(f"{folder}/")]


def read_only(path: str) -> None:
    """Make one mount read-only; flags that it has already may not be taken away."""
    flags = os.statvfs(path).f_flag & (NO_SUID | NO_DEV | NO_EXEC)
    mount(None, path, None, BIND | REMOUNT | READ_ONLY | NO_SUID | flags)


def show(path: str, root: str) -> None:
    """Make a path visible in the new root, to read only; a link stays a link."""
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


def new_root(config: KernelConfig) -> None:
    """In namespaces of our own, leave everything but what the config shows behind."""
    unshare(NEW_MOUNTS | NEW_NETWORK | NEW_IPC)
    mount(None, "/", None, RECURSIVE | PRIVATE)
    root = config.run + "/root"
    os.makedirs(root)
    size = f"size={config.disk},nr_inodes=20000"  # one file system, so one limit for all that is written
    mount("tmpfs", root, "tmpfs", NO_SUID | NO_DEV, size)
    for name in ("tmp", "dev/shm", "home"):
        os.makedirs(f"{root}/{name}")
        mount(f"{root}/{name}", f"{root}/{name}", None, BIND)
    for path in sorted({*config.visible, *config.hidden, *(f"/dev/{name}" for name in DEVICES)}):
        if path not in config.hidden:
            show(path, root)
        elif os.path.isdir(root + path):
            mount("tmpfs", root + path, "tmpfs", 0, "size=1m")
    show(config.run, root)
    os.makedirs(root + config.cwd, exist_ok=True)
    os.makedirs(root + "/proc")
    writable = {f"{root}/{name}" for name in ("tmp", "dev/shm", "home")} | {root + config.run}
    for place in set(mounts_below(root)) - writable:
        read_only(place)
    mount(root + "/home", root + config.cwd, None, BIND)
    mount("proc", root + "/proc", "proc")
    os.chdir(root)
    checked(libc().syscall(PIVOT_ROOT[platform.machine()], b".", b"."), "pivot_root")
    checked(libc().umount2(b".", DETACH), "umount")
    os.chdir("/")
    read_only("/")
    setting("kernel/shmall", SHARED_MEMORY // os.sysconf("SC_PAGE_SIZE"))
    release = [int(part) for part in os.uname().release.split("-")[0].split(".")[:2]]
    if release >= [6, 14]:  # before, it is the whole machine's
        setting("kernel/pid_max", THREADS)


def setting(name: str, value: int) -> None:
    """Set a limit of our namespace; older kernels allow some of them only to the machine's root."""
    with contextlib.suppress(OSError), open(f"/proc/sys/{name}", "w") as f:
        f.write(str(value))


def seal(config: KernelConfig) -> None:
    """Once the kernel's sockets are there: nothing more to write in its folder and in /proc."""
    read_only(config.run)
    read_only("/proc")


def unshare(flags: int) -> None:
    """Enter new namespaces."""
    checked(libc().unshare(flags), "unshare")


def new_user(inside: int, flags: int = 0) -> None:
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


def give_rights_away() -> None:
    """A second user namespace in which we are nobody: no mount can be undone, no right taken back."""
    new_user(1000)
    with open("/proc/sys/user/max_user_namespaces", "w") as f:
        f.write("0")  # a namespace of its own would let it mount a tmpfs without a limit
    option(NO_NEW_PRIVILEGES, 1)
    checked(libc().capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()), "capset")
