# ruff: noqa: E731
"""Wrong answers as people write them, each with the mistake that has to be named.

They are written apart from the catalogues: v() brings a coefficient to x's shape; qs, qp, PS, DD, IP, SL and
FV are the right functions of an exercise with one part to replace.
"""

import math

import torch
from torch.nn import functional as F

import labdiff as ld


def v(c, x):
    return c.to(x.dtype).view(-1, *[1] * (x.ndim - 1))


def qs(sig, noi, lvl=lambda t: t):
    return lambda s, x, t, e: v(sig(s, lvl(t)), x) * x + v(noi(s, lvl(t)), x) * e


al = lambda s, t: s.alpha[t]

be = lambda s, t: s.beta[t]

ab = lambda s, t: s.alpha_bar[t]

r = torch.sqrt


def qp(mean, var=lambda s, t: s.beta_tilde[t]):
    return lambda s, x0, xt, t: (mean(s, x0, xt, t), v(var(s, t), xt))


def coef(c0, ct):
    return lambda s, x0, xt, t: v(c0(s, t), xt) * x0 + v(ct(s, t), xt) * xt


abp = lambda s, t: s.alpha_bar[t - 1]

C0 = lambda s, t: r(abp(s, t)) * be(s, t) / (1 - ab(s, t))

CT = lambda s, t: r(al(s, t)) * (1 - abp(s, t)) / (1 - ab(s, t))

good = coef(C0, CT)

L = torch.log

Q = ld.q_sample


def emb(freq, arg=lambda t, w: t[:, None] * w, join=lambda a: torch.cat([a.sin(), a.cos()], 1)):
    return lambda t, d: join(arg(t.float(), freq(d)))


w0 = lambda d: torch.exp(-math.log(10000) * torch.arange(d // 2) / (d // 2))

many = lambda t, x: torch.full((len(x),), t)


def PS(
    mean=lambda s, x, t, e: ld.p_mean(s, x, many(t, x), e),
    sig=lambda s, t: s.beta[t].sqrt(),
    z_=lambda z, t: z if t > 1 else torch.zeros_like(z),
    mt=lambda t, x, s: many(t, x),
):
    return lambda m, s, x, t, z: (mean(s, x, t, m(x, mt(t, x, s))) + sig(s, t) * z_(z, t)).to(x.dtype)


def with_x0_hat(s, x, t, e, change):
    return ld.q_posterior(s, change(ld.predict_x0(s, x, many(t, x), e)), x, many(t, x))[0]


def clamped(x):
    return x.clamp(-1, 1)


def ps_ermon(m, s, x, t, z):  # coefficients mixed up
    e = m(x, many(t, x))
    x0 = ld.predict_x0(s, x, many(t, x), e)
    b = s.beta[t]
    a1 = s.alpha_bar[t - 1]
    at = s.alpha_bar[t]
    mean = (a1 * b * x0 + (1 - b).sqrt() * (1 - a1) * x) / (1 - at)
    return (mean + b.sqrt() * z * (t > 1)).to(x.dtype)


def DD(
    p=lambda s, t, tp: s.alpha_bar[tp],
    a=lambda s, t: s.alpha_bar[t],
    x0f=None,
    dirf=lambda b: (1 - b).sqrt(),
    sc=lambda b: b.sqrt(),
    mt=lambda t, x, s: many(t, x),
    post=lambda x: x,
    extra=lambda s, t, tp, x: 0,
):
    def f(m, s, x, t, tp):
        e = m(x, mt(t, x, s))
        A_ = a(s, t)
        b = p(s, t, tp)
        x0 = (x - (1 - A_).sqrt() * e) / A_.sqrt() if x0f is None else x0f(x, e, A_)
        return post((sc(b) * x0 + dirf(b) * e + extra(s, t, tp, x)).to(x.dtype))

    return f


def IP(
    lvl=lambda t: t - 1,
    sig=r,
    noi=lambda a: r(1 - a),
    tab=lambda s: s.alpha_bar,
    comb=lambda k, x, x0, m: m * k + (1 - m) * x,
    eps=lambda e: e,
):
    def f(s, x, x0, m, t, e):
        a = tab(s)[lvl(t)]
        k = (sig(a) * x0 + noi(a) * eps(e)).to(x.dtype)
        return comb(k, x, x0, m)

    return f


nb = lambda x: x.flatten(1).norm(dim=1).view(-1, *[1] * (x.ndim - 1))

dt = lambda a, b: (a * b).flatten(1).sum(1).view(-1, *[1] * (a.ndim - 1))


def SL(
    cos=lambda a, b: dt(a, b) / (nb(a) * nb(b)),
    ang=torch.acos,
    f=lambda a, b, w, th: (torch.sin((1 - w) * th) * a + torch.sin(w * th) * b) / torch.sin(th),
):
    return lambda a, b, w: f(a, b, w, ang(cos(a, b)))


def FV(f):
    return lambda x, tau, e: f(x, tau.view(-1, *[1] * (x.ndim - 1)), e)


each_std = lambda x: x.std(list(range(1, x.ndim)), keepdim=True)


WRONG = {
    "alpha_bar": [
        ("entry-too-many", lambda b: torch.cat([torch.ones(1), torch.cumprod(1 - b, 0)])),
        ("exp-missing-log", lambda b: torch.exp(torch.cumsum(1 - b, 0))),
        ("root-of-beta", lambda b: torch.cumprod(1 - b.sqrt(), 0)),
        ("plus-for-minus", lambda b: torch.cumprod(1 + b, 0)),
        ("two-factors-only", lambda b: (1 - b) * torch.roll(1 - b, 1)),
        ("falls-linearly", lambda b: torch.linspace(1, 0, len(b))),
        ("smallest-so-far", lambda b: torch.cummin(1 - b, 0)[0]),
    ],
    "q_step": [
        ("linear-mix", qs(lambda s, t: 1 - r(be(s, t)), lambda s, t: r(be(s, t)))),
        (
            "one-number-from-a-batch",
            lambda s, x, t, e: s.alpha[t].sqrt().item() * x + s.beta[t].sqrt().item() * e,
        ),
        ("beta-tilde-for-beta", qs(lambda s, t: r(al(s, t)), lambda s, t: r(s.beta_tilde[t]))),
        ("first-order", qs(lambda s, t: 1 - be(s, t) / 2, lambda s, t: r(be(s, t)))),
        ("divided", qs(lambda s, t: 1 / r(al(s, t)), lambda s, t: r(be(s, t)))),
        ("noise-is-one", lambda s, x, t, e: v(r(s.alpha[t]), x) * x + v(r(s.beta[t]), x)),
    ],
    "q_sample": [
        (
            "product-of-beta",
            lambda s, x, t, e: (
                v(r(torch.cumprod(s.beta, 0)[t]), x) * x + v(r(1 - torch.cumprod(s.beta, 0)[t]), x) * e
            ),
        ),
        (
            "product-of-alpha-bar",
            lambda s, x, t, e: (
                v(r(torch.cumprod(s.alpha_bar, 0)[t]), x) * x
                + v(r(1 - torch.cumprod(s.alpha_bar, 0)[t]), x) * e
            ),
        ),
        ("beta-tilde-for-variance", qs(lambda s, t: r(ab(s, t)), lambda s, t: r(s.beta_tilde[t]))),
        ("plus-in-root", qs(lambda s, t: r(ab(s, t)), lambda s, t: r(1 + ab(s, t)))),
        ("signal-squared", qs(lambda s, t: ab(s, t) ** 2, lambda s, t: r(1 - ab(s, t)))),
        (
            "one-noise-for-all",
            lambda s, x, t, e: (
                [r(s.alpha_bar[t[i]]) * x[i] + r(1 - s.alpha_bar[t[i]]) * e[0] for i in range(len(x))]
                and torch.stack(
                    [r(s.alpha_bar[t[i]]) * x[i] + r(1 - s.alpha_bar[t[i]]) * e[0] for i in range(len(x))]
                )
            ),
        ),
        ("t-over-T", qs(lambda s, t: 1 - t / s.T, lambda s, t: t / s.T)),
        ("t-over-T", qs(lambda s, t: r(1 - t / s.T), lambda s, t: r(t / s.T))),
        (
            "sum-for-product",
            lambda s, x, t, e: (
                v(1 - s.beta.cumsum(0)[t], x).clamp(min=0).sqrt() * x
                + v(s.beta.cumsum(0)[t], x).clamp(max=1).sqrt() * e
            ),
        ),
    ],
    "q_posterior": [
        ("wrong-var", qp(good, lambda s, t: (1 - ab(s, t)) / (1 - abp(s, t) + 1e-12) * be(s, t))),
        (
            "factor-of-xt",
            qp(coef(C0, lambda s, t: r(al(s, t)) * (1 - ab(s, t)) / (1 - abp(s, t)).clamp(min=1e-09))),
        ),
        ("beta-for-alpha", qp(coef(C0, lambda s, t: r(1 - al(s, t)) * (1 - abp(s, t)) / (1 - ab(s, t))))),
        ("alpha-for-beta", qp(coef(lambda s, t: r(abp(s, t)) * al(s, t) / (1 - ab(s, t)), CT))),
        (
            "no-xt",
            lambda s, x0, xt, t: (ld.q_sample(s, x0, t - 1, torch.zeros_like(x0)), v(s.beta_tilde[t], xt)),
        ),
        (
            "one-minus-alpha-bar-variance",
            lambda s, x0, xt, t: (good(s, x0, xt, t), v(1 - s.alpha_bar[t - 1], xt)),
        ),
        (
            "off-by-one",
            qp(
                coef(
                    lambda s, t: (
                        r(ab(s, (t - 2).clamp(min=0))) * be(s, t - 1) / (1 - ab(s, t - 1)).clamp(min=1e-09)
                    ),
                    lambda s, t: (
                        r(al(s, t - 1))
                        * (1 - ab(s, (t - 2).clamp(min=0)))
                        / (1 - ab(s, t - 1)).clamp(min=1e-09)
                    ),
                )
            ),
        ),
        ("wrong-var", lambda s, x0, xt, t: (good(s, x0, xt, t), v(s.beta_tilde[t - 1], xt))),
        (
            "wrong-sign",
            lambda s, x0, xt, t: (v(C0(s, t), xt) * x0 - v(CT(s, t), xt) * xt, v(s.beta_tilde[t], xt)),
        ),
    ],
    "predict_x0": [
        ("not-solved", lambda s, x, t, e: v(r(ab(s, t)), x) * x - v(r(1 - ab(s, t)), x) * e),
        ("arguments-swapped", lambda s, x, t, e: (e - v(r(1 - ab(s, t)), x) * x) / v(r(ab(s, t)), x)),
        ("wrong-sign", lambda s, x, t, e: (v(r(1 - ab(s, t)), x) * e - x) / v(r(ab(s, t)), x)),
        ("p-mean-noise", lambda s, x, t, e: (x - v(be(s, t) / r(1 - ab(s, t)), x) * e) / v(r(ab(s, t)), x)),
        ("constant-factor", lambda s, x, t, e: (x - v(r(1 - ab(s, t)), x) * e) / v(r(ab(s, t)), x) / 2),
        ("alpha-for-alpha-bar", lambda s, x, t, e: (x - v(r(1 - ab(s, t)), x) * e) / v(r(al(s, t)), x)),
        ("noised-again", lambda s, x, t, e: v(r(ab(s, t)), x) * x + v(r(1 - ab(s, t)), x) * e),
        (
            "factor-of-xt+factor-of-eps_hat",
            lambda s, x, t, e: (x - v(r(1 - ab(s, t)), x) * e) / v(r(ab(s, t)) + 0.01, x),
        ),
        ("alpha-for-alpha-bar", lambda s, x, t, e: (x - v(r(1 - al(s, t)), x) * e) / v(r(ab(s, t)), x)),
        ("root-missing-one-minus", lambda s, x, t, e: (x - v(1 - r(ab(s, t)), x) * e) / v(r(ab(s, t)), x)),
    ],
    "p_mean": [
        ("one-minus-missing", lambda s, x, t, e: (x - v(be(s, t) / r(ab(s, t)), x) * e) / v(r(al(s, t)), x)),
        (
            "factor-of-eps_hat",
            lambda s, x, t, e: (x - v(be(s, t) / r(1 - ab(s, t - 1) + 1e-12), x) * e) / v(r(al(s, t)), x),
        ),
        (
            "noise-multiplied",
            lambda s, x, t, e: (x - v(be(s, t) * r(1 - ab(s, t)), x) * e) / v(r(al(s, t)), x),
        ),
        ("beta-in-front", lambda s, x, t, e: (x - v(be(s, t) / r(1 - ab(s, t)), x) * e) / v(r(be(s, t)), x)),
        (
            "off-by-one",
            lambda s, x, t, e: (
                (x - v(be(s, t - 1) / r(1 - ab(s, t - 1)).clamp(min=1e-06), x) * e) / v(r(al(s, t - 1)), x)
            ),
        ),
        ("noise-unscaled", lambda s, x, t, e: (x - e) / v(r(al(s, t)), x)),
        (
            "clamped",
            lambda s, x, t, e: ((x - v(be(s, t) / r(1 - ab(s, t)), x) * e) / v(r(al(s, t)), x)).clamp(-1, 1),
        ),
        ("eps-for-x0-hat", lambda s, x, t, e: ld.q_posterior(s, e, x, t)[0]),
        (
            "arguments-swapped",
            lambda s, x, t, e: (e - v(be(s, t) / r(1 - ab(s, t)), x) * x) / v(r(al(s, t)), x),
        ),
        (
            "root-of-difference",
            lambda s, x, t, e: (x - v((1 - al(s, t)) / (1 - r(ab(s, t))), x) * e) / v(r(al(s, t)), x),
        ),
        (
            "numerator-brackets",
            lambda s, x, t, e: (x - v(1 - al(s, t) / r(1 - ab(s, t)), x) * e) / v(r(al(s, t)), x),
        ),
        (
            "arguments-swapped",
            lambda s, x, t, e: (
                v(r(abp(s, t)) * be(s, t) / (1 - ab(s, t)), x) * x
                + v(r(al(s, t)) * (1 - abp(s, t)) / (1 - ab(s, t)), x) * e
            ),
        ),
    ],
    "normal_kl": [
        ("arguments-reversed", lambda a, v1, b, v2: 0.5 * (L(v2 / v1) + v2 / v1 + (a - b) ** 2 / v1 - 1)),
        ("second-ignored", lambda a, v1, b, v2: -0.5 * (1 + L(v1) - a**2 - v1)),
        ("log-of-difference", lambda a, v1, b, v2: 0.5 * (L(v2 - v1) + v1 / v2 + (a - b) ** 2 / v2 - 1)),
        ("wrong-shape", lambda a, v1, b, v2: F.kl_div(a, b)),
        ("ratio-subtracted", lambda a, v1, b, v2: 0.5 * (L(v2) - L(v1) + v1 - v2 + (a - b) ** 2 / v2 - 1)),
        ("variance-squared", lambda a, v1, b, v2: 0.5 * (L(v2 / v1) + v1 / v2 + ((a - b) / v2) ** 2 - 1)),
        ("squared-apart", lambda a, v1, b, v2: 0.5 * (L(v2 / v1) + v1 / v2 + (a**2 - b**2) / v2 - 1)),
        ("minus-one-outside", lambda a, v1, b, v2: 0.5 * (L(v2 / v1) + v1 / v2 + (a - b) ** 2 / v2) - 1),
        ("minus-one-outside", lambda a, v1, b, v2: 0.5 * L(v2 / v1) + (v1 + (a - b) ** 2) / (2 * v2) - 1),
    ],
    "eps_loss": [
        ("not-squared", lambda m, s, x, t, e: (m(Q(s, x, t, e), t) - e).mean() ** 2),
        ("output-scaled", lambda m, s, x, t, e: F.mse_loss(m(Q(s, x, t, e), t) * v(r(1 - ab(s, t)), x), e)),
        ("target-x0", lambda m, s, x, t, e: F.mse_loss(Q(s, x, t, e) - m(Q(s, x, t, e), t), x)),
        ("negated", lambda m, s, x, t, e: -F.mse_loss(m(Q(s, x, t, e), t), e)),
        ("wrong-arguments", lambda m, s, x, t, e: F.mse_loss(m(Q(s, x, t, e)), e)),
        (
            "x0-error",
            lambda m, s, x, t, e: F.mse_loss(ld.predict_x0(s, Q(s, x, t, e), t, m(Q(s, x, t, e), t)), x),
        ),
        ("constant-t", lambda m, s, x, t, e: F.mse_loss(m(Q(s, x, t, e), torch.zeros_like(t) + s.T), e)),
        (
            "direction-only",
            lambda m, s, x, t, e: (
                1 - F.cosine_similarity(m(Q(s, x, t, e), t).flatten(1), e.flatten(1))
            ).mean(),
        ),
    ],
    "timestep_embedding": [
        ("wrong-base", emb(lambda d: torch.exp(-math.log10(10000) * torch.arange(d // 2) / (d // 2)))),
        ("no-waves", emb(w0, join=lambda a: torch.cat([a, a], 1))),
        ("wrong-shape", emb(w0, join=lambda a: torch.stack([a.sin(), a.cos()], -1))),
        (
            "waves-along-batch",
            lambda t, d: (
                lambda E: (
                    E.__setitem__(slice(0, None, 2), E[::2].sin()),
                    E.__setitem__(slice(1, None, 2), E[1::2].cos()),
                    E,
                )[2]
            )((t[:, None].float() * torch.exp(-math.log(10000) * torch.arange(d) / d)).clone()),
        ),
        (
            "first-t-for-all",
            lambda t, d: torch.cat([(t[0] * w0(d)).sin(), (t[0] * w0(d)).cos()])[None].repeat(len(t), 1),
        ),
        ("negated", lambda t, d: torch.cat([(t[:, None] * w0(d)).sin(), -(t[:, None] * w0(d)).cos()], 1)),
        (
            "scaled",
            lambda t, d: (
                torch.cat([(t[:, None] * w0(d)).sin(), (t[:, None] * w0(d)).cos()], 1) * math.sqrt(d)
            ),
        ),
        ("no-waves", lambda t, d: (t[:, None] * torch.ones(d)).float()),
        (
            "place-for-t",
            lambda t, d: torch.cat(
                [
                    (torch.arange(len(t)).float()[:, None] * w0(d)).sin(),
                    (torch.arange(len(t)).float()[:, None] * w0(d)).cos(),
                ],
                1,
            ),
        ),
    ],
    "p_step": [
        ("one-minus-alpha-bar-variance", PS(sig=lambda s, t: (1 - s.alpha_bar[t - 1]).sqrt())),
        ("alpha-for-beta-variance", PS(sig=lambda s, t: s.alpha[t].sqrt())),
        ("returns-difference", PS(mean=lambda s, x, t, e: x - e)),
        ("eps-for-x0-hat", PS(mean=lambda s, x, t, e: ld.q_posterior(s, e, x, many(t, x))[0])),
        ("model-gets-T-minus-t", PS(mt=lambda t, x, s: many(s.T - t + 1, x))),
        ("missing-root-x0", ps_ermon),
        ("off-by-one", lambda m, s, x, t, z: PS()(m, s, x, t - 1, z) if t > 1 else x),
        (
            "only-noise",
            lambda m, s, x, t, z: (
                ld.q_posterior(s, ld.predict_x0(s, x, many(t, x), m(x, many(t, x))), x, many(t, x))[1].sqrt()
                * z
            ),
        ),
    ],
    "ddim_step": [
        ("alpha-for-alpha-bar", DD(a=lambda s, t: s.alpha[t])),
        ("returns-difference", DD(x0f=lambda x, e, a: x - e)),
        ("bracket-missing", DD(x0f=lambda x, e, a: x / a.sqrt() - (1 - a).sqrt() * e)),
        ("linear-mix", DD(dirf=lambda b: 1 - b.sqrt())),
        (
            "bracket-missing",
            lambda m, s, x, t, tp: (
                r(ab(s, tp) / ab(s, t)) * x
                + (r(1 - ab(s, tp)) - r(ab(s, tp) * (1 - ab(s, t)))) * m(x, many(t, x))
            ).to(x.dtype),
        ),
        (
            "calls-model-on-x0-hat",
            lambda m, s, x, t, tp: (
                lambda x0: (r(ab(s, tp)) * x0 + r(1 - ab(s, tp)) * m(x0, many(t, x))).to(x.dtype)
            )(ld.predict_x0(s, x, many(t, x), m(x, many(t, x)))),
        ),
    ],
    "guided_eps": [
        ("sign-of-none", lambda u, c, w: w * c + (w - 1) * u),
        ("divided-by-scale", lambda u, c, w: (u + w * (c - u)) / w if w else u),
        ("scale-on-none", lambda u, c, w: w * u + c),
        ("weights-not-one", lambda u, c, w: c - w * u),
        ("weights-not-one", lambda u, c, w: w * c - u),
        ("guided-twice", lambda u, c, w: c + (w + 1) * (c - u)),
        ("multiplied", lambda u, c, w: u * c * w),
        ("difference-missing+halved", lambda u, c, w: u + c * w / 2),
    ],
    "inpaint_step": [
        ("mask-ignored", IP(comb=lambda k, x, x0, m: k + x)),
        ("halved", IP(comb=lambda k, x, x0, m: 0.5 * (m * k + (1 - m) * x))),
        ("noise-everywhere", lambda s, x, x0, m, t, e: ld.q_sample(s, m * x0, t - 1, e) + (1 - m) * x),
        ("factor-of-x0+factor-of-eps", lambda s, x, x0, m, t, e: m * (x0 + e) + (1 - m) * x),
        ("level-T", lambda s, x, x0, m, t, e: m * ld.q_sample(s, x0, s.T, e) + (1 - m) * x),
        ("rest-from-x0", lambda s, x, x0, m, t, e: m * ld.q_sample(s, x0, t - 1, e) + (1 - m) * x0),
    ],
    "interpolate": [
        (
            "one-minus-missing",
            SL(f=lambda a, b, w, th: (torch.sin(1 - w * th) * a + torch.sin(w * th) * b) / torch.sin(th)),
        ),
        ("no-angle", SL(ang=torch.cos)),
        ("no-angle", SL(ang=torch.sin)),
        ("only-a", SL(f=lambda a, b, w, th: torch.sin((1 - w) * th) / torch.sin(th) * a)),
        (
            "divided-by-cosine",
            SL(f=lambda a, b, w, th: (torch.sin((1 - w) * th) * a + torch.sin(w * th) * b) / torch.cos(th)),
        ),
        ("circle", SL(f=lambda a, b, w, th: torch.cos(w * th) * a + torch.sin(w * th) * b)),
        ("norms-added", SL(cos=lambda a, b: dt(a, b) / (nb(a) + nb(b)))),
        ("batch-angle", SL(cos=lambda a, b: dt(a, b) / (a.norm() * b.norm()))),
        ("w-ignored", lambda a, b, w: (a + b) / 2),
        ("geometric", lambda a, b, w: a * (b / a) ** w),
        (
            "wrong-sign",
            SL(f=lambda a, b, w, th: (torch.sin((1 - w) * th) * a - torch.sin(w * th) * b) / torch.sin(th)),
        ),
        (
            "unit-length",
            SL(
                f=lambda a, b, w, th: (
                    (torch.sin((1 - w) * th) * a + torch.sin(w * th) * b)
                    / torch.sin(th)
                    / nb((torch.sin((1 - w) * th) * a + torch.sin(w * th) * b) / torch.sin(th))
                )
            ),
        ),
        ("half-angle", SL(ang=lambda c: torch.acos(c) / 2)),
    ],
    "flow_velocity": [
        ("noise-scaled", FV(lambda x, u, e: (1 - u) * e - x)),
        ("x0-not-solved", FV(lambda x, u, e: e - x / (1 - u))),
        ("tau-missing", FV(lambda x, u, e: e - (x - e) / (1 - u))),
        ("plus-for-minus", FV(lambda x, u, e: (e - x) / (1 + u))),
        ("factor-of-x_tau+factor-of-eps_hat", FV(lambda x, u, e: (e - x) / (1 - u + 0.01))),
        ("root-of-tau", FV(lambda x, u, e: e - (x - u * e) / (1 - u).sqrt())),
        ("path-for-velocity", FV(lambda x, u, e: u * e - (1 - u) * x)),
        ("path-for-velocity", FV(lambda x, u, e: (1 - u) * e - u * x)),
        ("plus-for-minus", FV(lambda x, u, e: e - (x + u * e) / (1 - u))),
        ("x0-not-solved", FV(lambda x, u, e: e - (1 - u) * x)),
        ("clamped", FV(lambda x, u, e: ((e - x) / (1 - u)).clamp(-1, 1))),
        ("returns-x", FV(lambda x, u, e: x)),
        ("ends-swapped+x0-not-solved", FV(lambda x, u, e: (x - (1 - u) * e) / u)),
        ("factor-of-x_tau+factor-of-eps_hat", FV(lambda x, u, e: (e - x) / u.clamp(min=0.001))),
        ("root-of-tau", FV(lambda x, u, e: e - (x - u.sqrt() * e) / (1 - u).sqrt())),
        ("multiplied", FV(lambda x, u, e: (e - x) / (1 - u) * -u)),
        ("bracket-missing", FV(lambda x, u, e: e / (1 - u) - x)),
    ],
}

WRONG_AGAIN = {
    "alpha_bar": [
        ("unscaled-betas", lambda b: torch.cumprod(1 - torch.linspace(1e-4, 0.02, len(b)), 0)),
        ("low-precision", lambda b: torch.cumprod(1 - b.half(), 0)),
        ("root-returned", lambda b: torch.cumprod((1 - b).sqrt(), 0)),
        ("power-for-product", lambda b: (1 - b) ** torch.arange(len(b))),
    ],
    "q_sample": [
        ("rescales-x0", lambda s, x, t, e: v(r(ab(s, t)), x) * (2 * x - 1) + v(r(1 - ab(s, t)), x) * e),
        ("rescales-x0", lambda s, x, t, e: v(r(ab(s, t)), x) * (x + 1) / 2 + v(r(1 - ab(s, t)), x) * e),
        ("bracket-missing", lambda s, x, t, e: v(ab(s, t), x) ** 0.5 * x + 1 - v(ab(s, t), x) ** 0.5 * e),
        ("t-0-noised", qs(lambda s, t: r(ab(s, t)), lambda s, t: r(1 - ab(s, t)), lambda t: t.clamp(min=1))),
        (
            "low-precision",
            lambda s, x, t, e: qs(lambda s, t: r(ab(s, t)), lambda s, t: r(1 - ab(s, t)))(s, x, t, e).half(),
        ),
    ],
    "normal_kl": [
        (
            "log-variance",
            lambda a, v1, b, v2: 0.5 * (-1 + v2 - v1 + torch.exp(v1 - v2) + (a - b) ** 2 * torch.exp(-v2)),
        ),
        ("symmetric", lambda a, v1, b, v2: (v1 / v2 + v2 / v1 + (a - b) ** 2 * (1 / v1 + 1 / v2) - 2) / 4),
        ("entropy-missing", lambda a, v1, b, v2: F.gaussian_nll_loss(a, b, v2, full=True, reduction="none")),
        ("variances-added", lambda a, v1, b, v2: 0.5 * (L(v2 / v1) + v1 / v2 + (a - b) ** 2 / (v1 + v2) - 1)),
    ],
    "eps_loss": [
        ("target-score", lambda m, s, x, t, e: F.mse_loss(m(Q(s, x, t, e), t), -e / v(r(1 - ab(s, t)), x))),
        (
            "weighted",
            lambda m, s, x, t, e: (
                (m(Q(s, x, t, e), t) - e) ** 2 * v((5 * (1 - ab(s, t)) / ab(s, t)).clamp(max=1), x)
            ).mean(),
        ),
        (
            "first-t-for-all",
            lambda m, s, x, t, e: F.mse_loss(
                m(Q(s, x, torch.full_like(t, t[0].item()), e), torch.full_like(t, t[0].item())), e
            ),
        ),
    ],
    "timestep_embedding": [
        ("t-scaled", emb(w0, arg=lambda t, w: 1000 * t[:, None] * w)),
        ("powers-of-two", emb(lambda d: 2.0 ** -torch.arange(d // 2))),
        ("frequencies-linear", emb(lambda d: 1 - torch.arange(d // 2) / (d // 2))),
        ("frequencies-are-1", emb(lambda d: 10000.0 ** -(torch.arange(d // 2) // (d // 2)))),
        ("squared", emb(w0, join=lambda a: torch.cat([a.sin() ** 2, a.cos() ** 2], 1))),
    ],
    "guided_eps": [
        (
            "rescaled",
            lambda u, c, w: (
                (u + w * (c - u))
                * (c.flatten(1).norm(dim=1) / (u + w * (c - u)).flatten(1).norm(dim=1)).view(
                    -1, *[1] * (u.ndim - 1)
                )
            ),
        ),
        (
            "rescaled",
            lambda u, c, w: (lambda g: 0.7 * g * each_std(c) / each_std(g) + 0.3 * g)(u + w * (c - u)),
        ),
        ("distance-for-difference", lambda u, c, w: u + w * (c - u).abs()),
        ("unit-difference", lambda u, c, w: u + w * (c - u) / nb(c - u)),
        ("multiplied", lambda u, c, w: u * (c - u) * w),
        ("low-precision", lambda u, c, w: (u + w * (c - u)).half()),
        ("clamped", lambda u, c, w: u + w * torch.clip(c - u, -1, 1)),
        ("sign-of-difference", lambda u, c, w: u.add((c - u).sign(), alpha=w)),
        ("in-place", lambda u, c, w: u.add_(c - u, alpha=w)),
    ],
    "inpaint_step": [
        ("x-prev-at-t-1", lambda s, x, x0, m, t, e: m * Q(s, x0, t - 1, e) + (1 - m) * x if t > 1 else x),
        ("x0-at-t-1", lambda s, x, x0, m, t, e: m * Q(s, x0, t - 1, e) + (1 - m) * x if t > 1 else x0),
        ("first-mask-for-all", lambda s, x, x0, m, t, e: torch.where(m[:1] > 0, Q(s, x0, t - 1, e), x)),
        ("noises-x-prev", lambda s, x, x0, m, t, e: m * Q(s, x0, t - 1, e) + (1 - m) * (x + e)),
        ("only-noise", lambda s, x, x0, m, t, e: torch.where(m > 0, e, x)),
        ("rest-is-noise", lambda s, x, x0, m, t, e: m * Q(s, x0, t - 1, e) + (1 - m) * e),
        ("clamped", lambda s, x, x0, m, t, e: m * Q(s, x0, t - 1, e).clamp(-1, 1) + (1 - m) * x),
        ("inverted-mask", lambda s, x, x0, m, t, e: torch.where(m == 0, Q(s, x0, t - 1, e), x)),
        (
            "alpha-for-alpha-bar",
            lambda s, x, x0, m, t, e: m * ld.q_step(s, x0, torch.full((len(x0),), t), e) + (1 - m) * x,
        ),
    ],
    "interpolate": [
        (
            "not-divided",
            SL(f=lambda a, b, w, th: torch.sin((1 - w) * th) * a + torch.sin(w * th) * b / torch.sin(th)),
        ),
        (
            "not-divided",
            SL(f=lambda a, b, w, th: torch.sin((1 - w) * th) / torch.sin(th) * a + torch.sin(w * th) * b),
        ),
        (
            "unit-length",
            SL(
                f=lambda a, b, w, th: (
                    (torch.sin((1 - w) * th) * a / nb(a) + torch.sin(w * th) * b / nb(b))
                    / torch.sin(th)
                    * nb(a)
                )
            ),
        ),
        (
            "unit-length",
            SL(
                f=lambda a, b, w, th: (
                    (torch.sin((1 - w) * th) * a / nb(a) + torch.sin(w * th) * b / nb(b))
                    / torch.sin(th)
                    * ((1 - w) * nb(a) + w * nb(b))
                )
            ),
        ),
        ("root-weights", lambda a, b, w: math.sqrt(1 - w * w) * a + w * b),
        ("linear-rescaled", lambda a, b, w: torch.lerp(a, b, w) / torch.lerp(a, b, w).std()),
        ("linear-rescaled", lambda a, b, w: F.normalize(torch.lerp(a, b, w).flatten(1)).view_as(a)),
        ("linear", lambda a, b, w: a + w * (a - b)),
        (
            "divided-twice",
            SL(
                f=lambda a, b, w, th: (
                    (torch.sin((1 - w) * th) * a + torch.sin(w * th) * b) / (1 - torch.cos(th) ** 2)
                )
            ),
        ),
        (
            "multiplied",
            SL(f=lambda a, b, w, th: (torch.sin((1 - w) * th) * a + torch.sin(w * th) * b) * torch.sin(th)),
        ),
        ("no-sine", SL(f=lambda a, b, w, th: ((1 - w) * th * a + w * th * b) / torch.sin(th))),
        ("shortest-path", lambda a, b, w: SL()(a, torch.where(dt(a, b) < 0, -b, b), w)),
        ("shortest-path", SL(cos=lambda a, b: (dt(a, b) / (nb(a) * nb(b))).abs())),
        (
            "centred",
            SL(cos=lambda a, b: (lambda p, q: dt(p, q) / (nb(p) * nb(q)))(a - a.mean(), b - b.mean())),
        ),
        ("switched", lambda a, b, w: a if w < 0.5 else b),
        ("pixel-angle", SL(cos=lambda a, b: F.cosine_similarity(a, b, dim=-1)[..., None])),
    ],
    "flow_velocity": [
        ("plus-for-minus", FV(lambda x, u, e: e + (x - u * e) / (1 - u))),
        ("mean-tau", lambda x, u, e: (e - x) / (1 - u.mean())),
        ("x-not-subtracted", FV(lambda x, u, e: e / (1 - u))),
        ("no-noise", FV(lambda x, u, e: x / (1 - u))),
        ("square-of-tau", FV(lambda x, u, e: (e - x) / (1 - u**2))),
        ("x0-not-solved", FV(lambda x, u, e: e - (x - u * e) * (1 - u))),
        ("multiplied", FV(lambda x, u, e: (e - u * x) / (1 - u))),
        ("constant-factor", FV(lambda x, u, e: 1000 * (e - x) / (1 - u))),
        ("in-place", FV(lambda x, u, e: e.sub_(x) / (1 - u))),
    ],
}
WRONG = {name: entries + WRONG_AGAIN.get(name, []) for name, entries in WRONG.items()}


# one gradient step and its neighbours
def step_in(**parts):
    """A training step with its loss, its t, its target or its update changed."""

    def training_step(model, optimizer, s, x0, generator):
        draw_t = parts.get("t", lambda: torch.randint(1, s.T + 1, (len(x0),), generator=generator))
        t, eps = draw_t(), torch.randn(x0.shape, generator=generator)
        target = parts.get("target", lambda s, x0, t, eps: eps)(s, x0, t, eps)
        told = parts.get("told", lambda s, t: t)(s, t)
        loss = parts.get("loss", F.mse_loss)(model(Q(s, x0, t, eps), told), target)
        optimizer.zero_grad()
        parts.get("backward", lambda loss: loss)(loss).backward()
        optimizer.step()
        return parts.get("result", lambda loss: loss.item())(loss)

    return training_step


def times(n):
    return lambda *args: [step_in()(*args) for _ in range(n)][-1]


def through_all_levels(model, optimizer, s, x0, generator):
    for t in range(1, s.T + 1):
        eps = torch.randn(x0.shape, generator=generator)
        level = torch.full((len(x0),), t)
        loss = F.mse_loss(model(Q(s, x0, level, eps), level), eps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def all_levels_in_one_loss(model, optimizer, s, x0, generator):
    loss = 0
    for t in range(1, s.T + 1):
        eps = torch.randn(x0.shape, generator=generator)
        level = torch.full((len(x0),), t)
        loss = loss + F.mse_loss(model(Q(s, x0, level, eps), level), eps) / s.T
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def sample_after_sample(model, optimizer, s, x0, generator):
    for i in range(len(x0)):
        loss = step_in()(model, optimizer, s, x0[i : i + 1], generator)
    return loss


def without_gradients(model, optimizer, s, x0, generator):
    t, eps = (
        torch.randint(1, s.T + 1, (len(x0),), generator=generator),
        torch.randn(x0.shape, generator=generator),
    )
    with torch.no_grad():
        loss = F.mse_loss(model(Q(s, x0, t, eps), t), eps)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def of_continuous_time(model, optimizer, s, x0, generator):
    t, eps = torch.rand(len(x0), generator=generator), torch.randn(x0.shape, generator=generator)
    loss = F.mse_loss(model(v(1 - t, x0) * x0 + v(t, x0) * eps, t), eps - x0)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def too_short(begin, end):
    """alpha_bar by a loop with other ends."""

    def alpha_bar(beta):
        out, product = torch.ones_like(beta), 1.0
        for t in range(begin, len(beta) + end):
            product = product * (1 - beta[t])
            out[t] = product
        return out

    return alpha_bar


def eps_of(f):
    """A loss of x_t, the model's answer and eps."""
    return lambda m, s, x, t, e: f(m(Q(s, x, t, e), t), e, s, t)


ab_of = lambda b: torch.cumprod(1 - b, 0)

WRONG_MORE = {
    "alpha_bar": [
        ("last-entry-missing", lambda b: ab_of(b)[:-1]),
        ("loop-too-short", too_short(1, -1)),
        ("loop-too-short", too_short(2, 0)),
        ("clamped", lambda b: ab_of(b).clamp(1e-4, 0.9999)),
        ("sum-for-product", lambda b: (1 - b.cumsum(0)).clamp(min=0)),
        ("sum-for-product", lambda b: torch.exp(-0.5 * b.cumsum(0))),
        ("one-beta-for-all", lambda b: (1 - b.mean()) ** torch.arange(len(b))),
        ("minus-missing", lambda b: torch.cumprod(b - 1, 0)),
        ("noise-std", lambda b: (1 - ab_of(b)).sqrt()),
        ("average", lambda b: (1 - b).cumsum(0) / torch.arange(1, len(b) + 1)),
    ],
    "q_step": [
        ("mixes-samples", lambda s, x, t, e: r(1 - s.beta[t].mean()) * x + r(s.beta[t].mean()) * e),
        ("mixes-samples", lambda s, x, t, e: r(s.alpha[t.max()]) * x + r(s.beta[t.max()]) * e),
        ("one-number-for-noise", lambda s, x, t, e: v(r(al(s, t)), x) * x + v(r(be(s, t)), x) * e.mean()),
        ("signal-unscaled+variance-for-std", qs(lambda s, t: 0 * t + 1.0, be)),
    ],
    "q_sample": [
        ("clamped", lambda s, x, t, e: v(r(ab(s, t)), x) * x + v(r(1 - ab(s, t)), x) * e.clamp(-1, 1)),
        ("mixes-samples", lambda s, x, t, e: r(ab(s, t).mean()) * x + r(1 - ab(s, t).mean()) * e),
    ],
    "q_posterior": [
        (
            "mixes-samples",
            lambda s, x0, xt, t: (good(s, x0, xt, t), s.beta_tilde[t.max()].expand(len(t)).view(-1, 1, 1, 1)),
        )
    ],
    "predict_x0": [
        ("clamped", lambda s, x, t, e: ((x - v(r(1 - ab(s, t)), x) * e) / v(r(ab(s, t)), x)).clamp(-3, 3)),
        ("squashed", lambda s, x, t, e: ((x - v(r(1 - ab(s, t)), x) * e) / v(r(ab(s, t)), x)).tanh()),
        ("rescaled", lambda s, x, t, e: ((x - v(r(1 - ab(s, t)), x) * e) / v(r(ab(s, t)), x) + 1) / 2),
        ("not-finite", lambda s, x, t, e: v(r(1 / ab(s, t)), x) * x - v(r(1 / (ab(s, t) - 1)), x) * e),
    ],
    "normal_kl": [
        ("one-variance", lambda a, v1, b, v2: 0.5 * (v1 + (a - b) ** 2 - 1 - L(v1))),
        ("wrong-terms", lambda a, v1, b, v2: (a - b) ** 2 + (r(v1) - r(v2)) ** 2),
        ("wrong-terms", lambda a, v1, b, v2: 0.5 * (L(v2 / v1) + v1 + (a - b) ** 2 / v2 - 1)),
        ("symmetric", lambda a, v1, b, v2: 0.5 * (v1 / v2 + v2 / v1 - 2 + (a - b) ** 2 * (1 / v1 + 1 / v2))),
        ("half-missing", lambda a, v1, b, v2: 0.5 * L(v2 / v1) + (v1 + (a - b) ** 2) / v2 - 1),
    ],
    "eps_loss": [
        ("weighted", eps_of(lambda y, e, s, t: (v(t / s.T, e) * (y - e) ** 2).mean())),
        ("weighted", eps_of(lambda y, e, s, t: (v(ab(s, t), e) * (y - e) ** 2).mean())),
        ("weighted", eps_of(lambda y, e, s, t: ((y - e) ** 2 / v(1 - ab(s, t), e)).mean())),
        ("another-factor", eps_of(lambda y, e, s, t: F.mse_loss(y, e) / len(y))),
        ("another-factor", eps_of(lambda y, e, s, t: F.mse_loss(y, e) / s.T)),
        ("not-a-square", eps_of(lambda y, e, s, t: ((y - e) ** 4).mean())),
        ("not-a-square", eps_of(lambda y, e, s, t: torch.log(F.mse_loss(y, e)))),
        ("not-a-square", eps_of(lambda y, e, s, t: F.mse_loss(y, e) + F.l1_loss(y, e))),
        ("model-gets-alpha-bar", lambda m, s, x, t, e: F.mse_loss(m(Q(s, x, t, e), ab(s, t).float()), e)),
        ("model-gets-T-minus-t", lambda m, s, x, t, e: F.mse_loss(m(Q(s, x, t, e), s.T - t), e)),
        ("first-sample", eps_of(lambda y, e, s, t: F.mse_loss(y[0], e[0]))),
        (
            "target-mean",
            lambda m, s, x, t, e: F.mse_loss(m(Q(s, x, t, e), t), ld.q_posterior(s, x, Q(s, x, t, e), t)[0]),
        ),
    ],
    "timestep_embedding": [
        ("low-precision", lambda t, d: emb(w0)(t, d).half().float()),
        ("low-precision", lambda t, d: emb(w0)(t, d).bfloat16()),
        ("low-precision", emb(w0, join=lambda a: torch.cat([a.cos(), a.sin()], 1).half())),
        ("places", lambda t, d: emb(w0)(t, d).T.reshape(len(t), d)),
        ("other-frequencies", emb(lambda d: 500_000.0 ** (-torch.arange(d // 2) / (d // 2)))),
        ("other-angle", emb(w0, arg=lambda t, w: (t**2)[:, None] * w)),
        ("beyond-1", emb(w0, join=lambda a: torch.cat([a.sin() + a.cos(), a.cos() - a.sin()], 1))),
        ("wrong-cosines", emb(w0, join=lambda a: torch.cat([a.sin(), (a + 1).cos()], 1))),
        ("column-constant", emb(w0, join=lambda a: torch.cat([a.sin(), torch.ones_like(a)], 1))),
        ("wrong-base", emb(lambda d: 1e6 ** (-torch.arange(d // 2) / (d // 2)))),
        ("wrong-base", emb(lambda d: torch.exp(-math.log2(10000) * torch.arange(d // 2) / (d // 2)))),
        ("t-scaled", emb(w0, arg=lambda t, w: torch.log(t)[:, None] * w)),
        ("off-by-one", emb(w0, arg=lambda t, w: (t + 1)[:, None] * w)),
        ("one-hot", lambda t, d: ((t[:, None] >> torch.arange(d)) & 1).float()),
        ("other-function", emb(w0, join=lambda a: torch.cat([a.sigmoid(), a.tanh()], 1))),
        (
            "t-not-used",
            lambda t, d: torch.cat([(t[:, None] * w0(d)).sin(), w0(d).cos().expand(len(t), -1)], 1),
        ),
    ],
    "training_step": [
        ("several-updates", times(2)),
        ("several-updates", through_all_levels),
        ("several-updates", sample_after_sample),
        ("several-batches", all_levels_in_one_loss),
        ("another-factor", step_in(loss=lambda a, b: F.mse_loss(a, b) / len(a))),
        ("another-factor", step_in(loss=lambda a, b: 0.5 * ((a - b) ** 2).sum())),
        ("another-factor", step_in(backward=lambda loss: loss / 4)),
        ("halved", step_in(loss=lambda a, b: F.mse_loss(a, b) / 2)),
        ("no-gradient", without_gradients),
        ("t-not-whole", of_continuous_time),
        ("target-scaled", step_in(target=lambda s, x0, t, eps: 2 * eps)),
        ("target-absolute", step_in(target=lambda s, x0, t, eps: eps.abs())),
        ("t-not-whole", step_in(told=lambda s, t: s.alpha_bar[t].float())),
        ("model-gets-T-minus-t", step_in(told=lambda s, t: s.T - t)),
        ("wrong-sign", step_in(target=lambda s, x0, t, eps: -eps)),
        ("target-score", step_in(target=lambda s, x0, t, eps: -eps / v(r(1 - ab(s, t)), eps))),
        ("not-reduced", step_in(loss=lambda a, b: (a - b) ** 2)),
        ("wrong-type", step_in(result=lambda loss: (loss.item(), 0.0))),
        ("wrong-type", step_in(result=lambda loss: f"{loss.item():.3f}")),
    ],
    "p_step": [
        ("x0-hat-changed", PS(mean=lambda s, x, t, e: with_x0_hat(s, x, t, e, torch.tanh))),
        (
            "factor-of-z",
            PS(
                mean=lambda s, x, t, e: with_x0_hat(s, x, t, e, clamped),
                sig=lambda s, t: 2 * s.beta[t].sqrt(),
            ),
        ),
        ("renoised", lambda m, s, x, t, z: Q(s, ld.predict_x0(s, x, many(t, x), m(x, many(t, x))), t - 1, z)),
        ("factor-of-z", PS(sig=lambda s, t: s.beta[t] ** 0.25)),
        ("factor-of-xt+factor-of-eps_hat", PS(mean=lambda s, x, t, e: (2 - r(al(s, t))) * x - be(s, t) * e)),
        ("one-number-for-noise", PS(z_=lambda z, t: z.mean() if t > 1 else 0 * z)),
        ("constant-t", PS(mt=lambda t, x, s: many(0, x))),
        ("clamped", lambda m, s, x, t, z: PS()(m, s, x, t, z).clamp(*((-1, 1) if t == 1 else (-99, 99)))),
    ],
    "ddim_step": [
        ("factor-of-eps_hat", DD(dirf=lambda b: (1 + b).sqrt())),
        ("factor-of-eps_hat", DD(dirf=lambda b: (1 - b.sqrt()).sqrt())),
        ("factor-of-eps_hat", DD(x0f=lambda x, e, a: x / a.sqrt())),
        ("off-by-one", DD(p=lambda s, t, tp: s.alpha_bar[tp + 1])),
        ("only-noise", DD(sc=lambda b: 0 * b)),
        (
            "roots-missing",
            DD(x0f=lambda x, e, a: (x - (1 - a) * e) / a, sc=lambda b: b, dirf=lambda b: 1 - b),
        ),
    ],
    "guided_eps": [
        ("mixes-samples", lambda u, c, w: u + w * (c - u)[:1]),
        ("squared-difference", lambda u, c, w: u + w * (c - u) ** 2),
        ("bracket", lambda u, c, w: (u + w) * (c - u)),
    ],
    "inpaint_step": [
        ("x0-everywhere", lambda s, x, x0, m, t, e: Q(s, x0, t - 1, e) + (1 - m) * x),
        ("wrong-sign", lambda s, x, x0, m, t, e: m * Q(s, x0, t - 1, e) - (1 - m) * x),
        ("one-mask-for-all", lambda s, x, x0, m, t, e: m.mean() * Q(s, x0, t - 1, e) + (1 - m.mean()) * x),
    ],
    "interpolate": [
        ("factor-of-a+factor-of-b", lambda a, b, w: SL()(a, b, w**2)),
        ("no-norms", SL(cos=lambda a, b: dt(a, b).clamp(1e-6 - 1, 1 - 1e-6))),
        ("factor-of-a+factor-of-b", SL(ang=lambda c: 2 * torch.acos(c))),
        ("mixes-samples", SL(cos=lambda a, b: (dt(a, b) / (nb(a) * nb(b))).mean())),
    ],
    "flow_velocity": [
        ("mixes-samples", lambda x, u, e: (e - x) / (1 - u.max())),
        ("clamped", FV(lambda x, u, e: e - ((x - u * e) / (1 - u)).clamp(-1, 1))),
        ("bracket-missing", FV(lambda x, u, e: (e - x) / 1 - u)),
        ("score", FV(lambda x, u, e: -e / u)),
    ],
}
WRONG = {
    name: WRONG.get(name, []) + entries for name, entries in ({n: [] for n in WRONG} | WRONG_MORE).items()
}


def squeezed(x):
    s = x.flatten(1).abs().quantile(0.9, dim=1).clamp(min=1).view(-1, *[1] * (x.ndim - 1))
    return torch.minimum(torch.maximum(x, -s), s) / s


# what no catalogue has: (words of the feedback, function), read off from the factors of the arguments
NAMED_BY_FACTORS = {
    "guided_eps": [
        (r"one of eps_label and eps_none", lambda u, c, w: torch.where(c.abs() > u.abs(), c, u)),
        (r"k = scale\^1.5,", lambda u, c, w: u + w**1.5 * (c - u)),
        (r"difference .* you take its tanh", lambda u, c, w: u + w * torch.tanh(c - u)),
        (r"difference .* cut off at -0.7 and 0.7", lambda u, c, w: u + w * (c - u).clamp(-0.7, 0.7)),
        (r"dynamic thresholding", lambda u, c, w: squeezed(u + w * (c - u))),
        (r"-scale \(mean of eps_none over everything\)", lambda u, c, w: u + w * (c - u.mean())),
        (
            r"depend on the numbers: look for a length",
            lambda u, c, w: u / nb(u) + w * (c / nb(c) - u / nb(u)),
        ),
        (r"k = int\(scale\)", lambda u, c, w: u + int(w) * (c - u)),
        (r"k = round\(scale\)", lambda u, c, w: u + round(w) * (c - u)),
        (r"k = max\(scale, 1\)", lambda u, c, w: u + w * (c - u) if w > 1 else c),
        (r"k = \(scale where scale > 1, else 0\)", lambda u, c, w: u + w * (c - u) if w > 1 else u),
        (r"k = 1 / scale,", lambda u, c, w: u + (c - u) / (w or 1)),
        (r"k = 0.1 scale,", lambda u, c, w: u + w / 10 * (c - u)),
        (r"k = 0.5 \+ scale,", lambda u, c, w: (u + c) / 2 + w * (c - u)),
        (r"k = exp\(scale\)", lambda u, c, w: u + math.exp(w) * (c - u)),
        (r"k = 7.5, whatever scale is", lambda u, c, w: u + 7.5 * (c - u)),
        (r"factor of eps_label is 1; right is scale", lambda u, c, w: (1 - w) * u + c),
        (r"factor of eps_none is -1 - scale,", lambda u, c, w: w * c - (w + 1) * u),
        (r"factor of eps_none is 0.5 scale", lambda u, c, w: w * (u + c) / 2),
        (r"differ from sample to sample", lambda u, c, w: u + w * ((c - u) - dt(c - u, c) / dt(c, c) * c)),
        (r"differ from sample to sample", lambda u, c, w: dt(u, c) / dt(u, u) * (1 - w) * u + w * c),
        (r"You add a number, scale, ", lambda u, c, w: u + w + (c - u)),
        (r"eps_none without its sign", lambda u, c, w: (1 - w) * u.abs() + w * c),
        (r"its mean over the batch", lambda u, c, w: u + w * (c - u).mean(0, keepdim=True)),
        (r"in reversed order", lambda u, c, w: u + w * (c.flip(0) - u)),
        (r"mean \(eps_label, scale, eps_none\)", lambda w, u, c: u + w * (c - u)),
    ],
    "inpaint_step": [
        (
            r"eps does not enter your result: another one changes nothing",
            lambda s, x, x0, m, t, e: IP()(
                s, x, x0, m, t, torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).to(x.dtype)
            ),
        ),
        (
            r"Your result is 0 for t = 1 where mask = 0; elsewhere",
            lambda s, x, x0, m, t, e: IP()(s, x * (t > 1), x0, m, t, e),
        ),
        (
            r"another alpha_bar .* with 1 - \(beta_1 \+ \.\. \+ beta_\{t-1\}\)",
            IP(tab=lambda s: (1 - s.beta.cumsum(0)).clamp(min=0)),
        ),
        (
            r"are a mix of x_prev's and x0's",
            lambda s, x, x0, m, t, e: IP()(s, x, x0, (m + m.flip(-1)) / 2, t, e),
        ),
        (r"In place of eps you take its square", IP(eps=lambda e: e * e.abs())),
        (
            r"0 at t = 1, 0 at t = 2, 2 at t = 3",
            lambda s, x, x0, m, t, e: IP(lambda t: t - 1 if t > 2 else 0)(s, x, x0, m, t, e),
        ),
        (
            r"4 at t = 1, 3 at t = 2, 2 at t = 3",
            lambda s, x, x0, m, t, e: m * Q(s, x0, s.T - t, e) + (1 - m) * x,
        ),
        (r"2 at t = 1, 3 at t = 2", lambda s, x, x0, m, t, e: m * Q(s, x0, min(t + 1, s.T), e) + (1 - m) * x),
        (
            r"eps where mask = 1 is sqrt\(beta_tilde_t\)",
            lambda s, x, x0, m, t, e: m * (r(ab(s, t - 1)) * x0 + r(s.beta_tilde[t]) * e) + (1 - m) * x,
        ),
        (
            r"eps where mask = 1 is sqrt\(1 - alpha_bar_\{t-1\}\) / sqrt\(alpha_bar_\{t-1\}\)",
            lambda s, x, x0, m, t, e: m * (x0 + r((1 - ab(s, t - 1)) / ab(s, t - 1)) * e) + (1 - m) * x,
        ),
        (
            r"x_prev does not enter your result where mask = 0",
            lambda s, x, x0, m, t, e: m * (Q(s, x0, t - 1, e) + x),
        ),
        (
            r"x0 where mask = 0 is sqrt\(alpha_bar_\{t-1\}\)",
            lambda s, x, x0, m, t, e: Q(s, x0, t - 1, m * e) + (1 - m) * x,
        ),
        (
            r"noise the pixels where mask = 0 by one more step",
            lambda s, x, x0, m, t, e: ld.q_step(s, IP()(s, x, x0, m, t, e), t, e),
        ),
        (r"x0 of the first sample", lambda s, x, x0, m, t, e: IP()(s, x, x0[:1], m, t, e)),
        (r"x0 clamped to \[-1, 1\]", lambda s, x, x0, m, t, e: IP()(s, x, x0.clamp(-1, 1), m, t, e)),
        (r"but not by the mask", lambda s, x, x0, m, t, e: torch.where(x0 > 0, Q(s, x0, t - 1, e), x)),
    ],
    "interpolate": [
        (
            r"0.7 times the right one plus 0.3 times the straight line",
            lambda a, b, w: 0.7 * SL()(a, b, w) + 0.3 * ((1 - w) * a + w * b),
        ),
        (r"factor of a is the right one, .*, plus 0.05", lambda a, b, w: SL()(a, b, w) + 0.05 * (a + b)),
        (
            r"straight line and bring the result to another length",
            lambda a, b, w: ((1 - w) * a + w * b) / nb((1 - w) * a + w * b) * (nb(a) + nb(b)) / 2,
        ),
        (r"factor of a is cos\(w pi / 2\)\^2", lambda a, b, w: a + (1 - math.cos(w * math.pi)) / 2 * (b - a)),
        (
            r"angle (is )?in degrees",
            SL(ang=lambda c: torch.tensor([math.degrees(math.acos(x)) for x in c.flatten()]).view(c.shape)),
        ),
        (r"\[0, pi/2\], cut off above", SL(ang=lambda c: torch.acos(c).clamp(max=math.pi / 2))),
        (r"1 - the cosine", SL(ang=lambda c: 1 - c)),
        (r"you take w theta", lambda a, b, w: SL(ang=lambda c: w * torch.acos(c))(a, b, w)),
        (
            r"one angle for all samples of a batch, the first sample's",
            SL(cos=lambda a, b: (dt(a, b) / (nb(a) * nb(b)))[:1]),
        ),
        (r"one angle for all samples of a batch, the mean of theirs", SL(ang=lambda c: torch.acos(c).mean())),
        (r"in place of w you take 3 w\^2 - 2 w\^3", lambda a, b, w: SL()(a, b, 3 * w**2 - 2 * w**3)),
        (r"in place of w you take 0.01 w", lambda a, b, w: SL()(a, b, w / 100)),
        (r"at w = 0 whatever w is", lambda a, b, w: a),
        (
            r"you go along the straight line",
            lambda a, b, w: torch.where(dt(a, b) / (nb(a) * nb(b)) > 0.5, (1 - w) * a + w * b, SL()(a, b, w)),
        ),
        (
            r"right direction and another length",
            lambda a, b, w: SL()(a, b, w) / nb(SL()(a, b, w)) * ((1 - w) * nb(a) + w * nb(b)),
        ),
        (
            r"factor of a is 1 - w,",
            lambda a, b, w: SL(f=lambda a, b, w, th: (1 - w) * a + torch.sin(w * th) / torch.sin(th) * b)(
                a, b, w
            ),
        ),
        (
            r"factor of a is sin\(w theta\) / sin\(theta\),",
            SL(f=lambda a, b, w, th: torch.sin(w * th) / torch.sin(th) * (a + b)),
        ),
        (
            r"factor of a is theta sin\(1 - w\) / sin\(theta\)",
            SL(f=lambda a, b, w, th: (math.sin(1 - w) * th * a + math.sin(w) * th * b) / torch.sin(th)),
        ),
        (r"is that of single pixels", SL(cos=lambda a, b: a.sign() * b.sign() * 0.99)),
    ],
    "flow_velocity": [
        (
            r"its mean over each row\): pixels mix",
            FV(lambda x, u, e: ((e - x).mean(-1, keepdim=True) / (1 - u)).expand_as(x)),
        ),
        (
            r"with the tau of another sample",
            lambda x, u, e: FV(lambda x, u, e: (e - x) / (1 - u))(x, u.flip(0), e),
        ),
        (
            r"Your result is 0 for tau = .*; elsewhere it is right",
            FV(lambda x, u, e: (e - x) / (1 - u) * (u > 0.55)),
        ),
        (r"factor of x_tau is 1 - tau,", FV(lambda x, u, e: (1 - u) * x + u * e)),
        (r"by -log\(1 - tau\)", FV(lambda x, u, e: -(e - x) * torch.log(1 - u))),
        (r"In place of x_0 you take its tanh", FV(lambda x, u, e: e - torch.tanh((x - u * e) / (1 - u)))),
        (r"1 on eps_hat and -tau on x_0", FV(lambda x, u, e: e - u * (x - u * e) / (1 - u))),
        (
            r"two or three digits only",
            FV(lambda x, u, e: ((e.half() - x.half()) / (1 - u.half())).to(x.dtype)),
        ),
        (r"no lower than 0.3", FV(lambda x, u, e: (e - x) / (1 - u).clamp(min=0.3))),
        (r"by 1.01 - tau", FV(lambda x, u, e: (e - x) / (1 - u + 0.01))),
        (r"by 1 - 0.001 tau", FV(lambda x, u, e: (e - x) / (1 - u / 1000))),
        (r"round tau to multiples of 0.1", FV(lambda x, u, e: (e - x) / (1 - (u * 10).round() / 10))),
        (r"by \(1 - tau\) / tau|tau / \(1 - tau\)", FV(lambda x, u, e: u * (e - x) / (1 - u))),
        (r"1 - tau on eps_hat and -tau on x_0", FV(lambda x, u, e: (1 - u) * e - u * (x - u * e) / (1 - u))),
        (
            r"p = sqrt\(1 - \(1 - tau\)\^2\) and q = 1 - tau",
            FV(lambda x, u, e: e - (x - (1 - (1 - u) ** 2).sqrt() * e) / (1 - u)),
        ),
        (
            r"1.571 / cos\(pi tau / 2\)",
            FV(
                lambda x, u, e: (
                    math.pi
                    / 2
                    * (
                        torch.cos(u * math.pi / 2) * e
                        - torch.sin(u * math.pi / 2)
                        * (x - torch.sin(u * math.pi / 2) * e)
                        / torch.cos(u * math.pi / 2)
                    )
                )
            ),
        ),
        (r"one number, .* Each sample has its own tau", lambda x, u, e: (e - x) / (1 - u.max())),
        (r"neither x_tau nor eps_hat", FV(lambda x, u, e: 0 * x)),
        (r"You add a number, tau / \(1 - tau\)", FV(lambda x, u, e: e + (x - u) / (1 - u) * -1)),
        (
            r"Only one pixel, tau = 0 is wrong",
            FV(lambda x, u, e: torch.where(u == 0, 0 * x, (e - x) / (1 - u))),
        ),
        (r"mean \(eps_hat, tau, x_tau\)|wrong way round", FV(lambda e, u, x: (e - x) / (1 - u))),
    ],
}
