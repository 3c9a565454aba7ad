"""Figures: what is drawn is what was given, with its texts; wrong input is told; nothing global is
touched."""

import matplotlib
import matplotlib.colors
import numpy as np
import pytest
import torch

import labdiff as ld

X = torch.linspace(-1, 1, 5 * 28 * 28).reshape(5, 1, 28, 28)
TEXTS = dict(title="a title", xlabel="t", ylabel="loss")


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


def test_a_density_wears_another_colour_than_the_samples():
    figure = ld.plot.histogram({"draws": X}, {"exact": ([-1, 1], [0.5, 0.5])}, title="a title", xlabel="x")
    line, bar = figure.axes[0].lines[0].get_color(), figure.axes[0].patches[0].get_facecolor()[:3]
    assert matplotlib.colors.to_rgb(line) != bar


def test_rows_of_different_length():
    figure = ld.plot.image_rows({"digits": X, "one": X[:1]}, columns=list("abcde"), title="a title")
    assert len(figure.axes) == 10 and [len(ax.images) for ax in figure.axes] == [1] * 6 + [0] * 4
    assert figure._repr_png_().startswith(b"\x89PNG")


BAD = [
    *[
        ("to_uint8: x", lambda x=x: ld.plot.image_grid(x), error, text)
        for x, error, text in (
            (X[0], ValueError, r"shape \(N, 1 or 3, H, W\), got \(1, 28, 28\)"),
            (X.numpy(), ValueError, "got ndarray"),
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
]


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
