"""Slide S11: the mean of the learned step back, and the mistakes in it, which p_step makes too."""

from labdiff import process, sampling
from labdiff.checks.exercises.exercise import Exercise, Form, catalogue, functions_of, wrong
from labdiff.checks.exercises.noising import OFF_BY_ONE, SHAPE, jump
from labdiff.checks.exercises.predict_x0_exercise import solve
from labdiff.checks.exercises.probes import batch_probes, scale
from labdiff.checks.exercises.q_posterior_exercise import entries_at, on_x0, on_xt, posterior


def mean(
    s,
    xt,
    t,
    eps_hat,
    *,
    level=lambda t: t,
    noise=lambda q: q.beta / (1 - q.ab).sqrt(),
    sign=-1,
    front=lambda q: 1 / q.alpha.sqrt(),
    shape=scale,
    out=lambda x, *_: x,
):
    q = entries_at(s, level(t))
    return out(shape(front(q), xt) * (xt + sign * shape(noise(q), xt) * eps_hat), xt, eps_hat, s, t)


def _clamped_x0(x, xt, eps_hat, s, t):
    return posterior(s, solve(s, xt, t, eps_hat).clamp(-1, 1), xt, t)[0]


def _posterior(**parts):
    """The mean through x0_hat and the posterior."""
    return lambda x, xt, eps_hat, s, t: posterior(s, solve(s, xt, t, eps_hat), xt, t, **parts)[0]


def _ddim(x, xt, eps_hat, s, t):
    return jump(s, solve(s, xt, t, eps_hat), t - 1, eps_hat)


MEAN_MISTAKES = catalogue(
    """
wrong-sign: You add the noise. It was added on the way to x_t, so it has to be subtracted on the way back.
missing-root-noise: You have beta_t / (1 - alpha_bar_t) in front of eps_hat. Slide S11 has a square root in
    that denominator: beta_t / sqrt(1 - alpha_bar_t).
missing-root-front: You divide by alpha_t in front of the bracket. Slide S11 divides by sqrt(alpha_t).
root-beta: You have sqrt(beta_t) in front of eps_hat. Slide S11 has beta_t / sqrt(1 - alpha_bar_t).
alpha-bar-in-front: You divide the bracket by sqrt(alpha_bar_t): that leads all the way to x_0. One step back
    divides by sqrt(alpha_t) (S11).
alpha-for-alpha-bar: You have beta_t / sqrt(1 - alpha_t), which is sqrt(beta_t), in front of eps_hat. Slide
    S11 has beta_t / sqrt(1 - alpha_bar_t).
alpha-for-beta: You have alpha_t where beta_t = 1 - alpha_t belongs, in front of eps_hat (S11).
all-noise-removed: You subtract sqrt(1 - alpha_bar_t) eps_hat, all of the noise. One step back takes off only
    beta_t / sqrt(1 - alpha_bar_t) of it (S11).
noise-unscaled: You subtract beta_t eps_hat. Slide S11 divides it by sqrt(1 - alpha_bar_t).
not-divided: The factor 1/sqrt(alpha_t) in front of the bracket is missing (S11).
multiplied: You multiply by sqrt(alpha_t) in front of the bracket. Slide S11 divides by it.
bracket-missing: You divide only x_t by sqrt(alpha_t). The division goes over the whole difference: put
    brackets around it (S11).
bracket-missing/only-noise: You divide only the noise by sqrt(alpha_t). The division goes over the whole
    difference: put brackets around it (S11).
beta-of-t-1: You have beta_{t-1} in front of eps_hat. Slide S11 has beta_t.
previous-level-denominator: You have 1 - alpha_bar_{t-1} under the root in front of eps_hat. Slide S11 has 1
    - alpha_bar_t; yours is 0 at t = 1.
beta-tilde-for-beta: You have beta_tilde_t in front of eps_hat. Slide S11 has beta_t; beta_tilde_t is a
    variance for sigma_t.
one-minus-missing: You have beta_t / sqrt(alpha_bar_t) in front of eps_hat. Slide S11 has sqrt(1 -
    alpha_bar_t) in that denominator.
noise-multiplied: You multiply beta_t by sqrt(1 - alpha_bar_t) in front of eps_hat. Slide S11 divides by it.
beta-in-front: You divide by sqrt(beta_t) in front of the bracket. Slide S11 divides by sqrt(alpha_t).
beta-in-front/swapped: You multiply by sqrt(beta_t) in front of the bracket. Slide S11 divides by
    sqrt(alpha_t).
noise-unscaled/all: You subtract all of eps_hat. One step back takes off only beta_t / sqrt(1 - alpha_bar_t)
    of it (S11).
root-of-difference: You have 1 - sqrt(alpha_bar_t) under beta_t. Slide S11 has sqrt(1 - alpha_bar_t): first 1
    - alpha_bar_t, then the root.
numerator-brackets: You have 1 - alpha_t / sqrt(1 - alpha_bar_t) in front of eps_hat: brackets are missing
    around 1 - alpha_t.
no-noise: eps_hat never enters your mean. One step back takes beta_t / sqrt(1 - alpha_bar_t) of it off (S11).
""",
    wrong("wrong-sign", sign=1),
    wrong("missing-root-noise", noise=lambda q: q.beta / (1 - q.ab)),
    wrong("missing-root-front", front=lambda q: 1 / q.alpha),
    wrong("root-beta", noise=lambda q: (q.beta / (1 - q.ab)).sqrt()),
    wrong("alpha-bar-in-front", front=lambda q: 1 / q.ab.sqrt()),
    wrong("alpha-for-alpha-bar", noise=lambda q: q.beta / (1 - q.alpha).sqrt()),
    wrong("alpha-for-beta", noise=lambda q: q.alpha / (1 - q.ab).sqrt()),
    wrong("all-noise-removed", noise=lambda q: (1 - q.ab).sqrt()),
    wrong("noise-unscaled", noise=lambda q: q.beta),
    wrong("not-divided", front=lambda q: q.alpha / q.alpha),
    wrong("multiplied", front=lambda q: q.alpha.sqrt()),
    wrong("bracket-missing", noise=lambda q: q.beta * (q.alpha / (1 - q.ab)).sqrt()),
    wrong(
        "bracket-missing/only-noise",
        front=lambda q: q.alpha / q.alpha,
        noise=lambda q: q.beta / (q.alpha * (1 - q.ab)).sqrt(),
    ),
    wrong("beta-of-t-1", noise=lambda q: q.beta_prev / (1 - q.ab).sqrt()),
    wrong("previous-level-denominator", noise=lambda q: q.beta / (1 - q.abp).sqrt()),
    wrong("beta-tilde-for-beta", noise=lambda q: (1 - q.abp) * q.beta / (1 - q.ab) ** 1.5),
    wrong("one-minus-missing", noise=lambda q: q.beta / q.ab.sqrt()),
    wrong("noise-multiplied", noise=lambda q: q.beta * (1 - q.ab).sqrt()),
    wrong("beta-in-front", front=lambda q: 1 / q.beta.sqrt()),
    wrong("beta-in-front/swapped", front=lambda q: q.beta.sqrt()),
    wrong("noise-unscaled/all", noise=lambda q: q.ab / q.ab),
    wrong("root-of-difference", noise=lambda q: q.beta / (1 - q.ab.sqrt())),
    wrong("numerator-brackets", noise=lambda q: 1 - q.alpha / (1 - q.ab).sqrt()),
    wrong("no-noise", noise=lambda q: 0 * q.beta),
)

MISTAKES = catalogue(
    """
clamped: You clamp x0_hat on the way. A sampler may choose that, but slide S11's mean is without it: it is
    linear in eps_hat, and the KL of S11 relies on that.
returns-x0-hat: You return x0_hat, the estimate of the clean picture. mu_theta is the mean of x_{t-1}, one
    step back: put x0_hat into the posterior's mean (S10), or use the formula of S11.
ddim-for-mean: You noise x0_hat to level t-1 with eps_hat: that is a DDIM step. The mean of DDPM's step back
    (S11) is another point.
swapped-coefficients: You put x0_hat into the posterior's mean with its two coefficients swapped:
    sqrt(alpha_bar_{t-1}) beta_t goes with x0_hat, sqrt(alpha_t) (1 - alpha_bar_{t-1}) with x_t (S10).
only-x0-part: Your mean has only the part of x0_hat. The posterior's mean (S10) also has a part of x_t.
clamped/result: You clamp the result to [-1, 1]. mu_theta is the mean of x_{t-1}, which still holds noise.
eps-for-x0-hat: You put eps_hat into the posterior's mean (S10) where x0_hat belongs: first solve S5 for
    x0_hat.
arguments-swapped: x_t and eps_hat are swapped: eps_hat is what is subtracted (S11).
arguments-swapped/posterior: You put x_t and eps_hat into the posterior's mean (S10), as x_0 and x_t. It
    takes x0_hat, S5 solved for x_0, and x_t.
""",
    *OFF_BY_ONE,
    *SHAPE,
    *MEAN_MISTAKES,
    wrong("clamped", out=_clamped_x0),
    wrong("returns-x0-hat", out=lambda x, xt, eps_hat, s, t: solve(s, xt, t, eps_hat)),
    wrong("ddim-for-mean", out=_ddim),
    wrong("swapped-coefficients", out=_posterior(on_x0=on_xt, on_xt=on_x0)),
    wrong("only-x0-part", out=_posterior(on_xt=lambda q: 0 * q.ab)),
    wrong("clamped/result", out=lambda x, *_: x.clamp(-1, 1)),
    wrong("eps-for-x0-hat", out=lambda x, xt, eps_hat, s, t: posterior(s, eps_hat, xt, t)[0]),
    wrong("arguments-swapped", out=lambda x, xt, eps_hat, s, t: mean(s, eps_hat, t, xt)),
    wrong("arguments-swapped/posterior", out=lambda x, xt, eps_hat, s, t: posterior(s, xt, eps_hat, t)[0]),
)

EXERCISE = Exercise(
    name="p_mean",
    arguments=("s", "xt", "t", "eps_hat"),
    outputs=("mean",),
    slide="S11",
    meaning="Predicting the noise is enough to know where one step back leads.",
    formula=mean,
    make_probes=batch_probes(("s", "xt", "t", "eps_hat")),
    mistakes=MISTAKES,
    forms=(Form("mu = (x_t - beta_t / sqrt(1 - alpha_bar_t) eps_hat) / sqrt(alpha_t)"),),
    blocked=(process.p_mean, *functions_of(sampling)),
    factors=("xt", "eps_hat"),
)
