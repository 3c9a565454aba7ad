"""A reverse trajectory: its start, its states, and the loop over noise levels that all samplers share."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from labdiff.arguments import Model, check_generator, check_output, device_of, eval_mode, randn
from labdiff.precondition import check_trained_with
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
        clip_x0: whether x0_hat is clipped to [-1, 1], and eps_hat is the noise that belongs to that.
        x0_hat: (B, ...) the clean sample that follows from both; x itself at t = 0. Computed
            when it is read.
    """

    t: int
    x: torch.Tensor
    eps_hat: torch.Tensor | None
    s: Schedule
    clip_x0: bool = False

    @functools.cached_property
    @torch.no_grad()
    def x0_hat(self) -> torch.Tensor:
        if self.eps_hat is None:
            return self.x
        x0_hat = predict_x0(self.s, self.x, self.t, self.eps_hat)
        return x0_hat.clamp(-1, 1) if self.clip_x0 else x0_hat


def start(
    function: str,
    model: Model,
    s: Schedule,
    shape: Shape,
    xt: torch.Tensor | None,
    t: int | None,
    generator: torch.Generator | None,
    any_schedule: bool = False,
) -> tuple[torch.Tensor, int, torch.Generator]:
    """The first x, its t, and the generator: xt at t if given, else noise at T like the model's weights."""
    if not any_schedule:
        check_trained_with(function, model, s)
    generator = check_generator(function, generator, device_of(model))
    if xt is not None and t is not None:
        return xt, t, generator
    weight = next(model.parameters(), None) if isinstance(model, torch.nn.Module) else None
    like = torch.empty(0, device=generator.device) if weight is None else weight
    return randn(tuple(shape or ()), generator, like), s.T, generator


def even_levels(t: int, n_steps: int) -> list[int]:
    """n_steps + 1 levels from t to 0."""
    return [t * i // n_steps for i in range(n_steps, -1, -1)]


@contextlib.contextmanager
def explained(function: str) -> Iterator[None]:
    """Say in labdiff's words what a network that computes with an integer t gets wrong."""
    try:
        yield
    except RuntimeError as error:
        if "Long" not in str(error):
            raise
        raise TypeError(
            f"{function}: model(x, t): expected a network that turns its int64 t into real numbers first, as "
            f"t.to(x.dtype) or timestep_embedding(t, dim) does, got: {error}"
        ) from error


@torch.no_grad()
def noise_in(function: str, model: Model, x: torch.Tensor, t: int) -> torch.Tensor:
    """eps_theta(x, t) in eval mode, checked, in x's dtype and in memory of its own."""
    with eval_mode(model), explained(function):
        eps_hat = model(x, torch.full((len(x),), t, device=x.device))
    check_output(function, eps_hat, x)
    return eps_hat.to(x.dtype, copy=True)  # a model may reuse its output's memory


@torch.no_grad()
def reverse(
    function: str,
    model: Model,
    s: Schedule,
    x: torch.Tensor,
    levels: Sequence[int],
    step: Callable[[State, torch.Tensor, int], torch.Tensor],
    clip_x0: bool = False,
) -> Iterator[State]:
    """Yield the states at `levels`; step(state, eps_hat, t_prev) makes the next x. Never waits for a GPU."""
    for t, t_prev in pairwise(levels):
        eps_hat = noise_in(function, model, x, t)
        state = State(t, x, eps_hat, s, clip_x0)
        if clip_x0:  # the noise that belongs to the clipped x0_hat
            at = s.tables(x)
            eps_hat.copy_((x - at.sqrt_alpha_bar[t] * state.x0_hat) / at.sqrt_one_minus_alpha_bar[t])
        yield state
        x = step(state, eps_hat, t_prev)
    yield State(0, x, None, s)
