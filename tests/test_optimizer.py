"""MuonAdamW against torch.optim.Muon and AdamW, and its state, which fits any memory format."""

import copy

import pytest
import torch

from labdiff.optimizer import NEWTON_SCHULZ, MuonAdamW, orthogonalize

SHAPES = [(20, 16, 3, 3), (32, 16, 3, 3), (16, 48, 1, 1), (64, 16, 1, 1), (8, 4, 3, 3), (16,), (5, 16)]


def parameters(memory_format=torch.contiguous_format):
    g = torch.Generator().manual_seed(0)
    made = [torch.randn(shape, generator=g) for shape in SHAPES]
    return [torch.nn.Parameter(p.to(memory_format=memory_format) if p.ndim == 4 else p) for p in made]


def gradients(params, seed):
    g = torch.Generator().manual_seed(seed)
    for p in params:
        p.grad = torch.empty_like(p).copy_(torch.randn(p.shape, generator=g))


def steps(params, optimizer, seeds):
    for seed in seeds:
        gradients(params, seed)
        optimizer.step()


def test_steps_are_those_of_torchs_muon_and_adamw(monkeypatch):
    """With both computing Newton-Schulz in float32: torch casts to bfloat16, which leaves two digits."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda x: x.clone())
    monkeypatch.setattr("labdiff.optimizer.has_bf16", lambda device: False)
    ours, theirs = parameters(), parameters()
    steps(ours, MuonAdamW(ours, lr=0.01, weight_decay=0.1), range(4))
    matrices = [torch.nn.Parameter(p.detach().flatten(1)) for p in theirs[:4]]
    muon = torch.optim.Muon(matrices, lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(theirs[4:], lr=0.01, betas=(0.9, 0.99), weight_decay=0.1)
    for seed in range(4):
        gradients(theirs, seed)
        for matrix, p in zip(matrices, theirs[:4], strict=True):
            matrix.grad = p.grad.flatten(1)
        muon.step()
        adamw.step()
    for mine, other in zip(ours, [*matrices, *theirs[4:]], strict=True):
        torch.testing.assert_close(mine.reshape(other.shape), other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("saved, loaded", [(0, 1), (1, 0)])
def test_state_goes_on_in_another_memory_format(saved, loaded):
    formats = (torch.contiguous_format, torch.channels_last)
    whole, other = parameters(formats[saved]), parameters(formats[loaded])
    optimizer, resumed = MuonAdamW(whole), MuonAdamW(other)
    steps(whole, optimizer, range(2))
    state = copy.deepcopy(optimizer.state_dict())
    for p, q in zip(other, whole, strict=True):
        p.data.copy_(q.data)
    resumed.load_state_dict(state)
    steps(whole, optimizer, range(2, 4))
    steps(other, resumed, range(2, 4))
    for p, q in zip(other, whole, strict=True):
        torch.testing.assert_close(p.contiguous(), q.contiguous(), rtol=1e-5, atol=1e-6)
        for name, value in resumed.state[p].items():
            assert value.ndim == 0 or (value.shape == p.shape and value.stride() == p.stride()), name


@pytest.mark.parametrize("there, dtype", [(True, torch.bfloat16), (False, torch.float32)])
def test_newton_schulz_runs_in_bfloat16_where_the_hardware_has_it(monkeypatch, there, dtype):
    seen = []
    monkeypatch.setattr("labdiff.optimizer.has_bf16", lambda device: there)
    monkeypatch.setattr("labdiff.optimizer.orthogonalize", lambda x: seen.append(x.dtype) or orthogonalize(x))
    params = parameters()
    steps(params, MuonAdamW(params), [0])
    assert set(seen) == {dtype} and {p.dtype for p in params} == {torch.float32}


def test_orthogonalize_keeps_singular_vectors_and_levels_singular_values():
    x = torch.randn(3, 8, 20, generator=torch.Generator().manual_seed(0))
    x[0, :, 12:] = 0  # padding
    out = orthogonalize(x)
    values = torch.linalg.svdvals(out)
    assert values.min() > 0.5 and values.max() < 1.5 and (out[0, :, 12:] == 0).all()
    u, _, vh = torch.linalg.svd(x, full_matrices=False)
    rotated = u.mT @ out @ vh.mT
    assert (rotated - torch.diag_embed(rotated.diagonal(dim1=1, dim2=2))).abs().max() < 1e-4


@pytest.mark.parametrize("dtype, atol", [(torch.float32, 1e-3), (torch.bfloat16, 0.2)], ids=str)
def test_small_singular_values_take_the_steps_of_newton_schulz(dtype, atol):
    g = torch.Generator().manual_seed(0)
    u, _, vh = torch.linalg.svd(torch.randn(2, 16, 40, generator=g, dtype=torch.float64), full_matrices=False)
    values = torch.logspace(0, -6, 16, dtype=torch.float64)
    values[-2:] = 0  # fewer dimensions than rows, as of a kernel with dead channels
    out = orthogonalize((u * values @ vh).to(dtype)).double()
    a, b, c = NEWTON_SCHULZ
    expected = values / values.norm()
    for _ in range(5):
        expected = a * expected + b * expected**3 + c * expected**5
    torch.testing.assert_close(out, u * expected @ vh, rtol=0, atol=atol)


@pytest.mark.parametrize("given, decay", [({"weight_decay": 0.5}, 0.5), ({}, 0.01)], ids=str)
def test_weights_decay_without_a_gradient_to_speak_of(given, decay):
    params = parameters()
    before = [p.detach().clone() for p in params]
    for p in params:
        p.grad = torch.zeros_like(p)
    MuonAdamW(params, lr=0.1, **given).step()
    for p, old in zip(params, before, strict=True):
        torch.testing.assert_close(p.detach(), old * (1 - 0.1 * decay), rtol=1e-6, atol=0)


def test_parameters_without_gradients_stay_and_none_at_all_is_an_error():
    params = parameters()
    params[0].requires_grad_(False)
    before = params[1].detach().clone()
    optimizer = MuonAdamW(params)
    optimizer.step()
    assert torch.equal(params[1], before) and all(
        params[0] is not p for g in optimizer.param_groups for p in g["params"]
    )
    with pytest.raises(ValueError, match="empty parameter list"):
        MuonAdamW([])
