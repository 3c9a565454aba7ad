"""A reverse trajectory: its start, its states, and the loop over noise levels that all samplers share."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch

from labdiff.arguments import check_generator, device_of, eval_mode, randn
from labdiff.device import threads_for
from labdiff.model_argument import Model, check_output
from labdiff.precondition import check_trained_with
from labdiff.process import predict_x0
from labdiff.schedule import Schedule

Shape = Sequence[int] | None


@dataclass(frozen=True, eq=False)
class State:
    """One state of a reverse trajectory.

    It holds eps_hat until the sampler makes the next state, so that a list of all states is hardly larger
    than its x. Reading eps_hat or x0_hat of an earlier state calls the model again: keep what you want of it.

    Attributes:
        t: noise level of x, T..0.
        x: (B, ...) x_t. The next state is made from it: change a copy.
        eps_hat: (B, ...) the noise that the model sees in x_t; with clip_x0 the noise that belongs to the
            clipped x0_hat; None at t = 0.
        x0_hat: (B, ...) the clean sample that follows from both; x itself at t = 0.
    """

    t: int
    x: torch.Tensor
    _view: "View" = field(repr=False)
    _seen: list[torch.Tensor] = field(repr=False, default_factory=list)  # the model's output, while it is new

    @property
    @torch.no_grad()
    def eps_hat(self) -> torch.Tensor | None:
        return self._noise() if self.t else None

    @property
    @torch.no_grad()
    def x0_hat(self) -> torch.Tensor:
        if self.t == 0:
            return self.x
        x0_hat = predict_x0(self._view.s, self.x, self.t, self._output())
        return x0_hat.clamp(-1, 1) if self._view.clip_x0 else x0_hat

    def _noise(self) -> torch.Tensor:
        if not self._view.clip_x0:
            return self._output()
        at = self._view.s.tables(self.x)
        return (self.x - at.sqrt_alpha_bar[self.t] * self.x0_hat) / at.sqrt_one_minus_alpha_bar[self.t]

    def _output(self) -> torch.Tensor:
        return self._seen[0] if self._seen else self._view.again(self.x, self.t)


class View:
    """How a sampler looks at x_t: through a model, on a schedule, with x0_hat clipped or not."""

    def __init__(self, function: str, model: Model, s: Schedule, clip_x0: bool):
        self.function, self.model, self.s, self.clip_x0 = function, model, s, clip_x0
        self.versions = self._versions()

    def again(self, x: torch.Tensor, t: int) -> torch.Tensor:
        """The model's output for the x of an earlier state; raise where its weights have changed since."""
        if self._versions() != self.versions:
            raise RuntimeError(
                f"{self.function}: x0_hat, eps_hat: expected the model as it was, got one that has been "
                f"trained or loaded since this state (t = {t}) was made. Read them in the loop, before the "
                "next state"
            )
        with threads_for(x):  # as in reverse(), so that it comes out to the bit as it did there
            return noise_in(self.function, self.model, x, t)

    def _versions(self):
        modules = self.model.modules() if isinstance(self.model, torch.nn.Module) else ()
        weights = [w for m in modules for own in (m._parameters, m._buffers) for w in own.values()]
        return [(id(w), w._version) for w in weights if w is not None and not w.is_inference()]


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
    """Say in labdiff's words what is wrong where numbers of two kinds meet in a network."""
    try:
        yield
    except RuntimeError as error:
        integer = "Long" in str(error) and "indices" not in str(error)  # those of an embedding are integers
        if not integer and re.search(r"same dtype|type \(\w+\) and .*should be the same", str(error)):
            raise TypeError(
                f"{function}: model(x, t): expected x and the network's weights in one dtype, as x.float() "
                f"or model.to(x.dtype) makes them, got: {error}"
            ) from error
        if not integer:
            raise
        raise TypeError(
            f"{function}: model(x, t): expected a network that turns its int64 t into real numbers first, as "
            f"t.to(x.dtype) or timestep_embedding(t, dim) does, got: {error}"
        ) from error


@torch.no_grad()
def noise_in(function: str, model: Model, x: torch.Tensor, t: int) -> torch.Tensor:
    """eps_theta(x, t) in eval mode, checked, in x's dtype and in memory of its own."""
    with eval_mode(model), explained(function):
        eps_hat = model(x.clone(), torch.full((len(x),), t, device=x.device))  # a model may write into its x
    check_output(function, eps_hat, x)
    return eps_hat.to(x.dtype, copy=True)  # a model may reuse its output's memory


def _version(x):
    """Changes when x is written to; not where torch does not count that."""
    return 0 if x.is_inference() else x._version


def _kept(x):
    """Memory for an x that a caller may keep: on a CPU not aligned, so that it fits into gaps."""
    if x.device.type != "cpu":
        return torch.empty_like(x)
    return torch.frombuffer(bytearray(x.nbytes), dtype=x.dtype).view(x.shape)


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
    view = View(function, model, s, clip_x0)
    for t, t_prev in pairwise(levels):
        x_prev = _kept(x)
        with threads_for(x):
            state = State(t, x, view, [noise_in(function, model, x, t)])
        version = _version(x)
        yield state
        if _version(x) != version:
            raise RuntimeError(
                f"{function}: x: expected that of t = {t} as it was, for the next is made from it, got one "
                "that was changed in place. Change a copy: state.x.clone()"
            )
        x = x_prev.copy_(step(state, state._noise(), t_prev))
        state._seen.clear()
    yield State(0, x, view)
