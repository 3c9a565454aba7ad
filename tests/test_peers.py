"""Step by step beside diffusers' schedulers. Their timestep is our t - 1; alphas_cumprod[t - 1] is
alpha_bar[t].

Their own tables are float32 and so up to 3e-5 off at small t; here they get float64 ones made from the same
betas.
"""

import pytest
import torch

import labdiff as ld

diffusers = pytest.importorskip("diffusers", reason="the peer library is not installed")

CLOSE = {"rtol": 1e-5, "atol": 1e-9}


@pytest.fixture(
    scope="module",
    params=[("linear", 1000), ("linear", 50), ("cosine", 1000), ("cosine", 50)],
    ids=lambda p: f"{p[0]}-{p[1]}",
)
def ours(request):
    kind, T = request.param
    return (ld.linear_schedule if kind == "linear" else ld.cosine_schedule)(T)


def peer(kind, s, **kwargs):
    theirs = kind(num_train_timesteps=s.T, clip_sample=False, **kwargs)
    theirs.betas = s.beta[1:].clone()
    theirs.alphas = 1.0 - theirs.betas
    theirs.alphas_cumprod = torch.cumprod(theirs.alphas, dim=0)
    theirs.one = torch.tensor(1.0, dtype=torch.float64)
    theirs.final_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64)
    return theirs


@pytest.fixture
def batch(ours, g):
    """One sample for each t: (x, other x, t)."""
    shape = (ours.T, 1, 2, 3)
    x, other = (torch.randn(shape, generator=g, dtype=torch.float64) for _ in range(2))
    return x, other, torch.arange(1, ours.T + 1)


def test_the_usual_betas_are_the_peers_own():
    theirs = diffusers.DDPMScheduler(num_train_timesteps=1000, beta_start=1e-4, beta_end=0.02)
    torch.testing.assert_close(ld.linear_schedule().beta[1:].float(), theirs.betas, rtol=1e-5, atol=0)
    cosine = diffusers.DDPMScheduler(num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2")
    torch.testing.assert_close(ld.cosine_schedule().beta[1:].float(), cosine.betas, rtol=1e-4, atol=0)


def test_alpha_bar(ours):
    torch.testing.assert_close(
        ours.alpha_bar[1:], peer(diffusers.DDPMScheduler, ours).alphas_cumprod, rtol=1e-5, atol=0
    )


def test_q_sample(ours, batch):
    x0, eps, t = batch
    torch.testing.assert_close(
        ld.q_sample(ours, x0, t, eps), peer(diffusers.DDPMScheduler, ours).add_noise(x0, eps, t - 1), **CLOSE
    )


def test_posterior_variance(ours):
    theirs = peer(diffusers.DDPMScheduler, ours)
    expected = torch.stack([theirs._get_variance(t - 1) for t in range(1, ours.T + 1)])
    torch.testing.assert_close(
        ours.beta_tilde[1:], expected, rtol=1e-5, atol=1e-19
    )  # theirs is at least 1e-20
    x = torch.zeros(ours.T, 1, dtype=torch.float64)
    _, var = ld.q_posterior(ours, x, x, torch.arange(1, ours.T + 1))
    torch.testing.assert_close(var[:, 0], expected, rtol=1e-5, atol=1e-19)


def peer_means(s, xt, model_output, **kwargs):
    """The peer's DDPM step for every t, without its noise."""
    theirs = peer(diffusers.DDPMScheduler, s, **kwargs)
    theirs._get_variance = lambda *args, **kw: torch.zeros((), dtype=torch.float64)
    g = torch.Generator()
    return torch.cat(
        [theirs.step(model_output[i : i + 1], i, xt[i : i + 1], generator=g).prev_sample for i in range(s.T)]
    )


def test_posterior_mean(ours, batch):
    x0, xt, t = batch
    torch.testing.assert_close(
        ld.q_posterior(ours, x0, xt, t)[0], peer_means(ours, xt, x0, prediction_type="sample"), **CLOSE
    )


def test_p_mean(ours, batch):
    xt, eps_hat, t = batch
    torch.testing.assert_close(ld.p_mean(ours, xt, t, eps_hat), peer_means(ours, xt, eps_hat), **CLOSE)


@pytest.mark.parametrize(("var", "variance_type"), [("beta", "fixed_large"), ("beta_tilde", "fixed_small")])
def test_every_ddpm_step(ours, g, var, variance_type):
    """From each x_t of our trajectory the peer's step leads to our x_{t-1}, noise included."""

    def model(x, t):
        return torch.sin(3 * x) + 0.1 * x

    theirs = peer(diffusers.DDPMScheduler, ours, variance_type=variance_type)
    shape = (2, 1, 2, 3)
    xt = torch.randn(shape, generator=g, dtype=torch.float64)
    twin = torch.Generator().manual_seed(5)
    states = ld.ddpm_steps(model, ours, xt=xt, t=ours.T, var=var, generator=torch.Generator().manual_seed(5))
    state = next(states)
    for after in states:
        step = theirs.step(model(state.x, None), state.t - 1, state.x, generator=twin)
        torch.testing.assert_close(after.x, step.prev_sample, **CLOSE)
        torch.testing.assert_close(state.x0_hat, step.pred_original_sample, **CLOSE)
        state = after
    assert state.t == 0


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("stride", [1, 5], ids=["T", "T/5"])
def test_every_ddim_step(ours, g, stride, eta):
    def model(x, t):
        return torch.sin(3 * x) + 0.1 * x

    theirs = peer(diffusers.DDIMScheduler, ours, timestep_spacing="trailing")
    theirs.set_timesteps(ours.T // stride)
    xt = torch.randn(2, 1, 2, 3, generator=g, dtype=torch.float64)
    twin = torch.Generator().manual_seed(5)
    states = ld.ddim_steps(
        model,
        ours,
        xt=xt,
        t=ours.T,
        n_steps=ours.T // stride,
        eta=eta,
        generator=torch.Generator().manual_seed(5),
    )
    state, seen = next(states), []
    for after in states:
        seen.append(state.t - 1)
        noise = torch.randn(state.x.shape, generator=twin, dtype=torch.float64) if eta and after.t else None
        step = theirs.step(
            model(state.x, None),
            state.t - 1,
            state.x,
            eta=eta,
            variance_noise=torch.zeros_like(state.x) if noise is None else noise,
        )
        torch.testing.assert_close(after.x, step.prev_sample, **CLOSE)
        torch.testing.assert_close(state.x0_hat, step.pred_original_sample, **CLOSE)
        state = after
    assert seen == theirs.timesteps.tolist() and state.t == 0


def test_dpm_steps(g):
    s = ld.linear_schedule(20)
    theirs = diffusers.DPMSolverMultistepScheduler(
        20, trained_betas=s.beta[1:].tolist(), final_sigmas_type="zero"
    )
    theirs.set_timesteps(timesteps=list(range(19, -1, -1)))
    x = xT = torch.randn(2, 1, 3, 4, generator=g, dtype=torch.float64)
    *steps, end = ld.dpm_steps(lambda x, t: torch.sin(2 * x), s, xt=xT, t=20, n_steps=20)
    for t, state in zip(theirs.timesteps, steps):
        torch.testing.assert_close(state.x, x, rtol=1e-3, atol=1e-3)
        x = theirs.step(torch.sin(2 * x), t, x).prev_sample
    torch.testing.assert_close(end.x, x, rtol=1e-3, atol=1e-3)
