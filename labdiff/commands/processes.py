"""One process, or those that torchrun started: who this one is, and on which device it runs."""

import contextlib
import os
import sys
from collections.abc import Iterator

import torch
from torch import distributed as dist

from labdiff.device import pick_device

BESIDE_RANK = ("LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # torchrun sets all or none


@contextlib.contextmanager
def processes() -> Iterator[tuple[int, torch.device]]:
    """Join the processes that torchrun started, if it did; yield this one's rank and device."""
    if "RANK" not in os.environ:
        yield 0, pick_device()
        return
    lacking = [name for name in BESIDE_RANK if name not in os.environ]
    if lacking:
        raise ValueError(
            f"RANK: expected {', '.join(BESIDE_RANK)} beside it in the environment, got it without "
            f"{', '.join(lacking)}. Start several processes with torchrun; for one, unset RANK"
        )
    device = _device(int(os.environ["LOCAL_RANK"]), int(os.environ["WORLD_SIZE"]))
    on_gpus = device.type == "cuda"
    if on_gpus:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if on_gpus else "gloo")
    try:
        yield dist.get_rank(), device
    finally:
        dist.destroy_process_group()


def _device(local_rank: int, world: int) -> torch.device:
    with contextlib.redirect_stdout(sys.stdout if local_rank == 0 else None):  # one line, not one a process
        device = pick_device()
    if world == 1 or device.type == "cpu":
        return device
    if device.type != "cuda" or device.index is not None:
        raise ValueError(
            f"LABDIFF_DEVICE: expected cuda or cpu for {world} processes, got {device}. Set it to cpu"
        )
    if local_rank >= torch.cuda.device_count():
        raise ValueError(
            f"--nproc_per_node: expected at most {torch.cuda.device_count()}, one for each GPU, got more. "
            "To run on the CPU, set LABDIFF_DEVICE=cpu"
        )
    return torch.device("cuda", local_rank)
