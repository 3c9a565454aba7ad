"""Slide S14, Algorithm 2: p_step; and its shortcut: ddim_step."""

import torch

from labdiff.checks.exercises.exercise import Exercise, Form, mistake
from labdiff.checks.exercises.forward import FRESH, alpha, alpha_bar
from labdiff.checks.exercises.posterior import MEAN_MISTAKES, mean, posterior, solve
from labdiff.checks.exercises.probes import (
    HARD,
    extreme,
    numbers,
    picture,
    pixels,
    schedule,
    small,
    spy,
    thousand,
)
from labdiff.checks.in_kernel.probe import Probe
from labdiff.sampling import ddim_steps, ddpm_steps, sample


def many(t, x):
    return torch.full((len(x),), t)


def straight(s, xt, t, eps_hat, **parts):
    return mean(s, xt, t, eps_hat, **parts)


def clamped(s, xt, t, eps_hat):
    return posterior(s, solve(s, xt, t, eps_hat).clamp(-1, 1), xt, t)[0]


def step(
    model,
    s,
    xt,
    t,
    z,
    *,
    before=lambda x: x,
    mu=straight,
    var=lambda s: s.beta,
    std=lambda v: v.sqrt(),
    level=lambda t: t,
    model_t=lambda t, x, T: many(t, x),
    last=lambda t, T: t > 1,
    draw=lambda z: z,
    out=lambda x, x0_hat: x,
    **bracket,
):
    xt = before(xt)
    eps_hat = model(xt, model_t(t, xt, s.T))
    u = level(t)
    x = mu(s, xt, many(u, xt), eps_hat, **bracket)
    if last(t, s.T):
        x = x + std(var(s)[u]).to(xt.dtype) * draw(z)
    return out(x, lambda: solve(s, xt, many(t, xt), eps_hat))


def ddim(
    model,
    s,
    xt,
    t,
    t_prev,
    *,
    table=alpha_bar,
    to=lambda t, t_prev: t_prev,
    level=lambda t: t,
    x0_hat=solve,
    model_t=lambda t, t_prev, x, T: many(t, x),
    signal=lambda a, a_prev: a_prev.sqrt(),
    noise=lambda a, a_prev: (1 - a_prev).sqrt(),
    clamp=lambda x: x,
    again=False,
    extra=lambda x: 0,
    out=lambda x, x0_hat: x,
    to_noise=None,
    new_table=None,
    **removed,
):
    eps_hat = model(xt, model_t(t, t_prev, xt, s.T))
    u, new = level(t), new_table or table
    a, a_prev, a_noise = (
        b.to(xt.dtype) for b in (table(s)[u], new(s)[to(t, t_prev)], new(s)[(to_noise or to)(t, t_prev)])
    )
    x0 = clamp(x0_hat(s, xt, many(u, xt), eps_hat, **{"table": table, **removed}))
    if again:
        eps_hat = (xt - a.sqrt() * x0) / (1 - a).sqrt()
    return out(signal(a, a_prev) * x0 + noise(a, a_noise) * eps_hat + extra(xt), x0)


def _settings(seed):
    """(label, s, levels to do, x, z, options); a level is (t, t_prev)."""
    s, ((x, z), (_, other)) = small(seed), pixels(seed, 2)
    made = [(f"one pixel, t = {t}", s, t, x, z, {}) for t in (2, 4, 1, 5, 3)]
    made += [
        (f"one pixel, t = {t}, another z", s, t, x, other, {"twin": (f"one pixel, t = {t}", "z")})
        for t in (2, 4)
    ]
    made.append(("one pixel, T = 1", schedule([0.7]), 1, x, z, {}))
    for t in (1, 3, 5):
        made.append((f"as many samples as columns, t = {t}", s, t, *numbers(seed + t, (4, 1, 3, 4), 2), {}))
    made.append(("float64, not square", s, 4, *numbers(seed + 7, (3, 3, 3, 5), 2, torch.float64), {}))
    for t in (1, 2, 500, 1000):
        made.append(
            (f"T = 1000, t = {t}", thousand(), t, *numbers(seed + 8, (2, 1, 2, 3), 2), {"rtol": HARD})
        )
    made.append(("extreme alpha_bar", extreme(), 2, *numbers(seed + 9, (2, 1, 2, 3), 2), {"rtol": HARD}))
    made.append(
        (
            "two pictures",
            s,
            3,
            torch.cat([picture(seed), picture(seed).mT]),
            *numbers(seed + 10, (2, 1, 16, 16), 1),
            {"picture": True},
        )
    )
    made.append(("2-D data (4, 4)", s, 3, *numbers(seed + 11, (4, 4), 2), {"core": False}))
    return made


def _steps(seed):
    return [
        Probe(label, (spy(seed), s, x, t, z), **options) for label, s, t, x, z, options in _settings(seed)
    ]


def _jumps(seed):
    made = []
    for label, s, t, x, _, options in _settings(seed):
        if "twin" not in options:
            for t_prev in sorted({0, t - 1, t // 2}, reverse=True):
                made.append(Probe(f"{label}, t_prev = {t_prev}", (spy(seed), s, x, t, t_prev), **options))
    return made


def _way_back(model, s, xt, t, z):
    eps_hat = model(xt, many(t, xt))
    return {
        "eps_hat": eps_hat,
        "mean": mean(s, xt, many(t, xt), eps_hat),
        "sqrt(beta_t)": s.beta[t].sqrt(),
        "sqrt(beta_tilde_t)": s.beta_tilde[t].sqrt(),
    }


def _way_down(model, s, xt, t, t_prev):
    eps_hat = model(xt, many(t, xt))
    return {"eps_hat": eps_hat, "x0_hat": solve(s, xt, many(t, xt), eps_hat)}


CLAMPED = {"mu": clamped}
TILDE = {"var": lambda s: s.beta_tilde}
CLAMP_OUT = mistake(
    "clamped",
    "You clamp x_{t-1} itself to [-1, 1]. It still holds noise and goes beyond. Clamping "
    "x0_hat would be a choice; clamping the state changes the distribution at every step.",
    out=lambda x, _: x.clamp(-1, 1),
)
X0_OUT = mistake(
    "returns-x0-hat",
    "You return x0_hat, the guess of the clean picture: that jumps to the end at once.",
    out=lambda x, x0: x0() if callable(x0) else x0,
)

P_STEP = Exercise(
    name="p_step",
    arguments=("model", "s", "xt", "t", "z"),
    outputs=("x_prev",),
    slide="S14 (Algorithm 2), S8",
    meaning="T of these steps lead from pure noise to a picture; the last one adds no noise.",
    formula=step,
    probes=_steps,
    blocked=(ddpm_steps, ddim_steps, sample),
    factors=("z",),
    way=_way_back,
    forms=(
        Form("Algorithm 2 with sigma_t^2 = beta_t"),
        Form("Algorithm 2 with sigma_t^2 = beta_tilde_t", TILDE),
        Form("sigma_t^2 = beta_t, x0_hat clamped to [-1, 1]", CLAMPED),
        Form("sigma_t^2 = beta_tilde_t, x0_hat clamped to [-1, 1]", {**CLAMPED, **TILDE}),
    ),
    mistakes=MEAN_MISTAKES
    + FRESH
    + (
        CLAMP_OUT,
        X0_OUT,
        mistake(
            "noise-at-t-1",
            "You add noise at t = 1. The last step returns x_0: z = 0 there (Algorithm 2, S14), or "
            "the finished picture is noised once more.",
            last=lambda t, T: True,
        ),
        mistake(
            "noise-only-at-t-1",
            "Your condition is the wrong way round: noise is added for t > 1, and not at t = 1.",
            last=lambda t, T: t == 1,
            var=lambda s: s.beta,
        ),
        mistake(
            "noise-at-t-1",
            "You leave out the noise at t = T. It is the *last* step of the loop, t = 1, that adds none.",
            last=lambda t, T: t < T,
        ),
        mistake(
            "no-noise-at-t-2",
            "You add no noise at t = 2. Only t = 1 goes without (S14: z ~ N(0, I) if t > 1).",
            last=lambda t, T: t > 2,
        ),
        mistake(
            "noise-at-t-1",
            "You add noise at t = 1: your variance there is that of t = 2, the floor that keeps its "
            "logarithm finite. The last step returns x_0: z = 0 there (Algorithm 2, S14).",
            last=lambda t, T: True,
            var=lambda s: torch.cat([s.beta_tilde[:1], s.beta_tilde[2:3], s.beta_tilde[2:]]),
        ),
        mistake(
            "clamped",
            "You clamp x_t to [-1, 1] before the step. It holds noise and goes beyond. Clamping x0_hat "
            "would be a choice; clamping the state changes the distribution at every step.",
            before=lambda x: x.clamp(-1, 1),
        ),
        mistake(
            "noise-in-bracket",
            "Your sigma_t z stands inside the bracket, and is divided by sqrt(alpha_t) too. "
            "Algorithm 2 adds it after the bracket.",
            var=lambda s: s.beta / s.alpha,
        ),
        mistake(
            "beta-of-t-1",
            "Your sigma_t^2 is beta_{t-1}. Algorithm 2 has sigma_t, made of t's own beta_t or "
            "beta_tilde_t (S8).",
            var=lambda s: s.beta.roll(1),
        ),
        mistake(
            "variance-for-std",
            "You scale z by the variance sigma_t^2. Noise is scaled by the standard deviation "
            "sigma_t: take the square root.",
            std=lambda v: v,
        ),
        mistake(
            "no-noise",
            "You add no noise at all. Then the step returns its mean: samples collapse towards an average.",
            last=lambda t, T: False,
        ),
        mistake("noise-unscaled", "You add z at full size. Algorithm 2 has sigma_t z.", std=lambda v: v / v),
        mistake(
            "one-minus-alpha-bar-variance",
            "Your sigma_t is sqrt(1 - alpha_bar_t), the noise of the jump from x_0. "
            "One step back adds sigma_t^2 = beta_t or beta_tilde_t (S8).",
            var=lambda s: 1 - s.alpha_bar,
        ),
        mistake("wrong-sign-z", "You subtract sigma_t z. Algorithm 2 adds it.", draw=lambda z: -z),
        mistake(
            "off-by-one",
            "Your step uses the coefficients of t-1. Entry t of labdiff's arrays is the slides' t.",
            level=lambda t: t - 1,
        ),
        mistake(
            "model-gets-t-minus-1",
            "Your model gets t-1. It is trained with the slides' t, the level of x_t.",
            model_t=lambda t, x, T: many(t - 1, x),
        ),
        mistake(
            "model-gets-t-over-T",
            "Your model gets t/T. labdiff's models take t itself, int64 in 1..T.",
            model_t=lambda t, x, T: many(t, x) / T,
        ),
        *(
            mistake(
                "t-not-a-batch",
                "Your model gets t as one number. A model takes a tensor of shape (B,), one t for each "
                "sample: torch.full((len(xt),), t, device=xt.device).",
                model_t=lambda t, x, T, f=f: f(t),
            )
            for f in (int, torch.tensor, lambda t: torch.tensor([t]))
        ),
    ),
)

DDIM = Exercise(
    name="ddim_step",
    arguments=("model", "s", "xt", "t", "t_prev"),
    outputs=("x_prev",),
    slide="S14 (what comes after it); Song et al. 2021, eq. 12 with sigma = 0",
    meaning="Without noise on the way a step may leave levels out: 50 calls of the model do the work of 1000.",
    formula=ddim,
    probes=_jumps,
    blocked=(ddpm_steps, ddim_steps, sample),
    way=_way_down,
    forms=(
        Form("x_{t'} = sqrt(alpha_bar_t') x0_hat + sqrt(1 - alpha_bar_t') eps_hat"),
        Form("x0_hat clamped to [-1, 1]", {"clamp": lambda x: x.clamp(-1, 1)}),
        Form(
            "x0_hat clamped to [-1, 1], eps_hat made to fit it",
            {"clamp": lambda x: x.clamp(-1, 1), "again": True},
        ),
    ),
    mistakes=(
        CLAMP_OUT,
        X0_OUT,
        mistake(
            "alpha-bar-of-t-minus-1",
            "You go to alpha_bar[t-1]. With a stride the next level is t_prev: use alpha_bar[t_prev].",
            to=lambda t, t_prev: t - 1,
        ),
        mistake(
            "alpha-bar-of-t-minus-1",
            "You scale x0_hat by sqrt(alpha_bar[t-1]). With a stride the next level is "
            "t_prev: use alpha_bar[t_prev] there too.",
            to=lambda t, t_prev: t - 1,
            to_noise=lambda t, t_prev: t_prev,
        ),
        mistake(
            "alpha-bar-of-t-minus-1",
            "You put back the noise of alpha_bar[t-1]. With a stride the next level is "
            "t_prev: use alpha_bar[t_prev] there too.",
            to_noise=lambda t, t_prev: t - 1,
        ),
        mistake(
            "last-step-to-1",
            "Your last step goes to alpha_bar[1]. t_prev = 0 is clean data: alpha_bar[0] = 1.",
            to=lambda t, t_prev: max(t_prev, 1),
        ),
        mistake(
            "stays-at-t",
            "You put the noise of level t back on. The new level is t_prev.",
            to=lambda t, t_prev: t,
        ),
        mistake(
            "variance-for-std",
            "You put (1 - alpha_bar) eps_hat back on, a variance. It is sqrt(1 - alpha_bar[t_prev]).",
            noise=lambda a, a_prev: 1 - a_prev,
        ),
        mistake(
            "missing-root-signal",
            "You scale x0_hat by alpha_bar[t_prev]. It is its square root (S5).",
            signal=lambda a, a_prev: a_prev,
        ),
        mistake(
            "noise-of-t",
            "Your noise term has sqrt(1 - alpha_bar[t]). The new level has sqrt(1 - alpha_bar[t_prev]).",
            noise=lambda a, a_prev: (1 - a).sqrt(),
        ),
        mistake(
            "signal-of-t",
            "Your x0_hat is scaled by sqrt(alpha_bar[t]). The new level has sqrt(alpha_bar[t_prev]).",
            signal=lambda a, a_prev: a.sqrt(),
        ),
        mistake(
            "signal-unscaled",
            "Your x0_hat is not scaled down to the new level: sqrt(alpha_bar[t_prev]) is missing.",
            signal=lambda a, a_prev: a_prev / a_prev,
        ),
        mistake(
            "swapped-coefficients",
            "The two coefficients are swapped: x0_hat gets sqrt(alpha_bar), eps_hat sqrt(1 - alpha_bar).",
            signal=lambda a, a_prev: (1 - a_prev).sqrt(),
            noise=lambda a, a_prev: a_prev.sqrt(),
        ),
        mistake(
            "no-noise",
            "You put no noise back on: the state is then at no level that the model knows.",
            noise=lambda a, a_prev: 0 * a,
        ),
        mistake(
            "missing-root-noise",
            "In x0_hat you take off (1 - alpha_bar_t) eps_hat. It is sqrt(1 - alpha_bar_t).",
            x0_hat=lambda *q, **k: solve(*q, noise=lambda a: 1 - a, **k),
        ),
        mistake(
            "x0-not-rescaled",
            "In x0_hat the division by sqrt(alpha_bar_t) is missing.",
            x0_hat=lambda *q, **k: solve(*q, signal=lambda a: a / a, **k),
        ),
        mistake(
            "x0-missing-root",
            "In x0_hat you divide by alpha_bar_t. It is sqrt(alpha_bar_t).",
            x0_hat=lambda *q, **k: solve(*q, signal=lambda a: 1 / a, **k),
        ),
        mistake(
            "alpha-for-alpha-bar",
            "You use alpha. DDIM jumps along alpha_bar, the product of all steps.",
            table=alpha,
        ),
        mistake(
            "adds-noise",
            "You add fresh noise. A DDIM step (sigma = 0) is deterministic: only eps_hat goes back on.",
            extra=torch.randn_like,
        ),
        mistake(
            "wrong-sign",
            "You subtract the new noise. DDIM adds sqrt(1 - alpha_bar[t_prev]) eps_hat.",
            noise=lambda a, a_prev: -(1 - a_prev).sqrt(),
        ),
        mistake(
            "alpha-for-alpha-bar",
            "The new level has alpha[t_prev]. DDIM jumps along alpha_bar, the product of all "
            "steps; your x0_hat is right.",
            new_table=alpha,
        ),
        mistake(
            "off-by-one",
            "Your x0_hat uses level t-1. Entry t of labdiff's arrays is the slides' t.",
            level=lambda t: t - 1,
        ),
        mistake(
            "model-gets-t-minus-1",
            "Your model gets t-1. It is trained with the slides' t, the level of x_t.",
            model_t=lambda t, p, x, T: many(t - 1, x),
        ),
        mistake(
            "model-gets-t-prev",
            "Your model gets t_prev. It has to be told the level of the x_t that it sees: t.",
            model_t=lambda t, p, x, T: many(p, x),
        ),
        mistake(
            "model-gets-t-over-T",
            "Your model gets t/T. labdiff's models take t itself, int64 in 1..T.",
            model_t=lambda t, p, x, T: many(t, x) / T,
        ),
        *(
            mistake(
                "t-not-a-batch",
                "Your model gets t as one number. A model takes a tensor of shape (B,), one t for each "
                "sample: torch.full((len(xt),), t, device=xt.device).",
                model_t=lambda t, p, x, T, f=f: f(t),
            )
            for f in (int, torch.tensor, lambda t: torch.tensor([t]))
        ),
    ),
)

EXERCISES = (P_STEP, DDIM)
