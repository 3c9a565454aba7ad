"""Sliders and players: what moves in the notebooks. Each is an ipywidgets box whose state is the value of its sliders.

A picture is drawn when a slider moves, from one fixed draw of noise, so that it changes continuously.
"""

import html
import time
import warnings

import ipywidgets as ipw
import torch

from labdiff import process, schedule
from labdiff._contract import check_data, check_generator, check_schedule, randn
from labdiff.panel import STYLE, Panel, picture, png, row, t_slider, table
from labdiff.sample import ddim_steps
from labdiff.svg import line_plot


def noise_slider(s, x0, *, q_sample=None, eps=None, generator=None, t=0):
    """Slide t and watch x_t noise up: pictures, alpha_bar_t, the signal-to-noise ratio, and where on the schedule t is.

    Args:
        s: Schedule.
        x0: (N, 1 or 3, H, W) real in [-1, 1], the clean pictures.
        q_sample: the function that noises them, (s, x0, t, eps) -> x_t with t (N,) int64; default labdiff's own. Give yours.
        eps: like x0, the noise; default one draw, kept for all t.
        generator: source of that draw; None for a fresh one.
        t: where the slider starts, 0..T.

    Returns: a Panel; .controls["t"] is the slider.
    Raises: TypeError, ValueError: wrong type, shape, or range.
    Source: slides S5, S13.
    """
    check_schedule("noise_slider", s)
    check_data("noise_slider", {"x0": x0})
    generator = check_generator("noise_slider", generator)
    eps = randn(x0.shape, generator, like=x0) if eps is None else eps
    noise_up = q_sample or process.q_sample
    pixels, plot, numbers = picture(), ipw.HTML(), ipw.HTML()
    levels = list(range(s.T + 1))

    def draw(t):
        xt = noise_up(s, x0, torch.full((len(x0),), t, device=x0.device), eps)
        pixels.value = png(xt)
        alpha_bar = s.alpha_bar[t].item()
        snr = f"{alpha_bar / (1 - alpha_bar):.3g}" if t else "infinite"
        numbers.value = table({"t": t, "alpha_bar_t": f"{alpha_bar:.4f}", "signal-to-noise alpha_bar/(1-alpha_bar)": snr})
        plot.value = line_plot(levels, {"sqrt(alpha_bar_t): signal": s.alpha_bar.sqrt(), "sqrt(1-alpha_bar_t): noise": (1 - s.alpha_bar).sqrt()},
                               xlabel="t", ylabel="factor", mark=t, ylim=(0, 1), alt=f"signal and noise over t, mark at t = {t}")

    return Panel("noise_slider", {"t": t_slider(0, s.T, t)}, draw, [row(pixels), row(plot, numbers)])


def schedule_slider(x0, *, generator=None):
    """Choose a schedule and see alpha_bar_t, and what becomes of a picture on its way to x_T.

    Args:
        x0: (1, 1 or 3, H, W) real in [-1, 1], one clean picture.
        generator: source of the noise; None for a fresh one.

    Returns: a Panel with controls "kind", "T" and "beta_T" (the last beta of the linear schedule, as for T = 1000).
    Raises: TypeError, ValueError: x0 is no such picture.
    Source: slides S4, S5, S13; Nichol & Dhariwal 2021.
    """
    check_data("schedule_slider", {"x0": x0})
    eps = randn((9, *x0.shape[1:]), check_generator("schedule_slider", generator), like=x0)
    strip, plot, numbers = picture(), ipw.HTML(), ipw.HTML()

    def draw(kind, T, beta_T):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the table says whether x_T is noise
            s = schedule.linear_schedule(T, beta_T=beta_T) if kind == "linear" else schedule.cosine_schedule(T)
        t = torch.arange(9, device=x0.device) * T // 8
        strip.value = png(process.q_sample(s, x0[:1].expand_as(eps), t, eps), n_columns=9)
        left = s.alpha_bar[-1].item()
        numbers.value = table({"alpha_bar_T": f"{left:.2g}", "x_T is": "noise" if left < 0.01 else "NOT noise: the digit shines through"})
        plot.value = line_plot([i / T for i in range(T + 1)], {"alpha_bar_t": s.alpha_bar}, xlabel="t / T", ylabel="alpha_bar_t",
                               ylim=(0, 1), alt=f"alpha_bar over t / T, ends at {left:.2g}")

    controls = {
        "kind": ipw.Dropdown(options=["linear", "cosine"], description="schedule"),
        "T": ipw.SelectionSlider(options=[10, 20, 50, 100, 200, 500, 1000], value=1000, description="T"),
        "beta_T": ipw.FloatLogSlider(value=0.02, base=10, min=-3.3, max=-1, step=0.05, description="beta_T", readout_format=".4f"),
    }
    return Panel("schedule_slider", controls, draw, [row(strip), row(plot, numbers)])


def posterior_slider(s, *, t=100, x0=0.5, xt=0.0):
    """Bayes in one dimension: prior q(x_{t-1} | x_0), likelihood q(x_t | x_{t-1}), and the posterior that they make.

    Args:
        s: Schedule.
        t: where the slider starts, 1..T.
        x0, xt: where theirs start, in [-2, 2].

    Returns: a Panel with controls "t", "x0" and "xt".
    Raises: TypeError, ValueError: s is no Schedule; t, x0 or xt is out of range.
    Source: slide S10.
    """
    check_schedule("posterior_slider", s)
    x = torch.linspace(-2.5, 2.5, 501, dtype=torch.float64)
    plot, numbers = ipw.HTML(), ipw.HTML()

    def draw(t, x0, xt):
        alpha, beta, alpha_bar_prev = (a.item() for a in (s.alpha[t], s.beta[t], s.alpha_bar[t - 1]))
        mean, var = (v.item() for v in process.q_posterior(s, *torch.tensor([[x0], [xt]], dtype=torch.float64)[..., None], t))
        bumps = {
            "prior q(x_{t-1}|x_0)": (alpha_bar_prev**0.5 * x0, 1 - alpha_bar_prev),
            "likelihood of x_t": (xt / alpha**0.5, beta / alpha),
            "posterior": (mean, var),
        }
        ys = {label: torch.exp(-((x - m) ** 2) / (2 * max(v, 1e-6))) for label, (m, v) in bumps.items()}
        plot.value = line_plot(x, ys, xlabel="x_{t-1}", ylabel="each scaled to height 1", ylim=(0, 1), mark=mean, width=560, height=220,
                               alt=f"prior, likelihood and posterior at t = {t}, x_0 = {x0:g}, x_t = {xt:g}")
        numbers.value = table({"t": t, "mu_tilde": f"{mean:.4f}", "beta_tilde": f"{var:.5f}", "std": f"{var**0.5:.4f}"})

    def number(value, description):
        return ipw.FloatSlider(value=value, min=-2, max=2, step=0.05, description=description)

    controls = {"t": t_slider(1, s.T, t), "x0": number(x0, "x_0"), "xt": number(xt, "x_t")}
    return Panel("posterior_slider", controls, draw, [row(plot, numbers)])


def curve_slider(x, ys, *, xlabel="t", ylabel, yscale="linear", start=0):
    """Slide along curves and read their values.

    Args:
        x: (N,) rising whole numbers, such as t.
        ys: {label: (N,) numbers}.
        xlabel, ylabel: texts at the axes.
        yscale: "linear" or "log".
        start: index into x where the slider starts.

    Returns: a Panel; .controls["x"] is the slider.
    """
    x, ys = [int(v) for v in x], {label: torch.as_tensor(y) for label, y in ys.items()}
    plot, numbers = ipw.HTML(), ipw.HTML()

    def draw(x_at):
        i = x.index(x_at)
        numbers.value = table({xlabel: x_at} | {label: f"{y[i].item():.4g}" for label, y in ys.items()})
        plot.value = line_plot(x, ys, xlabel=xlabel, ylabel=ylabel, yscale=yscale, mark=x_at, width=560, height=230,
                               alt=f"{', '.join(ys)} over {xlabel}, mark at {x_at}")

    slider = ipw.SelectionSlider(options=x, value=x[start], description=xlabel, layout=ipw.Layout(width="480px"))
    return Panel("curve_slider", {"x_at": slider}, draw, [row(plot, numbers)])


def trajectory_player(steps, *, n_columns=4):
    """Slide t through a reverse trajectory, or let it play: x_t and the x0_hat that the model sees in it, side by side.

    Args:
        steps: the States of ddpm_steps() or ddim_steps(), or any part of them, with pictures (N, 1 or 3, H, W). A generator
            is run to its end.
        n_columns: pictures in a row.

    Returns: a Panel; .controls["i"] is the slider over the states, from noise to data.
    Raises: ValueError: no steps.
    Source: slide S14, Algorithm 2.
    """
    frames = [(state.t, png(state.x, n_columns), png(state.x0_hat, n_columns)) for state in steps]
    if not frames:
        raise ValueError("trajectory_player: steps: expected at least one State of ddpm_steps() or ddim_steps(), got none")
    left, right = picture(), picture()

    def draw(i):
        t, left.value, right.value = frames[i]

    slider = ipw.SelectionSlider(options=[(str(t), i) for i, (t, _, _) in enumerate(frames)], description="t",
                                 layout=ipw.Layout(width="480px"))
    play = ipw.Play(min=0, max=len(frames) - 1, interval=max(20, min(200, 5000 // len(frames))), description="play")
    ipw.jslink((play, "value"), (slider, "index"))
    captioned = [ipw.VBox([ipw.HTML(f"<b>{text}</b>"), pixels])
                 for text, pixels in (("x_t", left), ("x0_hat: what the model sees in it", right))]
    panel = Panel("trajectory_player", {"i": slider}, draw, [row(*captioned)])
    panel.row.children = (play, slider)
    return panel


def renoise(model, s, x0, *, n_steps=25, generator=None, t=500):
    """Noise pictures to t and bring them back with DDIM: at which t do they come back as something else?

    Args:
        model: callable (x, t) -> eps_hat.
        s: Schedule.
        x0: (N, 1 or 3, H, W) real in [-1, 1].
        n_steps: DDIM steps from T; fewer from a smaller t.
        generator: source of the noise, drawn once; None for a fresh one.
        t: where the slider starts, 1..T.

    Returns: a Panel; .controls["t"] is the slider. It computes when the slider is let go.
    Raises: TypeError, ValueError: wrong type, shape, or range.
    Source: slides S5, S14.
    """
    check_schedule("renoise", s)
    check_data("renoise", {"x0": x0})
    eps = randn(x0.shape, check_generator("renoise", generator), like=x0)
    pictures = {"x_0": picture(), "x_t": picture(), "brought back": picture()}
    numbers = ipw.HTML()

    def draw(t):
        xt = process.q_sample(s, x0, t, eps)
        *_, last = ddim_steps(model, s, xt=xt, t=t, n_steps=max(1, n_steps * t // s.T))
        for pixels, x in zip(pictures.values(), (x0, xt, last.x), strict=True):
            pixels.value = png(x, n_columns=len(x0))
        numbers.value = table({"t": t, "alpha_bar_t": f"{s.alpha_bar[t].item():.4f}"})

    slider = t_slider(1, s.T, t, continuous=False)
    rows = [row(ipw.HTML(f"<b>{text}</b>", layout=ipw.Layout(width="90px")), pixels) for text, pixels in pictures.items()]
    return Panel("renoise", {"t": slider}, draw, [*rows, numbers])


class TrainingView(ipw.VBox):
    """A progress bar with the time left, the loss curve, and samples, while train() runs.

    Args:
        n_steps: the run's number of steps.

    Use: show it, then call update(step) for each Step, and show(x) with samples (N, 1 or 3, H, W) now and then.
    """

    def __init__(self, n_steps):
        self.bar = ipw.IntProgress(max=n_steps, layout=ipw.Layout(width="480px"), description="training")
        self.text, self.plot, self.picture = ipw.HTML(), ipw.HTML(), picture()
        self.losses, self.start, self.drawn = [], None, 0.0
        super().__init__([ipw.HTML(STYLE, layout=ipw.Layout(display="none")), ipw.HBox([self.bar, self.text]),
                          row(self.plot, self.picture)])

    def update(self, step):
        """Take one Step; the page is redrawn at most twice a second, and at the end."""
        now = time.monotonic()
        self.start = self.start or (now, step.n - 1)
        self.losses.append((step.n, step.loss))
        if now - self.drawn < 0.5 and step.n < self.bar.max:
            return
        self.drawn, self.bar.value = now, step.n
        seconds, done = now - self.start[0], step.n - self.start[1]
        left = seconds / done * (self.bar.max - step.n)
        self.text.value = html.escape(f"step {step.n} of {self.bar.max}, {left:.0f} s left" if left else f"{step.n} steps, done")
        n, loss = zip(*self.losses, strict=True)
        width = max(1, len(loss) // 200)  # at most 200 points, each the mean of its stretch
        stretches = torch.tensor(loss)[: len(loss) // width * width].reshape(-1, width).mean(1)
        self.plot.value = line_plot(n[width - 1::width], {"loss": stretches}, xlabel="step", ylabel="loss (log scale)", yscale="log",
                                    alt=f"training loss, now {stretches[-1]:.3f}")

    def show(self, x):
        """Show samples."""
        self.picture.value = png(x, n_columns=8)

    __repr__ = Panel.__repr__
    _repr_mimebundle_ = Panel._repr_mimebundle_
    name = "TrainingView"
