"""Sliders without a browser: their state, the data that they send, and what is left of them."""

import re
import time
import warnings
from types import SimpleNamespace

import ipywidgets
import numpy as np
import pytest
import torch
import traitlets
from jupyter_client.manager import start_new_kernel

import labdiff as ld
from labdiff.plot import to_uint8
from labdiff.widgets import noised
from labdiff.widgets.panel import SCRIPTS, STATIC

W = ld.widgets


@pytest.fixture(autouse=True)
def _close_all():
    yield
    ipywidgets.Widget.close_all()


@pytest.fixture
def x0():
    return ld.load_digits("test").images[:3]


def unpack(node, buffers):
    """What the browser sees: arrays in their places."""
    if isinstance(node, list):
        return [unpack(child, buffers) for child in node]
    if isinstance(node, dict) and "buffer" in node:
        return np.frombuffer(buffers[node["buffer"]], node["dtype"]).reshape(node["shape"])
    return {key: unpack(child, buffers) for key, child in node.items()} if isinstance(node, dict) else node


def panes(panel):
    return [pane for row in unpack(panel.spec, panel.data)["rows"] for pane in row]


def drawn(pane, row):
    """Grey levels that the browser paints for a row of the table, computed as its script does, in float32."""
    if "frames" in pane:
        return pane["frames"][row]
    a, b = ([f[row]] if f.ndim == 1 else f[row].reshape(-1, 1, 1, 1) for f in (pane["signal"], pane["noise"]))
    if pane["double"]:
        x = (np.float64(a) * pane["x0"] + np.float64(b) * pane["eps"]).astype(np.float32)
    else:
        x = np.float32(a) * pane["x0"] + np.float32(b) * pane["eps"]
    x = (np.clip(x, np.float32(-1), np.float32(1)) + np.float32(1)) * np.float32(127.5)
    assert x.dtype == np.float32
    return np.rint(x).astype(np.uint8).squeeze(3)  # rint: half to even


def doubled(s, x0, t, eps):
    """The formula as students write it: float64 factors make a float64 x_t."""
    ab = s.alpha_bar[t].view(-1, 1, 1, 1)
    return ab.sqrt() * x0 + (1 - ab).sqrt() * eps


def rootless(s, x0, t, eps):
    ab = s.alpha_bar[t].view(-1, 1, 1, 1).float()
    return ab * x0 + (1 - ab) * eps


def bent(s, x0, t, eps):
    return ld.q_sample(s, x0, t, eps).tanh()


def along_w(s, x0, t, eps):
    """A (B,) coefficient that broadcasts along W when B == W."""
    ab = s.alpha_bar[t].float()
    return ab.sqrt() * x0 + (1 - ab).sqrt() * eps


@pytest.mark.parametrize(
    ("q_sample", "sent"), [(None, "x0"), (doubled, "x0"), (rootless, "x0"), (bent, "frames")]
)
@pytest.mark.parametrize("T", [1, 7, 1000])
def test_noise_slider_shows_what_q_sample_returns_at_every_t(q_sample, sent, T, x0, g, monkeypatch):
    monkeypatch.setattr("labdiff.widgets.noised.LONGEST", 1e9)  # a busy machine leaves out no level here
    s = ld.linear_schedule(T)
    eps = torch.randn(x0.shape, generator=g)
    pane = panes(W.noise_slider(s, x0, q_sample=q_sample, eps=eps))[0]
    assert sent in pane
    for t in range(0, T + 1, max(1, T // 50)):
        truth = to_uint8((q_sample or ld.q_sample)(s, x0, torch.full((3,), t), eps))
        assert np.array_equal(drawn(pane, t), truth), t


def test_an_own_function_is_shown_with_its_mistakes(g):
    x0 = torch.rand(5, 1, 4, 5, generator=g) * 2 - 1  # B == W
    s, eps = ld.linear_schedule(10), torch.randn(5, 1, 4, 5, generator=g)
    pane = panes(W.noise_slider(s, x0, q_sample=along_w, eps=eps))[0]
    draws = panes(
        W.noise_slider(s, x0, q_sample=lambda s, x0, t, eps: torch.randn(x0.shape, generator=g), eps=eps)
    )[0]
    assert np.array_equal(drawn(pane, 4), to_uint8(along_w(s, x0, torch.full((5,), 4), eps)))
    assert "frames" in draws  # fresh noise for every call is no mix


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (lambda x0: None, "got NoneType"),
        (lambda x0: x0[:1], "got torch.float32 of shape"),
        (lambda x0: x0.int(), "got torch.int32"),
        (lambda x0: (x0, 1), "got tuple"),
    ],
)
def test_an_own_function_that_returns_no_pictures_is_named(result, error, x0, s):
    with pytest.raises((TypeError, ValueError), match=f"noise_slider: q_sample.*expected.*{error}"):
        W.noise_slider(s, x0, q_sample=lambda s, x0, t, eps: result(x0))


def test_an_own_function_can_neither_spoil_the_inputs_nor_flood_the_cell(x0, s, capsys):
    before = x0.clone()

    def spoils(s, x0, t, eps):
        print("here")
        return x0.mul_(0.5).add_(eps.zero_())

    pane = panes(W.noise_slider(s, x0, q_sample=spoils))[0]
    assert torch.equal(x0, before) and capsys.readouterr().out == ""
    assert np.array_equal(drawn(pane, 3), to_uint8(x0 * 0.5))


def test_a_slow_function_and_large_pictures_get_fewer_stops(x0, monkeypatch):
    monkeypatch.setattr(noised, "LONGEST", 0.2)
    s = ld.linear_schedule()
    panel = W.noise_slider(s, x0, q_sample=lambda *args: time.sleep(0.004) or ld.q_sample(*args), t=700)
    levels = panel.controls["t"].spec["values"]
    assert 3 <= len(levels) < 40 and levels[0] == 0 and levels[-1] == 1000 and panel.t in levels
    with pytest.raises(traitlets.TraitError, match="t: expected one of 0"):
        panel.t = 1
    monkeypatch.setattr(noised, "LONGEST", 100)
    monkeypatch.setattr(noised, "LARGEST", 10 * 3 * 28 * 28)
    pane = panes(W.noise_slider(s, x0, q_sample=bent))[0]
    assert len(pane["frames"]) == 10


def test_state_is_validated(x0, s):
    panel = W.noise_slider(s, x0, t=5)
    panel.t = 20
    panel.controls["t"].value -= 1
    assert panel.t == 19
    for wrong in (21, -1, 2.5, "3", None):
        with pytest.raises(traitlets.TraitError):
            panel.t = wrong
    schedule = W.schedule_slider(x0)
    with pytest.raises(traitlets.TraitError, match="kind: expected one of linear, cosine, got 'quadratic'"):
        schedule.kind = "quadratic"
    for wrong in (21, -1, 2.5, True):
        with pytest.raises(ValueError, match=r"noise_slider: t: expected an int in 0..20, got"):
            W.noise_slider(s, x0, t=wrong)
    with pytest.raises(ValueError, match="noise_slider: x0: expected pictures"):
        W.noise_slider(s, x0[0])
    with pytest.raises(TypeError, match="posterior_slider: s: expected a Schedule"):
        W.posterior_slider(1000)


def test_schedule_slider_holds_every_schedule_on_its_way_to_noise(x0, g):
    panel = W.schedule_slider(x0[:1], generator=g)
    strip = panes(panel)[0]
    betas = panel.controls["beta_T"].spec["values"]
    sizes = panel.controls["T"].spec["values"]
    eps = torch.from_numpy(strip["eps"].copy()).permute(0, 3, 1, 2)
    row = sizes.index(1000) * len(betas) + betas.index(0.02)
    for kind, s in enumerate((ld.linear_schedule(), ld.cosine_schedule())):
        truth = to_uint8(ld.q_sample(s, x0[:1].expand(9, -1, -1, -1), torch.arange(9) * 125, eps))
        assert np.array_equal(drawn(strip, row + kind * len(sizes) * len(betas)), truth)


def test_posterior_slider_moves_along_q_posterior():
    s = ld.linear_schedule(50)
    plot, table = panes(W.posterior_slider(s, t=3))
    for t in (1, 2, 50):
        mean, var = ld.q_posterior(s, *torch.tensor([[[0.3]], [[-1.1]]], dtype=torch.float64), t)
        bell = plot["series"][2]
        terms = bell["mean"]["terms"]
        assert terms["x0"][t - 1] * 0.3 + terms["xt"][t - 1] * -1.1 == pytest.approx(mean.item(), abs=1e-12)
        assert bell["var"][t - 1] == pytest.approx(var.item(), abs=1e-12)
        assert table["rows"][1]["texts"][t - 1] == f"{var.item():.5f}"


def test_posterior_slider_draws_the_given_function():
    """Also one that is written for images: (T, 1, 1, 1)."""
    s = ld.linear_schedule(50)

    def doubled(s, x0, xt, t):
        mean, var = ld.q_posterior(s, x0, xt, t)
        assert x0.ndim == 4
        return 2 * mean, var / 2

    (right, _), (own, table) = (panes(W.posterior_slider(s, **k)) for k in ({}, {"q_posterior": doubled}))
    terms, wrong = (plot["series"][2]["mean"]["terms"] for plot in (right, own))
    assert np.allclose(np.array(wrong["x0"]), 2 * np.array(terms["x0"]))
    assert np.allclose(np.array(wrong["xt"]), 2 * np.array(terms["xt"]))
    assert table["rows"][1]["texts"][9] == f"{s.beta_tilde[10].item() / 2:.5f}"


def test_reverse_slider_sends_its_density_as_components_not_as_a_table():
    s, mixture = ld.linear_schedule(50), ld.two_bumps()
    panel = W.reverse_slider(s, mixture)
    assert sum(map(len, panel.data)) < 20_000
    prior = panes(panel)[0]["series"][0]
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    for t in (1, 20, 50):
        squares = (x[:, None] - torch.tensor(prior["means"] * prior["signal"][t - 1])) ** 2
        logs = (torch.tensor(prior["weights"]) - squares / (2 * prior["vars"][t - 1])).logsumexp(1)
        exact = mixture.noised(s.alpha_bar[t - 1].item()).log_prob(x[:, None].to(mixture.means))
        assert torch.allclose((logs - logs[0]).to(exact), exact - exact[0], atol=1e-4)


def test_marginal_slider_draws_with_the_given_function(s, g):
    panel = W.marginal_slider(s, ld.two_bumps(), q_sample=lambda s, x0, t, eps: 0 * x0 + 0.2, generator=g)
    plot, _ = panes(panel)
    bars, exact, normal = (curve["y"] for curve in plot["series"])
    step = plot["x"][1] - plot["x"][0]
    assert (bars > 0).sum(1).max() <= 4 and np.allclose(
        exact.sum(1) * step, 1, atol=0.01
    )  # a point mass, whatever t is
    assert np.abs(exact[-1] - normal).max() < 0.02


def test_noise_slider_shows_what_a_model_sees_at_each_t(x0, s, g):
    eps, seen = torch.randn(x0.shape, generator=g), []

    def model(x, t):
        seen.append((x.clone(), int(t[0])))
        return 0.8 * x

    panel = W.noise_slider(s, x0, eps=eps, model=model, t=7)
    for t in (7, 1, s.T):
        panel.t = t
        xt = ld.q_sample(s, x0, t, eps)
        x0_hat = ld.predict_x0(s, xt, t, 0.8 * xt).clamp(-1, 1)
        shown = unpack(panel.computed["tree"], panel.computed["buffers"])
        assert np.array_equal(shown["x0_hat"], to_uint8(x0_hat)) and shown["at"] == {"t": t}
        assert torch.equal(seen[-1][0], xt) and seen[-1][1] == t
    panel.t = 0
    shown = unpack(panel.computed["tree"], panel.computed["buffers"])
    # a look whether the model fits, and the three levels; clean: nothing to guess
    assert np.array_equal(shown["x0_hat"], to_uint8(x0)) and len(seen) == 4
    assert (
        panel.spec["follows"] and panel.spec["sampler"] is None
    )  # a page without a kernel has no such model
    assert not W.noise_slider(s, x0, generator=g).spec["computes"]


def test_renoise_computes_when_t_is_set_and_says_what_went_wrong(x0, s):
    calls = []

    def model(x, t):
        calls.append(int(t[0]))
        if len(calls) > 100:
            raise RuntimeError("out of order")
        return x / 2

    panel = W.renoise(model, s, x0, t=4, n_steps=5)
    assert set(calls) == {4} and panel.computed["tree"]["at"] == {"t": 4}
    panel.t = 20
    shown = unpack(panel.computed["tree"], panel.computed["buffers"])
    assert (
        len(calls) == 8  # each time one for x0_hat; from t = 4 one to bring back, from t = 20 five
        and shown["back"].shape == (3, 28, 28)
        and shown["back_caption"] == "brought back from t = 20"
    )
    calls.extend(range(100))
    with pytest.raises(RuntimeError):
        panel.t = 10
    assert panel.computed["tree"] == {"error": "RuntimeError: out of order", "at": {"t": 10}}


def test_drawing_pad_takes_28_by_28_bytes(s):
    pad = W.drawing_pad(lambda x, t: 0 * x, s, t=1)
    pad.drawing = bytes([255] * 784)
    pad.stroke += 1
    back = unpack(pad.computed["tree"], pad.computed["buffers"])["back"]
    assert torch.equal(pad.x0, torch.ones(1, 1, 28, 28)) and back.mean() > 250
    with pytest.raises(traitlets.TraitError, match="drawing: expected 784 bytes, got 3"):
        pad.drawing = b"abc"


def test_sample_slider_gives_the_same_pictures_for_the_same_seed(s):
    panel = W.sample_slider(lambda x, t: x / 3, s, n=2)
    first = panel.computed["buffers"]
    panel.seed = 1
    other = panel.computed["buffers"]
    panel.seed = 0
    assert panel.computed["buffers"] == first != other


def test_trajectory_player_keeps_first_and_last(s, g, monkeypatch):
    states = list(ld.ddpm_steps(lambda x, t: x, s, (2, 1, 28, 28), generator=g))
    left, right, path = panes(W.trajectory_player(iter(states)))
    assert left["path"] == right["path"] == path["local"]
    assert np.array_equal(left["frames"], np.stack([to_uint8(state.x) for state in states]))
    assert np.array_equal(right["frames"][3], to_uint8(states[3].x0_hat))
    monkeypatch.setattr(W.players, "LARGEST", 5 * 2 * 2 * 784)
    panel = W.trajectory_player(states)
    assert panel.controls["i"].spec["labels"] == ["20", "15", "10", "5", "0"]
    two = W.trajectory_player({"seed 0": states, "seed 1": states[::-1][::-1]})
    assert two.run == "seed 0" and panes(two)[0]["axes"] == ["run", "i"]
    for wrong in ([], {}, {"a": states, "b": states[1:]}):
        with pytest.raises(ValueError, match="trajectory_player: steps: expected"):
            W.trajectory_player(wrong)


def test_snapshot_slider_starts_at_the_last(x0):
    panel = W.snapshot_slider({100: 0 * x0, 400: x0})
    assert panel.i == 1 and np.array_equal(panes(panel)[0]["frames"][1], to_uint8(x0))
    with pytest.raises(ValueError, match="snapshot_slider: pictures"):
        W.snapshot_slider({})


def test_training_view_shows_progress_loss_and_samples(x0):
    view = W.TrainingView(300)
    for n in range(1, 301):
        view.update(SimpleNamespace(n=n, loss=1 / n))
    view.show(x0)
    shown = unpack(view.computed["tree"], view.computed["buffers"])
    assert shown["progress"]["text"] == "step 300 of 300, loss 0.003, done"
    assert shown["loss"]["x"][-1] == 300 and shown["samples"].shape == (3, 28, 28)


def test_linked_panels_share_a_group(x0, s):
    a, b, c = W.noise_slider(s, x0), W.posterior_slider(s, t=1), W.schedule_slider(x0)
    W.link(a, b)
    assert a.group == b.group != "" == c.group
    with pytest.raises(ValueError, match="link: panels: expected two or more with a slider of the same name"):
        W.link(a, c)
    with pytest.raises(TypeError, match="link: panels: expected Panels"):
        W.link(a, "b")


def test_the_text_is_one_stable_sentence_with_the_fix(x0, s):
    first, second = (W.noise_slider(s, x0, t=t) for t in (0, 5))
    bundle, _ = first._repr_mimebundle_()
    assert repr(first) == repr(second) == bundle["text/plain"] and "pip install" in repr(first)
    assert re.search(r"0x|\d{3}|\. ", repr(first)) is None and len(bundle["text/plain"].splitlines()) == 1
    assert set(bundle) == {"text/plain", "application/vnd.jupyter.widget-view+json"}


def test_the_front_end_reaches_for_no_network():
    assert {path.name for path in STATIC.glob("*.js")} == set(SCRIPTS)
    for path in STATIC.iterdir():
        assert set(re.findall(r"https?://[^\s\"'`)]+", path.read_text("utf-8"))) <= {
            "http://www.w3.org/2000/svg"
        }
        assert not re.search(r"\b(import|fetch|XMLHttpRequest)\b *\(", path.read_text("utf-8"))


def test_the_librarys_own_q_sample_has_every_t_however_busy_the_machine_is(x0, g, monkeypatch):
    monkeypatch.setattr(noised, "LONGEST", 0)
    s = ld.linear_schedule()
    for panel in (
        W.noise_slider(s, x0),
        W.noise_slider(s, x0, q_sample=ld.q_sample),
        W.marginal_slider(s, ld.two_bumps(), n=100, generator=g),
        W.marginal_slider(s, ld.two_bumps(), q_sample=ld.q_sample, n=100, generator=g),
    ):
        panel.t = 501
        assert panel.t == 501
    assert len(W.noise_slider(s, x0, q_sample=doubled).controls["t"].spec["values"]) == 3


def test_the_formula_has_the_factors_that_are_shown(x0, s):
    def terms(panel):
        spec = unpack(panel.spec, panel.data)
        return spec["head"] and {term["name"]: term["values"] for term in spec["head"]["terms"]}

    own = terms(W.noise_slider(s, x0))
    assert np.allclose(own["sqrt(alpha_bar_t)"] ** 2 + own["sqrt(1-alpha_bar_t)"] ** 2, 1, atol=1e-6)
    assert set(terms(W.noise_slider(s, x0, q_sample=rootless))) == {"your factor"}
    assert terms(W.noise_slider(s, x0, q_sample=bent)) is None
    states = list(ld.ddim_steps(lambda x, t: x, s, (2, 1, 28, 28), n_steps=4))
    played = terms(W.trajectory_player(states, s=s))["sqrt(alpha_bar_t)"]
    assert np.allclose(played**2, s.alpha_bar[[20, 15, 10, 5, 0]])


def test_the_curve_comes_after_the_guess(x0, s):
    panel = W.noise_slider(s, x0, guess=True)
    after = [pane.get("after") for pane in panes(panel)]
    assert after == [None, None, "gone", "gone"] and panel.gone == -1
    panel.gone = 7
    with pytest.raises(traitlets.TraitError):
        panel.gone = 21


def test_schedule_slider_says_how_far_x_T_is_from_noise(x0, g):
    panel = W.schedule_slider(x0[:1], generator=g)
    betas, sizes = (panel.controls[name].spec["values"] for name in ("beta_T", "T"))
    rows = {row["label"]: row["texts"] for row in panes(panel)[2]["rows"]}

    def at(kind, T, beta):
        return (kind * len(sizes) + sizes.index(T)) * len(betas) + betas.index(beta)

    weak = min(betas, key=lambda beta: abs(beta - 0.01))
    for kind, beta, s in ((0, 0.02, ld.linear_schedule()), (0, weak, ld.linear_schedule(beta_T=weak))):
        mean, var = (v[:1].double() for v in (s.alpha_bar[-1:].sqrt() * x0[0].double(), 1 - s.alpha_bar[-1:]))
        nats = (
            ld.normal_kl(mean, var.expand_as(mean), torch.zeros_like(mean), torch.ones_like(mean))
            .sum()
            .item()
        )
        assert float(rows["KL( q(x_T | x_0) || N(0, I) ), nats"][at(kind, 1000, beta)]) == pytest.approx(
            nats, rel=0.05
        )
    told = rows["an ideal judge tells x_T from noise"]
    normal = torch.distributions.Normal(0, 1)
    s = ld.linear_schedule(beta_T=weak)
    share = normal.cdf(s.alpha_bar[-1].sqrt() * x0[0].double().norm() / 2).item()
    assert told[at(0, 1000, weak)] == f"{100 * share:.0f} % of the time: NOT noise" and share > 0.75
    assert told[at(0, 1000, 0.02)].endswith(": noise")
    assert panel.controls["beta_T"].spec["only"] == {"kind": "linear"}


def test_new_noise_is_drawn_and_the_first_comes_back(x0, s, g):
    panel = W.renoise(lambda x, t: x / 2, s, x0, t=15, generator=g)
    seen = []
    for draw in (0, 1, 2, 1, 0):
        panel.draw = draw
        seen.append(unpack(panel.computed["tree"], panel.computed["buffers"]))
    eps, back = ([shown[key] for shown in seen] for key in ("eps", "back"))
    assert (
        np.array_equal(eps[0], eps[4]) and np.array_equal(eps[1], eps[3]) and np.array_equal(back[0], back[4])
    )
    assert not np.array_equal(eps[0], eps[1]) and not np.array_equal(eps[1], eps[2])
    assert not np.array_equal(back[0], back[1])
    assert np.array_equal(eps[0], panes(panel)[1]["eps"]) and panes(panel)[1]["fresh"] == "eps"


def test_interpolation_goes_from_one_sample_to_the_other(s, g):
    a, b = torch.randn(2, 3, 1, 8, 8, generator=g)
    pane = panes(W.interpolation_slider(lambda x, t: x / 3, s, a, b, n_stops=5))[0]
    for end, xt in ((0, a), (4, b)):
        *_, last = ld.ddim_steps(lambda x, t: x / 3, s, xt=xt, t=s.T, n_steps=10)
        assert np.array_equal(pane["frames"][end], to_uint8(last.x))
    asked = []
    own = lambda a, b, w: asked.append(w) or a  # noqa: E731
    pane = panes(W.interpolation_slider(lambda x, t: x / 3, s, a, b, interpolate=own, n_stops=3))[0]
    assert asked == [0, 0.5, 1] and np.array_equal(pane["frames"][2], pane["frames"][0])
    norms = [W.samples._great_circle(a, b, w).flatten(1).norm(dim=1) for w in (0, 0.3, 1)]
    low, high = (getattr(torch.stack([norms[0], norms[2]]), which)(0).values for which in ("min", "max"))
    assert (norms[1] > low - 0.3).all() and (
        norms[1] < high + 0.3
    ).all()  # a straight line would lose a quarter


def test_guidance_slider_heads_for_the_label(s):
    asked = []

    def model(x, t, label=None):
        asked.append(label)
        return x / 3 if label is None else x / 3 - 0.1 * label

    panel = W.guidance_slider(model, s, labels=[3, 4], n=2, label=4, scale=2)
    first = unpack(panel.computed["tree"], panel.computed["buffers"])
    assert {4, None} == set(asked) and first["samples_caption"] == "label 4, scale 2, seed 0"
    x = ld.sample(
        ld.guided(model, 4, scale=2.0),
        s,
        (2, 1, 28, 28),
        method="dpm",
        n_steps=10,
        generator=torch.Generator().manual_seed(0),
    )
    assert np.array_equal(first["samples"], to_uint8(x))
    asked.clear()
    panel.label = 3
    assert set(asked) == {3, None}
    with pytest.raises(traitlets.TraitError, match="label: expected one of 3, 4, got 5"):
        panel.label = 5
    for wrong in ({"label": 10}, {"labels": []}, {"scale": 7.0}, {"n_steps": 0}):
        with pytest.raises((TypeError, ValueError), match="^guidance_slider: .*: expected"):
            W.guidance_slider(model, s, **wrong)


SEVEN = bytes(200 if 6 < i // 28 < 10 or 12 < i % 28 < 16 else 0 for i in range(784))


def test_a_label_to_choose_is_one_that_the_model_knows():
    s, three, none = ld.cosine_schedule(10), ld.UNet(8, classes=3), ld.UNet(8)
    assert W.guidance_slider(three, s, n=1, n_steps=1).traits()["label"].values == [0, 1, 2]
    for model, offered in ((three, ["any", "0", "1", "2"]), (none, ["any"]), (ld.guided(three, 1), ["any"])):
        assert W.repair_pad(model, s, n_steps=1).traits()["label"].values == offered
    for panel in (W.guidance_slider, W.repair_pad):
        with pytest.raises(ValueError, match=r"labels: expected labels of the model, .* 0..2, got 99"):
            panel(three, s, labels=[2, 99], n_steps=1)
        with pytest.raises(ValueError, match="labels: expected labels of the model, which takes none"):
            panel(none, s, labels=[2], n_steps=1)
    with pytest.raises(ValueError, match="guidance_slider: model: expected one with labels"):
        W.guidance_slider(none, s, n_steps=1)


def test_repair_pad_keeps_what_is_known_and_heads_for_the_label():
    asked, s = [], ld.cosine_schedule(40)

    def model(x, t, label=None):
        asked.append(label)
        return 0.9 * x

    pad = W.repair_pad(model, s, n_steps=10, generator=torch.Generator().manual_seed(0))
    assert (pad.t, pad.label, pad.known) == (24, "any", "nothing")
    pad.drawing, pad.stroke = SEVEN, 1
    known = np.frombuffer(SEVEN, np.uint8).reshape(28, 28)
    halves = {"left half": np.s_[:, :14], "right half": np.s_[:, 14:]}
    for name, half in (halves | {"upper half": np.s_[:14], "lower half": np.s_[14:]}).items():
        pad.known = name
        shown = unpack(pad.computed["tree"], pad.computed["buffers"])
        assert np.array_equal(shown["back"][0][half], known[half]), name
        assert np.array_equal(shown["xt"][0][half], known[half])
        assert not np.array_equal(shown["back"][0], known)
    assert set(asked) == {None}
    pad.label = "3"
    assert set(asked) == {None, 3} and pad.computed["tree"]["back_caption"] == "brought back as a 3"
    before = pad.computed["buffers"]
    pad.draw = 1
    assert pad.computed["buffers"] != before
    pad.draw = 0
    assert pad.computed["buffers"] == before
    for wrong in ({"t": 41}, {"n_steps": 0}):
        with pytest.raises(ValueError, match="^repair_pad: .*: expected"):
            W.repair_pad(model, s, **wrong)


def test_cloud_pad_walks_to_noise_and_back():
    s = ld.cosine_schedule(60)
    pad = W.cloud_pad(s, n=300, generator=torch.Generator().manual_seed(0))
    levels = pad.controls["t"].spec["values"]
    assert (levels[0], levels[-1]) == (0, 60) and len(pad.cloud.means) == 400  # the spiral
    pad.drawing, pad.stroke = SEVEN, 1
    rows, columns = np.nonzero(np.frombuffer(SEVEN, np.uint8).reshape(28, 28))
    assert torch.allclose(pad.cloud.means[:, 0], torch.tensor(columns / 13.5 - 1))
    assert torch.allclose(pad.cloud.means[:, 1], torch.tensor(1 - rows / 13.5))
    shown = unpack(pad.computed["tree"], pad.computed["buffers"])
    assert [pane["axes"] for pane in panes(pad) if pane["type"] == "pictures"] == [["t"], ["t"]]
    side = shown["back"].shape[-1]
    middle = (np.arange(side) + 0.5) * 2 * W.clouds.REACH / side - W.clouds.REACH
    places = torch.tensor(np.stack(np.meshgrid(middle, -middle), -1).reshape(-1, 2))
    far = torch.cdist(places, pad.cloud.means).min(1).values.numpy().reshape(side, side) > 0.2
    for key in ("to_noise", "back"):
        assert shown[key].shape == (len(levels), 1, side, side)
        assert (shown[key][0, 0][far] > 0).sum() <= 3 and (shown[key][-1, 0][far] > 0).sum() > 100
    own = W.cloud_pad(s, model=lambda x, t: 0 * x, n=50, generator=torch.Generator().manual_seed(0))
    assert not np.array_equal(
        unpack(own.computed["tree"], own.computed["buffers"])["back"][0], shown["back"][0]
    )
    for wrong in ({"n": 0}, {"t": 61}):
        with pytest.raises(ValueError, match="^cloud_pad: .*: expected"):
            W.cloud_pad(s, **wrong)


def test_the_pad_starts_where_strokes_are_lost(s):
    assert W.drawing_pad(lambda x, t: x, ld.linear_schedule(), n_steps=1).t == 300
    assert W.drawing_pad(lambda x, t: x, ld.linear_schedule(T=1), n_steps=1).t == 1


BAD = [
    (
        lambda s, x: W.trajectory_player(x),
        TypeError,
        "trajectory_player: steps: expected the States .* got Tensor",
    ),
    (
        lambda s, x: W.trajectory_player(5),
        TypeError,
        "trajectory_player: steps: expected the States .* got int",
    ),
    (
        lambda s, x: W.trajectory_player([x]),
        TypeError,
        "trajectory_player: steps: expected .* an item of type Tensor",
    ),
    (
        lambda s, x: W.trajectory_player({"a": x}),
        TypeError,
        "trajectory_player: steps: expected .* got Tensor",
    ),
    (
        lambda s, x: W.renoise(lambda x, t: x, s, x[0]),
        ValueError,
        r"renoise: x0: expected pictures .* x0\[None\]",
    ),
    (
        lambda s, x: W.renoise(lambda x, t: x, s, x[:, [0, 0]]),
        ValueError,
        "renoise: x0: expected pictures of shape",
    ),
    (lambda s, x: W.renoise(3, s, x), TypeError, "renoise: model: expected a callable"),
    (lambda s, x: W.noise_slider(s, x, model=3), TypeError, "noise_slider: model: expected a callable"),
    (
        lambda s, x: W.noise_slider(s, x, model=ld.UNet(8, mults=(1,), image_channels=3)),
        ValueError,
        "UNet: x: expected shape",
    ),
    (lambda s, x: W.noise_slider(s, x, guess="yes"), ValueError, "noise_slider: guess: expected one of"),
    (
        lambda s, x: W.snapshot_slider([x]),
        TypeError,
        "snapshot_slider: pictures: expected a dict .* got list",
    ),
    (
        lambda s, x: W.snapshot_slider({1: x, 2: x[:1]}),
        ValueError,
        "snapshot_slider: pictures: expected one shape",
    ),
    (
        lambda s, x: W.snapshot_slider({1: x[0]}),
        ValueError,
        r"snapshot_slider: pictures\[1\]: expected pictures",
    ),
    (lambda s, x: W.curve_slider([1, 2], [3, 4], ylabel="y"), TypeError, "curve_slider: ys: expected a dict"),
    (
        lambda s, x: W.curve_slider([1, 2], {"a": [1]}, ylabel="y"),
        ValueError,
        "curve_slider: ys: expected 2 numbers",
    ),
    (
        lambda s, x: W.curve_slider([1], {"a": [1]}, ylabel="y", start=1),
        ValueError,
        "curve_slider: start: expected",
    ),
    (
        lambda s, x: W.sample_slider(lambda x, t: x, s, n=0),
        ValueError,
        "sample_slider: n: expected an int >= 1",
    ),
    (
        lambda s, x: W.sample_slider(lambda x, t: x, s, image_shape=(28, 28)),
        ValueError,
        r"sample_slider: image_shape: expected \(C, H, W\)",
    ),
    (
        lambda s, x: W.interpolation_slider(lambda x, t: x, s, x, x[:1]),
        ValueError,
        "interpolation_slider: b: expected shape",
    ),
    (
        lambda s, x: W.interpolation_slider(lambda x, t: x, s, x, interpolate=lambda a, b, w: w),
        ValueError,
        r"interpolation_slider: interpolate\(a, b, w\): expected a tensor",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD, ids=range(len(BAD)))
def test_wrong_input_is_told_in_labdiffs_words(call, error, text, x0, s):
    with pytest.raises(error, match="^" + text):
        call(s, x0)


def test_images_on_another_scale_are_told(x0, s, g):
    standardized = (x0 - x0.mean()) / x0.std()
    for images in (standardized, 127.5 * (x0 + 1)):
        with pytest.warns(
            UserWarning, match=r"noise_slider: x0: expected images in \[-1, 1\], got .* clipped"
        ):
            W.noise_slider(s, images)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # noised images leave [-1, 1] as they should
        to_uint8(ld.q_sample(s, x0, 20, torch.randn(x0.shape, generator=g)))
        to_uint8(3 * torch.randn(2, 3, 8, 8, generator=g))


CELL = """
import gc, ipywidgets, torch, labdiff as ld
s, x0 = ld.linear_schedule(20), ld.load_digits("test").images[:2]
noise, pad = ld.widgets.noise_slider(s, x0), ld.widgets.drawing_pad(lambda x, t: x, s)
ld.widgets.link(noise, pad)
noise.observe(print, "t")
ld.widgets.renoise(lambda x, t: x, s, x0)
"""
COUNT = """
gc.collect()
from ipywidgets.widgets import widget
kinds = [(o, type(o)) for o in gc.get_objects()]
print(len(widget._instances), len(get_ipython().kernel.comm_manager.comms),
      sum(issubclass(kind, torch.Tensor) for _, kind in kinds),
      sum(len(buffer) for o, kind in kinds if issubclass(kind, ld.widgets.Panel) for buffer in o.data))
del kinds
"""


def test_a_cell_run_fifty_times_leaves_what_one_run_leaves():
    manager, client = start_new_kernel(startup_timeout=600)
    try:

        def run(code):
            text = []
            hook = lambda message: text.append(message["content"].get("text", ""))  # noqa: E731
            reply = client.execute_interactive(code, timeout=600, output_hook=hook)
            assert reply["content"]["status"] == "ok", reply["content"]
            return "".join(text)

        def count():
            return [int(n) for n in run(COUNT).split()]

        run(CELL)
        run(CELL)
        once = count()
        for _ in range(50):
            run(CELL)
        fifty = count()
        print("widgets, comms, tensors, bytes:", once, fifty)
        assert fifty == once and once[0] == 6  # three panels, and a layout for each
        for i in range(6):  # a cell without an id that is edited: this client sends none
            run(CELL.replace("linear_schedule(20)", f"linear_schedule(2{i})"))
        edited = count()
        print("after six edits:", edited)
        assert edited[:2] == once[:2] and edited[3] < 1.2 * once[3]
        run("another = ld.widgets.posterior_slider(s)")
        assert count()[0] == once[0] + 2  # another cell closes nothing
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
