"""The objective: from the ELBO and its KL terms to the simple noise loss (slides S9 to S12)."""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from labdiff.arguments import check_choice, check_data, check_generator, eval_mode, randn
from labdiff.model_argument import Model, check_output
from labdiff.process import p_mean, q_posterior, q_sample
from labdiff.schedule import Levels, Schedule

Reals = torch.Tensor | float


def normal_kl(mean1: Reals, var1: Reals, mean2: Reals, var2: Reals) -> torch.Tensor:
    """KL(N(mean1, var1) || N(mean2, var2)) of one-dimensional normals, element by element.

        KL = 1/2 ( log(var2/var1) + var1/var2 + (mean1 - mean2)^2 / var2 - 1 )

    Args:
        mean1, mean2: real tensors or numbers.
        var1, var2: variances > 0 (not stds). Tensors must have the same number of dimensions and broadcast
            (a variance (B, 1, 1, 1) goes with a mean (B, C, H, W)); numbers go with everything.

    Returns: the KL in nats, >= 0, in the arguments' common shape; sum over it for the KL of the joint.
    Raises: TypeError, ValueError: not real, NaN, shapes that differ, a variance that is not positive.
    Source: slides S10, S11; Kingma & Welling 2014, appendix B.
    """
    return 0.5 * (torch.log(torch.as_tensor(var2 / var1)) + var1 / var2 + (mean1 - mean2) ** 2 / var2 - 1)


def eps_weight(s: Schedule, t: Levels, var: str = "beta") -> torch.Tensor:
    """The weight that the ELBO puts on the squared noise error at t.

        w_t = beta_t^2 / (2 sigma_t^2 alpha_t (1 - alpha_bar_t)),  sigma_t^2 = beta_t or beta_tilde_t

    The simple loss drops it. With "beta_tilde", w_1 is infinite: sigma_1 = 0, and t = 1 belongs to L_0.

    Args:
        s: Schedule.
        t: (B,) int64, or one int, in 1..T.
        var: "beta" or "beta_tilde", the choice of sigma_t^2.

    Returns: (B,) float64 on the CPU, in nats per dimension for a squared error averaged over dimensions.
    Raises: TypeError, ValueError: wrong type, shape, range or choice.
    Source: Ho et al. 2020, eq. 12; slide S12.
    """
    sigma2 = reverse_var(s, var, "eps_weight")
    t = torch.as_tensor(t).cpu()
    return s.beta[t] ** 2 / (2 * sigma2[t] * s.alpha[t] * (1 - s.alpha_bar[t]))


def eps_loss(model: Model, s: Schedule, x0: torch.Tensor, t: Levels, eps: torch.Tensor) -> torch.Tensor:
    """The simple loss: how far the model's noise is from the noise that was put in.

        L_simple = mean of || eps - eps_theta(x_t, t) ||^2
        x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps

    Args:
        model: callable (x, t) -> eps_hat, x (B, ...), t (B,) int64, eps_hat like x.
        s: Schedule.
        x0: (B, ...) real, clean data.
        t: (B,) int64, or one int for all, in 1..T.
        eps: like x0, standard normal.

    Returns: the mean over batch and dimensions, a scalar tensor that can be differentiated; 1 for a model
        that says 0.
    Raises: TypeError, ValueError: wrong type, shape, dtype, device, range, NaN, or a model's output of
        another shape.
    Source: Ho et al. 2020, eq. 14; slides S12, S14 (Algorithm 1).
    """
    return eps_errors("eps_loss", model, s, x0, t, eps).mean()


def eps_errors(
    function: str, model: Model, s: Schedule, x0: torch.Tensor, t: Levels, eps: torch.Tensor
) -> torch.Tensor:
    """What eps_loss() is the mean of: the squared error of each sample, (B,), a mean over its dimensions."""
    t = torch.as_tensor(t, device=x0.device).expand(len(x0))
    eps_hat = model(q_sample(s, x0, t, eps), t)
    check_output(function, eps_hat, eps)
    return F.mse_loss(eps_hat, eps, reduction="none").reshape(len(eps), -1).mean(1)


def reverse_var(s: Schedule, var: str, function: str) -> torch.Tensor:
    """(T+1,) float64: sigma_t^2 of the reverse step, beta_t or beta_tilde_t (slide S8)."""
    check_choice(function, "var", var, ("beta", "beta_tilde"))
    return getattr(s, var)


@dataclass(frozen=True)
class Elbo:
    """The terms of L = L_T + sum_{t=2..T} L_{t-1} + L_0, each a mean over the batch in bits per dimension.

    L[t] is the term of noise level t, the slides' L_{t-1}: (T+1,) float64, zero at t = 0 and 1. total bounds
    -log2 p(x_0).
    """

    L_T: float
    L: torch.Tensor
    L_0: float

    @property
    def total(self) -> float:
        return self.L_T + self.L.sum().item() + self.L_0


@torch.no_grad()
def elbo(
    model: Model,
    s: Schedule,
    x0: torch.Tensor,
    *,
    var: str = "beta",
    bins: int | None = 256,
    generator: torch.Generator | None = None,
) -> Elbo:
    """Every term of the negative ELBO, each expectation over x_t by one draw per sample.

        L_T     = KL( q(x_T | x_0) || N(0, I) )
        L_{t-1} = KL( q(x_{t-1} | x_t, x_0) || p_theta(x_{t-1} | x_t) )   for t = 2..T
        L_0     = -log p_theta(x_0 | x_1),  with sigma_1^2 = beta_1

    Args:
        model: callable (x, t) -> eps_hat; called T times, in eval mode.
        s: Schedule.
        x0: (B, ...) real, clean data in [-1, 1].
        var: "beta" or "beta_tilde", the choice of sigma_t^2 for t >= 2.
        bins: number of grey levels that x0 is made of, for L_0's probability of a level (Ho et al. eq. 13);
            None for real-valued data, where L_0 is a density and may be negative.
        generator: source of the noise; None for a fresh one.

    Returns: an Elbo: .L_T, .L (T+1,), .L_0, .total, in bits per dimension.
    Raises: TypeError, ValueError: wrong type, shape, dtype, range, NaN, or a model's output of another shape.
    Source: Ho et al. 2020, eq. 5 and 13; slides S9, S10.
    """
    sigma2 = reverse_var(s, var, "elbo")
    generator = check_generator("elbo", generator)
    at = s.tables(x0)
    L_T = normal_kl(at.sqrt_alpha_bar[-1] * x0, at.one_minus_alpha_bar[-1], 0.0, 1.0).mean().item()
    L = torch.zeros(s.T + 1, dtype=torch.float64)
    for t in range(1, s.T + 1):
        t_batch = torch.full((len(x0),), t, device=x0.device)
        xt = q_sample(s, x0, t_batch, randn(x0.shape, generator, like=x0))
        with eval_mode(model):
            eps_hat = model(xt.clone(), t_batch.clone())  # a model may write into what it is given
        check_output("elbo", eps_hat, xt)
        check_data("elbo", {"model(x, t)": eps_hat})
        mean = p_mean(s, xt, t_batch, eps_hat.to(xt.dtype))
        if t == 1:
            L_0 = -_log_likelihood(x0, mean, s.beta[1].sqrt().item(), bins).mean().item()
        else:
            mu_tilde, beta_tilde = q_posterior(s, x0, xt, t_batch)
            L[t] = normal_kl(mu_tilde, beta_tilde, mean, sigma2[t].item()).mean().item()
    return Elbo(L_T / math.log(2), L / math.log(2), L_0 / math.log(2))


def _log_likelihood(x0, mean, sigma, bins):
    """log N(x0; mean, sigma^2), or for `bins` levels in [-1, 1] the log of its mass on x0's level."""
    x0, mean = x0.cpu().double(), mean.cpu().double()
    normal = torch.distributions.Normal(mean, sigma, validate_args=False)
    if bins is None:
        return normal.log_prob(x0)
    half = 1 / (bins - 1)  # half the distance of two levels; the outermost levels own the tails
    upper = torch.where(x0 > 1 - half, 1.0, normal.cdf(x0 + half))
    lower = torch.where(x0 < -1 + half, 0.0, normal.cdf(x0 - half))
    return (upper - lower).clamp(min=1e-12).log()
