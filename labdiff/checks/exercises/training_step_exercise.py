"""Slide S14, Algorithm 1: training_step. It draws its own t and eps, so it is judged by what it does."""

import torch

from labdiff import gradient_step, training
from labdiff.checks.exercises import training_mistakes_draws, training_mistakes_loss
from labdiff.checks.exercises.exercise import Exercise, Form, functions_of
from labdiff.checks.exercises.probes import draws, schedule, small
from labdiff.checks.in_kernel.probe import Probe
from labdiff.checks.in_kernel.spies import OUTPUTS, Plan, call


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
    ask=lambda model, xt, t: model(xt, t),
    batch=lambda x0: x0,
):
    x0 = batch(x0)
    t = draw_t(len(x0), s.T, generator)
    eps = draw(x0, generator)
    a, b = (image(f(s, level(t)).float()) for f in (signal, noise))
    xt = mix(a, x0, b, eps)
    eps_hat, y = ask(model, model_x(xt, x0, eps), model_t(t, s.T)), target(x0, eps, xt, b * eps, generator)
    value = loss(eps_hat, y)
    zero(optimizer)
    order(optimizer, value)
    return result(value, eps_hat, y)


def formula(plan, **parts):
    return call(lambda *args: algorithm1(*args, **parts), (plan,))


def _probes(seed):
    s, g = small(seed), draws(seed + 1)
    seed_a, seed_b = 2 * seed + 101, 2 * seed + 102
    probes = []

    def add(name, s, x0, answer, seeds=(seed_a,), calls=1):
        probes.append(Probe(name, (Plan(s, x0, answer, seeds, calls),)))

    for name, shape in (
        ("one step", (8, 1, 3, 8)),
        ("other shape", (3, 2, 2, 5)),
        ("one sample", (1, 1, 2, 2)),
    ):
        x0, answer = torch.randn(2, *shape, generator=g)
        add(name, s, x0, answer)
        add(f"{name}, x0 = 0", s, 0 * x0, answer)
        add(f"{name}, another answer", s, x0, answer + 1 + torch.rand(shape, generator=g))
        if name == "one step":
            add("two steps", s, x0, answer, (seed_b, seed_a), 2)
    long = torch.zeros(48, 1, 2, 3)
    add("few samples", s, torch.zeros(3, 1, 1, 2), torch.zeros(3, 1, 1, 2), (seed_a,), 24)
    add("many steps", schedule([0.15, 0.3, 0.45, 0.6]), long, long, (seed_b,), 40)
    return probes


EXERCISE = Exercise(
    name="training_step",
    arguments=("model", "optimizer", "s", "x0", "generator"),
    outputs=OUTPUTS,
    slide="S14 (Algorithm 1)",
    meaning="Every step trains the network at other noise levels at once; over many steps it learns them "
    "all.",
    formula=formula,
    make_probes=_probes,
    mistakes=training_mistakes_draws.MISTAKES + training_mistakes_loss.MISTAKES,
    forms=(
        Form(
            "Algorithm 1: t ~ Uniform{1..T} for each sample, one eps for x_t and target, mean squared error"
        ),
    ),
    blocked=functions_of(training, gradient_step),
    call=call,
    judged_by="features",
)
