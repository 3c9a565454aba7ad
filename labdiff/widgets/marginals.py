"""The marginal slider: a whole distribution becomes noise."""

from collections.abc import Callable

import torch

from labdiff import process
from labdiff.arguments import check_generator, check_int, check_schedule, randn
from labdiff.schedule import Schedule
from labdiff.signature import checked
from labdiff.toys import GaussianMixture
from labdiff.widgets.controls import t_slider
from labdiff.widgets.densities import area
from labdiff.widgets.noised import caller, evenly, how_many, is_own
from labdiff.widgets.panel import Panel
from labdiff.widgets.panes import lines
from labdiff.widgets.tables import numbers, texts


@checked
def marginal_slider(
    s: Schedule,
    mixture: GaussianMixture,
    *,
    q_sample: Callable | None = None,
    n: int = 20_000,
    generator: torch.Generator | None = None,
    t: int = 0,
) -> Panel:
    """Slide t and watch a whole distribution become N(0, 1): a histogram of noised draws and the exact
    density of q(x_t).

    Args:
        s: Schedule.
        mixture: GaussianMixture in one dimension, means (K, 1), var > 0: where x_0 comes from.
        q_sample: the function that noises the draws, (s, x0, t, eps) -> x_t with t (n,) int64; default
            labdiff's own. Give yours: it is called for every t, now.
        n: number of draws.
        generator: source of x_0 and of the noise, each drawn once and kept for all t; None for a fresh one.
        t: where the slider starts, 0..T.

    Returns: a Panel with the trait t; it has fewer stops than 0..T where q_sample is slow.
    Raises: TypeError, ValueError: wrong type, shape, or range, q_sample's result included.
    Source: slides S5, S13.
    """
    check_schedule("marginal_slider", s)
    check_mixture("marginal_slider", mixture)
    check_int("marginal_slider", "n", n)
    generator = check_generator("marginal_slider", generator)
    x0 = mixture.sample(n, generator)
    eps = randn(x0.shape, generator, like=x0)
    call = caller(s, process.q_sample if q_sample is None else q_sample, "marginal_slider")
    own = is_own(q_sample)
    levels = evenly(s.T, s.T + 1 if own else how_many(lambda: call(x0, s.T, eps), calls=4))
    end = max(3.5, 1.2 * mixture.means.abs().max().item() + 3 * mixture.var**0.5)
    n_bars, per_bar = 96, 3
    x = torch.linspace(-end, end, n_bars * per_bar + 1).to(mixture.means)
    normal = torch.exp(-(x**2) / 2) / (2 * torch.pi) ** 0.5
    exact = torch.stack(
        [mixture.noised(s.alpha_bar[level].item()).log_prob(x[:, None]).exp() for level in levels]
    )
    bars, variances = [], []
    for level in levels:
        xt = call(x0, level, eps)
        heights = xt.detach().float().cpu().histc(n_bars, -end, end) * n_bars / (2 * end * n)
        bars.append(torch.cat([heights.repeat_interleave(per_bar), heights[-1:]]))
        variances.append(xt.var().item())
    gaps = (exact - normal).abs().sum(1) * end / (n_bars * per_bar)  # half the area between the two
    drawn = (exact * 2048).round().float() / 2048  # finer than a pixel, and small in a page
    curves = {"draws of x_t": area(torch.stack(bars)), "exact q(x_t)": drawn, "N(0, 1)": normal}
    top = max(0.6, 1.1 * exact[1:].max().item())
    plot = lines(
        x,
        curves,
        axes=("t",),
        xlabel="x_t",
        ylabel="density",
        ylim=(0, top),
        width=560,
        height=240,
        alt="histogram of draws of x_t, exact density of x_t, and N(0, 1)",
    )
    table = numbers(
        {
            "alpha_bar_t": texts(f"{v:.4f}" for v in s.alpha_bar[levels]),
            "variance of the draws": texts(f"{v:.2f}" for v in variances),
            "share of q(x_t) outside N(0, 1)": texts(f"{v:.3f}" for v in gaps),
        }
    )
    says = texts(
        f"alpha_bar = {a:.4f}, share outside the normal = {gap:.3f}"
        for a, gap in zip(s.alpha_bar[levels], gaps, strict=True)
    )
    return Panel("marginal_slider", [t_slider("marginal_slider", s, levels, t)], [[plot, table]], says=says)


def check_mixture(function, mixture):
    if not isinstance(mixture, GaussianMixture) or mixture.means.shape[1:] != (1,) or mixture.var == 0:
        got = type(mixture).__name__
        if isinstance(mixture, GaussianMixture):
            got = f"means {tuple(mixture.means.shape)}, var {mixture.var:g}"
        raise ValueError(
            f"{function}: mixture: expected a GaussianMixture with means (K, 1) and var > 0, got {got}"
        )
