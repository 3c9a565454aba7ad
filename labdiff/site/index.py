"""The index of the site in Markdown: what each notebook teaches, and where each slide is treated."""

import re
from pathlib import Path

from labdiff.site.exporter import anchor
from labdiff.site.sources import escaped, text_of

INTRO = """# The diffusion lab

How a network learns to make images out of noise: each claim of the slides derived, checked by a number, and
put under a slider. The pages need no installation and no connection; to do the exercises, run the notebooks.
"""
BETWEEN = """And what does the network see on the way? Slide the noise level $t$ of real digits: below $x_t$
stands the clean image $\\hat x_0$ that it guesses. Where does it begin to guess another digit?
"""


def index(titles: dict[Path, str]) -> tuple[str, str, str]:
    """(what stands above the live panels, between them, below them), all Markdown."""
    notebooks = {path: title for path, title in titles.items() if path.suffix == ".ipynb"}
    cards = [_card(path, title) for path, title in notebooks.items()]
    contents = "\n".join(f"* [{escaped(title)}](<{path.name}>)" for path, title in titles.items())
    below = ["## The notebooks", contents, *cards, _slides(notebooks)]
    return INTRO, BETWEEN, "\n\n".join(filter(None, below))


def _card(path: Path, title: str) -> str:
    """A notebook's title, its first paragraph, and what one can do after it."""
    first = text_of(path)[0]
    paragraphs = [text for text in first.split("\n\n") if not text.startswith(("#", "|"))]
    aim = re.search(r"^\**After it.*?(?=\n\n\*\*|\n\n#|\Z)", first, re.DOTALL | re.MULTILINE)
    said = [text for text in (*paragraphs[:1], aim and aim[0]) if text]
    return "\n\n".join([f"### [{escaped(title)}](<{path.name}>)", *dict.fromkeys(said)])


def _slides(notebooks: dict[Path, str]) -> str:
    """A table of the slides, from the tables with which the notebooks begin."""
    said, where = {}, {}
    for path in notebooks:
        first, *others = text_of(path)
        headings = re.findall(r"^#+ +((\d+)\. .*)", "\n\n".join(others), re.MULTILINE)
        places = {number: anchor(re.sub(r"[`*]", "", heading)) for heading, number in headings}
        for slides, says, sections in re.findall(
            r"^\| *(S\d.*?) *\| *(.*) *\| *(.*?) *\|$", first, re.MULTILINE
        ):
            numbers = re.findall(r"\d+", re.sub(r"\]\(.*?\)+(?=[,\s]|$)", "", sections))
            links = [f"[{path.stem[:2]}.{n}](<{path.name}#{places[n]}>)" for n in numbers if n in places]
            for slide in map(int, re.findall(r"\bS(\d+)", slides)):
                said.setdefault(slide, {})[says.strip()] = None
                where.setdefault(slide, {}).update(
                    dict.fromkeys(links or [f"[{path.stem[:2]}](<{path.name}>)"])
                )
    rows = [f"| S{n} | {'; '.join(said[n])} | {', '.join(where[n])} |" for n in sorted(said)]
    head = ["## Slide by slide", "", "| slide | what it says | notebook and section |", "|---|---|---|"]
    return "\n".join([*head, *rows]) if rows else ""
