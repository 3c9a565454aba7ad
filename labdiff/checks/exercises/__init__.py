"""The exercises, one a file: formula, probes and catalogue of mistakes."""

from labdiff.checks.exercises import (
    alpha_bar,
    ddim_step,
    eps_loss,
    flow_velocity,
    guided_eps,
    inpaint_step,
    interpolate,
    normal_kl,
    p_mean,
    p_step,
    predict_x0,
    q_posterior,
    q_sample,
    q_step,
    timestep_embedding,
    training_step,
)

ALL = tuple(
    module.EXERCISE
    for module in (
        alpha_bar,
        q_step,
        q_sample,
        q_posterior,
        predict_x0,
        p_mean,
        normal_kl,
        eps_loss,
        timestep_embedding,
        training_step,
        p_step,
        ddim_step,
        guided_eps,
        inpaint_step,
        interpolate,
        flow_velocity,
    )
)
