"""No loop waits for a GPU. Tried on a pretended one: its tensors hold no numbers, so that reading one
raises."""

import contextlib

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

import labdiff as ld
from conftest import make_net
from labdiff import objective


class PretendedGpu(TorchDispatchMode):
    """Inside of FakeTensorMode: what touches a tensor on "cuda" stays shapes and dtypes only; all on the CPU
    is as ever."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        leaves = tree_leaves([args, kwargs or {}])
        on_gpu = any(isinstance(leaf, FakeTensor) or getattr(leaf, "type", None) == "cuda" for leaf in leaves)
        with contextlib.nullcontext() if on_gpu else _disable_current_modes():
            return function(*args, **kwargs or {})


@pytest.fixture
def s():
    """A schedule of its own for each test, whose tables may lie on the pretended GPU."""
    return ld.linear_schedule(T=20)


@pytest.fixture
def gpu(s):
    """A U-Net on the pretended GPU, while its mode is on."""
    model = make_net(s)
    with FakeTensorMode(allow_non_fake_inputs=True), PretendedGpu():
        for module in model.modules():
            for tensors in (module._parameters, module._buffers):
                for name, tensor in tensors.items():
                    if tensor is not None:
                        there = torch.empty(tensor.shape, dtype=tensor.dtype, device="cuda")
                        tensors[name] = torch.nn.Parameter(there) if tensors is module._parameters else there
        yield model


def on_gpu(*shape, **kwargs):
    return torch.empty(shape, device="cuda", **kwargs)


def test_the_pretended_gpu_notices(gpu):
    assert on_gpu(2).device.type == "cuda" and torch.ones(2).sum().item() == 2
    with pytest.raises(DataDependentOutputException):
        on_gpu(2).sum().item()


@pytest.mark.parametrize(
    "sampler",
    [ld.ddpm_steps, lambda *a, **k: ld.ddim_steps(*a, n_steps=5, eta=0.5, **k), ld.dpm_steps],
    ids=["ddpm", "ddim", "dpm"],
)
def test_samplers_do_not_wait(gpu, s, sampler):
    for state in sampler(gpu, s, (3, 1, 8, 8), generator=torch.Generator()):
        assert state.x.device.type == state.x0_hat.device.type == "cuda"
    assert state.t == 0


def test_the_loss_does_not_wait(gpu, s):
    """As train() computes it; going backward needs a real GPU."""
    x0, eps, t = on_gpu(3, 1, 8, 8), on_gpu(3, 1, 8, 8), on_gpu(3, dtype=torch.int64)
    with torch.no_grad():
        assert objective.eps_loss(gpu, s, x0, t, eps).device.type == "cuda"
