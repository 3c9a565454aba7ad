"""What a step of Algorithm 2 or of DDIM does to x0_hat, and to z, where no catalogue has the mistake."""

import numpy as np
import torch

from labdiff.checks.exercises.predict_x0_exercise import solve
from labdiff.checks.exercises.q_posterior_exercise import posterior
from labdiff.checks.exercises.reverse_probes import many
from labdiff.checks.judging.agreement import close


def read_step(seen):
    """(id, sentence) on x0_hat or sigma_t of a step that is right but for one of them; None otherwise."""
    read = {"p_step": _read, "ddim_step": _read_ddim}.get(seen.exercise.name)
    if read is None or len(seen.rows) < len(seen.all):
        return None
    with torch.no_grad():
        steps = [read(p, o.values["x_prev"]) for p, _, o in seen.rows if p.rtol <= 1e-4]
    steps = [step for step in steps if step is not None]
    if len(steps) <= 3:
        return None
    return _x0_hat(steps) if read is _read_ddim else _changed_z(steps) or _noise(steps) or _x0_hat(steps)


def _read_ddim(probe, got):
    """The same as _read, without noise."""
    model, s, xt, t, t_prev = probe.args
    if got.shape != tuple(xt.shape) or xt.numel() < 6 or not np.isfinite(got).all():
        return None
    eps_hat = model(xt, many(t, xt))
    x0_hat = solve(s, xt, many(t, xt), eps_hat).double().numpy().ravel()
    signal, noise = float(s.alpha_bar[t_prev]) ** 0.5, (1 - float(s.alpha_bar[t_prev])) ** 0.5
    return probe, s, t, 0 * x0_hat, x0_hat, signal, got.ravel() - noise * eps_hat.double().numpy().ravel()


def _read(probe, got):
    """(probe, s, t, z, x0_hat, factor of x0_hat, what is left when x_t's term is taken off)."""
    model, s, xt, t, z = probe.args
    if got.shape != tuple(xt.shape) or xt.numel() < 6 or not np.isfinite(got).all():
        return None
    level = many(t, xt)
    x0_hat = solve(s, xt, level, model(xt, level))
    of_xt = posterior(s, 0 * xt, xt, level)[0]
    of_x0 = posterior(s, torch.ones_like(xt), 0 * xt, level)[0].flatten()[0].item()
    flat = (x.double().numpy().ravel() for x in (z, x0_hat))
    return probe, s, t, *flat, of_x0, got.ravel() - of_xt.double().numpy().ravel()


CHANGES = {
    "|z|": np.abs,
    "z^2": np.square,
    "the sign of z": np.sign,
    "tanh(z)": np.tanh,
    "z cut off at -1 and 1": lambda z: z.clip(-1, 1),
    "z less its mean": lambda z: z - z.mean(),
    "z less its mean, divided by its std": lambda z: (z - z.mean()) / z.std(ddof=1),
    "z from the last to the first": lambda z: z[::-1],
    "exp(z)": np.exp,
}


def _changed_z(steps):
    """Another function of z than z itself, in a step that is right otherwise."""
    for words, change in CHANGES.items():
        for low, high in ((-np.inf, np.inf), (-1, 1)):
            for variance in ("beta", "beta_tilde"):
                if all(
                    close(
                        rest - of_x0 * x0_hat.clip(low, high),
                        (float(getattr(s, variance)[t]) ** 0.5 if t > 1 else 0) * change(z),
                        1e-3,
                    )
                    for _, s, t, z, x0_hat, of_x0, rest in steps
                ):
                    return "z-changed", (
                        f"Your step is right but for the noise: you take {words} in place of z. Algorithm 2 "
                        "adds sigma_t z, and z is standard normal as it is."
                    )
    return None


def _noise(steps):
    told = []
    for probe, s, t, z, x0_hat, of_x0, rest in steps:
        noise = rest - of_x0 * x0_hat.clip(-1, 1)
        k = float(noise @ z / (z @ z))
        if not close(k * z, noise, 1e-3):
            return None
        right = [float(v[t]) ** 0.5 if t > 1 else 0.0 for v in (s.beta, s.beta_tilde)]
        if min(abs(k - r) for r in right) > 1e-3:
            told.append(f"{probe.name}: {k:.4g} (right: {right[0]:.4g} or {right[1]:.4g})")
    if told:
        return "factor-of-z", f"Your mean is right, with x0_hat clamped; your sigma_t is not. {told[0]}."
    return None


def _x0_hat(steps):
    for variance in ("beta", "beta_tilde"):
        off = None
        for probe, s, t, z, x0_hat, of_x0, rest in steps:
            used = (rest - (float(getattr(s, variance)[t]) ** 0.5 * z if t > 1 else 0)) / of_x0
            order = np.argsort(x0_hat)
            if np.diff(used[order]).min() < -2e-3:
                break
            far = np.abs(used - x0_hat).argmax()
            if off is None or abs(used[far] - x0_hat[far]) > abs(off[1] - off[2]):
                off = probe, used[far], x0_hat[far]
        else:
            probe, used, right = off
            return "x0-hat-changed", (
                f"Your step is right but for x0_hat, to which you do something: where S5 gives {right:.4g}, "
                f"you take {used:.4g} ({probe.name}). Take it as it is, or clamp it to [-1, 1]."
            )
    return None
