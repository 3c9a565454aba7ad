"""What every widget is made of: a panel of controls above pictures, tables and plots."""

import html
import io

import ipywidgets as ipw
from PIL import Image

from labdiff.plot import tile, to_uint8

STYLE = "<style>img.labdiff-pixels {image-rendering: pixelated; max-width: 100%}</style>"


class Panel(ipw.VBox):
    """Controls above pictures. `draw` is called with the controls' values, now and whenever one of them changes.

    Args:
        name: what the panel is, for readers whose page can't show it.
        controls: {keyword: widget with a value}.
        draw: called as draw(**{keyword: value}); sets the panes.
        panes: the widgets below the controls.
    """

    def __init__(self, name, controls, draw, panes):
        self.name, self.controls, self.draw = name, controls, draw
        self.row = row(*controls.values())
        super().__init__([ipw.HTML(STYLE, layout=ipw.Layout(display="none")), self.row, *panes])
        for control in controls.values():
            control.observe(self._redraw, "value")
        self._redraw()

    def _redraw(self, _=None):
        self.draw(**{keyword: control.value for keyword, control in self.controls.items()})

    def __repr__(self):
        return (f"{self.name}: a slider stands here while the notebook runs in JupyterLab. If it runs and you read this, install "
                "ipywidgets where Jupyter itself is installed (pip install ipywidgets) and restart Jupyter.")

    def _repr_mimebundle_(self, **kwargs):
        return {**super()._repr_mimebundle_(**kwargs), "text/plain": repr(self)}  # ipywidgets cuts it short


def t_slider(low, high, value, continuous=True):
    """A slider over t."""
    if not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"t: expected an int in {low}..{high}, got {value!r}")
    return ipw.IntSlider(value=value, min=low, max=high, description="t", continuous_update=continuous, layout=ipw.Layout(width="480px"))


def picture():
    """An empty Image that png() fills; its pixels stay sharp."""
    image = ipw.Image(value=b"", format="png")
    image.add_class("labdiff-pixels")
    return image


def png(x, n_columns=8, scale=2):
    """(N, 1 or 3, H, W) in [-1, 1] -> the bytes of one PNG with all of them."""
    sheet = Image.fromarray(tile(to_uint8(x), n_columns))
    buffer = io.BytesIO()
    sheet.resize((scale * sheet.width, scale * sheet.height), Image.NEAREST).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def row(*children):
    """Widgets side by side, below each other where the page is narrow."""
    return ipw.HBox(children, layout=ipw.Layout(flex_flow="row wrap", align_items="center"))


def table(entries):
    """An HTML table of {name: value}."""
    rows = "".join(f"<tr><td style='text-align:left;padding-right:1em'>{html.escape(str(k))}</td>"
                   f"<td style='text-align:right'><b>{html.escape(str(v))}</b></td></tr>" for k, v in entries.items())
    return f"<table style='font-variant-numeric:tabular-nums'>{rows}</table>"
