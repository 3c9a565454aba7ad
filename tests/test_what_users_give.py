"""What people give where labdiff expects a model or a tensor: it works, or the error says what to give."""

import copy
import dataclasses
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


class WithT(OnlyX):
    def forward(self, x, t):
        return super().forward(x)


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


STEP = train(WithT())


class Lazy(WithT):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.LazyLinear(3)


@pytest.mark.parametrize("name", ["clip_x0", "any_schedule"])
def test_a_switch_is_true_or_false(name):
    for value in (True, np.True_, torch.tensor(False), 1):
        ld.sample(lambda x, t: x, S, SHAPE, **{name: value})
    for value, got in (("no", "got 'no'"), (IMAGES, "got Tensor"), (2, "got 2"), ([], "got list")):
        with pytest.raises(ValueError, match=f"^sample: {name}: expected one of False, True, {got}"):
            ld.sample(lambda x, t: x, S, SHAPE, **{name: value})


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: ld.q_sample(S, IMAGES.to_sparse(), 3, IMAGES), "x0: expected a dense tensor"),
        (lambda: ld.q_sample(S, IMAGES.to_sparse(), 3, IMAGES), "Use x0.to_dense()"),
        (lambda: train(images=IMAGES.to(torch.float8_e4m3fn)), "float8_e4m3fn. Use images.float()"),
        (lambda: ld.normal_kl(0, IMAGES.abs().to_sparse(), 0, 1.0), "var1: expected a dense tensor"),
        (lambda: ld.inpaint(OnlyX(), S, IMAGES, IMAGES.to_sparse()), "expected a callable (x, t)"),
        (
            lambda: ld.inpaint(WithT(), S, IMAGES, IMAGES.to_sparse()),
            "mask: expected a dense tensor, got torch.sparse_coo. Use mask.to_dense()",
        ),
        (lambda: train(images=torch.utils.data.TensorDataset(IMAGES)), "Give it one tensor of all"),
        (lambda: train(unet(classes=3), labels=torch.eye(4)), "got torch.float32. Use labels.argmax(1)"),
        (lambda: train(unet(classes=3), labels=torch.ones(4).int()), "got torch.int32. Use labels.long()"),
        (lambda: train(unet(classes=3), labels=[1, 2, 1, 0]), "got list. Use torch.as_tensor(labels)"),
        (lambda: train(Lazy()), "expected weights of known shapes, got lazy ones. Call it once before"),
        (
            lambda: ld.q_sample(S, IMAGES, [1, 2, 3, 4], IMAGES),
            "got list [1, 2, 3, 4]. Use torch.as_tensor(t)",
        ),
        (lambda: ld.q_sample(S, IMAGES, torch.ones(4), IMAGES), "got torch.float32. Use t.long()"),
        (lambda: ld.Schedule(np.array([0, 0.1])), "got ndarray. Use torch.as_tensor(beta)"),
        (lambda: ld.plot.image_grid(IMAGES, title=IMAGES), "title: expected a text, got Tensor"),
        (lambda: ld.plot.image_rows({"a": IMAGES}, columns=3), "columns: expected a list of texts"),
        (lambda: ld.check(["q_sample"], typed), "name: expected one of alpha_bar"),
        (lambda: ld.save_checkpoint("no", STEP, {"model": OnlyX()}), "notes: expected texts, numbers"),
        (lambda: ld.save_checkpoint("no", STEP, [1]), "notes: expected a dict, got list"),
        (
            lambda: ld.widgets.interpolation_slider(WithT(), S, 3, n_steps=2),
            "interpolation_slider: a: expected a tensor",
        ),
        (lambda: ld.widgets.repair_pad(unet(classes=3), S, labels=3), "labels: expected ints to choose from"),
        (
            lambda: ld.widgets.guidance_slider(unet(classes=3), S, labels=range(3), label=IMAGES, n_steps=2),
            "label: expected one of [0, 1, 2]",
        ),
        (lambda: ld.linear_schedule(10**30), "T: expected an int in 1..2147483647, got 1000000"),
        (lambda: ld.timestep_embedding(torch.tensor([1]), 10**30), "dim: expected an even int"),
        (lambda: unet(classes=10**30), "UNet: classes: expected an int in"),
        (lambda: ld.guided(WithLabel(), 10**30), "label: expected an int, or an int64 tensor of shape"),
        (lambda: ld.sample(WithT(), S, SHAPE, method=np.array(["ddim", "ddpm"])), "method: expected a text"),
    ],
)
def test_what_torch_would_stumble_over_is_told_at_the_call(call, words):
    with pytest.raises((TypeError, ValueError), match=re.escape(words)):
        call()


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


def test_a_network_in_dataparallel_is_the_same_network():
    def trained(wrap):
        net = ld.UNet(8, mults=(1,), classes=3, generator=seeded())
        wrapped = wrap(net)
        *_, step = ld.train(
            wrapped, S, IMAGES, labels=torch.tensor([0, 1, 2, 0]), n_steps=2, batch_size=2, generator=seeded()
        )
        return net.state_dict()

    plain, parallel = trained(lambda net: net), trained(torch.nn.DataParallel)
    assert "precondition.signal" in plain and plain.keys() == parallel.keys()
    assert all(torch.equal(plain[k], parallel[k]) for k in plain)


def test_a_network_may_have_a_config_of_its_own():
    class Own(torch.nn.Conv1d):
        config = dataclasses.make_dataclass("Config", ["image_channels"])(3)

        def forward(self, x, t):
            return super().forward(x)

    with torch.random.fork_rng():
        net = Own(1, 1, 1)
    assert next(ld.train(net, S, torch.linspace(-1, 1, 8).view(2, 1, 4), n_steps=1, batch_size=2)).n == 1


def test_images_that_require_a_gradient_get_none():
    images = IMAGES.clone().requires_grad_()
    for _ in ld.train(unet(), S, images, n_steps=2, batch_size=2, accumulate=2):
        pass
    assert images.grad is None


def test_what_train_is_told_of_a_models_output_names_train():
    class WrongShape(OnlyX):
        def forward(self, x, t):
            return super().forward(x)[:, 0]

    with pytest.raises(ValueError, match=r"^train: model\(x, t\): expected a tensor of shape"):
        next(ld.train(WrongShape(), S, IMAGES, n_steps=1, batch_size=2))


def test_an_embedding_of_real_numbers_is_not_told_to_take_real_numbers():
    with torch.random.fork_rng():
        table = torch.nn.Embedding(S.T + 1, 1)
    with pytest.raises(RuntimeError, match="indices"):
        ld.sample(lambda x, t: table(t.float())[:, :, None, None] * x, S, SHAPE)


def test_a_default_device_says_where_a_network_is_and_not_what_it_is():
    before = torch.get_rng_state()
    with torch.device("meta"):
        net = ld.UNet(8, mults=(1,), alpha_bar=S.alpha_bar, generator=seeded())
    assert {p.device.type for p in net.parameters()} == {"meta"}
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_in_half_precision_bring_their_schedule(dtype):
    net = ld.UNet(8, mults=(1,), alpha_bar=S.alpha_bar, generator=seeded())
    short = {k: v.to(dtype) for k, v in net.state_dict().items()}
    for other in (ld.UNet(8, mults=(1,)), ld.UNet(8, mults=(1,), alpha_bar=S.alpha_bar)):
        other.load_state_dict(short)
        assert ld.sample(other, S, SHAPE).isfinite().all()
        with pytest.raises(ValueError, match="expected the schedule that the model was made for"):
            ld.sample(other, ld.cosine_schedule(S.T), SHAPE)


def test_numpys_whole_numbers_are_whole_numbers():
    eps = torch.ones_like(IMAGES)
    assert torch.equal(ld.q_sample(S, IMAGES, np.int64(3), eps), ld.q_sample(S, IMAGES, 3, eps))
    assert ld.sample(unet(), S, (np.int32(2), 1, 8, 8)).shape == SHAPE
    for t in (True, np.float64(3), np.bool_(True)):
        with pytest.raises(TypeError, match="t: expected an int"):
            ld.q_sample(S, IMAGES, t, eps)


def bumps(var=0.01, n=5):
    mixture = ld.GaussianMixture(torch.tensor([[-0.5], [0.5]]), var)
    return mixture.sample(n, torch.Generator().manual_seed(0))


def seeded():
    return torch.Generator().manual_seed(0)


def same(model, **more):
    return ld.sample(model, S, SHAPE, method="ddim", generator=seeded(), **more)


NUMBERS = {  # a call of one number, and that number
    "linear_schedule T": (lambda v: ld.linear_schedule(v).beta, 50),
    "linear_schedule beta_T": (lambda v: ld.linear_schedule(50, beta_T=v).beta, 0.03125),
    "cosine_schedule T": (lambda v: ld.cosine_schedule(v).beta, 50),
    "cosine_schedule offset": (lambda v: ld.cosine_schedule(20, v).beta, 0.03125),
    "q_sample": (lambda v: ld.q_sample(S, IMAGES, v, 0 * IMAGES), 3),
    "q_posterior": (lambda v: ld.q_posterior(S, IMAGES, IMAGES, v)[1], 3),
    "eps_weight": (lambda v: ld.eps_weight(S, v), 3),
    "UNet t": (lambda v: unet(generator=seeded())(IMAGES, v), 3),
    "UNet channels": (lambda v: ld.UNet(v, mults=(1, v), generator=seeded()).stem.weight, 4),
    "UNet label": (lambda v: unet(classes=3, generator=seeded())(IMAGES, 3, v), 2),
    "timestep_embedding": (lambda v: ld.timestep_embedding(torch.tensor([3]), v), 8),
    "sample n_steps": (lambda v: same(lambda x, t: x, n_steps=v), 2),
    "sample shape": (lambda v: torch.tensor(ld.sample(lambda x, t: x, S, (v, 1, 2, 2)).shape), 2),
    "ddim_steps t": (lambda v: next(iter(ld.ddim_steps(lambda x, t: x, S, xt=IMAGES, t=v, n_steps=2))).x, 4),
    "ddim_steps eta": (
        lambda v: [*ld.ddim_steps(lambda x, t: x, S, (2, 3), n_steps=2, eta=v, generator=seeded())][-1].x,
        0.5,
    ),
    "elbo bins": (lambda v: ld.elbo(lambda x, t: x, S, IMAGES, bins=v, generator=seeded()).total, 16),
    "guided": (
        lambda v: ld.guided(lambda x, t, label=None: x if label is None else label * x, v, scale=v)(
            IMAGES, torch.ones(4, dtype=torch.int64)
        ),
        2,
    ),
    "inpaint": (
        lambda v: ld.inpaint(
            lambda x, t: x, S, IMAGES, 0 * IMAGES, n_steps=v, resample=v, generator=seeded()
        ),
        2,
    ),
    "interpolate": (lambda v: ld.interpolate(IMAGES, IMAGES.flip(0), v), 0.25),
    "invert": (lambda v: ld.invert(lambda x, t: x, S, IMAGES, n_steps=v), 2),
    "load_pretrained": (lambda v: next(ld.load_pretrained(v)[0].parameters()), ld.pretrained_steps()[0]),
    "train": (lambda v: next(iter(train_with(n_steps=v, batch_size=v, warmup=v))).loss, 2),
    "train accumulate": (lambda v: next(iter(train_with(accumulate=v, clip=v))).loss, 2),
    "GaussianMixture": (lambda v: bumps(v), 0.25),
    "GaussianMixture sample": (lambda v: bumps(n=v), 3),
    "spiral": (lambda v: ld.spiral(v, seeded()), 5),
    "tile": (lambda v: ld.plot.tile(np.zeros((5, 2, 2), np.uint8), v, gap=v), 2),
    "image_grid": (lambda v: ld.plot.image_grid(IMAGES, n_columns=v, scale=v).get_size_inches(), 2),
    "image_rows": (lambda v: ld.plot.image_rows({"a": IMAGES}, size=v).get_size_inches(), 0.5),
    "panels": (lambda v: ld.plot.panels(v, width=v, height=v)[0].get_size_inches(), 2),
    "histogram": (lambda v: len(histogram(v).axes[0].patches), 4),
    "noise_slider": (lambda v: ld.widgets.noise_slider(S, IMAGES, t=v).t, 3),
    "posterior_slider": (lambda v: ld.widgets.posterior_slider(S, x0=v).x0, 0.5),
    "reverse_slider": (lambda v: ld.widgets.reverse_slider(S, ld.two_bumps(), beta=v).beta, 0.5),
    "curve_slider": (
        lambda v: ld.widgets.curve_slider([1, 2, 3], {"a": [1, 2, 3]}, ylabel="", start=v).x_at,
        2,
    ),
    "sample_slider": (lambda v: sample_slider(n=v, seed=v, image_shape=(1, 4 * v, 8)).seed, 2),
    "TrainingView": (lambda v: ld.widgets.TrainingView(v).n_steps, 2),
}


def train_with(**more):
    more = {"n_steps": 2, "batch_size": 2, "generator": seeded()} | more
    return ld.train(WithT(), S, IMAGES, **more)


def sample_slider(**more):
    return ld.widgets.sample_slider(unet(alpha_bar=S.alpha_bar), S, **more)


def histogram(bins):
    return ld.plot.histogram({"a": [1.0, 2.0, 3.0]}, title="", xlabel="", bins=bins)


def moved(panel, **traits):
    for name, value in traits.items():
        setattr(panel, name, value)
    return panel


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_a_number_whoever_made_it(name):
    call, number = NUMBERS[name]
    made = [np.int64, np.int32, np.uint8] if isinstance(number, int) and number < 256 else [np.float32]
    made = [np.int64] if isinstance(number, int) and number > 255 else made
    want = call(number)
    for value in [*(f(number) for f in made), np.array(number), torch.tensor(number)]:
        got = call(value)
        assert np.array_equal(np.asarray(_numbers(got)), np.asarray(_numbers(want))), repr(value)
        assert type(got) is type(want), repr(value)
    for no_number in (True, np.bool_(True), torch.tensor(True), "2"):
        with pytest.raises((TypeError, ValueError), match="expected"):
            call(no_number)


def test_a_slider_is_moved_by_a_number_whoever_made_it():
    for value in (np.int64(3), np.array(3), torch.tensor(3)):
        assert type(moved(ld.widgets.noise_slider(S, IMAGES), t=value).t) is int
        assert moved(ld.widgets.posterior_slider(S), x0=value / 4).x0 == 0.75


def _numbers(x):
    return x.detach() if isinstance(x, torch.Tensor) else x


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


class Scribbler(torch.nn.Module):
    """A network that writes into x and t, as `x += embedding` does, or its twin that does not."""

    classes = 3

    def __init__(self, in_place):
        super().__init__()
        self.in_place, self.factor = in_place, torch.nn.Parameter(torch.tensor(0.9))

    def forward(self, x, t, label=None):
        if not self.in_place:
            x, t = x.clone(), t.clone()
        x.mul_(0.5).clamp_(-1, 1)
        t.sub_(1)
        return self.factor * x + 0.001 * t.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))


@pytest.mark.parametrize(
    "call",
    [
        lambda model, g: ld.sample(model, S, (2, 1, 4, 4), generator=g),
        lambda model, g: ld.sample(model, S, (2, 1, 4, 4), method="dpm", n_steps=5, generator=g),
        lambda model, g: ld.sample(
            ld.guided(model, 1, 2.0), S, (2, 1, 4, 4), method="ddim", n_steps=6, generator=g
        ),
        lambda model, g: ld.inpaint(model, S, IMAGES, (IMAGES > 0).float(), generator=g),
        lambda model, g: ld.invert(model, S, IMAGES, n_steps=5),
        lambda model, g: ld.elbo(model, S, IMAGES, generator=g).L,
        lambda model, g: [state.x0_hat for state in ld.ddim_steps(model, S, xt=IMAGES, t=7, n_steps=3)][0],
    ],
)
def test_a_model_may_write_into_what_it_is_given(call):
    kept = IMAGES.clone()
    one, other = (call(Scribbler(k), torch.Generator().manual_seed(0)) for k in (True, False))
    assert torch.equal(one, other) and torch.equal(IMAGES, kept)


def test_a_guided_model_may_reuse_its_outputs_memory():
    class Reusing(Scribbler):
        out = torch.empty(SHAPE)

        def forward(self, x, t, label=None):
            return self.out.copy_(super().forward(x, t) * (1.0 if label is None else 0.5))

    x, t = torch.ones(SHAPE), torch.ones(2, dtype=torch.int64)
    plain = Scribbler(False)(x, t)
    assert torch.allclose(ld.guided(Reusing(False), 1, 3.0)(x, t), plain - 3 * 0.5 * plain)


@pytest.mark.parametrize("sampler", [ld.ddpm_steps, ld.ddim_steps, ld.dpm_steps])
def test_a_state_that_is_changed_in_place_is_told(sampler):
    """The next x is made from it."""
    with pytest.raises(RuntimeError, match=f"^{sampler.__name__}: x: .* changed in place. Change a copy"):
        for state in sampler(Scribbler(False), S, (2, 1, 4, 4)):
            state.x.add_(1).div_(2)
    states = list(sampler(Scribbler(False), S, (2, 1, 4, 4)))
    states[-1].x.add_(1)  # of a run that is over


def test_the_default_number_of_steps_is_at_most_that_of_the_levels():
    assert len([*ld.ddim_steps(Scribbler(False), S, xt=IMAGES, t=4)]) == 5
    assert len([*ld.dpm_steps(Scribbler(False), ld.linear_schedule(3), (1, 2))]) == 4


def test_a_panel_names_itself_where_the_schedule_is_not_the_models():
    other = ld.linear_schedule(S.T + 1)
    with pytest.raises(ValueError, match=r"^sample_slider: s: expected the schedule .*Use that one$"):
        ld.widgets.sample_slider(ld.UNet(8, mults=(1, 2), alpha_bar=S.alpha_bar), other)


@pytest.mark.parametrize("layer", [torch.nn.Linear(4, 4), torch.nn.Conv2d(1, 1, 1)])
def test_a_network_of_another_dtype_is_told(layer):
    net, x = torch.nn.Sequential(copy.deepcopy(layer)), torch.full((2, 1, 4, 4), -0.5, dtype=torch.float64)
    net.forward = lambda x, t: net[0](x)
    expected = r"model\(x, t\): expected x and the network's weights in one dtype, as x.float\(\)"
    with pytest.raises(TypeError, match=f"^train: {expected}"):
        next(ld.train(net, S, x))
    with pytest.raises(TypeError, match=f"^ddim_steps: {expected}"):
        next(ld.ddim_steps(net, S, xt=x, t=2))
