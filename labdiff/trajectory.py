"""A reverse trajectory: its start, its states, and the loop over noise levels that all samplers share."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from labdiff.arguments import Model, check_generator, check_output, device_of, eval_mode, randn
from labdiff.process import predict_x0
from labdiff.schedule import Schedule

Shape = Sequence[int] | None


@dataclass(frozen=True)
class State:
    """One state of a reverse trajectory.

    Attributes:
        t: noise level of x, T..0.
        x: (B, ...) x_t.
        eps_hat: (B, ...) the noise that the model sees in x_t; None at t = 0.
        s: the Schedule.
        x0_hat: (B, ...) the clean sample that follows from both, not clamped; x itself at t = 0. Computed
            when it is read.
    """

    t: int
    x: torch.Tensor
    eps_hat: torch.Tensor | None
    s: Schedule

    @functools.cached_property
    @torch.no_grad()
    def x0_hat(self) -> torch.Tensor:
        return self.x if self.eps_hat is None else predict_x0(self.s, self.x, self.t, self.eps_hat)


def start(
    model: Model,
    s: Schedule,
    shape: Shape,
    xt: torch.Tensor | None,
    t: int | None,
    generator: torch.Generator | None,
) -> tuple[torch.Tensor, int, torch.Generator]:
    """The first x, its t, and the generator: xt at t if given, else noise at T like the model's weights."""
    generator = check_generator("sample", generator, device_of(model))
    if xt is not None and t is not None:
        return xt, t, generator
    weight = next(model.parameters(), None) if isinstance(model, torch.nn.Module) else None
    like = torch.empty(0, device=generator.device) if weight is None else weight
    return randn(tuple(shape or ()), generator, like), s.T, generator


def even_levels(t: int, n_steps: int) -> list[int]:
    """n_steps + 1 levels from t to 0."""
    return [t * i // n_steps for i in range(n_steps, -1, -1)]


@torch.no_grad()
def reverse(
    function: str,
    model: Model,
    s: Schedule,
    x: torch.Tensor,
    levels: Sequence[int],
    step: Callable[[State, int], torch.Tensor],
) -> Iterator[State]:
    """Yield the states at `levels`; step(state, t_prev) makes the next x. Never waits for a GPU."""
    for t, t_prev in pairwise(levels):
        with eval_mode(model):
            eps_hat = model(x, torch.full((len(x),), t, device=x.device))
        check_output(function, eps_hat, x)
        state = State(t, x, eps_hat.to(x.dtype), s)
        yield state
        x = step(state, t_prev)
    yield State(0, x, None, s)
