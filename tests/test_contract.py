"""What every public function promises: wrong input gets *function: argument: expected, got*; nothing else is
touched."""

import copy
import re

import numpy as np
import pytest
import torch

import labdiff as ld
from conftest import Spy, global_state, make_net
from labdiff import process

S = ld.linear_schedule(T=20)
G = torch.Generator().manual_seed(0)
X, E = torch.rand(4, 1, 4, 4, generator=G) * 2 - 1, torch.randn(4, 1, 4, 4, generator=G)  # B == H == W
T4 = torch.tensor([1, 5, 9, 20])
NET = make_net(S)
META = X.to("meta")


def zero(x, t):
    return torch.zeros_like(x)


# Functions of the process: name, data arguments in order, and whether t = 0 makes sense. `t` and `s` come as
# in the call.
FORMULAS = {
    ld.q_step: ("x_prev", "eps"),
    ld.q_sample: ("x0", "eps"),
    ld.q_posterior: ("x0", "xt"),
    ld.predict_x0: ("xt", "eps_hat"),
    ld.p_mean: ("xt", "eps_hat"),
    ld.eps_loss: ("x0", "eps"),
}


def arguments(function):
    a, b = FORMULAS[function]
    return {"s": S, a: X, b: E, "t": T4} | ({"model": zero} if function is ld.eps_loss else {})


@pytest.fixture(params=FORMULAS, ids=lambda f: f.__name__)
def formula(request):
    return request.param


def spoilt(value):
    x = X.clone()
    x[2, 0, 1, 1] = value
    return x


BAD_DATA = {
    "no tensor": (X.tolist(), TypeError, "expected a tensor, got list"),
    "numpy": (X.numpy(), TypeError, "expected a tensor, got ndarray"),
    "None": (None, TypeError, "expected a tensor, got NoneType"),
    "int": (X.long(), TypeError, "expected real numbers.*got torch.int64"),
    "uint8": (X.to(torch.uint8), TypeError, "got torch.uint8"),
    "bool": (X > 0, TypeError, "got torch.bool"),
    "complex": (X.to(torch.complex64), TypeError, "got torch.complex64"),
    "NaN": (
        spoilt(float("nan")),
        ValueError,
        "expected finite numbers, got 1 of 64 that are NaN or infinite",
    ),
    "inf": (spoilt(float("-inf")), ValueError, "expected finite numbers, got 1 of 64"),
    "empty batch": (X[:0], ValueError, "."),
    "no dimension": (torch.tensor(1.0), ValueError, "."),
}
BAD_PARTNER = {  # only wrong beside the other tensor
    "other dtype": (X.double(), TypeError, "expected dtype torch.float32 like .*, got torch.float64"),
    "other device": (META, ValueError, "expected device cpu like .*, got meta"),
    "fewer samples": (X[:1], ValueError, r"expected shape \(4, 1, 4, 4\) like .*, got \(1, 1, 4, 4\)"),
    "no channel": (X[:, 0], ValueError, r"expected shape \(4, 1, 4, 4\) like .*, got \(4, 4, 4\)"),
    "one row": (X[0, 0, 0], ValueError, r"expected shape .*, got \(4,\)"),
    "more channels": (X.expand(4, 3, 4, 4), ValueError, r"expected shape .*, got \(4, 3, 4, 4\)"),
}


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("bad", BAD_DATA)
def test_bad_data(formula, which, bad):
    value, error, text = BAD_DATA[bad]
    name = FORMULAS[formula][which]
    # shapes differ: either may be named
    some_name = name if text != "." else "(" + "|".join(FORMULAS[formula]) + ")"
    with pytest.raises(error, match=f"^{formula.__name__}: {some_name}: .*{text}"):
        formula(**arguments(formula) | {name: value})


@pytest.mark.parametrize("bad", BAD_PARTNER)
def test_bad_partner(formula, bad):
    value, error, text = BAD_PARTNER[bad]
    first, second = FORMULAS[formula]
    with pytest.raises(error, match=f"^{formula.__name__}: {second}: {text}"):
        formula(**arguments(formula) | {second: value})
    with pytest.raises(error, match=f"^{formula.__name__}: ({first}|{second}): expected "):
        formula(**arguments(formula) | {first: value})


@pytest.mark.parametrize("empty", [X[:0], X[:, :0], torch.zeros(0)], ids=["B", "C", "1-D"])
def test_empty_batch(formula, empty):
    first, second = FORMULAS[formula]
    with pytest.raises(
        ValueError, match=f"^{formula.__name__}: {first}: expected a non-empty batch .*, got shape"
    ):
        formula(**arguments(formula) | {first: empty, second: empty, "t": 1})


BAD_T = {
    "float": (3.0, TypeError, r"got float 3\.0"),
    "float tensor": (T4.float(), TypeError, "got torch.float32"),
    "bool": (True, TypeError, "got bool True"),
    "bool tensor": (T4 > 5, TypeError, "got torch.bool"),
    "int32": (T4.int(), TypeError, "got torch.int32"),
    "None": (None, TypeError, "got NoneType None"),
    "text": ("3", TypeError, "got str '3'"),
    "list": ([1, 5, 9, 20], TypeError, "got list"),
    "negative": (-1, ValueError, "got -1"),
    "one negative": (torch.tensor([1, -3, 4, 5]), ValueError, "got -3"),
    "T + 1": (21, ValueError, r"in [01]\.\.20, got 21"),
    "no int64": (-(10**30), ValueError, "got -1000"),
    "one T + 1": (torch.tensor([1, 3, 21, 5]), ValueError, "got 21"),
    "0-dim float": (torch.tensor(3.0), TypeError, "got torch.float32"),
    "0-dim T + 1": (torch.tensor(21), ValueError, "got 21"),
    "(B, 1)": (T4[:, None], ValueError, r"got shape \(4, 1\)"),
    "(B, 1, 1, 1)": (T4[:, None, None, None], ValueError, r"got shape \(4, 1, 1, 1\)"),
    "(1,)": (T4[:1], ValueError, r"shape \(4,\).*got shape \(1,\)"),
    "(0,)": (T4[:0], ValueError, r"got shape \(0,\)"),
    "other device": (T4.to("meta"), ValueError, "device cpu like the data, got meta"),
}


@pytest.mark.parametrize("bad", BAD_T)
def test_bad_t(formula, bad):
    t, error, text = BAD_T[bad]
    with pytest.raises(error, match=f"^{formula.__name__}: t: expected .*{text}"):
        formula(**arguments(formula) | {"t": t})


@pytest.mark.parametrize("t", [0, torch.tensor([3, 0, 4, 5])], ids=["int", "tensor"])
def test_t_0(formula, t):
    if formula is ld.q_sample:
        formula(**arguments(formula) | {"t": t})  # the jump to t = 0 is the data itself
    else:
        with pytest.raises(
            ValueError, match=f"^{formula.__name__}: t: expected .* in 1..20, got 0. t = 0 is clean data"
        ):
            formula(**arguments(formula) | {"t": t})


@pytest.mark.parametrize(
    "s", [None, S.beta, 20, ld.linear_schedule], ids=["None", "tensor", "int", "function"]
)
def test_bad_schedule(formula, s):
    with pytest.raises(TypeError, match=f"^{formula.__name__}: s: expected a Schedule such as .*, got "):
        formula(**arguments(formula) | {"s": s})


def test_data_that_has_no_numbers(formula):
    first, second = FORMULAS[formula]
    with pytest.raises(
        ValueError, match=f"^{formula.__name__}: {first}: expected a device that holds numbers, got meta"
    ):
        formula(**arguments(formula) | {first: META, second: META})


def test_a_wrong_argument_name(formula):
    name = formula.__name__
    with pytest.raises(TypeError, match=f"^{name}: .*unexpected.*'noise', expected {name}\\("):
        formula(**arguments(formula) | {"noise": E})
    with pytest.raises(TypeError, match=f"^{name}: missing .*, expected {name}\\("):
        formula(S)


def model_of_shape(*shape):
    return lambda x, t: torch.zeros(shape)


def first_state(*args, sampler=ld.ddpm_steps, **kwargs):
    return next(sampler(*args, **kwargs))


A, B = torch.zeros(2, 3), torch.ones(2, 3)
MIX = ld.two_bumps()
BETA = S.beta

L4, META_LABEL = torch.tensor([0, 3, 3, 9]), torch.tensor([0, 3, 3, 9], device="meta")
COND = make_net(S, classes=10)
BAD_LABEL = [
    (-1, ValueError, "-1"),
    (11, ValueError, "11"),
    (3.0, TypeError, "float 3.0"),
    (True, TypeError, "bool True"),
    ("7", TypeError, "str '7'"),
    ([1, 2, 3, 4], TypeError, "list"),
    (L4.float(), TypeError, "torch.float32"),
    (L4.int(), TypeError, "torch.int32"),
    (L4 - 1, ValueError, "-1"),
    (L4 + 2, ValueError, "11"),
    (L4[:3], ValueError, r"shape \(3,\)"),
    (L4[:, None], ValueError, r"shape \(4, 1\)"),
]

# function and argument as the message names them, the call, the error, what the message says besides
OTHERS = [
    ("Schedule: beta", lambda: ld.Schedule([0, 0.1]), TypeError, "expected a tensor .*got list"),
    ("Schedule: beta", lambda: ld.Schedule(torch.tensor([0, 1])), TypeError, "got torch.int64"),
    ("Schedule: beta", lambda: ld.Schedule(BETA[:1]), ValueError, r"\(T\+1,\) with T >= 1, got \(1,\)"),
    ("Schedule: beta", lambda: ld.Schedule(BETA[:0]), ValueError, r"got \(0,\)"),
    ("Schedule: beta", lambda: ld.Schedule(BETA[:, None]), ValueError, r"got \(21, 1\)"),
    (
        "Schedule: beta",
        lambda: ld.Schedule(BETA[1:]),
        ValueError,
        r"expected beta\[0\] = 0 .*got .*Put a 0 before beta_1",
    ),
    (
        "Schedule: beta",
        lambda: ld.Schedule(torch.tensor([0, 0.1, 1.0])),
        ValueError,
        r"expected 0 < beta\[t\] < 1.*0.1..1",
    ),
    (
        "Schedule: beta",
        lambda: ld.Schedule(torch.tensor([0, 0.0])),
        ValueError,
        r"expected 0 < beta\[t\] < 1",
    ),
    (
        "Schedule: beta",
        lambda: ld.Schedule(torch.tensor([0, -0.1])),
        ValueError,
        r"expected 0 < beta\[t\] < 1",
    ),
    (
        "Schedule: beta",
        lambda: ld.Schedule(torch.tensor([0, float("nan")])),
        ValueError,
        "expected finite numbers",
    ),
    ("Schedule: beta", lambda: ld.Schedule(BETA.to("meta")), ValueError, "got meta"),
    *[
        (f"{make.__name__}: T", lambda make=make, T=T: make(T), error, f"expected an int >= 1, got {T!r}")
        for make in (ld.linear_schedule, ld.cosine_schedule)
        for T, error in (
            (0, ValueError),
            (-5, ValueError),
            (10.0, TypeError),
            (True, TypeError),
            ("10", TypeError),
            (None, TypeError),
        )
    ],
    *[
        (
            f"linear_schedule: {name}",
            lambda name=name, v=v: ld.linear_schedule(10, **{name: v}),
            error,
            r"a number in \(0, 1\), got",
        )
        for name in ("beta_1", "beta_T")
        for v, error in (
            (0, ValueError),
            (1, ValueError),
            (-0.1, ValueError),
            (float("nan"), ValueError),
            ("a", TypeError),
            (None, TypeError),
        )
    ],
    *[
        (
            "cosine_schedule: offset",
            lambda v=v: ld.cosine_schedule(10, offset=v),
            error,
            r"a number in \[0, 1\), got",
        )
        for v, error in ((-0.1, ValueError), (1.0, ValueError), (float("nan"), ValueError), ("a", TypeError))
    ],
    ("normal_kl: var1", lambda: ld.normal_kl(A, -B, A, B), ValueError, "expected a variance > 0, got -1"),
    ("normal_kl: var2", lambda: ld.normal_kl(A, B, A, 0.0), ValueError, "expected a variance > 0, got 0"),
    ("normal_kl: var1", lambda: ld.normal_kl(A, 0, A, B), ValueError, "expected a variance > 0, got 0"),
    (
        "normal_kl: var2",
        lambda: ld.normal_kl(A, B, A, torch.tensor([[1, 1, 0.0]])),
        ValueError,
        "expected a variance > 0, got 0",
    ),
    (
        "normal_kl: mean1",
        lambda: ld.normal_kl(A * float("nan"), B, A, B),
        ValueError,
        "expected finite numbers, got NaN",
    ),
    (
        "normal_kl: var2",
        lambda: ld.normal_kl(A, B, A, float("nan")),
        ValueError,
        "expected finite numbers, got NaN",
    ),
    (
        "normal_kl: mean2",
        lambda: ld.normal_kl(A, B, A.long(), B),
        TypeError,
        "expected real numbers, .*got torch.int64",
    ),
    (
        "normal_kl: mean1",
        lambda: ld.normal_kl([0.0], B, A, B),
        TypeError,
        "expected real numbers, .*got list",
    ),
    (
        "normal_kl: mean1",
        lambda: ld.normal_kl(None, B, A, B),
        TypeError,
        "expected real numbers, .*got NoneType",
    ),
    ("normal_kl: var1", lambda: ld.normal_kl(A, True, A, B), TypeError, "expected real numbers, .*got bool"),
    (
        "normal_kl: mean2",
        lambda: ld.normal_kl(A, B, A.to("meta"), B),
        ValueError,
        "expected device cpu like the others, got meta",
    ),
    ("normal_kl: mean1", lambda: ld.normal_kl(A.to("meta"), 1.0, 0.0, 1.0), ValueError, "got meta"),
    (
        "normal_kl: mean1",
        lambda: ld.normal_kl(A[:0], B[:0], A[:0], B[:0]),
        ValueError,
        r"at least one number, got shape \(0, 3\)",
    ),
    ("normal_kl: expected shapes", lambda: ld.normal_kl(A, B[0], A, B), ValueError, r"var1.*\(3,\)"),
    ("normal_kl: expected shapes", lambda: ld.normal_kl(A, B, A[:, :2], B), ValueError, r"mean2.*\(2, 2\)"),
    *[
        (
            "eps_weight: t",
            lambda t=t: ld.eps_weight(S, t),
            error,
            "expected an int, or an int64 tensor .*" + text,
        )
        for t, error, text in (BAD_T[k] for k in BAD_T if k not in ("(1,)", "other device"))
    ],
    ("eps_weight: t", lambda: ld.eps_weight(S, 0), ValueError, "in 1..20, got 0. t = 0 is clean data"),
    ("eps_weight: t", lambda: ld.eps_weight(S, T4.to("meta")), ValueError, "got meta"),
    ("eps_weight: s", lambda: ld.eps_weight(BETA, 1), TypeError, "expected a Schedule such as"),
    (
        "eps_weight: var",
        lambda: ld.eps_weight(S, 1, var="sigma"),
        ValueError,
        "expected one of 'beta', 'beta_tilde', got 'sigma'",
    ),
    (
        "eps_weight: var",
        lambda: ld.eps_weight(S, 1, var=0.1),
        ValueError,
        "expected one of 'beta', 'beta_tilde', got 0.1",
    ),
    (
        "eps_loss: model",
        lambda: ld.eps_loss(None, S, X, 1, E),
        TypeError,
        r"expected a callable \(x, t\) -> eps_hat, got NoneType",
    ),
    (
        "eps_loss: model(x, t)",
        lambda: ld.eps_loss(model_of_shape(4, 1, 4), S, X, 1, E),
        ValueError,
        r"expected a tensor of shape \(4, 1, 4, 4\) like x, got \(4, 1, 4\)",
    ),
    (
        "eps_loss: model(x, t)",
        lambda: ld.eps_loss(model_of_shape(1, 1, 4, 4), S, X, 1, E),
        ValueError,
        r"got \(1, 1, 4, 4\)",
    ),
    ("eps_loss: model(x, t)", lambda: ld.eps_loss(lambda x, t: (x, t), S, X, 1, E), ValueError, "got tuple"),
    *[
        (f"{name}: model(x, t)", lambda run=run, bad=bad: run(lambda x, t: bad(x)), error, text)
        for name, run in (
            ("eps_loss", lambda m: ld.eps_loss(m, S, X, 1, E)),
            ("elbo", lambda m: ld.elbo(m, S, X)),
            ("ddpm_steps", lambda m: first_state(m, S, xt=X, t=3)),
        )
        for bad, error, text in (
            (torch.Tensor.long, TypeError, "expected real numbers like x, got torch.int64"),
            (lambda x: x + 1j, TypeError, "expected real numbers like x, got torch.complex64"),
            (lambda x: x.to("meta"), ValueError, "expected device cpu like x, got meta"),
        )
    ],
    (
        "elbo: model(x, t)",
        lambda: ld.elbo(lambda x, t: x * float("nan"), S, X),
        ValueError,
        "expected finite numbers",
    ),
    ("elbo: model", lambda: ld.elbo(X, S, X), TypeError, "expected a callable"),
    (
        "elbo: model(x, t)",
        lambda: ld.elbo(model_of_shape(4, 1, 1, 1), S, X),
        ValueError,
        r"got \(4, 1, 1, 1\)",
    ),
    ("elbo: s", lambda: ld.elbo(zero, None, X), TypeError, "expected a Schedule"),
    *[
        ("elbo: x0", lambda k=k: ld.elbo(zero, S, BAD_DATA[k][0]), BAD_DATA[k][1], "expected")
        for k in BAD_DATA
    ],
    ("elbo: x0", lambda: ld.elbo(zero, S, META), ValueError, "got meta"),
    (
        "elbo: x0",
        lambda: ld.elbo(zero, S, 127.5 * (X + 1)),
        ValueError,
        r"expected 256 levels in \[-1, 1\].*bins=None",
    ),
    ("elbo: bins", lambda: ld.elbo(zero, S, X, bins=1), ValueError, "expected an int >= 2, got 1"),
    ("elbo: bins", lambda: ld.elbo(zero, S, X, bins=256.0), TypeError, "expected an int >= 2, got 256.0"),
    ("elbo: var", lambda: ld.elbo(zero, S, X, var="x"), ValueError, "expected one of 'beta', 'beta_tilde'"),
    (
        "elbo: generator",
        lambda: ld.elbo(zero, S, X, generator=0),
        TypeError,
        "expected a torch.Generator or None, got int",
    ),
    *[
        ("UNet: channels", lambda v=v: ld.UNet(v), error, "expected an int >= 1, got")
        for v, error in (
            (0, ValueError),
            (-8, ValueError),
            (8.0, TypeError),
            ("8", TypeError),
            (None, TypeError),
            (True, TypeError),
        )
    ],
    *[
        ("UNet: mults", lambda v=v: ld.UNet(8, mults=v), ValueError, "expected a tuple of ints >= 1, got")
        for v in ((), (1, 0), (1, 2.5), (True,), 3, "12", None)
    ],
    ("UNet: image_channels", lambda: ld.UNet(8, image_channels=0), ValueError, "expected an int >= 1, got 0"),
    (
        "UNet: generator",
        lambda: ld.UNet(8, generator=0),
        TypeError,
        "expected a torch.Generator or None, got int",
    ),
    *[
        (
            "UNet: x",
            lambda x=x: NET(x, 1),
            ValueError,
            r"expected shape \(B, 1, H, W\) with even H and W, got",
        )
        for x in (X[0], X[:, :, :3], X[..., :3], X.expand(4, 3, 4, 4), X[:0], X[:, :, :0], X.tolist(), None)
    ],
    ("UNet: x", lambda: NET(X.double(), T4), TypeError, "expected torch.float32 .*got torch.float64"),
    ("UNet: x", lambda: NET(X.long(), T4), TypeError, "expected torch.float32 .*got torch.int64"),
    ("UNet: x", lambda: NET(META, T4), ValueError, "cpu like the weights, got torch.float32 on meta"),
    *[("UNet: t", lambda k=k: NET(X, BAD_T[k][0]), BAD_T[k][1], "expected .*" + BAD_T[k][2]) for k in BAD_T],
    ("UNet: t", lambda: NET(X, 0), ValueError, "in 1..20, got 0"),
    ("UNet: t", lambda: ld.UNet(8)(X, 10**30), ValueError, "in 1..T, got 1000"),
    ("UNet: t", lambda: ld.UNet(8)(X, T4 * 0), ValueError, "in 1..T, got 0"),
    (
        "Preconditioned: alpha_bar",
        lambda: ld.UNet(8, alpha_bar=S),
        TypeError,
        "expected a tensor, got Schedule",
    ),
    *[
        ("Preconditioned: alpha_bar", lambda a=a: ld.Preconditioned(a), ValueError, "expected")
        for a in (
            S.alpha_bar[1:],
            S.beta,
            S.alpha_bar[:, None],
            S.alpha_bar * float("nan"),
            2 - S.alpha_bar,
            S.alpha_bar[:0],
        )
    ],
    *[
        (
            "Preconditioned: t",
            lambda k=k: ld.Preconditioned(S.alpha_bar)(X, BAD_T[k][0], E),
            BAD_T[k][1],
            "expected",
        )
        for k in BAD_T
    ],
    *[
        (
            "timestep_embedding: t",
            lambda t=t: ld.timestep_embedding(t, 8),
            error,
            "expected an int, or an int64 tensor",
        )
        for t, error in (
            (T4.float(), TypeError),
            (T4[:, None], ValueError),
            (T4[:0], ValueError),
            ([1], TypeError),
            (-T4, ValueError),
        )
    ],
    *[
        (
            "timestep_embedding: dim",
            lambda d=d: ld.timestep_embedding(T4, d),
            ValueError,
            "expected an even int >= 2, got",
        )
        for d in (0, 3, -2, 8.0, None)
    ],
    ("inpaint: mask", lambda: ld.inpaint(zero, S, X, X), ValueError, "1 .known. and 0"),
    ("inpaint: mask", lambda: ld.inpaint(zero, S, X, X[:, 0]), ValueError, "expected shape"),
    ("inpaint: mask", lambda: ld.inpaint(zero, S, X, 1), TypeError, "got int"),
    (
        "inpaint: resample",
        lambda: ld.inpaint(zero, S, X, X * 0, resample=0),
        ValueError,
        "expected an int >= 1",
    ),
    (
        "inpaint: n_steps",
        lambda: ld.inpaint(zero, S, X, X * 0, n_steps=21),
        ValueError,
        r"in 1\.\.20, got 21",
    ),
    ("interpolate: w", lambda: ld.interpolate(X, E, 1.5), ValueError, r"a number in \[0, 1\]"),
    ("interpolate: b", lambda: ld.interpolate(X, E[:2], 0.5), ValueError, "expected shape"),
    ("invert: n_steps", lambda: ld.invert(zero, S, X, n_steps=21), ValueError, r"in 1\.\.20, got 21"),
    ("invert: x0", lambda: ld.invert(zero, S, None), TypeError, "got NoneType"),
    ("train: model", lambda: ld.train(None, S, X), TypeError, "expected a torch.nn.Module, got NoneType"),
    ("train: model", lambda: ld.train(zero, S, X), TypeError, "expected a torch.nn.Module, got function"),
    *[
        (
            "train: model",
            lambda m=m: ld.train(m, S, X),
            ValueError,
            "expected parameters that require gradients, got a ",
        )
        for m in (torch.nn.Identity(), make_net(S).requires_grad_(False))
    ],
    ("train: s", lambda: ld.train(NET, None, X), TypeError, "expected a Schedule"),
    *[
        ("train: images", lambda k=k: ld.train(NET, S, BAD_DATA[k][0]), BAD_DATA[k][1], "expected")
        for k in BAD_DATA
    ],
    ("train: images", lambda: ld.train(NET, S, META), ValueError, "got meta"),
    *[
        (
            f"train: {name}",
            lambda name=name, v=v: ld.train(NET, S, X, **{name: v}),
            error,
            "expected an int >= ",
        )
        for name in ("n_steps", "batch_size", "warmup")
        for v, error in ((-1, ValueError), (2.0, TypeError), (None, TypeError), (True, TypeError))
    ],
    ("train: n_steps", lambda: ld.train(NET, S, X, n_steps=0), ValueError, "expected an int >= 1, got 0"),
    *[
        (
            f"train: {name}",
            lambda name=name, v=v: ld.train(NET, S, X, **{name: v}),
            error,
            "expected a number > 0, got",
        )
        for name in ("lr", "clip", "min_snr")
        for v, error in ((0.0, ValueError), (-1, ValueError), (float("nan"), ValueError), ("1e-3", TypeError))
    ],
    ("train: lr", lambda: ld.train(NET, S, X, lr=float("inf")), ValueError, "expected a number > 0, got inf"),
    *[
        (
            "train: ema_decay",
            lambda v=v: ld.train(NET, S, X, ema_decay=v),
            error,
            r"expected a number in \[0, 1\), got",
        )
        for v, error in ((1.0, ValueError), (-0.1, ValueError), (float("nan"), ValueError), (None, TypeError))
    ],
    (
        "train: generator",
        lambda: ld.train(NET, S, X, generator=7),
        TypeError,
        "expected a torch.Generator or None, got int",
    ),
    (
        "train: resume",
        lambda: ld.train(NET, S, X, resume="a.safetensors"),
        TypeError,
        r"expected what load_checkpoint\(\) returned",
    ),
    (
        "train: labels",
        lambda: ld.train(NET, S, X, labels=L4),
        ValueError,
        r"UNet\(classes=10\), got a UNet without",
    ),
    ("train: labels", lambda: ld.train(Spy(), S, X, labels=L4), ValueError, "got a Spy without classes"),
    *[
        (
            "train: labels",
            lambda v=v: ld.train(COND, S, X, labels=v),
            error,
            r"\(4,\) like the images, in 0..9, got " + text,
        )
        for v, error, text in (
            (L4.tolist(), TypeError, "list"),
            (L4.float(), TypeError, "torch.float32"),
            (L4.int(), TypeError, "torch.int32"),
            (3, TypeError, "int"),
            (L4[:3], ValueError, r"shape \(3,\)"),
            (L4[:, None], ValueError, r"shape \(4, 1\)"),
            (L4 - 1, ValueError, "-1..8"),
            (L4 + 1, ValueError, "1..10"),
        )
    ],
    *[
        (
            "train: drop_label",
            lambda v=v: ld.train(COND, S, X, labels=L4, drop_label=v),
            error,
            r"a number in \[0, 1\]",
        )
        for v, error in ((-0.1, ValueError), (1.1, ValueError), (float("nan"), ValueError), ("0", TypeError))
    ],
    (
        "train: accumulate",
        lambda: ld.train(NET, S, X, accumulate=0),
        ValueError,
        "expected an int >= 1, got 0",
    ),
    (
        "train: batch_size",
        lambda: ld.train(NET, S, X, batch_size=10, accumulate=3),
        ValueError,
        r"expected a multiple of 3 \(processes times accumulate\), got 10",
    ),
    *[
        ("UNet: classes", lambda v=v: ld.UNet(8, classes=v), error, "expected an int >= 1, got")
        for v, error in (
            (0, ValueError),
            (-1, ValueError),
            (10.0, TypeError),
            ("10", TypeError),
            (True, TypeError),
        )
    ],
    *[
        ("UNet: label", lambda v=v: COND(X, T4, v), error, r"in 0..10 \(10: no label\), got " + text)
        for v, error, text in BAD_LABEL
    ],
    ("UNet: label", lambda: COND(X, T4, META_LABEL), ValueError, "expected device cpu like x, got meta"),
    (
        "UNet: label",
        lambda: NET(X, T4, 3),
        ValueError,
        "expected None, for it was made without classes=, got 3",
    ),
    *[
        ("guided: label", lambda v=v: ld.guided(COND, v, 2.0), error, "expected .*in 0..10")
        for v, error, _ in BAD_LABEL
        if not (isinstance(v, torch.Tensor) and v.shape == (3,))
    ],
    ("guided: label", lambda: ld.guided(COND, None, 2.0), TypeError, "got None"),
    ("UNet: label", lambda: ld.guided(COND, L4[:3], 2.0)(X, T4), ValueError, r"got shape \(3,\)"),
    ("guided: label", lambda: ld.guided(COND, L4[:3], 0)(X, T4), ValueError, r"got shape \(3,\)"),
    *[
        (
            "guided: label",
            lambda scale=scale: ld.guided(lambda x, t, label=None: x, L4[:3], scale)(X, T4),
            ValueError,
            r"expected an int, or an int64 tensor of shape \(4,\), got shape \(3,\)",
        )
        for scale in (0, 1, 2.0)
    ],
    *[
        ("guided: label", lambda v=v: ld.guided(COND, v, 0), ValueError, words)
        for v, words in ((META_LABEL, "that holds numbers, got meta"), (L4[:0], r"got shape \(0,\)"))
    ],
    (
        "train: labels",
        lambda: ld.train(COND, S, X, labels=META_LABEL),
        ValueError,
        "expected a device that holds numbers, got meta",
    ),
    ("guided: model", lambda: ld.guided(NET, 3, 2.0), ValueError, r"UNet\(classes=10\), got a UNet without"),
    ("guided: model", lambda: ld.guided(None, 3, 2.0), TypeError, "expected a callable"),
    *[
        ("guided: scale", lambda v=v: ld.guided(COND, 3, v), error, "expected a finite number, got")
        for v, error in (
            (float("nan"), ValueError),
            (float("inf"), ValueError),
            ("1", TypeError),
            (None, TypeError),
        )
    ],
    ("train: images", lambda: ld.train(NET, S, X[:, 0]), ValueError, r"expected \(N, 1, H, W\)"),
    (
        "train: images",
        lambda: ld.train(NET, S, X.double()),
        TypeError,
        "expected torch.float32 .*got torch.float64",
    ),
    (
        "train: model(x, t)",
        lambda: next(ld.train(Spy(lambda x, t: x[:, :, :2]), S, X)),
        ValueError,
        "expected a tensor of shape",
    ),
    (
        "save_checkpoint: step",
        lambda: ld.save_checkpoint("never-written", None),
        TypeError,
        "expected a Step .*got NoneType",
    ),
    (
        "save_checkpoint: path",
        lambda: ld.save_checkpoint(None, None),
        TypeError,
        "expected a file's path, got NoneType",
    ),
    ("load_checkpoint: path", lambda: ld.load_checkpoint(3), TypeError, "expected a file's path, got int"),
    (
        "load_checkpoint: path",
        lambda: ld.load_checkpoint("/"),
        FileNotFoundError,
        "expected a file that save_checkpoint wrote",
    ),
    *[
        (f"{f.__name__}: {rest}", lambda f=f, a=a, k=k: f(*a, **k), error, text)
        for f in (ld.ddpm_steps, ld.ddim_steps, ld.dpm_steps)
        for rest, a, k, error, text in [
            ("model", (None, S, (1, 2)), {}, TypeError, "expected a callable"),
            ("s", (zero, 20, (1, 2)), {}, TypeError, "expected a Schedule"),
            *[
                ("shape", (zero, S, shape), {}, ValueError, "expected whole numbers >= 1 such as .*got")
                for shape in ((), 4, (0, 1), (2, -1), (2.0, 1), "ab", torch.zeros(2), (None,), (True, 2))
            ],
            *[
                ("shape: expected either shape, or xt with its t", (zero, S), given, ValueError, f"got {got}")
                for given, got in (
                    ({}, "neither"),
                    ({"shape": (1, 2), "xt": X, "t": 3}, "shape and xt and t"),
                    ({"xt": X}, "xt"),
                    ({"t": 3}, "t"),
                    ({"shape": (1, 2), "t": 3}, "shape and t"),
                )
            ],
            *[
                ("xt", (zero, S), {"xt": BAD_DATA[k][0], "t": 20}, BAD_DATA[k][1], "expected")
                for k in BAD_DATA
                if k != "None"
            ],
            ("xt", (zero, S), {"xt": META, "t": 20}, ValueError, "got meta"),
            *[
                (
                    "t",
                    (zero, S),
                    {"xt": X, "t": t, **({} if f is ld.ddpm_steps else {"n_steps": 1})},
                    error,
                    r"expected an int in 1\.\.20, got",
                )
                for t, error in (
                    (0, ValueError),
                    (-1, ValueError),
                    (21, ValueError),
                    (3.0, TypeError),
                    (True, TypeError),
                    (T4, TypeError),
                    ("3", TypeError),
                )
            ],
            (
                "generator",
                (zero, S, (1, 2)),
                {"generator": 0},
                TypeError,
                "expected a torch.Generator or None, got int",
            ),
        ]
    ],
    (
        "ddpm_steps: var",
        lambda: ld.ddpm_steps(zero, S, (1, 2), var="x"),
        ValueError,
        "expected one of 'beta', 'beta_tilde', got 'x'",
    ),
    *[
        (f"{f.__name__}: n_steps", lambda f=f, v=v: f(zero, S, (1, 2), n_steps=v), error, "expected .*got")
        for f in (ld.ddim_steps, ld.dpm_steps)
        for v, error in (
            (0, ValueError),
            (-1, ValueError),
            (21, ValueError),
            (5.0, TypeError),
            (True, TypeError),
        )
    ],
    (
        "ddim_steps: n_steps",
        lambda: ld.ddim_steps(zero, S, xt=X, t=5, n_steps=6),
        ValueError,
        "the 5 noise levels, got 6",
    ),
    *[
        (
            "ddim_steps: eta",
            lambda v=v: ld.ddim_steps(zero, S, (1, 2), n_steps=2, eta=v),
            error,
            r"a number in \[0, 1\], got",
        )
        for v, error in (
            (-0.1, ValueError),
            (1.1, ValueError),
            (float("nan"), ValueError),
            ("0", TypeError),
            (None, TypeError),
        )
    ],
    (
        "ddpm_steps: model(x, t)",
        lambda: first_state(model_of_shape(2), S, (2, 2)),
        ValueError,
        r"shape \(2, 2\) like x, got \(2,\)",
    ),
    (
        "ddim_steps: model(x, t)",
        lambda: first_state(lambda x, t: None, S, (2, 2), n_steps=3, sampler=ld.ddim_steps),
        ValueError,
        "got NoneType",
    ),
    ("UNet: x", lambda: first_state(NET, S, (2, 1, 3, 4)), ValueError, "expected shape"),
    (
        "sample: method",
        lambda: ld.sample(zero, S, (1, 2), method="euler"),
        ValueError,
        "expected one of 'ddpm', 'ddim', 'dpm', got 'euler'",
    ),
    (
        "sample: n_steps",
        lambda: ld.sample(zero, S, (1, 2), n_steps=5),
        ValueError,
        "T = 20 for method='ddpm', got 5. Use method='ddim'",
    ),
    ("sample: s", lambda: ld.sample(zero, None, (1, 2)), TypeError, "expected a Schedule"),
    ("sample: model", lambda: ld.sample(None, S, (1, 2)), TypeError, "expected a callable"),
    ("sample: shape", lambda: ld.sample(zero, S, 16), ValueError, "expected whole numbers"),
    (
        "sample: generator",
        lambda: ld.sample(zero, S, (1, 2), generator=0),
        TypeError,
        "expected a torch.Generator or None",
    ),
    *[
        (
            "sample: n_steps",
            lambda m=m, n=n: ld.sample(zero, S, (1, 2), method=m, n_steps=n),
            error,
            r"in 1\.\.20, got",
        )
        for m in ("ddim", "ddpm")
        for n, error in ((0, ValueError), (21, ValueError), (2.0, TypeError), (True, TypeError))
    ],
    (
        "load_images: folder",
        lambda: ld.load_images(None),
        TypeError,
        "expected a folder's path, got NoneType",
    ),
    *[
        ("load_digits: split", lambda v=v: ld.load_digits(v), ValueError, "expected 'train' or 'test', got")
        for v in ("valid", 0, None)
    ],
    *[
        (
            "load_digits: name",
            lambda v=v: ld.load_digits("test", v),
            ValueError,
            "expected None or one of MNIST, .*, got",
        )
        for v in ("mnist", "ImageNet", 1, "")
    ],
    *[
        (
            "load_digits: root",
            lambda v=v: ld.load_digits("test", "MNIST", root=v),
            TypeError,
            "expected a folder's path, got",
        )
        for v in (3, ["a"])
    ],
    (
        "load_digits: root",
        lambda: ld.load_digits("test", "MNIST", root=""),
        ValueError,
        "a folder's path, got ''",
    ),
    (
        "load_digits: download",
        lambda: ld.load_digits("test", "MNIST", download="no"),
        ValueError,
        "False, True, got 'no'",
    ),
    *[
        (
            "GaussianMixture: means",
            lambda v=v: ld.GaussianMixture(v),
            ValueError,
            r"expected real numbers of shape \(K, ...\)",
        )
        for v in ([0.0], torch.zeros(3), torch.zeros(0, 2), torch.zeros(2, 1, dtype=torch.int64))
    ],
    (
        "GaussianMixture: means",
        lambda: ld.GaussianMixture(A * float("nan")),
        ValueError,
        "expected finite numbers",
    ),
    *[
        (
            "GaussianMixture: var",
            lambda v=v: ld.GaussianMixture(A, var=v),
            error,
            "expected a number >= 0, got",
        )
        for v, error in (
            (-1.0, ValueError),
            (float("nan"), ValueError),
            (float("inf"), ValueError),
            ("1", TypeError),
            (None, TypeError),
        )
    ],
    *[
        (
            "GaussianMixture: weights",
            lambda v=v: ld.GaussianMixture(A, weights=v),
            ValueError,
            "expected 2 positive numbers, got",
        )
        for v in (
            [1.0],
            [1.0, 0.0],
            [1.0, -1.0],
            [1.0, float("nan")],
            [[1.0, 1.0]],
            [1.0, float("inf")],
            "ab",
            ["a", "b"],
            {0: 1.0},
            2,
            B[:, 0].to("meta"),
        )
    ],
    *[
        ("GaussianMixture.sample: n", lambda v=v: MIX.sample(v, G), error, "expected an int >= 1")
        for v, error in ((0, ValueError), (-1, ValueError), (2.0, TypeError))
    ],
    (
        "GaussianMixture.sample: generator",
        lambda: MIX.sample(3, 0),
        TypeError,
        "expected a torch.Generator or None",
    ),
    *[
        (
            "GaussianMixture.noised: alpha_bar",
            lambda v=v: MIX.noised(v),
            error,
            r"expected a number in \[0, 1\], got",
        )
        for v, error in ((-0.1, ValueError), (1.1, ValueError), ("a", TypeError))
    ],
    *[
        ("GaussianMixture.log_prob: x", lambda x=x: MIX.log_prob(x), error, "expected")
        for x, error in (
            (torch.zeros(4), ValueError),
            (torch.zeros(4, 2), ValueError),
            (torch.zeros(0, 1), ValueError),
            (torch.zeros(4, 1, dtype=torch.int64), TypeError),
            (0.5, TypeError),
        )
    ],
    ("exact_eps: s", lambda: MIX.exact_eps(BETA), TypeError, "expected a Schedule"),
    (
        "exact_eps: x",
        lambda: MIX.exact_eps(S)(X, T4),
        ValueError,
        r"expected shape \(B, 1\) like the means, got \(4, 1, 4, 4\)",
    ),
    *[
        ("exact_eps: t", lambda k=k: MIX.exact_eps(S)(X[:, 0, 0, :1], BAD_T[k][0]), BAD_T[k][1], "expected")
        for k in BAD_T
    ],
    ("spiral: n", lambda: ld.spiral(0, G), ValueError, "expected an int >= 1, got 0"),
    ("spiral: generator", lambda: ld.spiral(5, 0), TypeError, "expected a torch.Generator or None, got int"),
    ("load_pretrained: step", lambda: ld.load_pretrained(-1), ValueError, "expected one of .*, got -1"),
    (
        "load_pretrained: folder",
        lambda: ld.load_pretrained(folder=3),
        TypeError,
        "expected a folder's path, got int",
    ),
    (
        "load_pretrained: folder",
        lambda: ld.load_pretrained(folder="no/such"),
        ValueError,
        "files unet_.*got no/such, which has none",
    ),
    (
        "pretrained_steps: folder",
        lambda: ld.pretrained_steps(None),
        TypeError,
        "expected a folder's path, got NoneType",
    ),
]


@pytest.mark.parametrize(
    ("where", "call", "error", "text"),
    OTHERS,
    ids=[f"{i}-{where.replace(' ', '')}" for i, (where, *_) in enumerate(OTHERS)],
)
def test_wrong_input(where, call, error, text):
    with pytest.raises(error, match=f"^{re.escape(where)}.*{text}"):
        call()


def test_every_public_function_is_among_them():
    public = {
        name
        for name in vars(ld)
        if not name.startswith("_") and callable(getattr(ld, name)) and name != "importlib"
    }
    results = {"Checkpoint", "Step", "Digits", "Elbo"}  # what functions return; not called by users
    without_arguments = {"two_bumps", "pick_device"}  # the last is in test_device
    tested = {f.__name__ for f in FORMULAS} | {re.split("[:.]", where)[0] for where, *_ in OTHERS}
    assert public - results - without_arguments <= tested


# Nothing else is touched


def everything(net):
    """(name, call) for each public function on good input, with all tensors that belong to the caller."""
    g = torch.Generator().manual_seed(3)
    calls = {f.__name__: lambda f=f: f(**arguments(f)) for f in FORMULAS}
    images = ld.load_digits("test").images[:4, :, 8:16, 8:16].clone()
    return calls | {
        "Schedule": lambda: ld.Schedule(S.beta),
        "linear_schedule": ld.linear_schedule,
        "cosine_schedule": ld.cosine_schedule,
        "normal_kl": lambda: ld.normal_kl(X, E.exp(), E, 2.0),
        "eps_weight": lambda: ld.eps_weight(S, T4),
        "elbo": lambda: ld.elbo(net, S, X, generator=g),
        "elbo without generator": lambda: ld.elbo(net, S, X),
        "UNet": lambda: ld.UNet(8),
        "UNet from generator": lambda: ld.UNet(8, generator=g),
        "UNet call": lambda: net(X, T4),
        "timestep_embedding": lambda: ld.timestep_embedding(T4, 8),
        "sample": lambda: ld.sample(net, S, (2, 1, 4, 4)),
        "sample ddim": lambda: ld.sample(net, S, (2, 1, 4, 4), method="ddim"),
        "load_digits": lambda: ld.load_digits("test"),
        "two_bumps": ld.two_bumps,
        "spiral": lambda: ld.spiral(9, None),
        "mixture": lambda: (MIX.sample(4, None), MIX.noised(0.5).log_prob(X[:, 0, 0, :1].double())),
        "exact_eps": lambda: MIX.exact_eps(S)(X[:, 0, 0, :1], T4),
        "pick_device": ld.pick_device,
        "load_pretrained": ld.load_pretrained,
        "train": lambda: list(ld.train(make_net(S), S, images, n_steps=2, batch_size=2)),
    }


@pytest.mark.parametrize("name", everything(None))
@pytest.mark.parametrize("grad", [True, False], ids=["grad", "no_grad"])
def test_a_call_touches_nothing(name, grad):
    net = make_net(S).train()
    net.middle.eval()
    modes = [m.training for m in net.modules()]
    kept = copy.deepcopy(
        (X, E, T4, S.beta, S.alpha, S.alpha_bar, S.beta_tilde, MIX.means, MIX.weights, net.state_dict())
    )
    call = everything(net)[name]
    with torch.set_grad_enabled(grad):
        before = global_state()
        call()
        assert global_state() == before
    assert [m.training for m in net.modules()] == modes
    now = (X, E, T4, S.beta, S.alpha, S.alpha_bar, S.beta_tilde, MIX.means, MIX.weights, net.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(kept[:-1], now))
    assert all(torch.equal(v, now[-1][k]) for k, v in kept[-1].items())


GENERATORS = {
    "ddpm_steps": lambda net: ld.ddpm_steps(net, S, (2, 1, 4, 4)),
    "ddpm_steps from xt": lambda net: ld.ddpm_steps(net, S, xt=X, t=9, var="beta_tilde"),
    "ddim_steps": lambda net: ld.ddim_steps(net, S, (2, 1, 4, 4), n_steps=5, eta=0.5),
    "dpm_steps": lambda net: ld.dpm_steps(net, S, (2, 1, 4, 4), n_steps=5),
    "train": lambda net: ld.train(net, S, X, n_steps=6, batch_size=2),
}


@pytest.mark.parametrize("leave_at", [0, 1, 3, None])
@pytest.mark.parametrize("grad", [True, False], ids=["grad", "no_grad"])
@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_touches_nothing_between_its_steps(name, grad, leave_at):
    """Before it starts, at every step, after a break, after an error in the loop, and at its end."""
    net = make_net(S).train()
    net.middle.eval()
    modes, xt = [m.training for m in net.modules()], X.clone()
    with torch.set_grad_enabled(grad):
        before = global_state()

        def check():
            assert (
                global_state() == before
                and [m.training for m in net.modules()] == modes
                and torch.equal(X, xt)
            )

        steps = GENERATORS[name](net)
        check()
        try:
            for i, _ in enumerate(steps):
                check()
                if i == leave_at:
                    if i == 1:
                        raise KeyError("in the caller's loop")
                    break
        except KeyError:
            pass
        check()
        steps.close()
        check()


def test_a_callers_numbers_pass_as_numpy_or_int_alike():
    assert ld.normal_kl(np.float64(0), np.float32(1), np.int64(0), 1.0) == 0
    assert torch.equal(ld.q_sample(S, X, 5, E), ld.q_sample(S, X, torch.full((4,), 5), E))


@pytest.mark.parametrize("name", ["q_step", "q_sample", "q_posterior", "predict_x0", "p_mean"])
def test_a_check_costs_few_operations(name):
    """Beside a formula of small tensors each one counts: a checked call is to cost at most three formulas."""
    count = []

    class Count(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            count.append(function)
            return function(*args, **kwargs or {})

    x, y, t = torch.zeros(4, 100), torch.ones(4, 100), torch.tensor([1, 2, 3, 4])
    given = (S, x, y, t) if name == "q_posterior" else (S, x, t, y)
    numbers = []
    for function in (getattr(process, name), getattr(ld, name)):
        function(*given)  # makes the schedule's tables
        count.clear()
        with Count():
            function(*given)
        numbers.append(len(count))
    assert numbers[1] <= numbers[0] + 3  # a product, its sum, one number
