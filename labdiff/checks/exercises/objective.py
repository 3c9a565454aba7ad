"""Slides S10 to S12: normal_kl, eps_loss."""

import torch

from labdiff import objective
from labdiff.checks.exercises.exercise import Exercise, Form, mistake
from labdiff.checks.exercises.forward import COMMON, jump
from labdiff.checks.exercises.probes import PUBLIC, batch_probes, draws
from labdiff.checks.in_kernel.probe import Probe
from labdiff.checks.in_kernel.spies import gradient, loss_and_gradient


def kl(
    mean1,
    var1,
    mean2,
    var2,
    *,
    order=lambda *normals: normals,
    var=lambda v: v,
    log=lambda v1, v2: (v2 / v1).log(),
    ratio=lambda v1, v2: v1 / v2,
    square=lambda d, v1, v2: d**2 / v2,
    one=1,
    half=0.5,
    out=lambda kl: kl,
):
    mean1, var1, mean2, var2 = order(mean1, var1, mean2, var2)
    v1, v2 = var(var1), var(var2)
    return out(half * (log(v1, v2) + ratio(v1, v2) + square(mean1 - mean2, v1, v2) - one))


def _normals(seed):
    numbers = [(0.0, 1.0, 1.0, 1.0), (0.0, 4.0, 0.0, 1.0), (0.0, 1.0, 0.0, 4.0), (1.0, 0.5, -1.0, 2.0)]
    if seed != PUBLIC:
        draw = torch.rand(4, 4, generator=draws(seed), dtype=torch.float64).mul(200).round().div(100).add(0.1)
        draw[1, 2], draw[2, 2] = draw[1, 0], draw[2, 0]
        numbers = draw.tolist()
    labels = [
        "equal variances",
        "equal means, variance of q larger",
        "equal means, variance of q smaller",
        "all different",
    ]
    probes = [
        Probe(label, tuple(torch.tensor([v]) for v in values)) for label, values in zip(labels, numbers)
    ]
    probes.append(Probe("q = p", tuple(torch.tensor([v]) for v in (0.3, 2.0, 0.3, 2.0))))
    g = draws(seed + 1)
    for shape, dtype in (((5,), torch.float32), ((4, 4), torch.float32), ((2, 3, 2, 5), torch.float64)):
        mean1, mean2 = torch.randn(2, *shape, generator=g, dtype=torch.float64).to(dtype)
        var1, var2 = torch.rand(2, *shape, generator=g, dtype=torch.float64).mul(3).add(0.05).to(dtype)
        probes.append(Probe(f"elementwise, shape {shape}, {str(dtype)[6:]}", (mean1, var1, mean2, var2)))
    tiny = [torch.tensor(v) for v in ([0.0, 0.01], [1e-4, 2e-2], [0.005, 0.0], [2e-4, 1e-2])]
    probes.append(Probe("small variances", tuple(tiny), rtol=1e-3))
    mean1, mean2 = torch.randn(2, 3, 2, 2, 2, generator=g)
    var1, var2 = torch.rand(2, 3, 1, 1, 1, generator=g) + 0.1
    probes.append(
        Probe("variances (B, 1, 1, 1) beside means (B, C, H, W)", (mean1, var1, mean2, var2), core=False)
    )
    return probes


KL = Exercise(
    name="normal_kl",
    arguments=("mean1", "var1", "mean2", "var2"),
    outputs=("kl",),
    slide="S10, S11",
    meaning="The distance that each L_{t-1} measures; with equal variances it is a squared distance of means.",
    formula=kl,
    probes=_normals,
    blocked=(objective.normal_kl,),
    forms=(Form("KL = 1/2 (log(var2/var1) + var1/var2 + (mean1 - mean2)^2 / var2 - 1)"),),
    mistakes=(
        mistake(
            "arguments-reversed",
            "This is KL(p || q), the arguments the wrong way round. KL is not symmetric: "
            "(mean1, var1) is the distribution that the expectation is over, and var2 stands in the denominators.",
            order=lambda m1, v1, m2, v2: (m2, v2, m1, v1),
        ),
        mistake(
            "variance-squared",
            "You treat the variances as standard deviations and square them: a formula written "
            "for sigma. The arguments are variances already.",
            var=lambda v: v**2,
        ),
        mistake(
            "std-for-variance",
            "You use standard deviations, sqrt(var), where the formula has variances.",
            var=lambda v: v.sqrt(),
        ),
        mistake(
            "std-for-variance",
            "You use standard deviations, sqrt(var), in the two quotients, where the formula has variances.",
            ratio=lambda v1, v2: (v1 / v2).sqrt(),
            square=lambda d, v1, v2: d**2 / v2.sqrt(),
        ),
        mistake(
            "std-for-variance",
            "In the squared distance you divide by a standard deviation; the formula has var2.",
            square=lambda d, v1, v2: d**2 / v2.sqrt(),
        ),
        mistake(
            "std-for-variance",
            "The quotient var1/var2 has standard deviations in your formula.",
            ratio=lambda v1, v2: (v1 / v2).sqrt(),
        ),
        mistake(
            "log-of-std",
            "Your logarithm is of sigma2/sigma1 but stands inside the 1/2: take the logarithm of "
            "var2/var1 there, or put log(sigma2/sigma1) outside.",
            log=lambda v1, v2: 0.5 * (v2 / v1).log(),
        ),
        mistake(
            "log-inverted",
            "The ratio in your logarithm is upside down: it is log(var2 / var1). Check: the KL of two "
            "equal normals is 0, and no KL is negative.",
            log=lambda v1, v2: (v1 / v2).log(),
        ),
        mistake("log-missing", "The logarithm log(var2 / var1) is missing.", log=lambda v1, v2: 0 * v1),
        mistake(
            "log-not-halved",
            "The 1/2 belongs to the logarithm too: log(var2/var1) / 2 = log(sigma2/sigma1).",
            log=lambda v1, v2: 2 * (v2 / v1).log(),
        ),
        mistake(
            "log-base-2",
            "Your logarithm has base 2. The formula has the natural one, and the result is in nats.",
            log=lambda v1, v2: (v2 / v1).log2(),
        ),
        mistake(
            "ratio-inverted",
            "The quotient of the variances is upside down: it is var1 / var2.",
            ratio=lambda v1, v2: v2 / v1,
        ),
        mistake(
            "ratio-missing",
            "The term var1 / var2 is missing: the first normal's spread costs something too.",
            ratio=lambda v1, v2: 0 * v1,
        ),
        mistake(
            "divided-by-var1",
            "You divide the squared distance by var1. It is var2, the variance of the second normal.",
            square=lambda d, v1, v2: d**2 / v1,
        ),
        mistake(
            "not-divided",
            "The squared distance of the means has to be divided by var2.",
            square=lambda d, v1, v2: d**2,
        ),
        mistake(
            "not-squared", "The distance of the means has to be squared.", square=lambda d, v1, v2: d / v2
        ),
        mistake(
            "not-squared",
            "The distance of the means has to be squared.",
            square=lambda d, v1, v2: d.abs() / v2,
        ),
        mistake(
            "means-missing",
            "The means don't enter your result: (mean1 - mean2)^2 / var2 is missing.",
            square=lambda d, v1, v2: 0 * d,
        ),
        mistake(
            "means-only",
            "You have only the squared distance of the means. That is enough when the variances are "
            "equal (S11); in general the terms with var1 belong to it.",
            log=lambda v1, v2: 0 * v1,
            ratio=lambda v1, v2: 0 * v1,
            one=0,
            square=lambda d, v1, v2: d**2 / v2,
        ),
        mistake(
            "half-missing",
            "The factor 1/2 in front of it all is missing: it comes from the exponent of the normal density.",
            half=1.0,
        ),
        mistake(
            "minus-one-missing", "The -1 is missing. Check: the KL of two equal normals must be 0.", one=0
        ),
        mistake("negated", "The sign is the wrong way round: a KL is never negative.", half=-0.5),
        mistake(
            "summed",
            "You sum over the elements. The result is asked for element by element, in the arguments' shape.",
            out=lambda kl: kl.sum(),
        ),
        mistake(
            "averaged",
            "You average over the elements. The result is asked for element by element, in the arguments' "
            "shape.",
            out=lambda kl: kl.mean(),
        ),
    ),
)


# ---- eps_loss -------------------------------------------------------------------------------------------------------


def loss(
    model,
    s,
    x0,
    t,
    eps,
    *,
    model_x=lambda xt, x0, eps: xt,
    model_t=lambda t, T: t,
    target=lambda s, x0, t, eps, xt: eps,
    reduce=lambda a, b: ((a - b) ** 2).mean(),
    **noising,
):
    xt = jump(s, x0, t, eps, **noising)
    value = reduce(model(model_x(xt, x0, eps), model_t(t, s.T)), target(s, x0, t, eps, xt))
    return value, gradient(model, value)


def way(model, s, x0, t, eps):
    xt = jump(s, x0, t, eps)
    return {"x_t": xt, "eps_hat": model(xt, t)}


def _std_of(s, t, x):
    return (1 - s.alpha_bar[t]).sqrt().to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))


LOSS = Exercise(
    name="eps_loss",
    arguments=("model", "s", "x0", "t", "eps"),
    outputs=("loss", "gradient"),
    slide="S12, S14 (Algorithm 1)",
    meaning="The ELBO without its weights is plain regression: noise in, noise out, and 1 for a model that says 0.",
    formula=loss,
    probes=batch_probes(("model", "s", "x0", "t", "eps")),
    blocked=(objective.eps_loss,),
    call=loss_and_gradient,
    way=way,
    forms=(Form("the mean of (eps - eps_theta(x_t, t))^2"),),
    mistakes=tuple(m for m in COMMON if m.id not in ("wrong-sign",))
    + (
        mistake(
            "variance-for-std",
            "Your x_t has 1 - alpha_bar_t in front of eps, a variance. It is sqrt(1 - alpha_bar_t) (S12).",
            noise=lambda a: 1 - a,
        ),
        mistake(
            "missing-root-signal",
            "Your x_t has alpha_bar_t in front of x_0. It is sqrt(alpha_bar_t) (S12).",
            signal=lambda a: a,
        ),
        mistake(
            "alpha-for-alpha-bar",
            "Your x_t is made with alpha_t, one step. The jump needs alpha_bar_t (S5, S12).",
            table=lambda s: s.alpha,
        ),
        mistake(
            "target-scaled",
            "Your target is sqrt(1 - alpha_bar_t) eps. The network predicts eps itself (S12).",
            target=lambda s, x0, t, eps, xt: _std_of(s, t, eps) * eps,
        ),
        mistake(
            "target-x0",
            "Your target is x_0. The network predicts the noise eps (S12); a network for x_0 is possible "
            "too, but it is another objective.",
            target=lambda s, x0, t, eps, xt: x0,
        ),
        mistake(
            "target-xt",
            "Your target is x_t. The network predicts the noise eps that is in it (S12).",
            target=lambda s, x0, t, eps, xt: xt,
        ),
        mistake(
            "second-draw",
            "Your target is a second draw of noise. It has to be the eps that made x_t: nothing can "
            "predict another one.",
            target=lambda s, x0, t, eps, xt: torch.randn_like(eps),
        ),
        mistake(
            "model-gets-x0",
            "Your model gets x_0, without noise. It has to see x_t (S12).",
            model_x=lambda xt, x0, eps: x0,
        ),
        mistake(
            "model-gets-eps",
            "Your model gets eps, the answer itself. It has to see x_t (S12).",
            model_x=lambda xt, x0, eps: eps,
        ),
        mistake(
            "model-gets-t-minus-1",
            "Your model gets t-1. It is trained with the slides' t, 1..T, the level of x_t.",
            model_t=lambda t, T: t - 1,
        ),
        mistake(
            "model-gets-t-over-T",
            "Your model gets t/T. labdiff's models take t itself, int64 in 1..T.",
            model_t=lambda t, T: t / T,
        ),
        mistake(
            "sum-for-mean",
            "You sum the squares. The loss is their mean, so that it does not depend on batch or "
            "image size, and 1 means that nothing was learned.",
            reduce=lambda a, b: ((a - b) ** 2).sum(),
        ),
        mistake(
            "sum-for-mean",
            "You sum the squares over each image and average over the batch only. The mean goes over "
            "everything.",
            reduce=lambda a, b: ((a - b) ** 2).flatten(1).sum(1).mean(),
        ),
        mistake(
            "sum-for-mean",
            "You average over each image and sum over the batch. The mean goes over everything: a "
            "larger batch would have a larger loss.",
            reduce=lambda a, b: ((a - b) ** 2).flatten(1).mean(1).sum(),
        ),
        mistake(
            "not-reduced",
            "You return a loss for each sample. Training needs one number: the mean over the batch too.",
            reduce=lambda a, b: ((a - b) ** 2).flatten(1).mean(1),
        ),
        mistake(
            "not-reduced",
            "You return the squares without taking their mean. Training needs one number.",
            reduce=lambda a, b: (a - b) ** 2,
        ),
        mistake(
            "absolute-error",
            "You average absolute differences. The objective is the *square* (S12): it comes from "
            "the KL of Gaussians.",
            reduce=lambda a, b: (a - b).abs().mean(),
        ),
        mistake(
            "root-of-mean",
            "You take a square root of the mean. The objective is the mean square itself (S12).",
            reduce=lambda a, b: ((a - b) ** 2).mean().sqrt(),
        ),
        mistake(
            "not-squared",
            "You average the differences without squaring them: they cancel.",
            reduce=lambda a, b: (a - b).mean(),
        ),
        mistake(
            "not-squared",
            "You average the differences without squaring them: they cancel.",
            reduce=lambda a, b: (b - a).mean(),
        ),
        mistake(
            "halved",
            "There is a factor 1/2 too many: the simple loss is the mean square itself, 1 for a model that "
            "says 0.",
            reduce=lambda a, b: 0.5 * ((a - b) ** 2).mean(),
        ),
        mistake(
            "no-gradient",
            "The number is right, but it has lost its way back to the model's weights (.item(), "
            ".detach(), torch.no_grad, NumPy, or a .backward() inside): nothing could be trained with it. Return the "
            "tensor.",
            reduce=lambda a, b: ((a - b) ** 2).mean().detach(),
        ),
    ),
)

EXERCISES = (KL, LOSS)
