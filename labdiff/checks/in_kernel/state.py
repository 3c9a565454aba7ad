"""Global state that a student's function may change: saved before a check and restored after it."""

import contextlib
import os
import random
import sys
import threading
import warnings

import numpy as np
import torch


def seed_all(seed):
    torch.default_generator.manual_seed(seed)  # torch.manual_seed also queues work for a GPU not in use
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    np.random.seed(seed)
    random.seed(seed)


@contextlib.contextmanager
def settings():
    """Restore torch's cheap global settings at the end; gradients are on meanwhile, as in a notebook."""
    dtype, grad, anomaly = torch.get_default_dtype(), torch.is_grad_enabled(), torch.is_anomaly_enabled()
    torch.set_grad_enabled(True)
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
        if torch.is_anomaly_enabled() != anomaly:
            torch.autograd.set_detect_anomaly(anomaly)
        if torch.get_default_device() != torch.device("cpu"):
            torch.set_default_device(None)


_one_at_a_time = threading.RLock()  # this state belongs to the process, not to a thread


@contextlib.contextmanager
def preserved():
    """Restore at the end: random generators, rcParams, NumPy's and torch's settings, the working folder.

    Meanwhile torch has one thread, which is faster for thousands of tiny tensors, and checks in other threads
    wait.
    """
    with _one_at_a_time, _preserved():
        yield


@contextlib.contextmanager
def _preserved():
    torch_state, numpy_state, python_state = torch.get_rng_state(), np.random.get_state(), random.getstate()
    cuda_states = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    matplotlib = sys.modules.get("matplotlib")
    style = matplotlib.rcParams.copy() if hasattr(matplotlib, "rcParams") else None
    errors, shown, folder, depth = np.geterr(), np.get_printoptions(), os.getcwd(), sys.getrecursionlimit()
    device, threads = torch.get_default_device(), torch.get_num_threads()
    torch.set_default_device(None)
    dtype, torch_shown = torch.get_default_dtype(), vars(torch._tensor_str.PRINT_OPTS).copy()
    torch.set_default_dtype(torch.float32)
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    np.seterr(divide="warn", over="warn", under="ignore", invalid="warn")  # NumPy's own
    try:
        with torch.inference_mode(False):
            yield
    finally:
        torch.set_rng_state(torch_state)
        np.random.set_state(numpy_state)
        random.setstate(python_state)
        if cuda_states is not None:
            torch.cuda.set_rng_state_all(cuda_states)
        if style is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                dict.update(matplotlib.rcParams, style)
        np.seterr(**errors)
        np.set_printoptions(**shown)
        vars(torch._tensor_str.PRINT_OPTS).update(torch_shown)
        torch.set_default_dtype(dtype)
        if device != torch.device("cpu"):
            torch.set_default_device(device)
        if torch.are_deterministic_algorithms_enabled() != deterministic:
            torch.use_deterministic_algorithms(deterministic)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        os.chdir(folder)
        sys.setrecursionlimit(depth)
