"""Right answers in many styles: each must be accepted. None of them calls the function that it is checked
as."""

import itertools
import math

import numpy as np
import torch
from torch.nn import functional as F

import labdiff as ld


def scaled_by_einsum(s, x0, t, eps):
    a, b = s.alpha_bar[t].sqrt().float(), (1 - s.alpha_bar[t]).sqrt().float()
    return torch.einsum("b,bchw->bchw", a.to(x0.dtype), x0) + torch.einsum(
        "b,bchw->bchw", b.to(x0.dtype), eps
    )


def sample_by_sample(s, x0, t, eps):
    out = torch.empty_like(x0)
    for i in range(len(x0)):
        out[i] = math.sqrt(s.alpha_bar[t[i]]) * x0[i] + math.sqrt(1 - s.alpha_bar[t[i]]) * eps[i]
    return out


def by_numpy(s, x0, t, eps):
    ab = s.alpha_bar.numpy()[t.numpy()].reshape(-1, 1, 1, 1)
    return torch.from_numpy(np.sqrt(ab) * x0.numpy() + np.sqrt(1 - ab) * eps.numpy())


def by_logs(beta):
    return torch.exp(torch.cumsum(torch.log(1 - beta), 0))


def by_loop(beta):
    out, product = [], 1.0
    for b in beta.tolist():
        product *= 1 - b
        out.append(product)
    return torch.tensor(out)


def by_prods(beta):
    return torch.stack([(1 - beta[: i + 1]).prod() for i in range(len(beta))])


def posterior_by_precisions(s, x0, xt, t):
    """Bayes: precisions add up. t = 1 has an infinite one, so it is done apart."""
    v = [
        a.double().reshape(-1, 1, 1, 1)
        for a in (s.beta[t], s.alpha[t], 1 - s.alpha_bar[t - 1], s.alpha_bar[t - 1])
    ]
    beta, alpha, prior, abp = v
    var = 1 / (alpha / beta + 1 / prior)
    mean = var * (alpha.sqrt() / beta * xt + abp.sqrt() / prior * x0)
    first = (t == 1).reshape(-1, 1, 1, 1)
    return torch.where(first, x0.double(), mean), torch.where(first, 0.0, var)


def posterior_full_var(s, x0, xt, t):
    b, a, ab, abp = (
        c.view(-1, 1, 1, 1).float() for c in (s.beta[t], s.alpha[t], s.alpha_bar[t], s.alpha_bar[t - 1])
    )
    mean = abp.sqrt() * b / (1 - ab) * x0 + a.sqrt() * (1 - abp) / (1 - ab) * xt
    return [mean, (b * (1 - abp) / (1 - ab)).expand_as(xt)]


def posterior_from_table(s, x0, xt, t):
    abp = torch.cat([torch.ones(1, dtype=torch.float64), s.alpha_bar[:-1]])[t][:, None, None, None]
    ab, b = s.alpha_bar[t][:, None, None, None], s.beta[t][:, None, None, None]
    mean = ((abp.sqrt() * b / (1 - ab)) * x0).addcmul((1 - b).sqrt() * (1 - abp) / (1 - ab), xt)
    return mean, s.beta_tilde[t][:, None, None, None]


def loss_with_helper(model, s, x0, t, eps):
    return F.mse_loss(model(ld.q_sample(s, x0, t, eps), t), eps)


def loss_by_two_means(net, schedule, clean, level, noise):
    ab = schedule.alpha_bar[level][:, None, None, None]
    noisy = (ab.sqrt() * clean + (1 - ab).sqrt() * noise).to(clean.dtype)
    return torch.mean(torch.square(noise - net(noisy, level)).flatten(1).mean(1))


def loss_in_float64(model, s, x0, t, eps):
    ab = s.alpha_bar[t].view(-1, 1, 1, 1)
    return (model(ab**0.5 * x0 + (1 - ab) ** 0.5 * eps, t) - eps).pow(2).mean()


def embedding_interleaved(t, dim):
    out = torch.zeros(len(t), dim)
    w = torch.exp(torch.arange(0, dim, 2) * (-math.log(10000.0) / dim))
    out[:, 0::2] = torch.sin(t.unsqueeze(1) * w)
    out[:, 1::2] = torch.cos(t.unsqueeze(1) * w)
    return out


def embedding_cos_first(t, dim):
    half = dim // 2
    freqs = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32) / half)
    args = t[:, None].float() * freqs[None]
    return torch.cat([torch.cos(args), torch.sin(args)], dim=-1)


def embedding_half_minus_one(t, dim):
    w = torch.exp(torch.arange(dim // 2) * -(math.log(10000) / (dim // 2 - 1)))
    a = t.float()[:, None] * w[None, :]
    return torch.cat((a.sin(), a.cos()), dim=-1)


def embedding_logspace(t, dim):
    a = t.double().outer(torch.logspace(0, -4, dim // 2, dtype=torch.float64))
    return torch.stack([a.cos(), a.sin()], -1).reshape(len(t), dim)


def embedding_by_loops(t, dim):
    rows = [
        [f(i / 10000 ** (2 * k / dim)) for k in range(dim // 2) for f in (math.sin, math.cos)]
        for i in t.tolist()
    ]
    return torch.tensor(rows)


def kl_by_torch(m1, v1, m2, v2):
    N = torch.distributions.Normal
    return torch.distributions.kl_divergence(N(m1, v1.sqrt()), N(m2, v2.sqrt()))


def kl_by_sigmas(m1, v1, m2, v2):
    s1, s2 = v1**0.5, v2**0.5
    return torch.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5


def kl_by_logvars(m1, v1, m2, v2):
    l1, l2 = v1.log(), v2.log()
    return 0.5 * (-1.0 + l2 - l1 + torch.exp(l1 - l2) + ((m1 - m2) ** 2) * torch.exp(-l2))


def mean_by_posterior(s, xt, t, eps_hat):
    return ld.q_posterior(s, ld.predict_x0(s, xt, t, eps_hat), xt, t)[0]


def mean_with_one_minus_alpha(s, xt, t, e):
    a, ab = s.alpha[t].reshape(-1, 1, 1, 1), s.alpha_bar[t].reshape(-1, 1, 1, 1)
    return torch.rsqrt(a) * (xt - (1 - a) / torch.sqrt(1 - ab) * e)


def x0_by_ratio(s, xt, t, e):
    ab = s.alpha_bar[t].float()[..., None, None, None]
    return xt / ab.sqrt() - (1 / ab - 1).sqrt() * e


def step_eps_first(model, optimizer, s, x0, generator):
    model.train()
    eps = torch.empty_like(x0).normal_(generator=generator)
    t = (torch.rand(x0.shape[0], generator=generator) * s.T).long() + 1
    loss = ld.eps_loss(model, s, x0, t, eps)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)
    return float(loss)


def step_stratified(model, optimizer, s, x0, generator):
    B = len(x0)
    u = (torch.arange(B) + torch.rand(B, generator=generator)) / B
    t = (1 + (u * s.T).floor().long()).clamp(max=s.T)[torch.randperm(B, generator=generator)]
    eps = torch.normal(0.0, 1.0, x0.shape, generator=generator)
    for p in model.parameters():
        p.grad = None
    loss = F.mse_loss(model(ld.q_sample(s, x0, t, eps), t), eps)
    loss.backward()
    optimizer.step()
    return loss.detach()


def step_as_ld_train(model, optimizer, s, x0, generator):
    """One draw of t from each of B equal parts of 1..T, in their order."""
    u = torch.rand(len(x0), generator=generator)
    t = (1 + (torch.arange(len(x0)) + u) / len(x0) * s.T).long().clamp(max=s.T)
    eps = torch.randn(x0.shape, generator=generator)
    optimizer.zero_grad()
    loss = ld.eps_loss(model, s, x0, t, eps)
    loss.backward()
    optimizer.step()
    return loss.item()


def step_antithetic(model, optimizer, s, x0, generator):
    """t and T + 1 - t in pairs; the loss comes back with its graph."""
    t = torch.randint(1, s.T + 1, (len(x0) // 2 + 1,), generator=generator)
    t = torch.cat([t, s.T + 1 - t])[: len(x0)]
    eps = torch.randn(x0.shape, generator=generator)
    loss = F.mse_loss(model(ld.q_sample(s, x0, t, eps), t), eps)
    optimizer.zero_grad(), loss.backward(), optimizer.step()
    return loss


def step_low_discrepancy(model, optimizer, s, x0, generator):
    """One draw, spread evenly over the batch (Kingma et al. 2021)."""
    u = (torch.rand(1, generator=generator) + torch.arange(len(x0)) / len(x0)) % 1
    t = (u * s.T).long().clamp(max=s.T - 1) + 1
    eps = torch.randn(x0.shape, generator=generator)
    loss = F.mse_loss(model(ld.q_sample(s, x0, t, eps), t), eps)
    optimizer.zero_grad(), loss.backward(), optimizer.step()
    return loss.item()


def step_sample_by_sample(model, optimizer, s, x0, generator):
    """The model sees one sample after another, and their gradients add up."""
    t = torch.randint(1, s.T + 1, (len(x0),), generator=generator)
    eps = torch.randn(x0.shape, generator=generator)
    optimizer.zero_grad()
    total = 0.0
    for i in range(len(x0)):
        xt = ld.q_sample(s, x0[i : i + 1], t[i : i + 1], eps[i : i + 1])
        loss = F.mse_loss(model(xt, t[i : i + 1]), eps[i : i + 1]) / len(x0)
        loss.backward()
        total += loss.item()
    optimizer.step()
    return total


def step_in_halves(model, optimizer, s, x0, generator):
    """Two parts of the batch, one backward for both."""
    t = torch.randint(1, s.T + 1, (len(x0),), generator=generator)
    eps = torch.randn(x0.shape, generator=generator)
    xt = ld.q_sample(s, x0, t, eps)
    out = torch.cat([model(x, k) for x, k in zip(xt.split(2), t.split(2))])
    optimizer.zero_grad()
    loss = (out - eps).square().mean()
    loss.backward()
    optimizer.step()
    return loss.item()


def step_with_closure(model, optimizer, s, x0, generator):
    t = torch.multinomial(torch.ones(s.T), len(x0), replacement=True, generator=generator) + 1
    eps = torch.randn(*x0.shape, generator=generator, device=generator.device)
    ab = s.alpha_bar[t].float()[:, None, None, None]

    def closure():
        optimizer.zero_grad()
        loss = (eps - model(ab.sqrt() * x0 + (1 - ab).sqrt() * eps, t)).square().mean()
        loss.backward()
        return loss

    return optimizer.step(closure).item()


def step_by_autograd(model, optimizer, s, x0, generator):
    t = 1 + torch.randint(s.T, (len(x0),), generator=generator)
    eps = torch.randn(x0.size(), generator=generator)
    loss = ld.eps_loss(model, s, x0, t, eps)
    for p, g in zip(model.parameters(), torch.autograd.grad(loss, list(model.parameters()))):
        p.grad = g
    optimizer.step()
    return loss.item()


def p_step_by_posterior(model, s, xt, t, z):
    t_batch = xt.new_full((xt.shape[0],), t, dtype=torch.long)
    mean, var = ld.q_posterior(s, ld.predict_x0(s, xt, t_batch, model(xt, t_batch)), xt, t_batch)
    return mean + torch.exp(0.5 * torch.log(var.clamp(min=1e-20))) * (z if t > 1 else torch.zeros_like(z))


def p_step_clamped(model, s, xt, t, z):
    tb = torch.tensor([t] * len(xt))
    mean, _ = ld.q_posterior(s, ld.predict_x0(s, xt, tb, model(xt, tb)).clamp(-1, 1), xt, tb)
    return mean + float(t > 1) * s.beta[t].sqrt() * z


def p_step_tilde(model, s, xt, t, z):
    with torch.no_grad():
        tb = torch.ones(len(xt), dtype=torch.int64) * t
        return ld.p_mean(s, xt, tb, model(xt, tb)) + s.beta_tilde[t].sqrt().float() * z


def p_step_float64(model, s, x, t, z):
    e = model(x, torch.full((x.size(0),), t, dtype=torch.int64)).double()
    mean = s.alpha[t].rsqrt() * (x.double() - (1 - s.alpha[t]) / (1 - s.alpha_bar[t]).sqrt() * e)
    return (mean + s.beta[t] ** 0.5 * z.double() if t != 1 else mean).to(x.dtype)


def ddim_clamped(model, s, xt, t, t_prev):
    tb = torch.full((len(xt),), t)
    e = model(xt, tb)
    x0 = ld.predict_x0(s, xt, tb, e).clamp(-1, 1)
    return s.alpha_bar[t_prev].sqrt() * x0 + (1 - s.alpha_bar[t_prev]).sqrt() * e


def ddim_refit(model, s, xt, t, t_prev):
    tb = torch.full((len(xt),), t)
    x0 = ld.predict_x0(s, xt, tb, model(xt, tb)).clamp(-1, 1)
    e = (xt - s.alpha_bar[t].sqrt() * x0) / (1 - s.alpha_bar[t]).sqrt()
    return ld.q_sample(s, x0, torch.full_like(tb, t_prev), e) if t_prev else x0


def ddim_by_shift(model, s, xt, t, t_prev):
    e = model(xt, torch.full((len(xt),), t))
    a, b = s.alpha_bar[t], s.alpha_bar[t_prev]
    return (b / a).sqrt() * xt + ((1 - b).sqrt() - (b * (1 - a) / a).sqrt()) * e


def guided_by_steps(eps_none, eps_label, scale):
    eps = eps_label.clone()
    eps += (scale - 1) * (eps_label - eps_none)
    return eps


def inpaint_with_where(s, x_prev, x0, mask, t, eps):
    level = torch.full((len(x0),), t - 1)
    return torch.where(mask.bool().expand_as(x0), ld.q_sample(s, x0, level, eps), x_prev)


def inpaint_by_index(s, x_prev, x0, mask, t, eps):
    out, ab = x_prev.clone(), s.alpha_bar[t - 1].to(x0.dtype)
    known = (mask == 1).expand(x0.shape)
    out[known] = (ab.sqrt() * x0 + (1 - ab).sqrt() * eps)[known]
    return out


def inpaint_one_channel_by_index(s, x_prev, x0, mask, t, eps):
    out, known = x_prev.clone(), ld.q_sample(s, x0, t - 1, eps)
    out[mask == 1] = known[mask == 1]
    return out


def slerp_of_images(a, b, w):
    u, v = a.view(len(a), -1), b.view(len(b), -1)
    theta = ((u * v).sum(1) / (u.norm(dim=1) * v.norm(dim=1))).acos().view(-1, 1, 1, 1)
    return (torch.sin((1 - w) * theta) * a + torch.sin(w * theta) * b) / torch.sin(theta)


def slerp_over_three_axes(a, b, w):
    inner, lengths = (a * b).sum((1, 2, 3), True), [x.square().sum((1, 2, 3), True).sqrt() for x in (a, b)]
    theta = (inner / (lengths[0] * lengths[1])).acos()
    return (torch.sin((1 - w) * theta) * a + torch.sin(w * theta) * b) / torch.sin(theta)


def inpaint_clean_at_the_end(s, x_prev, x0, mask, t, eps):
    known = x0 if t == 1 else ld.q_sample(s, x0, t - 1, eps)
    return x_prev + mask * (known - x_prev)


def slerp_by_sample(a, b, w):
    rows = []
    for u, v in zip(a, b):
        theta = torch.acos(torch.clamp((u * v).sum() / (torch.norm(u) * torch.norm(v)), -1, 1))
        rows.append(torch.sin((1 - w) * theta) / theta.sin() * u + torch.sin(w * theta) / theta.sin() * v)
    return torch.stack(rows)


def slerp_by_cosine_similarity(a, b, w):
    theta = F.cosine_similarity(a.flatten(1), b.flatten(1), dim=1).acos()
    theta = theta[(...,) + (None,) * (a.ndim - 1)]
    return ((1 - w) * theta).sin() / theta.sin() * a + (w * theta).sin() / theta.sin() * b


def slerp_by_atan2(a, b, w):
    """The angle from its sine and cosine, with the straight line where a and b are alike."""
    shape = (-1, *[1] * (a.ndim - 1))
    u, v = F.normalize(a.double().flatten(1), dim=1), F.normalize(b.double().flatten(1), dim=1)
    theta = torch.atan2((u - v).norm(dim=1) * (u + v).norm(dim=1) / 2, (u * v).sum(1)).reshape(shape)
    small = theta < 1e-6
    safe = torch.where(small, 1.0, theta)
    arc = (torch.sin((1 - w) * safe) * a + torch.sin(w * safe) * b) / torch.sin(safe)
    return torch.where(small, (1 - w) * a + w * b, arc).to(a.dtype)


def slerp_by_numpy(a, b, w):
    x, y = a.numpy().reshape(len(a), -1), b.numpy().reshape(len(b), -1)
    cos = np.einsum("bi,bi->b", x, y) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
    th = np.arccos(cos)[:, None]
    return torch.from_numpy((np.sin((1 - w) * th) * x + np.sin(w * th) * y) / np.sin(th)).reshape(a.shape)


def velocity_by_x0(x_tau, tau, eps_hat):
    tau = tau.reshape(-1, *[1] * (x_tau.ndim - 1))
    x0_hat = (x_tau - tau * eps_hat) / (1 - tau)
    return eps_hat - x0_hat


RIGHT = {
    "guided_eps": [
        guided_by_steps,
        lambda none, label, w: (1 - w) * none + w * label,
        lambda none, label, w: torch.lerp(none, label, float(w)),
        lambda u, c, scale: c + (scale - 1) * (c - u),
        lambda u, c, g: torch.stack([u, c]).mul(torch.tensor([1 - g, g]).view(2, *[1] * u.ndim)).sum(0),
        lambda u, c, g: torch.add(u, c - u, alpha=g),
        lambda u, c, g: (u.double() + g * (c.double() - u.double())).to(u.dtype),
    ],
    "inpaint_step": [inpaint_with_where, inpaint_by_index, inpaint_clean_at_the_end],
    "interpolate": [slerp_by_sample, slerp_by_cosine_similarity, slerp_by_atan2, slerp_by_numpy],
    "flow_velocity": [
        velocity_by_x0,
        lambda x, tau, e: torch.stack([(e[i] - x[i]) / (1 - tau[i]) for i in range(len(x))]),
        lambda x, tau, e: ((e - x).T / (1 - tau)).T,
        lambda x, tau, e: torch.einsum("b,bchw->bchw", 1 / (1 - tau), e - x),
        lambda x, tau, e: (e - x) * torch.reciprocal(1 - tau)[:, None, None, None],
        lambda x, tau, e: (x - e) / (tau.view(-1, 1, 1, 1) - 1),
    ],
    "alpha_bar": [
        by_logs,
        by_loop,
        by_prods,
        lambda beta: torch.cumprod(1.0 - beta.float(), dim=0),
        lambda beta: torch.cat([torch.ones(1), (1 - beta[1:]).cumprod(0)]),
        lambda b: np.cumprod(1 - b.numpy()),
        lambda b: [float(np.prod(1 - b.numpy()[: i + 1])) for i in range(len(b))],
    ],
    "q_step": [
        lambda s, x, t, e: (
            s.alpha[t].sqrt()[:, None, None, None] * x + s.beta[t].sqrt()[:, None, None, None] * e
        ),
        lambda s, x, t, e: torch.addcmul(
            (1 - s.beta)[t].sqrt().view(-1, 1, 1, 1) * x, s.beta[t].sqrt().view(-1, 1, 1, 1), e.double()
        ),
        lambda s, x, t, e: (x.T * s.alpha[t].sqrt()).T.float() + (e.T * s.beta[t].sqrt()).T.float(),
    ],
    "q_sample": [
        scaled_by_einsum,
        sample_by_sample,
        by_numpy,
        lambda s, x0, t, eps: (
            torch.lerp(x0 * 0, x0, s.alpha_bar[t].sqrt().view(-1, 1, 1, 1).to(x0.dtype))
            + eps * (1 - s.alpha_bar.to(x0.dtype)[t].view(-1, *[1] * (x0.ndim - 1))).sqrt()
        ),
        lambda s, x0, t, eps: (
            (0.5 * s.alpha_bar.log()).exp()[t].reshape(len(t), 1, 1, 1) * x0
            + (1 - s.alpha_bar).clamp(min=0).sqrt()[t].reshape(len(t), 1, 1, 1) * eps
        ),
        lambda s, x0, t, eps: (
            s.alpha.log().cumsum(0)[t].exp().sqrt().float()[:, None, None, None] * x0
            + (1 - s.alpha_bar[t]).sqrt().float()[:, None, None, None] * eps
        ),
    ],
    "q_posterior": [posterior_by_precisions, posterior_full_var, posterior_from_table],
    "predict_x0": [
        x0_by_ratio,
        lambda s, x, t, e: (
            (x - (1 - s.alpha_bar[t].view(-1, 1, 1, 1)) ** 0.5 * e) / s.alpha_bar[t].view(-1, 1, 1, 1) ** 0.5
        ),
    ],
    "normal_kl": [kl_by_torch, kl_by_sigmas, kl_by_logvars],
    "p_mean": [mean_by_posterior, mean_with_one_minus_alpha],
    "eps_loss": [loss_with_helper, loss_by_two_means, loss_in_float64],
    "timestep_embedding": [
        embedding_interleaved,
        embedding_cos_first,
        embedding_half_minus_one,
        embedding_logspace,
        embedding_by_loops,
    ],
    "training_step": [
        step_eps_first,
        step_stratified,
        step_as_ld_train,
        step_antithetic,
        step_low_discrepancy,
        step_sample_by_sample,
        step_in_halves,
        step_with_closure,
        step_by_autograd,
    ],
    "p_step": [p_step_by_posterior, p_step_clamped, p_step_tilde, p_step_float64],
    "ddim_step": [ddim_clamped, ddim_refit, ddim_by_shift],
}


class Jump:
    """A class with the coefficients in one method and the draw in another."""

    def __init__(self, table):
        self.table = table

    def coefficients(self, s, t, x):
        a = self.table(s).to(x)[t][(...,) + (None,) * (x.ndim - 1)]
        return a.sqrt(), (1 - a).sqrt()

    def __call__(self, s, x, t, e):
        a, b = self.coefficients(s, t, x)
        return a * x + b * e


def noising_in_other_ways(table):
    return [
        Jump(table),
        lambda s, x, t, e: torch.vmap(lambda a, u, z: a.sqrt() * u + (1 - a).sqrt() * z)(
            table(s)[t].to(x.dtype), x, e
        ),
        lambda s, x, t, e: torch.movedim(
            table(s)[t].sqrt() * x.movedim(0, -1) + (1 - table(s)[t]).sqrt() * e.movedim(0, -1), -1, 0
        ),
        lambda s, x, t, e: (
            torch.diag(table(s)[t].sqrt()).to(x) @ x.flatten(1)
            + torch.diag((1 - table(s)[t]).sqrt()).to(x) @ e.flatten(1)
        ).view_as(x),
    ]


def alpha_bar_by_triangle(beta):
    n = len(beta)
    return torch.where(torch.ones(n, n).tril().bool(), (1 - beta).expand(n, n), 1.0).prod(1)


def alpha_bar_in_place_on_a_copy(beta):
    alpha = 1 - beta.clone()
    for t in range(1, len(alpha)):
        alpha[t] *= alpha[t - 1]
    return alpha


def posterior_by_python_floats(s, x0, xt, t):
    mean, var = [], []
    for i, k in enumerate(t.tolist()):
        ab, abp, b = float(s.alpha_bar[k]), float(s.alpha_bar[k - 1]), float(s.beta[k])
        on_x0, on_xt = math.sqrt(abp) * b / (1 - ab), math.sqrt(1 - b) * (1 - abp) / (1 - ab)
        mean.append(on_x0 * x0[i] + on_xt * xt[i])
        var.append((1 - abp) / (1 - ab) * b)
    return torch.stack(mean), torch.tensor(var).reshape(-1, *[1] * (xt.ndim - 1))


def posterior_by_the_noise_between(s, x0, xt, t):
    a, alpha, beta, var = (
        c[t].to(xt.dtype).view(-1, *[1] * (xt.ndim - 1)) for c in (s.alpha_bar, s.alpha, s.beta, s.beta_tilde)
    )
    eps = (xt - a.sqrt() * x0) / (1 - a).sqrt()
    return (xt - beta / (1 - a).sqrt() * eps) / alpha.sqrt(), var


class LossModule(torch.nn.Module):
    def __init__(self, model, s):
        super().__init__()
        self.model, self.s, self.mse = model, s, torch.nn.MSELoss()

    def forward(self, x0, t, eps):
        return self.mse(self.model(ld.q_sample(self.s, x0, t, eps), t), eps)


class Positions(torch.nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.register_buffer("w", 10000 ** (-torch.arange(0, dim, 2) / dim))

    def forward(self, t):
        return torch.view_as_real(torch.polar(torch.ones(1, 1), torch.outer(t.float(), self.w))).flatten(1)


def step_in_parts(model, optimizer, s, x0, generator):
    """Two backward passes whose gradients add up to that of the batch."""
    optimizer.zero_grad()
    t = torch.randint(1, s.T + 1, (len(x0),), generator=generator)
    eps, total = torch.randn(x0.shape, generator=generator), 0
    for part in torch.arange(len(x0)).split(max(1, len(x0) // 2)):
        xt = ld.q_sample(s, x0[part], t[part], eps[part])
        loss = F.mse_loss(model(xt, t[part]), eps[part]) * len(part) / len(x0)
        loss.backward()
        total += loss.item()
    optimizer.step()
    return total


def p_step_by_where(model, s, xt, t, z):
    t_batch = torch.tensor([t] * len(xt))
    with torch.inference_mode():
        mean = ld.p_mean(s, xt, t, model(xt, t_batch))
        return torch.where(torch.tensor(t == 1), mean, mean + s.beta[t].sqrt() * z).clone()


def ddim_by_scaled_states(model, s, xt, t, t_prev):
    """x / sqrt(alpha_bar) moves along eps_hat by the change of the noise-to-signal ratio."""
    eps_hat = model(xt, torch.full((len(xt),), t))
    a, b = s.alpha_bar[t], s.alpha_bar[t_prev]
    return b.sqrt() * (xt / a.sqrt() + ((1 / b - 1).sqrt() - (1 / a - 1).sqrt()) * eps_hat)


def slerp_with_a_threshold(a, b, w):
    cosine = F.cosine_similarity(a.flatten(1), b.flatten(1))[(...,) + (None,) * (a.ndim - 1)]
    theta = torch.acos(cosine.clamp(-1 + 1e-7, 1 - 1e-7))
    arc = (torch.sin((1 - w) * theta) * a + torch.sin(w * theta) * b) / torch.sin(theta)
    return torch.where(cosine.abs() > 0.9995, torch.lerp(a, b, w), arc)


MORE = {
    "alpha_bar": [
        alpha_bar_by_triangle,
        alpha_bar_in_place_on_a_copy,
        lambda b: list(itertools.accumulate((1 - b).tolist(), lambda p, f: p * f)),
        lambda b: F.pad((1 - b[1:]).cumprod(0), (1, 0), value=1.0),
    ],
    "q_step": noising_in_other_ways(lambda s: s.alpha),
    "q_sample": noising_in_other_ways(lambda s: s.alpha_bar),
    "q_posterior": [posterior_by_python_floats, posterior_by_the_noise_between],
    "predict_x0": [
        lambda s, x, t, e: torch.vmap(lambda a, u, z: (u - (1 - a).sqrt() * z) / a.sqrt())(
            s.alpha_bar[t].to(x.dtype), x, e
        ),
        lambda s, x, t, e: (
            (
                (x.numpy().T - np.sqrt(1 - s.alpha_bar[t].numpy()) * e.numpy().T)
                / s.alpha_bar[t].sqrt().numpy()
            ).T
        ),
    ],
    "p_mean": [lambda s, x, t, e: posterior_by_python_floats(s, ld.predict_x0(s, x, t, e), x, t)[0]],
    "normal_kl": [
        lambda m1, v1, m2, v2: (
            F.gaussian_nll_loss(m1, m2, v2, reduction="none", eps=0) + v1 / v2 / 2 - 0.5 - v1.log() / 2
        ),
        lambda m1, v1, m2, v2: -0.5 * (1 + torch.log(v1 / v2) - v1 / v2 - ((m1 - m2) / v2.sqrt()) ** 2),
    ],
    "eps_loss": [
        lambda m, s, x0, t, e: LossModule(m, s)(x0, t, e),
        lambda m, s, x0, t, e: (m(ld.q_sample(s, x0, t, e), t) - e).norm() ** 2 / e.numel(),
        lambda m, s, x0, t, e: ((m(ld.q_sample(s, x0, t, e), t) - e) ** 2).mean().reshape(1),
        lambda m, s, x0, t, e: (
            ((m(ld.q_sample(s, x0, t, e), t) - e) ** 2).reshape(1, -1).mean(1, keepdim=True)
        ),
    ],
    "timestep_embedding": [lambda t, dim: Positions(dim)(t)],
    "training_step": [step_in_parts],
    "p_step": [p_step_by_where],
    "ddim_step": [ddim_by_scaled_states],
    "guided_eps": [lambda u, c, w: sum(k * v for k, v in ((1 - w, u), (w, c)))],
    "inpaint_step": [
        inpaint_one_channel_by_index,
        lambda s, x, x0, m, t, e: torch.lerp(x, ld.q_sample(s, x0, t - 1, e), m.expand_as(x).to(x.dtype)),
        lambda s, x, x0, m, t, e: x.clone().masked_scatter_(
            m.bool().expand_as(x), ld.q_sample(s, x0, t - 1, e)[m.bool().expand_as(x)]
        ),
    ],
    "interpolate": [slerp_with_a_threshold, slerp_of_images, slerp_over_three_axes],
    "flow_velocity": [
        lambda x, tau, e: (e - x) / (1 - tau.view(-1, *[1] * (x.ndim - 1)) + 1e-5),
        lambda x, tau, e: torch.vmap(lambda u, k, z: (z - u) / (1 - k))(x, tau, e),
        lambda x, tau, e: (torch.diag(1 / (1 - tau)) @ (e - x).flatten(1)).view_as(x),
    ],
}
RIGHT = {name: RIGHT[name] + MORE[name] for name in RIGHT}


def interpolate_as_public_code_does(a, b, w, threshold=0.9995):
    """Sample by sample; where two are nearly parallel, on the line."""
    out = []
    for x, y in zip(a, b):
        dot = (x * y).sum() / (x.norm() * y.norm())
        if dot.abs() > threshold:
            out.append((1 - w) * x + w * y)
            continue
        theta_0 = torch.acos(dot)
        on_b = torch.sin(w * theta_0) / torch.sin(theta_0)
        out.append((torch.cos(w * theta_0) - dot * on_b) * x + on_b * y)
    return torch.stack(out)


def interpolate_by_einsum(a, b, w):
    units = F.normalize(a.flatten(1)), F.normalize(b.flatten(1))
    theta = torch.acos(torch.einsum("bn,bn->b", *units))
    on_a, on_b = (torch.sin(share * theta) / torch.sin(theta) for share in (1 - w, w))
    return torch.einsum("b,b...->b...", on_a, a) + torch.einsum("b,b...->b...", on_b, b)


def inpaint_in_a_loop(s, x_prev, x0, mask, t, eps):
    out, known = torch.empty_like(x_prev), s.alpha_bar[t - 1]
    for i in range(len(x_prev)):
        noised = known.sqrt() * x0[i] + (1 - known).sqrt() * eps[i]
        out[i] = mask[i] * noised + (1 - mask[i]) * x_prev[i]
    return out


def inpaint_on_a_copy(s, x_prev, x0, mask, t, eps):
    out, inside, ab = x_prev.clone(), mask.expand_as(x_prev).bool(), float(s.alpha_bar[t - 1])
    out[inside] = (ab**0.5 * x0 + (1 - ab) ** 0.5 * eps)[inside]
    return out


def velocity_unsqueezed(x_tau: torch.Tensor, tau: torch.Tensor, eps_hat: torch.Tensor) -> torch.Tensor:
    while tau.ndim < x_tau.ndim:
        tau = tau.unsqueeze(-1)
    return (x_tau - eps_hat) / (tau - 1)


AGAIN = {
    "alpha_bar": [lambda b: torch.tensor(np.cumprod(1 - b.numpy()))],
    "q_sample": [
        lambda s, x0, t, e: torch.addcmul(
            s.alpha_bar[t].sqrt().to(x0.dtype).reshape(-1, *[1] * (x0.ndim - 1)) * x0,
            (1 - s.alpha_bar[t]).sqrt().to(x0.dtype).reshape(-1, *[1] * (x0.ndim - 1)),
            e,
        )
    ],
    "eps_loss": [
        lambda m, s, x0, t, e: (
            F.mse_loss(m(ld.q_sample(s, x0, t, e), t), e, reduction="none").flatten(1).mean(1).mean()
        )
    ],
    "guided_eps": [
        lambda u, c, w: torch.lerp(u, c, float(w)),
        lambda u, c, w: torch.add(u, c - u, alpha=w),
        lambda u, c, w: torch.from_numpy((1 - w) * u.numpy() + w * c.numpy()),
        lambda u, c, w: c + (w - 1) * (c - u),
        lambda u, c, w: torch.einsum(
            "k,k...->...", torch.tensor([1 - w, w], dtype=u.dtype), torch.stack([u, c])
        ),
        lambda u, c, w: u.clone().add_((c - u).mul(w)),
    ],
    "inpaint_step": [
        inpaint_in_a_loop,
        inpaint_on_a_copy,
        lambda s, x, x0, m, t, e: x + m * ((ld.q_sample(s, x0, t - 1, e) if t > 1 else x0) - x),
        lambda s, x, x0, m, t, e: (
            x.masked_fill(m.bool(), 0) + ld.q_sample(s, x0, t - 1, e).masked_fill(~m.bool(), 0)
        ),
    ],
    "interpolate": [interpolate_as_public_code_does, interpolate_by_einsum],
    "flow_velocity": [
        velocity_unsqueezed,
        lambda x, tau, e: torch.stack([(z - u) / (1 - k) for u, k, z in zip(x, tau, e)]),
        lambda x, tau, e: torch.einsum("b,b...->b...", 1 / (1 - tau), e - x),
        lambda x, tau, e: ((e - x).transpose(0, -1) / (1 - tau)).transpose(0, -1),
        lambda x, tau, e: (e - x) / (1 - tau)[(...,) + (None,) * (x.ndim - 1)].clamp(min=1e-5),
    ],
}
RIGHT = {name: answers + AGAIN.get(name, []) for name, answers in RIGHT.items()}
