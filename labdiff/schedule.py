"""Noise schedules: beta_t and everything that follows from it, indexed by the slides' t."""

import math
import warnings
from dataclasses import dataclass, field

import torch

from labdiff.arguments import check_data, check_int, check_number


@dataclass(frozen=True, eq=False)
class Schedule:
    """The variances beta_1..beta_T of the forward process, with the products that the slides define from them.

    Every array is float64 on the CPU, has length T+1 and is indexed by t itself: t = 0 is clean data
    (beta[0] = 0, alpha_bar[0] = 1), t = 1..T are noise levels. So alpha_bar[t-1] needs no special case.

    Args:
        beta: (T+1,) real numbers, beta[0] = 0 and 0 < beta[t] < 1 for t >= 1.

    Attributes:
        T: number of noise levels.
        alpha: (T+1,) alpha_t = 1 - beta_t.
        alpha_bar: (T+1,) alpha_bar_t = alpha_1 * ... * alpha_t, the share of the data's variance left in x_t.
        beta_tilde: (T+1,) variance of q(x_{t-1} | x_t, x_0); beta_tilde[1] = 0 exactly.

    Raises:
        TypeError, ValueError: beta is not such a tensor.

    Warns:
        UserWarning: alpha_bar_T leaves signal behind, so that sampling may not start from N(0, I).

    Source: Ho et al. 2020, section 2, eq. 7; slides S4, S10, S13.
    """

    beta: torch.Tensor
    alpha: torch.Tensor = field(init=False, repr=False)
    alpha_bar: torch.Tensor = field(init=False, repr=False)
    beta_tilde: torch.Tensor = field(init=False, repr=False)

    def __post_init__(self):
        beta = self.beta
        if not isinstance(beta, torch.Tensor):
            raise TypeError(f"Schedule: beta: expected a tensor of shape (T+1,), got {type(beta).__name__}")
        if beta.ndim != 1 or len(beta) < 2:
            raise ValueError(f"Schedule: beta: expected shape (T+1,) with T >= 1, got {tuple(beta.shape)}")
        check_data("Schedule", {"beta": beta})
        beta = beta.detach().to("cpu", torch.float64, copy=True)
        if beta[0] != 0:
            raise ValueError(
                f"Schedule: beta: expected beta[0] = 0 (t = 0 is clean data), got {beta[0]:g}. "
                "Put a 0 before beta_1"
            )
        if not ((beta[1:] > 0) & (beta[1:] < 1)).all():
            raise ValueError(
                f"Schedule: beta: expected 0 < beta[t] < 1 for t >= 1, "
                f"got values in {beta[1:].min():g}..{beta[1:].max():g}"
            )
        alpha = 1 - beta
        alpha_bar = alpha.cumprod(0)
        beta_tilde = torch.zeros_like(beta)
        beta_tilde[1:] = (1 - alpha_bar[:-1]) / (1 - alpha_bar[1:]) * beta[1:]  # eq. 7
        for name, array in dict(beta=beta, alpha=alpha, alpha_bar=alpha_bar, beta_tilde=beta_tilde).items():
            object.__setattr__(self, name, array)  # the dataclass is frozen
        if alpha_bar[-1] > 0.01:
            warnings.warn(
                f"alpha_bar_T = {alpha_bar[-1]:.3f}: x_T keeps {100 * alpha_bar[-1]:.0f} % of the data's "
                "variance, so it is not N(0, I). Use a larger T or larger betas",
                stacklevel=3,
            )

    @property
    def T(self):
        return len(self.beta) - 1

    def __repr__(self):
        return f"Schedule(T={self.T}, beta={self.beta[1]:.2g}..{self.beta[-1]:.2g}, alpha_bar_T={self.alpha_bar[-1]:.2g})"


def linear_schedule(T=1000, beta_1=1e-4, beta_T=0.02):
    """Betas that rise linearly in t; the end points are those for T = 1000 and are scaled by 1000/T for another T.

        beta_t = (1000/T) * (beta_1 + (t-1)/(T-1) * (beta_T - beta_1)), at most 0.999

    Without the factor 1000/T a small T would leave signal in x_T.

    Args:
        T: number of noise levels, >= 1.
        beta_1, beta_T: first and last beta at T = 1000, in (0, 1).

    Returns: a Schedule.
    Raises: TypeError, ValueError for a T or beta outside its range.
    Source: Ho et al. 2020, section 4; slide S4.
    """
    check_int("linear_schedule", "T", T)
    for name, value in dict(beta_1=beta_1, beta_T=beta_T).items():
        check_number("linear_schedule", name, value, "a number in (0, 1)", lambda v: 0 < v < 1)
    if T == 1:
        beta = torch.tensor([beta_T], dtype=torch.float64)  # a single step has to do all the noising
    else:
        beta = torch.linspace(beta_1, beta_T, T, dtype=torch.float64)
    return _schedule(beta * (1000 / T))


def cosine_schedule(T=1000, offset=0.008):
    """Betas such that alpha_bar_t falls like a squared cosine: noise comes slowly at both ends.

        alpha_bar_t = f(t) / f(0),  f(t) = cos^2( (t/T + offset) / (1 + offset) * pi/2 ),  beta_t at most 0.999

    Args:
        T: number of noise levels, >= 1.
        offset: keeps beta_1 from vanishing, in [0, 1).

    Returns: a Schedule.
    Raises: TypeError, ValueError for a T or offset outside its range.
    Source: Nichol & Dhariwal 2021, eq. 17.
    """
    check_int("cosine_schedule", "T", T)
    check_number("cosine_schedule", "offset", offset, "a number in [0, 1)", lambda v: 0 <= v < 1)
    u = torch.arange(T + 1, dtype=torch.float64) / T
    f = torch.cos((u + offset) / (1 + offset) * math.pi / 2) ** 2
    return _schedule(1 - f[1:] / f[:-1])


def _schedule(beta):
    """Schedule of beta_1..beta_T, capped below 1 and with beta[0] = 0 put before them."""
    return Schedule(torch.cat([torch.zeros(1, dtype=torch.float64), beta.clamp(max=0.999)]))
