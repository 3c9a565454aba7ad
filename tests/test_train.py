"""Algorithm 1: what the model is shown, what the optimizer does, and that a run can be left at any step."""

import itertools
import math

import pytest
import torch

import labdiff as ld
from conftest import Spy, make_net
from labdiff import training
from labdiff.gradient_step import update


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="session")
def images():
    return ld.load_digits("test").images[:6, :, 8:20, 8:20].clone()


class Line(torch.nn.Module):
    """eps_hat = w x: one number to learn."""

    def __init__(self, w=0.5):
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor(w, dtype=torch.float64))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x, t):
        self.calls += 1
        return self.w * x


TOY = torch.linspace(-1, 1, 10, dtype=torch.float64)[:, None]


def test_one_batch_can_be_learnt_by_heart(s, images):
    model = ld.UNet(8, mults=(1, 2), precondition=False, generator=seeded(1))
    losses = [
        step.loss
        for step in ld.train(
            model, s, images[:2], n_steps=120, batch_size=16, lr=5e-3, warmup=10, generator=seeded()
        )
    ]
    assert losses[0] == pytest.approx(1, abs=0.1)
    assert sum(losses[-20:]) / 20 < 0.35


def test_a_model_that_knows_the_data_has_no_loss(s):
    """So x_t, t and eps belong together: from x_t and t of a known x_0 the noise can be computed."""
    c = -0.6

    def answer(x, t):
        alpha_bar = s.alpha_bar[t].reshape(-1, 1, 1)
        return (x - alpha_bar.sqrt() * c) / (1 - alpha_bar).sqrt()

    images = torch.full((5, 2, 3), c, dtype=torch.float64)
    for step in ld.train(Spy(answer), s, images, n_steps=5, batch_size=30, generator=seeded()):
        assert step.loss < 1e-20


def test_t_is_stratified_and_uniform(s):
    """Batches of 2T hold each t twice; batches of another size hold each equally often in the long run."""
    model = Spy()
    for _ in ld.train(model, s, TOY, n_steps=10, batch_size=2 * s.T, generator=seeded()):
        pass
    for t in model.t:
        assert t.dtype == torch.int64 and t.bincount(minlength=s.T + 1).tolist() == [0] + [2] * s.T
    model, n = Spy(), 1000
    for _ in ld.train(model, s, TOY, n_steps=n, batch_size=7, generator=seeded()):
        pass
    for t in model.t:  # one from each seventh of 1..20
        assert all(1 + 20 * i // 7 <= v <= 1 + 20 * (i + 1) // 7 for i, v in enumerate(t.tolist()))
    counts = torch.cat(model.t).bincount(minlength=s.T + 1)
    assert counts[0] == 0 and len(counts) == s.T + 1
    expected = 7 * n / s.T
    assert (counts[1:] - expected).abs().max() < 5 * math.sqrt(expected)


def test_batch_of_one_sees_every_t(s):
    model = Spy()
    for _ in ld.train(model, s, TOY, n_steps=400, batch_size=1, generator=seeded()):
        pass
    assert set(torch.cat(model.t).tolist()) == set(range(1, s.T + 1))


def test_all_images_are_drawn_equally_often_and_get_unit_noise():
    s = ld.linear_schedule(1000)
    images = 4.0 * torch.arange(-2, 3, dtype=torch.float64)[:, None].repeat(
        1, 3
    )  # so far apart that x_t tells which
    model, n = Spy(), 400
    for _ in ld.train(model, s, images, n_steps=n, batch_size=50, generator=seeded()):
        pass
    x, t = torch.cat(model.x), torch.cat(model.t)
    x, alpha_bar = x[t < 100], s.alpha_bar[t[t < 100]][:, None]
    index = (x / alpha_bar.sqrt() / 4 + 2).mean(1).round().long()
    counts, expected = index.bincount(minlength=5), len(x) / 5
    assert (counts - expected).abs().max() < 5 * math.sqrt(expected)
    eps = (x - alpha_bar.sqrt() * images[index]) / (1 - alpha_bar).sqrt()
    assert abs(eps.mean()) < 5 / math.sqrt(eps.numel()) and abs(eps.var() - 1) < 5 * math.sqrt(
        2 / eps.numel()
    )
    assert abs(torch.corrcoef(eps.T)[0, 1]) < 5 / math.sqrt(len(eps))  # each pixel gets its own


def test_learning_rate_rises_and_falls(s):
    steps = list(ld.train(Line(), s, TOY, n_steps=10, warmup=4, lr=0.12, generator=seeded()))
    expected = [0.03, 0.06, 0.09, 0.12, 0.12, 0.10, 0.08, 0.06, 0.04, 0.02]
    assert [step.lr for step in steps] == pytest.approx(expected)
    for n_steps, warmup, expected in ((2, 0, [0.1, 0.05]), (3, 100, [0.001, 0.002, 0.003])):
        steps = ld.train(Line(), s, TOY, n_steps=n_steps, warmup=warmup, lr=0.1)
        assert [step.lr for step in steps] == pytest.approx(expected)


@pytest.mark.parametrize("clip", [1.0, 1e-9])
def test_the_first_step_is_adamw(s, clip):
    """Adam's first step is lr times the sign of the gradient; weight decay adds lr * 0.01 * w. Only a tiny
    clip shows."""
    model, lr = Line(w=3.0), 0.01  # far too large a w, so the gradient is positive
    step = next(ld.train(model, s, TOY, n_steps=10, warmup=2, lr=lr, clip=clip, generator=seeded()))
    size = 1.0 if clip == 1.0 else clip / (clip + 1e-8)  # Adam's epsilon
    assert model.w.item() == pytest.approx(3.0 - lr / 2 * (size + 0.01 * 3.0), rel=1e-6)
    assert step.optimizer.param_groups[0]["lr"] == pytest.approx(lr / 2)


class Kernel(torch.nn.Module):
    """eps_hat = a convolution of x, wide enough for Muon; in float64, in which no bfloat16 is used but Muon's
    own."""

    def __init__(self, memory_format=torch.contiguous_format):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.conv = torch.nn.Conv2d(16, 20, 3, padding=1, dtype=torch.float64)
        self.to(memory_format=memory_format)

    def forward(self, x, t):
        return self.conv(x)[:, :16]


WIDE = torch.rand(6, 16, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1


def test_the_first_step_of_a_kernel_is_muon(s):
    """An update whose singular values are about alike, of the size that the learning rate says: 0.2 root mean
    square."""
    model, lr = Kernel(), 0.01
    before = model.conv.weight.detach().clone()
    next(ld.train(model, s, WIDE, n_steps=10, warmup=1, lr=lr, generator=seeded()))
    update = (before * (1 - 0.01 * lr) - model.conv.weight.detach()).flatten(1) / lr
    values = torch.linalg.svdvals(update / (0.2 * math.sqrt(144)))
    assert values[:16].min() > 0.5 and values.max() < 1.5  # 16 of the 20 outputs have a gradient
    assert model.conv.weight.grad is not None and update.square().mean().sqrt() == pytest.approx(0.2, rel=0.4)


def test_memory_format_does_not_matter(s):
    """A kernel's numbers lie in another order in channels-last; its steps are the same."""
    models = [Kernel(memory_format) for memory_format in (torch.contiguous_format, torch.channels_last)]
    assert not models[1].conv.weight.is_contiguous()
    for model in models:
        for _ in ld.train(model, s, WIDE, n_steps=4, warmup=1, lr=0.01, generator=seeded()):
            pass
    torch.testing.assert_close(models[0].conv.weight, models[1].conv.weight.contiguous(), rtol=0, atol=1e-3)
    assert (models[0].conv.weight - Kernel().conv.weight).abs().max() > 0.01


@pytest.mark.parametrize("saved, resumed", [(0, 1), (1, 0)])
def test_a_checkpoint_of_another_memory_format(s, tmp_path, saved, resumed):
    """A run that is saved from contiguous kernels goes on in channels-last ones, and the other way round."""
    formats = (torch.contiguous_format, torch.channels_last)
    arguments = dict(n_steps=6, warmup=1, lr=0.01, batch_size=8)
    whole = Kernel(formats[saved])
    for step in ld.train(whole, s, WIDE, generator=seeded(), **arguments):
        if step.n == 3:
            ld.save_checkpoint(tmp_path / "run", step)
    model = Kernel(formats[resumed])
    checkpoint = ld.load_checkpoint(tmp_path / "run")
    *_, step = ld.train(model, s, WIDE, generator=seeded(), resume=checkpoint, **arguments)
    torch.testing.assert_close(
        model.conv.weight.contiguous(), whole.conv.weight.contiguous(), rtol=0, atol=1e-5
    )
    momentum = step.optimizer.state[model.conv.weight]["momentum"]
    assert momentum.shape == model.conv.weight.shape and momentum.stride() == model.conv.weight.stride()


def test_weights_that_are_frozen_stay(s, net, images):
    net.down.requires_grad_(False)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    for _ in ld.train(net, s, images, n_steps=2, batch_size=4, generator=seeded()):
        pass
    changed = {k.split(".")[0] for k, v in net.state_dict().items() if not torch.equal(v, before[k])}
    assert "down" not in changed and {"up", "middle", "head"} <= changed


@pytest.mark.parametrize("decay", [0.9999, 0.5, 0.0])
def test_ema_is_its_formula(s, decay):
    model = Line()
    ema = model.w.item()
    for step in ld.train(model, s, TOY, n_steps=30, lr=0.05, ema_decay=decay, generator=seeded()):
        d = min(decay, (1 + step.n) / (10 + step.n))
        ema = d * ema + (1 - d) * model.w.item()
        assert step.ema.w.item() == pytest.approx(ema, rel=1e-9)
        assert step.ema.calls == model.calls == step.n  # buffers are copied
        assert not step.ema.training and not step.ema.w.requires_grad and step.ema is not model


def test_steps_are_plain_numbers_in_order(s):
    model, generator = Line(), seeded()
    steps = list(ld.train(model, s, TOY, n_steps=5, generator=generator))
    assert [step.n for step in steps] == [1, 2, 3, 4, 5]
    for step in steps:
        assert type(step.n) is int and type(step.loss) is float and type(step.lr) is float
        assert step.model is model and step.s is s and step.generator is generator


def test_the_same_generator_gives_the_same_run(s, images):
    def run(generator):
        return [
            step.loss
            for step in ld.train(make_net(s), s, images, n_steps=3, batch_size=4, generator=generator)
        ]

    assert run(seeded()) == run(seeded())
    assert run(seeded()) != run(seeded(1))
    assert run(None) != run(None)


def test_break_is_safe(s, images):
    """What is left after a break is what the full run had at that step, and the model's modes are the
    caller's."""
    whole = make_net(s)
    at_3 = [
        {k: v.clone() for k, v in whole.state_dict().items()}
        for step in ld.train(whole, s, images, n_steps=6, batch_size=4, generator=seeded())
    ][2]
    model = make_net(s).eval()
    model.middle.train()
    modes = [m.training for m in model.modules()]
    for step in ld.train(model, s, images, n_steps=6, batch_size=4, generator=seeded()):
        assert [m.training for m in model.modules()] == modes
        if step.n == 3:
            break
    assert [m.training for m in model.modules()] == modes
    assert all(torch.equal(v, at_3[k]) for k, v in model.state_dict().items())


def test_the_model_trains_in_training_mode_and_with_gradients(s):
    model = Spy().eval()
    with torch.no_grad():  # the caller's setting, which training does not mind
        for _ in ld.train(model, s, TOY, n_steps=2, generator=seeded()):
            assert not torch.is_grad_enabled() and not any(m.training for m in model.modules())
    assert all(all(seen) for seen in model.training_seen) and all(model.grad_seen)


@pytest.mark.parametrize("stop", [1, 3, 7])
def test_a_resumed_run_gives_the_same_numbers(s, images, tmp_path, stop):
    arguments = dict(n_steps=8, batch_size=4, warmup=3)
    model = make_net(s)
    whole = [
        (step.n, step.loss, step.lr, step.ema)
        for step in ld.train(model, s, images, generator=seeded(), **arguments)
    ]

    for step in ld.train(make_net(s), s, images, generator=seeded(), **arguments):
        if step.n == stop:
            ld.save_checkpoint(tmp_path / "run.safetensors", step)
            break
    other = make_net(s, seed=9)  # everything comes from the file
    rest = [
        (step.n, step.loss, step.lr, step.ema)
        for step in ld.train(
            other,
            s,
            images,
            generator=seeded(9),
            resume=ld.load_checkpoint(tmp_path / "run.safetensors"),
            **arguments,
        )
    ]

    assert [r[:3] for r in rest] == [w[:3] for w in whole[stop:]]
    for mine, theirs in ((model, other), (whole[-1][3], rest[-1][3])):
        mine, theirs = mine.state_dict(), theirs.state_dict()
        assert mine.keys() == theirs.keys() and all(torch.equal(mine[k], theirs[k]) for k in mine)


def test_a_checkpoint_can_be_used_twice(s, images, tmp_path):
    """Resuming does not train the checkpoint's own tensors."""
    step = next(ld.train(make_net(s), s, images, n_steps=4, batch_size=4, generator=seeded()))
    ld.save_checkpoint(tmp_path / "run", step)
    checkpoint = ld.load_checkpoint(tmp_path / "run")
    runs = [
        [step.loss for step in ld.train(make_net(s), s, images, n_steps=4, batch_size=4, resume=checkpoint)]
        for _ in range(2)
    ]
    assert runs[0] == runs[1] and len(runs[0]) == 3


@pytest.mark.parametrize(
    "what", ["another model", "another schedule", "fewer steps than it has done", "no checkpoint"]
)
def test_a_checkpoint_that_does_not_fit(s, images, tmp_path, what):
    step = next(ld.train(make_net(s), s, images, n_steps=4, batch_size=4))
    ld.save_checkpoint(tmp_path / "run", step)
    checkpoint = ld.load_checkpoint(tmp_path / "run")
    if what == "another model":
        model = ld.UNet(16, alpha_bar=s.alpha_bar)
        before = {k: v.clone() for k, v in model.state_dict().items()}
        with pytest.raises(
            ValueError, match="train: resume: expected a checkpoint of this model.*Build the model"
        ):
            next(ld.train(model, s, images, n_steps=4, resume=checkpoint))
        assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    elif what == "another schedule":
        with pytest.raises(ValueError, match="train: resume: expected a checkpoint made with this schedule"):
            ld.train(make_net(s), ld.linear_schedule(21), images, resume=checkpoint)
    elif what == "fewer steps than it has done":
        resumed = ld.train(make_net(s), s, images, n_steps=3, batch_size=4, resume=checkpoint)
        ld.save_checkpoint(tmp_path / "run", list(resumed)[-1])
        checkpoint = ld.load_checkpoint(tmp_path / "run")
        assert list(ld.train(make_net(s), s, images, n_steps=3, resume=checkpoint)) == []  # all done
        with pytest.raises(
            ValueError, match="train: n_steps: expected at least the 3 steps that the checkpoint .*, got 2"
        ):
            ld.train(make_net(s), s, images, n_steps=2, resume=checkpoint)
    else:
        with pytest.raises(
            TypeError, match=r"train: resume: expected what load_checkpoint\(\) returned, got str"
        ):
            ld.train(make_net(s), s, images, resume=str(tmp_path / "run"))


class Breaks(Line):
    """Line that from the third call on answers NaN, or has a gradient that is not finite."""

    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, x, t):
        out = super().forward(x, t)
        if self.calls < 3:
            return out
        return out * math.nan if self.how == "loss" else out + (self.w - self.w).sqrt()


@pytest.mark.parametrize("how", ["loss", "gradient"])
def test_a_loss_that_is_not_finite_stops_before_it_reaches_the_weights(s, how):
    healthy, model = Line(), Breaks(how).eval()
    for _ in itertools.islice(ld.train(healthy, s, TOY, n_steps=9, generator=seeded()), 2):
        pass
    run, n = ld.train(model, s, TOY, n_steps=9, generator=seeded()), 0
    with pytest.raises(
        FloatingPointError,
        match="train: the loss at step 3 is .*nan.*the weights are those of step 2.*smaller lr",
    ):
        for step in run:
            n = step.n
    assert n == 2 and torch.isfinite(model.w) and model.w == healthy.w and not model.training


@pytest.mark.parametrize(
    ("images", "hint"),
    [
        (
            torch.linspace(0, 255, 8)[:, None],
            r"images: expected values in about \[-1, 1\], got 0..255.*images / 127.5 - 1",
        ),
        (torch.linspace(-300, 3, 8)[:, None], r"images: expected values in about \[-1, 1\], got -300..3"),
    ],
)
def test_images_on_another_scale(s, images, hint):
    with pytest.raises(ValueError, match=hint):
        ld.train(Line(), s, images)


def test_images_in_0_1_get_a_warning(s):
    with pytest.warns(
        UserWarning, match=r"images: expected values in about \[-1, 1\], got 0..1.*2 \* images - 1"
    ) as record:
        ld.train(Line(), s, torch.linspace(0, 1, 8)[:, None])
    assert record[0].filename == __file__


def test_the_callers_images_stay_as_they_are(s, images):
    before = images.clone()
    for _ in ld.train(make_net(s), s, images, n_steps=2, batch_size=12):  # more than there are
        pass
    assert torch.equal(images, before)


@pytest.mark.parametrize("size", [(1, 4, 10), (3, 2, 2)], ids=str)
def test_other_pictures(s, g, size):
    images = torch.rand(5, *size, generator=g) * 2 - 1
    model = ld.UNet(8, mults=(1, 2), image_channels=size[0], alpha_bar=s.alpha_bar, generator=g)
    for dtype in (torch.float32, torch.float64):
        for step in ld.train(model.to(dtype), s, images.to(dtype), n_steps=1, batch_size=1, generator=g):
            assert math.isfinite(step.loss)


def test_one_noise_level(images):
    s = ld.linear_schedule(T=1)
    assert [step.n for step in ld.train(make_net(s), s, images, n_steps=2, batch_size=3)] == [1, 2]


def test_the_safe_network_is_the_default(s, images):
    """A network without a schedule takes the one that it is trained with; its weights bring it along."""
    model = ld.UNet(8, mults=(1, 2), generator=seeded(1))
    step = next(ld.train(model, s, images, n_steps=2, batch_size=4, generator=seeded()))
    other = ld.UNet(8, mults=(1, 2))
    other.load_state_dict(model.state_dict())
    for m in (model, step.ema, other):
        torch.testing.assert_close(m.precondition.signal, s.alpha_bar.sqrt().float())
    plain = ld.UNet(8, mults=(1, 2), precondition=False, generator=seeded(1))
    next(ld.train(plain, s, images, n_steps=2, batch_size=4, generator=seeded()))
    assert plain.precondition is None and plain.config["precondition"] is False


def test_another_schedule_than_the_models_own(s, images):
    with pytest.raises(
        ValueError, match=r"train: s: expected .*made for, Schedule\(T=20.*got Schedule\(T=21"
    ):
        ld.train(make_net(s), ld.linear_schedule(21), images)


def test_parts_of_a_batch_make_the_same_step(s, images):
    def run(accumulate):
        model = make_net(s).double()
        arguments = dict(n_steps=3, batch_size=6, warmup=1, accumulate=accumulate, generator=seeded())
        losses = [step.loss for step in ld.train(model, s, images.double(), **arguments)]
        return losses, model.stem.weight.detach()

    (one, weight), (three, same) = run(1), run(3)
    assert one == pytest.approx(three, rel=1e-9)
    torch.testing.assert_close(weight, same, rtol=1e-5, atol=1e-7)


class Gradient(torch.optim.SGD):
    """Leaves the weights and the gradient as they are."""

    def step(self):
        pass


@pytest.mark.parametrize("parts", [1, 3])
def test_a_weight_is_in_the_gradient_and_not_in_the_loss(s, g, parts):
    model, x0, eps = Line(), *torch.randn(2, 6, 4, dtype=torch.float64, generator=g)
    t, weight = torch.arange(1, 7), torch.rand(6, dtype=torch.float64, generator=g)
    optimizer = Gradient(model.parameters(), lr=0.1)
    finite = torch.tensor(True)
    batch = x0, t, eps
    seen = update(model, Line(), optimizer, s, batch, finite, 0.1, 0.5, math.inf, parts, weight=weight)
    xt = ld.q_sample(s, x0, t, eps)
    error = 0.5 * xt - eps
    assert seen[0].item() == pytest.approx(error.square().mean().item())
    by_hand = (weight[:, None] * 2 * error * xt).mean()
    assert model.w.grad.item() == pytest.approx(by_hand.item())


@pytest.mark.parametrize("min_snr", [5, 0.1, math.inf])
def test_levels_with_little_noise_weigh_less_at_first(s, monkeypatch, min_snr):
    seen = []

    def spy(net, ema, optimizer, s, batch, *args):
        seen.append((batch[1], args[-1]))
        return update(net, ema, optimizer, s, batch, *args)

    monkeypatch.setattr(training, "update", spy)
    monkeypatch.setattr(training, "EARLY", 3)
    for _ in ld.train(Line(), s, TOY, n_steps=4, batch_size=20, min_snr=min_snr, generator=seeded()):
        pass
    for n, (t, weight) in enumerate(seen, start=1):
        snr = s.alpha_bar[t] / (1 - s.alpha_bar[t])
        share = min(n / 3, 1)  # of the way to the simple loss
        expected = (1 - share) * torch.minimum(snr, torch.tensor(float(min_snr))) / snr + share
        torch.testing.assert_close(weight.double(), expected, rtol=1e-5, atol=1e-6)
    assert (seen[0][1] < 0.99).any() == (min_snr != math.inf) and (seen[-1][1] == 1).all()


@pytest.mark.filterwarnings("ignore:alpha_bar_T")
def test_levels_without_noise_have_a_finite_weight():
    clean = ld.Schedule(torch.tensor([0.0, 1e-20, 1e-20], dtype=torch.float64))
    assert clean.alpha_bar[-1] == 1
    for min_snr in (5.0, math.inf):
        for step in ld.train(Line(), clean, TOY, n_steps=2, min_snr=min_snr, generator=seeded()):
            assert math.isfinite(step.loss)


def test_labels_reach_the_model_and_some_are_dropped(s):
    seen = []

    class Labelled(Line):
        classes = 3

        def forward(self, x, t, label=None):
            seen.append((x.detach().clone(), label))
            return super().forward(x, t)

    images = 4.0 * torch.tensor([-1, 0, 1], dtype=torch.float64)[:, None].repeat(
        1, 3
    )  # each says which it is
    labels, long = torch.tensor([2, 0, 1]), ld.linear_schedule(1000)
    for _ in ld.train(Labelled(), long, images, labels=labels, drop_label=0.25, n_steps=40, batch_size=50):
        pass
    x, label = torch.cat([x for x, _ in seen]), torch.cat([label for _, label in seen])
    assert abs((label == 3).double().mean() - 0.25) < 5 * math.sqrt(0.25 * 0.75 / len(label))
    for image, own in zip((-1, 0, 1), labels.tolist(), strict=True):
        near = (x.mean(1) / 4 - image).abs() < 0.05  # hardly noised
        assert set(label[near].tolist()) <= {own, 3} or image == 0  # x_t of large t is near 0 as well


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda s, x: ld.train(make_net(s).half(), s, x.half()),
            TypeError,
            r"train: model: .*Use model.float\(\)",
        ),
        (
            lambda s, x: ld.train(make_net(s).bfloat16(), s, x),
            TypeError,
            r"train: model: .*Use model.float\(\)",
        ),
        (
            lambda s, x: ld.train(make_net(s), s, x.double()),
            TypeError,
            r"images: expected torch.float32.*images.float",
        ),
        (
            lambda s, x: ld.train(make_net(s).double(), s, x),
            TypeError,
            r"images: expected torch.float64.*images.to",
        ),
        (lambda s, x: ld.train(make_net(s), s, ld.load_digits("test")), TypeError, "Give it digits.images"),
        (lambda s, x: ld.train(make_net(s), s, x.expand(-1, 3, -1, -1)), ValueError, "image_channels=3"),
        (
            lambda s, x: ld.train(make_net(s), s, (x + 1) * 32767.5),
            ValueError,
            "0..65535: use images / 32767.5 - 1",
        ),
    ],
)
def test_likely_mistakes_say_what_to_do_at_the_call(s, images, call, error, text):
    with pytest.raises(error, match=text):
        call(s, images)


def test_inference_mode_is_told(s, images):
    with (
        torch.inference_mode(),
        pytest.raises(ValueError, match="train: expected .*outside of torch.inference_mode"),
    ):
        ld.train(make_net(s), s, images)


def test_standardised_images_get_a_warning(s, g):
    with pytest.warns(UserWarning, match=r"images: .* clipped in \[-1, 1\]: use 2 \*"):
        ld.train(make_net(s), s, torch.randn(8, 1, 4, 4, generator=g))


class UsesTAsANumber(Line):
    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            self.linear = torch.nn.Linear(1, 1)

    def forward(self, x, t):
        return super().forward(x, t) + self.linear(t[:, None])


def test_a_network_that_computes_with_an_integer_t(s, monkeypatch):
    monkeypatch.setattr("labdiff.training.has_bf16", lambda device: True)
    for call in (lambda m: next(ld.train(m, s, TOY.float())), lambda m: ld.sample(m, s, (2, 1))):
        with pytest.raises(
            TypeError, match=r"model\(x, t\): expected a network that turns its int64 t into real"
        ):
            call(UsesTAsANumber().float())


def test_a_training_step_dispatches_few_operations():
    """Under 900 for the U-Net of the notebooks: on a busy machine each small operation waits for its turn."""
    count = []

    class Count(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            count.append(function)
            return function(*args, **kwargs or {})

    s = ld.linear_schedule()
    model = ld.UNet(alpha_bar=s.alpha_bar, classes=10, generator=seeded())
    labels = torch.arange(10)
    steps = ld.train(
        model, s, torch.rand(10, 1, 28, 28, generator=seeded()) * 2 - 1, labels=labels, batch_size=2
    )
    next(steps)
    with Count():
        next(steps)
    assert len(count) < 900


@pytest.mark.parametrize("there", [True, False])
def test_bfloat16_is_used_where_the_hardware_has_it(s, monkeypatch, there):
    seen = []

    class Sees(Line):
        def forward(self, x, t):
            seen.append(torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu"))
            return super().forward(x, t)

    monkeypatch.setattr("labdiff.training.has_bf16", lambda device: there)
    next(ld.train(Sees(), s, TOY))
    assert seen == [torch.bfloat16 if there else False]
