"""Limits for a student's kernel and all that it starts: memory, files, processes. Standard library only."""

import contextlib
import os
import stat

try:
    from config import PROCESSES, TOO_FULL, TOO_MANY, TOO_MUCH, KernelConfig  # run by itself, without labdiff
except ImportError:
    from labdiff.grading.sandbox.config import PROCESSES, TOO_FULL, TOO_MANY, TOO_MUCH, KernelConfig

OPEN_FILES = 512
ENTRIES = 20_000  # files and folders in a kernel's working folder


def set_limits(config: KernelConfig) -> None:
    """Set the limits of each process, this one and those that it starts; excess() watches the sum."""
    import resource  # not on Windows, where this file is imported too

    for what, size in (
        (resource.RLIMIT_DATA, config.memory),
        (resource.RLIMIT_FSIZE, config.disk),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        size = size if hard == resource.RLIM_INFINITY else min(size, hard)
        resource.setrlimit(what, (size, size))


def excess(pid: int, config: KernelConfig, look_at_disk: bool) -> int | None:
    """Which limit the processes below pid break together, as an exit code."""
    family = descendants(pid)
    if len(family) > PROCESSES:
        return TOO_MANY
    if sum(map(resident, family)) + unmapped(family) > 1.5 * config.memory:
        return TOO_MUCH
    if look_at_disk and written(config.cwd, config.disk) > config.disk:
        return TOO_FULL
    return None


def descendants(pid: int) -> list[int]:
    """All processes below pid, where there is /proc; nearer ones first."""
    found, todo = [], [pid]
    while todo and len(found) < 2000:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{todo[0]}/task"):
                with open(f"/proc/{todo[0]}/task/{task}/children") as f:
                    children = [int(word) for word in f.read().split()]
                found += children
                todo += children
        todo.pop(0)
    return found


def resident(pid: int) -> int:
    """Bytes of memory of a process."""
    try:
        with open(f"/proc/{pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def unmapped(family: list[int]) -> int:
    """Bytes in unnamed files (memfd_create, or deleted while open): memory that no process's size has."""
    sizes = {}
    for pid in family:
        with contextlib.suppress(OSError):
            for entry in os.scandir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    if os.readlink(entry.path).endswith("(deleted)"):
                        info = os.stat(entry.path)
                        if stat.S_ISREG(info.st_mode):
                            sizes[info.st_dev, info.st_ino] = 512 * info.st_blocks
    return sum(sizes.values())


def written(folder: str, enough: int) -> float:
    """Bytes on disk below a folder, counted until there are enough; infinite if there are too many files."""
    todo, size, count = [folder], 0, 0
    while todo and size <= enough:
        with contextlib.suppress(OSError), os.scandir(todo.pop()) as entries:
            for entry in entries:
                count += 1
                if count > ENTRIES:
                    return float("inf")
                with contextlib.suppress(OSError):
                    size += 512 * entry.stat(follow_symlinks=False).st_blocks
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
    return size
