"""Own images from a folder: whatever people have on their disks."""

import numpy as np
import pytest
import torch
from PIL import Image

import labdiff as ld

BANDS = np.zeros((40, 60), np.uint8)  # grey levels 0, 100, 200 in bands of 20 columns
BANDS[:, 20:40], BANDS[:, 40:] = 100, 200


def grey(level):
    return level / 127.5 - 1


def one(folder, **kwargs):
    """The only image in a folder, (C, H, W)."""
    digits = ld.load_images(folder, **kwargs)
    assert len(digits) == 1
    return digits.images[0]


def test_an_image_is_cropped_to_its_centre_and_resized(tmp_path):
    Image.fromarray(BANDS).save(tmp_path / "bands.png")
    digits = ld.load_images(tmp_path, size=40)
    assert digits.images.shape == (1, 1, 40, 40) and digits.images.dtype == torch.float32
    assert digits.labels.tolist() == [0] and digits.labels.dtype == torch.int64
    expected = torch.tensor([grey(level) for level in [0] * 10 + [100] * 20 + [200] * 10])
    torch.testing.assert_close(digits.images[0, 0, 7], expected)
    Image.fromarray(BANDS.T.copy()).save(tmp_path / "bands.png")
    torch.testing.assert_close(ld.load_images(tmp_path, size=40).images[0, 0, :, 7], expected)
    small = ld.load_images(str(tmp_path)).images
    assert small.shape == (1, 1, 28, 28)
    assert small[0, 0, 0, 0] == -1 and small[0, 0, 14, 14] == pytest.approx(grey(100))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [28, 32, 64])
@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (300, 7), (64, 64), (199, 301)])
def test_any_size(tmp_path, shape, size, channels):
    Image.fromarray(np.full((*shape, 3), (255, 0, 0), np.uint8)).save(tmp_path / "red.png")
    image = one(tmp_path, size=size, channels=channels)
    assert image.shape == (channels, size, size)
    expected = [1.0, -1.0, -1.0] if channels == 3 else [grey(76)]  # 0.299 of 255
    torch.testing.assert_close(image, torch.tensor(expected)[:, None, None].expand(image.shape))


def sixteen(path):
    Image.fromarray(BANDS.astype(np.uint16) * 257).save(path)


def palette(path):
    image = Image.fromarray(BANDS // 100).convert("P")
    image.putpalette([0, 0, 0, 100, 100, 100, 200, 200, 200])
    image.save(path)


def transparent(mode):
    """The first band is transparent, and has to be white; what is hidden there is not seen."""

    def write(path):
        alpha = Image.fromarray(np.where(BANDS == 0, 0, 255).astype(np.uint8))
        image = Image.fromarray(BANDS).convert(mode.removesuffix("A"))
        image.putalpha(alpha)
        image.save(path)

    return write


def palette_with_a_transparent_colour(path):
    palette(path)
    with Image.open(path) as image:
        image.load()
    image.save(path, transparency=0)


def jpeg(path):
    Image.fromarray(BANDS).save(path, "JPEG", quality=100)


def cmyk(path):
    Image.fromarray(np.stack([BANDS] * 3, 2)).convert("CMYK").save(path, "JPEG", quality=100)


def animated(path):
    frames = [Image.fromarray(a) for a in (BANDS, 255 - BANDS)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def floating(path):
    Image.fromarray(BANDS.astype(np.float32) / 255).save(path)


WHITE_FIRST = [1.0, grey(100), grey(200)]
FORMATS = {
    "sixteen.png": (sixteen, None),
    "sixteen.tif": (sixteen, None),
    "float.tiff": (floating, None),
    "palette.png": (palette, None),
    "LA.png": (transparent("LA"), WHITE_FIRST),
    "RGBA.png": (transparent("RGBA"), WHITE_FIRST),
    "palette_alpha.png": (palette_with_a_transparent_colour, WHITE_FIRST),
    "UPPER.JPG": (jpeg, None),
    "cmyk.jpeg": (cmyk, None),
    "animated.gif": (animated, None),
    "webp.webp": (lambda path: Image.fromarray(BANDS).save(path, lossless=True), None),
    "bmp.bmp": (lambda path: Image.fromarray(BANDS).save(path), None),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", FORMATS)
def test_formats(tmp_path, name, channels):
    write, bands = FORMATS[name]
    write(tmp_path / name)
    image = one(tmp_path, size=40, channels=channels)
    got = image[:, 20][:, [2, 20, 37]]  # a pixel in each band
    expected = torch.tensor(bands or [grey(0), grey(100), grey(200)]).expand(got.shape)
    torch.testing.assert_close(got, expected, rtol=0, atol=0.03)


def test_one_bit(tmp_path):
    Image.fromarray(BANDS > 50).save(tmp_path / "a.png")
    assert set(one(tmp_path, size=40).unique().tolist()) == {-1.0, 1.0}


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_photo_is_turned_as_the_camera_was(tmp_path, orientation):
    """EXIF says by how much: 3 is half a turn, 6 and 8 are quarter turns."""
    upright = Image.fromarray(BANDS)
    turned = {1: upright, 3: upright.rotate(180), 6: upright.rotate(90, expand=True)}
    turned[8] = upright.rotate(270, expand=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned[orientation].save(tmp_path / "photo.jpg", exif=exif, quality=100)
    row = one(tmp_path, size=40)[0, 20, [2, 20, 37]]
    torch.testing.assert_close(row, torch.tensor([grey(0), grey(100), grey(200)]), rtol=0, atol=0.03)


def test_folders_that_are_numbers_are_labels_in_their_order(tmp_path):
    names = ["0", "2", "10", "class 9", "class 11"]
    for i, name in enumerate(names):
        (tmp_path / name).mkdir()
        Image.fromarray(np.full((9, 9), 50 * i, np.uint8)).save(tmp_path / name / "x.png")
    digits = ld.load_images(tmp_path)
    expected = torch.tensor([grey(50 * label) for label in digits.labels.tolist()])
    assert sorted(digits.labels.tolist()) == [0, 1, 2, 3, 4]
    torch.testing.assert_close(digits.images[:, 0, 0, 0], expected)


def test_folders_of_folders_give_labels(tmp_path):
    for name, level, n in (("dogs", 50, 2), ("cats", 150, 3), ("Birds", 250, 1)):
        for i in range(n):
            path = tmp_path / name / "deeper" / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((9, 9), level, np.uint8)).save(path)
    (tmp_path / "an empty one").mkdir()
    digits = ld.load_images(tmp_path)
    assert digits.labels.tolist() == [0, 1, 1, 1, 2, 2]
    expected = torch.tensor([grey({0: 250, 1: 150, 2: 50}[i]) for i in digits.labels.tolist()])
    torch.testing.assert_close(digits.images[:, 0, 0, 0], expected)
    Image.fromarray(BANDS).save(tmp_path / "loose.png")
    with pytest.raises(
        ValueError, match="load_images: folder: .*both in it and in its subfolders, such as Birds"
    ):
        ld.load_images(tmp_path)


def test_what_is_no_image_is_not_looked_at(tmp_path):
    for name in ("notes.txt", "Thumbs.db", ".hidden.png", "._a.png", "__MACOSX/a.png", ".cache/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("no image")
    Image.fromarray(BANDS).save(tmp_path / "a.png")
    (tmp_path / "folder.png").mkdir()
    one(tmp_path)


def broken(tmp_path, n=3):
    """n files that can not be read, each in another way."""
    jpeg(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    palette(tmp_path / "whole.png")
    png = (tmp_path / "whole.png").read_bytes()
    content = {
        "half.jpg": whole[: len(whole) // 2],
        "empty.png": b"",
        "text.gif": b"<html>404</html>",
        "half.png": png[: len(png) // 2],
        "phone.heic": b"\0\0\0\x18ftypheic" * 9,
        "nan.tiff": None,
    }
    (tmp_path / "whole.jpg").unlink()
    (tmp_path / "whole.png").unlink()
    for name, data in list(content.items())[:n]:
        if data is None:
            Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(tmp_path / name)
        else:
            (tmp_path / name).write_bytes(data)
    return list(content)[:n]


def test_corrupt_files_are_named_and_left_out(tmp_path):
    names = broken(tmp_path, 6)
    Image.fromarray(BANDS).save(tmp_path / "good.png")
    with pytest.warns(
        UserWarning, match="^load_images: 6 of 7 files can not be read and are left out: "
    ) as said:
        assert len(ld.load_images(tmp_path)) == 1
    assert all(name in str(said[0].message) for name in names) and said[0].filename == __file__


def test_a_label_whose_images_are_all_corrupt_keeps_its_number(tmp_path):
    for name in "abc":
        (tmp_path / name).mkdir()
        Image.fromarray(BANDS).save(tmp_path / name / "x.png")
    (tmp_path / "b" / "x.png").write_bytes(b"")
    with pytest.warns(UserWarning, match="b/x.png"):
        assert ld.load_images(tmp_path).labels.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda path: path / "none", FileNotFoundError, "which does not exist"),
        (
            lambda path: [jpeg(path / "a.jpg"), path / "a.jpg"][1],
            NotADirectoryError,
            "is a file. Give the folder",
        ),
        (lambda path: path, ValueError, "without any. Images are files that end in .*[.]jpg.*[.]png"),
        (lambda path: [(path / "a.txt").write_text(""), path][1], ValueError, "without any"),
        (lambda path: [broken(path), path][1], ValueError, "with 3 that can not be read: .*empty.png"),
    ],
    ids=["no such folder", "a file", "an empty folder", "no images", "only corrupt ones"],
)
def test_folders_that_can_not_be_used(tmp_path, make, error, message):
    with pytest.raises(error, match=f"^load_images: folder: expected a folder with images, got .*{message}"):
        ld.load_images(make(tmp_path))


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"folder": None}, TypeError, "folder: expected a folder's path, got NoneType"),
        ({"folder": ""}, ValueError, "folder: expected a folder's path, got ''"),
        ({"size": 0}, ValueError, "size: expected an int >= 1, got 0"),
        ({"size": (28, 28)}, TypeError, "size: expected an int >= 1, got"),
        ({"size": 28.0}, TypeError, "size: expected an int >= 1, got 28.0"),
        ({"channels": 4}, ValueError, "channels: expected one of 1, 3, got 4"),
        ({"channels": "RGB"}, ValueError, "channels: expected one of 1, 3, got 'RGB'"),
    ],
)
def test_arguments(tmp_path, kwargs, error, message):
    with pytest.raises(error, match=f"load_images: {message}".replace("(", "[(]")):
        ld.load_images(**{"folder": tmp_path} | kwargs)


def test_twenty_photos_one_corrupt_train_and_sample_in_colour(tmp_path, g):
    rng = np.random.default_rng(0)
    for i in range(20):
        Image.fromarray(rng.integers(0, 256, (200, 300, 3), dtype=np.uint8)).save(tmp_path / f"{i:02d}.jpg")
    (tmp_path / "07.jpg").write_bytes((tmp_path / "07.jpg").read_bytes()[:3000])
    with pytest.warns(UserWarning, match="1 of 20 files .*07.jpg"):
        photos = ld.load_images(tmp_path, size=32, channels=3)
    assert photos.images.shape == (19, 3, 32, 32)
    s = ld.cosine_schedule(50)
    model = ld.UNet(8, image_channels=3, alpha_bar=s.alpha_bar, generator=g)
    *_, step = ld.train(model, s, photos.images, n_steps=3, batch_size=4, generator=g)
    x = ld.sample(step.ema, s, (2, 3, 32, 32), method="ddim", n_steps=3, generator=g)
    assert x.shape == (2, 3, 32, 32) and x.isfinite().all()


def test_names_of_subfolders_are_the_names_of_labels(tmp_path):
    for name in ("dogs", "cats", "10", "9"):
        (tmp_path / name).mkdir()
        Image.fromarray(BANDS).save(tmp_path / name / "a.png")
    digits = ld.load_images(tmp_path)
    assert digits.names == ("9", "10", "cats", "dogs") and digits.labels.tolist().count(2) == 1
    assert repr(digits).endswith("names=('9', '10', 'cats', 'dogs'))")
    assert ld.load_images(tmp_path / "cats").names == ()


@pytest.mark.parametrize("suffix", [".heic", ".HEIF"])
def test_what_pillow_does_not_read_is_named_with_a_way_out(tmp_path, suffix):
    (tmp_path / f"photo{suffix}").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(ValueError, match=r"photo.*Pillow does not read HEIC: save it as JPEG") as caught:
        ld.load_images(tmp_path)
    assert ".heic" not in str(caught.value).rpartition("end in")[2]
    Image.fromarray(BANDS).save(tmp_path / "bands.png")
    with pytest.warns(UserWarning, match="1 of 2 files can not be read .*HEIC"):
        assert len(ld.load_images(tmp_path)) == 1


@pytest.mark.parametrize("channels", [True, 2, "1", 1.0])
def test_channels_are_1_or_3(tmp_path, channels):
    with pytest.raises(ValueError, match="load_images: channels: expected one of 1, 3, got"):
        ld.load_images(tmp_path, channels=channels)
