"""Slide S5, solved for x_0."""

from labdiff import process, sampling
from labdiff.checks.exercises.exercise import Exercise, Form, catalogue, functions_of, wrong
from labdiff.checks.exercises.noising import OFF_BY_ONE, SHAPE, alpha, alpha_bar
from labdiff.checks.exercises.probes import batch_probes, scale


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
    coefficients=None,
    given=lambda xt, eps: (xt, eps),
):
    xt, eps_hat = given(xt, eps_hat)
    u = level(t)
    if coefficients is not None:
        front, inner = (c[u] for c in coefficients(s))
    else:
        front, inner = signal(table(s)[u]), noise(table(s)[u])
    return out(shape(front, xt) * (xt + sign * shape(inner, xt) * eps_hat), xt, eps_hat)


def _thresholded(x, quantile):
    """Imagen's (Saharia et al. 2022, section 2.3)."""
    size = x.flatten(1).abs().quantile(quantile, dim=1).clamp(min=1).reshape(-1, *[1] * (x.ndim - 1))
    return x.clamp(-size, size) / size


MISTAKES = catalogue(
    """
wrong-sign: You add the noise. It was added on the way to x_t, so it has to be subtracted on the way back.
clamped: You clamp the result to [-1, 1]. A sampler may choose to clamp x0_hat, but this formula is without
    it: near t = T the result really is large.
clamped/xt: You clamp x_t. It holds noise and goes beyond: use it as it is.
squashed: You put tanh (or another function) on the result. x0_hat is S5 solved for x_0, and nothing more.
thresholded: You bring the result into [-1, 1] by a quantile of its sizes (dynamic thresholding). A sampler
    may choose that; this formula is without it.
missing-root-noise: You subtract (1 - alpha_bar_t) eps_hat. S5 added sqrt(1 - alpha_bar_t) eps: the square
    root is missing in the numerator.
missing-root-signal: You divide by alpha_bar_t. S5 scaled x_0 by sqrt(alpha_bar_t): the square root is
    missing in the denominator.
not-divided: You took the noise off, but x_0 is still scaled by sqrt(alpha_bar_t): divide by it (S5).
multiplied: You multiply by sqrt(alpha_bar_t). S5 multiplied x_0 by it; to solve for x_0, divide.
alpha-for-alpha-bar: You use alpha_t. x_t came from x_0 by the jump with alpha_bar_t (S5).
noise-unscaled: You subtract all of eps_hat. Only sqrt(1 - alpha_bar_t) of it is in x_t (S5).
noise-not-removed: You divide x_t by sqrt(alpha_bar_t), but the noise is still in it.
bracket-missing: You divide only the noise by sqrt(alpha_bar_t). The division goes over the whole difference:
    put brackets around it.
swapped-coefficients: The two square roots are swapped: eps_hat goes with sqrt(1 - alpha_bar_t), and the
    difference is divided by sqrt(alpha_bar_t) (S5).
returns-eps: You return eps_hat itself. Solve S5 for x_0.
returns-difference: You return x_t - eps_hat, without the two factors of S5.
bracket-missing/only-xt: You divide only x_t by sqrt(alpha_bar_t). The division goes over the whole
    difference: put brackets around it.
missing-root-noise/ratio: You subtract (1/alpha_bar_t - 1) eps_hat. It is the root of it: sqrt(1/alpha_bar_t
    - 1).
divided-by-noise-factor: You divide by sqrt(1 - alpha_bar_t), the noise's factor. S5 scaled x_0 by
    sqrt(alpha_bar_t).
returns-mean: You return mu_theta, the mean of one step back (S11). x0_hat goes all the way: S5 solved for
    x_0.
not-solved: Your factors are those of the jump itself, sqrt(alpha_bar_t) x_t - sqrt(1 - alpha_bar_t) eps_hat.
    Solve S5 for x_0: take the noise off, then divide.
noised-again: You noise x_t once more, with S5 as it stands. Solve it for x_0: take the noise off, then
    divide.
arguments-swapped: x_t and eps_hat are swapped: eps_hat is what is subtracted.
wrong-sign/all: You subtract x_t from the noise: the whole result has the wrong sign.
p-mean-noise: You subtract beta_t / sqrt(1 - alpha_bar_t) eps_hat, what one step back takes off (S11). All
    the way to x_0 it is sqrt(1 - alpha_bar_t) eps_hat (S5).
alpha-for-alpha-bar/front: You divide by sqrt(alpha_t), that of one step. x_0 came by the jump: divide by
    sqrt(alpha_bar_t) (S5).
alpha-for-alpha-bar/noise: You subtract sqrt(beta_t) eps_hat, the noise of one step. The jump added sqrt(1 -
    alpha_bar_t) eps (S5).
root-missing-one-minus: You subtract (1 - sqrt(alpha_bar_t)) eps_hat. It is sqrt(1 - alpha_bar_t): first 1 -
    alpha_bar_t, then the root.
""",
    *OFF_BY_ONE,
    *SHAPE,
    wrong("wrong-sign", sign=1),
    wrong("clamped", out=lambda x, *_: x.clamp(-1, 1)),
    wrong("missing-root-noise", noise=lambda a: 1 - a),
    wrong("missing-root-signal", signal=lambda a: 1 / a),
    wrong("not-divided", signal=lambda a: a / a),
    wrong("multiplied", signal=lambda a: a.sqrt()),
    wrong("alpha-for-alpha-bar", table=alpha),
    wrong("noise-unscaled", noise=lambda a: a / a),
    wrong("noise-not-removed", noise=lambda a: 0 * a),
    wrong("bracket-missing", signal=lambda a: a / a, noise=lambda a: ((1 - a) / a).sqrt()),
    wrong("swapped-coefficients", signal=lambda a: 1 / (1 - a).sqrt(), noise=lambda a: a.sqrt()),
    wrong("returns-eps", out=lambda x, xt, eps: eps),
    wrong("returns-difference", out=lambda x, xt, eps: xt - eps),
    wrong("bracket-missing/only-xt", noise=lambda a: (a * (1 - a)).sqrt()),
    wrong("missing-root-noise/ratio", noise=lambda a: a.sqrt() * (1 / a - 1)),
    wrong("divided-by-noise-factor", signal=lambda a: 1 / (1 - a).sqrt()),
    wrong("returns-mean", coefficients=lambda s: (1 / s.alpha.sqrt(), s.beta / (1 - s.alpha_bar).sqrt())),
    wrong("not-solved", signal=lambda a: a.sqrt(), noise=lambda a: ((1 - a) / a).sqrt()),
    wrong("noised-again", signal=lambda a: a.sqrt(), noise=lambda a: -((1 - a) / a).sqrt()),
    wrong("arguments-swapped", given=lambda xt, eps: (eps, xt)),
    wrong("wrong-sign/all", signal=lambda a: -1 / a.sqrt()),
    wrong("p-mean-noise", coefficients=lambda s: (1 / s.alpha_bar.sqrt(), s.beta / (1 - s.alpha_bar).sqrt())),
    wrong("alpha-for-alpha-bar/front", coefficients=lambda s: (1 / s.alpha.sqrt(), (1 - s.alpha_bar).sqrt())),
    wrong("alpha-for-alpha-bar/noise", coefficients=lambda s: (1 / s.alpha_bar.sqrt(), s.beta.sqrt())),
    wrong("root-missing-one-minus", noise=lambda a: 1 - a.sqrt()),
    wrong("clamped/xt", given=lambda xt, eps: (xt.clamp(-1, 1), eps)),
    wrong("squashed", out=lambda x, xt, eps: x.tanh()),
    wrong("squashed", out=lambda x, xt, eps: x.abs()),
    wrong("squashed", out=lambda x, xt, eps: x.sigmoid()),
    wrong("thresholded", out=lambda x, xt, eps: _thresholded(x, 0.995)),
    wrong("thresholded", out=lambda x, xt, eps: _thresholded(x, 0.99)),
    wrong("thresholded", out=lambda x, xt, eps: _thresholded(x, 0.95)),
    wrong("thresholded", out=lambda x, xt, eps: _thresholded(x, 1.0)),
)

EXERCISE = Exercise(
    name="predict_x0",
    arguments=("s", "xt", "t", "eps_hat"),
    outputs=("x0_hat",),
    slide="S5, solved for x_0",
    meaning="To know the noise is to know the clean picture: x_t, eps and x_0 are two of three.",
    formula=solve,
    make_probes=batch_probes(("s", "xt", "t", "eps_hat")),
    mistakes=MISTAKES,
    forms=(Form("x0_hat = (x_t - sqrt(1 - alpha_bar_t) eps_hat) / sqrt(alpha_bar_t)"),),
    blocked=(process.predict_x0, process.p_mean, *functions_of(sampling)),
    factors=("xt", "eps_hat"),
)
