"""The diffusion process: one function per formula. t = 0 is clean data, t = 1..T are noise levels.

These are the formulas alone. `ld.q_sample` and its like are the same functions behind a check of their
arguments, see edge.py.
"""

import torch

from labdiff.schedule import Levels, Schedule, Tables


def q_step(s: Schedule, x_prev: torch.Tensor, t: Levels, eps: torch.Tensor) -> torch.Tensor:
    """One noising step: a draw from q(x_t | x_{t-1}).

        x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps

    Args:
        s: Schedule.
        x_prev: (B, ...) real, x_{t-1}.
        t: (B,) int64, or one int for all, in 1..T.
        eps: like x_prev, standard normal.

    Returns: x_t, like x_prev.
    Raises: TypeError, ValueError: wrong type, shape, dtype, device, range, or NaN.
    Source: Ho et al. 2020, eq. 2; slides S4, S13.
    """
    at, t = tables_at(s, t, x_prev)
    return at.sqrt_alpha[t] * x_prev + at.sqrt_beta[t] * eps


def q_sample(s: Schedule, x0: torch.Tensor, t: Levels, eps: torch.Tensor) -> torch.Tensor:
    """The jump: a draw from q(x_t | x_0), at any t at once.

        x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps

    Args:
        s: Schedule.
        x0: (B, ...) real, clean data in about [-1, 1].
        t: (B,) int64, or one int for all, in 0..T; t = 0 gives x0 back.
        eps: like x0, standard normal.

    Returns: x_t, like x0.
    Raises: TypeError, ValueError: wrong type, shape, dtype, device, range, or NaN.
    Source: Ho et al. 2020, eq. 4; slides S5, S13.
    """
    at, t = tables_at(s, t, x0)
    return at.sqrt_alpha_bar[t] * x0 + at.sqrt_one_minus_alpha_bar[t] * eps


def q_posterior(
    s: Schedule, x0: torch.Tensor, xt: torch.Tensor, t: Levels
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance of q(x_{t-1} | x_t, x_0), the step back when x_0 is known.

        mu_tilde_t   = sqrt(alpha_bar_{t-1}) beta_t / (1 - alpha_bar_t) x_0
                     + sqrt(alpha_t) (1 - alpha_bar_{t-1}) / (1 - alpha_bar_t) x_t
        beta_tilde_t = (1 - alpha_bar_{t-1}) / (1 - alpha_bar_t) beta_t

    Args:
        s: Schedule.
        x0, xt: (B, ...) real, alike.
        t: (B,) int64, or one int for all, in 1..T.

    Returns: (mean, var): mean like xt; var (B, 1, ..., 1), 0 at t = 1 where mean = x0.
    Raises: TypeError, ValueError: wrong type, shape, dtype, device, range, or NaN.
    Source: Ho et al. 2020, eq. 6-7; slide S10.
    """
    at, t = tables_at(s, t, xt)
    on_x0 = at.sqrt_alpha_bar[t - 1] * at.beta[t] / at.one_minus_alpha_bar[t]
    on_xt = at.sqrt_alpha[t] * at.one_minus_alpha_bar[t - 1] / at.one_minus_alpha_bar[t]
    return on_x0 * x0 + on_xt * xt, at.beta_tilde[t]


def predict_x0(s: Schedule, xt: torch.Tensor, t: Levels, eps_hat: torch.Tensor) -> torch.Tensor:
    """The clean sample that x_t comes from if its noise was eps_hat: q_sample solved for x_0.

        x0_hat = (x_t - sqrt(1 - alpha_bar_t) eps_hat) / sqrt(alpha_bar_t)

    Args:
        s: Schedule.
        xt: (B, ...) real.
        t: (B,) int64, or one int for all, in 1..T.
        eps_hat: like xt, the predicted noise.

    Returns: x0_hat, like xt, not clamped. Near t = T it divides by a small sqrt(alpha_bar_t) and can be
        large.
    Raises: TypeError, ValueError: wrong type, shape, dtype, device, range, or NaN.
    Source: Ho et al. 2020, text above eq. 9 and eq. 15; slides S5, S11.
    """
    at, t = tables_at(s, t, xt)
    return (xt - at.sqrt_one_minus_alpha_bar[t] * eps_hat) / at.sqrt_alpha_bar[t]


def p_mean(s: Schedule, xt: torch.Tensor, t: Levels, eps_hat: torch.Tensor) -> torch.Tensor:
    """Mean of the learned step back p_theta(x_{t-1} | x_t), from the predicted noise.

        mu_theta = (x_t - beta_t / sqrt(1 - alpha_bar_t) eps_hat) / sqrt(alpha_t)

    Args:
        s: Schedule.
        xt: (B, ...) real.
        t: (B,) int64, or one int for all, in 1..T.
        eps_hat: like xt, the predicted noise.

    Returns: mu_theta(x_t, t), like xt.
    Raises: TypeError, ValueError: wrong type, shape, dtype, device, range, or NaN.
    Source: Ho et al. 2020, eq. 11; slide S11.
    """
    at, t = tables_at(s, t, xt)
    return (xt - at.beta[t] / at.sqrt_one_minus_alpha_bar[t] * eps_hat) / at.sqrt_alpha[t]


def tables_at(s: Schedule, t: Levels, x: torch.Tensor) -> tuple[Tables, Levels]:
    """The schedule's tables like x, and t as (B, 1, ..., 1), so that table[t] scales each sample of x."""
    return s.tables(x), t if isinstance(t, int) else t.reshape(-1, *[1] * (x.ndim - 1))
