"""The first half of training_step's catalogue: what goes wrong with t, the noise, x_t and the target."""

import torch

from labdiff.checks.exercises.exercise import catalogue, wrong


def _randint(low, high):
    return lambda B, T, g: torch.randint(low, T + high, (B,), generator=g)


def _fixed(draw):
    """Draws of a generator that starts anew in every call."""
    return lambda *args: draw(*args[:-1], torch.Generator().manual_seed(0))


MISTAKES = catalogue(
    """
one-t-for-all: You draw one t for the whole batch. Draw one for each sample, shape (B,): a step then sees
    many noise levels, and its gradient is far less noisy.
t-from-0-to-T-1: Your t is from 0..T-1. The slides' t is 1..T: t = 0 is clean data, and T, where sampling
    starts, would never be trained. torch.randint leaves its upper end out: randint(1, s.T + 1, ...).
t-from-1-to-T-1: Your t never is T: torch.randint leaves its upper end out. Use randint(1, s.T + 1, ...).
t-from-0-to-T: Your t is from 0..T. t = 0 is clean data, with no noise to predict: draw from 1..T (S14).
t-from-2-to-T: Your t never is 1. Algorithm 1 draws from 1..T.
second-draw: Your target is a second draw of noise. It has to be the same eps that made x_t: nothing can
    predict another one.
target-scaled: Your target is sqrt(1 - alpha_bar_t) eps. The network predicts eps itself (S14).
target-x0: Your target is x_0. Algorithm 1 predicts eps.
target-xt: Your target is x_t. Algorithm 1 predicts the eps in it.
model-gets-x0: Your model gets x_0, without noise. It has to see x_t.
model-gets-eps: Your model gets eps, the answer itself. It has to see x_t.
model-gets-t-minus-1: Your model gets t-1, but x_t has level t. Give it the t that x_t was made with.
model-gets-t-over-T: Your model gets t/T. labdiff's models take t itself, int64 in 1..T.
off-by-one: Your x_t has level t-1, but the model is told t. Entry t of labdiff's arrays is the slides' t.
variance-for-std: Your x_t has 1 - alpha_bar_t in front of eps, a variance. It is sqrt(1 - alpha_bar_t).
missing-root-signal: Your x_t has alpha_bar_t in front of x_0. It is sqrt(alpha_bar_t).
alpha-for-alpha-bar: Your x_t is made with alpha_t, one step. The jump needs alpha_bar_t (S5, S14).
swapped-coefficients: The coefficients of x_0 and eps are swapped.
noise-unscaled: You add eps at full size. It is sqrt(1 - alpha_bar_t) eps.
signal-unscaled: You keep x_0 at full size. It is sqrt(alpha_bar_t) x_0.
not-reshaped: Your coefficients have the shape (B,) and meet the columns W of the images. Give them the shape
    (B, 1, 1, 1).
uniform-noise: Your noise is uniform. Algorithm 1 has eps ~ N(0, I): torch.randn.
same-noise-for-all: All samples of the batch get the same noise. Draw eps in the shape of x0.
ignores-generator: Your eps does not come from `generator` (torch.randn_like has no such argument): the run
    can't be replayed. Use torch.randn(x0.shape, generator=generator).
ignores-generator/t: Your t (and perhaps your eps) does not come from `generator`: the run can't be replayed.
    Give it to torch.randint and torch.randn.
ignores-generator/both: Your t (and perhaps your eps) does not come from `generator`: the run can't be
    replayed. Give it to torch.randint and torch.randn.
in-place: Your function changes its argument x0 in place (an operation such as *=, or one whose name ends in
    _). The caller still needs the clean images: make a new tensor.
fixed-t: Your t is the same in every call: the network never learns the other levels. Draw it, uniformly from
    1..T.
t-not-uniform: Your t is not uniform: some levels come more often than others. Algorithm 1 draws from 1..T
    with equal chances.
same-noise-every-call: Your noise is the same in every call: a seed is set, or a generator made, inside of
    the function. Draw it from the generator that you are given.
same-noise-every-call/t: Your t and your noise are the same in every call: a seed is set, or a generator
    made, inside of the function. Draw them from the generator that you are given.
one-number-for-noise: All pixels of an image get the same number as noise. Draw eps in the shape of x0.
noise-variance: Your noise does not have variance 1. Algorithm 1 has eps ~ N(0, I): torch.randn as it is.
target-mix: Your target is a mix of x_0 and eps, as for v-prediction or flow matching. Algorithm 1 predicts
    eps.
model-not-called: Your function never calls the model. It predicts eps from x_t and t: model(xt, t).
part-of-the-batch: Your model sees only a part of the batch. Algorithm 1 takes all of x0.
t-not-whole: Your model gets numbers that are no levels (t drawn as floats, or alpha_bar_t in its place). t
    is a whole number, 1..T: torch.randint.
model-gets-T-minus-t: Your model gets T - t. Give it the t that x_t was made with.
model-gets-t-plus-1: Your model gets t+1. Give it the t that x_t was made with.
linear-mix: Your x_t has 1 - sqrt(alpha_bar_t) in front of eps. It is sqrt(1 - alpha_bar_t): the squares of
    the two factors add up to 1.
linear-mix/of-t: Your x_t is mixed with weights t/T and 1 - t/T. Algorithm 1 has sqrt(alpha_bar_t) and sqrt(1
    - alpha_bar_t).
wrong-sign: The noise in your x_t and your target have opposite signs: the network would predict -eps.
target-score: Your target is -eps / sqrt(1 - alpha_bar_t), the score. The network predicts eps itself (S14).
rescales-x0: You bring x_0 to another range. It comes in the range that the network knows: use it as it is.
clamped: You clamp x_t to [-1, 1]. It is a Gaussian and goes beyond.
clamped/x0: You clamp x_0. It comes in the range that the network knows: use it as it is.
target-scaled/factor: Your target is eps times a number. The network predicts eps itself (S14).
target-absolute: Your target is the size of eps, without its sign. The network predicts eps itself (S14).
constant-t: Your model gets the same t for all. Give it the t that x_t was made with.
no-noise: Your noise is zero: x_t is the signal alone, with nothing to predict. Draw eps with torch.randn.
t-not-a-batch: Your model gets t in another shape than (B,). Give it t as it was drawn, one number for each
    sample.
""",
    wrong("one-t-for-all", draw_t=lambda B, T, g: torch.randint(1, T + 1, (1,), generator=g).expand(B)),
    wrong("t-from-0-to-T-1", draw_t=_randint(0, 0)),
    wrong("t-from-1-to-T-1", draw_t=_randint(1, 0)),
    wrong("t-from-0-to-T", draw_t=_randint(0, 1)),
    wrong("t-from-2-to-T", draw_t=_randint(2, 1)),
    wrong("second-draw", target=lambda x0, eps, xt, scaled, g: torch.randn(eps.shape, generator=g)),
    wrong("target-scaled", target=lambda x0, eps, xt, scaled, g: scaled),
    wrong("target-x0", target=lambda x0, eps, xt, scaled, g: x0),
    wrong("target-xt", target=lambda x0, eps, xt, scaled, g: xt),
    wrong("model-gets-x0", model_x=lambda xt, x0, eps: x0),
    wrong("model-gets-eps", model_x=lambda xt, x0, eps: eps),
    wrong("model-gets-t-minus-1", model_t=lambda t, T: t - 1),
    wrong("model-gets-t-over-T", model_t=lambda t, T: t / T),
    wrong("off-by-one", level=lambda t: t - 1),
    wrong("variance-for-std", noise=lambda s, t: 1 - s.alpha_bar[t]),
    wrong("missing-root-signal", signal=lambda s, t: s.alpha_bar[t]),
    wrong("alpha-for-alpha-bar", signal=lambda s, t: s.alpha[t].sqrt(), noise=lambda s, t: s.beta[t].sqrt()),
    wrong(
        "swapped-coefficients",
        signal=lambda s, t: (1 - s.alpha_bar[t]).sqrt(),
        noise=lambda s, t: s.alpha_bar[t].sqrt(),
    ),
    wrong("noise-unscaled", noise=lambda s, t: torch.ones_like(s.beta[t])),
    wrong("signal-unscaled", signal=lambda s, t: torch.ones_like(s.beta[t])),
    wrong("not-reshaped", image=lambda c: c),
    wrong("uniform-noise", draw=lambda x0, g: torch.rand(x0.shape, generator=g)),
    wrong("uniform-noise", draw=lambda x0, g: 2 * torch.rand(x0.shape, generator=g) - 1),
    wrong("same-noise-for-all", draw=lambda x0, g: torch.randn(x0[:1].shape, generator=g).expand_as(x0)),
    wrong("ignores-generator", draw=lambda x0, g: torch.randn_like(x0)),
    wrong("ignores-generator/t", draw_t=lambda B, T, g: torch.randint(1, T + 1, (B,))),
    wrong(
        "ignores-generator/both",
        draw_t=lambda B, T, g: torch.randint(1, T + 1, (B,)),
        draw=lambda x0, g: torch.randn_like(x0),
    ),
    wrong("in-place", mix=lambda a, x0, b, eps: x0.mul_(a).add_(b * eps)),
    wrong("fixed-t", draw_t=lambda B, T, g: torch.full((B,), T)),
    wrong("fixed-t", draw_t=lambda B, T, g: torch.arange(B) % T + 1),
    wrong("t-not-uniform", draw_t=lambda B, T, g: 1 + (torch.rand(B, generator=g) ** 2 * T).long()),
    wrong("same-noise-every-call", draw=_fixed(lambda x0, g: torch.randn(x0.shape, generator=g))),
    wrong(
        "same-noise-every-call/t",
        draw=_fixed(lambda x0, g: torch.randn(x0.shape, generator=g)),
        draw_t=_fixed(lambda B, T, g: torch.randint(1, T + 1, (B,), generator=g)),
    ),
    wrong(
        "one-number-for-noise",
        draw=lambda x0, g: torch.randn(x0[:, :1, :1, :1].shape, generator=g).expand_as(x0),
    ),
    wrong("noise-variance", draw=lambda x0, g: 0.5 * torch.randn(x0.shape, generator=g)),
    wrong("target-mix", target=lambda x0, eps, xt, scaled, g: eps - x0),
    wrong("model-not-called", ask=lambda model, x, t: 0 * x, order=lambda o, loss: None),
    wrong("part-of-the-batch", batch=lambda x0: x0[:1]),
    wrong("target-scaled/factor", target=lambda x0, eps, xt, scaled, g: 2 * eps),
    wrong("target-absolute", target=lambda x0, eps, xt, scaled, g: eps.abs()),
    wrong("constant-t", model_t=lambda t, T: torch.zeros_like(t)),
    wrong("constant-t", model_t=lambda t, T: torch.ones_like(t)),
    wrong("constant-t", model_t=lambda t, T: torch.full_like(t, T)),
    wrong("no-noise", draw=lambda x0, g: torch.zeros_like(x0)),
    wrong("t-not-whole", model_t=lambda t, T: t.float() + 0.3),
    wrong("model-gets-T-minus-t", model_t=lambda t, T: T - t),
    wrong("model-gets-T-minus-t", model_t=lambda t, T: T + 1 - t),
    wrong("model-gets-t-plus-1", model_t=lambda t, T: t + 1),
    wrong("linear-mix", noise=lambda s, t: 1 - s.alpha_bar[t].sqrt()),
    wrong("linear-mix/of-t", signal=lambda s, t: 1 - t / s.T, noise=lambda s, t: t / s.T),
    wrong("linear-mix/of-t", signal=lambda s, t: (1 - t / s.T).sqrt(), noise=lambda s, t: (t / s.T).sqrt()),
    wrong("wrong-sign", noise=lambda s, t: -(1 - s.alpha_bar[t]).sqrt()),
    wrong(
        "target-score",
        target=lambda x0, eps, xt, scaled, g: -(eps**2) / scaled,  # eps / sqrt(1 - alpha_bar)
    ),
    wrong("rescales-x0", batch=lambda x0: (x0 + 1) / 2),
    wrong("rescales-x0", batch=lambda x0: 2 * x0 - 1),
    wrong("clamped", mix=lambda a, x0, b, eps: (a * x0 + b * eps).clamp(-1, 1)),
    wrong("clamped/x0", batch=lambda x0: x0.clamp(-1, 1)),
    wrong("t-not-a-batch", model_t=lambda t, T: t.view(-1, 1, 1, 1)),
    wrong("t-not-a-batch", model_t=lambda t, T: t[:, None]),
    wrong("t-not-a-batch", model_t=lambda t, T: t[0]),
    wrong("t-not-a-batch", model_t=lambda t, T: t[:1]),
    wrong("t-not-a-batch", model_t=lambda t, T: t[0].item()),
)
