"""Where to run: the best device that this machine has."""

import contextlib
import os
from collections.abc import Iterator

import torch
from torch import distributed as dist

SMALL = 4096  # numbers: a few digits


def pick_device() -> torch.device:
    """The device to run on: cuda, else mps, else cpu; prints which one. LABDIFF_DEVICE overrides the choice.

    Returns: a torch.device.
    Raises: ValueError: LABDIFF_DEVICE names a device that this machine does not have.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    wanted = os.environ.get("LABDIFF_DEVICE")
    try:
        device = torch.device(wanted or next(name for name, ok in there.items() if ok))
    except RuntimeError:
        device = None
    too_high = (
        device is not None and device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()
    )
    if device is None or not there.get(device.type) or too_high:
        expected = ", ".join(name for name, ok in there.items() if ok)
        raise ValueError(
            f"pick_device: LABDIFF_DEVICE: expected one of {expected} on this machine, got {wanted!r}. "
            "Unset it to let labdiff choose"
        )
    print(f"device: {device}")
    return device


def has_bf16(device: torch.device) -> bool:
    """Whether a torch.device multiplies bfloat16 in hardware, where it is faster than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        return bool(torch.cpu.get_capabilities().get("avx512_bf16"))
    return False


@contextlib.contextmanager
def threads_for(x: torch.Tensor) -> Iterator[None]:
    """One thread while a CPU works on an x as small as a few digits, then as many as before.

    Each of a network's many operations on it is too short to share, and on a busy machine each would wait for
    a thread that is not running.
    """
    threads = torch.get_num_threads()
    if x.device.type != "cpu" or x.numel() > SMALL or threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def moved(x: torch.Tensor, device: torch.device) -> torch.Tensor:
    """x on `device`; from the CPU to a GPU without waiting for what the GPU still computes."""
    if device.type == "cuda" and x.device.type == "cpu" and torch.cuda.is_available():
        return x.pin_memory().to(device, non_blocking=True)
    return x.to(device)


class OnItsWay:
    """The loss of a step and its gradient's norm: numbers that a GPU may still have to compute."""

    def __init__(self, seen: torch.Tensor):
        self._copied = torch.cuda.Event() if seen.device.type == "cuda" else None
        self._seen = seen
        if self._copied:  # into pinned memory: neither the copy nor asking for it waits
            self._seen = torch.empty(seen.shape, dtype=seen.dtype, device="cpu", pin_memory=True)
            self._seen.copy_(seen, non_blocking=True)
            self._copied.record(torch.cuda.current_stream(seen.device))  # not that of the current GPU

    def numbers(self) -> list[float]:
        if self._copied:
            self._copied.synchronize()
        return self._seen.tolist()


def processes() -> tuple[int, int]:
    """This process's rank, and the number of all that train together."""
    together = dist.is_available() and dist.is_initialized()
    return (dist.get_rank(), dist.get_world_size()) if together else (0, 1)
