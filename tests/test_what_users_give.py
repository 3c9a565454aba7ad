"""What people give where labdiff expects a model or a tensor: it works, or the error says what to give."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import labdiff as ld

S = ld.linear_schedule(8)
IMAGES = torch.linspace(-1, 1, 4 * 64).reshape(4, 1, 8, 8)
SHAPE = (2, 1, 8, 8)


def unet(**more):
    return ld.UNet(4, mults=(1,), **more)


def train(model=None, images=IMAGES, **more):
    return next(ld.train(model or unet(), S, images, n_steps=1, batch_size=2, **more))


class OnlyX(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.weight * x


class WithLabel(OnlyX):
    classes = 3

    def forward(self, x, t, label):
        return super().forward(x)


def typed(x: torch.Tensor) -> torch.Tensor:
    return x


def of_diffusers(x, t):
    return SimpleNamespace(sample=0 * x)


@torch.inference_mode()
def made_in_inference_mode():
    return unet()


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: ld.sample(ld.UNet, S, SHAPE), "got the class UNet. Make one: model = UNet(...)"),
        (lambda: ld.sample(train(), S, SHAPE), "got Step. Give it step.ema"),
        (lambda: ld.sample(ld.load_pretrained(), S, SHAPE), "model, s = load_pretrained()"),
        (lambda: ld.sample(S, unet(), SHAPE), "The model comes first"),
        (lambda: ld.sample(OnlyX(), S, SHAPE), "(x, t) -> eps_hat, got OnlyX that takes (x)"),
        (lambda: ld.sample(WithLabel(), S, SHAPE), "got WithLabel that takes (x, t, label). Wrap it"),
        (lambda: ld.eps_loss(typed, S, IMAGES, 3, IMAGES), "got one that takes (x)"),
        (lambda: train(OnlyX()), "(x, t) -> eps_hat, got OnlyX"),
        (lambda: train(WithLabel()), "(x, t) -> eps_hat, got WithLabel"),
        (lambda: ld.guided(lambda x, t: x, 1), "(x, t, label) -> eps_hat, got one that takes (x, t)"),
        (lambda: ld.sample(of_diffusers, S, SHAPE), "Wrap it: lambda x, t: model(x, t - 1).sample"),
        (lambda: train(made_in_inference_mode()), "made in torch.inference_mode(). Make it outside"),
        (lambda: train(images=IMAGES.numpy()), "got ndarray. Use torch.stack(images) or torch.as_tensor"),
        (lambda: train(images=list(IMAGES)), "got list. Use torch.stack(images)"),
        (lambda: train(images=torch.utils.data.DataLoader(IMAGES)), "one tensor of all: torch.stack([x for"),
        (lambda: train(images=(IMAGES * 100).byte()), "Use images.float() / 127.5 - 1"),
        (lambda: train(images=IMAGES.movedim(1, 3)), "Use images.permute(0, 3, 1, 2)"),
        (lambda: train(images=IMAGES[:, 0]), "Use images[:, None]"),
        (lambda: train(images=IMAGES.flatten(1)), "Use images.reshape(-1, 1, H, W)"),
        (lambda: ld.q_sample(S, IMAGES.long(), 3, IMAGES), "got torch.int64. Use x0.float()"),
        (lambda: ld.q_sample(S, ld.Digits(IMAGES, torch.arange(4)), 3, IMAGES), "Give it digits.images"),
        (lambda: unet(alpha_bar=S), "got Schedule. Give it schedule.alpha_bar"),
        (lambda: ld.UNet(S.alpha_bar), "channels: expected an int >= 1, got a tensor"),
    ],
)
def test_what_to_give_instead(call, words):
    with pytest.raises((TypeError, ValueError), match=re.escape(words)) as raised:
        call()
    assert str(raised.value).count("expected") == 1


def test_whatever_takes_x_and_t_is_a_model():
    class Own:
        def predict(self, x, t, scale=1):
            return 0 * x

    for model in (lambda *args: 0 * args[0], Own().predict, torch.nn.DataParallel(unet())):
        assert ld.sample(model, S, SHAPE).shape == SHAPE
    assert train(WithLabel(), labels=torch.tensor([0, 1, 2, 0])).n == 1
    assert ld.guided(WithLabel(), 2)(IMAGES, torch.ones(4, dtype=torch.int64)).shape == IMAGES.shape


def test_numpys_whole_numbers_are_whole_numbers():
    eps = torch.ones_like(IMAGES)
    assert torch.equal(ld.q_sample(S, IMAGES, np.int64(3), eps), ld.q_sample(S, IMAGES, 3, eps))
    assert ld.sample(unet(), S, (np.int32(2), 1, 8, 8)).shape == SHAPE
    for t in (True, np.float64(3), np.bool_(True)):
        with pytest.raises(TypeError, match="t: expected an int"):
            ld.q_sample(S, IMAGES, t, eps)


@pytest.mark.parametrize(
    "call, name, words",
    [
        (lambda: ld.UNet(seed=1), "UNet", "'seed', expected UNet(channels=32, *, mults="),
        (lambda: ld.UNet(seed=1), "UNet", "Randomness comes from generator=torch.Generator()"),
        (lambda: ld.UNet(8, device="cpu"), "UNet", "move those with .to(device)"),
        (lambda: ld.UNet(8, 8), "UNet", "too many positional arguments, expected UNet("),
        (lambda: ld.Schedule(T=1000), "Schedule", "expected Schedule(beta)"),
        (lambda: ld.load_digits(size=32), "load_digits", "'size', expected load_digits(split='train'"),
        (lambda: ld.load_images(), "load_images", "'folder', expected load_images(folder, size=28"),
        (lambda: ld.save_checkpoint("a"), "save_checkpoint", "'step', expected save_checkpoint(path, step"),
        (lambda: ld.load_pretrained(device="cpu"), "load_pretrained", ".to(device)"),
        (lambda: ld.pick_device("cuda"), "pick_device", "expected pick_device()"),
        (lambda: ld.spiral(5), "spiral", "'generator', expected spiral(n, generator)"),
        (lambda: ld.two_bumps().sample(3), "GaussianMixture.sample", "expected GaussianMixture.sample(n, "),
        (lambda: ld.check("q_sample"), "check", "'function', expected check(name, function)"),
        (
            lambda: ld.plot.image_grid(IMAGES, cols=4),
            "image_grid",
            "'cols', expected image_grid(x, *, n_columns",
        ),
        (
            lambda: ld.widgets.noise_slider(S, seed=3),
            "noise_slider",
            "'x0', expected noise_slider(s, x0, *, q",
        ),
    ],
)
def test_a_call_with_other_arguments_is_told_which_there_are(call, name, words):
    with pytest.raises(TypeError, match=f"^{re.escape(name)}: .*{re.escape(words)}"):
        call()


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: ld.sample(unet(), S, IMAGES), "sample: shape: .* got a tensor. Use tuple"),
        (lambda: ld.check(print, "q_sample"), "check: name: .* got a function. The name comes first"),
        (
            lambda: ld.widgets.noise_slider(S, IMAGES, q_sample=5),
            "noise_slider: q_sample: expected a function",
        ),
        (lambda: ld.widgets.noise_slider(IMAGES, S), "noise_slider: s: expected a Schedule"),
        (
            lambda: ld.widgets.sample_slider(unet(), S, image_shape=28),
            "sample_slider: image_shape: .* got 28",
        ),
        (
            lambda: ld.widgets.interpolation_slider(unet(), S, interpolate=5, n_steps=2),
            "interpolation_slider: interpolate: expected a function",
        ),
        (
            lambda: ld.widgets.guidance_slider(unet(classes=3), S, labels=3, n_steps=2),
            "guidance_slider: labels: expected ints .* got 3",
        ),
        (
            lambda: ld.widgets.curve_slider([1, 2], {"a": ["x", "y"]}, ylabel="y"),
            "curve_slider: expected whole numbers x, and numbers ys",
        ),
    ],
)
def test_what_can_not_be_used_is_told(call, words):
    with pytest.raises((TypeError, ValueError), match=f"^{words}"):
        call()
