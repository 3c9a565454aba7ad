"""The formulas of the process, against Gaussians composed exactly, Bayes on a grid, and Monte Carlo."""

import math

import pytest
import torch

import labdiff as ld

ONE, ZERO = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)


def every_t(s):
    return torch.arange(1, s.T + 1)


def column(s, value):
    return torch.full((s.T, 1), float(value), dtype=torch.float64)


def plain_tables(s):
    """beta, alpha_bar as Python floats, made from beta alone."""
    beta = s.beta.tolist()
    alpha_bar = [1.0]
    for b in beta[1:]:
        alpha_bar.append(alpha_bar[-1] * (1 - b))
    return beta, alpha_bar


def test_chain_of_steps_equals_the_jump(any_s):
    """Compose x_t = a x_{t-1} + b eps exactly: means multiply, variances are scaled and add."""
    mean, var = 1.0, 0.0
    for t in range(1, any_s.T + 1):
        a = ld.q_step(any_s, ONE, t, ZERO).item()
        b = ld.q_step(any_s, ZERO, t, ONE).item()
        assert a == pytest.approx(math.sqrt(1 - any_s.beta[t].item()), rel=1e-12)
        assert b == pytest.approx(math.sqrt(any_s.beta[t].item()), rel=1e-12)
        mean, var = a * mean, a * a * var + b * b
        assert ld.q_sample(any_s, ONE, t, ZERO).item() == pytest.approx(mean, rel=1e-9)
        assert ld.q_sample(any_s, ZERO, t, ONE).item() ** 2 == pytest.approx(var, rel=1e-9)


def test_chain_of_steps_equals_the_jump_by_monte_carlo(g):
    s, n, x0 = ld.linear_schedule(T=20), 40_000, 0.7
    x = torch.full((n, 1), x0, dtype=torch.float64)
    for t in range(1, 11):
        x = ld.q_step(s, x, t, torch.randn(n, 1, generator=g, dtype=torch.float64))
    _, alpha_bar = plain_tables(s)
    mean, var = math.sqrt(alpha_bar[10]) * x0, 1 - alpha_bar[10]
    assert abs(x.mean().item() - mean) < 5 * math.sqrt(var / n)  # 5 standard errors
    assert abs(x.var().item() - var) < 5 * var * math.sqrt(2 / n)


def test_t_0_is_clean_data(any_s, g):
    x0, eps = torch.randn(2, 3, 4, generator=g), torch.randn(2, 3, 4, generator=g)
    assert torch.equal(ld.q_sample(any_s, x0, 0, eps), x0)


@pytest.mark.parametrize(("x0", "xt"), [(0.8, -0.5), (-1.0, 2.0), (0.0, 0.0)])
def test_posterior_is_bayes_on_a_grid(any_s, x0, xt):
    """q(x_{t-1} | x_t, x_0) ~ q(x_t | x_{t-1}) q(x_{t-1} | x_0), multiplied and normalised on a grid."""
    beta, alpha_bar = plain_tables(any_s)
    ts = [t for t in {2, 3, any_s.T // 3, any_s.T // 2, any_s.T - 1, any_s.T} if 2 <= t <= any_s.T]
    for t in ts:
        prior_mean, prior_var = math.sqrt(alpha_bar[t - 1]) * x0, 1 - alpha_bar[t - 1]
        precision = 1 / prior_var + (1 - beta[t]) / beta[t]
        centre = (prior_mean / prior_var + math.sqrt(1 - beta[t]) * xt / beta[t]) / precision
        grid = centre + torch.linspace(-12, 12, 20_001, dtype=torch.float64) / math.sqrt(
            precision
        )  # where the mass lies
        log_p = -((xt - math.sqrt(1 - beta[t]) * grid) ** 2) / (2 * beta[t]) - (grid - prior_mean) ** 2 / (
            2 * prior_var
        )
        p = log_p.softmax(0)
        expected_mean = (p * grid).sum().item()
        expected_var = (p * (grid - expected_mean) ** 2).sum().item()
        mean, var = ld.q_posterior(any_s, x0 * ONE, xt * ONE, t)
        assert mean.item() == pytest.approx(expected_mean, rel=1e-7, abs=1e-9)
        assert var.item() == pytest.approx(expected_var, rel=1e-7)


def test_posterior_at_t_1_is_the_data(any_s, g):
    x0, xt = torch.randn(2, 3, 4, generator=g), torch.randn(2, 3, 4, generator=g)
    mean, var = ld.q_posterior(any_s, x0, xt, 1)
    assert torch.equal(mean, x0) and (var == 0).all() and var.shape == (2, 1, 1)


def test_predict_x0_inverts_the_jump(any_s):
    """At every t, with the tables of plain Python on the other side."""
    _, alpha_bar = plain_tables(any_s)
    alpha_bar = torch.tensor(alpha_bar[1:], dtype=torch.float64)[:, None]
    xt = alpha_bar.sqrt() * 0.3 + (1 - alpha_bar).sqrt() * -1.2
    x0_hat = ld.predict_x0(any_s, xt, every_t(any_s), column(any_s, -1.2))
    torch.testing.assert_close(x0_hat, column(any_s, 0.3), rtol=1e-7, atol=0)


def test_p_mean_is_the_posterior_mean_of_x0_hat(any_s):
    """Slide S11 puts x_0 = x0_hat(x_t, eps_hat) into mu_tilde; the two routes meet at every t."""
    beta, alpha_bar = plain_tables(any_s)
    xt, eps_hat = column(any_s, 0.9), column(any_s, -0.4)
    got = ld.p_mean(any_s, xt, every_t(any_s), eps_hat)
    for t in range(1, any_s.T + 1):
        x0_hat = (0.9 + 0.4 * math.sqrt(1 - alpha_bar[t])) / math.sqrt(alpha_bar[t])
        expected = (
            math.sqrt(alpha_bar[t - 1]) * beta[t] * x0_hat
            + math.sqrt(1 - beta[t]) * (1 - alpha_bar[t - 1]) * 0.9
        ) / (1 - alpha_bar[t])
        assert got[t - 1].item() == pytest.approx(expected, rel=1e-6)
    torch.testing.assert_close(
        got,
        ld.q_posterior(any_s, ld.predict_x0(any_s, xt, every_t(any_s), eps_hat), xt, every_t(any_s))[0],
        rtol=1e-7,
        atol=1e-9,
    )


CALLS = {
    "q_step": lambda s, a, b, t: ld.q_step(s, a, t, b),
    "q_sample": lambda s, a, b, t: ld.q_sample(s, a, t, b),
    "q_posterior": lambda s, a, b, t: ld.q_posterior(s, a, b, t)[0],
    "posterior_var": lambda s, a, b, t: ld.q_posterior(s, a, b, t)[1].expand_as(a),
    "predict_x0": lambda s, a, b, t: ld.predict_x0(s, a, t, b),
    "p_mean": lambda s, a, b, t: ld.p_mean(s, a, t, b),
}


@pytest.fixture(params=CALLS)
def call(request):
    return CALLS[request.param]


@pytest.mark.parametrize(
    "shape", [(4, 1, 4, 4), (4, 4, 4, 4), (3, 1, 2, 6), (1, 1, 4, 4), (5,), (4, 4), (2, 3, 2, 2, 2)], ids=str
)
def test_each_sample_gets_its_own_t(call, s, g, shape):
    """A batch is what its samples are one by one; B == C == H == W is among the shapes."""
    a, b = torch.randn(shape, generator=g), torch.randn(shape, generator=g)
    t = torch.randint(1, s.T + 1, shape[:1], generator=g)
    got = call(s, a, b, t)
    assert got.shape == shape and got.dtype == a.dtype
    for i in range(len(a)):
        torch.testing.assert_close(
            got[i : i + 1], call(s, a[i : i + 1], b[i : i + 1], t[i].item()), rtol=1e-6, atol=1e-7
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_the_dtype_is_kept(call, s, g, dtype):
    a, b = torch.randn(3, 2, generator=g).to(dtype), torch.randn(3, 2, generator=g).to(dtype)
    assert call(s, a, b, 7).dtype == dtype


def test_float32_is_as_good_as_float32_can_be(call, any_s, g):
    """The tables are made in float64, so that 1 - alpha_bar_t at small t keeps its digits."""
    a, b = (torch.rand(any_s.T, 1, generator=g, dtype=torch.float64) + 0.5 for _ in range(2))
    exact = call(any_s, a.float().double(), b.float().double(), every_t(any_s))
    got = call(any_s, a.float(), b.float(), every_t(any_s)).double()
    # predict_x0 subtracts and then divides
    size = exact.abs() + (1 / any_s.alpha_bar[1:].sqrt())[:, None] * 1e-1
    assert ((got - exact).abs() / size).max() < 1e-5


def test_gradients_pass_through(call, s, g):
    a, b = (torch.randn(2, 3, generator=g, dtype=torch.float64, requires_grad=True) for _ in range(2))
    if call is CALLS["posterior_var"]:
        assert not call(s, a, b, 5).requires_grad
    else:
        assert torch.autograd.gradcheck(lambda a, b: call(s, a, b, 5), (a, b))


def test_memory_layout_does_not_matter(call, s, g):
    a, b = (torch.randn(2, 3, 4, 6, generator=g) for _ in range(2))
    t = torch.tensor([3, 17])
    strided = call(
        s, a.to(memory_format=torch.channels_last), b.transpose(2, 3).contiguous().transpose(2, 3), t
    )
    assert torch.equal(strided, call(s, a, b, t))
