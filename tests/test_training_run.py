"""ld.widgets.training: stopped at any step it ends calmly, keeps what it learned, and goes on from there."""

import math
import os
import signal
import threading

import pytest
import torch

import labdiff as ld

W = ld.widgets


@pytest.fixture(autouse=True)
def _interrupts_are_as_before():
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before


@pytest.fixture
def images(g):
    return torch.rand(12, 1, 8, 8, generator=g) * 2 - 1


def run(images, s, *, stop_at=None, seed=1, **arguments):
    """Train a small network for 12 steps; what happens at step stop_at is what the Stop button does."""
    model = ld.UNet(8, mults=(1, 2), alpha_bar=s.alpha_bar, generator=torch.Generator().manual_seed(seed))

    class Interrupted(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.calls = model, 0

        def forward(self, x, t):
            self.calls += self.training
            if self.training and self.calls == stop_at:
                os.kill(os.getpid(), signal.SIGINT)
            return self.net(x, t)

    generator = torch.Generator().manual_seed(seed)
    return W.training(Interrupted(), s, images, n_steps=12, batch_size=4, generator=generator, **arguments)


def alike(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.ema.parameters(), b.ema.parameters(), strict=True))


def test_stopped_and_run_again_it_is_the_run_that_was_never_stopped(images, s, tmp_path, capsys):
    whole = run(images, s)
    path = tmp_path / "new" / "a.checkpoint"
    stopped = run(images, s, checkpoint=path, stop_at=5)
    assert (stopped.n, len(stopped.losses), list(stopped.gallery)) == (5, 5, [5])
    assert capsys.readouterr().out == "stopped after step 5 of 12: run this cell again to go on\n"
    rest = run(images, s, checkpoint=path, seed=7)  # as after a restart: other weights, another generator
    assert rest.losses == whole.losses and len(rest.losses) == 12 and alike(rest, whole)
    assert torch.equal(rest.gallery[12], whole.gallery[12]) and list(rest.gallery) == [12]
    again = run(images, s, checkpoint=path, seed=8)
    assert again.losses == whole.losses and alike(again, whole) and list(again.gallery) == [12]
    assert not any(module.training for module in again.ema.modules())
    anew = run(images, s, checkpoint=path, restart=True, stop_at=1)
    assert anew.n == 1 and ld.load_checkpoint(path).n == 1 and torch.isfinite(anew.gallery[1]).all()


def test_a_new_network_without_its_schedule_goes_on(images, s, tmp_path):
    """It takes the schedule when it is trained, as the one that was saved did."""
    path = tmp_path / "a.checkpoint"
    for n_steps in (2, 3, 3):
        model = ld.UNet(4, mults=(1,))
        done = W.training(model, s, images, n_steps=n_steps, batch_size=4, checkpoint=path)
        assert done.n == n_steps == len(done.losses)
    wider = ld.UNet(8, mults=(1,))
    with pytest.raises(ValueError, match="training: checkpoint: .* made with another model"):
        W.training(wider, s, images, n_steps=3, checkpoint=path)
    assert wider.precondition is None


def test_without_a_checkpoint_it_says_that_nothing_is_kept(images, s, capsys):
    assert repr(run(images, s, stop_at=2)) == "TrainingRun: 2 of 12 steps"
    assert capsys.readouterr().out == "stopped after step 2 of 12, not saved: checkpoint=... keeps it\n"
    assert repr(run(images, s)) == "TrainingRun: 12 of 12 steps" and capsys.readouterr().out == ""


def test_losses_that_are_lost_are_nan(images, s, tmp_path):
    path = tmp_path / "a.checkpoint"
    run(images, s, checkpoint=path, stop_at=3)
    (tmp_path / "a.checkpoint.losses").unlink()
    losses = run(images, s, checkpoint=path).losses
    assert [math.isnan(loss) for loss in losses] == [True] * 3 + [False] * 9


def test_an_own_paint_is_called_and_the_last_picture_is_there(images, s):
    means = []

    def paint(ema):
        means.append(sum(p.mean().item() for p in ema.parameters()))
        return torch.zeros(2, 1, 8, 8)

    assert run(images, s, stop_at=4, paint=paint).gallery[4].shape == (2, 1, 8, 8) and len(means) == 1
    with pytest.raises(ValueError, match=r"training: paint: expected pictures of shape .* got \(2, 8\)"):
        run(images, s, stop_at=1, paint=lambda ema: torch.zeros(2, 8))


def test_a_loss_is_read_while_the_next_step_is_under_way(images, s, monkeypatch):
    """Or where the run ends: nothing else has a GPU stop for it."""
    begun = []

    class Watched:
        def __init__(self, step):
            self.step, self.n, self.ema = step, step.n, step.ema

        @property
        def loss(self):
            assert begun[-1] == min(self.n + 1, 12)
            return self.step.loss

    def train(*args, **kwargs):
        for step in ld.train(*args, **kwargs):
            begun.append(step.n)
            yield Watched(step)

    whole = run(images, s)
    monkeypatch.setattr("labdiff.widgets.training_run.train", train)
    assert run(images, s).losses == whole.losses and begun == list(range(1, 13))


def test_data_that_are_no_images_and_another_thread(s, g):
    cloud = ld.spiral(50, generator=g)
    found = []
    work = lambda: found.append(W.training(Linear(2), s, cloud, n_steps=3, batch_size=4))  # noqa: E731
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found[0].n == 3 and found[0].gallery == {}


class Linear(torch.nn.Module):
    """A model with as many inputs as outputs, that t is nothing to."""

    def __init__(self, n):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.eye(n))

    def forward(self, x, t):
        return x @ self.weight


def test_a_checkpoint_of_something_else_is_told(images, s, tmp_path):
    path = tmp_path / "a.checkpoint"
    run(images, s, checkpoint=path)
    with pytest.raises(
        ValueError, match="training: checkpoint: expected one .*another schedule.*restart=True"
    ):
        run(images, ld.linear_schedule(30), checkpoint=path)
    with pytest.raises(ValueError, match="training: checkpoint: expected one .*another model.*restart=True"):
        W.training(Linear(8), s, images, n_steps=12, checkpoint=path)
    assert ld.load_checkpoint(path).n == 12
    for wrong, error, text in (
        (dict(n_steps=0), ValueError, "training: n_steps: expected an int >= 1, got 0"),
        (dict(paint=3), TypeError, "training: paint: expected a callable ema -> images, got int"),
        (dict(checkpoint=3), TypeError, "training: checkpoint: expected a file's path, got int"),
        (dict(restart="yes"), ValueError, "training: restart: expected one of False, True, got 'yes'"),
    ):
        with pytest.raises(error, match=text):
            W.training(Linear(8), s, images, **wrong)


def test_an_error_is_raised_and_the_view_says_so(images, s):
    with pytest.raises(FloatingPointError):
        W.training(Linear(8), s, images, lr=1e38, n_steps=50)
