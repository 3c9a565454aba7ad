"""The exercises, one a file: formula, probes and catalogue of mistakes."""

from labdiff.checks.exercises import (
    alpha_bar_exercise,
    ddim_step_exercise,
    eps_loss_exercise,
    flow_velocity_exercise,
    guided_eps_exercise,
    inpaint_step_exercise,
    interpolate_exercise,
    normal_kl_exercise,
    p_mean_exercise,
    p_step_exercise,
    predict_x0_exercise,
    q_posterior_exercise,
    q_sample_exercise,
    q_step_exercise,
    timestep_embedding_exercise,
    training_step_exercise,
)

ALL = tuple(
    module.EXERCISE
    for module in (
        alpha_bar_exercise,
        q_step_exercise,
        q_sample_exercise,
        q_posterior_exercise,
        predict_x0_exercise,
        p_mean_exercise,
        normal_kl_exercise,
        eps_loss_exercise,
        timestep_embedding_exercise,
        training_step_exercise,
        p_step_exercise,
        ddim_step_exercise,
        guided_eps_exercise,
        inpaint_step_exercise,
        interpolate_exercise,
        flow_velocity_exercise,
    )
)
