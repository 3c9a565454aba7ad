"""Editing with a trained model: repair a part, go between two samples, and back from data to noise."""

from collections.abc import Sequence

import torch

from labdiff.arguments import check_generator, device_of, randn
from labdiff.model_argument import Model
from labdiff.process import p_mean, predict_x0, q_sample, q_step
from labdiff.schedule import Schedule
from labdiff.trajectory import even_levels, noise_in, start


@torch.no_grad()
def inpaint(
    model: Model,
    s: Schedule,
    x0: torch.Tensor,
    mask: torch.Tensor,
    *,
    n_steps: int | None = None,
    resample: int = 1,
    any_schedule: bool = False,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Algorithm 2 with the known pixels put in at each level: fills in what the mask leaves open.

        x_{t-1} = mask q_sample(x_0, t-1, eps) + (1 - mask) (mu_theta(x_t, t) + sigma_t z)

    With resample > 1 each step is taken that often, with q_step back from t-1 to t between, so that the new
    pixels come to fit the known ones.

    Args:
        model: callable (x, t) -> eps_hat; called resample (n_steps - 1) + 1 times.
        s: Schedule.
        x0: (B, ...) real, clean data; what lies outside of the mask does not matter.
        mask: 1 where x0 is known, 0 where it is open; a tensor that broadcasts to x0 from the same number of
            dimensions.
        n_steps: steps, 1..T: fewer are longer ones, of the schedule of that many levels of s; None for T.
        resample: times that each step is taken, >= 1.
        any_schedule, generator: as in ddpm_steps.

    Returns: x_0, like x0, equal to it where mask = 1.
    Raises: TypeError, ValueError: wrong arguments, or a model's output of another shape.
    Source: Lugmayr et al. 2022, "RePaint", eq. 8 and algorithm 1.
    """
    generator = check_generator("inpaint", generator, device_of(model, x0.device))
    x, T, _ = start(
        "inpaint", model, s, None, randn(x0.shape, generator, like=x0), s.T, generator, any_schedule
    )
    levels = range(T + 1) if n_steps is None else even_levels(T, n_steps)[::-1]
    s = s if n_steps is None else every(s, levels)  # from here on t counts these levels
    is_known, sigma = mask == 1, s.beta.sqrt().tolist()
    for t in range(s.T, 0, -1):
        for again in reversed(range(resample if t > 1 else 1)):
            mean = p_mean(s, x, t, noise_in("inpaint", model, x, levels[t]))
            new = mean + sigma[t] * randn(x.shape, generator, like=x) if t > 1 else mean
            known = q_sample(s, x0, t - 1, randn(x.shape, generator, like=x))
            x = torch.where(is_known, known, new)
            if again:
                x = q_step(s, x, t, randn(x.shape, generator, like=x))
    return x


def every(s: Schedule, levels: Sequence[int]) -> Schedule:
    """The schedule of some levels of s only, rising from 0: a step from one to the next is one Gaussian, too.

    beta'_i = 1 - alpha_bar_t / alpha_bar_t',  t = levels[i], t' = levels[i - 1]
    """
    alpha_bar = s.alpha_bar[list(levels)]
    return Schedule(torch.cat([torch.zeros_like(alpha_bar[:1]), 1 - alpha_bar[1:] / alpha_bar[:-1]]))


def interpolate(a: torch.Tensor, b: torch.Tensor, w: float) -> torch.Tensor:
    """The point at w on the arc from a to b, for each sample: between two x_T it is as long as they are.

        sin((1 - w) theta) / sin(theta) a + sin(w theta) / sin(theta) b,  cos(theta) = <a, b> / (|a| |b|)

    Args:
        a, b: (B, ...) real, alike.
        w: a number in [0, 1]: 0 gives a, 1 gives b.

    Returns: like a.
    Raises: TypeError, ValueError: wrong arguments.
    Source: Shoemake 1985; for x_T: Song, Meng & Ermon 2021, appendix D.5.
    """
    u, v = (x.reshape(len(x), -1).to(torch.promote_types(x.dtype, torch.float32)) for x in (a, b))
    u, v = (x / x.abs().amax(1, keepdim=True) for x in (u, v))  # so that no sum of squares overflows
    cos = (u * v).sum(1) / (u.norm(dim=1) * v.norm(dim=1))
    theta = cos.clamp(-1, 1).acos().reshape(-1, *[1] * (a.ndim - 1))
    arc = (torch.sin((1 - w) * theta) * a + torch.sin(w * theta) * b) / torch.sin(theta)
    x = torch.where(torch.sin(theta).abs() > 1e-6, arc, (1 - w) * a + w * b)  # parallel: the arc is a line
    return x.to(a.dtype)


@torch.no_grad()
def invert(
    model: Model, s: Schedule, x0: torch.Tensor, *, n_steps: int = 50, any_schedule: bool = False
) -> torch.Tensor:
    """DDIM backwards, from data to the noise x_T that ddim_steps leads back to that data.

        x_{t'} = sqrt(alpha_bar_t') x0_hat + sqrt(1 - alpha_bar_t') eps_hat,  t' > t
        eps_hat = eps_theta(x_t, t'),  x0_hat = predict_x0(x_t, t, eps_hat)

    Args:
        model: callable (x, t) -> eps_hat; called n_steps times.
        s: Schedule.
        x0: (B, ...) real, clean data.
        n_steps: calls of the model, 1..T: the more, the nearer is the way back.
        any_schedule: as in ddpm_steps.

    Returns: x_T, like x0; give it to ddim_steps(model, s, xt=x_T, t=s.T).
    Raises: TypeError, ValueError: wrong arguments, or a model's output of another shape.
    Source: Song, Meng & Ermon 2021, section 4.3 and eq. 13; Dhariwal & Nichol 2021, appendix F.
    """
    start("invert", model, s, None, x0, s.T, None, any_schedule)
    x, t = x0, 0
    for t_next in reversed(even_levels(s.T, n_steps)[:-1]):
        eps_hat = noise_in("invert", model, x, t_next)
        x0_hat = predict_x0(s, x, t, eps_hat)
        x, t = q_sample(s, x0_hat, t_next, eps_hat), t_next
    return x
