"""Slides S10, S5, S11: q_posterior, predict_x0, p_mean."""

from collections import namedtuple
from itertools import product

from labdiff import process
from labdiff.checks.exercises.exercise import Exercise, Form, mistake
from labdiff.checks.exercises.forward import OFF_BY_ONE, SHAPE, alpha, alpha_bar
from labdiff.checks.exercises.probes import batch_probes, scale

Level = namedtuple(
    "Level", "beta alpha ab abp beta_prev"
)  # the numbers of noise level t; abp is alpha_bar_{t-1}


def at(s, t):
    return Level(s.beta[t], s.alpha[t], s.alpha_bar[t], s.alpha_bar[t - 1], s.beta[t - 1])


def on_x0(q, down=lambda q: 1 - q.ab, beta=lambda q: q.beta):
    return q.abp.sqrt() * beta(q) / down(q)


def on_xt(q, down=lambda q: 1 - q.ab):
    return q.alpha.sqrt() * (1 - q.abp) / down(q)


def beta_tilde(q, down=lambda q: 1 - q.ab, beta=lambda q: q.beta):
    return (1 - q.abp) / down(q) * beta(q)


def posterior(
    s,
    x0,
    xt,
    t,
    *,
    level=lambda t: t,
    on_x0=on_x0,
    on_xt=on_xt,
    var=beta_tilde,
    shape=scale,
    out=lambda mean, var: (mean, var),
):
    q = at(s, level(t))
    return out(shape(on_x0(q), xt) * x0 + shape(on_xt(q), xt) * xt, shape(var(q), xt))


def _in_some(id, hint, **wrong):
    """The same mistake in any selection of the three formulas, all of them first."""
    for chosen in product((True, False), repeat=len(wrong)):
        parts = {name: part for (name, part), keep in zip(wrong.items(), chosen) if keep}
        if parts:
            places = " and ".join(
                {"on_x0": "the factor of x_0", "on_xt": "the factor of x_t", "var": "the variance"}[p]
                for p in parts
            )
            yield mistake(id, hint.format(places=places), **parts)


def _before(q):
    return 1 - q.abp


def _previous(q):
    return q.beta_prev


POSTERIOR = Exercise(
    name="q_posterior",
    arguments=("s", "x0", "xt", "t"),
    outputs=("mean", "var"),
    slide="S10",
    meaning="Whoever knows x_0 knows the step back exactly: a Gaussian whose mean lies between x_0 and x_t.",
    formula=posterior,
    probes=batch_probes(("s", "x0", "xt", "t")),
    blocked=(process.q_posterior,),
    factors=("x0", "xt"),
    forms=(Form("mu_tilde and beta_tilde of slide S10"),),
    loose=("var",),
    mistakes=OFF_BY_ONE
    + SHAPE
    + (
        mistake(
            "swapped-coefficients",
            "The two coefficients of the mean are swapped: sqrt(alpha_bar_{t-1}) beta_t goes "
            "with x_0, sqrt(alpha_t) (1 - alpha_bar_{t-1}) with x_t (S10). Check: at t = 1 the mean must be x_0.",
            on_x0=on_xt,
            on_xt=on_x0,
        ),
        *_in_some(
            "previous-level-denominator",
            "In {places} you divide by 1 - alpha_bar_{{t-1}}. The denominator is "
            "1 - alpha_bar_t (S10); yours is 0 at t = 1.",
            on_x0=lambda q: on_x0(q, _before),
            on_xt=lambda q: on_xt(q, _before),
            var=lambda q: beta_tilde(q, _before),
        ),
        *_in_some(
            "beta-of-t-1",
            "In {places} you use beta_{{t-1}}. Slide S10 has beta_t; only alpha_bar comes at t-1.",
            on_x0=lambda q: on_x0(q, beta=_previous),
            var=lambda q: beta_tilde(q, beta=_previous),
        ),
        mistake(
            "std-for-variance",
            "Your second result is the standard deviation sqrt(beta_tilde_t). The variance itself "
            "is asked for; a name should hold what it says.",
            var=lambda q: beta_tilde(q).sqrt(),
        ),
        mistake(
            "log-for-variance",
            "Your second result is the logarithm of the variance. Return the variance itself.",
            var=lambda q: beta_tilde(q).log(),
        ),
        mistake(
            "log-for-variance",
            "Your second result is the logarithm of the variance, kept finite at t = 1 by a floor "
            "of 1e-20. Return the variance itself.",
            var=lambda q: beta_tilde(q).clamp(min=1e-20).log(),
        ),
        mistake(
            "log-for-variance",
            "Your second result is log(sigma_t), half the logarithm of the variance. Return the "
            "variance itself.",
            var=lambda q: 0.5 * beta_tilde(q).log(),
        ),
        mistake(
            "beta-for-variance",
            "Your second result is beta_t. That is the other usual choice of sigma_t^2 for "
            "p_theta (S8); the posterior's own variance is beta_tilde_t, which is smaller, and 0 at t = 1 (S10).",
            var=lambda q: q.beta,
        ),
        mistake(
            "inverted-variance",
            "The fraction in your variance is upside down: it is (1 - alpha_bar_{t-1}) / (1 - "
            "alpha_bar_t), at most 1 (S10).",
            var=lambda q: (1 - q.ab) / (1 - q.abp) * q.beta,
        ),
        mistake(
            "one-minus-alpha-bar-variance",
            "Your variance is 1 - alpha_bar_t, that of q(x_t | x_0). The step back has beta_tilde_t (S10).",
            var=lambda q: 1 - q.ab,
        ),
        mistake(
            "missing-root-x0",
            "In the factor of x_0 the square root over alpha_bar_{t-1} is missing (S10).",
            on_x0=lambda q: q.abp * q.beta / (1 - q.ab),
        ),
        mistake(
            "alpha-bar-of-t",
            "The factor of x_0 has sqrt(alpha_bar_t) where slide S10 has sqrt(alpha_bar_{t-1}).",
            on_x0=lambda q: q.ab.sqrt() * q.beta / (1 - q.ab),
        ),
        mistake(
            "missing-root-xt",
            "In the factor of x_t the square root over alpha_t is missing (S10).",
            on_xt=lambda q: q.alpha * (1 - q.abp) / (1 - q.ab),
        ),
        mistake(
            "alpha-bar-for-alpha",
            "The factor of x_t has sqrt(alpha_bar_t) where slide S10 has sqrt(alpha_t).",
            on_xt=lambda q: q.ab.sqrt() * (1 - q.abp) / (1 - q.ab),
        ),
        mistake(
            "swapped-outputs",
            "You return (var, mean). The order is (mean, var).",
            out=lambda mean, var: (var, mean),
        ),
        mistake(
            "var-not-reshaped",
            "Your variance has the shape (B,). It meets the columns W of an image when it is "
            "used; give it the shape (B, 1, 1, 1) like the coefficients.",
            out=lambda mean, var: (mean, var.flatten()),
        ),
    ),
)


# ---- predict_x0 and p_mean ------------------------------------------------------------------------------------------


def solve(
    s,
    xt,
    t,
    eps_hat,
    *,
    level=lambda t: t,
    table=alpha_bar,
    noise=lambda a: (1 - a).sqrt(),
    sign=-1,
    signal=lambda a: 1 / a.sqrt(),
    shape=scale,
    out=lambda x, xt, eps: x,
):
    a = table(s)[level(t)]
    return out(shape(signal(a), xt) * (xt + sign * shape(noise(a), xt) * eps_hat), xt, eps_hat)


SIGN = mistake(
    "wrong-sign",
    "You add the noise. It was added on the way to x_t, so it has to be subtracted on the way back.",
    sign=1,
)
CLAMP = mistake(
    "clamped",
    "You clamp the result to [-1, 1]. A sampler may choose to clamp x0_hat, but this formula is "
    "without it: near t = T the result really is large.",
    out=lambda x, *_: x.clamp(-1, 1),
)

PREDICT = Exercise(
    name="predict_x0",
    arguments=("s", "xt", "t", "eps_hat"),
    outputs=("x0_hat",),
    slide="S5, solved for x_0",
    meaning="To know the noise is to know the clean picture: x_t, eps and x_0 are two of three.",
    formula=solve,
    probes=batch_probes(("s", "xt", "t", "eps_hat")),
    blocked=(process.predict_x0,),
    factors=("xt", "eps_hat"),
    forms=(Form("x0_hat = (x_t - sqrt(1 - alpha_bar_t) eps_hat) / sqrt(alpha_bar_t)"),),
    mistakes=OFF_BY_ONE
    + SHAPE
    + (
        SIGN,
        CLAMP,
        mistake(
            "missing-root-noise",
            "You subtract (1 - alpha_bar_t) eps_hat. S5 added sqrt(1 - alpha_bar_t) eps: the "
            "square root is missing in the numerator.",
            noise=lambda a: 1 - a,
        ),
        mistake(
            "missing-root-signal",
            "You divide by alpha_bar_t. S5 scaled x_0 by sqrt(alpha_bar_t): the square root is "
            "missing in the denominator.",
            signal=lambda a: 1 / a,
        ),
        mistake(
            "not-divided",
            "You took the noise off, but x_0 is still scaled by sqrt(alpha_bar_t): divide by it (S5).",
            signal=lambda a: a / a,
        ),
        mistake(
            "multiplied",
            "You multiply by sqrt(alpha_bar_t). S5 multiplied x_0 by it; to solve for x_0, divide.",
            signal=lambda a: a.sqrt(),
        ),
        mistake(
            "alpha-for-alpha-bar",
            "You use alpha_t. x_t came from x_0 by the jump with alpha_bar_t (S5).",
            table=alpha,
        ),
        mistake(
            "noise-unscaled",
            "You subtract all of eps_hat. Only sqrt(1 - alpha_bar_t) of it is in x_t (S5).",
            noise=lambda a: a / a,
        ),
        mistake(
            "noise-not-removed",
            "You divide x_t by sqrt(alpha_bar_t), but the noise is still in it.",
            noise=lambda a: 0 * a,
        ),
        mistake(
            "bracket-missing",
            "You divide only the noise by sqrt(alpha_bar_t). The division goes over the whole "
            "difference: put brackets around it.",
            signal=lambda a: a / a,
            noise=lambda a: ((1 - a) / a).sqrt(),
        ),
        mistake(
            "swapped-coefficients",
            "The two square roots are swapped: eps_hat goes with sqrt(1 - alpha_bar_t), and "
            "the difference is divided by sqrt(alpha_bar_t) (S5).",
            signal=lambda a: 1 / (1 - a).sqrt(),
            noise=lambda a: a.sqrt(),
        ),
        mistake("returns-eps", "You return eps_hat itself. Solve S5 for x_0.", out=lambda x, xt, eps: eps),
        mistake(
            "returns-difference",
            "You return x_t - eps_hat, without the two factors of S5.",
            out=lambda x, xt, eps: xt - eps,
        ),
    ),
)


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
    q = at(s, level(t))
    return out(shape(front(q), xt) * (xt + sign * shape(noise(q), xt) * eps_hat), xt, eps_hat, s, t)


def _clamped_x0(x, xt, eps_hat, s, t):
    return posterior(s, solve(s, xt, t, eps_hat).clamp(-1, 1), xt, t)[0]


# the mistakes in p_theta's mean, which p_step makes too
MEAN_MISTAKES = (
    SIGN,
    mistake(
        "missing-root-noise",
        "You have beta_t / (1 - alpha_bar_t) in front of eps_hat. Slide S11 has a square root "
        "in that denominator: beta_t / sqrt(1 - alpha_bar_t).",
        noise=lambda q: q.beta / (1 - q.ab),
    ),
    mistake(
        "missing-root-front",
        "You divide by alpha_t in front of the bracket. Slide S11 divides by sqrt(alpha_t).",
        front=lambda q: 1 / q.alpha,
    ),
    mistake(
        "root-beta",
        "You have sqrt(beta_t) in front of eps_hat. Slide S11 has beta_t / sqrt(1 - alpha_bar_t).",
        noise=lambda q: (q.beta / (1 - q.ab)).sqrt(),
    ),
    mistake(
        "alpha-bar-in-front",
        "You divide the bracket by sqrt(alpha_bar_t): that leads all the way to x_0. One step "
        "back divides by sqrt(alpha_t) (S11).",
        front=lambda q: 1 / q.ab.sqrt(),
    ),
    mistake(
        "alpha-for-alpha-bar",
        "You have alpha_t under the root of the noise factor. Slide S11 has beta_t / sqrt(1 - alpha_bar_t).",
        noise=lambda q: q.beta / (1 - q.alpha).sqrt(),
    ),
    mistake(
        "alpha-for-beta",
        "You have alpha_t where beta_t = 1 - alpha_t belongs, in front of eps_hat (S11).",
        noise=lambda q: q.alpha / (1 - q.ab).sqrt(),
    ),
    mistake(
        "all-noise-removed",
        "You subtract sqrt(1 - alpha_bar_t) eps_hat, all of the noise. One step back takes off "
        "only beta_t / sqrt(1 - alpha_bar_t) of it (S11).",
        noise=lambda q: (1 - q.ab).sqrt(),
    ),
    mistake(
        "noise-unscaled",
        "You subtract beta_t eps_hat. Slide S11 divides it by sqrt(1 - alpha_bar_t).",
        noise=lambda q: q.beta,
    ),
    mistake(
        "not-divided",
        "The factor 1/sqrt(alpha_t) in front of the bracket is missing (S11).",
        front=lambda q: q.alpha / q.alpha,
    ),
    mistake(
        "multiplied",
        "You multiply by sqrt(alpha_t) in front of the bracket. Slide S11 divides by it.",
        front=lambda q: q.alpha.sqrt(),
    ),
    mistake(
        "bracket-missing",
        "You divide only x_t by sqrt(alpha_t). The division goes over the whole difference: put "
        "brackets around it (S11).",
        noise=lambda q: q.beta * (q.alpha / (1 - q.ab)).sqrt(),
    ),
    mistake(
        "bracket-missing",
        "You divide only the noise by sqrt(alpha_t). The division goes over the whole difference: "
        "put brackets around it (S11).",
        front=lambda q: q.alpha / q.alpha,
        noise=lambda q: q.beta / (q.alpha * (1 - q.ab)).sqrt(),
    ),
    mistake(
        "beta-of-t-1",
        "You have beta_{t-1} in front of eps_hat. Slide S11 has beta_t.",
        noise=lambda q: q.beta_prev / (1 - q.ab).sqrt(),
    ),
    mistake(
        "previous-level-denominator",
        "You have 1 - alpha_bar_{t-1} under the root in front of eps_hat. Slide S11 has "
        "1 - alpha_bar_t; yours is 0 at t = 1.",
        noise=lambda q: q.beta / (1 - q.abp).sqrt(),
    ),
)

MEAN = Exercise(
    name="p_mean",
    arguments=("s", "xt", "t", "eps_hat"),
    outputs=("mean",),
    slide="S11",
    meaning="Predicting the noise is enough to know where one step back leads.",
    formula=mean,
    probes=batch_probes(("s", "xt", "t", "eps_hat")),
    blocked=(process.p_mean,),
    factors=("xt", "eps_hat"),
    forms=(Form("mu = (x_t - beta_t / sqrt(1 - alpha_bar_t) eps_hat) / sqrt(alpha_t)"),),
    mistakes=OFF_BY_ONE
    + SHAPE
    + MEAN_MISTAKES
    + (
        mistake(
            "clamped",
            "You clamp x0_hat on the way. A sampler may choose that, but slide S11's mean is without it: "
            "it is linear in eps_hat, and the KL of S11 relies on that.",
            out=_clamped_x0,
        ),
        mistake(
            "returns-x0-hat",
            "You return x0_hat, the estimate of the clean picture. mu_theta is the mean of x_{t-1}, "
            "one step back: put x0_hat into the posterior's mean (S10), or use the formula of S11.",
            out=lambda x, xt, eps_hat, s, t: solve(s, xt, t, eps_hat),
        ),
    ),
)

EXERCISES = (POSTERIOR, PREDICT, MEAN)
