"""Notebook 06: flow matching, the velocity along the straight path, from a prediction of the noise."""

import torch

from labdiff.checks.exercises.exercise import Exercise, Form, catalogue, wrong
from labdiff.checks.exercises.probes import draws, flat, numbers, picture, pixels, scale, with_one_alone
from labdiff.checks.in_kernel.probe import Probe


def velocity(
    x_tau,
    tau,
    eps_hat,
    *,
    level=lambda tau: tau,
    on_x=lambda tau: 1,
    on_eps=lambda tau: 1,
    down=lambda tau: 1 - tau,
    sign=1,
    shape=scale,
    out=lambda v, x, eps, tau: v,
):
    tau = shape(level(tau), x_tau)
    return out(sign * (on_eps(tau) * eps_hat - on_x(tau) * x_tau) / down(tau), x_tau, eps_hat, tau)


def _probes(seed):
    (x, eps), others = pixels(seed, 2)
    probes = []

    def add(name, x, tau, eps, **options):
        probes.append(Probe(name, (x, torch.as_tensor(tau, dtype=x.dtype), eps), **options))

    for tau in (0.5, 0.2):
        name = f"one pixel, tau = {tau}"
        add(name, x, [tau], eps)
        add(f"{name}, another x_tau", others[0], [tau], eps, twin=(name, "x_tau"))
        add(f"{name}, another eps_hat", x, [tau], others[1], twin=(name, "eps_hat"))
    add("one pixel, tau = 0", x, [0.0], eps)
    add("one pixel, tau = 0.9", x, [0.9], eps)
    tau = (torch.rand(12, generator=draws(seed + 1)) * 0.9).round(decimals=2)
    for label, shape, seed_by, dtype in (
        ("three samples, mixed tau", (3, 1, 1, 2), 2, torch.float32),
        ("as many samples as columns (B = W)", (4, 1, 3, 4), 3, torch.float32),
        ("as many samples as rows, float64", (3, 3, 3, 5), 4, torch.float64),
        ("2-D data (3, 2)", (3, 2), 5, torch.float32),
        ("2-D data (4, 4)", (4, 4), 6, torch.float32),
    ):
        x, eps = numbers(seed + seed_by, shape, 2, dtype)
        some = tau[seed_by : seed_by + shape[0]]
        add(label, x, some.sort().values if "mixed" in label else some, eps, required=len(shape) == 4)
    x, eps = numbers(seed + 8, (4, 1, 2, 4), 2)
    add("four samples, tau from 0.03 to 0.88", x, [0.8, 0.88, 0.03, 0.6], eps)
    ring = torch.cat([picture(seed), picture(seed).mT])
    add("two pictures", ring, [0.3, 0.7], *numbers(seed + 7, (2, 1, 16, 16), 1), picture=True)
    return with_one_alone(probes, "three samples, mixed tau")


MISTAKES = catalogue(
    """
wrong-sign: The sign is the wrong way round. On x_tau = (1 - tau) x_0 + tau eps the velocity is d x_tau / d
    tau = eps - x_0, from data to noise, whichever way a sampler then walks.
divided-by-tau: You divide by tau. Solving x_tau = (1 - tau) x_0 + tau eps for x_0 divides by 1 - tau; yours
    is infinite at tau = 0, where there is data.
ends-swapped: The ends of your path are swapped: it has data at tau = 1. Here tau = 0 is data and tau = 1 is
    noise, x_tau = (1 - tau) x_0 + tau eps.
returns-x0-hat: You return x_0, the guess of the clean picture. The velocity is eps_hat - x_0.
returns-x0-hat/negated: You return -x_0. The velocity is eps_hat - x_0.
returns-eps-hat: You return eps_hat itself. The velocity is eps_hat - x_0, with x_0 = (x_tau - tau eps_hat) /
    (1 - tau).
not-divided: You return eps_hat - x_tau: the way that is left to the noise. Divided by the time that is left,
    1 - tau, it is the velocity.
multiplied: You multiply by 1 - tau. The way that is left, eps_hat - x_tau, is divided by it.
not-reshaped: Your tau has the shape (B,) and meets the columns W of the images. Give it the shape (B, 1, 1,
    1).
first-tau-for-all: You use the first sample's tau for all. Each sample has its own.
root-of-tau: You divide by sqrt(1 - tau). The straight path has 1 - tau itself: its weights add up to 1, not
    their squares.
divided-twice: You divide by (1 - tau)^2. Once is enough.
x0-not-solved: You take x_0 = x_tau - tau eps_hat, without the division by 1 - tau.
plus-for-minus: You add x_tau and eps_hat. The velocity is their difference, over 1 - tau.
v-prediction: This is v of a path with sqrt(1 - tau^2), whose squares add up to 1. The straight path has 1 -
    tau and tau.
x0-not-solved/no-noise: You take x_0 = x_tau / (1 - tau): the noise is still in it. It is (x_tau - tau
    eps_hat) / (1 - tau).
x0-not-solved/scaled: You take x_0 = (1 - tau) x_tau. It is (x_tau - tau eps_hat) / (1 - tau).
tau-missing: You take x_0 = (x_tau - eps_hat) / (1 - tau). Only tau eps_hat is in x_tau.
plus-for-minus/x0: In x_0 you add tau eps_hat. It was added on the way to x_tau, so it is subtracted.
plus-for-minus/tau: You divide by 1 + tau. It is 1 - tau, the time that is left.
root-of-tau/both: You solve for x_0 with square roots of tau and 1 - tau. The straight path has tau and 1 -
    tau themselves.
root-of-tau/down: You solve for x_0 with sqrt(1 - tau). The straight path has 1 - tau itself.
noise-scaled/one-minus: You take (1 - tau) eps_hat - x_tau. It is the difference that is scaled: (eps_hat -
    x_tau) / (1 - tau).
path-for-velocity: Your weights are those of the path, tau and 1 - tau. The velocity is its derivative,
    eps_hat - x_0.
clamped: You clamp the velocity to [-1, 1]. It goes beyond.
returns-x: You return x_tau itself. The velocity is eps_hat - x_0.
bracket-missing: You divide only eps_hat by 1 - tau. The division goes over the whole difference: put
    brackets around it.
multiplied/tau: You multiply by -tau. The velocity is d x_tau / d tau = (eps_hat - x_tau) / (1 - tau).
plus-for-minus/of-x0: You add x_0 to eps_hat. The velocity is their difference, eps_hat - x_0.
mean-tau: You use the mean of tau for all. Each sample has its own.
x-not-subtracted: You return eps_hat / (1 - tau). x_tau has to be subtracted first.
no-noise: You return -x_tau / (1 - tau) or x_tau / (1 - tau): eps_hat never enters.
square-of-tau: You divide by 1 - tau^2. It is 1 - tau without a square.
x0-not-solved/multiplied: You take x_0 = (x_tau - tau eps_hat) (1 - tau). Solving for x_0 divides by 1 - tau.
bracket-missing/both: Brackets are missing around 1 - tau: (eps_hat - x_tau) / (1 - tau).
clamped/x0: You clamp x_0 on the way. A sampler may choose that; the velocity is linear.
distance-for-difference: You take the absolute value of the difference. Its sign says where the noise is.
score: You divide eps_hat by tau: that is the score. The velocity is eps_hat - x_0.
multiplied/x: You multiply x_tau by tau. x_tau is subtracted as it is.
""",
    wrong("wrong-sign", sign=-1),
    wrong("divided-by-tau", down=lambda tau: tau),
    wrong("ends-swapped", down=lambda tau: tau, sign=-1),
    wrong("returns-x0-hat", on_eps=lambda tau: tau, sign=-1),
    wrong("returns-x0-hat/negated", on_eps=lambda tau: tau),
    wrong("returns-eps-hat", out=lambda v, x, eps, tau: eps),
    wrong("not-divided", down=lambda tau: 1),
    wrong("multiplied", down=lambda tau: 1 / (1 - tau)),
    wrong("not-reshaped", shape=flat),
    wrong("not-reshaped", shape=lambda tau, x: tau[:, None]),
    wrong("first-tau-for-all", level=lambda tau: tau[:1].expand_as(tau)),
    wrong("root-of-tau", down=lambda tau: (1 - tau).sqrt()),
    wrong("divided-twice", down=lambda tau: (1 - tau) ** 2),
    wrong("x0-not-solved", on_eps=lambda tau: 1 + tau, down=lambda tau: 1),
    wrong("plus-for-minus", on_x=lambda tau: -1),
    wrong("v-prediction", on_eps=lambda tau: 1, on_x=lambda tau: tau, down=lambda tau: (1 - tau**2).sqrt()),
    wrong("x0-not-solved/no-noise", on_eps=lambda tau: 1 - tau),
    wrong("x0-not-solved/scaled", on_x=lambda tau: 1 - tau, down=lambda tau: 1),
    wrong("tau-missing", on_eps=lambda tau: 2 - tau),
    wrong("plus-for-minus/x0", on_eps=lambda tau: 1 - 2 * tau),
    wrong("plus-for-minus/tau", down=lambda tau: 1 + tau),
    wrong(
        "root-of-tau/both",
        on_eps=lambda tau: (1 - tau).sqrt() + tau.sqrt(),
        down=lambda tau: (1 - tau).sqrt(),
    ),
    wrong("root-of-tau/down", on_eps=lambda tau: (1 - tau).sqrt() + tau, down=lambda tau: (1 - tau).sqrt()),
    wrong("noise-scaled/one-minus", on_eps=lambda tau: 1 - tau, down=lambda tau: 1),
    wrong("path-for-velocity", on_eps=lambda tau: tau, on_x=lambda tau: 1 - tau, down=lambda tau: 1),
    wrong("path-for-velocity", on_eps=lambda tau: 1 - tau, on_x=lambda tau: tau, down=lambda tau: 1),
    wrong("clamped", out=lambda v, x, eps, tau: v.clamp(-1, 1)),
    wrong("returns-x", out=lambda v, x, eps, tau: x),
    wrong("bracket-missing", on_x=lambda tau: 1 - tau),
    wrong("multiplied/tau", down=lambda tau: -(1 - tau) / tau),
    wrong("plus-for-minus/of-x0", on_eps=lambda tau: 1 - 2 * tau, on_x=lambda tau: -1),
    wrong("mean-tau", level=lambda tau: tau.mean().expand_as(tau)),
    wrong("x-not-subtracted", on_x=lambda tau: 0),
    wrong("no-noise", on_eps=lambda tau: 0, on_x=lambda tau: 1),  # never beside a missing x_tau
    wrong("no-noise", on_eps=lambda tau: 0, on_x=lambda tau: 1, sign=-1),
    wrong("square-of-tau", down=lambda tau: 1 - tau**2),
    wrong(
        "x0-not-solved/multiplied",
        on_eps=lambda tau: 1 + tau * (1 - tau),
        on_x=lambda tau: 1 - tau,
        down=lambda tau: 1,
    ),
    wrong("bracket-missing/both", out=lambda v, x, e, tau: e - x / 1 - tau),
    wrong("bracket-missing/both", out=lambda v, x, e, tau: (e - x) / 1 - tau),
    wrong("clamped/x0", out=lambda v, x, e, tau: e - ((x - tau * e) / (1 - tau)).clamp(-1, 1)),
    wrong("distance-for-difference", out=lambda v, x, e, tau: (e - x).abs() / (1 - tau)),
    wrong("score", out=lambda v, x, e, tau: -e / tau),
    wrong("multiplied/x", on_x=lambda tau: tau),
)

EXERCISE = Exercise(
    name="flow_velocity",
    arguments=("x_tau", "tau", "eps_hat"),
    outputs=("velocity",),
    slide="S15; Lipman et al. 2023, example II; Liu et al. 2023",
    meaning="The same network, read as a velocity: on the straight path an ODE solver may take long steps.",
    formula=velocity,
    make_probes=_probes,
    mistakes=MISTAKES,
    forms=(Form("(eps_hat - x_tau) / (1 - tau)"),),
    blocked=(),
    factors=("x_tau", "eps_hat"),
)
