"""Sliders and players: what moves in the notebooks.

Each is an anywidget whose state is the value of its controls, as traits: `slider.t = 500` moves the slider of
`slider = noise_slider(s, x0)`. Most send what they show to the browser once, from one fixed draw of
noise, and it is drawn there while the slider moves: at the screen's rate, and without a kernel. Those that
need a network (`sample_slider`, `guidance_slider`, `renoise`, the pads) have the kernel compute it.
"""

from labdiff.widgets.bayes import posterior_slider, reverse_slider
from labdiff.widgets.clouds import cloud_pad
from labdiff.widgets.labelled import guidance_slider
from labdiff.widgets.live import drawing_pad, renoise
from labdiff.widgets.marginals import marginal_slider
from labdiff.widgets.pads import repair_pad
from labdiff.widgets.panel import Panel, link
from labdiff.widgets.players import snapshot_slider, trajectory_player
from labdiff.widgets.samples import interpolation_slider, sample_slider
from labdiff.widgets.schedules import schedule_slider
from labdiff.widgets.sliders import curve_slider, noise_slider
from labdiff.widgets.training_run import TrainingRun, training
from labdiff.widgets.training_view import TrainingView

__all__ = [
    "Panel",
    "TrainingRun",
    "TrainingView",
    "cloud_pad",
    "curve_slider",
    "drawing_pad",
    "guidance_slider",
    "interpolation_slider",
    "link",
    "marginal_slider",
    "noise_slider",
    "posterior_slider",
    "renoise",
    "repair_pad",
    "reverse_slider",
    "sample_slider",
    "schedule_slider",
    "snapshot_slider",
    "training",
    "trajectory_player",
]
