"""What comes after slide S14: ddim_step, a long step without noise."""

import torch

from labdiff import editing, sampling
from labdiff.checks.exercises.exercise import Exercise, Form, catalogue, functions_of, wrong
from labdiff.checks.exercises.noising import alpha, alpha_bar
from labdiff.checks.exercises.predict_x0_exercise import solve
from labdiff.checks.exercises.probes import spy, with_one_alone
from labdiff.checks.exercises.reverse_probes import MODEL_T, OUT, many, settings
from labdiff.checks.in_kernel.probe import Probe


def ddim(
    model,
    s,
    xt,
    t,
    t_prev,
    *,
    table=alpha_bar,
    to=lambda t, t_prev: t_prev,
    level=lambda t, t_prev: t,
    x0_hat=solve,
    model_t=lambda t, x, T: many(t, x),
    model_level=lambda t, t_prev: t,
    signal=lambda a, a_prev: a_prev.sqrt(),
    noise=lambda a, a_prev: (1 - a_prev).sqrt(),
    clamp=lambda x: x,
    again=False,
    second=lambda model, x0, eps_hat, t: eps_hat,
    extra=lambda x: 0,
    out=lambda x, x0_hat: x,
    to_noise=None,
    new_table=None,
    **removed,
):
    eps_hat = model(xt, model_t(model_level(t, t_prev), xt, s.T))
    u, new = level(t, t_prev), new_table or table
    tables = table(s)[u], new(s)[to(t, t_prev)], new(s)[(to_noise or to)(t, t_prev)]
    a, a_prev, a_noise = (b.to(xt.dtype) for b in tables)
    x0 = clamp(x0_hat(s, xt, many(u, xt), eps_hat, **{"table": table, **removed}))
    if again:
        eps_hat = (xt - a.sqrt() * x0) / (1 - a).sqrt()
    eps_hat = second(model, x0, eps_hat, many(t, xt))
    return out(signal(a, a_prev) * x0 + noise(a, a_noise) * eps_hat + extra(xt), x0)


def _ddpm_noise(a, b):
    """The factor of eps_hat beside sqrt(b) x0_hat in the mean of a DDPM step with alpha = a / b."""
    return (b / a).sqrt() * ((1 - a).sqrt() - (1 - a / b) / (1 - a).sqrt())


def _probes(seed):
    made = []
    for label, s, t, x, _, options in settings(seed):
        if "twin" not in options:
            for t_prev in sorted({0, t - 1, t // 2}, reverse=True):
                made.append(Probe(f"{label}, t_prev = {t_prev}", (spy(seed), s, x, t, t_prev), **options))
    return with_one_alone(made, "as many samples as columns, t = 3, t_prev = 2")


def _terms(model, s, xt, t, t_prev):
    return {"xt": xt.reshape(1, -1), "eps_hat": model(xt, many(t, xt)).reshape(1, -1)}


def _intermediates(model, s, xt, t, t_prev):
    eps_hat = model(xt, many(t, xt))
    return {"eps_hat": eps_hat, "x0_hat": solve(s, xt, many(t, xt), eps_hat)}


def clamped(x):
    return x.clamp(-1, 1)


MISTAKES = catalogue(
    """
alpha-bar-of-t-minus-1: You go to alpha_bar[t-1]. With a stride the next level is t_prev: use
    alpha_bar[t_prev].
alpha-bar-of-t-minus-1/signal: You scale x0_hat by sqrt(alpha_bar[t-1]). With a stride the next level is
    t_prev: use alpha_bar[t_prev] there too.
alpha-bar-of-t-minus-1/noise: You put back the noise of alpha_bar[t-1]. With a stride the next level is
    t_prev: use alpha_bar[t_prev] there too.
last-step-to-1: Your last step goes to alpha_bar[1]. t_prev = 0 is clean data: alpha_bar[0] = 1.
stays-at-t: Your result is x_t as it was: x0_hat is solved for and noised again at one and the same level.
    Solve at level t (S5), and noise to level t_prev.
variance-for-std: You put (1 - alpha_bar) eps_hat back on, a variance. It is sqrt(1 - alpha_bar[t_prev]).
missing-root-signal: You scale x0_hat by alpha_bar[t_prev]. It is its square root (S5).
noise-of-t: Your noise term has sqrt(1 - alpha_bar[t]). The new level has sqrt(1 - alpha_bar[t_prev]).
signal-of-t: Your x0_hat is scaled by sqrt(alpha_bar[t]). The new level has sqrt(alpha_bar[t_prev]).
signal-unscaled: Your x0_hat is not scaled down to the new level: sqrt(alpha_bar[t_prev]) is missing.
swapped-coefficients: The two coefficients are swapped: x0_hat gets sqrt(alpha_bar), eps_hat sqrt(1 -
    alpha_bar).
no-noise: You put no noise back on: the state is then at no level that the model knows.
missing-root-noise: In x0_hat you take off (1 - alpha_bar_t) eps_hat. It is sqrt(1 - alpha_bar_t).
x0-not-rescaled: In x0_hat the division by sqrt(alpha_bar_t) is missing.
x0-missing-root: In x0_hat you divide by alpha_bar_t. It is sqrt(alpha_bar_t).
alpha-for-alpha-bar: You use alpha. DDIM jumps along alpha_bar, the product of all steps.
adds-noise: You add fresh noise. A DDIM step (sigma = 0) is deterministic: only eps_hat goes back on.
wrong-sign: You subtract the new noise. DDIM adds sqrt(1 - alpha_bar[t_prev]) eps_hat.
alpha-for-alpha-bar/new-level: The new level has alpha[t_prev]. DDIM jumps along alpha_bar, the product of
    all steps; your x0_hat is right.
off-by-one: Your x0_hat uses level t-1. Entry t of labdiff's arrays is the slides' t.
model-gets-t-prev: Your model gets t_prev. It has to be told the level of the x_t that it sees: t.
xt-for-x0-hat: You scale x_t to the new level where x0_hat belongs: the noise is still in it. First solve for
    x0_hat (S5).
levels-swapped: The two levels are swapped: x0_hat is solved for at level t, and noised to level t_prev.
ddpm-mean: This is the mean of a DDPM step from t to t_prev: its noise term leaves room for sigma^2, sqrt(1 -
    alpha_bar[t_prev] - sigma^2). With sigma = 0 it is sqrt(1 - alpha_bar[t_prev]).
wrong-sign/x0: In x0_hat you add the noise. It was added on the way to x_t, so it is subtracted.
noise-unscaled: In x0_hat you subtract all of eps_hat. Only sqrt(1 - alpha_bar_t) of it is in x_t.
noise-unscaled/new: You put eps_hat back on at full size. It is sqrt(1 - alpha_bar[t_prev]) eps_hat.
clamped-to-0-1: You clamp x0_hat to [0, 1]. Data is in [-1, 1] here: dark pixels would all become grey.
multiplied: In x0_hat you multiply by sqrt(alpha_bar_t). S5 multiplied x_0 by it; to solve for x_0, divide.
alpha-for-alpha-bar/x0: In x0_hat you use alpha_t, that of one step. x_t came from x_0 by the jump with
    alpha_bar_t (S5); the new level is right.
returns-difference: In x0_hat you take x_t - eps_hat, without the two factors of S5.
bracket-missing: In x0_hat you divide only x_t by sqrt(alpha_bar_t). The division goes over the whole
    difference: put brackets around it.
linear-mix: You put (1 - sqrt(alpha_bar[t_prev])) eps_hat back on. It is sqrt(1 - alpha_bar[t_prev]).
off-by-one/new: Your new level is t_prev - 1 or t_prev + 1. Entry t_prev of labdiff's arrays is the level
    that you go to.
roots-missing: All roots are missing: alpha_bar and 1 - alpha_bar are variances, the factors of x_0 and eps
    are their roots (S5), at t as at t_prev.
only-noise: Your result is the noise of the new level alone: x0_hat is missing.
model-gets-T-minus-t: Your model gets T - t. It is told the level of the x_t that it sees: t itself.
calls-model-on-x0-hat: You call the model again, on x0_hat. The noise that goes back on is eps_hat, what the
    model said of x_t.
""",
    *OUT,
    *MODEL_T,
    wrong("alpha-bar-of-t-minus-1", to=lambda t, t_prev: t - 1),
    wrong("alpha-bar-of-t-minus-1/signal", to=lambda t, t_prev: t - 1, to_noise=lambda t, t_prev: t_prev),
    wrong("alpha-bar-of-t-minus-1/noise", to_noise=lambda t, t_prev: t - 1),
    wrong("last-step-to-1", to=lambda t, t_prev: max(t_prev, 1)),
    wrong("stays-at-t", to=lambda t, t_prev: t),
    wrong("variance-for-std", noise=lambda a, a_prev: 1 - a_prev),
    wrong("missing-root-signal", signal=lambda a, a_prev: a_prev),
    wrong("noise-of-t", noise=lambda a, a_prev: (1 - a).sqrt()),
    wrong("signal-of-t", signal=lambda a, a_prev: a.sqrt()),
    wrong("signal-unscaled", signal=lambda a, a_prev: a_prev / a_prev),
    wrong(
        "swapped-coefficients",
        signal=lambda a, a_prev: (1 - a_prev).sqrt(),
        noise=lambda a, a_prev: a_prev.sqrt(),
    ),
    wrong("no-noise", noise=lambda a, a_prev: 0 * a),
    wrong("missing-root-noise", x0_hat=lambda *q, **k: solve(*q, noise=lambda a: 1 - a, **k)),
    wrong("x0-not-rescaled", x0_hat=lambda *q, **k: solve(*q, signal=lambda a: a / a, **k)),
    wrong("x0-missing-root", x0_hat=lambda *q, **k: solve(*q, signal=lambda a: 1 / a, **k)),
    wrong("alpha-for-alpha-bar", table=alpha),
    wrong("adds-noise", extra=torch.randn_like),
    wrong("wrong-sign", noise=lambda a, a_prev: -(1 - a_prev).sqrt()),
    wrong("alpha-for-alpha-bar/new-level", new_table=alpha),
    wrong("off-by-one", level=lambda t, t_prev: t - 1),
    wrong("model-gets-t-prev", model_level=lambda t, t_prev: t_prev),
    wrong("xt-for-x0-hat", x0_hat=lambda s, xt, *_, **__: xt),
    wrong("levels-swapped", level=lambda t, t_prev: t_prev, to=lambda t, t_prev: t),
    wrong("ddpm-mean", noise=_ddpm_noise),
    wrong("wrong-sign/x0", sign=1),
    wrong("noise-unscaled", x0_hat=lambda *q, **k: solve(*q, noise=lambda a: a / a, **k)),
    wrong("noise-unscaled/new", noise=lambda a, a_prev: a_prev / a_prev),
    wrong("clamped-to-0-1", clamp=lambda x: x.clamp(0, 1)),
    wrong("multiplied", x0_hat=lambda *q, **k: solve(*q, signal=lambda a: a.sqrt(), **k)),
    wrong("alpha-for-alpha-bar/x0", x0_hat=lambda *q, **k: solve(*q, **{**k, "table": alpha})),
    wrong("returns-difference", x0_hat=lambda s, xt, t, eps_hat, **_: xt - eps_hat),
    wrong("bracket-missing", x0_hat=lambda *q, **k: solve(*q, noise=lambda a: (a * (1 - a)).sqrt(), **k)),
    wrong("linear-mix", noise=lambda a, a_prev: 1 - a_prev.sqrt()),
    wrong("off-by-one/new", to=lambda t, t_prev: t_prev - 1),
    wrong("off-by-one/new", to=lambda t, t_prev: t_prev + 1),
    wrong(
        "roots-missing",
        x0_hat=lambda *q, **k: solve(*q, **{**k, "noise": lambda a: 1 - a, "signal": lambda a: 1 / a}),
        signal=lambda a, a_prev: a_prev,
        noise=lambda a, a_prev: 1 - a_prev,
    ),
    wrong("only-noise", signal=lambda a, a_prev: 0 * a),
    wrong("model-gets-T-minus-t", model_t=lambda t, x, T: many(T - t, x)),
    wrong("calls-model-on-x0-hat", second=lambda model, x0, eps_hat, t: model(x0, t)),
)

EXERCISE = Exercise(
    name="ddim_step",
    arguments=("model", "s", "xt", "t", "t_prev"),
    outputs=("x_prev",),
    slide="S14 (what comes after it); Song et al. 2021, eq. 12 with sigma = 0",
    meaning="Without noise on the way a step may leave levels out: 50 calls of the model do the work of "
    "1000.",
    formula=ddim,
    make_probes=_probes,
    mistakes=MISTAKES,
    forms=(
        Form("x_{t'} = sqrt(alpha_bar_t') x0_hat + sqrt(1 - alpha_bar_t') eps_hat"),
        Form("x0_hat clamped to [-1, 1]", {"clamp": clamped}),
        Form("x0_hat clamped to [-1, 1], eps_hat made to fit it", {"clamp": clamped, "again": True}),
    ),
    blocked=functions_of(sampling, editing),
    terms=_terms,
    intermediates=_intermediates,
)
