"""Toys: Gaussian mixtures whose densities and exact denoisers are known, and points on a spiral."""

import math
from collections.abc import Callable, Sequence

import torch

from labdiff.arguments import check_data, check_generator, check_int, check_number, check_schedule, check_t
from labdiff.schedule import Schedule
from labdiff.signature import checked


class GaussianMixture:
    """A mixture of Gaussians sum_k w_k N(m_k, v I), with density and exact denoiser; v = 0: a set of points.

    Args:
        means: (K, ...) real, the centres m_k: (K, 1) in 1-D, (K, 2) in the plane, (K, 1, 28, 28) for digits.
        var: v >= 0, the variance of each component in each dimension.
        weights: (K,) > 0, scaled to sum 1; default equal.

    Source: slides S5, S6 (what q(x_t) becomes, and the exact answer to what the network has to learn).
    """

    @checked
    def __init__(
        self, means: torch.Tensor, var: float = 0.0, weights: Sequence[float] | torch.Tensor | None = None
    ):
        real = isinstance(means, torch.Tensor) and means.is_floating_point()
        if not real or means.ndim < 2 or not len(means):
            got = tuple(means.shape) if isinstance(means, torch.Tensor) else type(means).__name__
            expected = "real numbers of shape (K, ...), a tensor such as (K, 1) in 1-D, K >= 1"
            raise ValueError(f"GaussianMixture: means: expected {expected}, got {got}")
        check_data("GaussianMixture", {"means": means})
        check_number("GaussianMixture", "var", var, "a number >= 0", lambda v: 0 <= v < math.inf)
        try:
            w = torch.as_tensor([1.0] * len(means) if weights is None else weights, dtype=means.dtype)
            fit = w.shape == (len(means),) and ((w > 0) & (w < math.inf)).all().item()
        except (TypeError, ValueError, RuntimeError):  # a text, a dict, a list of lists of several lengths
            fit = False
        if not fit:
            raise ValueError(
                f"GaussianMixture: weights: expected {len(means)} positive numbers, got {weights!r}"
            )
        self.means, self.var = means, float(var)
        self.weights = (w / w.sum()).to(means.device)

    @checked
    def sample(self, n: int, generator: torch.Generator | None) -> torch.Tensor:
        """(n, ...) independent draws."""
        check_int("GaussianMixture.sample", "n", n)
        generator = check_generator("GaussianMixture.sample", generator, self.means.device)
        k = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        means = self.means[k]
        noise = torch.randn(means.shape, generator=generator, device=means.device, dtype=means.dtype)
        return means + math.sqrt(self.var) * noise

    @checked
    def noised(self, alpha_bar: float) -> "GaussianMixture":
        """The mixture of sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps with x_0 from this one."""
        check_number(
            "GaussianMixture.noised", "alpha_bar", alpha_bar, "a number in [0, 1]", lambda v: 0 <= v <= 1
        )
        return GaussianMixture(
            math.sqrt(alpha_bar) * self.means, alpha_bar * self.var + 1 - alpha_bar, self.weights
        )

    @checked
    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        """(B,) log density at x (B, ...), in nats; needs var > 0."""
        if self.var == 0:
            raise ValueError(
                "GaussianMixture.log_prob: expected var > 0, got 0: points have no density. Use .noised()"
            )
        self._check("GaussianMixture.log_prob", x)
        square = torch.cdist(
            x.flatten(1), self.means.flatten(1), compute_mode="donot_use_mm_for_euclid_dist"
        ).square()  # (B, K)
        log_joint = self.weights.log() - square / (2 * self.var)
        return torch.logsumexp(log_joint, dim=1) - x[0].numel() / 2 * math.log(2 * math.pi * self.var)

    @checked
    def exact_eps(self, s: Schedule) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        """The exact answer as a model (x, t) -> E[eps | x_t]: no network has a lower loss on this mixture.

            E[eps | x_t] = sqrt(1 - alpha_bar_t) (x_t - sqrt(alpha_bar_t) sum_k p_k m_k) / v_t
            p_k ~ w_k exp(-|x_t - sqrt(alpha_bar_t) m_k|^2 / 2 v_t),  v_t = alpha_bar_t v + 1 - alpha_bar_t

        Args:
            s: the Schedule that made x_t.

        Returns: a callable (x, t) -> eps_hat for samplers and losses; x (B, ...), t (B,) int64 in 1..T.
        """
        check_schedule("exact_eps", s)
        means = self.means.flatten(1)
        half_squares = means.square().sum(1) / 2
        signal, noise = s.alpha_bar.sqrt().to(means), (1 - s.alpha_bar).sqrt().to(means)  # (T+1,)
        var = (s.alpha_bar * self.var + 1 - s.alpha_bar).to(means)

        def model(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            self._check("exact_eps", x)
            t = check_t("exact_eps", t, s.T, 1, x)
            xt = x.to(means).flatten(1)
            r, v, c = signal[t, None], var[t, None], noise[t, None]  # each (B, 1)
            # |x_t|^2 is the same for all k, so that it cancels in p_k
            log_p = self.weights.log() + (r * (xt @ means.T) - r * r * half_squares) / v  # (B, K)
            eps_hat = c * (xt - r * (log_p.softmax(dim=1) @ means)) / v
            return eps_hat.reshape(x.shape).to(x)

        return model

    def _check(self, function: str, x: torch.Tensor) -> None:
        check_data(function, {"x": x})
        if x.shape[1:] != self.means.shape[1:]:
            shape = ", ".join(map(str, self.means.shape[1:]))
            raise ValueError(
                f"{function}: x: expected shape (B, {shape}) like the means, got {tuple(x.shape)}"
            )


def two_bumps() -> GaussianMixture:
    """The 1-D mixture of the notebooks: 0.3 N(-0.7, 0.15^2) + 0.7 N(0.5, 0.15^2), in float64."""
    return GaussianMixture(
        torch.tensor([[-0.7], [0.5]], dtype=torch.float64), var=0.15**2, weights=[0.3, 0.7]
    )


def spiral(n: int, generator: torch.Generator | None) -> torch.Tensor:
    """(n, 2) float32 points on a spiral of two turns, in about [-1, 1]: a 2-D toy that trains in seconds."""
    check_int("spiral", "n", n)
    generator = check_generator("spiral", generator)
    u = torch.rand(n, generator=generator, device=generator.device).sqrt()
    angle = 4 * math.pi * u
    noise = 0.02 * torch.randn(n, 2, generator=generator, device=generator.device)
    return u[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1) + noise
