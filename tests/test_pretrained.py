"""The weights that ship: small, loadable, and better the longer they were trained."""

import pytest
import safetensors.torch
import torch

import labdiff as ld
from conftest import make_net
from labdiff.data import ASSETS
from labdiff.pretrained import save_weights


def test_files_are_small_and_in_order():
    steps = ld.pretrained_steps()
    paths = list(ASSETS.glob("unet_*.safetensors"))
    assert len(steps) == len(paths) >= 3 and steps == sorted(set(steps))
    assert all(type(step) is int and step > 0 for step in steps)
    assert all(path.stat().st_size <= 5e6 for path in paths)
    assert "unet_" in (ASSETS / "SOURCES.md").read_text()


def test_model_and_schedule_belong_together():
    model, s = ld.load_pretrained()
    assert s.T == 1000 and torch.equal(s.beta, ld.linear_schedule().beta)
    torch.testing.assert_close(model.precondition.signal, s.alpha_bar.sqrt().float(), rtol=1e-6, atol=0)
    assert not any(m.training for m in model.modules())
    assert {(p.dtype, p.device.type) for p in model.parameters()} == {(torch.float32, "cpu")}


def test_the_finished_model_is_the_last_snapshot():
    last, _ = ld.load_pretrained(ld.pretrained_steps()[-1])
    model, _ = ld.load_pretrained()
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), last.state_dict().values()))
    with safetensors.safe_open(ASSETS / f"unet_{ld.pretrained_steps()[-1]:06d}.safetensors", "pt") as file:
        assert f'"step": {ld.pretrained_steps()[-1]}' in file.metadata()["labdiff"]


def test_the_loss_on_unseen_digits_falls_from_snapshot_to_snapshot():
    g = torch.Generator().manual_seed(0)
    x0 = ld.load_digits("test").images[:250]
    t = torch.arange(1, 1001, 4)  # all levels alike, and the same draws for each model
    eps = torch.randn(x0.shape, generator=g)
    losses = []
    for step in ld.pretrained_steps():
        model, s = ld.load_pretrained(step)
        with torch.no_grad():
            losses.append(ld.eps_loss(model, s, x0, t, eps).item())
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.05


@pytest.mark.parametrize("step", [0, 7, -1, "final", 100.0, True, [100]])
def test_no_such_snapshot(step):
    with pytest.raises(ValueError, match="load_pretrained: step: expected one of .*, got"):
        ld.load_pretrained(step)


# Weights of one's own


def trained(model, s, n_steps=4):
    """The last Step of a short run, with a large learning rate so that averaged and raw weights differ."""
    images = torch.full((4, model.config["image_channels"], 4, 4), -0.5)
    g = torch.Generator().manual_seed(2)
    *_, step = ld.train(model, s, images, n_steps=n_steps, batch_size=4, lr=0.1, warmup=0, generator=g)
    return step


@pytest.mark.parametrize("kwargs", [{}, {"image_channels": 3}], ids=str)
def test_the_averaged_weights_come_back(s, tmp_path, kwargs):
    step = trained(make_net(s, **kwargs), s)
    path = save_weights(step, tmp_path, "grey")
    assert path == tmp_path / "unet_000004.safetensors" and ld.pretrained_steps(tmp_path) == [4]
    model, schedule = ld.load_pretrained(folder=tmp_path)
    assert torch.equal(schedule.beta, s.beta) and model.config == step.model.config
    own, raw = step.ema.state_dict(), step.model.state_dict()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, own[name], rtol=1e-3, atol=1e-6)
    far = max((raw[name] - value).abs().max().item() for name, value in model.state_dict().items())
    assert far > 0.01  # the weights that were not averaged are others
    assert torch.equal(model.precondition.signal, step.ema.precondition.signal)  # not halved


def test_a_network_without_preconditioning_comes_back(s, tmp_path):
    step = trained(ld.UNet(8, mults=(1, 2)), s)
    save_weights(step, tmp_path, "grey")
    model, _ = ld.load_pretrained(folder=tmp_path)
    torch.testing.assert_close(model.state_dict(), step.ema.state_dict(), rtol=1e-3, atol=1e-6)


def test_steps_behind_the_start_are_counted(s, tmp_path):
    assert (
        save_weights(trained(make_net(s), s), tmp_path, "grey", after=20_000).name
        == "unet_020004.safetensors"
    )
    assert ld.pretrained_steps(tmp_path) == [20_004]


def test_a_shorter_run_into_the_same_folder_is_told(s, tmp_path):
    save_weights(trained(make_net(s), s, n_steps=4), tmp_path, "long")
    step = trained(make_net(s), s, n_steps=2)
    with pytest.warns(
        UserWarning, match=r"save_weights: folder: .* step 4, which .*load_pretrained\(2, folder="
    ):
        save_weights(step, tmp_path, "short")
    model, _ = ld.load_pretrained(2, folder=tmp_path)
    torch.testing.assert_close(model.head.weight, step.ema.head.weight, rtol=1e-3, atol=1e-6)


def test_another_network_is_told(s, tmp_path):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.ones(1))

        def forward(self, x, t):
            return self.w * x

    step = next(ld.train(Net(), s, torch.full((4, 1, 4, 4), -0.5), n_steps=1, batch_size=4))
    with pytest.raises(
        TypeError, match="save_weights: step: expected one of a UNet, got one of a Net. save_check"
    ):
        save_weights(step, tmp_path, "grey")


def test_a_folder_that_can_not_be_written(s, tmp_path):
    step = trained(make_net(s), s, n_steps=1)
    with pytest.raises(
        OSError, match="save_weights: path: expected a file in a folder that can be written to"
    ):
        save_weights(step, tmp_path / "none", "grey")


FOREIGN = {
    "garbage": lambda path: path.write_bytes(b"garbage" * 20),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes((ASSETS / "unet_000100.safetensors").read_bytes()[:9999]),
    "foreign": lambda path: safetensors.torch.save_file({"w": torch.zeros(2)}, path),
    "foreign with metadata": lambda path: safetensors.torch.save_file(
        {"w": torch.zeros(2), "beta": torch.tensor([0.0, 0.1])},
        path,
        {"labdiff": '{"unet": {"channels": 8}}'},
    ),
    "not even a dict": lambda path: safetensors.torch.save_file(
        {"w": torch.zeros(2)}, path, {"labdiff": "[1]"}
    ),
    "of another labdiff": lambda path: safetensors.torch.save_file(
        {"beta": ld.linear_schedule(20).beta}, path, {"labdiff": '{"unet": {"depth": 8}}'}
    ),
}


@pytest.mark.filterwarnings("ignore:.*alpha_bar")
@pytest.mark.parametrize("what", FOREIGN)
def test_a_file_that_save_weights_did_not_write(tmp_path, what):
    FOREIGN[what](tmp_path / "unet_000100.safetensors")
    for step in (None, 100):
        with pytest.raises(
            ValueError, match=r"load_pretrained: folder: .*unet_000100.safetensors, which is corrupt, or"
        ):
            ld.load_pretrained(step, folder=tmp_path)


def test_a_folder_without_weights(tmp_path):
    (tmp_path / "unet_best.safetensors").write_text("")
    with pytest.raises(ValueError, match="load_pretrained: folder: .* which has none. labdiff train --out"):
        ld.load_pretrained(folder=tmp_path)


def test_the_weights_that_ship_need_attention_over_pixels(g):
    """Their eps_hat is that of softmax(q k^T / sqrt(d)) v written out, head by head, and not that of its mean
    over pixels."""
    model, s = ld.load_pretrained()
    x0, t = ld.load_digits("test").images[:20], torch.arange(50, 1050, 50)
    xt = ld.q_sample(s, x0, t, torch.randn(x0.shape, generator=g))
    layer = model.attention

    def written_out(x, averaged=False):
        B, C, H, W = x.shape
        q, k, v = layer.qkv(layer.norm(x)).reshape(B, 3 * layer.heads, -1, H * W).chunk(3, dim=1)
        weights = torch.softmax(torch.einsum("bhci,bhcj->bhij", q, k) / q.shape[2] ** 0.5, dim=3)
        h = torch.einsum("bhij,bhcj->bhci", weights, v)  # (B, heads, C/heads, H*W)
        h = h.mean(3, keepdim=True).expand(h.shape) if averaged else h
        return x + layer.out(h.reshape(x.shape))

    with torch.no_grad():
        eps_hat = model(xt, t)
        layer.forward = written_out
        torch.testing.assert_close(model(xt, t), eps_hat, rtol=1e-4, atol=1e-4)
        layer.forward = lambda x: written_out(x, averaged=True)
        assert (model(xt, t) - eps_hat).square().mean().sqrt() > 0.005
