"""The exercises: formula, probes and catalogue of mistakes, one module for a group of slides."""

from labdiff.checks.exercises import embedding, forward, objective, posterior, sampling, training

ALL = (
    *forward.EXERCISES,
    *posterior.EXERCISES,
    *objective.EXERCISES,
    *embedding.EXERCISES,
    *training.EXERCISES,
    *sampling.EXERCISES,
)
