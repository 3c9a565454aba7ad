"""The second half of training_step's catalogue: what goes wrong with the loss, the gradient and the step."""

import torch

from labdiff.checks.exercises.exercise import catalogue, wrong


def _by_hand(optimizer, loss):
    """A step of gradient descent that the optimizer knows nothing of."""
    loss.backward()
    with torch.no_grad():
        for p in optimizer.param_groups[0]["params"]:
            p -= 0.01 * p.grad


MISTAKES = catalogue(
    """
no-zero-grad: The gradients of earlier steps are still there when the optimizer steps: they pile up. Call
    optimizer.zero_grad() once in every step.
step-before-backward: You call optimizer.step() before loss.backward(): it steps along the gradient of the
    step before, or along none.
step-before-backward/none: You call optimizer.step() before loss.backward(): there is no gradient yet.
step-before-backward/piles-up: You call optimizer.step() before loss.backward(), and the gradients pile up.
zero-grad-after-backward: You call zero_grad() between backward() and step(): that wipes out the gradient
    just before it is used.
no-step: You never call optimizer.step(): the weights stay as they are.
no-backward: No gradient reaches the model: you never call loss.backward(), or what the model says has lost
    its way back to the weights (torch.no_grad, .detach()).
no-backward/no-step: You compute the loss only: loss.backward() and optimizer.step() are missing.
sum-for-mean: You sum the squares. Take their mean, so that loss and step size do not depend on batch or
    image size.
sum-for-mean/image: You sum the squares over each image and average over the batch only. The mean goes over
    everything: 1 then means that nothing was learned.
absolute-error: Your error is not squared: absolute differences. Algorithm 1 has the square.
root-of-mean: You take the root of the mean square. Algorithm 1 has the mean square itself.
no-return: Your function does the step but returns nothing. Return the loss as a number: loss.item().
own-optimizer: The weights change, but not by optimizer.step(): you make an optimizer of your own, or change
    them by hand. A new one in every step forgets its running averages; use the one that you are given.
weighted: The squares of some samples count more than those of others: a weight that depends on t is left in.
    Algorithm 1 is the simple loss, without the weights of S12.
another-factor: There is a factor in front of the mean square. Algorithm 1 has the mean square itself.
halved: There is a factor 1/2 in front of the mean square. Algorithm 1 has the mean square itself.
negative-loss: You step along the negative of the loss: it climbs. Call loss.backward() on the mean square
    itself.
not-a-square: Your error is not the square of the difference (Huber or smooth L1, perhaps). Algorithm 1 has
    the square.
another-loss-returned: The step is right, but the number that you return is not the loss that it minimises:
    return loss.item().
several-batches: One step of yours learns from several batches: a loop over t, or over draws. Algorithm 1
    gives the model x0 once, with one t for each sample; over many calls all levels come up.
several-updates: You take several gradient steps in one call: a loop over t, over the samples or over several
    draws. Algorithm 1 takes one, with a t of its own for each sample; the loop is around it, over batches.
more-than-once: backward() or step() is called more than once. Algorithm 1 takes one gradient step.
no-gradient: There is no way from your loss back to the model's weights (torch.no_grad, .detach() or .item()
    before backward).
""",
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
    wrong("sum-for-mean", loss=lambda a, b: ((a - b) ** 2).sum()),
    wrong("sum-for-mean/image", loss=lambda a, b: ((a - b) ** 2).sum() / len(a)),
    wrong("absolute-error", loss=lambda a, b: (a - b).abs().mean()),
    wrong("root-of-mean", loss=lambda a, b: ((a - b) ** 2).mean().sqrt()),
    wrong("no-return", result=lambda loss, a, b: None),
    wrong("own-optimizer", order=_by_hand),
    wrong(
        "weighted", loss=lambda a, b: (((a - b) ** 2).flatten(1).mean(1) * torch.arange(1, len(a) + 1)).mean()
    ),
    wrong("another-factor", loss=lambda a, b: 3 * ((a - b) ** 2).mean()),
    wrong("another-factor", order=lambda o, loss: ((3 * loss).backward(), o.step())),
    wrong("halved", loss=lambda a, b: 0.5 * ((a - b) ** 2).mean()),
    wrong("negative-loss", loss=lambda a, b: -((a - b) ** 2).mean()),
    wrong("negative-loss", order=lambda o, loss: ((-loss).backward(), o.step())),
    wrong("not-a-square", loss=torch.nn.functional.smooth_l1_loss),
    wrong("another-loss-returned", result=lambda loss, a, b: 0.0),
    wrong("another-loss-returned", result=lambda loss, a, b: loss.item() / 2),
    wrong("another-loss-returned", result=lambda loss, a, b: loss.item() * a.numel()),
    wrong("another-loss-returned", result=lambda loss, a, b: loss.item() * a[0].numel()),
    wrong("another-loss-returned", result=lambda loss, a, b: loss.item() * len(a)),
    wrong("another-loss-returned", result=lambda loss, a, b: loss.item() / len(a)),
    wrong(
        "several-updates",
        order=lambda o, loss: (loss.backward(retain_graph=True), o.step(), loss.backward(), o.step()),
    ),
    wrong("several-batches", ask=lambda model, xt, t: model(xt, t) + model(xt, t)),
    wrong("more-than-once", order=lambda o, loss: (loss.backward(), o.step(), o.step())),
    wrong(
        "more-than-once", order=lambda o, loss: (loss.backward(retain_graph=True), loss.backward(), o.step())
    ),
    wrong("no-gradient", loss=lambda a, b: ((a - b) ** 2).mean().detach()),
)
