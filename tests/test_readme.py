"""The README: its code runs as it is printed, but for the number of steps."""

import re
from pathlib import Path

import pytest
import torch

README = Path(__file__).parents[1] / "README.md"
TEN_LINES, OWN_IMAGES = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.S)


def with_lines(code, lines):
    """The code, in which each of the lines takes the place of the one that binds the same name."""
    for line in lines.splitlines():
        code, n = re.subn(rf"^{line.split(' = ')[0]} = .*$", lambda _: line, code, flags=re.M)  # noqa: B023
        assert n == 1, line
    return code


@pytest.fixture
def printed(monkeypatch):
    """What a run of the README's code leaves, with two training steps and two of DDIM."""
    monkeypatch.setenv("LABDIFF_DEVICE", "cpu")

    def run(code):
        short = re.sub(r"n_steps=\d+", "n_steps=2, batch_size=4", code, count=1)
        names = {}
        exec(re.sub(r"n_steps=\d{2,}", "n_steps=2", short), names)
        return names

    return run


def test_the_library_in_ten_lines(printed):
    names = printed(TEN_LINES)
    assert names["step"].n == 2 and names["pictures"].shape == (16, 1, 28, 28)


def test_the_lines_for_ones_own_images(printed, tmp_path, monkeypatch):
    from PIL import Image

    (tmp_path / "photos").mkdir()
    for i in range(3):
        pixels = torch.randint(256, (40, 50, 3), generator=torch.Generator().manual_seed(i))
        Image.fromarray(pixels.byte().numpy()).save(tmp_path / "photos" / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    names = printed(with_lines(TEN_LINES, OWN_IMAGES))
    assert len(names["data"].images) == 3 and names["pictures"].shape == (16, 3, 32, 32)


def test_a_student_reads_it_to_the_end():
    assert len(README.read_text("utf-8").splitlines()) <= 150
