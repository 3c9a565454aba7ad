"""Sampling: Algorithm 2 and DDIM as generators of states, from noise (t = T) to data (t = 0)."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from labdiff.arguments import randn
from labdiff.model_argument import Model
from labdiff.objective import reverse_var
from labdiff.process import p_mean
from labdiff.schedule import Schedule
from labdiff.trajectory import Shape, State, even_levels, reverse, start


def ddpm_steps(
    model: Model,
    s: Schedule,
    shape: Shape = None,
    *,
    xt: torch.Tensor | None = None,
    t: int | None = None,
    var: str = "beta",
    clip_x0: bool = False,
    any_schedule: bool = False,
    generator: torch.Generator | None = None,
) -> Iterator[State]:
    """Algorithm 2 (DDPM): from x_T ~ N(0, I) to x_0, one t at a time.

        x_{t-1} = 1/sqrt(alpha_t) (x_t - beta_t / sqrt(1 - alpha_bar_t) eps_theta(x_t, t)) + sigma_t z
        z ~ N(0, I), 0 at t = 1

    Args:
        model: callable (x, t) -> eps_hat; called T times, in eval mode, without gradients.
        s: Schedule.
        shape: (B, ...) of the samples. Or give instead
        xt, t: (B, ...) real and an int in 1..T, to start from a noised x_t rather than from noise at T.
        var: sigma_t^2 is "beta" (beta_t, right for x_0 ~ N(0, I)) or "beta_tilde" (right for a single known
            x_0).
        clip_x0: clip x0_hat to [-1, 1] and go on with the noise that belongs to it: near t = T, where x0_hat
            is a division by a small sqrt(alpha_bar_t), it keeps a network's small errors from growing. For
            images; off here, since Algorithm 2 has no such line. `sample` does it.
        any_schedule: take a schedule that the network was not trained with.
        generator: source of x_T and z, the only one; None for a fresh one.

    Yields: State, for t = T, T-1, .., 0: T+1 of them.
    Raises: TypeError, ValueError: wrong arguments, at the call; ValueError: a model's output of another
        shape.
    Source: Ho et al. 2020, Algorithm 2; slides S8, S14.
    """
    x, t, generator = start("ddpm_steps", model, s, shape, xt, t, generator, any_schedule)
    sigma = reverse_var(s, var, "ddpm_steps").sqrt().tolist()

    def step(state: State, eps_hat: torch.Tensor, t_prev: int) -> torch.Tensor:
        mean = p_mean(s, state.x, state.t, eps_hat)
        return mean + sigma[state.t] * randn(mean.shape, generator, like=mean) if t_prev else mean

    return reverse("ddpm_steps", model, s, x, range(t, -1, -1), step, clip_x0)


def ddim_steps(
    model: Model,
    s: Schedule,
    shape: Shape = None,
    *,
    n_steps: int | None = None,
    xt: torch.Tensor | None = None,
    t: int | None = None,
    eta: float = 0.0,
    clip_x0: bool = False,
    any_schedule: bool = False,
    generator: torch.Generator | None = None,
) -> Iterator[State]:
    """DDIM: from x_T ~ N(0, I) to x_0 in n_steps long steps, without noise on the way when eta = 0.

        x_{t'} = sqrt(alpha_bar_t') x0_hat + sqrt(1 - alpha_bar_t' - sigma^2) eps_theta(x_t, t) + sigma z
        sigma  = eta sqrt((1 - alpha_bar_t') / (1 - alpha_bar_t) (1 - alpha_bar_t / alpha_bar_t'))

    The levels t > t' > .. > 0 are spread evenly, T and 0 included.

    Args:
        model, s, shape, xt, t, clip_x0, any_schedule, generator: as in ddpm_steps.
        n_steps: calls of the model, 1..T, or 1..t with xt; None for 50, or all where there are fewer.
        eta: 0 for DDIM, 1 for as much noise as DDPM with beta_tilde; in [0, 1].

    Yields: State, n_steps+1 of them, the last at t = 0.
    Raises: TypeError, ValueError: wrong arguments, at the call; ValueError: a model's output of another
        shape.
    Source: Song, Meng & Ermon 2021, eq. 12 and 16; slide S14 (what comes after it).
    """
    x, t, generator = start("ddim_steps", model, s, shape, xt, t, generator, any_schedule)

    def step(state: State, eps_hat: torch.Tensor, t_prev: int) -> torch.Tensor:
        alpha_bar, alpha_bar_prev = s.alpha_bar[state.t].item(), s.alpha_bar[t_prev].item()
        var = eta**2 * (1 - alpha_bar_prev) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_prev)  # sigma^2
        x = alpha_bar_prev**0.5 * state.x0_hat + max(1 - alpha_bar_prev - var, 0.0) ** 0.5 * eps_hat
        return x + var**0.5 * randn(x.shape, generator, like=x) if var else x

    return reverse("ddim_steps", model, s, x, even_levels(t, n_steps or min(50, t)), step, clip_x0)


def dpm_steps(
    model: Model,
    s: Schedule,
    shape: Shape = None,
    *,
    n_steps: int | None = None,
    xt: torch.Tensor | None = None,
    t: int | None = None,
    clip_x0: bool = False,
    any_schedule: bool = False,
    generator: torch.Generator | None = None,
) -> Iterator[State]:
    """DPM-Solver++ (2M): DDIM that also looks where x0_hat is heading, and so needs fewer steps.

        x_{t'} = sqrt(alpha_bar_t') D + sqrt(1 - alpha_bar_t') eps_D
        eps_D  = (x_t - sqrt(alpha_bar_t) D) / sqrt(1 - alpha_bar_t)
        D      = x0_hat + (x0_hat - x0_hat before) (lambda_t' - lambda_t) / (2 (lambda_t - lambda before))
        lambda = 1/2 log(alpha_bar / (1 - alpha_bar));  D = x0_hat in the first and the last step

    Args:
        n_steps: calls of the model, 1..T, or 1..t with xt; None for 10, or all where there are fewer.
        model, s, shape, xt, t, clip_x0, any_schedule, generator: as in ddim_steps; nothing is drawn on the
            way.

    Yields: State, n_steps+1 of them, the last at t = 0.
    Raises: TypeError, ValueError: wrong arguments, at the call; ValueError: a model's output of another
        shape.
    Source: Lu et al. 2022, "DPM-Solver++", algorithm 2; slide S14 (what comes after it).
    """
    x, t, generator = start("dpm_steps", model, s, shape, xt, t, generator, any_schedule)
    lam = torch.logit(s.alpha_bar).div(2).tolist()
    before = None  # t and x0_hat of the step before

    def step(state: State, eps_hat: torch.Tensor, t_prev: int) -> torch.Tensor:
        nonlocal before
        alpha_bar, alpha_bar_prev = s.alpha_bar[state.t].item(), s.alpha_bar[t_prev].item()
        D, last, before = state.x0_hat, before, (state.t, state.x0_hat)
        if last is not None and t_prev > 0 and lam[state.t] > lam[last[0]]:
            D = D + (D - last[1]) * ((lam[t_prev] - lam[state.t]) / (lam[state.t] - lam[last[0]]) / 2)
        eps_D = (state.x - alpha_bar**0.5 * D) / (1 - alpha_bar) ** 0.5
        return alpha_bar_prev**0.5 * D + (1 - alpha_bar_prev) ** 0.5 * eps_D

    return reverse("dpm_steps", model, s, x, even_levels(t, n_steps or min(10, t)), step, clip_x0)


def sample(
    model: Model,
    s: Schedule,
    shape: Sequence[int],
    *,
    method: str = "ddpm",
    n_steps: int | None = None,
    clip_x0: bool | None = None,
    any_schedule: bool = False,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Just the images: the last state of ddpm_steps, ddim_steps or dpm_steps.

    Args:
        model, s, shape, any_schedule, generator: as in ddpm_steps.
        method: "ddpm" (T steps, sigma_t^2 = beta_t), or "ddim" or "dpm" (n_steps, no noise on the way).
        clip_x0: as in ddpm_steps; None does it for images (B, C, H, W), not for data of another shape.
        n_steps: default 50 for "ddim", 10 for "dpm" (T if that is less); "ddpm" always takes T.

    Returns: x_0, of the given shape.
    Raises: TypeError, ValueError: wrong arguments, or a model's output of another shape.
    Source: slide S14.
    """
    clip_x0 = len(shape) == 4 if clip_x0 is None else clip_x0
    how: dict[str, Any] = {"clip_x0": clip_x0, "any_schedule": any_schedule, "generator": generator}
    if method == "ddpm":
        states = ddpm_steps(model, s, shape, **how)
    else:
        sampler = {"ddim": ddim_steps, "dpm": dpm_steps}[method]
        states = sampler(model, s, shape, n_steps=n_steps, **how)
    for state in states:  # noqa: B007 - the last one is wanted
        pass
    return state.x
