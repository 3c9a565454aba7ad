"""Slides S12 and S14: the simple loss."""

from labdiff import objective
from labdiff.checks.exercises.eps_loss_mistakes import MISTAKES
from labdiff.checks.exercises.exercise import Exercise, Form
from labdiff.checks.exercises.noising import jump
from labdiff.checks.exercises.probes import batch_probes, scale
from labdiff.checks.in_kernel.spies import as_scalar, gradient, loss_and_gradient


def loss(
    model,
    s,
    x0,
    t,
    eps,
    *,
    model_x=lambda xt, x0, eps: xt,
    model_t=lambda t, T: t,
    told=lambda s, t: t,
    target=lambda s, x0, t, eps, xt: eps,
    reduce=lambda a, b: ((a - b) ** 2).mean(),
    weight=None,
    output=lambda s, t, eps_hat: eps_hat,
    **noising,
):
    xt = jump(s, x0, t, eps, **noising)
    eps_hat, y = (
        output(s, t, model(model_x(xt, x0, eps), told(s, model_t(t, s.T)))),
        target(s, x0, t, eps, xt),
    )
    value = reduce(eps_hat, y) if weight is None else (scale(weight(s, t), x0) * (eps_hat - y) ** 2).mean()
    return (value := as_scalar(value)), gradient(model, value)


def _intermediates(model, s, x0, t, eps):
    xt = jump(s, x0, t, eps)
    return {"x_t": xt, "eps_hat": model(xt, t)}


EXERCISE = Exercise(
    name="eps_loss",
    arguments=("model", "s", "x0", "t", "eps"),
    outputs=("loss", "gradient"),
    slide="S12, S14 (Algorithm 1)",
    meaning="The ELBO without its weights is plain regression: noise in, noise out, and 1 for a model that "
    "says 0.",
    formula=loss,
    make_probes=batch_probes(("model", "s", "x0", "t", "eps")),
    mistakes=MISTAKES,
    forms=(Form("the mean of (eps - eps_theta(x_t, t))^2"),),
    blocked=(objective.eps_loss, objective.eps_errors),
    call=loss_and_gradient,
    intermediates=_intermediates,
)
