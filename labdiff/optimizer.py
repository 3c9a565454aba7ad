"""The optimizer: Muon for the kernels of convolutions, AdamW for everything else, as one torch Optimizer."""

import math

import torch
from torch.optim.adamw import adamw

from labdiff.device import has_bf16

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # a, b, c of X <- a X + (b G + c G^2) X with G = X X^T


class MuonAdamW(torch.optim.Optimizer):
    """Muon for the kernels between layers, AdamW for all other parameters.

        M <- momentum M + (1 - momentum) G
        K <- (1 - lr wd) K - lr 0.2 sqrt(max(rows, columns)) orthogonalize((1 - momentum) G + momentum M)

    A kernel (c_out, c_in, h, w) is updated as a matrix (c_out, c_in h w). Making the singular values of its
    update equal gives a lower Frechet distance in equal time than AdamW alone. Kernels whose smaller side is
    under 16 channels (from or to pixels) are left to AdamW, as are biases, norms and embeddings. The factor
    0.2 sqrt(max) makes one learning rate fit both. The state has the parameters' shapes, so that it fits
    whatever their memory format and device.

    Args:
        params: the parameters, those that need no gradient left out.
        lr: learning rate of both, >= 0.
        momentum: of Muon (Nesterov), in [0, 1).
        betas, eps: of AdamW.
        weight_decay: decoupled, of both.

    Raises: ValueError: no parameters (torch's own message).
    Source: Jordan et al. 2024, "Muon"; Liu et al. 2025, arXiv:2502.16982 (the factor); Loshchilov & Hutter
        2019 (AdamW).
    """

    def __init__(self, params, lr=3e-3, *, momentum=0.95, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.01):
        params = [p for p in params if p.requires_grad]
        kernels = [p for p in params if _is_kernel(p)]
        rest = [p for p in params if not _is_kernel(p)]
        groups = [{"params": group, "muon": group is kernels} for group in (kernels, rest) if group]
        defaults = dict(lr=lr, momentum=momentum, betas=betas, eps=eps, weight_decay=weight_decay, muon=False)
        super().__init__(groups, defaults)
        # matrices of all kernels, see _Batch: they hold nothing from one step to the next
        self._batches = None

    def __setstate__(self, state):
        super().__setstate__(state)
        self._batches = None

    @torch.no_grad()
    def step(self, closure=None):
        """Take one step with the gradients that the parameters hold; those without one stay as they are."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                (self._muon if group["muon"] else self._adamw)(params, group)
        return loss

    def load_state_dict(self, state_dict):
        """As torch's; each tensor takes the device and memory format of its parameter."""
        super().load_state_dict(state_dict)
        for p, state in self.state.items():
            for name, value in state.items():
                state[name] = _step_count(p, value) if name == "step" else torch.empty_like(p).copy_(value)

    def _muon(self, params, group):
        grads = [p.grad for p in params]
        for p in params:
            if "momentum" not in self.state[p]:
                self.state[p]["momentum"] = torch.zeros_like(p)
        momenta = [self.state[p]["momentum"] for p in params]
        torch._foreach_lerp_(momenta, grads, 1 - group["momentum"])
        updates = dict(zip(params, torch._foreach_lerp(grads, momenta, group["momentum"]), strict=True))
        if self._batches is None or {p for batch in self._batches for p in batch.params} != set(params):
            self._batches = _batches(params)
        torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
        for batch in self._batches:
            torch._foreach_copy_(batch.views, [updates[p] for p in batch.params])
            batch.matrices.copy_(orthogonalize(batch.matrices) * (batch.scale * group["lr"]))
            torch._foreach_sub_(batch.params, batch.views)

    def _adamw(self, params, group):
        for p in params:
            if "step" not in self.state[p]:
                exp_avg, exp_avg_sq = torch.zeros_like(p), torch.zeros_like(p)
                self.state[p] = {"step": _step_count(p), "exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq}
        state = [[self.state[p][name] for p in params] for name in ("exp_avg", "exp_avg_sq", "step")]
        beta1, beta2 = group["betas"]
        how = dict(beta1=beta1, beta2=beta2, lr=group["lr"], weight_decay=group["weight_decay"])
        how |= dict(eps=group["eps"], amsgrad=False, maximize=False)
        grads, (exp_avg, exp_avg_sq, step) = [p.grad for p in params], state
        if torch.compiler.is_compiling() and _fused(params[0]):  # adamw() would break the graph
            torch._foreach_add_(step, 1)
            torch._fused_adamw_(params, grads, exp_avg, exp_avg_sq, [], step, **how)
        else:
            adamw(params, grads, exp_avg, exp_avg_sq, [], step, fused=_fused(params[0]), **how)


def orthogonalize(matrices, steps=5, eps=1e-7):
    """Matrices (n, rows, columns), rows <= columns, with the same singular vectors, singular values near 1.

    Newton-Schulz iteration, X <- Q X with Q = a + b G + c G^2 and G = X X^T; rows or columns of zeros stay
    zero, so that matrices of several sizes fit into one batch. In float32 the steps are taken on the small G,
    G <- Q G Q, and X is multiplied once, by the product of all Q. In bfloat16 that would magnify what G's
    rounding does to small singular values, so X takes each step.
    Source: Jordan et al. 2024, "Muon".
    """
    a, b, c = NEWTON_SCHULZ
    x = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=eps)
    if x.dtype == torch.bfloat16:
        for _ in range(steps):
            gram = x @ x.mT  # (n, rows, rows)
            x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
        return x
    gram, product = torch.bmm(x, x.mT), None
    for _ in range(steps):
        q = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        q.diagonal(dim1=1, dim2=2).add_(a)
        gram = torch.bmm(torch.bmm(q, gram), q)
        product = q if product is None else torch.bmm(q, product)
    return torch.bmm(product, x)


class _Batch:
    """Kernels with equally many rows in one tensor `matrices` (n, rows, columns), padded with zeros.

    views[i] is the part of it that holds params[i], in that kernel's shape; scale (n, 1, 1) its step size.
    """

    def __init__(self, params):
        sizes = [(len(p), p[0].numel()) for p in params]
        rows, columns = min(sizes[0]), max(max(size) for size in sizes)
        dtype = torch.bfloat16 if has_bf16(params[0].device) else torch.float32
        self.params = params
        self.matrices = torch.zeros(len(params), rows, columns, dtype=dtype, device=params[0].device)
        self.views = []
        for matrix, p, size in zip(self.matrices, params, sizes, strict=True):
            matrix = matrix[:, : max(size)]
            self.views.append((matrix if size[0] == rows else matrix.mT).view(p.shape))
        scale = [0.2 * math.sqrt(max(size)) for size in sizes]
        self.scale = torch.tensor(scale, device=params[0].device)[:, None, None]


def _batches(params):
    by_rows = {}
    for p in params:
        by_rows.setdefault((min(len(p), p[0].numel()), p.device), []).append(p)
    return [_Batch(group) for group in by_rows.values()]


def _is_kernel(p):
    return p.ndim == 4 and min(p.shape[:2]) >= 16


def _fused(p):
    return p.device.type != "mps"


def _step_count(p, value=0.0):
    """AdamW's count of steps for p, on the device where its fused form reads it."""
    return torch.as_tensor(value, dtype=torch.float32, device=p.device if _fused(p) else "cpu")
