"""Sampling: Algorithm 2 and DDIM as generators of states that the caller loops over, from noise (t = T) to data (t = 0)."""

import functools
from dataclasses import dataclass

import torch

from labdiff.arguments import (
    check_choice,
    check_data,
    check_generator,
    check_int,
    check_model,
    check_number,
    check_output,
    check_schedule,
    eval_mode,
    randn,
)
from labdiff.objective import reverse_var
from labdiff.process import p_mean, predict_x0
from labdiff.schedule import Schedule

CPU_BATCH = 200_000  # numbers of x that a model on a CPU gets at once: with more, each layer waits for memory new to it


@dataclass(frozen=True)
class State:
    """One state of a reverse trajectory.

    Attributes:
        t: noise level of x, T..0.
        x: (B, ...) x_t.
        eps_hat: (B, ...) the noise that the model sees in x_t; None at t = 0.
        s: the Schedule.
        x0_hat: (B, ...) the clean sample that follows from both, not clamped; x itself at t = 0. Computed when it is read.
    """

    t: int
    x: torch.Tensor
    eps_hat: torch.Tensor | None
    s: Schedule

    @functools.cached_property
    @torch.no_grad()
    def x0_hat(self):
        return self.x if self.t == 0 else predict_x0.__wrapped__(self.s, self.x, self.t, self.eps_hat)


def ddpm_steps(model, s, shape=None, *, xt=None, t=None, var="beta", generator=None):
    """Algorithm 2 (DDPM): from x_T ~ N(0, I) to x_0, one t at a time.

        x_{t-1} = 1/sqrt(alpha_t) (x_t - beta_t / sqrt(1 - alpha_bar_t) eps_theta(x_t, t)) + sigma_t z,   z = 0 at t = 1

    Args:
        model: callable (x, t) -> eps_hat; called T times, in eval mode, without gradients; on a CPU in parts of 255 digits.
        s: Schedule.
        shape: (B, ...) of the samples. Or give instead
        xt, t: (B, ...) real and an int in 1..T, to start from a noised x_t rather than from noise at T.
        var: sigma_t^2 is "beta" (beta_t, right for x_0 ~ N(0, I)) or "beta_tilde" (right for a single known x_0).
        generator: source of x_T and z; None for a fresh one.

    Yields: State, for t = T, T-1, .., 0: T+1 of them.
    Raises: TypeError, ValueError: wrong arguments, at the call; ValueError: a model's output of another shape.
    Source: Ho et al. 2020, Algorithm 2; slides S8, S14.
    """
    x, t, generator = _start("ddpm_steps", model, s, shape, xt, t, generator)
    sigma = reverse_var(s, var, "ddpm_steps").sqrt()

    def step(state, _):
        x, t = state.x, state.t
        mean = p_mean.__wrapped__(s, x, t, state.eps_hat)
        return mean.add_(randn(x.shape, generator, like=x), alpha=sigma[t].item()) if t > 1 else mean

    return _reverse("ddpm_steps", model, s, x, range(t, -1, -1), step)


def ddim_steps(model, s, shape=None, *, n_steps=50, xt=None, t=None, eta=0.0, generator=None):
    """DDIM: from x_T ~ N(0, I) to x_0 in n_steps long steps, without noise on the way when eta = 0.

        x_{t'} = sqrt(alpha_bar_t') x0_hat + sqrt(1 - alpha_bar_t' - sigma^2) eps_theta(x_t, t) + sigma z
        sigma  = eta sqrt((1 - alpha_bar_t') / (1 - alpha_bar_t) (1 - alpha_bar_t / alpha_bar_t'))

    The levels t > t' > .. > 0 are spread evenly, T and 0 included.

    Args:
        model, s, shape, xt, t, generator: as in ddpm_steps.
        n_steps: calls of the model, 1..T.
        eta: 0 for DDIM, 1 for as much noise as DDPM with beta_tilde; in [0, 1].

    Yields: State, n_steps+1 of them, the last at t = 0.
    Raises: TypeError, ValueError: wrong arguments, at the call; ValueError: a model's output of another shape.
    Source: Song, Meng & Ermon 2021, eq. 12 and 16; slide S14 (what comes after it).
    """
    check_number("ddim_steps", "eta", eta, "a number in [0, 1]", lambda v: 0 <= v <= 1)
    x, levels, generator = _long_steps("ddim_steps", model, s, shape, xt, t, n_steps, generator)

    def step(state, t_prev):
        alpha_bar, alpha_bar_prev = s.alpha_bar[state.t].item(), s.alpha_bar[t_prev].item()
        var = (
            eta**2 * (1 - alpha_bar_prev) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_prev)
        )  # 0 at t_prev = 0
        x = alpha_bar_prev**0.5 * state.x0_hat + max(1 - alpha_bar_prev - var, 0.0) ** 0.5 * state.eps_hat
        return x + var**0.5 * randn(x.shape, generator, like=x) if var else x

    return _reverse("ddim_steps", model, s, x, levels, step)


def dpm_steps(model, s, shape=None, *, n_steps=10, xt=None, t=None, generator=None):
    """DPM-Solver++ (2M): DDIM that also looks where x0_hat is heading, and so needs fewer steps.

        x_{t'} = sqrt(alpha_bar_t') D + sqrt(1 - alpha_bar_t') (x_t - sqrt(alpha_bar_t) D) / sqrt(1 - alpha_bar_t)
        D      = x0_hat + (x0_hat - x0_hat before) (lambda_t' - lambda_t) / (2 (lambda_t - lambda before))
        lambda = 1/2 log(alpha_bar / (1 - alpha_bar));  D = x0_hat in the first and the last step

    Args:
        model, s, shape, n_steps, xt, t, generator: as in ddim_steps; nothing is drawn on the way.

    Yields: State, n_steps+1 of them, the last at t = 0.
    Raises: TypeError, ValueError: wrong arguments, at the call; ValueError: a model's output of another shape.
    Source: Lu et al. 2022, "DPM-Solver++", algorithm 2; slide S14 (what comes after it).
    """
    x, levels, _ = _long_steps("dpm_steps", model, s, shape, xt, t, n_steps, generator)
    lam = torch.logit(s.alpha_bar).div(2).tolist()
    last = None

    def step(state, t_prev):
        nonlocal last
        alpha_bar, alpha_bar_prev = s.alpha_bar[state.t].item(), s.alpha_bar[t_prev].item()
        D = state.x0_hat
        if last is not None and t_prev > 0:
            D = D + (D - last.x0_hat) * ((lam[t_prev] - lam[state.t]) / (lam[state.t] - lam[last.t]) / 2)
        last = state
        eps_hat = (state.x - alpha_bar**0.5 * D) / (1 - alpha_bar) ** 0.5
        return alpha_bar_prev**0.5 * D + (1 - alpha_bar_prev) ** 0.5 * eps_hat

    return _reverse("dpm_steps", model, s, x, levels, step)


def sample(model, s, shape, *, method="ddpm", n_steps=None, generator=None):
    """Just the images: the last state of ddpm_steps, ddim_steps or dpm_steps.

    Args:
        model, s, shape, generator: as in ddpm_steps.
        method: "ddpm" (T steps, sigma_t^2 = beta_t), or "ddim" or "dpm" (n_steps, no noise on the way).
        n_steps: default 50 for "ddim", 10 for "dpm" (T if that is less); "ddpm" always takes T.

    Returns: x_0, of the given shape, not clamped.
    Raises: TypeError, ValueError: wrong arguments, or a model's output of another shape.
    Source: slide S14.
    """
    check_choice("sample", "method", method, ("ddpm", "ddim", "dpm"))
    x, t, generator = _start("sample", model, s, shape, None, None, generator)
    if n_steps is None:
        n_steps = min({"ddpm": s.T, "ddim": 50, "dpm": 10}[method], s.T)
    check_int("sample", "n_steps", n_steps, most=s.T)
    if method == "ddpm" and n_steps < s.T:
        raise ValueError(
            f"sample: n_steps: expected None or T = {s.T} for method='ddpm', got {n_steps}. Use method='ddim'"
        )
    sampler = {"ddpm": ddpm_steps, "ddim": ddim_steps, "dpm": dpm_steps}[method]
    steps = sampler(
        model, s, xt=x, t=t, generator=generator, **({} if method == "ddpm" else {"n_steps": n_steps})
    )
    for state in steps:
        pass
    return state.x


def _start(function, model, s, shape, xt, t, generator):
    """Check the arguments that all samplers share; return the first x, its t and the generator."""
    check_model(function, model)
    check_schedule(function, s)
    parameter = next(model.parameters(), None) if isinstance(model, torch.nn.Module) else None
    generator = check_generator(function, generator, "cpu" if parameter is None else parameter.device)
    like = torch.empty(0, device=generator.device) if parameter is None else parameter
    given = [name for name, value in dict(shape=shape, xt=xt, t=t).items() if value is not None]
    if given == ["xt", "t"]:
        check_data(function, {"xt": xt})
        check_int(function, "t", t, most=s.T)
        return xt, t, generator
    if given != ["shape"]:
        got = " and ".join(given) or "neither"
        raise ValueError(f"{function}: shape: expected either shape, or xt with its t, got {got}")
    if not isinstance(shape, (tuple, list)) or not shape or not all(type(n) is int and n > 0 for n in shape):
        raise ValueError(
            f"{function}: shape: expected whole numbers >= 1 such as (16, 1, 28, 28), got {shape!r}"
        )
    return randn(shape, generator, like), s.T, generator


def _long_steps(function, model, s, shape, xt, t, n_steps, generator):
    """As _start, with n_steps+1 levels from t to 0 in place of t."""
    check_int(function, "n_steps", n_steps)
    x, t, generator = _start(function, model, s, shape, xt, t, generator)
    if n_steps > t:
        raise ValueError(
            f"{function}: n_steps: expected at most one for each of the {t} noise levels, got {n_steps}"
        )
    return x, [t * i // n_steps for i in range(n_steps, -1, -1)], generator


@torch.no_grad()
def _reverse(function, model, s, x, levels, step):
    """Yield the states at `levels`; step(state, t_prev) makes the next x. Nothing is read from a GPU: no waiting."""
    at_once = max(1, CPU_BATCH // x[0].numel()) if x.device.type == "cpu" else len(x)
    for t, t_prev in zip(levels, levels[1:]):
        with eval_mode(model):
            parts = [model(part, torch.full((len(part),), t, device=x.device)) for part in x.split(at_once)]
        eps_hat = torch.cat(parts) if parts[1:] else parts[0]
        check_output(function, eps_hat, x)
        state = State(t, x, eps_hat.to(x.dtype), s)
        yield state
        x = step(state, t_prev)
    yield State(0, x, None, s)
