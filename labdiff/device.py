"""Where to run: the best device that this machine has."""

import os

import torch


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
