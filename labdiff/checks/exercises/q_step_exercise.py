"""Slide S4: one noising step."""

from labdiff import process
from labdiff.checks.exercises.exercise import Exercise, Form, catalogue, wrong
from labdiff.checks.exercises.noising import COMMON, alpha, alpha_bar, before, noising
from labdiff.checks.exercises.probes import batch_probes


def step(s, x_prev, t, eps, **parts):
    return noising(s, x_prev, t, eps, **{"table": alpha, **parts})


MISTAKES = catalogue(
    """
variance-for-std: You multiply eps by the variance beta_t. Noise is scaled by a standard deviation:
    sqrt(beta_t). On slide S4 the second argument of N(...) is a variance.
missing-root-signal: You multiply x_{t-1} by 1 - beta_t. Slide S4 has its square root: only then do the
    variances (1 - beta_t) + beta_t add up to 1.
jump-for-step: You use alpha_bar_t, the product over all steps up to t: that is the jump from x_0 (S5). One
    step needs alpha_t = 1 - beta_t (S4).
jump-for-step/signal: Your signal is scaled by sqrt(alpha_bar_t), which belongs to the jump from x_0 (S5).
    One step keeps sqrt(1 - beta_t); your noise is right.
jump-for-step/noise: Your noise is scaled by sqrt(1 - alpha_bar_t), which belongs to the jump from x_0 (S5).
    One step adds sqrt(beta_t) eps; your signal is right.
beta-on-signal: Your signal is scaled by the square root of beta_t: that is the noise's factor. The signal
    keeps sqrt(1 - beta_t).
beta-for-root: Your factors are sqrt(1 - beta_t^2) and beta_t: you take beta_t for a standard deviation. It
    is a variance (S4): sqrt(1 - beta_t) and sqrt(beta_t).
off-by-one/signal: Your signal is scaled by sqrt(1 - beta_{t-1}), that of the step before; your noise is
    right. Entry t of labdiff's arrays is the slides' t.
off-by-one/noise: Your noise is scaled by sqrt(beta_{t-1}), that of the step before; your signal is right.
    Entry t of labdiff's arrays is the slides' t.
beta-tilde-for-beta: Your noise is scaled by sqrt(beta_tilde_t), the standard deviation of the step *back*
    (S10). A step forward adds sqrt(beta_t) eps (S4).
first-order: Your signal is scaled by 1 - beta_t / 2, the first-order approximation of sqrt(1 - beta_t). Use
    the root.
""",
    *COMMON,
    wrong("variance-for-std", noise=lambda a: 1 - a),
    wrong("missing-root-signal", signal=lambda a: a),
    wrong("jump-for-step", table=alpha_bar),
    wrong("jump-for-step/signal", table=alpha_bar, noise_table=alpha),
    wrong("jump-for-step/noise", noise_table=alpha_bar),
    wrong("beta-on-signal", signal=lambda a: (1 - a).sqrt()),
    wrong("beta-for-root", signal=lambda a: (1 - (1 - a) ** 2).sqrt(), noise=lambda a: 1 - a),
    wrong("off-by-one/signal", table=before(alpha), noise_table=alpha),
    wrong("off-by-one/noise", noise_table=before(alpha)),
    wrong("beta-tilde-for-beta", noise_table=lambda s: 1 - s.beta_tilde),
    wrong("first-order", signal=lambda a: 1 - (1 - a) / 2),
)

EXERCISE = Exercise(
    name="q_step",
    arguments=("s", "x_prev", "t", "eps"),
    outputs=("x_t",),
    slide="S4, S13",
    meaning="One step keeps the variance at 1: what the signal loses, the noise brings.",
    formula=step,
    make_probes=batch_probes(("s", "x_prev", "t", "eps")),
    mistakes=MISTAKES,
    forms=(Form("x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps"),),
    blocked=(process.q_step, process.q_sample),
    factors=("x_prev", "eps"),
)
