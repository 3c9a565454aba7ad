"""Noise schedules: beta_t and everything that follows from it, indexed by the slides' t."""

import math
import warnings
from dataclasses import dataclass, field
from typing import TypeAlias

import torch

from labdiff.signature import checked_class

Levels: TypeAlias = int | torch.Tensor  # t: (B,) int64, or one int for all


@dataclass(frozen=True, eq=False)
class Tables:
    """What the formulas look up, each (T+1,) and indexed by t: made in float64, then cast."""

    beta: torch.Tensor
    beta_tilde: torch.Tensor
    sqrt_alpha: torch.Tensor
    sqrt_beta: torch.Tensor
    sqrt_alpha_bar: torch.Tensor
    one_minus_alpha_bar: torch.Tensor
    sqrt_one_minus_alpha_bar: torch.Tensor


@checked_class
@dataclass(frozen=True, eq=False)
class Schedule:
    """The variances beta_1..beta_T of the forward process, and the products that the slides define.

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
    _tables: dict = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self):
        beta = _checked_beta(self.beta).detach().to("cpu", torch.float64, copy=True)
        alpha = 1 - beta
        alpha_bar = alpha.cumprod(0).clamp(min=1e-37)  # its root can be divided by, in float32 too
        beta_tilde = torch.zeros_like(beta)
        beta_tilde[1:] = (1 - alpha_bar[:-1]) / (1 - alpha_bar[1:]) * beta[1:]  # eq. 7
        for name, array in dict(beta=beta, alpha=alpha, alpha_bar=alpha_bar, beta_tilde=beta_tilde).items():
            object.__setattr__(self, name, array)  # the dataclass is frozen
        if alpha_bar[-1] > 0.01:
            warnings.warn(
                f"alpha_bar_T = {alpha_bar[-1]:.3f}: x_T keeps {100 * alpha_bar[-1]:.0f} % of the data's "
                "variance, so it is not N(0, I). Use a larger T or larger betas",
                stacklevel=4,  # the line that calls Schedule(...)
            )

    @property
    def T(self) -> int:
        return self.beta.shape[0] - 1

    def tables(self, x: torch.Tensor) -> Tables:
        """The tables in x's dtype on x's device, made at the first call for each."""
        key = x.device, x.dtype
        if key not in self._tables:
            with torch.inference_mode(False):  # what is made in inference mode can't be trained with
                noise_var = 1 - self.alpha_bar
                made = [self.beta, self.beta_tilde, self.alpha.sqrt(), self.beta.sqrt()]
                made += [self.alpha_bar.sqrt(), noise_var, noise_var.sqrt()]
                self._tables[key] = Tables(*(table.to(x.device, x.dtype) for table in made))
        return self._tables[key]

    def __repr__(self) -> str:
        beta = f"{self.beta[1]:.2g}..{self.beta[-1]:.2g}"
        return f"Schedule(T={self.T}, beta={beta}, alpha_bar_T={self.alpha_bar[-1]:.2g})"


def linear_schedule(T: int = 1000, beta_1: float = 1e-4, beta_T: float = 0.02) -> Schedule:
    """Betas that rise linearly in t; the end points are for T = 1000, scaled by 1000/T for another T.

        beta_t = (1000/T) * (beta_1 + (t-1)/(T-1) * (beta_T - beta_1)), at most 0.999

    Without the factor 1000/T a small T would leave signal in x_T.

    Args:
        T: number of noise levels, >= 1.
        beta_1, beta_T: first and last beta at T = 1000, in (0, 1).

    Returns: a Schedule.
    Raises: TypeError, ValueError for a T or beta outside its range.
    Source: Ho et al. 2020, section 4; slide S4.
    """
    if T == 1:
        beta = torch.tensor([beta_T], dtype=torch.float64)  # a single step has to do all the noising
    else:
        beta = torch.linspace(beta_1, beta_T, T, dtype=torch.float64)
    return _schedule(beta * (1000 / T))


def cosine_schedule(T: int = 1000, offset: float = 0.008) -> Schedule:
    """Betas such that alpha_bar_t falls like a squared cosine: noise comes slowly at both ends.

        alpha_bar_t = f(t) / f(0),  f(t) = cos^2( (t/T + offset) / (1 + offset) * pi/2 )
        beta_t at most 0.999

    Args:
        T: number of noise levels, >= 1.
        offset: keeps beta_1 from vanishing, in [0, 1).

    Returns: a Schedule.
    Raises: TypeError, ValueError for a T or offset outside its range.
    Source: Nichol & Dhariwal 2021, eq. 17.
    """
    u = torch.arange(T + 1, dtype=torch.float64) / T
    f = torch.cos((u + offset) / (1 + offset) * math.pi / 2) ** 2
    return _schedule(1 - f[1:] / f[:-1])


def _schedule(beta: torch.Tensor) -> Schedule:
    """Schedule of beta_1..beta_T, capped below 1 and with beta[0] = 0 put before them."""
    return Schedule(torch.cat([torch.zeros(1, dtype=torch.float64), beta.clamp(max=0.999)]))


def _checked_beta(beta):
    """beta itself, where it is one that a Schedule can be made of."""
    if not isinstance(beta, torch.Tensor):
        got = f"{type(beta).__name__}. Use torch.as_tensor(beta)"
        raise TypeError(f"Schedule: beta: expected a tensor of shape (T+1,), got {got}")
    if not beta.is_floating_point():
        raise TypeError(f"Schedule: beta: expected real numbers such as float32, got {beta.dtype}")
    if beta.ndim != 1 or len(beta) < 2:
        raise ValueError(f"Schedule: beta: expected shape (T+1,) with T >= 1, got {tuple(beta.shape)}")
    if beta.is_meta:
        raise ValueError("Schedule: beta: expected a device that holds numbers, got meta")
    if not torch.isfinite(beta).all():
        raise ValueError("Schedule: beta: expected finite numbers, got some that are NaN or infinite")
    if beta[0] != 0:
        raise ValueError(
            f"Schedule: beta: expected beta[0] = 0 (t = 0 is clean data), got {beta[0]:g}. "
            "Put a 0 before beta_1"
        )
    if not ((beta[1:] > 0) & (beta[1:] < 1)).all():
        got = f"{beta[1:].min():g}..{beta[1:].max():g}"
        raise ValueError(f"Schedule: beta: expected 0 < beta[t] < 1 for t >= 1, got values in {got}")
    return beta
