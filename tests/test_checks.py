"""Checks: every catalogued mistake is refused and named, every right answer passes, and nothing a student
does gets out."""

import copy
import functools
import html
import inspect
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import labdiff as ld
from labdiff import gradient_step, guidance
from labdiff.checks import EXERCISES, check
from labdiff.checks.exercises.probes import PUBLIC, small
from labdiff.checks.exercises.reverse_probes import many
from labdiff.checks.exercises.training_step_exercise import algorithm1
from labdiff.checks.in_kernel import guard
from labdiff.checks.in_kernel.collect import collect
from labdiff.checks.in_kernel.outcome import Outcome
from labdiff.checks.in_kernel.spies import Spy
from labdiff.checks.judging import known_mistake
from labdiff.checks.judging.agreement import agrees
from labdiff.checks.judging.known_mistake import evaluate, quietly
from labdiff.checks.judging.training_features import features
from labdiff.checks.judging.training_verdict import wrong_features
from labdiff.checks.judging.verdict import judge
from labdiff.grading.run.student import seed_for
from labdiff.grading.sandbox.protocol import decode_outcome, encode_outcome

sys.path.insert(0, str(Path(__file__).parent))
from right_answers import RIGHT  # noqa: E402
from solutions import SOLUTIONS, solution  # noqa: E402
from wrong_answers import NAMED_BY_FACTORS, WRONG, emb  # noqa: E402

NAMES = list(EXERCISES)
CACHE = known_mistake.evaluated


@pytest.fixture(scope="module", autouse=True)
def formulas_are_evaluated_once():
    """labdiff remembers the formulas of about one exercise; the tests here come back to each many times."""
    with pytest.MonkeyPatch.context() as patch:
        unbounded = functools.cache(lambda exercise, probe, parts: evaluate(exercise, probe, dict(parts)))
        patch.setattr(known_mistake, "evaluated", unbounded)
        yield


@pytest.fixture
def labdiffs_cache(monkeypatch):
    """The cache as it ships, empty."""
    CACHE.cache_clear()
    monkeypatch.setattr(known_mistake, "evaluated", CACHE)
    return CACHE


def student(name, **parts):
    """A student's function that computes the exercise's formula with these parts."""
    exercise = EXERCISES[name]
    if name == "training_step":
        return functools.partial(algorithm1, **parts)
    if name == "eps_loss":
        return lambda *args: exercise.formula(*args, **parts)[0]
    return lambda *args: exercise.formula(*args, **parts)


def entries():
    return [
        pytest.param(name, i, id=f"{name}-{i}-{m.id}")
        for name in NAMES
        for i, m in enumerate(EXERCISES[name].mistakes)
    ]


# ---- the catalogue
# --------------------------------------------------------------------------------------------------


@functools.cache
def report_on(name, i):
    return check(name, student(name, **EXERCISES[name].mistakes[i].parts))


@pytest.mark.parametrize("name, i", entries())
def test_every_entry_is_refused_and_named(name, i):
    report, m = report_on(name, i), EXERCISES[name].mistakes[i]
    assert (report.status, report.mistake, report.score) == ("not yet", m.id, 0.0)
    assert any(
        other.hint in report.hint and len(m.hint) > 40
        for other in EXERCISES[name].mistakes
        if other.id == m.id
    )


def test_table_of_exercises_and_mistakes(capsys):
    rows = []
    for name, exercise in EXERCISES.items():
        reports = [report_on(name, i) for i in range(len(exercise.mistakes))]
        caught = sum(r.status == "not yet" for r in reports)
        named = sum(r.mistake == m.id for r, m in zip(reports, exercise.mistakes))
        rows.append((name, len(reports), caught, named, len(RIGHT[name]) + 1))
    with capsys.disabled():
        print(f"\n{'exercise':20}{'mistakes':>9}{'caught':>8}{'named':>7}{'right answers':>15}")
        for row in [*rows, ("all", *(sum(r[i] for r in rows) for i in range(1, 5)))]:
            print(f"{row[0]:20}{row[1]:9}{row[2]:8}{row[3]:7}{row[4]:15}")
    assert all(r[1] == r[2] == r[3] for r in rows)


@pytest.mark.parametrize("seed", [20261])
def test_a_secret_seed_gives_the_same_verdicts(seed):
    for name, exercise in EXERCISES.items():
        probes = exercise.probes(seed)
        assert judge(exercise, probes, collect(exercise, solution(name), probes)).status == "correct", name
        for m in exercise.mistakes[::3]:
            report = judge(exercise, probes, collect(exercise, student(name, **m.parts), probes))
            assert report.mistake == m.id, (name, m.id, report)


@pytest.mark.parametrize(
    "name, parts",
    [
        ("p_step", {"var": lambda s: s.beta_tilde}),
        ("p_step", {"mu": EXERCISES["p_step"].forms[2].parts["mu"]}),
        ("ddim_step", EXERCISES["ddim_step"].forms[1].parts),
    ],
)
def test_mistakes_are_named_in_the_other_right_forms_too(name, parts):
    for m in EXERCISES[name].mistakes:
        if m.parts.keys() & {*parts, "noise", "front", "sign"} or m.id == "noise-at-t-1":
            continue  # not there, or not wrong, in this form
        assert check(name, student(name, **parts, **m.parts)).mistake == m.id, m.id


@pytest.mark.parametrize(
    "name, first, second",
    [
        ("q_sample", "off-by-one", "variance-for-std"),
        ("q_sample", "missing-root-signal", "variance-for-std"),
        ("q_sample", "alpha-for-alpha-bar", "clamped"),
        ("q_step", "jump-for-step", "wrong-sign"),
        ("q_posterior", "beta-for-variance", "off-by-one"),
        ("q_posterior", "missing-root-x0", "std-for-variance"),
        ("predict_x0", "missing-root-noise", "missing-root-signal"),
        ("p_mean", "missing-root-noise", "missing-root-front"),
        ("normal_kl", "half-missing", "minus-one-missing"),
        ("eps_loss", "variance-for-std", "target-x0"),
        ("p_step", "noise-at-t-1", "variance-for-std"),
        ("ddim_step", "alpha-bar-of-t-minus-1", "variance-for-std"),
        ("training_step", "no-zero-grad", "t-from-0-to-T-1"),
        ("training_step", "one-t-for-all", "variance-for-std"),
    ],
)
def test_pairs_are_named(name, first, second):
    parts = {}
    for id in (first, second):
        parts |= next(m for m in EXERCISES[name].mistakes if m.id == id).parts
    report = check(name, student(name, **parts))
    assert report.status == "not yet" and set(report.mistake.split("+")) == {first, second}


# ---- right answers
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_solutions_and_right_answers_pass(name):
    for function in [solution(name), *RIGHT[name]]:
        report = check(name, function)
        assert (report.status, report.score, report.mistake) == ("correct", 1.0, None), (function, report)


@pytest.mark.parametrize(
    "name", ["q_step", "q_sample", "q_posterior", "predict_x0", "p_mean", "eps_loss", "normal_kl"]
)
def test_the_key_is_labdiff_itself(name):
    exercise, own = EXERCISES[name], getattr(ld, name)
    for probe in exercise.probes(0):
        with quietly():
            mine = outcome_of(exercise, own, probe)
            right = evaluate(exercise, probe, {})
        assert agrees(exercise, right, mine, 1e-5 if probe.rtol < 1e-3 else probe.rtol), probe.name


def outcome_of(exercise, function, probe):
    from labdiff.checks.in_kernel.collect import direct, read

    return read((exercise.call or direct)(function, probe.args), exercise.outputs)


def test_p_step_says_which_variance():
    assert "beta_tilde" not in dict(check("p_step", solution("p_step")).rows)["recognised"]
    assert (
        "beta_tilde"
        in dict(check("p_step", student("p_step", var=lambda s: s.beta_tilde)).rows)["recognised"]
    )


def test_images_only_is_right_and_noted():
    report = check("q_sample", solution("q_sample"))
    assert report.status == "correct" and "2-D" in dict(report.rows)["note"]
    assert "note" not in dict(check("q_sample", student("q_sample")).rows)


# ---- wrong answers that no catalogue knows
# --------------------------------------------------------------------------


def img(c, x):
    return c.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))


HELD_OUT = {
    "alpha_bar": [
        lambda beta: torch.exp(-beta.cumsum(0)),
        lambda beta: (1 - beta).cumprod(0) ** 2,
        lambda beta: beta * 0 + 0.5,
        lambda beta: (1 - beta).cumprod(0).round(decimals=2),
        lambda beta: (1 - beta).cumprod(0)[None],
        lambda beta: torch.cat([beta[:1] + 1, (1 - beta[1:]).cumprod(0)]) + 1e-3,
        lambda beta: torch.linspace(1, 0, len(beta)),
    ],
    "q_step": [
        lambda s, x, t, e: img((1 - s.beta[t]).sqrt(), x) * x + img(s.beta[t] ** 2, x) * e,
        lambda s, x, t, e: (1 - s.beta[t[0]]).sqrt() * x + s.beta[t[0]].sqrt() * e,
        lambda s, x, t, e: img((1 - s.beta[t]).sqrt(), x) * x + img(s.beta[t].sqrt(), x) * e + 0.1,
        lambda s, x, t, e: 1.001 * (img((1 - s.beta[t]).sqrt(), x) * x + img(s.beta[t].sqrt(), x) * e),
    ],
    "q_sample": [
        lambda s, x, t, e: img(s.alpha_bar[t] ** 0.25, x) * x + img((1 - s.alpha_bar[t]).sqrt(), x) * e,
        lambda s, x, t, e: img(s.alpha_bar[t].sqrt(), x) * x + img((1 - s.alpha_bar[t - 1]).sqrt(), x) * e,
        lambda s, x, t, e: (
            torch.where(img(t, x) == s.T, e, ld.q_sample(s, x, t.clamp(max=s.T), e))
            if False
            else img(s.alpha_bar[t].sqrt() * (t > 1), x) * x + img((1 - s.alpha_bar[t]).sqrt(), x) * e
        ),
        lambda s, x, t, e: (
            img(s.alpha_bar[t].sqrt(), x) * x + img((1 - s.alpha_bar[t]).sqrt(), x) * e
        ).half(),
        lambda s, x, t, e: (
            img(s.alpha_bar[t].sqrt(), x) * x + img((1 - s.alpha_bar[t]).sqrt(), x) * e.mT.reshape(e.shape)
        ),
        lambda s, x, t, e: (
            img(s.alpha[1:].cumprod(0)[t - 1].sqrt(), x) * x  # right but for t = 0
            + img((1 - s.alpha[1:].cumprod(0)[t - 1]).sqrt(), x) * e
        ),
        lambda s, x, t, e: (
            img(s.alpha_bar[t].sqrt(), x) * x.clamp(-1, 1) + img((1 - s.alpha_bar[t]).sqrt(), x) * e
        ),
    ],
    "q_posterior": [
        lambda s, x0, xt, t: (0.5 * (x0 + xt), img(s.beta_tilde[t], xt)),
        lambda s, x0, xt, t: (student("p_mean")(s, xt, t, x0), img(s.beta_tilde[t], xt)),
        lambda s, x0, xt, t: (
            student("q_posterior")(s, x0, xt, t)[0],
            img(s.beta_tilde[t], xt).clamp(min=1e-3),
        ),
        lambda s, x0, xt, t: (student("q_posterior")(s, x0, xt, t)[0], 0.1),
        lambda s, x0, xt, t: (
            student("q_posterior")(s, x0, xt, t)[0],
            img((1 - s.alpha_bar[t]) / (1 - s.alpha_bar[t - 1]).clamp(min=1e-9) * s.beta[t], xt),
        ),
    ],
    "predict_x0": [
        lambda s, x, t, e: (x - img(s.beta[t].sqrt(), x) * e) / img(s.alpha_bar[t].sqrt(), x),
        lambda s, x, t, e: (
            (x - img((1 - s.alpha_bar[t]).sqrt(), x) * e) / img(s.alpha_bar[t].sqrt() + 0.01, x)
        ),
        lambda s, x, t, e: torch.tanh(solution("predict_x0")(s, x, t, e)),
    ],
    "normal_kl": [
        lambda m1, v1, m2, v2: 0.5 * ((v2 / v1).log() + v1 / v2 + (m1 - m2) ** 2 / (v1 + v2) - 1),
        lambda m1, v1, m2, v2: 0.5 * ((v2 / v1).log() + (v1 + (m1 + m2) ** 2) / v2 - 1),
        lambda m1, v1, m2, v2: (m1 - m2) ** 2,
        lambda m1, v1, m2, v2: torch.zeros_like(m1),
    ],
    "p_mean": [
        lambda s, x, t, e: (
            (x - img(s.beta[t] / (1 - s.alpha_bar[t - 1] + 1e-8).sqrt(), x) * e) / img(s.alpha[t].sqrt(), x)
        ),
        lambda s, x, t, e: img(s.alpha[t].sqrt(), x) * (x - img(s.beta[t], x) * e),
        lambda s, x, t, e: x,
    ],
    "eps_loss": [
        lambda m, s, x0, t, e: ((m(ld.q_sample(s, x0, t, e), t) - e) ** 2).median(),
        lambda m, s, x0, t, e: ((m(ld.q_sample(s, x0, t, e), t) - e) ** 2).mean() * s.T,
        lambda m, s, x0, t, e: torch.nn.functional.smooth_l1_loss(m(ld.q_sample(s, x0, t, e), t), e),
        lambda m, s, x0, t, e: ((m(ld.q_sample(s, x0, t, e), t[:1].expand_as(t)) - e) ** 2).mean(),
        lambda m, s, x0, t, e: (
            img(ld.eps_weight(s, t), x0) * (m(ld.q_sample(s, x0, t, e), t) - e) ** 2
        ).mean(),
    ],
    "timestep_embedding": [
        lambda t, d: torch.cat(
            [(t[:, None] * torch.arange(d // 2)).sin(), (t[:, None] * torch.arange(d // 2)).cos()], 1
        ),
        lambda t, d: torch.randn(len(t), d),
        lambda t, d: t[:, None].repeat(1, d) / 1000,
        lambda t, d: torch.nn.functional.one_hot(t, 1001)[:, :d].float(),
        lambda t, d: -solution("timestep_embedding")(t, d),
        lambda t, d: EXERCISES["timestep_embedding"].formula(t, d, base=math.e ** math.log10(10000)),
        lambda t, d: EXERCISES["timestep_embedding"].formula(
            t, d, angle=lambda t, w: (t[:, None] * w).long().double()
        ),
    ],
    "training_step": [
        functools.partial(algorithm1, loss=lambda a, b: 2 * ((a - b) ** 2).mean()),
        functools.partial(algorithm1, loss=lambda a, b: torch.nn.functional.huber_loss(a, b)),
        functools.partial(algorithm1, result=lambda loss, a, b: 0.0),
        functools.partial(algorithm1, draw=lambda x0, g: 0.5 * torch.randn(x0.shape, generator=g)),
        functools.partial(
            algorithm1, draw=lambda x0, g: torch.randn(x0[:, :, :1, :1].shape, generator=g).expand_as(x0)
        ),
        functools.partial(
            algorithm1, draw=lambda x0, g: torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
        ),
        functools.partial(algorithm1, draw=lambda x0, g: torch.bernoulli(x0 * 0 + 0.5, generator=g) * 2 - 1),
        functools.partial(
            algorithm1, draw_t=lambda B, T, g: 1 + (torch.rand(B, generator=g) ** 2 * T).long()
        ),
        functools.partial(algorithm1, draw_t=lambda B, T, g: torch.full((B,), T)),
        functools.partial(algorithm1, order=lambda o, loss: (loss.backward(), o.step(), o.step())),
        functools.partial(algorithm1, order=lambda o, loss: ((-loss).backward(), o.step())),
        functools.partial(algorithm1, level=lambda t: t[:1].expand_as(t)),
        lambda model, optimizer, s, x0, generator: 1.0,
        functools.partial(algorithm1, draw_t=lambda B, T, g: torch.arange(B) % T + 1),
        functools.partial(algorithm1, target=lambda x0, eps, xt, scaled, g: eps - x0),
        functools.partial(algorithm1, mix=lambda a, x0, b, eps: a * x0 + b * (eps + 0.1)),
        lambda m, o, s, x0, g: algorithm1(m, o, s, x0 + 0.01 * torch.randn(x0.shape, generator=g), g),
        lambda m, o, s, x0, g: (algorithm1(m, o, s, x0, g), (m(x0, torch.ones(len(x0))) ** 2).mean())[1],
    ],
    "p_step": [
        lambda m, s, x, t, z: x,
        lambda m, s, x, t, z: student("p_step")(m, s, x, t, 0 * z) + (t > 1) * 0.1 * z,
        lambda m, s, x, t, z: student("p_step")(m, s, x, t, z) if t != 3 else x,
        lambda m, s, x, t, z: student("p_step", level=lambda t: min(t + 1, s.T))(m, s, x, t, z),
    ],
    "ddim_step": [
        lambda m, s, x, t, p: x,
        lambda m, s, x, t, p: student("ddim_step")(m, s, x, t, t - 1) if p else x,
        lambda m, s, x, t, p: student("ddim_step")(m, s, x, t, p).clamp(-3, 3) * 1.01,
    ],
}


HELD_OUT |= {
    "guided_eps": [
        lambda none, label, w: none + torch.tanh(torch.tensor(w)) * (label - none),
        lambda none, label, w: none + w * (label - none).sign(),
        lambda none, label, w: none + w * (label - none) / (label - none).norm(),
    ],
    "inpaint_step": [
        lambda s, x, x0, mask, t, e: torch.full_like(x, 0.5),
        lambda s, x, x0, mask, t, e: mask * ld.q_sample(s, x0, t - 1, 0.5 * e) + (1 - mask) * x,
        lambda s, x, x0, mask, t, e: 0.9 * mask * ld.q_sample(s, x0, t - 1, e) + (1 - mask) * x,
    ],
    "interpolate": [lambda a, b, w: a, lambda a, b, w: a + w**2 * (b - a), lambda a, b, w: SLERP(a, b, 0.5)],
    "flow_velocity": [
        lambda x, tau, e: torch.zeros_like(x),
        lambda x, tau, e: 0.9 * img(1 / (1 - tau), x) * (e - x),
        lambda x, tau, e: (e - x) / (1 - img(tau, x)).clamp(min=0.5),
    ],
}
SLERP = solution("interpolate")


EXACTLY = {
    ("alpha_bar", 1): "squared",
    ("alpha_bar", 5): "rescaled",
    ("q_step", 2): "rescaled",
    ("q_sample", 6): "clamped",
    ("predict_x0", 2): "squashed",
    ("normal_kl", 2): "wrong-terms",
    ("normal_kl", 3): "wrong-terms",
    ("eps_loss", 1): "another-factor",
    ("timestep_embedding", 3): "one-hot",
    ("p_step", 0): "model-not-called",
    ("p_step", 1): "factor-of-z",
    ("p_step", 2): "factor-of-xt+factor-of-eps_hat+factor-of-z",
    ("p_step", 3): "factor-of-xt+factor-of-eps_hat+factor-of-z",
    ("ddim_step", 1): "factor-of-xt+factor-of-eps_hat",
    ("guided_eps", 1): "sign-of-difference",
    ("interpolate", 0): "factor-of-a+factor-of-b",
    ("interpolate", 1): "factor-of-a+factor-of-b",
    ("interpolate", 2): "factor-of-a+factor-of-b",
    ("alpha_bar", 3): "low-precision",
    ("alpha_bar", 4): "wrong-shape",
    ("alpha_bar", 6): "falls-linearly",
    ("q_step", 0): "factor-of-eps",
    ("q_step", 3): "constant-factor",
    ("q_sample", 0): "factor-of-x0",
    ("q_sample", 3): "low-precision",
    ("q_sample", 5): "t-0-noised",
    ("normal_kl", 0): "variances-added",
    ("q_posterior", 0): "factor-of-x0+factor-of-xt",
    ("q_posterior", 2): "wrong-var",
    ("q_posterior", 4): "wrong-var",
    ("predict_x0", 0): "alpha-for-alpha-bar",
    ("predict_x0", 1): "factor-of-xt+factor-of-eps_hat",
    ("p_mean", 0): "factor-of-eps_hat",
    ("p_mean", 2): "not-divided+no-noise",
    ("timestep_embedding", 2): "no-waves",
    ("timestep_embedding", 5): "wrong-base",
    ("timestep_embedding", 6): "angles-rounded",
    ("training_step", 6): "wrong-draws",
    ("guided_eps", 0): "factor-of-eps_none+factor-of-eps_label",
    ("inpaint_step", 1): "factor-of-eps",
    ("inpaint_step", 2): "factor-of-x0+factor-of-eps",
    ("flow_velocity", 0): "factor-of-x_tau+factor-of-eps_hat",
    ("flow_velocity", 1): "constant-factor",
    ("flow_velocity", 2): "factor-of-x_tau+factor-of-eps_hat",
    ("guided_eps", 2): "factor-of-eps_none+factor-of-eps_label",
    ("inpaint_step", 0): "number-added",
    ("p_mean", 1): "noise-unscaled+multiplied",
    ("timestep_embedding", 1): "fresh-noise",
    ("ddim_step", 0): "stays-at-t",
    ("alpha_bar", 0): "sum-for-product",
    ("q_step", 1): "first-t-for-all",
    ("q_sample", 1): "off-by-one",
    ("q_posterior", 1): "p-mean-for-posterior",
    ("normal_kl", 1): "means-added",
    ("eps_loss", 3): "first-t-for-all",
    ("eps_loss", 2): "smooth-absolute-error",
    ("eps_loss", 4): "weighted",
    ("timestep_embedding", 0): "frequencies-grow-linearly",
    ("timestep_embedding", 4): "negated",
    ("training_step", 0): "another-factor",
    ("training_step", 1): "not-a-square",
    ("training_step", 2): "another-loss-returned",
    ("training_step", 3): "noise-variance",
    ("training_step", 4): "one-number-for-noise",
    ("training_step", 5): "same-noise-every-call",
    ("training_step", 7): "t-not-uniform",
    ("training_step", 8): "fixed-t",
    ("training_step", 9): "more-than-once",
    ("training_step", 10): "negative-loss",
    ("training_step", 12): "model-not-called",
    ("training_step", 13): "fixed-t",
    ("training_step", 14): "target-mix",
}


@pytest.mark.parametrize("name", NAMES)
def test_wrong_answers_as_people_write_them(name):
    for i, (mistake, function) in enumerate(WRONG.get(name, ())):
        report = check(name, function)
        assert (report.status, report.mistake) == ("not yet", mistake), (i, report)


@pytest.mark.parametrize("seed", (PUBLIC, 20261127))
@pytest.mark.parametrize("name", NAMED_BY_FACTORS)
def test_factors_are_read_off_and_named(name, seed):
    exercise = EXERCISES[name]
    probes = exercise.probes(seed)
    for i, (words, function) in enumerate(NAMED_BY_FACTORS[name]):
        report = judge(exercise, probes, collect(exercise, function, probes))
        assert report.status == "not yet" and re.search(words, report.hint), (i, report)


HOSTILE = {
    "huge": lambda x: 1e200 * x.double(),
    "tiny": lambda x: 1e-30 * x,
    "NaN": lambda x: x.log(),
    "infinite": lambda x: torch.exp(1000 * x),
    "empty": lambda x: x[:0],
    "flat": lambda x: x.flatten(),
    "one number": lambda x: torch.ones_like(x),
    "sorted": lambda x: x.flatten().sort().values.reshape(x.shape),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("name", NAMED_BY_FACTORS)
def test_numbers_of_any_size_and_shape_are_read_calmly(name, kind):
    i = 1 if name == "inpaint_step" else 0
    report = check(name, lambda *args: HOSTILE[kind](args[i]))
    assert report.status == "not yet" and report.hint
    if kind == "one number":
        assert "Your result is one number, 1:" in report.hint
    if kind == "tiny":
        assert "the same factor" not in report.hint, report  # the ratios differ


@pytest.mark.parametrize("name", NAMES)
def test_unknown_mistakes_are_refused_and_not_named_wrongly(name):
    for i, function in enumerate(HELD_OUT[name]):
        report = check(name, function)
        assert report.status == "not yet", (i, report)
        assert report.mistake == EXACTLY.get((name, i)), (i, report)
        assert report.hint and {"slide"} < {label for label, _ in report.rows}, (i, report)


@pytest.mark.parametrize(
    "function, words",
    [
        (HELD_OUT["q_sample"][0], "factor of x0 is 0.9212"),
        (HELD_OUT["q_sample"][0], "variance is not preserved"),
        (HELD_OUT["q_sample"][1], "sqrt(1 - alpha_bar_{t-1})"),
        (HELD_OUT["q_sample"][2], "t = 1 only"),
        (HELD_OUT["q_sample"][3], "float16"),
        (HELD_OUT["q_sample"][5], "At t = 0 your result still holds noise"),
        (lambda s, x, t, e: 3 * student("q_sample")(s, x, t, e), "same factor, 3"),
        (lambda s, x, t, e: -student("q_sample")(s, x, t, e), "wrong sign"),
        (lambda s, x, t, e: student("q_sample")(s, x, t, e) / 0, "infinite"),
        (lambda s, x, t, e: x * torch.nan, "NaN"),
        (lambda s, x, t, e: student("q_sample")(s, x, t, e)[0], "shape"),
        (
            lambda s, x, t, e: student("q_sample")(s, x, t.max().expand_as(t), e),
            "Every single pixel is right",
        ),
    ],
)
def test_clues_tell_which_property_breaks(function, words):
    assert words in check("q_sample", function).hint


def test_clues_look_at_both_outputs_and_at_the_level_that_shows_it():
    assert check("q_posterior", HELD_OUT["q_posterior"][-1]).hint == "Your mean is right; var is not."
    half = check("q_sample", HELD_OUT["q_sample"][3]).hint  # 0.8485 at t = 2 is right in float16 too
    assert "of x0 is 0.5497; right is 0.5499" in half and "0.8485" not in half


def stepped(model=lambda m, s, x, t, z: m(x, many(t, x)), noise=lambda z: z):
    """p_step with another use of the model, or of z."""

    def p_step(m, s, x, t, z):
        mean = student("p_mean")(s, x, many(t, x), model(m, s, x, t, z))
        return mean + (s.beta[t].sqrt().to(x.dtype) * noise(z) if t > 1 else 0)

    return p_step


def lost(x, t, eps_hat=lambda m, xt, t: m(xt, t)):
    """eps_loss with another use of the model: x(xt, x0, eps), t(t, T)."""

    def eps_loss(m, s, x0, k, eps):
        xt = student("q_sample")(s, x0, k, eps)
        return torch.nn.functional.mse_loss(eps_hat(m, x(xt, x0, eps), t(k, s.T)), eps)

    return eps_loss


def stepped_twice(m, s, x, t, z):
    once = stepped()(m, s, x, t, z)
    return stepped()(m, s, once, t - 1, z) if t > 1 else once


def jumped(m, s, x, t, t_prev, model=lambda m, x, t: m(x, t)):
    x0_hat = student("predict_x0")(s, x, many(t, x), eps := model(m, x, many(t, x)))
    return student("q_sample")(s, x0_hat, many(t_prev, x), eps)


GIVEN = [
    (
        "p_step",
        stepped(lambda m, s, x, t, z: m(x, torch.arange(len(x)))),
        "model-gets-place-in-batch",
        "place",
    ),
    ("p_step", stepped(lambda m, s, x, t, z: m(x, many(t, x) / 1000)), "model-gets-t-over-T", "t / 1000"),
    ("p_step", stepped(lambda m, s, x, t, z: m(x, many(7, x))), "constant-t", "given 7 at every t"),
    (
        "p_step",
        stepped(lambda m, s, x, t, z: m(x, many(t * t, x))),
        "model-gets-another-t",
        "4 in place of t = 2",
    ),
    (
        "p_step",
        stepped(lambda m, s, x, t, z: m(x / s.alpha_bar[t].sqrt().to(x.dtype), many(t, x))),
        "model-gets-another-x",
        "given 1.409 x_t in place of x_t",
    ),
    ("p_step", stepped(lambda m, s, x, t, z: m(z, many(t, x))), "model-gets-z", "given z"),
    ("p_step", stepped(lambda m, s, x, t, z: m(x + z / 2, many(t, x))), "model-gets-another-x", "0.5 z"),
    (
        "p_step",
        stepped(lambda m, s, x, t, z: m(x.tanh(), many(t, x))),
        "model-gets-another-x",
        "where x_t has",
    ),
    (
        "p_step",
        stepped(lambda m, s, x, t, z: m(x.clamp(-2, 2), many(t, x))),
        "clamped",
        "cut off at -2 and 2",
    ),
    ("p_step", stepped(lambda m, s, x, t, z: x), "model-not-called", "never calls the model"),
    ("p_step", stepped_twice, "several-steps", "2 times, at t = 2, 1"),
    ("p_step", stepped(noise=torch.abs), "z-changed", "you take |z|"),
    ("p_step", stepped(noise=torch.tanh), "z-changed", "you take tanh(z)"),
    (
        "ddim_step",
        functools.partial(jumped, model=lambda m, x, t: m(x, torch.arange(len(x)) + 1)),
        "model-gets-place-in-batch",
        "from 1 on",
    ),
    (
        "ddim_step",
        functools.partial(jumped, model=lambda m, x, t: m(x - m(x, t), t)),
        "calls-model-again",
        "of another x",
    ),
    (
        "ddim_step",
        functools.partial(jumped, model=lambda m, x, t: (m(x, t) + m(x, t - 1)) / 2),
        "several-steps",
        "at t = 2, 1",
    ),
    ("eps_loss", lost(lambda xt, *_: 2 * xt, lambda k, T: k), "model-gets-another-x", "given"),
    ("eps_loss", lost(lambda xt, *_: xt, lambda k, T: (k - 1) / T), "model-gets-another-t", "(t - 1) / T"),
    (
        "eps_loss",
        lost(lambda xt, *_: xt.tanh(), lambda k, T: k - 1),
        "model-gets-t-minus-1+model-gets-another-x",
        "where x_t has",
    ),
]


@pytest.mark.parametrize("name, function, mistake, words", GIVEN)
def test_what_the_model_was_given_is_read_from_its_calls(name, function, mistake, words):
    exercise = EXERCISES[name]
    probes = exercise.probes(PUBLIC)
    sent = json.dumps([encode_outcome(o) for o in collect(exercise, function, probes)], allow_nan=False)
    report = judge(exercise, probes, [decode_outcome(exercise, o) for o in json.loads(sent)])
    assert (report.status, report.mistake) == ("not yet", mistake), report
    assert words in report.hint


@pytest.mark.parametrize("name, function, mistake", [GIVEN[i][:3] for i in (0, 4, 10, 12, 14, 16)])
def test_a_secret_seed_reads_the_same_from_the_models_calls(name, function, mistake):
    exercise = EXERCISES[name]
    probes = exercise.probes(5)
    assert judge(exercise, probes, collect(exercise, function, probes)).mistake == mistake


def test_calls_that_are_right_are_no_mistake():
    """One sample after another, or twice the same: what is wrong is something else."""

    def by_sample(m, s, x, t, z):
        return torch.cat([m(x[i : i + 1], many(t, x)[:1]) for i in range(len(x))])

    def twice(m, s, x, t, z):
        return (m(x, many(t, x)) + m(x, many(t, x))) / 2

    for model in (by_sample, twice):
        assert check("p_step", stepped(model)).status == "correct"
        assert check("p_step", stepped(model, noise=torch.abs)).mistake == "z-changed"


@pytest.mark.parametrize("calls", [0, 2])
def test_a_right_formula_may_call_the_model_as_often_as_it_likes(calls):
    def heun(m, s, x, t, t_prev):
        first = m(x, many(t, x)) if calls else x
        return x - 0.1 * (first + m(x - 0.1 * first, many(t, x)) if calls else x)

    exercise = replace(
        EXERCISES["ddim_step"], formula=heun, mistakes=(), forms=EXERCISES["ddim_step"].forms[:1]
    )
    probes = exercise.probes(PUBLIC)

    def report(function):
        return judge(exercise, probes, collect(exercise, function, probes))

    assert report(heun).status == "correct"
    wrong = report(lambda m, s, x, t, p: heun(m, s, x, t, p).sin())
    assert wrong.status == "not yet" and "model" not in (wrong.mistake or "")


@pytest.mark.parametrize(
    "calls",
    [None, [1], [[1, 2]], [[{"shape": [2], "numbers": [1, 2]}, {"shape": [], "numbers": [1]}]], [[]] * 9],
)
def test_forged_calls_of_the_model_are_refused(calls):
    exercise = EXERCISES["p_step"]
    outcome = collect(exercise, solution("p_step"), exercise.probes(0))[0]
    honest = json.loads(json.dumps(encode_outcome(outcome)))
    assert decode_outcome(exercise, honest).model_calls
    with pytest.raises(ValueError, match="outcome: "):
        decode_outcome(exercise, honest | {"model_calls": calls})


def test_a_step_of_ddim_with_another_x0_hat():
    def squashed(m, s, x, t, t_prev):
        eps_hat = m(x, many(t, x))
        x0_hat = student("predict_x0")(s, x, many(t, x), eps_hat).tanh()
        return student("q_sample")(s, x0_hat, many(t_prev, x), eps_hat)

    report = check("ddim_step", squashed)
    assert report.mistake == "x0-hat-changed" and "do something: where S5 gives" in report.hint


def test_numbers_that_have_two_readings_are_not_named_after_one():
    assert check("q_sample", lambda s, x0, t, eps: eps).hint.startswith("Your result is eps alone")
    places = check("timestep_embedding", lambda t, d: torch.nn.functional.one_hot(t % d, d).float())
    assert places.mistake == "one-hot"
    right = solution("timestep_embedding")
    assert check("timestep_embedding", lambda t, d: right(t % 10, d)).mistake != "column-constant"


def test_what_the_model_got_is_told_by_as_few_terms_as_will_do():
    hint = check("eps_loss", lost(lambda xt, x0, eps: xt + x0, lambda k, T: k)).hint
    assert "given 1 x_t + 1 x0 in place of x_t" in hint
    hint = check("eps_loss", lost(lambda xt, x0, eps: xt - 0.5 * eps, lambda k, T: k)).hint
    assert "given 1 x_t - 0.5 eps in place of x_t" in hint


def test_clues_on_an_embedding():
    right = solution("timestep_embedding")
    half = check("timestep_embedding", lambda t, dim: right(t, dim).half()).hint
    assert "look for rounding" in half and "are rounded to" not in half, "told twice"
    near = emb(lambda d: 10_020.0 ** (-torch.arange(d // 2) / (d // 2)))
    assert "w_3 is 0.000998503 (up" in check("timestep_embedding", near).hint


# ---- what students do
# -----------------------------------------------------------------------------------------------


def raises(error):
    def q_sample(s, x0, t, eps):
        raise error

    return q_sample


def loops(*args):
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            pass


def in_place(s, x0, t, eps):
    x0 *= s.alpha_bar[t].sqrt().view(-1, 1, 1, 1)
    return x0 + (1 - s.alpha_bar[t]).sqrt().view(-1, 1, 1, 1) * eps


def shifts_t(s, x0, t, eps):
    out = student("q_sample")(s, x0, t, eps)
    t -= 1
    return out


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("no words")


async def later(s, x0, t, eps):
    return x0


class Liar:
    def __eq__(self, other):
        return True


@pytest.mark.parametrize(
    "function, status, mistake, words",
    [
        (raises(NotImplementedError), "not attempted", None, "Nothing to check yet"),
        (lambda s, x0, t, eps: None, "not yet", "no-return", "return"),
        (lambda s, x0, t, eps: (x0,), "not yet", "wrong-type", "comma"),
        (lambda s, x0, t, eps: (x0, eps), "not yet", "wrong-type", "tuple of 2"),
        (lambda s, x0, t, eps: "x0", "not yet", "wrong-type", "str"),
        (lambda s, x0, t, eps: Liar(), "not yet", "wrong-type", "Liar"),
        (lambda s, x0, t, eps: (yield), "not yet", "wrong-type", "generator"),
        (lambda s, x0, t, eps: x0.to("meta"), "not yet", "wrong-type", ""),
        (lambda s, x0, t, eps: x0 * 1j, "not yet", "wrong-type", "complex"),
        (lambda s, x0, t, eps: x0.to_sparse(), "not yet", "wrong-type", "sparse"),
        (lambda s, x0, t, eps: torch.zeros(1).expand(10**6, 10**6), "not yet", "wrong-type", "far too large"),
        (later, "not yet", "wrong-type", "async"),
        (raises(Unspeakable()), "not yet", None, "Unspeakable"),
        (raises(ValueError("\ud800")), "not yet", None, "ValueError"),
        (lambda s, x0, t, eps: x0.numpy() * 0, "not yet", "factor-of-x0+factor-of-eps", ""),
        (lambda s, x0, t, eps: x0.long(), "not yet", None, ""),
        (lambda s, x0, t: x0, "not yet", "signature", "q_sample(s, x0, t, eps)"),
        (raises(ValueError("bad shape")), "not yet", None, ""),
        (raises(SystemExit(3)), "not yet", None, ""),
        (raises(KeyboardInterrupt()), "not yet", None, ""),
        (raises(GeneratorExit()), "not yet", None, ""),
        (lambda *a: sys.exit(), "not yet", None, ""),
        (lambda s, x0, t, eps: (lambda f: f(f))(lambda f: f(f)), "not yet", None, ""),
        (in_place, "not yet", "in-place", "x0"),
        (shifts_t, "not yet", "in-place", "argument t"),
        (
            lambda s, x0, t, eps: s.alpha_bar.mul_(0)[t].view(-1, 1, 1, 1) * x0,
            "not yet",
            "in-place",
            "argument s",
        ),
        (
            lambda s, x0, t, eps: ld.q_sample(s, x0, t, eps),
            "not yet",
            "library-call",
            "Write the formula yourself",
        ),
        (ld.q_sample, "not yet", "library-call", "Write the formula yourself"),
        (inspect.unwrap(ld.q_sample), "not yet", "library-call", "Write the formula yourself"),
        (
            lambda *a: inspect.unwrap(sys.modules["labdiff.process"].q_sample)(*a),
            "not yet",
            "library-call",
            "yourself",
        ),
        (
            lambda s, x0, t, eps: student("q_sample")(s, x0, t, torch.empty_like(x0).random_()),
            "not yet",
            "fresh-noise",
            "random numbers",
        ),
        (
            lambda s, x0, t, eps: student("q_sample")(
                s, x0, t, torch.from_numpy(np.random.randn(*x0.shape)).to(x0)
            ),
            "not yet",
            "fresh-noise",
            "",
        ),
    ],
)
def test_what_students_do(function, status, mistake, words):
    report = check("q_sample", function)
    assert (report.status, report.mistake) == (status, mistake)
    assert words in repr(report).replace("\n ", "") or words in report.hint
    assert report._repr_html_().encode()
    assert ld.q_sample(ld.linear_schedule(10), torch.ones(1, 2), 3, torch.ones(1, 2)).shape == (
        1,
        2,
    )  # free again


@pytest.mark.parametrize("name", NAMES)
def test_stub_none_and_library_call_in_every_exercise(name):
    def stub(*args):
        raise NotImplementedError(name)

    report = check(name, stub)
    assert (report.status, report.score, report.max_score) == ("not attempted", 0.0, 1.0)
    assert len(repr(report).splitlines()) <= 3
    assert check(name, lambda *args: None).status == "not yet"
    blocked = {
        "alpha_bar": lambda beta: ld.Schedule(beta).alpha_bar,
        "training_step": lambda m, o, s, x0, g: (
            next(ld.train(m, s, x0, n_steps=1, batch_size=len(x0), generator=g)).loss
        ),
        "p_step": lambda m, s, x, t, z: list(ld.ddpm_steps(m, s, xt=x, t=t))[1].x,
        "ddim_step": lambda m, s, x, t, p: list(ld.ddim_steps(m, s, xt=x, t=t, n_steps=1))[1].x,
    }
    blocked["guided_eps"] = lambda *args: ld.guided(lambda *a: args[0], 0, 2.0)(args[0], args[0][:, 0])
    blocked["inpaint_step"] = lambda s, x_prev, x0, mask, t, eps: ld.inpaint(lambda x, t: x, s, x0, mask)
    if name != "flow_velocity":  # labdiff has no such function
        assert check(name, blocked.get(name) or getattr(ld, name)).mistake == "library-call"


def test_other_threads_keep_labdiffs_functions():
    s, x, t, results = ld.linear_schedule(10), torch.ones(2, 1, 2, 2), torch.tensor([1, 2]), []

    def q_sample(*args):
        thread = threading.Thread(target=lambda: results.append(ld.q_sample(s, x, t, x)))
        thread.start()
        thread.join()
        return solution("q_sample")(*args)

    assert check("q_sample", q_sample).status == "correct"
    assert torch.equal(results[0], ld.q_sample(s, x, t, x))


def test_two_checks_at_once():
    """In two threads: both right, and all is as before afterwards."""
    reports, stdout = [], sys.stdout
    begin = threading.Barrier(3)

    def work(function):
        begin.wait()
        reports.extend(check("q_sample", function).mistake for _ in range(3))

    functions = [solution("q_sample"), ld.q_sample, student("q_sample", noise=lambda a: 1 - a)]
    threads = [threading.Thread(target=work, args=(f,)) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, reports)) == ["None"] * 3 + ["library-call"] * 3 + ["variance-for-std"] * 3
    assert sys.stdout is stdout
    x = torch.ones(1, 1, 1, 1)
    assert ld.q_sample(ld.linear_schedule(10), x, torch.tensor([3]), x).shape == x.shape


def test_a_check_inside_of_a_check():
    def q_sample(*args):
        assert check("q_sample", ld.q_sample).mistake == "library-call"
        return solution("q_sample")(*args)

    assert check("q_sample", q_sample).status == "correct"
    assert check("q_sample", ld.q_sample).mistake == "library-call"


@pytest.mark.parametrize(
    "name, function, mistake, words",
    [
        (
            "normal_kl",
            lambda m1, v1, m2, v2: 0.5 * (math.log(v2 / v1) + v1 / v2 + (m1 - m2) ** 2 / v2 - 1),
            "math-on-a-tensor",
            "torch.log",
        ),
        ("q_step", lambda s, x, t, e: float(s.beta[t]) * x, "one-number-from-a-batch", "all of t"),
        ("q_step", lambda s, x, t, e: x if t > 1 else e, "if-on-a-batch", "torch.where"),
        ("q_step", lambda s, x, t, e: alpa * x, "undefined-name", "'alpa' is not defined"),  # noqa: F821
        ("q_step", lambda s, x, t, e: s.alphas_cumprod[t] * x, "no-such-attribute", "alpha_bar"),
        ("q_step", lambda s, x, t, e: s.beta(t) * x, "called-like-a-function", "s.alpha_bar[t]"),
        ("p_step", lambda m, s, x, t, z: torch.sqrt(1.5) * x, "torch-on-a-number", "** 0.5"),
        ("eps_loss", lambda m, s, x, t, e: m(t, x).mean(), "model-call", "one t for each"),
        ("alpha_bar", lambda b: torch.stack([b[k + 1] for k in range(len(b))]), "index-out-of-range", "0..T"),
        ("training_step", lambda m, o, s, x, g: m(x, s.alphas[1]), "no-such-attribute", "alpha_bar"),
    ],
)
def test_exceptions_that_tell_the_mistake(name, function, mistake, words):
    report = check(name, function)
    assert (report.status, report.mistake) == ("not yet", mistake) and words in report.hint


def test_an_optimizer_of_ones_own_and_a_loss_that_is_a_tensor():
    def training_step(model, optimizer, s, x0, generator):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        return solution("training_step")(model, optimizer, s, x0, generator)

    assert check("training_step", training_step).mistake == "own-optimizer"
    report = check("training_step", functools.partial(algorithm1, result=lambda loss, a, b: loss))
    assert report.status == "correct" and "loss.item()" in dict(report.rows)["note"]
    assert "note" not in dict(check("training_step", solution("training_step")).rows)


def test_of_a_step_that_is_wrong_in_many_ways_a_few_are_shown():
    def training_step(model, optimizer, s, x0, generator):
        for t in range(1, s.T + 1):
            noise = torch.rand(x0.shape, generator=generator, dtype=x0.dtype)
            loss = (model(x0 + noise, many(t, x0)) - x0).abs().sum()
            loss.backward()
            optimizer.step()
        return loss

    report = check("training_step", training_step)
    rows = dict(report.rows)
    assert report.mistake == "several-updates"
    assert rows["got"].count(";") == 3 and re.search(r"; and \d+ more$", rows["got"])
    assert rows["expected"].count(";") <= 3


def test_a_step_that_fails_on_some_probes_is_refused_calmly():
    """x0 of zeros has no standard deviation to be divided by."""

    def training_step(model, optimizer, s, x0, generator):
        return solution("training_step")(model, optimizer, s, (x0 - x0.mean()) / x0.std() + 0, generator)

    def only_now_and_then(model, optimizer, s, x0, generator):
        assert x0.any(), "nothing to see"
        return training_step(model, optimizer, s, x0, generator)

    for function in (training_step, only_now_and_then):
        report = check("training_step", function)
        assert report.status == "not yet" and report.hint


def test_the_clock_waits_where_the_machine_is_busy(monkeypatch):
    now, worked = [0.0], [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "process_time", lambda: worked[0])
    clocks = guard.Clock(5.0), guard.Clock(5.0, guard.PATIENCE)
    for now[0], worked[0], over in (
        (4.9, 4.9, [False, False]),
        (5.1, 1.0, [True, False]),
        (5.1, 3.0, [True, True]),
        (30.1, 0.0, [True, True]),
    ):
        assert [clock.over() for clock in clocks] == over


def test_what_other_threads_print_goes_where_it_went(capsys):
    def q_sample(*args):
        print("mine")
        thread = threading.Thread(target=lambda: print("theirs"))
        thread.start()
        thread.join()
        return solution("q_sample")(*args)

    assert check("q_sample", q_sample).status == "correct"
    assert set(capsys.readouterr().out.split()) == {"theirs"}


@pytest.mark.parametrize(
    "function",
    [
        functools.partial(ld.q_sample),
        lambda s, x0, t, eps, f=ld.q_sample: f(s, x0, t, eps),
        {"f": ld.q_sample}["f"],
        (lambda f: lambda *args: f(*args))(ld.q_sample),
        lambda s, x0, t, eps: [ld.eps_loss(lambda x, t: kept.append(x) or x, s, x0, t, eps), kept.pop()][1],
    ],
    ids=["partial", "default argument", "dict", "closure", "through eps_loss"],
)
def test_labdiffs_function_is_blocked_by_whatever_name(function):
    kept.clear()
    assert check("q_sample", function).mistake == "library-call"


kept = []
ONE_STEP = {
    "ddpm_steps": lambda m, s, x, t: list(ld.ddpm_steps(m, s, xt=x, t=t))[1].x,
    "ddim_steps": lambda m, s, x, t: list(ld.ddim_steps(m, s, xt=x, t=t, n_steps=1))[1].x,
    "dpm_steps": lambda m, s, x, t: list(ld.dpm_steps(m, s, xt=x, t=t, n_steps=1))[1].x,
    "sample": lambda m, s, x, t: ld.sample(m, s, tuple(x.shape), method="ddim", n_steps=1),
    "stochastic": lambda m, s, x, t: list(ld.ddim_steps(m, s, xt=x, t=t, n_steps=1, eta=1.0))[1].x,
}


@pytest.mark.parametrize("route", ONE_STEP)
@pytest.mark.parametrize("name", ["p_step", "ddim_step"])
def test_no_sampler_takes_the_students_step(name, route):
    assert check(name, lambda m, s, x, t, _: ONE_STEP[route](m, s, x, t)).mistake == "library-call"


def one_level(beta):
    return ld.Schedule(torch.tensor([0.0, float(beta)], dtype=torch.float64))


def each(f):
    return lambda s, x, t, e: torch.cat([f(s, x[i : i + 1], t[i], e[i : i + 1]) for i in range(len(t))])


def guided_by_labdiff(eps_none, eps_label, scale):
    def model(x, t, label=None):
        return eps_none if label is None else eps_label

    return guidance.Guided(model, 0, scale).forward(eps_none, None)


def updated_by_labdiff(model, optimizer, s, x0, generator):
    t = torch.randint(1, s.T + 1, (len(x0),), generator=generator)
    batch = x0, t, torch.randn(x0.shape, generator=generator)
    finite = torch.tensor(True)
    seen = gradient_step.update(model, copy.deepcopy(model), optimizer, s, batch, finite, 1e-3, 0.9, clip=1e9)
    return seen[0].item()


# labdiff's function for another exercise does it too, for another schedule or another model
ROUTES = {
    "q_step": each(lambda s, x, t, e: ld.q_sample(one_level(s.beta[t]), x, 1, e)),
    "q_sample": each(lambda s, x, t, e: ld.q_step(one_level(1 - s.alpha_bar[t]), x, 1, e) if t else x),
    "predict_x0": each(lambda s, x, t, e: ld.p_mean(one_level(1 - s.alpha_bar[t]), x, 1, e)),
    "p_mean": each(lambda s, x, t, e: list(ld.ddpm_steps(lambda a, b: e, s, xt=x, t=int(t)))[1].x),
    "q_posterior": lambda s, x0, xt, t: (ld.p_mean(s, xt, t, xt - x0), s.beta_tilde[t]),
    "interpolate": lambda a, b, w: ld.interpolate(a, b, w),
    "guided_eps": guided_by_labdiff,
    "ddim_step": lambda m, s, x, t, p: ld.invert(m, s, x, n_steps=1),
    "p_step": lambda m, s, x, t, z: ld.inpaint(m, s, x, torch.zeros_like(x)),
    "training_step": updated_by_labdiff,
}


@pytest.mark.parametrize("name", ROUTES)
def test_no_other_function_of_labdiff_does_an_exercise(name):
    assert check(name, ROUTES[name]).mistake == "library-call"


def test_a_step_of_ddim_without_its_noise_is_no_posterior_of_ones_own():
    def by_ddim(s, x0, xt, t):
        def row(x, y, u):
            eps = (y - s.alpha_bar[u].sqrt() * x) / (1 - s.alpha_bar[u]).sqrt()
            first, second = (torch.Generator().manual_seed(1) for _ in range(2))
            steps = ld.ddim_steps(lambda *_: eps, s, xt=y, t=int(u), n_steps=int(u), eta=1, generator=first)
            z = torch.randn(y.shape, generator=second)
            return list(zip(range(2), steps, strict=False))[1][1].x - s.beta_tilde[u].sqrt() * z

        mean = torch.cat([row(x0[i : i + 1], xt[i : i + 1], t[i]) for i in range(len(t))])
        return mean, s.beta_tilde[t][:, None, None, None]

    assert check("q_posterior", by_ddim).mistake == "library-call"


def test_a_grading_kernel_gets_all_that_in_kernel_needs():
    """labdiff.checks.in_kernel is copied without the rest of the checks: it imports nothing of them."""
    folder = Path(guard.__file__).parent
    for path in folder.glob("*.py"):
        named = re.findall(r"^\s*(?:from|import) (labdiff\.checks[.\w]*)", path.read_text(), flags=re.M)
        assert named == [name for name in named if f"{name}.".startswith("labdiff.checks.in_kernel.")], path


@pytest.mark.parametrize("name", NAMES)
def test_outcomes_that_are_not_complete_are_refused(name):
    exercise = EXERCISES[name]
    probes = exercise.probes(0)
    good = collect(exercise, solution(name), probes)
    first = exercise.outputs[0]
    for bad in (
        [],
        good[:-1],
        [*good[:-1], Outcome()],
        [Outcome(), *good[1:]],
        [*good[:-1], replace(good[-1], values={k: v for k, v in good[-1].values.items() if k != first})],
        [*good[:-1], replace(good[-1], problem="raised")],
    ):
        with pytest.raises(ValueError, match="outcomes: expected"):
            judge(exercise, probes, bad)


def test_not_implemented_from_a_helper_and_from_torch():
    def q_sample(s, x0, t, eps):
        return helper(x0)

    def helper(x0):
        raise NotImplementedError

    report = check("q_sample", q_sample)
    assert report.status == "not attempted" and "helper" in report.hint
    torchs_own = lambda s, x0, t, eps: x0.to("meta").cpu()  # noqa: E731
    assert check("q_sample", torchs_own).status == "not yet"


def test_prints_and_warnings_stay_inside_and_cost_nothing(capsys):
    def q_sample(s, x0, t, eps):
        print("debugging", x0.shape)
        print("to stderr", file=sys.stderr)
        warnings.warn("careful", stacklevel=1)
        return student("q_sample")(s, x0, t, eps)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check("q_sample", q_sample).status == "correct"
    assert capsys.readouterr() == ("", "")
    assert "debugging" in repr(check("q_sample", lambda *a: (q_sample(*a), None)[1]))


def test_an_exception_shows_the_students_own_line():
    def q_sample(s, x0, t, eps):
        scaled = s.alpha_bar[t] * x0.reshape(7, 7)
        return scaled

    text = repr(check("q_sample", q_sample))
    assert (
        "RuntimeError" in text
        and "scaled = s.alpha_bar[t] * x0.reshape(7, 7)" in text
        and "Traceback" not in text
    )


@pytest.mark.skipif(not hasattr(__import__("signal"), "setitimer"), reason="no timer on this platform")
def test_an_endless_loop_is_stopped(monkeypatch):
    monkeypatch.setattr(guard, "TIME_LIMIT", 0.3)
    monkeypatch.setattr(guard.guarded, "__defaults__", (guard.SEED, 0.3))

    def swallows(*args):
        while True:
            try:
                time.sleep(0.01)
            except BaseException:
                pass

    def all_in_a_try(*args):
        while True:
            try:
                swallows()
            except:  # noqa: E722
                torch.ones(3).sum()

    for function in (loops, swallows, all_in_a_try):
        report = check("q_sample", function)
        assert report.mistake == "time-limit"  # and it came to an end


def test_many_slow_calls_are_stopped_too(monkeypatch):
    monkeypatch.setattr(guard, "TOTAL_LIMIT", 0.2)
    report = check("q_sample", lambda *args: (time.sleep(0.15), solution("q_sample")(*args))[1])
    assert report.mistake == "time-limit" and "all calls together" in report.hint


def test_an_alarm_of_someone_else_survives():
    import signal

    rung = []
    old = signal.signal(signal.SIGALRM, lambda *a: rung.append(1))
    left, _ = signal.setitimer(signal.ITIMER_REAL, 30)
    check("q_sample", solution("q_sample"))
    remaining, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, old)
    signal.setitimer(signal.ITIMER_REAL, left)
    assert 20 < remaining <= 30 and not rung


def test_in_another_thread():
    reports = []
    thread = threading.Thread(target=lambda: reports.append(check("q_sample", solution("q_sample"))))
    thread.start()
    thread.join(30)
    assert reports[0].status == "correct"


def test_the_users_own_interrupt_goes_through():
    def q_sample(s, x0, t, eps):
        __import__("_thread").interrupt_main()
        time.sleep(1)

    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # ignored where tests run in the background
    try:
        with pytest.raises(KeyboardInterrupt):
            check("q_sample", q_sample)
    finally:
        signal.signal(signal.SIGINT, before)
    assert check("q_sample", solution("q_sample")).status == "correct"


def test_state_is_as_before():
    import matplotlib

    def q_sample(s, x0, t, eps):
        torch.manual_seed(0), np.random.seed(0), random.seed(0)
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.set_num_threads(torch.get_num_threads() + 1)
        torch.set_printoptions(precision=1)
        np.set_printoptions(precision=1)
        np.seterr(all="raise")
        matplotlib.rcParams["lines.linewidth"] = 99
        warnings.simplefilter("ignore")
        os.chdir("/")
        sys.stdout = None
        return student("q_sample")(s, x0, t, eps)

    def state():
        return (
            torch.get_rng_state().tolist(),
            str(np.random.get_state()),
            random.getstate(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            str(vars(torch._tensor_str.PRINT_OPTS)),
            str(np.get_printoptions()),
            str(np.geterr()),
            dict(matplotlib.rcParams),
            list(warnings.filters),
            os.getcwd(),
            sys.stdout,
            torch.get_num_threads(),
        )

    with torch.no_grad():
        before = state()
        check("q_sample", q_sample)
        check("q_sample", lambda *a: q_sample(*a) * 0)
        assert all(a == b for a, b in zip(before, state()))


def test_check_works_under_other_settings():
    for name in NAMES:
        with torch.no_grad():
            assert check(name, solution(name)).status == "correct"
        with torch.inference_mode():
            assert check(name, solution(name)).status == "correct"
    torch.set_default_dtype(torch.float64)
    try:
        assert all(check(name, solution(name)).status == "correct" for name in NAMES)
    finally:
        torch.set_default_dtype(torch.float32)


def test_what_the_caller_gets_wrong():
    with pytest.raises(ValueError, match="check: name: expected one of alpha_bar, .*got 'qsample'"):
        check("qsample", print)
    with pytest.raises(TypeError, match="check: function: expected your function q_sample, got Tensor"):
        check("q_sample", torch.ones(1))


# ---- reports and grading
# --------------------------------------------------------------------------------------------

REPORTS = {
    "stub": raises(NotImplementedError),
    "right": solution("q_sample"),
    "wrong": student("q_sample", noise=lambda a: 1 - a),
    "unknown": HELD_OUT["q_sample"][0],
    "raises": raises(ValueError("x < 0 & y")),
}


@pytest.mark.parametrize("function", REPORTS.values(), ids=REPORTS.keys())
def test_html_and_text_say_the_same(function):
    report = check("q_sample", function)
    markup = report._repr_html_()
    words = html.unescape(re.sub(r"<[^>]*>", " ", markup)).split()
    assert [w.strip(",") for w in words] == [w.strip(",") for w in repr(report).split()]
    assert report.status in markup and "color:#" not in markup.replace(" ", "")
    assert (markup.count("data:image/png") > 0) == bool(report.pictures)
    assert repr(check("q_sample", function)) == repr(report) and not re.search(
        "0x[0-9a-f]{6}|/tmp|seconds", repr(report)
    )


def test_a_wrong_picture_is_shown_beside_the_right_one():
    captions = [p.caption for p in check("q_sample", REPORTS["wrong"]).pictures]
    assert captions == ["in: x0", "expected: x_t", "got: x_t"]


@pytest.mark.parametrize("name", NAMES)
def test_outcomes_travel_as_plain_numbers(name):
    exercise = EXERCISES[name]
    probes = exercise.probes(PUBLIC)  # what the catalogue gives on them is known here by now
    for function in (solution(name), HELD_OUT[name][0], lambda *a: None):
        outcomes = collect(exercise, function, probes)
        sent = json.loads(json.dumps([encode_outcome(o) for o in outcomes], allow_nan=False))
        came = [decode_outcome(exercise, o) for o in sent]
        assert repr(judge(exercise, probes, came)) == repr(judge(exercise, probes, outcomes))


def test_checks_are_imported_on_first_use():
    code = (
        "import sys, labdiff as ld; a = 'labdiff.checks' in sys.modules; f = ld.check; print(a, f.__module__)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "labdiff.checks"]


@pytest.mark.parametrize("name", NAMES)
def test_a_check_evaluates_few_formulas(name, labdiffs_cache):
    """For a mistake that no catalogue knows, every pair is tried: each on one probe, not on all of them."""
    exercise = EXERCISES[name]
    tried = sum(1 for size in (1, 2) for _ in exercise.candidates(size))
    check(name, HELD_OUT[name][-1])
    assert labdiffs_cache.cache_info().misses < tried + 30 * len(exercise.forms) + 200 < 7000


@pytest.mark.parametrize("shape", [(40, 0), (1,), (2, 1, 1, 1, 1)])
def test_records_of_a_training_step_of_other_shapes_are_refused(shape):
    """Empty arrays agree with everything: what came out of a kernel has the shapes of the calls."""
    exercise = EXERCISES["training_step"]
    probes = exercise.probes(0)
    forged = Outcome({name: np.ones(shape) for name in exercise.outputs})
    with pytest.raises(ValueError, match="outcomes: .*: expected shape"):
        judge(exercise, probes, [forged] * len(probes))


def test_a_check_does_not_depend_on_numpys_settings():
    def tiny(s, x0, t, eps):  # 1e-200 squared is 0, which NumPy may be told to raise for
        return solution("q_sample")(s, x0, t, eps) + float(np.float64(1e-200) * np.float64(1e-200))

    with np.errstate(all="raise"):
        assert check("q_sample", tiny).status == "correct"
        assert np.geterr()["under"] == "raise"


@pytest.mark.parametrize("name", ["p_step", "ddim_step"])
def test_the_model_is_asked_once_for_what_thousands_of_formulas_ask_it(name, monkeypatch, labdiffs_cache):
    asked = []
    forward = Spy.forward
    monkeypatch.setattr(Spy, "forward", lambda self, x, t: asked.append(t) or forward(self, x, t))
    known_mistake._args.cache_clear()
    check(name, HELD_OUT[name][-1])
    tried = labdiffs_cache.cache_info().misses
    assert len(asked) < tried / 3
    check(name, HELD_OUT[name][-1])
    assert labdiffs_cache.cache_info().misses == tried, "a second check evaluates nothing anew"


# the draw does not matter


SEEDS = int(os.environ.get("LABDIFF_KEY_SEEDS", "8"))
REFUSED_ONCE = (330289765967, 1095483204076, 1000822991146)  # a right training step was


@pytest.mark.parametrize("name", NAMES)
def test_the_key_is_right_on_every_seed(name):
    """LABDIFF_KEY_SEEDS=2000 tries as many as a large class has; it takes minutes."""
    exercise, function = EXERCISES[name], solution(name)
    for seed in (*REFUSED_ONCE, *(seed_for("key", str(i), name) for i in range(3, SEEDS))):
        probes = exercise.make_probes(seed)
        with quietly():
            outcomes = [outcome_of(exercise, function, probe) for probe in probes]
            if exercise.judged_by == "features":
                assert wrong_features(features(probes, outcomes)) == {}, seed
                continue
            expected = [evaluate(exercise, probe, {}) for probe in probes]
        for probe, right, outcome in zip(probes, expected, outcomes):
            assert not probe.required or agrees(exercise, right, outcome, probe.rtol), (seed, probe.name)


def test_no_two_levels_of_a_secret_schedule_are_alike():
    for seed in range(1, 200):
        beta = small(seed).beta
        assert (beta.diff() > 0.015).all(), seed


def test_every_exercise_has_a_solution_and_its_names():
    assert list(SOLUTIONS) and set(SOLUTIONS) == set(NAMES) == set(RIGHT) == set(HELD_OUT)
    assert ld.check is check


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("inpaint_step", lambda s, x, x0, m, t, e: m * ld.q_sample(s, x0, t - 1, 0 * e) + (1 - m) * (x + e)),
        ("guided_eps", lambda u, c, w: u if w.__class__ is bool else c),
        ("flow_velocity", lambda x, tau, e: (e - x) / (1 - tau.item())),
        ("flow_velocity", lambda x, tau, e: (e - x) / (1 - tau[7])),
        ("interpolate", lambda a, b, w: (1 - w) * a + w * b + 0 * a[9]),
    ],
)
def test_feedback_speaks_of_what_the_exercise_has_and_of_what_was_tried(name, function):
    said = str(check(name, function))
    assert "s.beta[t]" not in said and "0..T" not in said and "different t" not in said
    assert "not enter your result." not in said


def test_yours_is_used_once_it_is_right(capsys, monkeypatch):
    def not_yet(s, x0, t, eps):
        raise NotImplementedError

    def wrong(s, x0, t, eps):
        return x0

    def mine(s, x0, t, eps):
        alpha_bar = s.alpha_bar[t].to(x0.dtype).reshape(-1, *[1] * (x0.ndim - 1))
        return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps

    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")  # where check() raises, this does not
    used = ld.yours("q_sample", mine, ld.q_sample)
    x0, eps = torch.linspace(-1, 1, 96).reshape(2, 3, 1, 4, 4)
    s, t = ld.linear_schedule(9), torch.tensor([1, 5, 9])
    assert torch.equal(used(s, x0, t, eps), mine(s, x0, t, eps))
    assert ld.yours("q_sample", wrong, ld.q_sample) is ld.q_sample
    assert ld.yours("q_sample", not_yet, None) is None
    said = [line.split(" ")[1] for line in capsys.readouterr().out.splitlines()]
    assert said == ["yours", "labdiff,", "labdiff,"]
    with pytest.raises(ValueError, match="yours: name: expected one of"):
        ld.yours("q_samples", mine, ld.q_sample)


@pytest.mark.parametrize("kind", ["float64", "NumPy"])
def test_yours_gives_what_the_next_cell_takes(kind):
    """A schedule's tables are float64: an answer that stays so is right, but no network takes its result."""

    def inpaint_step(s, x_prev, x0, mask, t, eps):
        a = s.alpha_bar[t - 1].reshape(1, 1, 1, 1)
        x = mask * (a.sqrt() * x0 + (1 - a).sqrt() * eps) + (1 - mask) * x_prev
        return x if kind == "float64" else x.numpy()

    s, x = ld.linear_schedule(9), torch.linspace(-1, 1, 192).reshape(4, 3, 1, 4, 4)
    mask = (x[3] > 0).float()
    made = ld.yours("inpaint_step", inpaint_step, None)(s, x[0], x[1], mask, 5, x[2])
    assert made.dtype == torch.float32 and torch.equal(made[mask == 0], x[0][mask == 0])


@pytest.mark.parametrize("name", ["q_step", "q_sample", "q_posterior", "predict_x0", "p_mean", "eps_loss"])
@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 5), (1, 5), (5, 1, 2, 2)])
def test_an_answer_for_images_alone_drives_the_toys_too(name, shape):
    """The key's are such answers; the notebooks give them numbers and points as well."""
    g, s = torch.Generator().manual_seed(0), ld.linear_schedule(20)
    x, eps = torch.randn(2, *shape, generator=g, dtype=torch.float64)
    t = torch.randint(1, 21, shape[:1], generator=g)
    given = {"s": s, "t": t, "x0": x, "x_prev": x, "xt": eps if name == "q_posterior" else x}
    given |= {"eps": eps, "eps_hat": eps, "model": lambda x, t: x * t.reshape(-1, *[1] * (x.ndim - 1))}
    args = [given[a] for a in EXERCISES[name].arguments]
    mine = ld.yours(name, solution(name), None)
    torch.testing.assert_close(mine(*args), getattr(ld, name)(*args))
