"""The site of notebooks, as far as no browser is needed: formulas, pictures, failures, what stands where."""

import base64
import html
import io
import itertools
import json
import re
import urllib.parse
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from PIL import Image

import labdiff as ld
from labdiff import cli
from labdiff.site import exporter, formulas, npm, pages, sources

ROOT = Path(__file__).parents[1]


NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture
def without_npm(monkeypatch):
    monkeypatch.setattr(npm.shutil, "which", lambda name: None)
    npm.modules.cache_clear()
    yield
    npm.modules.cache_clear()


def body(path):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    return exporter.body_of(notebook, path.parent)


def prose_of(page):
    return re.sub(r' id="[^"]*"|<(pre|code|math)\b.*?</\1>', "", page, flags=re.DOTALL)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_formula_is_understood(path, with_npm):
    page = body(path)
    assert page.count('class="katex"') > 20 and "katex-error" not in page
    assert re.findall(r"\$|\\(?:frac|bar|sum|sqrt|mathcal)|[\ue000\ue001]", prose_of(page)) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_without_node_formulas_are_mathml(path, without_npm, capsys):
    page = body(path)
    found = re.findall(r"<math.*?</math>", page, re.DOTALL)
    texts = [text for formula in found for text in re.findall(r">([^<]*)<", formula)]
    assert len(found) > 20 and [text for text in texts if "\\" in text or text in ("&", "&amp;")] == []
    assert re.findall(r"\$|\\(?:frac|bar|sum|sqrt|mathcal)", prose_of(page)) == []
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "apt install nodejs npm" in said and "MathML" in said


def test_formulas_keep_what_mathml_lost_and_bring_their_fonts(with_npm):
    source = r"""$$\left(\underbrace{\mathcal N(x)}_{\text{known}}\right) \; \log q,
    \quad \mathbb{E}\big[y\big] \tag{7}$$"""
    page = exporter.body_of(sources.markdown(source), ROOT)
    for part in ("brace", "mathcal", "mathbb", "tag", "delimsizing"):
        assert part in page, part
    sheet = formulas.css(page)
    faces = re.findall(r"@font-face\{[^}]*\}", sheet)
    families = {re.search(r"KaTeX_\w+", face)[0] for face in faces}
    assert {"KaTeX_Main", "KaTeX_Math", "KaTeX_AMS", "KaTeX_Caligraphic", "KaTeX_Size1"} <= families
    assert "KaTeX_Fraktur" not in families and all(
        "src:url(data:font/woff2;base64," in face for face in faces
    )
    assert "url(fonts/" not in sheet and formulas.css("<p>none</p>") == ""


def test_npm_that_fails_is_a_word_and_not_a_crash(monkeypatch, tmp_path, capsys):
    fake = tmp_path / "npm"
    fake.write_text("#!/bin/sh\necho 'npm error no network' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(npm.shutil, "which", lambda name: str(fake))
    npm.modules.cache_clear()
    try:
        assert npm.modules() is None and "npm error no network" in capsys.readouterr().err
        assert list((tmp_path / "cache" / "labdiff").iterdir()) == []
    finally:
        npm.modules.cache_clear()


def test_what_npm_brings_is_pinned_with_its_hash_and_names_no_host():
    lock = json.loads((npm.WEB / "package-lock.json").read_text("utf-8"))
    parts = {name: part for name, part in lock["packages"].items() if name}
    assert all(re.match(r"sha512-", part["integrity"]) and "resolved" not in part for part in parts.values())
    asked = json.loads((npm.WEB / "package.json").read_text("utf-8"))
    for name, version in (asked["dependencies"] | asked["devDependencies"]).items():
        assert parts[f"node_modules/{name}"]["version"] == version


def test_every_link_leads_somewhere(committed_site):
    ids = {
        page.name: set(re.findall(r'\bid="([^"]*)"', page.read_text("utf-8")))
        for page in committed_site.glob("*.html")
    }
    ids = {name: {html.unescape(i) for i in found} for name, found in ids.items()}
    inside = 0
    for page in committed_site.glob("*.html"):
        for url in re.findall(r'<a href="([^"]*)"', page.read_text("utf-8")):
            name, _, part = urllib.parse.unquote(html.unescape(url)).partition("#")
            if not re.match(r"https?:", name):
                assert not part or part in ids[name or page.name], f"{page.name}: {url}"
                assert (name or page.name) in ids, f"{page.name}: {url}"
                inside += bool(part)
    assert inside > 30


def test_the_index_maps_every_slide_and_pages_lead_on(committed_site):
    index = (committed_site / "index.html").read_text("utf-8")
    rows = re.findall(r"<tr>\s*<td>(S\d+)</td>\s*<td>(.*?)</td>\s*<td>(.*?)</td>", index, re.DOTALL)
    assert [name for name, _, _ in rows] == [f"S{n}" for n in range(1, 16)]
    assert all(says and "<a href=" in where for _, says, where in rows)
    assert "closed form" not in rows[0][1] and "05_sampling.html" in rows[14][2]
    for here, after in itertools.pairwise(NOTEBOOKS):
        page = (committed_site / f"{here.stem}.html").read_text("utf-8")
        assert f'Next: <a href="{after.stem}.html">' in page
        assert f'← <a href="{here.stem}.html">' in (committed_site / f"{after.stem}.html").read_text("utf-8")


def test_states_are_kept_for_what_is_shown_and_for_boxes_around_it():
    def model(name, **state):
        buffer = {"path": ["data", 0], "data": "AA==", "encoding": "base64"}
        return {"model_name": name, "state": state, "buffers": [buffer]}

    state = {
        "a": model("AnyModel", t=1, _esm="code"),
        "b": model("AnyModel", t=2),
        "box": model("VBoxModel", children=["IPY_MODEL_a"]),
    }
    output = nbformat.v4.new_output("display_data", {pages.VIEW: {"model_id": "box"}})
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("", outputs=[output])],
        metadata={"widgets": {pages.STATE: {"state": state}}},
    )
    assert pages.states(notebook) == {
        "box": {"children": ["a"]},
        "a": {"state": {"t": 1}, "buffers": [{"path": ["data", 0], "data": "AA=="}]},
    }


def course(folder, *cells):
    """A folder with one notebook of these cells (markdown where it begins with #) and a picture beside it."""
    folder.mkdir()
    Image.new("L", (3, 2), 77).save(folder / "beside.png")
    new = {True: nbformat.v4.new_markdown_cell, False: nbformat.v4.new_code_cell}
    notebook = nbformat.v4.new_notebook(cells=[new[text.startswith("#")](text) for text in cells])
    nbformat.write(notebook, folder / "mine.ipynb")
    return folder / "mine.ipynb"


def test_a_notebook_elsewhere_keeps_its_pictures(tmp_path):
    path = course(tmp_path / "elsewhere", "# Mine\n\n![as text](beside.png)\n\n<img src='beside.png'>")
    assert cli.main(["site", str(tmp_path / "out"), str(path)]) == 0
    page = (tmp_path / "out" / "mine.html").read_text("utf-8")
    data = re.findall(r'<img[^>]*src=.data:image/png;base64,([^"\']*)', page)
    assert len(data) == 2
    assert all(Image.open(io.BytesIO(base64.b64decode(each))).getpixel((0, 0)) == 77 for each in data)
    assert '<a href="mine.html">Mine</a>' in (tmp_path / "out" / "index.html").read_text("utf-8")


def pages_of(folder, **texts):
    """{name: page} of a site of notebooks with these texts, without a kernel."""
    for name, text in texts.items():
        nbformat.write(sources.markdown(text), folder / f"{name}.ipynb")
    titles = sources.titles_of(sorted(folder.glob("*.ipynb")))
    out = folder / "out"
    out.mkdir()
    for path in titles:
        pages.write(path, nbformat.read(path, 4), titles, out)
    pages.write_index(titles, out)
    return {path.stem: path.read_text("utf-8") for path in out.glob("*.html")}


def test_names_with_spaces_and_umlauts_and_titles_with_marks(tmp_path):
    links = "[on](Übung%202.ipynb) [to](<./Übung 2.ipynb#Teil-1>)"
    text = f"# Lab *1*: `x` & $x_t$ [a_b](c) <b>or</b> 3 < 4\n\n{links}"
    made = pages_of(tmp_path, **{"Übung 1": text, "Übung 2": "# Zwei\n\n## Teil 1"})
    page, where = made["Übung 1"], "%C3%9Cbung%202.html"
    assert f'<a href="{where}">on</a> <a href="{where}#Teil-1">to</a>' in page
    assert f'Next: <a href="{where}">Zwei</a>' in page and 'id="Teil-1"' in made["Übung 2"]
    title = "Lab 1: x & x_t a_b or 3 < 4"
    assert f"<title>{html.escape(title)}</title>" in page
    link = f'<a href="%C3%9Cbung%201.html">{html.escape(title)}</a>'
    assert made["index"].count(link) == 3  # above, in the list, and over what the notebook teaches


def test_pictures_and_files_from_anywhere_come_along_and_dead_links_do_not(tmp_path):
    for name in ("media/a b.png", "course/tab.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    notebook = sources.markdown(
        "![](../media/a%20b.png) ![](lost.png) ![](attachment:gone.png) ![](<attachment:my pic.png>) "
        "<b>bold</b>\n\n[t](tab.csv) [no](lost.csv) [other](../media/other.ipynb) [mail](mailto:a@b.c) "
        "[up](#Up) [web](https://a.b/c.csv)"
    )
    notebook.cells[0].attachments = {"my pic.png": {"image/png": "QUJD"}}
    shown = '<video src="tab.csv"></video><a href="tab.csv">as HTML</a>'
    outputs = [nbformat.v4.new_output("display_data", {"text/html": shown})]
    notebook.cells.append(nbformat.v4.new_code_cell("", outputs=outputs))
    page = exporter.body_of(notebook, tmp_path / "course")
    picture = base64.b64encode(b"media/a b.png").decode()
    assert f'src="data:image/png;base64,{picture}"' in page and 'src="data:image/png;base64,QUJD"' in page
    assert 'src="lost.png"' in page and "<b>bold</b>" in page
    table = base64.b64encode(b"course/tab.csv").decode()
    file = f'<a href="data:text/csv;base64,{table}" download="tab.csv">'
    assert f"{file}t</a> no other " in page and f"{file}as HTML</a>" in page
    assert f'<video src="data:text/csv;base64,{table}">' in page
    for url in ("mailto:a@b.c", "#Up", "https://a.b/c.csv"):
        assert f'<a href="{url}">' in page


def test_what_a_slow_kernel_prints_in_parts_is_one_text():
    parts = [nbformat.v4.new_output("stream", text=text) for text in ("a 1\n", "b 2\n")]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=parts)])
    assert "<pre>a 1\nb 2\n</pre>" in exporter.body_of(notebook, ROOT).replace("\n\n", "\n")


def test_no_line_begins_with_the_full_stop_after_a_formula(without_npm):
    long = "+".join("x" * 20)
    page = exporter.body_of(sources.markdown(f"a $x$). $y$ b $$z$$. ${long}$."), ROOT)
    assert page.count('class="together"') == 1 and "</math>).</span> <math" in page


def test_formulas_in_outputs_are_formulas(with_npm):
    data = {"text/latex": r"$$\displaystyle \frac{a}{b}$$", "text/plain": "<Math>", "image/png": "QUJD"}
    cell = nbformat.v4.new_code_cell("", outputs=[nbformat.v4.new_output("display_data", data)])
    page = exporter.body_of(nbformat.v4.new_notebook(cells=[cell]), ROOT)
    assert 'class="katex' in page and "$" not in page and "QUJD" not in page


def shown(png, heading="# Mine", metadata=None):
    """The body of a page with a heading and this PNG below it."""
    data = {"image/png": base64.b64encode(png).decode()}
    output = nbformat.v4.new_output("display_data", data, metadata=metadata or {})
    cells = [nbformat.v4.new_markdown_cell(heading), nbformat.v4.new_code_cell("", outputs=[output])]
    return exporter.body_of(nbformat.v4.new_notebook(cells=cells), ROOT)


def pixels_of(data):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")).astype(int)


def luminance(colour):
    c = np.asarray(colour) / 255
    return (np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) * [0.2126, 0.7152, 0.0722]).sum()


def test_figures_have_an_ink_for_each_theme_and_pictures_keep_their_greys():
    greys = torch.linspace(-1, 1, 2 * 784).reshape(2, 1, 28, 28)
    texts = dict(title="Title", xlabel="$t$", ylabel="loss")
    figures = {
        "chart": ld.plot.curves([0, 1], {"a": [0, 1], "b": [1, 0]}, **texts),
        "pictures": ld.plot.image_rows({"row": greys}, columns=["one", "two"], title="Title"),
    }
    papers = re.findall(r"--paper: #(\w+)", (Path(pages.__file__).parent / "page.css").read_text("utf-8"))
    papers = [
        [int((3 * p)[i : i + 2] if len(p) == 3 else p[i : i + 2], 16) for i in (0, 2, 4)] for p in papers
    ]
    for name, figure in figures.items():
        png = figure._repr_png_()
        before, body = pixels_of(base64.b64encode(png)), shown(png)
        found = re.findall(r'<span class="in-(\w+)"><img[^>]*? src="data:image/png;base64,([^"]*)"', body)
        assert [theme for theme, _ in found] == ["light", "dark"]
        for (_, data), paper in zip(found, papers, strict=True):
            after = pixels_of(data)
            changed = (before != after).any(-1)
            ink = after[changed & (after[..., 3] > 250)][:, :3]
            assert len(ink) > 100 and (ink == ink[0]).all(), name
            levels = sorted((luminance(ink[0]), luminance(paper)))
            assert (levels[1] + 0.05) / (levels[0] + 0.05) > 4.5, name
            axis = np.abs(before[..., :3] - 0x7A).max(-1) <= 1
            assert changed[axis & (before[..., 3] == 255)].all() or name == "pictures"
            if name == "pictures":
                solid = np.lib.stride_tricks.sliding_window_view(before[..., 3] > 200, (9, 9)).all((-1, -2))
                assert solid.sum() > 5000 and not changed[4:-4, 4:-4][solid].any()


def test_an_image_that_is_no_figure_stays_as_it_is():
    stored = io.BytesIO()
    Image.new("RGB", (30, 20), "#7a7a7a").save(stored, "PNG")
    body = shown(stored.getvalue())
    assert "in-dark" not in body and '--natural: 30px"' in body
    assert (pixels_of(re.search(r'base64,([^"]*)"', body)[1])[..., :3] == 0x7A).all()


def test_every_figure_has_an_alternative_text(committed_site):
    figure = ld.plot.curves([0, 1], {"a": [0, 1]}, title="Up <&> on", xlabel="$t$", ylabel="loss")
    data, metadata = figure._repr_mimebundle_()
    assert 'alt="Figure: 2. The jump x_t"' in shown(
        data["image/png"], "# One\n\ntext\n\n## 2. The *jump* $x_t$\n\nmore"
    )
    assert 'alt="Plot: Up &lt;&amp;&gt; on; loss over t; a"' in shown(data["image/png"], metadata=metadata)
    for page in committed_site.glob("*.html"):
        text = page.read_text("utf-8")
        assert "No description has been provided" not in text
        for tag in re.findall(r"<img[^>]*>", text):
            assert re.search(r"""alt=(["']).{7,}?\1""", tag), f"{page.name}: {tag[:200]}"


def test_a_run_for_the_site_leaves_no_checkpoint_of_its_own_and_all_that_was_there(tmp_path):
    """A short training for a page is not taken for the reader's own when the notebook is opened."""
    path = course(
        tmp_path / "course",
        "import torch, labdiff as ld\ns = ld.linear_schedule(4)\nx = torch.zeros(2, 1, 8, 8)",
        "def run(name):\n"
        "    net = ld.UNet(8, mults=(1, 2), alpha_bar=s.alpha_bar)\n"
        "    return ld.widgets.training(net, s, x, n_steps=2, batch_size=2, checkpoint=name)",
        "run('trained/new.checkpoint')\nrun('kept.checkpoint')",
        "print(ld.load_checkpoint('trained/new.checkpoint').n, 'steps')",
    )
    s = ld.linear_schedule(4)
    net = ld.UNet(8, mults=(1, 2), alpha_bar=s.alpha_bar)
    *_, last = ld.train(net, s, torch.zeros(2, 1, 8, 8), n_steps=2, batch_size=2)
    ld.save_checkpoint(path.parent / "kept.checkpoint", last)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert cli.main(["site", str(tmp_path / "out"), str(path)]) == 0
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before
    assert "2 steps\n" in (tmp_path / "out" / "mine.html").read_text("utf-8")


def test_a_cell_that_fails_is_marked_and_the_rest_is_written(tmp_path, capsys):
    path = course(tmp_path / "course", "# Mine", "print('before')", "1 / 0", "print('af' + 'ter')")
    before = path.read_bytes()
    assert cli.main(["site", str(tmp_path / "out"), "--notebooks", str(path.parent)]) == 1
    assert f"{path}: code cell 2 failed" in capsys.readouterr().err
    page = (tmp_path / "out" / "mine.html").read_text("utf-8")
    assert "Failed when this page was made: code cell 2." in page and "ZeroDivisionError" in page
    assert len(re.findall(r'class="[^"]*celltag_failed', page)) == 1 and "after\n" in page
    assert (tmp_path / "out" / "index.html").exists() and path.read_bytes() == before


def test_an_error_that_a_notebook_wants_to_show_is_none(tmp_path):
    path = course(tmp_path / "course", "1 / 0")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].metadata.tags = ["raises-exception"]
    nbformat.write(notebook, path)
    assert cli.main(["site", str(tmp_path / "out"), str(path)]) == 0


def test_a_cell_that_ends_the_kernel_ends_the_notebook_but_not_the_site(tmp_path, capsys):
    path = course(
        tmp_path / "course", "print('be' + 'fore')", "import os\nos._exit(1)", "print('af' + 'ter')"
    )
    assert cli.main(["site", str(tmp_path / "out"), str(path)]) == 1
    page = (tmp_path / "out" / "mine.html").read_text("utf-8")
    assert "before\n" in page and "after\n" not in page and "code cell 2." in page
    assert "Kernel died" in page


@pytest.mark.parametrize(
    "name, said", [("index", "index.html is the site's own"), ("broken", "broken.ipynb")]
)
def test_notebooks_that_can_have_no_page_are_named_before_any_runs(name, said, tmp_path, capsys):
    path = course(tmp_path / "course", "# Mine").rename(tmp_path / "course" / f"{name}.ipynb")
    if name == "broken":
        path.write_text("{")
    assert cli.main(["site", str(tmp_path / "out"), str(path)]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not (tmp_path / "out").exists()


def test_out_that_is_a_file_is_named(tmp_path, capsys):
    path = course(tmp_path / "course", "# Mine")
    assert cli.main(["site", str(path), str(path)]) == 2
    assert "OUT: expected a folder" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["nowhere.ipynb", "README.md"])
def test_what_is_no_notebook_is_named(given, tmp_path, capsys):
    assert cli.main(["site", str(tmp_path / "out"), str(ROOT / given)]) == 2
    said = capsys.readouterr().err
    assert given in said and "NOTEBOOK: expected" in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()
