"""The public edge: labdiff's functions behind a check of their arguments. Inside, the plain ones are used.

A wrong argument raises TypeError or ValueError in the form *function: argument: expected ..., got ...*.
"""

import typing
from collections.abc import Callable
from typing import Any

import torch

from labdiff import (
    calls,
    checkpoint,
    data,
    device,
    editing,
    guidance,
    image_folder,
    objective,
    pretrained,
    process,
    sampling,
    schedule,
    toys,
    train_call,
    training,
    unet,
)
from labdiff.arguments import check_data, check_schedule, check_t
from labdiff.model_argument import Model, check_model
from labdiff.schedule import Levels, Schedule
from labdiff.signature import Check, P, R, checked


def as_hinted(function: Callable, t_min: int = 1) -> Check:
    """The check that type hints ask for: a Schedule, a Model, Levels in t_min..T, tensors that are alike."""
    hints = typing.get_type_hints(function)
    schedules, models, levels, data = (
        [name for name, hint in hints.items() if hint == kind and name != "return"]
        for kind in (Schedule, Model, Levels, torch.Tensor)
    )

    def check(name: str, given: dict[str, Any]) -> None:
        for s in schedules:
            check_schedule(name, given[s])
        for model in models:
            check_model(name, given[model])
        x = check_data(name, {k: given[k] for k in data}) if data else None
        for t in levels:
            given[t] = check_t(name, given[t], given["s"].T, t_min, x)

    return check


def formula(function: Callable[P, R], t_min: int = 1) -> Callable[P, R]:
    return checked(function, as_hinted(function, t_min))


linear_schedule = checked(schedule.linear_schedule, calls.levels)
cosine_schedule = checked(schedule.cosine_schedule, calls.levels)
q_step = formula(process.q_step)
q_sample = formula(process.q_sample, t_min=0)
q_posterior = formula(process.q_posterior)
predict_x0 = formula(process.predict_x0)
p_mean = formula(process.p_mean)
normal_kl = checked(objective.normal_kl, calls.normals)
eps_weight = formula(objective.eps_weight)
eps_loss = formula(objective.eps_loss)
elbo = checked(objective.elbo, as_hinted(objective.elbo), calls.elbo)
timestep_embedding = checked(unet.timestep_embedding, calls.embedding)
train = checked(training.train, train_call.train)
ddpm_steps = checked(sampling.ddpm_steps, calls.sampler)
ddim_steps = checked(sampling.ddim_steps, calls.sampler)
dpm_steps = checked(sampling.dpm_steps, calls.sampler)
sample = checked(sampling.sample, calls.sample)
guided = checked(guidance.guided, calls.guided)
inpaint = checked(editing.inpaint, calls.inpaint)
interpolate = checked(editing.interpolate, as_hinted(editing.interpolate), calls.interpolate)
invert = checked(editing.invert, as_hinted(editing.invert), calls.invert)
pick_device = checked(device.pick_device)
load_digits = checked(data.load_digits)
load_images = checked(image_folder.load_images)
load_pretrained = checked(pretrained.load_pretrained)
pretrained_steps = checked(pretrained.pretrained_steps)
save_checkpoint = checked(checkpoint.save_checkpoint)
load_checkpoint = checked(checkpoint.load_checkpoint)
spiral = checked(toys.spiral)
two_bumps = checked(toys.two_bumps)
