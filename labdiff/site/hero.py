"""The live panels of the index: digits out of noise, and what the network sees at each noise level."""

import torch

from labdiff.data import load_digits
from labdiff.edge import guided, sample
from labdiff.images import to_uint8
from labdiff.pretrained import load_pretrained
from labdiff.widgets.controls import button, choice, slider
from labdiff.widgets.in_browser import in_browser
from labdiff.widgets.panel import Panel
from labdiff.widgets.panes import computed
from labdiff.widgets.sliders import noise_slider

N = 16
WORDS = "{n_steps} steps of DPM-Solver++"


def hero() -> Panel:
    """Sixteen digits by the shipped network, of a label where it knows labels."""
    net, s = load_pretrained()
    shape, labels = (N, net.stem.in_channels // 4, 28, 28), list(range(net.classes or 0))

    def digits(panel):
        g = torch.Generator().manual_seed(panel.draw)
        model = guided(net, int(panel.digit), scale=1.5) if labels and panel.digit != "any" else net
        x = to_uint8(sample(model, s, shape, method="dpm", n_steps=panel.n_steps, generator=g))
        return {"xt": x, "x0_hat": x, "says": WORDS.format(n_steps=panel.n_steps)}

    controls = [button("draw", "New digits"), slider("hero", "n_steps", 1, 50, 10, label="steps")]
    moved: dict = {"seed": {"control": "draw"}, "n_steps": {"control": "n_steps"}}
    if labels:
        controls.insert(0, choice("digit", ["any", *map(str, labels)]))
        moved |= {"label": {"control": "digit"}, "scale": 1.5}
    show: dict = {"show": {"xt": "x", "x0_hat": "x0_hat"}, "says": WORDS}
    sampler = in_browser(net, s, method="dpm", shape=shape, clip=True, **moved, **show)
    look = {"columns": 4, "scale": 3}
    rows = [
        [
            computed("xt", shape, caption="x_t", alt="x_t", **look),
            computed("x0_hat", shape, caption="x0_hat: what the network sees in it", alt="x0_hat", **look),
        ]
    ]
    return Panel("digits out of noise", controls, rows, compute=digits, sampler=sampler)


def seen() -> Panel:
    """Eight digits under noise, and the shipped network's x0_hat of them."""
    net, s = load_pretrained()
    g, t = torch.Generator().manual_seed(0), round(0.3 * s.T)
    return noise_slider(s, load_digits("test").images[:8], generator=g, t=t, model=net)
