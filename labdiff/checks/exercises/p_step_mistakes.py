"""A step of Algorithm 2: the mistakes that are made with it."""

import torch

from labdiff.checks.exercises.exercise import catalogue, wrong
from labdiff.checks.exercises.noising import FRESH, jump
from labdiff.checks.exercises.p_mean_exercise import MEAN_MISTAKES, mean
from labdiff.checks.exercises.predict_x0_exercise import solve
from labdiff.checks.exercises.q_posterior_exercise import on_x0, on_xt, posterior
from labdiff.checks.exercises.reverse_probes import MODEL_T, OUT, many


def _posterior(**parts):
    """The mean through x0_hat and the posterior."""
    return lambda s, xt, t, eps_hat: posterior(s, solve(s, xt, t, eps_hat), xt, t, **parts)[0]


def _ddim(s, xt, t, eps_hat):
    return jump(s, solve(s, xt, t, eps_hat), t - 1, eps_hat)


def _jumped(s, xt, t, eps_hat):
    return jump(s, solve(s, xt, t, eps_hat), t - 1, torch.zeros_like(xt))


def _jumped_clamped(s, xt, t, eps_hat):
    return jump(s, solve(s, xt, t, eps_hat).clamp(-1, 1), t - 1, torch.zeros_like(xt))


def _after_jump(s):
    return (1 - s.alpha_bar).roll(1)


MISTAKES = catalogue(
    """
noise-at-t-1: You add noise at t = 1. The last step returns x_0: z = 0 there (Algorithm 2, S14), or the
    finished picture is noised once more.
noise-only-at-t-1: Your condition is the wrong way round: noise is added for t > 1, and not at t = 1.
noise-at-t-1/not-at-T: You leave out the noise at t = T. It is the *last* step of the loop, t = 1, that adds
    none.
no-noise-at-t-2: You add no noise at t = 2. Only t = 1 goes without (S14: z ~ N(0, I) if t > 1).
noise-at-t-1/floor: You add noise at t = 1: your variance there is that of t = 2, the floor that keeps its
    logarithm finite. The last step returns x_0: z = 0 there (Algorithm 2, S14).
clamped: You clamp x_t to [-1, 1] before the step. It holds noise and goes beyond. Clamping x0_hat would be a
    choice; clamping the state changes the distribution at every step.
noise-in-bracket: Your sigma_t z stands inside the bracket, and is divided by sqrt(alpha_t) too. Algorithm 2
    adds it after the bracket.
beta-of-t-1: Your sigma_t^2 is beta_{t-1}. Algorithm 2 has sigma_t, made of t's own beta_t or beta_tilde_t
    (S8).
variance-for-std: You scale z by the variance sigma_t^2. Noise is scaled by the standard deviation sigma_t:
    take the square root.
no-noise: You add no noise at all. Then the step returns its mean: samples collapse towards an average.
noise-unscaled: You add z at full size. Algorithm 2 has sigma_t z.
one-minus-alpha-bar-variance: Your sigma_t is sqrt(1 - alpha_bar_t), the noise of the jump from x_0. One step
    back adds sigma_t^2 = beta_t or beta_tilde_t (S8).
wrong-sign-z: You subtract sigma_t z. Algorithm 2 adds it.
off-by-one: Your step uses the coefficients of t-1. Entry t of labdiff's arrays is the slides' t.
ddim-for-ddpm: Your mean is DDIM's: x0_hat noised to level t-1 with eps_hat. With sigma_t z on top there is
    too much noise; Algorithm 2 has the mean of S11.
clamped-to-0-1: You clamp x0_hat to [0, 1]. Data is in [-1, 1] here: dark pixels would all become grey.
swapped-coefficients: You put x0_hat into the posterior's mean with its two coefficients swapped:
    sqrt(alpha_bar_{t-1}) beta_t goes with x0_hat, sqrt(alpha_t) (1 - alpha_bar_{t-1}) with x_t (S10).
returns-x0-hat/noised: Your mean is x0_hat, the guess of the clean picture: that jumps to the end at once.
    One step back has the mean of S11.
one-minus-alpha-bar-variance/before: Your sigma_t is sqrt(1 - alpha_bar_{t-1}), the noise that x_{t-1} has in
    all. One step back adds sigma_t^2 = beta_t or beta_tilde_t (S8).
alpha-for-beta-variance: Your sigma_t is sqrt(alpha_t). It is sqrt(beta_t) or sqrt(beta_tilde_t) (S8).
returns-difference: Your mean is x_t - eps_hat, without the factors of S11.
eps-for-x0-hat: You put eps_hat into the posterior's mean (S10) where x0_hat belongs: first solve S5 for
    x0_hat.
model-gets-T-minus-t: Your model gets T - t. It is told the level of the x_t that it sees: t itself.
missing-root-x0: You put x0_hat into the posterior's mean, and there the square root over alpha_bar_{t-1} is
    missing (S10).
missing-root-xt: You put x0_hat into the posterior's mean, and there the square root over alpha_t is missing
    (S10).
clamped/last: You clamp the result of the last step. Algorithm 2 returns it as it is; clamp finished pictures
    where they are shown.
one-number-for-noise: You take the mean of z, one number for all. Every pixel has its own noise.
roots-missing: All square roots are missing: over alpha_t, over 1 - alpha_bar_t and over sigma_t^2 (S14).
renoised: You noise x0_hat to level t-1 with z, by the jump (S5). Algorithm 2 keeps what x_t knows: the mean
    of S11, and sigma_t z on top.
only-noise: Your result is sigma_t z alone: the mean is missing.
""",
    *MEAN_MISTAKES,
    *FRESH,
    *OUT,
    *MODEL_T,
    wrong("noise-at-t-1", last=lambda t, T: True),
    wrong("noise-only-at-t-1", last=lambda t, T: t == 1, var=lambda s: s.beta),
    wrong("noise-at-t-1/not-at-T", last=lambda t, T: t < T),
    wrong("no-noise-at-t-2", last=lambda t, T: t > 2),
    wrong(
        "noise-at-t-1/floor",
        last=lambda t, T: True,
        var=lambda s: torch.cat([s.beta_tilde[:1], s.beta_tilde[2:3], s.beta_tilde[2:]]),
    ),
    wrong("clamped", before=lambda x: x.clamp(-1, 1)),
    wrong("noise-in-bracket", var=lambda s: s.beta / s.alpha),
    wrong("beta-of-t-1", var=lambda s: s.beta.roll(1)),
    wrong("variance-for-std", std=lambda v: v),
    wrong("no-noise", last=lambda t, T: False),
    wrong("noise-unscaled", std=lambda v: v / v),
    wrong("one-minus-alpha-bar-variance", var=lambda s: 1 - s.alpha_bar),
    wrong("wrong-sign-z", draw=lambda z: -z),
    wrong("off-by-one", level=lambda t: t - 1),
    wrong("ddim-for-ddpm", mu=_ddim),
    wrong("clamped-to-0-1", mu=lambda s, xt, t, e: posterior(s, solve(s, xt, t, e).clamp(0, 1), xt, t)[0]),
    wrong("swapped-coefficients", mu=_posterior(on_x0=on_xt, on_xt=on_x0)),
    wrong("returns-x0-hat/noised", mu=solve),
    wrong("one-minus-alpha-bar-variance/before", var=lambda s: (1 - s.alpha_bar).roll(1)),
    wrong("alpha-for-beta-variance", var=lambda s: s.alpha),
    wrong("returns-difference", mu=lambda s, xt, t, eps_hat: xt - eps_hat),
    wrong("eps-for-x0-hat", mu=lambda s, xt, t, eps_hat: posterior(s, eps_hat, xt, t)[0]),
    wrong("model-gets-T-minus-t", model_t=lambda t, x, T: many(T - t, x)),
    wrong("model-gets-T-minus-t", model_t=lambda t, x, T: many(T - t + 1, x)),
    wrong("missing-root-x0", mu=_posterior(on_x0=lambda q: q.abp * q.beta / (1 - q.ab))),
    wrong("missing-root-xt", mu=_posterior(on_xt=lambda q: q.alpha * (1 - q.abp) / (1 - q.ab))),
    wrong(
        "clamped/last",
        mu=lambda s, xt, t, e: mean(s, xt, t, e).clamp(*((-1, 1) if t[0] == 1 else (None, 9e9))),
    ),
    wrong("one-number-for-noise", draw=lambda z: z.mean()),
    wrong("roots-missing", noise=lambda q: q.beta / (1 - q.ab), front=lambda q: 1 / q.alpha, std=lambda v: v),
    wrong("renoised", mu=_jumped, var=_after_jump),
    wrong("renoised", mu=_jumped_clamped, var=_after_jump),
    wrong("only-noise", mu=lambda s, xt, t, eps_hat: 0 * xt),
)
