"""Preconditioning: the skip connection that makes two CPU cores enough to train the network."""

import torch
from torch import nn

from labdiff.arguments import check_data, check_t
from labdiff.schedule import Schedule


class Preconditioned(nn.Module):
    """The skip connection that gives the noise for free where x_t is almost all noise.

        eps_hat = sqrt(1 - alpha_bar_t) x_t + sqrt(alpha_bar_t) F(x_t, t)

    What is left for the network is F = sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) x_0, of the same size at
    every t.

    Args:
        alpha_bar: (T+1,) of the Schedule that the model is trained with. Kept as a buffer, so it travels with
            the weights.

    Call: (x_t, t, F) with x_t and F (B, ...), t (B,) int64. Returns eps_hat like x_t.
    Source: Karras et al. 2022, section 5; Salimans & Ho 2022, appendix D (F is their v).
    """

    signal: torch.Tensor
    noise: torch.Tensor

    rtol = 1e-4  # of alpha_bar, as far as the buffers know it

    def __init__(self, alpha_bar: torch.Tensor):
        super().__init__()
        check_data("Preconditioned", {"alpha_bar": alpha_bar})
        if alpha_bar.ndim != 1 or alpha_bar[0] != 1 or (alpha_bar < 0).any() or (alpha_bar > 1).any():
            raise ValueError(
                "Preconditioned: alpha_bar: expected that of a Schedule, (T+1,) in [0, 1] with alpha_bar[0] "
                f"= 1, got shape {tuple(alpha_bar.shape)}, values {alpha_bar.min():g}..{alpha_bar.max():g}"
            )
        self.alpha_bar = alpha_bar.detach().to("cpu", torch.float64, copy=True)
        self.register_buffer("signal", alpha_bar.sqrt().float())
        self.register_buffer("noise", (1 - alpha_bar).sqrt().float())

    def forward(self, xt: torch.Tensor, t: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        t = check_t("Preconditioned", t, len(self.signal) - 1, 1, xt, wait=False)
        signal, noise = (
            a[t].reshape(-1, *[1] * (xt.ndim - 1)).to(xt.dtype) for a in (self.signal, self.noise)
        )
        return noise * xt + signal * out

    def _load_from_state_dict(self, state_dict, prefix, *args):
        super()._load_from_state_dict(state_dict, prefix, *args)
        if (loaded := state_dict.get(prefix + "signal")) is not None:  # perhaps in half precision
            self.rtol = max(1e-4, 4 * torch.finfo(loaded.dtype).eps)
        self.alpha_bar = self.signal.detach().cpu().double() ** 2


def check_trained_with(
    function: str, model: object, s: Schedule, instead: str = ", or say any_schedule=True if you mean it"
) -> None:
    """Raise where the model is preconditioned with another schedule than s."""
    modules = model.modules() if isinstance(model, nn.Module) else ()
    for own, rtol in ((m.alpha_bar, m.rtol) for m in modules if isinstance(m, Preconditioned)):
        if own.shape != s.alpha_bar.shape or not torch.allclose(own, s.alpha_bar, rtol=rtol, atol=1e-6):
            beta = f"{1 - own[1]:.2g}..{1 - own[-1] / own[-2].clamp(min=1e-37):.2g}"
            trained = f"Schedule(T={len(own) - 1}, beta={beta}, alpha_bar_T={own[-1]:.2g})"
            raise ValueError(
                f"{function}: s: expected the schedule that the model was made for, {trained}, got {s}. "
                f"Use that one{instead}"
            )
