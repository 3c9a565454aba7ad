"""Guidance: a conditional network as a model (x, t) -> eps_hat that is steered towards a label."""

from collections.abc import Callable

import torch

from labdiff.schedule import Levels


class Guided(torch.nn.Module):
    """What `guided` returns: a module, so that its device and its modes are those of the model inside."""

    def __init__(self, model: Callable[..., torch.Tensor], label: Levels, scale: float):
        super().__init__()
        self.model, self.label, self.scale = model, label, scale

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        if isinstance(self.label, torch.Tensor) and self.label.device != x.device:
            self.label = self.label.to(x.device)  # once: to a GPU it waits
        label = self.label
        if self.scale == 0 or not hasattr(self.model, "classes"):  # else the model looks at its label
            _check_length(label, x)
        if self.scale == 0:
            return self.model(x, t)
        if self.scale == 1:
            return self.model(x, t, label)
        # a model may write into what it is given, and reuse its output's memory
        eps_label = self.model(x.clone(), t.clone(), label).clone()
        eps_none = self.model(x, t)
        return eps_none + self.scale * (eps_label - eps_none)


def _check_length(label, x):
    if isinstance(label, torch.Tensor) and label.shape not in ((), x.shape[:1]):
        expected = f"an int, or an int64 tensor of shape ({len(x)},)"
        raise ValueError(f"guided: label: expected {expected}, got shape {tuple(label.shape)}")


def guided(model: Callable[..., torch.Tensor], label: Levels, scale: float = 1.0) -> Guided:
    """Classifier-free guidance: a model (x, t) -> eps_hat that is steered towards a label.

        eps_hat = eps(x_t, t, none) + scale (eps(x_t, t, label) - eps(x_t, t, none))

    Args:
        model: (x, t, label=None) -> eps_hat, such as a UNet(classes=10) that was trained with labels.
        label: the label of all samples, an int, or of each, (B,) int64; in 0..classes.
        scale: 0 ignores the label, 1 is the model with that label, more than 1 exaggerates it. 0 and 1 cost
            one call of the model, other scales two.

    Returns: a model for every sampler, slider and elbo.
    Raises: TypeError, ValueError: wrong arguments, or a model without labels.
    Source: Ho & Salimans 2022, eq. 6, where w = scale - 1.
    """
    return Guided(model, label, scale)
