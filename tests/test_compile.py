"""torch.compile takes a training step and a sampler's step whole: fullgraph=True raises at a graph break."""

import copy

import pytest
import torch

import labdiff as ld
from conftest import make_net
from labdiff.gradient_step import update
from labdiff.optimizer import MuonAdamW
from labdiff.process import p_mean
from labdiff.trajectory import noise_in


def whole(function):
    return torch.compile(function, backend="eager", fullgraph=True)


@pytest.fixture(autouse=True)
def nothing_compiled_before():
    torch._dynamo.reset()
    with torch._dynamo.config.patch(trace_autograd_ops=True):
        yield
    torch._dynamo.reset()


def run(s):
    """What update() changes: a network that has taken a step, so that the optimizer's state is there."""
    g = torch.Generator().manual_seed(0)
    net = ld.UNet(16, mults=(1,), classes=3, alpha_bar=s.alpha_bar, generator=g)
    state = net, copy.deepcopy(net).requires_grad_(False), MuonAdamW(net.parameters())
    update(*state, s, batch(s, 1), torch.ones((), dtype=torch.bool), 1e-2, 0.5)
    return state


def batch(s, seed):
    g = torch.Generator().manual_seed(seed)
    x0, eps = (torch.randn(4, 1, 4, 4, generator=g) for _ in range(2))
    return [x0, torch.randint(1, s.T + 1, (4,), generator=g), eps, torch.randint(4, (4,), generator=g)]


def test_a_training_step(s):
    ours, theirs = run(s), run(s)
    compiled, lr, decay = whole(update), torch.tensor(1e-2), torch.tensor(0.5)
    for n in (2, 3):
        finite = torch.ones((), dtype=torch.bool)
        weight = torch.rand(4, generator=torch.Generator().manual_seed(n))
        a = update(*ours, s, batch(s, n), finite, 1e-2, 0.5, weight=weight)
        b = compiled(*theirs, s, batch(s, n), finite, lr, decay, weight=weight)
        torch.testing.assert_close(a, b)
        assert finite
    for mine, other in zip(ours[:2], theirs[:2]):
        torch.testing.assert_close(list(mine.parameters()), list(other.parameters()))
    # what does not look at its numbers changes no weight once one of them was NaN
    before = copy.deepcopy(list(theirs[0].parameters()))
    bad = batch(s, 4)
    bad[0][0] = torch.nan
    assert compiled(*theirs, s, bad, finite, lr, decay).isnan().any() and not finite
    compiled(*theirs, s, batch(s, 5), finite, lr, decay)
    assert all(torch.equal(a, b) for a, b in zip(before, theirs[0].parameters()))


def test_a_step_of_the_samplers(s):
    net, x = (
        make_net(s, classes=3).eval(),
        torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0)),
    )
    model = ld.guided(net, torch.tensor([0, 2]), 1.5)

    def step(x, z):
        return p_mean(s, x, 7, noise_in("step", model, x, 7)) + 0.1 * z

    torch.testing.assert_close(whole(step)(x, x), step(x, x))


def test_a_compiled_model_in_a_sampler(s):
    net = make_net(s).eval()
    a, b = (
        ld.sample(
            model, s, (2, 1, 4, 4), method="ddim", n_steps=3, generator=torch.Generator().manual_seed(0)
        )
        for model in (net, whole(net))
    )
    torch.testing.assert_close(a, b)
