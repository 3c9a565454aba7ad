"""Slide S14, Algorithm 1: training_step. It draws its own t and eps, so it is judged by what it does, see behaviour.py."""

import torch

from labdiff.checks.exercises.exercise import Exercise, Form, mistake
from labdiff.checks.exercises.probes import draws, schedule, small
from labdiff.checks.in_kernel.probe import Probe
from labdiff.checks.in_kernel.spies import OUTPUTS, Plan, call
from labdiff.checks.judging.behaviour import verdict
from labdiff.training import train


def algorithm1(
    model,
    optimizer,
    s,
    x0,
    generator,
    *,
    draw_t=lambda B, T, g: torch.randint(1, T + 1, (B,), generator=g),
    draw=lambda x0, g: torch.randn(x0.shape, generator=g),
    level=lambda t: t,
    signal=lambda s, t: s.alpha_bar[t].sqrt(),
    noise=lambda s, t: (1 - s.alpha_bar[t]).sqrt(),
    model_x=lambda xt, x0, eps: xt,
    model_t=lambda t, T: t,
    target=lambda x0, eps, xt, scaled, g: eps,
    loss=lambda a, b: ((a - b) ** 2).mean(),
    zero=lambda o: o.zero_grad(),
    order=lambda o, loss: (loss.backward(), o.step()),
    result=lambda loss, a, b: loss.item(),
    image=lambda c: c.reshape(-1, 1, 1, 1),
    mix=lambda a, x0, b, eps: a * x0 + b * eps,
):
    t = draw_t(len(x0), s.T, generator)
    eps = draw(x0, generator)
    a, b = (image(f(s, level(t)).float()) for f in (signal, noise))
    xt = mix(a, x0, b, eps)
    eps_hat, y = model(model_x(xt, x0, eps), model_t(t, s.T)), target(x0, eps, xt, b * eps, generator)
    value = loss(eps_hat, y)
    zero(optimizer)
    order(optimizer, value)
    return result(value, eps_hat, y)


def formula(plan, **parts):
    return call(lambda *args: algorithm1(*args, **parts), (plan,))


def _probes(seed):
    s, g = small(seed), draws(seed + 1)
    four = schedule([0.15, 0.3, 0.45, 0.6])

    def batch(*shape):
        return torch.randn(2, *shape, generator=g)

    (x0, one), (_, two) = batch(8, 1, 3, 8), batch(8, 1, 3, 8)
    other, single = batch(3, 2, 2, 5), batch(1, 1, 2, 2)
    seed_a, seed_b = 2 * seed + 101, 2 * seed + 102
    long = torch.zeros(48, 1, 2, 3)
    plans = [
        ("one step", Plan(s, x0, one, (seed_a,))),
        ("one step, x0 = 0", Plan(s, 0 * x0, one, (seed_a,))),
        ("one step, another answer", Plan(s, x0, two, (seed_a,))),
        ("two steps", Plan(s, x0, one, (seed_b, seed_a), 2)),
        ("other shape", Plan(s, *other, (seed_a,))),
        ("other shape, x0 = 0", Plan(s, 0 * other[0], other[1], (seed_a,))),
        ("other shape, another answer", Plan(s, other[0], 2 * other[1] + 1, (seed_a,))),
        ("one sample", Plan(s, *single, (seed_a,))),
        ("one sample, x0 = 0", Plan(s, 0 * single[0], single[1], (seed_a,))),
        ("one sample, another answer", Plan(s, single[0], 2 * single[1] + 1, (seed_a,))),
        ("many steps", Plan(four, long, long, (seed_b,), 40)),
    ]
    return [Probe(name, (plan,)) for name, plan in plans]


def _randint(low, high):
    return lambda B, T, g: torch.randint(low, T + high, (B,), generator=g)


EXERCISE = Exercise(
    name="training_step",
    arguments=("model", "optimizer", "s", "x0", "generator"),
    outputs=OUTPUTS,
    slide="S14 (Algorithm 1)",
    meaning="Every step trains the network at other noise levels at once; over many steps it learns them all.",
    formula=formula,
    probes=_probes,
    blocked=(train,),
    call=call,
    verdict=verdict,
    forms=(
        Form(
            "Algorithm 1: t ~ Uniform{1..T} for each sample, one eps for x_t and target, mean squared error"
        ),
    ),
    mistakes=(
        mistake(
            "one-t-for-all",
            "You draw one t for the whole batch. Draw one for each sample, shape (B,): a step then "
            "sees many noise levels, and its gradient is far less noisy.",
            draw_t=lambda B, T, g: torch.randint(1, T + 1, (1,), generator=g).expand(B),
        ),
        mistake(
            "t-from-0-to-T-1",
            "Your t is from 0..T-1. The slides' t is 1..T: t = 0 is clean data, and T, where "
            "sampling starts, would never be trained. torch.randint leaves its upper end out: randint(1, s.T + 1, "
            "...).",
            draw_t=_randint(0, 0),
        ),
        mistake(
            "t-from-1-to-T-1",
            "Your t never is T: torch.randint leaves its upper end out. Use randint(1, s.T + 1, ...).",
            draw_t=_randint(1, 0),
        ),
        mistake(
            "t-from-0-to-T",
            "Your t is from 0..T. t = 0 is clean data, with no noise to predict: draw from 1..T (S14).",
            draw_t=_randint(0, 1),
        ),
        mistake("t-from-2-to-T", "Your t never is 1. Algorithm 1 draws from 1..T.", draw_t=_randint(2, 1)),
        mistake(
            "no-zero-grad",
            "The gradients of earlier steps are still there when the optimizer steps: they pile up. "
            "Call optimizer.zero_grad() once in every step.",
            zero=lambda o: None,
        ),
        mistake(
            "step-before-backward",
            "You call optimizer.step() before loss.backward(): it steps along the gradient of "
            "the step before, or along none.",
            zero=lambda o: None,
            order=lambda o, loss: (o.step(), o.zero_grad(), loss.backward()),
        ),
        mistake(
            "step-before-backward",
            "You call optimizer.step() before loss.backward(): there is no gradient yet.",
            order=lambda o, loss: (o.step(), loss.backward()),
        ),
        mistake(
            "step-before-backward",
            "You call optimizer.step() before loss.backward(), and the gradients pile up.",
            zero=lambda o: None,
            order=lambda o, loss: (o.step(), loss.backward()),
        ),
        mistake(
            "zero-grad-after-backward",
            "You call zero_grad() between backward() and step(): that wipes out the "
            "gradient just before it is used.",
            zero=lambda o: None,
            order=lambda o, loss: (loss.backward(), o.zero_grad(), o.step()),
        ),
        mistake(
            "no-step",
            "You never call optimizer.step(): the weights stay as they are.",
            order=lambda o, loss: loss.backward(),
        ),
        mistake(
            "no-backward",
            "You never call loss.backward(): there is no gradient to step along.",
            order=lambda o, loss: o.step(),
        ),
        mistake(
            "no-backward",
            "You compute the loss only: loss.backward() and optimizer.step() are missing.",
            order=lambda o, loss: None,
        ),
        mistake(
            "second-draw",
            "Your target is a second draw of noise. It has to be the same eps that made x_t: nothing "
            "can predict another one.",
            target=lambda x0, eps, xt, scaled, g: torch.randn(eps.shape, generator=g),
        ),
        mistake(
            "target-scaled",
            "Your target is sqrt(1 - alpha_bar_t) eps. The network predicts eps itself (S14).",
            target=lambda x0, eps, xt, scaled, g: scaled,
        ),
        mistake(
            "target-x0",
            "Your target is x_0. Algorithm 1 predicts eps.",
            target=lambda x0, eps, xt, scaled, g: x0,
        ),
        mistake(
            "target-xt",
            "Your target is x_t. Algorithm 1 predicts the eps in it.",
            target=lambda x0, eps, xt, scaled, g: xt,
        ),
        mistake(
            "model-gets-x0",
            "Your model gets x_0, without noise. It has to see x_t.",
            model_x=lambda xt, x0, eps: x0,
        ),
        mistake(
            "model-gets-eps",
            "Your model gets eps, the answer itself. It has to see x_t.",
            model_x=lambda xt, x0, eps: eps,
        ),
        mistake(
            "model-gets-t-minus-1",
            "Your model gets t-1, but x_t has level t. Give it the t that x_t was made with.",
            model_t=lambda t, T: t - 1,
        ),
        mistake(
            "model-gets-t-over-T",
            "Your model gets t/T. labdiff's models take t itself, int64 in 1..T.",
            model_t=lambda t, T: t / T,
        ),
        mistake(
            "off-by-one",
            "Your x_t has level t-1, but the model is told t. Entry t of labdiff's arrays is the slides' t.",
            level=lambda t: t - 1,
        ),
        mistake(
            "variance-for-std",
            "Your x_t has 1 - alpha_bar_t in front of eps, a variance. It is sqrt(1 - alpha_bar_t).",
            noise=lambda s, t: 1 - s.alpha_bar[t],
        ),
        mistake(
            "missing-root-signal",
            "Your x_t has alpha_bar_t in front of x_0. It is sqrt(alpha_bar_t).",
            signal=lambda s, t: s.alpha_bar[t],
        ),
        mistake(
            "alpha-for-alpha-bar",
            "Your x_t is made with alpha_t, one step. The jump needs alpha_bar_t (S5, S14).",
            signal=lambda s, t: s.alpha[t].sqrt(),
            noise=lambda s, t: s.beta[t].sqrt(),
        ),
        mistake(
            "swapped-coefficients",
            "The coefficients of x_0 and eps are swapped.",
            signal=lambda s, t: (1 - s.alpha_bar[t]).sqrt(),
            noise=lambda s, t: s.alpha_bar[t].sqrt(),
        ),
        mistake(
            "noise-unscaled",
            "You add eps at full size. It is sqrt(1 - alpha_bar_t) eps.",
            noise=lambda s, t: torch.ones_like(s.beta[t]),
        ),
        mistake(
            "signal-unscaled",
            "You keep x_0 at full size. It is sqrt(alpha_bar_t) x_0.",
            signal=lambda s, t: torch.ones_like(s.beta[t]),
        ),
        mistake(
            "not-reshaped",
            "Your coefficients have the shape (B,) and meet the columns W of the images. Give them "
            "the shape (B, 1, 1, 1).",
            image=lambda c: c,
        ),
        mistake(
            "uniform-noise",
            "Your noise is uniform. Algorithm 1 has eps ~ N(0, I): torch.randn.",
            draw=lambda x0, g: torch.rand(x0.shape, generator=g),
        ),
        mistake(
            "uniform-noise",
            "Your noise is uniform. Algorithm 1 has eps ~ N(0, I): torch.randn.",
            draw=lambda x0, g: 2 * torch.rand(x0.shape, generator=g) - 1,
        ),
        mistake(
            "same-noise-for-all",
            "All samples of the batch get the same noise. Draw eps in the shape of x0.",
            draw=lambda x0, g: torch.randn(x0[:1].shape, generator=g).expand_as(x0),
        ),
        mistake(
            "ignores-generator",
            "Your eps does not come from `generator` (torch.randn_like has no such argument): "
            "the run can't be replayed. Use torch.randn(x0.shape, generator=generator).",
            draw=lambda x0, g: torch.randn_like(x0),
        ),
        mistake(
            "ignores-generator",
            "Your t (and perhaps your eps) does not come from `generator`: the run can't be "
            "replayed. Give it to torch.randint and torch.randn.",
            draw_t=lambda B, T, g: torch.randint(1, T + 1, (B,)),
        ),
        mistake(
            "ignores-generator",
            "Your t (and perhaps your eps) does not come from `generator`: the run can't be "
            "replayed. Give it to torch.randint and torch.randn.",
            draw_t=lambda B, T, g: torch.randint(1, T + 1, (B,)),
            draw=lambda x0, g: torch.randn_like(x0),
        ),
        mistake(
            "sum-for-mean",
            "You sum the squares. Take their mean, so that loss and step size do not depend on batch "
            "or image size.",
            loss=lambda a, b: ((a - b) ** 2).sum(),
        ),
        mistake(
            "sum-for-mean",
            "You sum the squares over each image and average over the batch only. The mean goes over "
            "everything: 1 then means that nothing was learned.",
            loss=lambda a, b: ((a - b) ** 2).sum() / len(a),
        ),
        mistake(
            "absolute-error",
            "Your error is not squared: absolute differences. Algorithm 1 has the square.",
            loss=lambda a, b: (a - b).abs().mean(),
        ),
        mistake(
            "root-of-mean",
            "You take the root of the mean square. Algorithm 1 has the mean square itself.",
            loss=lambda a, b: ((a - b) ** 2).mean().sqrt(),
        ),
        mistake(
            "in-place",
            "Your function changes its argument x0 in place (an operation such as *=, or one whose name "
            "ends in _). The caller still needs the clean images: make a new tensor.",
            mix=lambda a, x0, b, eps: x0.mul_(a).add_(b * eps),
        ),
        mistake(
            "no-return",
            "Your function does the step but returns nothing. Return the loss as a number: loss.item().",
            result=lambda loss, a, b: None,
        ),
        mistake(
            "no-gradient",
            "There is no way from your loss back to the model's weights (torch.no_grad, .detach() or "
            ".item() before backward).",
            loss=lambda a, b: ((a - b) ** 2).mean().detach(),
        ),
    ),
)

EXERCISES = (EXERCISE,)
