"""What a student reads after a check, as HTML in the notebook and as plain text elsewhere."""

import base64
import html
import io
import textwrap
from dataclasses import dataclass

import numpy as np
from PIL import Image

NOT_ATTEMPTED, NOT_YET, CORRECT = "not attempted", "not yet", "correct"
SIGNS = {NOT_ATTEMPTED: "○", NOT_YET: "→", CORRECT: "✓"}
COLOURS = {
    NOT_ATTEMPTED: "var(--jp-border-color1, #9e9e9e)",
    NOT_YET: "var(--jp-warn-color0, #e65100)",
    CORRECT: "var(--jp-success-color0, #2e7d32)",
}


@dataclass(frozen=True)
class Picture:
    """A picture (H, W) of the data, shown on the grey scale -2..2."""

    caption: str
    pixels: np.ndarray

    @property
    def text(self):
        p = self.pixels
        with np.errstate(all="ignore"):
            size = f"mean {p.mean():.3g}, std {p.std():.3g}"
        return f"{self.caption}: {p.shape[0]} x {p.shape[1]}, {size}, {p.min():.3g}..{p.max():.3g}"

    @property
    def uri(self):
        grey = np.nan_to_num((self.pixels + 2) / 4, nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1)
        image = Image.fromarray((255 * grey).astype(np.uint8))
        file = io.BytesIO()
        image.resize((6 * image.width, 6 * image.height), Image.Resampling.NEAREST).save(file, "PNG")
        return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


@dataclass(frozen=True)
class Report:
    """The outcome of a check.

    Attributes:
        exercise: its name.
        status: "not attempted", "not yet" or "correct".
        score, max_score: points; all or none.
        mistake: short id of the recognised mistake ("a+b" for two), or None.
        hint: what is wrong and where to look, or what a right answer means.
        rows: (label, text) pairs: what went in, what was expected, what came out, and notes.
        pictures: the same for a probe that is worth looking at.
    """

    exercise: str
    status: str
    mistake: str | None = None
    hint: str = ""
    rows: tuple[tuple[str, str], ...] = ()
    pictures: tuple[Picture, ...] = ()
    max_score: float = 1.0

    @property
    def score(self):
        return self.max_score if self.status == CORRECT else 0.0

    @property
    def headline(self):
        named = f" ({self.mistake})" if self.mistake else ""
        points = "" if self.status == NOT_ATTEMPTED else f", {self.score:g} of {self.max_score:g}"
        return f"{SIGNS[self.status]} {self.exercise}: {self.status}{named}{points}"

    def __repr__(self):
        lines = [self.headline]
        lines += textwrap.wrap(self.hint, 100, initial_indent="  ", subsequent_indent="  ")
        width = max((len(label) for label, _ in self.rows), default=0)
        for label, text in self.rows:
            lines += textwrap.wrap(
                text, 100, initial_indent=f"    {label:{width}}  ", subsequent_indent=" " * (width + 6)
            )
        lines += [f"    {p.text}" for p in self.pictures]
        return "\n".join(lines)

    def _repr_html_(self):
        e = html.escape
        rows = "".join(
            f'<tr style="background:transparent"><th style="{_CELL}font-weight:600;white-space:nowrap">'
            f'{e(label)}</th><td style="{_CELL}font-family:var(--jp-code-font-family, monospace);'
            f'white-space:pre-wrap">{e(text)}</td></tr>'
            for label, text in self.rows
        )
        figures = "".join(
            f'<figure style="margin:0 12px 0 0;max-width:200px"><img src="{p.uri}" alt="{e(p.text)}" '
            'style="image-rendering:pixelated;border:1px solid currentColor">'
            f'<figcaption style="font-size:90%">{e(p.text)}</figcaption></figure>'
            for p in self.pictures
        )
        return (
            f'<div style="color:var(--jp-ui-font-color1, inherit);border-left:4px solid '
            f"{COLOURS[self.status]};"
            f'padding:4px 12px;max-width:56em"><strong>{e(self.headline)}</strong>'
            + (f'<p style="margin:4px 0">{e(self.hint)}</p>' if self.hint else "")
            + (
                f'<table style="border-collapse:collapse;color:inherit;margin:4px 0">{rows}</table>'
                if rows
                else ""
            )
            + (f'<div style="display:flex;flex-wrap:wrap;margin:4px 0">{figures}</div>' if figures else "")
            + "</div>"
        )


_CELL = "text-align:left;vertical-align:top;padding:2px 10px 2px 0;background:transparent;color:inherit;"
