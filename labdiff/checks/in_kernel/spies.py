"""A network and an optimizer that record what a training step does with them."""

import contextlib
from dataclasses import dataclass

import torch

from labdiff.schedule import Schedule

MOST_CALLS = 8  # so many of a Spy's calls are recorded


class Spy(torch.nn.Module):
    """A network whose answer depends on x and t in a known way, as strict about t's shape as the UNet."""

    def __init__(self, weights):
        super().__init__()
        self.weights = torch.nn.Parameter(torch.tensor(weights, dtype=torch.float64))
        self.seen = set()  # pairs of dtypes of x and t
        self.calls = []  # pairs of x and t, arrays

    def __deepcopy__(self, memo):
        return Spy(self.weights.tolist())  # without a record

    def forward(self, x, t):
        shape = tuple(t.shape) if isinstance(t, torch.Tensor) else type(t).__name__
        if not isinstance(t, torch.Tensor) or t.shape != x.shape[:1]:
            raise ValueError(f"model(x, t): t: expected shape ({len(x)},) like the batch, got {shape}")
        self.seen.add((x.dtype, t.dtype))
        if len(self.calls) < MOST_CALLS:
            self.calls.append(tuple(a.detach().cpu().double().numpy().copy() for a in (x, t)))
        a, b, c = self.weights.to(x.dtype)
        t = t.to(x.device, x.dtype).reshape(-1, *[1] * (x.ndim - 1))
        return a * x + b * torch.cos(2 * x + t) + c * torch.sin(0.7 * t)


@dataclass
class Plan:
    """Some calls of training_step, one for each seed of the generator.

    Attributes:
        s: Schedule.
        x0: the batch.
        answer: like x0, what the model returns.
        seeds: of the generator before each call; one seed and a number of calls to let the generator run on.
        calls: how many.
    """

    s: Schedule
    x0: torch.Tensor
    answer: torch.Tensor
    seeds: tuple
    calls: int = 1


class Recorder(torch.nn.Module):
    """A network that returns `answer` and records its inputs and the gradient of the loss at its output.

    It takes the batch at once or in parts, one after another.
    """

    def __init__(self, answer):
        super().__init__()
        self.answer = torch.nn.Parameter(answer.clone())
        self.start()

    def start(self):
        """Reset the record: a new call of the student's function begins."""
        self.events, self.xt, self.t, self.pull = "", None, None, None
        self.calls, self.batches, self.done = 0, 0, 0
        self.pulled_by, self.learned_from = set(), set()  # calls since the last event; batches

    def event(self, name):
        self.events += name
        self.pulled_by = set()

    def zero_grad(self, set_to_none=True):
        self.event("z")
        super().zero_grad(set_to_none)

    def forward(self, x, t):
        shape = tuple(t.shape) if isinstance(t, torch.Tensor) else type(t).__name__
        if not isinstance(t, torch.Tensor) or t.shape != x.shape[:1]:
            raise ValueError(f"model(x, t): t: expected shape ({len(x)},) like the batch, got {shape}")
        B = len(self.answer)
        if self.done == B or self.xt is None:  # the first part of a batch
            self.batches += 1
            self.done, self.xt = 0, torch.full_like(self.answer, torch.nan, requires_grad=False)
            self.t = torch.full((B,), torch.nan, dtype=torch.float64)
        if x.shape[1:] != self.answer.shape[1:] or len(x) > B - self.done:
            raise ValueError(
                f"model(x, t): x: expected shape {tuple(self.answer.shape)} like x0, got {tuple(x.shape)}"
            )
        part = slice(self.done, self.done + len(x))
        self.xt[part], self.t[part] = x.detach(), t.detach()
        self.done, self.calls = self.done + len(x), self.calls + 1
        out = self.answer[part] * 1
        if out.requires_grad:
            at = self.calls, self.batches
            out.register_hook(lambda gradient: self._pulled(gradient, part, *at))
        return out

    def _pulled(self, gradient, part, call, batch):
        self.learned_from.add(batch)
        if not self.pulled_by or call in self.pulled_by:  # not another part of the same backward
            self.event("b")
        self.pulled_by.add(call)
        if self.pull is None:
            self.pull = torch.zeros_like(self.answer, requires_grad=False)
        self.pull[part] += gradient.detach()


class Optimizer(torch.optim.Optimizer):
    """An optimizer that records its calls; `call` restores the model after each step."""

    def __init__(self, model):
        # not the parent's __init__: it imports torch's compiler, which takes seconds
        self.model, self.gradient, self.defaults, self.state = model, None, {"lr": 0.0}, {}
        self.param_groups = [{"params": list(model.parameters()), "lr": 0.0}]

    def zero_grad(self, set_to_none=True):
        self.model.event("z")
        if self.model.answer.grad is not None:
            self.model.answer.grad = None if set_to_none else torch.zeros_like(self.model.answer)

    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self.model.event("s")
        self.gradient = None if self.model.answer.grad is None else self.model.answer.grad.clone()
        with torch.no_grad():
            self.model.answer += 1  # so that the model's output changes with a step
        return loss


EVENTS = {"z": "1", "b": "2", "s": "3", "o": "4"}  # zero_grad, backward, step, weights changed without a step
OUTPUTS = ("xt", "t", "pull", "gradient", "loss", "is_tensor", "events", "batches", "kept")


def call(function, args):
    """What the calls of a Plan did, the OUTPUTS by call.

    is_tensor: the loss came as one; events: what happened, a digit each; batches: how many it learned from;
    kept: x0 is unchanged.
    """
    (plan,) = args
    model, generator = Recorder(plan.answer), torch.Generator()
    optimizer, rows = Optimizer(model), []
    unknown = torch.full_like(plan.x0, torch.nan)
    for i in range(plan.calls):
        if i < len(plan.seeds):
            generator.manual_seed(plan.seeds[i])
        model.start()
        optimizer.gradient = None
        with torch.no_grad():
            model.answer.copy_(plan.answer)
        x0 = plan.x0.clone()
        result = function(model, optimizer, plan.s, x0, generator)
        is_tensor = isinstance(result, torch.Tensor)
        if isinstance(result, str | bytes | tuple | list | dict):
            raise TypeError(f"training_step returned {type(result).__name__}")
        loss = torch.nan if result is None else float(result.detach() if is_tensor else result)
        if "s" not in model.events and not torch.equal(model.answer, plan.answer):
            model.event("o")
        digits = "".join(EVENTS[e] for e in model.events)[:9]
        t = unknown.flatten(1)[:, 0] if model.t is None else model.t
        tensors = [unknown if v is None else v for v in (model.xt, t, model.pull, optimizer.gradient)]
        numbers = (loss, is_tensor, float(digits or 0), len(model.learned_from), torch.equal(x0, plan.x0))
        rows.append(tensors + [torch.tensor(v, dtype=torch.float64) for v in numbers])
    return tuple(torch.stack([row[i].detach().double() for row in rows]) for i in range(len(OUTPUTS)))


def gradient(model, value):
    """d loss / d weights of the probe's model; zeros where the loss does not depend on them."""
    with contextlib.suppress(RuntimeError):  # backward was called on this graph already, which freed it
        if isinstance(value, torch.Tensor) and value.requires_grad:
            (found,) = torch.autograd.grad(value.sum(), model.weights, retain_graph=True, allow_unused=True)
            return torch.zeros_like(model.weights) if found is None else found
    return torch.zeros_like(model.weights)


def loss_and_gradient(function, args):
    """What a loss function returns, and its gradient: the value alone would hide a detached loss."""
    value = as_scalar(function(*args))
    return value, gradient(args[0], value)


def as_scalar(value):
    """A tensor of one number without its dimensions of 1, for it trains as well; others as they are."""
    return value.reshape(()) if isinstance(value, torch.Tensor) and value.numel() == 1 else value
