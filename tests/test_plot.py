"""Figures: what is drawn is what was given, with its texts; wrong input is told; nothing global changes."""

import io
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import matplotlib.colors
import matplotlib.style
import numpy as np
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from PIL import Image

import labdiff as ld

X = torch.linspace(-1, 1, 5 * 28 * 28).reshape(5, 1, 28, 28)
TEXTS = dict(title="a title", xlabel="t", ylabel="loss")
BYTES = np.arange(4 * 4 * 6, dtype=np.uint8).reshape(4, 4, 6)
NOWHERE = Path("no such folder")


def test_grey_levels():
    x = torch.tensor([-2.0, -1, 0, 1, 3]).reshape(1, 1, 1, 5)
    assert ld.plot.to_uint8(x).tolist() == [[[0, 0, 128, 255, 255]]]
    assert ld.plot.to_uint8(X.expand(5, 3, 28, 28).double()).shape == (5, 28, 28, 3)


@pytest.mark.parametrize("colours", [(), (3,)])
def test_tiles_keep_every_picture(colours):
    pictures = np.random.default_rng(0).integers(0, 256, (5, 3, 4, *colours), dtype=np.uint8)
    sheet = ld.plot.tile(pictures, n_columns=3, gap=1)
    assert sheet.shape == (2 * 4 - 1, 3 * 5 - 1, *colours)
    for i, picture in enumerate(pictures):
        row, column = 4 * (i // 3), 5 * (i % 3)
        assert np.array_equal(sheet[row : row + 3, column : column + 4], picture)


def test_curves_have_their_numbers_and_texts():
    y = torch.rand(7, generator=torch.Generator().manual_seed(0))
    (ax,) = ld.plot.curves(range(7), {"one": y, "two": -y}, **TEXTS).axes
    assert (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) == tuple(TEXTS.values())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["one", "two"]
    assert np.array_equal(ax.lines[1].get_ydata(), -y.numpy())


def test_a_legend_stands_beside_the_curves_and_once_where_panels_have_the_same():
    figure, axes = ld.plot.panels(2)
    for ax in axes:
        ld.plot.curves([0, 1], {"one": [0, 1], "two": [1, 0]}, **TEXTS, ax=ax)
    assert axes[0].get_legend() is None
    figure.draw_without_rendering()
    legend, inside = axes[1].get_legend().get_window_extent(), axes[1].get_window_extent()
    assert legend.x0 >= inside.x1 and legend.x1 <= figure.bbox.x1


def test_what_a_cell_adds_to_a_figure_is_readable_on_a_dark_page():
    """Texts and legends made outside of labdiff's settings are matplotlib's black, on a white frame."""
    figure, (ax,) = ld.plot.panels()
    ax.plot([0, 1], label="a line")
    ax.text(0, 0, "added")
    ax.set_title("a title")
    ax.legend(facecolor="white")
    bar = figure.colorbar(ax.imshow([[0.0, 1.0]]), label="a bar")
    figure._repr_png_()
    texts = [ax.texts[0], *ax.get_legend().get_texts(), bar.ax.yaxis.label, *bar.ax.get_yticklabels()]
    assert all(matplotlib.colors.to_rgb(t.get_color()) != (0, 0, 0) for t in texts)
    assert not ax.get_legend().get_frame_on()


def test_a_density_wears_another_colour_than_the_samples():
    figure = ld.plot.histogram({"draws": X}, {"exact": ([-1, 1], [0.5, 0.5])}, title="a title", xlabel="x")
    line, bar = figure.axes[0].lines[0].get_color(), figure.axes[0].patches[0].get_facecolor()[:3]
    assert matplotlib.colors.to_rgb(line) != bar


def test_a_figure_says_what_it_shows_to_who_cannot_see_it():
    figure, axes = ld.plot.panels(2, title="Both")
    for ax in axes:
        ld.plot.curves(
            [0, 1], {r"$\sqrt{\bar\alpha_t}$": [0, 1]}, title="up", xlabel="$t$", ylabel="loss", ax=ax
        )
    data, metadata = figure._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert metadata["image/png"]["alt"] == r"Plot: Both; up; loss over t; sqrt bar alpha_t"
    rows = ld.plot.image_rows({"a": X, "b": X}, columns=list("12345"), title="All")
    assert rows._repr_mimebundle_()[1]["image/png"]["alt"] == "Images: All; 1; a; 2; 3; 4; 5; b"
    data, metadata = DisplayFormatter().format(figure)
    assert {*data} == {"image/png", "text/plain"} and "alt" in metadata["image/png"]


def test_rows_of_different_length():
    figure = ld.plot.image_rows({"digits": X, "one": X[:1]}, columns=list("abcde"), title="a title")
    assert len(figure.axes) == 10 and [len(ax.images) for ax in figure.axes] == [1] * 6 + [0] * 4
    assert figure._repr_png_().startswith(b"\x89PNG")


BAD = [
    *[
        (f"{function.__name__}: x", lambda x=x, function=function: function(x), error, text)
        for function in (ld.plot.to_uint8, ld.plot.image_grid)
        for x, error, text in (
            (X[0], ValueError, r"shape \(N, 1, 3 or 4, H, W\), got \(1, 28, 28\)"),
            (X.numpy(), ValueError, "got ndarray. Use torch.stack"),
            (ld.Digits(X, torch.zeros(5)), ValueError, "got Digits. Give it digits.images"),
            (X.to(torch.uint8), TypeError, "expected real numbers .*got torch.uint8"),
            (X[:0], ValueError, "non-empty batch"),
            (X * float("nan"), ValueError, "expected finite numbers"),
            (X.to("meta"), ValueError, "got meta"),
        )
    ],
    (
        "image_grid: n_columns",
        lambda: ld.plot.image_grid(X, n_columns=0),
        ValueError,
        "expected an int >= 1, got 0",
    ),
    *[
        ("image_rows: rows", lambda v=v: ld.plot.image_rows(v), TypeError, "expected a dict {label")
        for v in ({}, [X])
    ],
    (
        "curves: ys",
        lambda: ld.plot.curves([1, 2], [1, 2], **TEXTS),
        TypeError,
        r"expected a dict .*got \[1, 2\]",
    ),
    (
        "histogram: samples",
        lambda: ld.plot.histogram(X, title="", xlabel=""),
        TypeError,
        "expected a dict .*got tensor",
    ),
    ("image_rows: rows", lambda: ld.plot.image_rows({1: X}), TypeError, r"expected texts .*got \[1\]"),
    ("image_rows: size", lambda: ld.plot.image_rows({"a": X}, size=0), ValueError, "a number > 0, got 0"),
    ("image_grid: scale", lambda: ld.plot.image_grid(X, scale=0), ValueError, "a number > 0, got 0"),
    ("panels: n", lambda: ld.plot.panels("2"), TypeError, "expected an int >= 1, got '2'"),
    ("panels: width", lambda: ld.plot.panels(2, width=-3), ValueError, "a number > 0, got -3"),
    ("tile: images", lambda: ld.plot.tile(X, 3), TypeError, "expected a uint8 array, got Tensor"),
    ("tile: images", lambda: ld.plot.tile(BYTES[0], 3), ValueError, r"shape \(N, H, W\).*got \(4, 6\)"),
    ("tile: n_columns", lambda: ld.plot.tile(BYTES, 0), ValueError, "expected an int >= 1, got 0"),
    *[
        (where, lambda x=x, y=y, kw=kw: ld.plot.curves(x, {"a": y}, **TEXTS, **kw), error, text)
        for where, x, y, kw, error, text in (
            ("curves: ys\\['a'\\]", [1, 2], [1, 2, 3], {}, ValueError, r"got \(3,\) for an x of \(2,\)"),
            ("curves: ys\\['a'\\]", [1, 2], ["x", "y"], {}, TypeError, "expected numbers, got"),
            ("curves: x", "ab", [1, 2], {}, TypeError, "expected numbers, got 'ab'"),
            ("curves: yscale", [1, 2], [1, 2], {"yscale": "foo"}, ValueError, "'linear', 'log', got 'foo'"),
            ("curves: styles", [1, 2], [1, 2], {"styles": "--"}, TypeError, "expected a dict .*got '--'"),
            ("curves: ax", [1, 2], [1, 2], {"ax": 5}, TypeError, "expected Axes .*got int"),
        )
    ],
    *[
        (
            where,
            lambda d=d, b=b: ld.plot.histogram({"a": [1, 2]}, d, title="", xlabel="", bins=b),
            error,
            text,
        )
        for where, d, b, error, text in (
            ("histogram: bins", None, 0, ValueError, "expected an int >= 1, got 0"),
            ("histogram: bins", None, [1], ValueError, "two edges or more, got 1"),
            ("histogram: densities", [1], 8, TypeError, r"expected a dict .*got \[1\]"),
            (
                "histogram: densities\\['d'\\]",
                {"d": [1]},
                8,
                TypeError,
                r"expected \(grid, density\), got list",
            ),
            (
                "histogram: densities\\['d'\\]",
                {"d": ([1], [1, 2])},
                8,
                ValueError,
                "expected as many numbers as x",
            ),
        )
    ],
    ("save_gif: states", lambda: ld.plot.save_gif(X, "a.gif"), ValueError, "each frame, got one tensor"),
    (
        "save_gif: states",
        lambda: ld.plot.save_gif([X, X[:1]], "a.gif"),
        ValueError,
        "one shape in all frames",
    ),
    (
        "save_gif: path",
        lambda: ld.plot.save_gif([X], NOWHERE / "a.gif"),
        OSError,
        "No such file or directory",
    ),
    (
        "save_images: path",
        lambda: ld.plot.save_images(X, NOWHERE / "a.png", together=True),
        OSError,
        "in a folder that exists, got .*No such file or directory",
    ),
]


def test_a_sheet_without_gaps_is_whole():
    sheet = ld.plot.tile(BYTES, 2, gap=0)
    assert sheet.shape == (8, 12) and (sheet[:4, 6:] == BYTES[1]).all()


@pytest.mark.parametrize(
    ("where", "call", "error", "text"), BAD, ids=[f"{i}-{where}" for i, (where, *_) in enumerate(BAD)]
)
def test_wrong_input(where, call, error, text):
    with pytest.raises(error, match=f"^{where}: .*{text}"):
        call()


def test_settings_and_pyplot_stay_as_they_are():
    before = dict(matplotlib.rcParams)
    for figure in (
        ld.plot.image_grid(X, title="a title"),
        ld.plot.panels(2, title="a title")[0],
        ld.plot.curves([1, 2], {"a": [1, 2]}, **TEXTS),
    ):
        figure._repr_png_()
    assert dict(matplotlib.rcParams) == before
    assert matplotlib._pylab_helpers.Gcf.get_all_fig_managers() == []


def png(figure):
    return np.asarray(Image.open(io.BytesIO(figure._repr_png_())).convert("RGBA")).astype(int)


@pytest.mark.parametrize("chosen", [None, "dark_background", "ggplot"])
def test_figures_read_on_light_and_on_dark_whatever_style_is_set(chosen):
    with matplotlib.style.context(chosen or {}):
        figures = [
            ld.plot.curves([1, 2], {"a": [1, 2], "b": [2, 1]}, **TEXTS),
            ld.plot.histogram({"a": X}, {"b": ([-1, 1], [0.5, 0.5])}, title="a title", xlabel="x"),
            ld.plot.image_rows({"digits": X}, columns=list("abcde"), title="a title"),
            ld.plot.panels(2, title="a title")[0],
        ]
        ax = figures[-1].axes[0]
        ax.plot([0, 1], label="a line of one's own")
        ax.legend()  # made here, where the settings are others
        ax.annotate("here", (0.5, 0.5))
        shots = [png(figure) for figure in figures]
    frame = ax.get_legend().get_frame()
    assert matplotlib.colors.to_rgba(frame.get_facecolor())[3] == 0
    for figure, shot in zip(figures, shots, strict=True):
        assert shot[0, 0, 3] == 0  # no paper
        texts = [text for text in figure.findobj(matplotlib.text.Text) if text.get_text()]
        assert texts and {matplotlib.colors.to_hex(text.get_color()) for text in texts} == {ld.plot.INK}
    ink = np.array(matplotlib.colors.to_rgb(ld.plot.INK))
    light = (
        np.where(ink <= 0.04045, ink / 12.92, ((ink + 0.055) / 1.055) ** 2.4) * [0.2126, 0.7152, 0.0722]
    ).sum()
    assert min(1.05 / (light + 0.05), (light + 0.05) / (0.0056 + 0.05)) > 4  # on white, and on #111111


def test_transparent_images_are_shown_on_white():
    rgba = torch.zeros(2, 4, 3, 3)
    rgba[:, :3], rgba[:, 3] = -1, torch.tensor([-1.0, 1.0])[:, None, None]  # black, once without ink
    shown = ld.plot.to_uint8(rgba)
    assert shown.shape == (2, 3, 3, 3) and (shown[0] == 255).all() and (shown[1] == 0).all()
    assert ld.plot.image_grid(rgba).axes[0].images[0].get_array().shape[2] == 3
    with pytest.raises(ValueError, match=r"\(2, 2, 3, 3\). Four channels are RGB and alpha"):
        ld.plot.image_grid(rgba[:, :2])


def test_a_gif_has_the_states_and_a_pause_at_its_end(tmp_path):
    noise = torch.randn(6, 3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    states = [SimpleNamespace(x=x) for x in noise]
    path = ld.plot.save_gif(states, tmp_path / "digits.gif", seconds=0.6, n_columns=2, scale=3)
    with Image.open(path) as gif:
        assert (gif.n_frames, gif.size, gif.info["loop"]) == (6, (54, 54), 0)
        pauses = []
        for i in range(6):
            gif.seek(i)
            pauses.append(gif.info["duration"])
        last = np.asarray(gif.convert("L")).astype(int)[1::3, 1::3]
    assert pauses == [100] * 5 + [1100]
    assert np.abs(last - ld.plot.tile(ld.plot.to_uint8(states[-1].x), 2)).max() <= 3
    ld.plot.save_gif(
        ld.ddpm_steps(lambda x, t: x / 2, ld.linear_schedule(300), (1, 3, 4, 4)), tmp_path / "a.gif"
    )
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 200


def test_images_are_saved_one_by_one_or_together(tmp_path):
    files = ld.plot.save_images(X, tmp_path / "new" / "digits", scale=2)
    assert [file.name for file in files] == [f"00{i}.png" for i in range(5)]
    with Image.open(files[3]) as image:
        assert np.array_equal(np.asarray(image)[::2, ::2], ld.plot.to_uint8(X)[3]) and image.size == (56, 56)
    with pytest.warns(
        UserWarning, match=r"^save_images: path: .*digits also holds 1 other .*, such as"
    ) as said:
        assert ld.plot.save_images(X[:-1], files[0].parent, scale=2) == files[:-1] and files[-1].exists()
    assert said[0].filename == __file__
    (file,) = ld.plot.save_images(X, tmp_path / "all.png", together=True, n_columns=3)
    with Image.open(file) as image:
        assert np.array_equal(np.asarray(image), ld.plot.tile(ld.plot.to_uint8(X), 3))
    for call, error, text in (
        (
            lambda: ld.plot.save_images(X, file),
            ValueError,
            "save_images: path: expected a folder's path, got the file",
        ),
        (
            lambda: ld.plot.save_images(X, 3),
            TypeError,
            "save_images: path: expected a folder's path, got int",
        ),
        (lambda: ld.plot.save_images(X[0], tmp_path), ValueError, "save_images: x: expected pictures"),
        (
            lambda: ld.plot.save_gif([], tmp_path / "a.gif"),
            ValueError,
            "save_gif: states: expected at least one State",
        ),
        (
            lambda: ld.plot.save_gif([X], tmp_path / "a.mp4"),
            ValueError,
            "save_gif: path: expected a path that ends in .gif",
        ),
        (lambda: ld.plot.save_gif(3, tmp_path / "a.gif"), TypeError, "save_gif: states: expected the States"),
        (
            lambda: ld.plot.save_gif([X], tmp_path / "a.gif", seconds=0),
            ValueError,
            "save_gif: seconds: expected a number > 0",
        ),
    ):
        with pytest.raises(error, match="^" + text):
            call()


def test_a_row_may_have_a_colon_in_its_label():
    assert ld.plot.image_rows({"$x_t$: the question": torch.zeros(2, 1, 4, 4)}).axes


def test_a_list_of_pictures_for_a_dict_is_told_on_one_line():
    with pytest.raises(TypeError, match=r"^image_rows: rows: expected a dict .*, got \[tensor[^\n]*$"):
        ld.plot.image_rows([torch.zeros(1, 1, 4, 4)] * 2)
