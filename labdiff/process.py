"""The diffusion process: one pure function per formula of the slides. t = 0 is clean data, t = 1..T are noise levels."""

from labdiff.arguments import checked


def at(t, x, *tables):
    """Entry t of each float64 table: a number for an int t, else (B, 1, ..., 1) like x, to scale whole samples of x."""
    if isinstance(t, int):
        return [table[t].item() for table in tables]
    shape = (-1, *[1] * (x.ndim - 1))
    return [table.to(x.dtype).to(x.device, non_blocking=x.is_cuda)[t].reshape(shape) for table in tables]


@checked
def q_step(s, x_prev, t, eps):
    """One noising step: a draw from q(x_t | x_{t-1}).

        x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps

    Args:
        s: Schedule.
        x_prev: (B, ...) real, x_{t-1}.
        t: (B,) int64, or one int for all, in 1..T.
        eps: like x_prev, standard normal.

    Returns: x_t, like x_prev.
    Raises: TypeError, ValueError: wrong type, shape, dtype, device, range, or NaN.
    Source: Ho et al. 2020, eq. 2; slides S4, S13.
    """
    signal, noise = at(t, x_prev, s.alpha.sqrt(), s.beta.sqrt())
    return signal * x_prev + noise * eps


@checked(t_min=0)
def q_sample(s, x0, t, eps):
    """The jump: a draw from q(x_t | x_0), at any t at once.

        x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps

    Args:
        s: Schedule.
        x0: (B, ...) real, clean data in about [-1, 1].
        t: (B,) int64, or one int for all, in 0..T; t = 0 gives x0 back.
        eps: like x0, standard normal.

    Returns: x_t, like x0.
    Raises: TypeError, ValueError: wrong type, shape, dtype, device, range, or NaN.
    Source: Ho et al. 2020, eq. 4; slides S5, S13.
    """
    signal, noise = at(t, x0, s.alpha_bar.sqrt(), (1 - s.alpha_bar).sqrt())
    return signal * x0 + noise * eps


@checked
def q_posterior(s, x0, xt, t):
    """Mean and variance of q(x_{t-1} | x_t, x_0), the step back when x_0 is known.

        mu_tilde_t   = sqrt(alpha_bar_{t-1}) beta_t / (1 - alpha_bar_t) x_0
                     + sqrt(alpha_t) (1 - alpha_bar_{t-1}) / (1 - alpha_bar_t) x_t
        beta_tilde_t = (1 - alpha_bar_{t-1}) / (1 - alpha_bar_t) beta_t

    Args:
        s: Schedule.
        x0, xt: (B, ...) real, alike.
        t: (B,) int64, or one int for all, in 1..T.

    Returns: (mean, var): mean like xt; var (B, 1, ..., 1), 0 at t = 1 where mean = x0.
    Raises: TypeError, ValueError: wrong type, shape, dtype, device, range, or NaN.
    Source: Ho et al. 2020, eq. 6-7; slide S10.
    """
    alpha_bar_prev = s.alpha_bar.roll(1)  # alpha_bar_{t-1}; its entry 0 is never read
    on_x0 = alpha_bar_prev.sqrt() * s.beta / (1 - s.alpha_bar)
    on_xt = s.alpha.sqrt() * (1 - alpha_bar_prev) / (1 - s.alpha_bar)
    on_x0, on_xt, var = at(t, xt, on_x0, on_xt, s.beta_tilde)
    return on_x0 * x0 + on_xt * xt, var


@checked
def predict_x0(s, xt, t, eps_hat):
    """The clean sample that x_t comes from if its noise was eps_hat: q_sample solved for x_0.

        x0_hat = (x_t - sqrt(1 - alpha_bar_t) eps_hat) / sqrt(alpha_bar_t)

    Args:
        s: Schedule.
        xt: (B, ...) real.
        t: (B,) int64, or one int for all, in 1..T.
        eps_hat: like xt, the predicted noise.

    Returns: x0_hat, like xt, not clamped. Near t = T it divides by a small sqrt(alpha_bar_t) and can be large.
    Raises: TypeError, ValueError: wrong type, shape, dtype, device, range, or NaN.
    Source: Ho et al. 2020, text above eq. 9 and eq. 15; slides S5, S11.
    """
    signal, noise = at(t, xt, s.alpha_bar.sqrt(), (1 - s.alpha_bar).sqrt())
    return (xt - noise * eps_hat) / signal


@checked
def p_mean(s, xt, t, eps_hat):
    """Mean of the learned step back p_theta(x_{t-1} | x_t), from the predicted noise.

        mu_theta = (x_t - beta_t / sqrt(1 - alpha_bar_t) eps_hat) / sqrt(alpha_t)

    Args:
        s: Schedule.
        xt: (B, ...) real.
        t: (B,) int64, or one int for all, in 1..T.
        eps_hat: like xt, the predicted noise.

    Returns: mu_theta(x_t, t), like xt.
    Raises: TypeError, ValueError: wrong type, shape, dtype, device, range, or NaN.
    Source: Ho et al. 2020, eq. 11; slide S11.
    """
    alpha, beta, noise_var = at(t, xt, s.alpha, s.beta, 1 - s.alpha_bar)
    return (xt - beta / noise_var**0.5 * eps_hat) / alpha**0.5
