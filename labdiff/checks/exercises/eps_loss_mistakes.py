"""The simple loss: the mistakes that are made with it."""

import torch

from labdiff.checks.exercises.exercise import catalogue, wrong
from labdiff.checks.exercises.noising import COMMON, jump
from labdiff.checks.exercises.probes import scale
from labdiff.checks.exercises.q_posterior_exercise import posterior

MISTAKES = catalogue(
    """
variance-for-std: Your x_t has 1 - alpha_bar_t in front of eps, a variance. It is sqrt(1 - alpha_bar_t)
    (S12).
missing-root-signal: Your x_t has alpha_bar_t in front of x_0. It is sqrt(alpha_bar_t) (S12).
alpha-for-alpha-bar: Your x_t is made with alpha_t, one step. The jump needs alpha_bar_t (S5, S12).
target-scaled: Your target is sqrt(1 - alpha_bar_t) eps. The network predicts eps itself (S12).
target-x0: Your target is x_0. The network predicts the noise eps (S12); a network for x_0 is possible too,
    but it is another objective.
target-xt: Your target is x_t. The network predicts the noise eps that is in it (S12).
second-draw: Your target is a second draw of noise. It has to be the eps that made x_t: nothing can predict
    another one.
model-gets-x0: Your model gets x_0, without noise. It has to see x_t (S12).
model-gets-eps: Your model gets eps, the answer itself. It has to see x_t (S12).
model-gets-t-minus-1: Your model gets t-1. It is trained with the slides' t, 1..T, the level of x_t.
model-gets-t-over-T: Your model gets t/T. labdiff's models take t itself, int64 in 1..T.
sum-for-mean: You sum the squares. The loss is their mean, so that it does not depend on batch or image size,
    and 1 means that nothing was learned.
sum-for-mean/image: You sum the squares over each image and average over the batch only. The mean goes over
    everything.
sum-for-mean/batch: You average over each image and sum over the batch. The mean goes over everything: a
    larger batch would have a larger loss.
not-reduced: You return a loss for each sample. Training needs one number: the mean over the batch too.
not-reduced/at-all: You return the squares without taking their mean. Training needs one number.
absolute-error: You average absolute differences. The objective is the *square* (S12): it comes from the KL
    of Gaussians.
root-of-mean: You take a square root of the mean. The objective is the mean square itself (S12).
not-squared: You average the differences without squaring them: they cancel.
halved: There is a factor 1/2 too many: the simple loss is the mean square itself, 1 for a model that says 0.
no-gradient: The number is right, but it has lost its way back to the model's weights (.item(), .detach(),
    torch.no_grad, NumPy, or a .backward() inside): nothing could be trained with it. Return the tensor.
weighted: The weight of S12, beta_t^2 / (2 sigma_t^2 alpha_t (1 - alpha_bar_t)), is still in your loss. The
    simple loss drops it: every t counts alike.
weighted/snr: Your squares are weighted by the signal-to-noise ratio alpha_bar_t / (1 - alpha_bar_t). The
    simple loss has no weights: every t counts alike.
target-v: Your target is v = sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) x_0. The network predicts eps
    itself (S12).
target-negated: Your target is -eps: the sign is the wrong way round, eps + eps_hat for eps - eps_hat.
target-mix: Your target is eps - x_0, as in flow matching. The network predicts eps itself (S12).
smooth-absolute-error: You take the Huber (smooth L1) loss. The objective is the *square* (S12).
root-of-mean/norm: You take the norm, the root of the sum of squares. The objective is the mean square itself
    (S12).
t-not-a-batch: Your model gets t in another shape than (B,). Give it t as it is, one number for each sample.
halved/doubled: There is a factor 2 too many: the simple loss is the mean square itself, 1 for a model that
    says 0.
not-squared/mean-first: You square the mean of the differences, where positive and negative ones cancel.
    Square first, then take the mean.
target-x0/residual: Your network's output is what is taken off x_t to get x_0. It predicts the noise eps
    (S12), and eps is scaled in x_t.
negated: The sign is the wrong way round: a loss is to be made smaller, so it is the mean square itself.
x0-error: You compare x0_hat with x_0: that weights each t by (1 - alpha_bar_t) / alpha_bar_t. The simple
    loss compares eps_hat with eps.
constant-t: Your model gets the same t for all. Give it t as it is, the level of each x_t.
direction-only: You compare directions (a cosine similarity), not numbers. The objective is the mean square
    (S12).
output-scaled: You scale the network's output by sqrt(1 - alpha_bar_t) before you compare it with eps. It
    predicts eps itself (S12).
target-score: Your target is -eps / sqrt(1 - alpha_bar_t), the score. The network predicts eps itself (S12).
weighted/min-snr: Your squares are weighted by min(SNR, 5) / SNR. The simple loss has no weights: every t
    counts alike.
model-gets-T-minus-t: Your model gets T - t. It is told t itself, the level of x_t.
model-gets-t-plus-1: Your model gets t+1. It is told the slides' t, 1..T, the level of x_t.
model-gets-t-over-T/1000: Your model gets t/1000. labdiff's models take t itself, int64 in 1..T.
model-gets-alpha-bar: Your model gets a number of the schedule (alpha_bar_t, beta_t or a root) in place of t.
    labdiff's models take t itself, int64 in 1..T.
target-x-prev: Your target is x_{t-1}. The network predicts the noise eps (S12).
target-mean: You compare means: your target is mu_tilde, the mean of the step back. The simple loss compares
    eps_hat with eps (S12).
not-a-square: Your error is not the square of the difference, but another function of it. The objective is the
    mean square (S12).
rescales-x0: You bring x_0 to another range. It comes in the range that the network knows: use it as it is.
eps-in-model-input: You add eps to x_t once more before the model sees it. It is in x_t already (S12).
first-sample: Your loss is that of a part of the batch. The mean goes over everything.
target-scaled/signal: Your target is sqrt(alpha_bar_t) eps. The network predicts eps itself (S12).
first-t-for-all: You use the first sample's t for all. Each sample has its own: give all of t.
""",
    *(m for m in COMMON if m.id != "wrong-sign"),
    wrong("variance-for-std", noise=lambda a: 1 - a),
    wrong("missing-root-signal", signal=lambda a: a),
    wrong("alpha-for-alpha-bar", table=lambda s: s.alpha),
    wrong("target-scaled", target=lambda s, x0, t, eps, xt: scale((1 - s.alpha_bar[t]).sqrt(), eps) * eps),
    wrong("target-x0", target=lambda s, x0, t, eps, xt: x0),
    wrong("target-xt", target=lambda s, x0, t, eps, xt: xt),
    wrong("second-draw", target=lambda s, x0, t, eps, xt: torch.randn_like(eps)),
    wrong("model-gets-x0", model_x=lambda xt, x0, eps: x0),
    wrong("model-gets-eps", model_x=lambda xt, x0, eps: eps),
    wrong("model-gets-t-minus-1", model_t=lambda t, T: t - 1),
    wrong("model-gets-t-over-T", model_t=lambda t, T: t / T),
    wrong("sum-for-mean", reduce=lambda a, b: ((a - b) ** 2).sum()),
    wrong("sum-for-mean/image", reduce=lambda a, b: ((a - b) ** 2).flatten(1).sum(1).mean()),
    wrong("sum-for-mean/batch", reduce=lambda a, b: ((a - b) ** 2).flatten(1).mean(1).sum()),
    wrong("not-reduced", reduce=lambda a, b: ((a - b) ** 2).flatten(1).mean(1)),
    wrong("not-reduced/at-all", reduce=lambda a, b: (a - b) ** 2),
    wrong("absolute-error", reduce=lambda a, b: (a - b).abs().mean()),
    wrong("root-of-mean", reduce=lambda a, b: ((a - b) ** 2).mean().sqrt()),
    wrong("not-squared", reduce=lambda a, b: (a - b).mean()),
    wrong("not-squared", reduce=lambda a, b: (b - a).mean()),
    wrong("halved", reduce=lambda a, b: 0.5 * ((a - b) ** 2).mean()),
    wrong("no-gradient", reduce=lambda a, b: ((a - b) ** 2).mean().detach()),
    wrong("weighted", weight=lambda s, t: s.beta[t] / (2 * s.alpha[t] * (1 - s.alpha_bar[t]))),
    wrong("weighted", weight=lambda s, t: s.beta[t] / (s.alpha[t] * (1 - s.alpha_bar[t]))),
    wrong(
        "weighted",
        weight=lambda s, t: s.beta[t] ** 2 / (2 * s.beta_tilde[t] * s.alpha[t] * (1 - s.alpha_bar[t])),
    ),
    wrong("weighted/snr", weight=lambda s, t: s.alpha_bar[t] / (1 - s.alpha_bar[t])),
    wrong(
        "target-v",
        target=lambda s, x0, t, eps, xt: (
            scale(s.alpha_bar[t].sqrt(), eps) * eps - scale((1 - s.alpha_bar[t]).sqrt(), eps) * x0
        ),
    ),
    wrong("target-negated", target=lambda s, x0, t, eps, xt: -eps),
    wrong("target-mix", target=lambda s, x0, t, eps, xt: eps - x0),
    wrong("smooth-absolute-error", reduce=torch.nn.functional.smooth_l1_loss),
    wrong("root-of-mean/norm", reduce=lambda a, b: (a - b).norm()),
    wrong("root-of-mean/norm", reduce=lambda a, b: (a - b).flatten(1).norm(dim=1).mean()),
    wrong("t-not-a-batch", model_t=lambda t, T: t.view(-1, 1, 1, 1)),
    wrong("t-not-a-batch", model_t=lambda t, T: t[:, None]),
    wrong("t-not-a-batch", model_t=lambda t, T: t[0]),
    wrong("halved/doubled", reduce=lambda a, b: 2 * ((a - b) ** 2).mean()),
    wrong("not-squared/mean-first", reduce=lambda a, b: (a - b).mean() ** 2),
    wrong("target-x0/residual", target=lambda s, x0, t, eps, xt: xt - x0),
    wrong("negated", reduce=lambda a, b: -((a - b) ** 2).mean()),
    wrong("x0-error", weight=lambda s, t: (1 - s.alpha_bar[t]) / s.alpha_bar[t]),
    wrong("constant-t", model_t=torch.full_like),
    wrong("constant-t", model_t=lambda t, T: torch.ones_like(t)),
    wrong("constant-t", model_t=lambda t, T: torch.zeros_like(t)),
    wrong(
        "direction-only", reduce=lambda a, b: (1 - torch.cosine_similarity(a.flatten(1), b.flatten(1))).mean()
    ),
    wrong("output-scaled", output=lambda s, t, e: scale((1 - s.alpha_bar[t]).sqrt(), e) * e),
    wrong("target-score", target=lambda s, x0, t, eps, xt: -eps / scale((1 - s.alpha_bar[t]).sqrt(), eps)),
    wrong("weighted/min-snr", weight=lambda s, t: (5 * (1 - s.alpha_bar[t]) / s.alpha_bar[t]).clamp(max=1)),
    wrong(
        "first-t-for-all", level=lambda t: t[:1].expand_as(t), model_t=lambda t, T: t[:1].expand_as(t).clone()
    ),
    wrong("model-gets-T-minus-t", model_t=lambda t, T: T - t),
    wrong("model-gets-T-minus-t", model_t=lambda t, T: T + 1 - t),
    wrong("model-gets-t-plus-1", model_t=lambda t, T: t + 1),
    wrong("model-gets-t-over-T/1000", model_t=lambda t, T: t / 1000),
    wrong("model-gets-alpha-bar", told=lambda s, t: s.alpha_bar[t]),
    wrong("model-gets-alpha-bar", told=lambda s, t: s.alpha_bar[t].sqrt()),
    wrong("model-gets-alpha-bar", told=lambda s, t: (1 - s.alpha_bar[t]).sqrt()),
    wrong("model-gets-alpha-bar", told=lambda s, t: 1 - s.alpha_bar[t]),
    wrong("model-gets-alpha-bar", told=lambda s, t: s.beta[t]),
    wrong("target-x-prev", target=lambda s, x0, t, eps, xt: jump(s, x0, t - 1, eps)),
    wrong("target-mean", target=lambda s, x0, t, eps, xt: posterior(s, x0, xt, t)[0]),
    wrong(
        "target-mean", weight=lambda s, t: s.beta[t] ** 2 / (s.alpha[t] * (1 - s.alpha_bar[t]))
    ),  # both of them means
    wrong("not-a-square", reduce=lambda a, b: ((a - b) ** 4).mean()),
    wrong("not-a-square", reduce=lambda a, b: (a - b).abs().pow(3).mean()),
    wrong("not-a-square", reduce=lambda a, b: ((a - b) ** 2).mean().log()),
    wrong("not-a-square", reduce=lambda a, b: ((a - b) ** 2).mean() + (a - b).abs().mean()),
    wrong("not-a-square", reduce=lambda a, b: ((a - b) ** 2 + 1e-6).sqrt().mean()),
    wrong("not-a-square", reduce=lambda a, b: ((a - b) ** 2 + 1).sqrt().mean() - 1),
    wrong("not-a-square", reduce=lambda a, b: torch.log(torch.cosh(a - b)).mean()),
    wrong("not-a-square", reduce=torch.nn.functional.binary_cross_entropy_with_logits),
    wrong("not-a-square", reduce=lambda a, b: (a * b).mean()),
    wrong("not-a-square", reduce=lambda a, b: -(a * b).mean()),
    wrong("not-a-square", reduce=lambda a, b: ((a - b) ** 2).max()),
    wrong("not-a-square", reduce=lambda a, b: (a - b).var()),
    wrong("not-a-square", reduce=lambda a, b: (a - b).std()),
    wrong("weighted", weight=lambda s, t: 1 - s.alpha_bar[t]),
    wrong("first-sample", reduce=lambda a, b: ((a - b) ** 2)[0].mean()),
    wrong("first-sample", reduce=lambda a, b: ((a - b) ** 2)[-1].mean()),
    wrong("first-sample", reduce=lambda a, b: ((a - b) ** 2)[:, 0].flatten(1)[:, 0].mean()),
    wrong("target-scaled/signal", target=lambda s, x0, t, eps, xt: scale(s.alpha_bar[t].sqrt(), eps) * eps),
    wrong("rescales-x0", data=lambda x: (x + 1) / 2),
    wrong("rescales-x0", data=lambda x: 2 * x - 1),
    wrong("eps-in-model-input", model_x=lambda xt, x0, eps: xt + eps),
)
