"""A panel: controls above rows of panes, drawn in the browser from data that is sent once."""

import uuid
from dataclasses import dataclass, field
from pathlib import Path

import anywidget
import numpy as np
import torch
import traitlets
from ipywidgets.embed import dependency_state

from labdiff.widgets.cells import close_with_cell

STATIC = Path(__file__).parent / "static"
# the front end takes one text, so these make one module
SCRIPTS = (
    "data.js",
    "controls.js",
    "pictures.js",
    "bayes.js",
    "plot.js",
    "parts.js",
    "pad.js",
    "keep.js",
    "view.js",
)
ESM = "\n".join((STATIC / name).read_text("utf-8") for name in SCRIPTS)
CSS = (STATIC / "view.css").read_text("utf-8")


@dataclass
class Control:
    """One control of a Panel: its looks (spec), its values (trait); `value` is the panel's trait."""

    name: str
    trait: traitlets.TraitType
    start: object
    spec: dict
    panel: "Panel" = field(init=False, repr=False, compare=False)

    @property
    def value(self):
        return getattr(self.panel, self.name)

    @value.setter
    def value(self, value):
        setattr(self.panel, self.name, value)

    def observe(self, handler, names="value"):
        """Call handler(change) when the value changes."""
        self.panel.observe(handler, self.name)


class Panel(anywidget.AnyWidget):
    """Controls above rows of panes.

    Args:
        name: what the panel is, for readers whose page can't show it.
        controls: Controls; each becomes a trait of the panel, validated on both sides.
        rows: lists of panes (see labdiff.widgets.panes), which stand below each other.
        head: a pane between the controls and the rows.
        says: a texts() table, spoken after the controls' values and read as part of the pictures' alt text.
        compute: called in the kernel as compute(panel) -> {key: array, text or number} when a control is let
            go; panes show what it returns under their key. Default: nothing needs the kernel.
        follows: it is quick, and called while a control moves, as often as it can be.
        sampler: the same as in_browser(), for a page that has the network and no kernel.

    Traits: one for each control; `group` links panels (see link()); spec, data, computed are what the browser
        draws from.
    """

    _esm, _css = ESM, CSS
    spec = traitlets.Dict().tag(sync=True)
    data = traitlets.List().tag(sync=True)
    computed = traitlets.Dict().tag(sync=True)
    group = traitlets.Unicode().tag(sync=True)

    def __init__(
        self, name, controls, rows, *, head=None, says=None, compute=None, follows=False, sampler=None
    ):
        model_id = uuid.uuid4().hex
        self.name, self.controls, self.compute = name, {c.name: c for c in controls}, compute
        tree, buffers = pack(
            {
                "id": model_id,
                "name": name,
                "controls": [c.spec | {"name": c.name} for c in controls],
                "head": head,
                "rows": rows,
                "says": says,
                "computes": compute is not None,
                "follows": follows,
                "sampler": sampler,
            }
        )
        self.add_traits(**{c.name: c.trait.tag(sync=True) for c in controls})
        super().__init__(model_id=model_id, spec=tree, data=buffers, **{c.name: c.start for c in controls})
        for control in controls:
            control.panel = self
        if compute:
            self.observe(self._compute, self.watched())
            self._compute()
        close_with_cell(self)

    def watched(self):
        """The traits on which `compute` depends."""
        return list(self.controls)

    def _compute(self, _=None):
        at = {name: getattr(self, name) for name in self.watched()}
        for name, control in self.controls.items():
            if control.spec["kind"] == "button" and at[name] == 0:
                del at[name]
        if at == self.computed.get("tree", {}).get("at"):
            return  # two of them changed in one message, and this is the second call
        try:
            results = self.compute(self)
        except (
            Exception
        ) as error:  # the page would say "computing" for ever; the kernel's log has the traceback
            self.hand_over(error=f"{type(error).__name__}: {error}", at=at)
            raise
        self.hand_over(**results, at=at)

    def hand_over(self, **results):
        """Give what the kernel computed to the panes that show it."""
        tree, buffers = pack(results)
        self.computed = {"tree": tree, "buffers": buffers}

    def kept(self) -> dict:
        """The panel as a page without a kernel takes it: what the front end draws from, bytes as base64."""
        return dependency_state([self], drop_defaults=False)[self.model_id]

    def close(self):
        """Remove the panel from the page and free its data; remaining references hold an empty object."""
        self.layout.close()
        super().close()
        self.unobserve_all()
        self.compute, self.data, self.computed = None, [], {}

    def __repr__(self):
        return (
            f"{self.name}: it moves once you run this cell (if you have just done that and still read this, "
            "anywidget is missing where Jupyter is installed: pip install anywidget ipywidgets, then restart "
            "Jupyter)"
        )


def link(*panels: Panel) -> None:
    """Let panels move together: where a slider of one moves, those of its name in the others follow, each in
    its range.

    Args:
        panels: two or more Panels with a slider of the same name, such as "t".

    Raises: TypeError, ValueError: no Panels, or they share no slider.
    """
    for panel in panels:
        if not isinstance(panel, Panel):
            raise TypeError(
                f"link: panels: expected Panels such as noise_slider(...), got {type(panel).__name__}"
            )
    if len(panels) < 2 or not set.intersection(*(set(panel.controls) for panel in panels)):
        raise ValueError(
            f"link: panels: expected two or more with a slider of the same name, got "
            f"{[list(panel.controls) for panel in panels]}"
        )
    for panel in panels:
        panel.group = panels[0].model_id


def pack(tree):
    """Take the arrays out of a tree of dicts and lists, to be sent as bytes.

    Args:
        tree: dicts, lists, numbers, texts, and arrays or tensors of uint8, float32 or float64.

    Returns: (tree, buffers): {"buffer": i, "dtype", "shape"} stands where array i stood; buffers a list of
        bytes.
    """
    buffers = []

    def walk(node):
        if isinstance(node, dict):
            return {key: walk(child) for key, child in node.items()}
        if isinstance(node, (list, tuple)):
            return [walk(child) for child in node]
        if isinstance(node, torch.Tensor):
            node = node.detach().cpu().numpy()
        if isinstance(node, np.ndarray):
            buffers.append(np.ascontiguousarray(node).tobytes())
            return {"buffer": len(buffers) - 1, "dtype": str(node.dtype), "shape": list(node.shape)}
        return node

    return walk(tree), buffers
