"""Exceptions that tell the mistake by themselves: what they mean here, and what to do."""

import re

import torch

# id, kinds of exception, pattern of the message, pattern of the student's line, hint
KNOWN = (
    (
        "math-on-a-tensor",
        "TypeError|ValueError|RuntimeError",
        r"one.element tensors|converted to (a )?(Python )?[Ss]calar|0-dimensional arrays|size-1 arrays",
        r"\bmath\.",
        "The functions of `math` take one number, and here they get a tensor of several. Use torch's, such "
        "as torch.log and torch.sqrt.",
    ),
    (
        "one-number-from-a-batch",
        "TypeError|ValueError|RuntimeError",
        r"one.element tensors|converted to (a )?(Python )?[Ss]calar|single element|0-dimensional arrays",
        "",
        "A tensor of several numbers is used as one number. {levels}Calculate with tensors.",
    ),
    (
        "if-on-a-batch",
        "RuntimeError|ValueError",
        "[Bb]oolean value of Tensor|truth value of an array",
        "",
        "`if`, `and`, `or` and `max` look at one number, but this tensor has several. Use torch.where, or "
        "multiply by a mask.",
    ),
    (
        "undefined-name",
        "NameError|UnboundLocalError",
        "",
        "",
        "{message}: define it, or look at its spelling.",
    ),
    (
        "no-such-attribute",
        "AttributeError",
        "'Schedule' object",
        "",
        "{message}. A Schedule has beta, alpha, alpha_bar and beta_tilde, arrays with the entries t = 0..T, "
        "and T.",
    ),
    (
        "no-gradient",
        "AttributeError|RuntimeError",
        r"'float' object has no attribute 'backward'|does not require grad and does not have a grad_fn",
        "",
        "There is no way from your loss back to the model's weights ({message}): call .item() or .detach() "
        "after backward() only, and leave the model outside of torch.no_grad().",
    ),
    (
        "not-reduced",
        "RuntimeError",
        "grad can be implicitly created only for scalar outputs",
        "",
        "You call backward() on several numbers. The loss is one: take the mean of the squares over "
        "everything.",
    ),
    ("no-such-attribute", "AttributeError", "", "", "{message}: look at its spelling, and at what it is."),
    (
        "called-like-a-function",
        "TypeError",
        "'Tensor' object is not callable",
        "",
        "Round brackets call a function. An array is indexed with square ones: s.alpha_bar[t].",
    ),
    (
        "wrong-type",
        "TypeError",
        "^training_step returned ",
        "",
        "{message}: return the loss as one number, loss.item().",
    ),
    (
        "torch-on-a-number",
        "TypeError",
        r"must be Tensor, not (float|int)",
        "",
        "A function of torch gets a plain number where it takes a tensor. Write ** 0.5 for the root of a "
        "number, or use math's functions.",
    ),
    (
        "model-call",
        "ValueError",
        r"^model\(x, t\)",
        "",
        "Your call of the model is not right: {message}. It takes the images and one t for each of them.",
    ),
    (
        "wrong-arguments",
        "TypeError",
        r"missing \d+ required|takes .*\d+ (positional )?arguments?|unexpected keyword|multiple values for",
        "",
        "A function is called with other arguments than it takes: {message}.{model}",
    ),
    (
        "mask-of-numbers",
        "RuntimeError|TypeError|IndexError",
        r"condition to be a boolean tensor|[~].*(on|type)|bitwise_not|used as indices must be",
        "",
        "A mask of numbers, 0 and 1, is used where True and False are expected: {message}. Make it one with "
        ".bool() or mask == 1, or calculate with it: mask * a + (1 - mask) * b.",
    ),
    (
        "indexing-a-number",
        "IndexError|TypeError",
        "too many indices for tensor of dimension|invalid index of a 0-dim|cannot be indexed|not "
        "subscriptable",
        "",
        "You index what is one number, or has fewer axes: {message}. Look at its shape.",
    ),
    (
        "another-number-of-axes",
        "RuntimeError|IndexError",
        r"1D tensors expected|expected .*[12]-?D tensor|must be a (1D|2D|matrix)|Dimension out|dim must be",
        "",
        "A function of torch gets a tensor with another number of axes than it takes: {message}. Give each "
        "sample's numbers one axis first, for example with .flatten(1).",
    ),
    (
        "labdiff-argument",
        "ValueError|TypeError",
        r"^\w+: \w+: expected ",
        "",
        "A function of labdiff that you call was given something else than it takes. {message}.",
    ),
    ("index-out-of-range", "IndexError", "out of (bounds|range)", "", "{message}.{arrays}"),
    (
        "shapes-do-not-fit",
        "RuntimeError|ValueError",
        r"must match the size of tensor|could not be broadcast|not broadcastable",
        "",
        "Two tensors do not fit: {message}. A number for each sample, (B,), needs the shape (B, 1, 1, 1) to "
        "scale images, for example with .view(-1, 1, 1, 1).",
    ),
)


LEVELS = (
    "t has an entry for each sample of the batch: index the arrays with all of t, s.beta[t]. ",
    "What has an entry for each sample of the batch, (B,), is used whole. ",
)
ARRAYS = " labdiff's arrays have the entries t = 0..T, and entry t is the slides' t."
MODEL = " The model is called as model(x, t)."


def named_exception(exercise, probes, outcomes):
    """(id, hint) if the first exception that the function raised is a known one, else None."""
    first = next((o for o in outcomes if o.problem == "raised"), None)
    if first is None:
        return None
    for id, kinds, message, line, hint in KNOWN:
        if (
            re.fullmatch(kinds, first.kind)
            and re.search(message, first.message)
            and re.search(line, first.line)
        ):
            return id, hint.format(
                message=first.message.rstrip("."),
                levels=LEVELS[not has_levels(exercise, probes)],
                arrays=ARRAYS if {"s", "beta"} & {*exercise.arguments} else "",
                model=MODEL if "model" in exercise.arguments else "",
            )
    return None


def has_levels(exercise, probes):
    """Whether the function gets a t for each sample of the batch."""
    given = dict(zip(exercise.arguments, probes[0].args, strict=False))
    return isinstance(given.get("t"), torch.Tensor)
