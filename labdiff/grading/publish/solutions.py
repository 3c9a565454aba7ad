"""One right answer for each exercise, in the slides' notation: the answer cells of a solved notebook."""

from labdiff.checks import own
from labdiff.grading.questions import Question

SOLUTIONS = {
    "alpha_bar": """\
def alpha_bar(beta):
    alpha = 1 - beta                      # alpha_0 = 1, because beta_0 = 0
    return torch.cumprod(alpha, dim=0)
""",
    "q_step": """\
def q_step(s, x_prev, t, eps):
    beta = s.beta[t].view(-1, 1, 1, 1).to(x_prev.dtype)
    return (1 - beta).sqrt() * x_prev + beta.sqrt() * eps
""",
    "q_sample": """\
def q_sample(s, x0, t, eps):
    alpha_bar = s.alpha_bar[t].view(-1, 1, 1, 1).to(x0.dtype)
    return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps
""",
    "q_posterior": """\
def q_posterior(s, x0, xt, t):
    beta, alpha, alpha_bar, alpha_bar_prev = (
        a.view(-1, 1, 1, 1).to(xt.dtype) for a in (s.beta[t], s.alpha[t], s.alpha_bar[t], s.alpha_bar[t - 1]))
    mean = (alpha_bar_prev.sqrt() * beta * x0 + alpha.sqrt() * (1 - alpha_bar_prev) * xt) / (1 - alpha_bar)
    var = (1 - alpha_bar_prev) / (1 - alpha_bar) * beta
    return mean, var
""",
    "predict_x0": """\
def predict_x0(s, xt, t, eps_hat):
    alpha_bar = s.alpha_bar[t].view(-1, 1, 1, 1).to(xt.dtype)
    return (xt - (1 - alpha_bar).sqrt() * eps_hat) / alpha_bar.sqrt()
""",
    "normal_kl": """\
def normal_kl(mean1, var1, mean2, var2):
    return 0.5 * (torch.log(var2 / var1) + var1 / var2 + (mean1 - mean2) ** 2 / var2 - 1)
""",
    "p_mean": """\
def p_mean(s, xt, t, eps_hat):
    beta, alpha, alpha_bar = (a[t].view(-1, 1, 1, 1).to(xt.dtype) for a in (s.beta, s.alpha, s.alpha_bar))
    return (xt - beta / (1 - alpha_bar).sqrt() * eps_hat) / alpha.sqrt()
""",
    "eps_loss": """\
def eps_loss(model, s, x0, t, eps):
    alpha_bar = s.alpha_bar[t].view(-1, 1, 1, 1).to(x0.dtype)
    xt = alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps
    return ((eps - model(xt, t)) ** 2).mean()
""",
    "timestep_embedding": """\
def timestep_embedding(t, dim):
    k = torch.arange(dim // 2)
    w = 10000 ** (-k / (dim // 2))
    angle = t[:, None] * w                # (B, dim/2)
    return torch.cat([angle.sin(), angle.cos()], dim=1)
""",
    "training_step": """\
def training_step(model, optimizer, s, x0, generator):
    t = torch.randint(1, s.T + 1, (len(x0),), generator=generator)
    eps = torch.randn(x0.shape, generator=generator)
    alpha_bar = s.alpha_bar[t].view(-1, 1, 1, 1).to(x0.dtype)
    xt = alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps
    loss = ((eps - model(xt, t)) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
""",
    "p_step": """\
def p_step(model, s, xt, t, z):
    eps_hat = model(xt, torch.full((len(xt),), t))
    beta, alpha, alpha_bar = s.beta[t].item(), s.alpha[t].item(), s.alpha_bar[t].item()
    mean = (xt - beta / (1 - alpha_bar) ** 0.5 * eps_hat) / alpha ** 0.5
    return mean + beta ** 0.5 * z if t > 1 else mean
""",
    "ddim_step": """\
def ddim_step(model, s, xt, t, t_prev):
    eps_hat = model(xt, torch.full((len(xt),), t))
    alpha_bar, alpha_bar_prev = s.alpha_bar[t].item(), s.alpha_bar[t_prev].item()
    x0_hat = (xt - (1 - alpha_bar) ** 0.5 * eps_hat) / alpha_bar ** 0.5
    return alpha_bar_prev ** 0.5 * x0_hat + (1 - alpha_bar_prev) ** 0.5 * eps_hat
""",
    "guided_eps": """\
def guided_eps(eps_none, eps_label, scale):
    return eps_none + scale * (eps_label - eps_none)
""",
    "inpaint_step": """\
def inpaint_step(s, x_prev, x0, mask, t, eps):
    alpha_bar_prev = s.alpha_bar[t - 1].item()      # the level of x_prev; 1 at t = 1
    known = alpha_bar_prev ** 0.5 * x0 + (1 - alpha_bar_prev) ** 0.5 * eps
    return mask * known + (1 - mask) * x_prev
""",
    "interpolate": """\
def interpolate(a, b, w):
    shape = (-1,) + (1,) * (a.ndim - 1)
    u, v = a.flatten(1), b.flatten(1)               # one row a sample
    cosine = (u * v).sum(dim=1) / (u.norm(dim=1) * v.norm(dim=1))
    theta = torch.arccos(cosine).view(shape)
    return (torch.sin((1 - w) * theta) * a + torch.sin(w * theta) * b) / torch.sin(theta)
""",
    "flow_velocity": """\
def flow_velocity(x_tau, tau, eps_hat):
    tau = tau.view(-1, 1, 1, 1)
    return (eps_hat - x_tau) / (1 - tau)
""",
}


def answer(question: Question) -> str:
    """The key's answer to a question: the source of a function."""
    return own.key(question.own) if question.own else SOLUTIONS[question.name]


def solution(name, **more):
    """The function that a solution's source text defines."""
    import torch

    scope = {"torch": torch, **more}
    exec(SOLUTIONS[name], scope)
    return scope[name]
