"""The network: sizes, start, skip connection, and where its weights come from."""

import math

import pytest
import torch

import labdiff as ld
from conftest import make_net
from labdiff.blocks import Attention


def unet(channels=8, seed=0, **kwargs):
    return ld.UNet(channels, generator=torch.Generator().manual_seed(seed), **kwargs)


@pytest.mark.parametrize("size", [(2, 2), (6, 6), (28, 28), (32, 32), (30, 18), (2, 40)], ids=str)
@pytest.mark.parametrize("image_channels", [1, 3])
def test_any_even_size(size, image_channels, s, g):
    x = torch.randn(2, image_channels, *size, generator=g)
    model = unet(mults=(1, 2, 3), image_channels=image_channels, alpha_bar=s.alpha_bar)
    out = model(x, torch.tensor([1, s.T]))
    assert out.shape == x.shape and out.dtype == x.dtype and torch.isfinite(out).all()


@pytest.mark.parametrize("channels", [1, 5, 8, 12, 32, 48])
@pytest.mark.parametrize("mults", [(1,), (1, 2), (2, 1, 3, 1)], ids=str)
def test_any_width_and_depth(channels, mults, g):
    x = torch.randn(1, 1, 6, 4, generator=g)
    assert unet(channels, mults=mults)(x, torch.tensor([3])).shape == x.shape


def test_the_plain_network_starts_at_zero_so_that_the_loss_starts_at_one(s, g):
    x = torch.randn(64, 1, 8, 8, generator=g)
    model = unet()
    assert (model(x, torch.full((64,), 5)) == 0).all()
    eps = torch.randn(x.shape, generator=g)
    assert ld.eps_loss(model, s, x, 5, eps).item() == pytest.approx(eps.square().mean().item())


def test_the_preconditioned_network_starts_at_the_skip_connection(s, g):
    x, t = torch.randn(3, 1, 4, 6, generator=g), torch.tensor([1, 9, 20])
    noise = (1 - s.alpha_bar[t]).sqrt().float().reshape(3, 1, 1, 1)
    torch.testing.assert_close(unet(alpha_bar=s.alpha_bar)(x, t), noise * x)


def test_preconditioned_is_its_equation(s, g):
    """eps_hat = sqrt(1 - ab) x_t + sqrt(ab) F; with the ideal F = sqrt(ab) eps - sqrt(1 - ab) x_0 it is
    eps."""
    x0, eps = (torch.randn(20, 2, 3, 4, generator=g) for _ in range(2))
    t = torch.arange(1, 21)
    ab = torch.tensor([math.prod((1 - s.beta[: i + 1]).tolist()) for i in t], dtype=torch.float32).reshape(
        -1, 1, 1, 1
    )
    ideal = ab.sqrt() * eps - (1 - ab).sqrt() * x0
    layer = ld.Preconditioned(s.alpha_bar)
    torch.testing.assert_close(layer(ld.q_sample(s, x0, t, eps), t, ideal), eps, rtol=1e-4, atol=1e-4)
    assert set(layer.state_dict()) == {"signal", "noise"} and not list(layer.parameters())


def test_preconditioned_keeps_its_digits_at_small_t():
    """sqrt(1 - alpha_bar_t) is taken in float64 before it is stored, so at t = 1 it is 0.01 to float32's
    precision."""
    s = ld.linear_schedule()
    assert ld.Preconditioned(s.alpha_bar).noise[1].item() == pytest.approx(0.01, rel=1e-6)


def test_skip_connections_carry_detail_around_the_lower_levels(s, g):
    model, x = unet(mults=(1, 2)), torch.randn(2, 1, 8, 8, generator=g)
    torch.nn.init.ones_(model.head.weight)
    torch.nn.init.zeros_(model.grow[0].weight)  # nothing comes up from below
    with torch.no_grad():
        a, b = model(x, torch.tensor([5, 5]))
    assert (a - b).abs().max() > 1e-2


def test_each_sample_on_its_own(s, g):
    """No sample looks at another one, and each goes by its own t."""
    model, x, t = make_net(s), torch.randn(4, 1, 8, 6, generator=g), torch.tensor([1, 5, 5, 20])
    one_by_one = torch.cat([model(x[i : i + 1], t[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(model(x, t), one_by_one, rtol=1e-4, atol=1e-5)


def test_the_output_depends_on_t(s, g):
    model, x = make_net(s), torch.randn(1, 1, 8, 8, generator=g)
    model.precondition = None  # the time must reach the network itself, not only the skip connection
    assert (model(x, torch.tensor([2])) - model(x, torch.tensor([15]))).abs().max() > 1e-3


def test_every_pixel_can_see_every_other(s, g):
    """Attention at the lowest resolution makes one corner depend on the opposite one.

    GroupNorm does that, too, and is left out here; the convolutions alone do not reach as far.
    """
    model, x = make_net(s), torch.randn(1, 1, 56, 56, generator=g, requires_grad=True)
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, torch.nn.GroupNorm):
                setattr(parent, name, torch.nn.Identity())

    def seen():
        (grad,) = torch.autograd.grad(model(x, torch.tensor([5]))[0, 0, 0, 0], x)
        return grad[0, 0, -1, -1]

    assert seen() != 0
    torch.nn.init.zeros_(model.attention.out.weight)
    assert seen() == 0


@pytest.mark.parametrize("precondition", [False, True])
def test_gradients_reach_every_parameter(precondition, s, g):
    model = unet(5, mults=(1, 2, 3), alpha_bar=s.alpha_bar if precondition else None)
    torch.nn.init.ones_(model.head.weight)  # zero at the start: it would hide all that is behind it
    model(torch.randn(2, 1, 8, 8, generator=g), torch.tensor([3, 17])).square().sum().backward()
    dead = [name for name, p in model.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    assert dead == []


def test_float64(s, g):
    model, x, t = make_net(s), torch.randn(2, 1, 6, 6, generator=g), torch.tensor([3, 17])
    torch.testing.assert_close(
        model(x, t).double(), make_net(s).double()(x.double(), t), rtol=1e-3, atol=1e-5
    )


def test_autocast_keeps_the_dtype_outside(s, g):
    x = torch.randn(2, 1, 6, 6, generator=g)
    for model in (make_net(s), unet()):
        with torch.autocast("cpu", torch.bfloat16):
            assert model(x, torch.tensor([3, 17])).dtype == torch.float32


def test_same_generator_same_weights(s):
    a, b, c = (unet(seed=i).state_dict() for i in (0, 0, 1))
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert any(not torch.equal(a[k], c[k]) for k in a)
    fresh = [ld.UNet(8).stem.weight for _ in range(2)]
    assert not torch.equal(*fresh)


def test_weights_travel_with_the_schedule(s, g):
    """A state_dict alone gives the same model, skip connection included."""
    model = make_net(s)
    other = unet(mults=(1, 2), alpha_bar=ld.linear_schedule(s.T, beta_T=0.03).alpha_bar)
    other.load_state_dict(model.state_dict())
    x, t = torch.randn(2, 1, 6, 6, generator=g), torch.tensor([3, 17])
    assert torch.equal(model(x, t), other(x, t))
    assert model.config == {"channels": 8, "mults": (1, 2), "image_channels": 1}


@pytest.mark.parametrize("dim", [2, 8, 64])
def test_timestep_embedding(dim):
    t = torch.tensor([0, 1, 7, 1000])
    emb = ld.timestep_embedding(t, dim)
    assert emb.shape == (4, dim) and emb.dtype == torch.float32
    for i, value in enumerate(t.tolist()):
        angles = [value * 10000 ** (-k / (dim // 2)) for k in range(dim // 2)]
        expected = torch.tensor([math.sin(a) for a in angles] + [math.cos(a) for a in angles])
        torch.testing.assert_close(emb[i], expected, rtol=0, atol=2e-4)  # float32 angles up to 1000


def test_timestep_embedding_tells_all_steps_apart():
    emb = ld.timestep_embedding(torch.arange(1, 1001), 64)
    assert torch.cdist(emb, emb).fill_diagonal_(9).min() > 0.05


def test_a_large_batch_on_a_cpu_goes_through_in_parts(s, g, monkeypatch):
    """Larger activations than the caches hold cost time; what comes out is the same, each sample with its own
    label."""
    model = make_net(s, classes=3)
    x, t, label = (
        torch.randn(7, 1, 4, 4, generator=g),
        torch.arange(1, 8),
        torch.tensor([0, 1, 2, 3, 0, 1, 2]),
    )
    seen = []
    model.stem.register_forward_hook(lambda module, args, out: seen.append(len(out)))
    with torch.no_grad():
        whole, whole_of_one = model(x, t, label), model(x, t, 2)
        monkeypatch.setattr("labdiff.unet.CPU_BATCH", 3 * 16)
        torch.testing.assert_close(model(x, t, label), whole)
        torch.testing.assert_close(model(x, t, 2), whole_of_one)
    assert seen == [7, 7, 3, 3, 1, 3, 3, 1]
    assert model(x, t, label).requires_grad and seen[-1] == 7  # training keeps the batch whole


def test_labels(s, g):
    """None, an int, one for each sample; `classes` is no label; without one all is as before."""
    model, x, t = make_net(s, classes=3), torch.randn(4, 1, 6, 6, generator=g), torch.tensor([3, 17, 5, 5])
    label = torch.tensor([0, 1, 2, 3])
    each = torch.cat([model(x[i : i + 1], t[i : i + 1], int(label[i])) for i in range(4)])
    torch.testing.assert_close(model(x, t, label), each, rtol=1e-4, atol=1e-5)
    assert torch.equal(model(x, t), model(x, t, 3)) and torch.equal(
        model(x, t), model(x, t, torch.full((4,), 3))
    )
    assert (model(x, t, 0) - model(x, t, 1)).abs().max() > 1e-3
    assert model.config["classes"] == model.classes == 3 and model.label.weight.shape == (4, 32)
    assert model.label.weight.std().item() == pytest.approx(1, abs=0.3)  # a std of 0.02 would learn nothing


def test_a_label_embedding_leaves_all_other_weights_as_they_are(s):
    plain, conditional = make_net(s).state_dict(), make_net(s, classes=3).state_dict()
    assert conditional.keys() - plain.keys() == {"label.weight"}
    assert all(torch.equal(plain[k], conditional[k]) for k in plain)


@pytest.mark.parametrize("size", [(8, 8), (2, 8)], ids=str)
def test_maps_of_one_pixel_in_bfloat16(s, g, size):
    """Gradients of a strided convolution of one pixel are wrong in torch's bfloat16; a stride there does
    nothing."""
    x = torch.randn(4, 1, *size, generator=g)
    model = ld.UNet(8, mults=(1, 2, 3, 4), alpha_bar=s.alpha_bar, generator=g)
    torch.nn.init.normal_(model.head.weight, std=0.1, generator=g)
    strides = []

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            if function is torch.nn.functional.conv2d and len(args) > 3 and list(args[3]) != [1, 1]:
                strides.append((args[0].shape[-2:], list(args[3])))
            return function(*args, **kwargs or {})

    with Watch():
        out = model(x, torch.tensor([3, 9, 17, 20]))
    assert all(n > 1 or step == 1 for shape, stride in strides for n, step in zip(shape, stride, strict=True))
    assert out.shape == x.shape and len(strides) > 0


def test_attention_mixes_pixels_and_not_channels(g):
    """Against softmax(q k^T / sqrt(d)) v written out; averaging the output, or attending over channels,
    differs."""
    with torch.random.fork_rng():
        layer = Attention(32)
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.randn(p.shape, generator=g) / p[0].numel() ** 0.5)
        x = torch.randn(2, 32, 3, 4, generator=g)
        q, k, v = layer.qkv(layer.norm(x)).flatten(2).transpose(1, 2).chunk(3, dim=2)  # each (B, 12, 32)
        h = torch.softmax(q @ k.transpose(1, 2) / 32**0.5, dim=2) @ v
        expected = x + layer.out(h.transpose(1, 2).reshape(x.shape))
        torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)
