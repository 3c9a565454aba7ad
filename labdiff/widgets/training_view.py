"""The view of a running training."""

import time
from typing import Protocol

import torch

from labdiff.arguments import check_int
from labdiff.images import to_uint8
from labdiff.signature import checked
from labdiff.widgets.panel import Panel
from labdiff.widgets.panes import computed, computed_lines, curves


class Progress(Protocol):
    """What the view needs of a step: ld.train() yields such steps, and a loop of your own can make them."""

    @property
    def n(self) -> int: ...

    @property
    def loss(self) -> float: ...


class TrainingView(Panel):
    """A progress bar with the time left, a Stop button, the loss curve, and samples, while a training runs.

    Args:
        n_steps: the run's number of steps.

    Use: show it, then call update(step) for each step, and show(x) with samples (N, 1 or 3, H, W) now and
        then.
    """

    @checked
    def __init__(self, n_steps: int):
        check_int("TrainingView", "n_steps", n_steps)
        self.n_steps, self.losses, self.drawn, self.results = n_steps, [], 0.0, {}
        self.start: tuple[float, int] | None = None  # the time of the first update, and the steps before it
        plot = computed_lines("loss", xlabel="step", ylabel="loss (log scale)", alt="training loss", log=True)
        samples = computed("samples", (1, 1, 28, 28), alt="samples")
        late = [[pane | {"late": True}] for pane in (plot, samples)]  # no room before they come
        super().__init__("TrainingView", [], [[{"type": "progress"}], *late])

    def update(self, step: Progress) -> None:
        """Take one step; the page is redrawn at most twice a second, and at the end."""
        now = time.monotonic()
        self.start = self.start or (now, step.n - 1)
        self.losses.append((int(step.n), float(step.loss)))  # an own loop's may be tensors
        running = step.n < self.n_steps
        if running and now - self.drawn < 0.5:
            return
        self.drawn = now
        seconds, done = now - self.start[0], step.n - self.start[1]
        left = _duration(seconds / done * (self.n_steps - step.n))
        n, loss = torch.tensor(self.losses, dtype=torch.float64).T
        width = max(1, len(loss) // 200)  # at most 400 points, each the mean of its stretch
        means = loss[: len(loss) // width * width].reshape(-1, width).mean(1)
        self.results["loss"] = curves(n[width - 1 :: width], {"loss": means})
        rest = f"{left} left" if running else "done"
        self.say(f"step {step.n} of {self.n_steps}, loss {means[-1]:.3f}, {rest}", n=step.n, running=running)

    def show(self, x: torch.Tensor) -> None:
        """Show samples (N, 1 or 3, H, W) in [-1, 1]."""
        self.results["samples"] = to_uint8(x, name="TrainingView: x")
        self.hand_over(**self.results)

    def say(self, text: str, *, n: int, running: bool = False) -> None:
        """Show a text beside the bar at step n; while the training is running, a Stop button too."""
        self.results["progress"] = {"n": n, "of": self.n_steps, "text": text, "running": running}
        self.hand_over(**self.results)


def _duration(seconds):
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
