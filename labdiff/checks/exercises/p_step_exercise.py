"""Slide S14, Algorithm 2: p_step."""

from labdiff import editing, sampling
from labdiff.checks.exercises.exercise import Exercise, Form, functions_of
from labdiff.checks.exercises.p_mean_exercise import mean
from labdiff.checks.exercises.p_step_mistakes import MISTAKES
from labdiff.checks.exercises.predict_x0_exercise import solve
from labdiff.checks.exercises.probes import spy, with_one_alone
from labdiff.checks.exercises.q_posterior_exercise import posterior
from labdiff.checks.exercises.reverse_probes import many, settings
from labdiff.checks.in_kernel.probe import Probe


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


def _probes(seed):
    made = [Probe(label, (spy(seed), s, x, t, z), **options) for label, s, t, x, z, options in settings(seed)]
    return with_one_alone(made, "as many samples as columns, t = 3")


def _terms(model, s, xt, t, z):
    eps_hat = model(xt, many(t, xt))
    return {name: x.reshape(1, -1) for name, x in (("xt", xt), ("eps_hat", eps_hat), ("z", z))}


def _intermediates(model, s, xt, t, z):
    eps_hat = model(xt, many(t, xt))
    return {
        "eps_hat": eps_hat,
        "mean": mean(s, xt, many(t, xt), eps_hat),
        "sqrt(beta_t)": s.beta[t].sqrt(),
        "sqrt(beta_tilde_t)": s.beta_tilde[t].sqrt(),
    }


CLAMPED = {"mu": clamped}
TILDE = {"var": lambda s: s.beta_tilde}


EXERCISE = Exercise(
    name="p_step",
    arguments=("model", "s", "xt", "t", "z"),
    outputs=("x_prev",),
    slide="S14 (Algorithm 2), S8",
    meaning="T of these steps lead from pure noise to a picture; the last one adds no noise.",
    formula=step,
    make_probes=_probes,
    mistakes=MISTAKES,
    forms=(
        Form("Algorithm 2 with sigma_t^2 = beta_t"),
        Form("Algorithm 2 with sigma_t^2 = beta_tilde_t", TILDE),
        Form("sigma_t^2 = beta_t, x0_hat clamped to [-1, 1]", CLAMPED),
        Form("sigma_t^2 = beta_tilde_t, x0_hat clamped to [-1, 1]", {**CLAMPED, **TILDE}),
    ),
    blocked=functions_of(sampling, editing),
    factors=("z",),
    terms=_terms,
    intermediates=_intermediates,
)
