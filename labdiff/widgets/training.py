"""The view of a running training."""

import time

import torch

from labdiff.arguments import check_int
from labdiff.plot import to_uint8
from labdiff.widgets.panel import Panel
from labdiff.widgets.panes import computed, computed_lines, curves


class TrainingView(Panel):
    """A progress bar with the time left, the loss curve, and samples, while train() runs.

    Args:
        n_steps: the run's number of steps.

    Use: show it, then call update(step) for each Step, and show(x) with samples (N, 1 or 3, H, W) now and then.
    """

    def __init__(self, n_steps):
        check_int("TrainingView", "n_steps", n_steps)
        self.n_steps, self.losses, self.start, self.drawn, self.results = n_steps, [], None, 0.0, {}
        plot = computed_lines("loss", xlabel="step", ylabel="loss (log scale)", alt="training loss", log=True)
        samples = computed("samples", (1, 1, 28, 28), alt="samples")
        super().__init__("TrainingView", [], [[{"type": "progress"}], [plot], [samples]])

    def update(self, step):
        """Take one Step; the page is redrawn at most twice a second, and at the end."""
        now = time.monotonic()
        self.start = self.start or (now, step.n - 1)
        self.losses.append((step.n, step.loss))
        if now - self.drawn < 0.5 and step.n < self.n_steps:
            return
        self.drawn = now
        seconds, done = now - self.start[0], step.n - self.start[1]
        left = seconds / done * (self.n_steps - step.n)
        n, loss = torch.tensor(self.losses, dtype=torch.float64).T
        width = max(1, len(loss) // 200)  # at most 400 points, each the mean of its stretch
        means = loss[: len(loss) // width * width].reshape(-1, width).mean(1)
        rest = f"{left:.0f} s left" if step.n < self.n_steps else "done"
        text = f"step {step.n} of {self.n_steps}, loss {means[-1]:.3f}, {rest}"
        self.results |= {
            "progress": {"n": step.n, "of": self.n_steps, "text": text},
            "loss": curves(n[width - 1 :: width], {"loss": means}),
        }
        self.hand_over(**self.results)

    def show(self, x):
        """Show samples."""
        self.results["samples"] = to_uint8(x)
        self.hand_over(**self.results)
