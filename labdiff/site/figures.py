"""The figures of a notebook on its page: ink for either theme, and a text for who can't see them."""

import base64
import io
import re

import nbformat
import numpy as np
from PIL import Image, ImageFilter

from labdiff.plot.style import INK
from labdiff.site.sources import words

INKS = {"in-light": (95, 95, 95), "in-dark": (180, 180, 180)}  # 6.4:1 on the light page, 8.5:1 on the dark
PNG = r'<img(?![^>]* style=)([^>]*?) src="data:image/png;base64,\s*(iVBORw0KGgo[A-Za-z0-9+/=\s]*)"([^>]*?)/?>'


def describe(notebook: nbformat.NotebookNode) -> None:
    """Give each image in the outputs an alternative text that has none: under which heading it stands."""
    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = ([heading] + re.findall(r"^#+ +(.*\S)", cell.source, re.MULTILINE))[-1]
        for output in cell.get("outputs", []):
            for kind in ("image/png", "image/jpeg"):
                if kind in output.get("data", {}):
                    said = output.metadata.setdefault(kind, {})
                    said.setdefault("alt", f"Figure: {words(heading)}" if heading else "Figure")


def in_both_themes(body: str) -> str:
    """HTML whose labdiff figures come in a light and a dark version, with their width for the style sheet."""
    return re.sub(PNG, _both, body)


def _both(match: re.Match) -> str:
    try:
        image = Image.open(io.BytesIO(base64.b64decode(match[2])))
        inked = _inked(image)
    except (OSError, ValueError):  # no PNG after all
        return match[0]
    rest = f'{match[1]}{match[3]} style="--natural: {image.width}px"'
    if not inked:
        return f'<img{rest} src="data:image/png;base64,{match[2]}">'
    # not a <picture>: paper would get what the screen has, for the printer does not wait for another file
    return "".join(f'<span class="{theme}"><img{rest} src="{data}"></span>' for theme, data in inked.items())


def _inked(image: Image.Image) -> dict[str, str]:
    """A transparent figure with texts and axes in each of INKS, as data URLs; nothing for an opaque image."""
    pixels = np.array(image.convert("RGBA"))
    if (pixels[..., 3] == 255).all():
        return {}
    opaque = pixels[..., 3] > 200  # with a palette of 256 colours a picture's grey may be a letter's, too
    # what is opaque in all directions is a picture, whose greys stay
    shape = Image.fromarray(opaque).convert("L")
    picture = np.asarray(shape.filter(ImageFilter.MinFilter(5)).filter(ImageFilter.MaxFilter(5))) > 0
    given = np.array([int(INK[i : i + 2], 16) for i in (1, 3, 5)])
    near = (np.abs(pixels[..., :3].astype(int) - given) <= 5).all(-1)
    urls = {}
    for theme, ink in INKS.items():
        pixels[near & ~picture, :3] = ink
        stored = io.BytesIO()
        _small(pixels).save(stored, "PNG", optimize=True)
        urls[theme] = f"data:image/png;base64,{base64.b64encode(stored.getvalue()).decode()}"
    return urls


def _small(pixels: np.ndarray) -> Image.Image:
    """(H, W, 4) as an image with a palette where its colours are few, which changes none of them."""
    colours, places = np.unique(pixels.view(np.uint32), return_inverse=True)  # a pixel in 4 bytes
    if len(colours) > 256:
        return Image.fromarray(pixels)
    image = Image.fromarray(places.reshape(pixels.shape[:2]).astype(np.uint8), "P")
    image.putpalette(colours.tobytes(), "RGBA")
    return image
