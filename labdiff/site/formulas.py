"""The formulas of a page: by KaTeX with its fonts inside the page, or as MathML where there is no node."""

import base64
import re

from latex2mathml.converter import convert

from labdiff.site import npm

MARK = "\ue000{}\ue001"  # stands for a formula until all of a page are made; of Unicode's private use
LONG = 30  # characters of LaTeX, from which on a formula in a line may be broken


class Formulas:
    """The formulas of one page, collected while its text is made."""

    def __init__(self):
        self.found = []

    def add(self, latex: str, display: bool) -> str:
        """What stands for the formula until put_into()."""
        self.found.append((latex, display))
        return MARK.format(len(self.found) - 1)

    def words(self, text: str) -> str:
        """The text with each formula as LaTeX, as in a heading's name."""
        return re.sub(MARK.format(r"(\d+)"), lambda m: f"${self.found[int(m[1])][0]}$", text)

    def put_into(self, page: str) -> str:
        """The page with its formulas in place."""
        if npm.modules():
            made = npm.katex(self.found)
        else:
            made = [mathml(*formula) for formula in self.found]

        def in_place(match):
            (latex, display), formula = self.found[int(match[1])], made[int(match[1])]
            if display or not match[2] or len(latex) > LONG:
                return formula + match[2]
            return f'<span class="together">{formula}{match[2]}</span>'  # no line begins with a full stop

        return re.sub(MARK.format(r"(\d+)") + r"([).,;:!?]*)", in_place, page)


def mathml(formula: str, display: bool) -> str:
    """LaTeX as MathML; what the converter does not know is first put into words that it knows."""
    for name, known in ((r"\|", "‖"), ("{aligned}", "{align*}")):
        formula = formula.replace(name, known)
    return convert(formula, display="block" if display else "inline")


def css(page: str) -> str:
    """KaTeX's style sheet with the fonts that the page uses inside it; empty without formulas."""
    if 'class="katex' not in page:
        return ""
    dist = npm.package("katex") / "dist"
    sheet = (dist / "katex.min.css").read_text("utf-8")
    rules = re.findall(r"([^{}]*)\{[^{}]*font(?:-family)?:[^;{}]*?(KaTeX_\w+)", sheet)
    names = {(family, name) for where, family in rules for name in re.findall(r"\.([\w-]+)", where)}
    shown = set(" ".join(re.findall(r'class="([^"]*)"', page)).split())
    used = {family for family, name in names if name in shown and (name != "katex" or family == "KaTeX_Main")}

    def face(match):
        family, file = (
            re.search(r"font-family:\W?(\w+)", match[0])[1],
            re.search(r"fonts/[\w-]+\.woff2", match[0])[0],
        )
        if family not in used:
            return ""
        data = base64.b64encode((dist / file).read_bytes()).decode()
        source = f'src:url(data:font/woff2;base64,{data}) format("woff2")'
        return re.sub(r"src:[^}]*", lambda _: source, match[0])

    return re.sub(r"@font-face\{[^}]*\}", face, sheet)
