"""The catalogue of training_step: what goes wrong in Algorithm 1."""

import torch

from labdiff.checks.exercises.exercise import catalogue, wrong


def _randint(low, high):
    return lambda B, T, g: torch.randint(low, T + high, (B,), generator=g)


MISTAKES = catalogue(
    """
one-t-for-all: You draw one t for the whole batch. Draw one for each sample, shape (B,): a step then sees
    many noise levels, and its gradient is far less noisy.
t-from-0-to-T-1: Your t is from 0..T-1. The slides' t is 1..T: t = 0 is clean data, and T, where sampling
    starts, would never be trained. torch.randint leaves its upper end out: randint(1, s.T + 1, ...).
t-from-1-to-T-1: Your t never is T: torch.randint leaves its upper end out. Use randint(1, s.T + 1, ...).
t-from-0-to-T: Your t is from 0..T. t = 0 is clean data, with no noise to predict: draw from 1..T (S14).
t-from-2-to-T: Your t never is 1. Algorithm 1 draws from 1..T.
no-zero-grad: The gradients of earlier steps are still there when the optimizer steps: they pile up. Call
    optimizer.zero_grad() once in every step.
step-before-backward: You call optimizer.step() before loss.backward(): it steps along the gradient of the
    step before, or along none.
step-before-backward/none: You call optimizer.step() before loss.backward(): there is no gradient yet.
step-before-backward/piles-up: You call optimizer.step() before loss.backward(), and the gradients pile up.
zero-grad-after-backward: You call zero_grad() between backward() and step(): that wipes out the gradient
    just before it is used.
no-step: You never call optimizer.step(): the weights stay as they are.
no-backward: You never call loss.backward(): there is no gradient to step along.
no-backward/no-step: You compute the loss only: loss.backward() and optimizer.step() are missing.
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
sum-for-mean: You sum the squares. Take their mean, so that loss and step size do not depend on batch or
    image size.
sum-for-mean/image: You sum the squares over each image and average over the batch only. The mean goes over
    everything: 1 then means that nothing was learned.
absolute-error: Your error is not squared: absolute differences. Algorithm 1 has the square.
root-of-mean: You take the root of the mean square. Algorithm 1 has the mean square itself.
in-place: Your function changes its argument x0 in place (an operation such as *=, or one whose name ends in
    _). The caller still needs the clean images: make a new tensor.
no-return: Your function does the step but returns nothing. Return the loss as a number: loss.item().
no-gradient: There is no way from your loss back to the model's weights (torch.no_grad, .detach() or .item()
    before backward).
""",
    wrong("one-t-for-all", draw_t=lambda B, T, g: torch.randint(1, T + 1, (1,), generator=g).expand(B)),
    wrong("t-from-0-to-T-1", draw_t=_randint(0, 0)),
    wrong("t-from-1-to-T-1", draw_t=_randint(1, 0)),
    wrong("t-from-0-to-T", draw_t=_randint(0, 1)),
    wrong("t-from-2-to-T", draw_t=_randint(2, 1)),
    wrong("no-zero-grad", zero=lambda o: None),
    wrong(
        "step-before-backward",
        zero=lambda o: None,
        order=lambda o, loss: (o.step(), o.zero_grad(), loss.backward()),
    ),
    wrong("step-before-backward/none", order=lambda o, loss: (o.step(), loss.backward())),
    wrong(
        "step-before-backward/piles-up",
        zero=lambda o: None,
        order=lambda o, loss: (o.step(), loss.backward()),
    ),
    wrong(
        "zero-grad-after-backward",
        zero=lambda o: None,
        order=lambda o, loss: (loss.backward(), o.zero_grad(), o.step()),
    ),
    wrong("no-step", order=lambda o, loss: loss.backward()),
    wrong("no-backward", order=lambda o, loss: o.step()),
    wrong("no-backward/no-step", order=lambda o, loss: None),
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
    wrong("sum-for-mean", loss=lambda a, b: ((a - b) ** 2).sum()),
    wrong("sum-for-mean/image", loss=lambda a, b: ((a - b) ** 2).sum() / len(a)),
    wrong("absolute-error", loss=lambda a, b: (a - b).abs().mean()),
    wrong("root-of-mean", loss=lambda a, b: ((a - b) ** 2).mean().sqrt()),
    wrong("in-place", mix=lambda a, x0, b, eps: x0.mul_(a).add_(b * eps)),
    wrong("no-return", result=lambda loss, a, b: None),
    wrong("no-gradient", loss=lambda a, b: ((a - b) ** 2).mean().detach()),
)
