"""Image files of all kinds become the same RGB squares."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from repdyn.data.picture import decoded
from repdyn.data.progress import Silent
from repdyn.errors import UserError
from tests.support import dataset_files as files

SIDE = 6
GREY = np.arange(SIDE**2, dtype=np.uint8).reshape(SIDE, SIDE) * 7


def read(path: Path, side: int = SIDE) -> NDArray[np.uint8]:
    (picture,) = decoded(path.parent, [path.name], side, Silent())
    assert picture.sums[0].tolist() == picture.pixels.sum((1, 2), dtype=int).tolist()
    assert picture.sums[1].tolist() == (picture.pixels.astype(int) ** 2).sum((1, 2)).tolist()
    return picture.pixels


@pytest.mark.parametrize(
    ("mode", "name"),
    [("L", "x.png"), ("LA", "x.png"), ("RGB", "x.PNG"), ("RGBA", "x.png"), ("L", "x.pgm")],
)
def test_grey_in_any_mode(mode: str, name: str, tmp_path: Path) -> None:
    Image.fromarray(GREY).convert(mode).save(tmp_path / name)
    np.testing.assert_array_equal(read(tmp_path / name), np.stack([GREY] * 3))


def test_a_palette_with_transparent_colours_keeps_its_colours(tmp_path: Path) -> None:
    colours = files.images(1, (SIDE, SIDE, 3), 0)[0] // 64 * 64
    image = Image.fromarray(colours).quantize(256)
    expected = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    image.save(tmp_path / "x.png", transparency=bytes(range(64)))
    np.testing.assert_array_equal(read(tmp_path / "x.png"), expected)


@pytest.mark.parametrize("name", ["x.png", "x.tiff"])
def test_sixteen_bits_keep_their_range(name: str, tmp_path: Path) -> None:
    Image.fromarray(GREY.astype(np.uint16) * 257).save(tmp_path / name)
    np.testing.assert_array_equal(read(tmp_path / name), np.stack([GREY] * 3))


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_pixels_of_unknown_range_are_refused(dtype: type, tmp_path: Path) -> None:
    Image.fromarray(GREY.astype(dtype)).save(tmp_path / "x.tiff")
    with pytest.raises(UserError, match=r"x\.tiff: has pixels of 32 bits.*convert it"):
        read(tmp_path / "x.tiff")


def test_the_cameras_orientation_does_not_turn_an_image(tmp_path: Path) -> None:
    """As in torchvision's ImageFolder, so that accuracies compare."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(GREY).save(tmp_path / "x.png", exif=exif)
    np.testing.assert_array_equal(read(tmp_path / "x.png")[0], GREY)


def test_many_files_come_in_order(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(50)]
    for i, name in enumerate(names):
        Image.fromarray(np.full((4, 4), i, np.uint8)).save(tmp_path / name)
    found = [int(picture.pixels[0, 0, 0]) for picture in decoded(tmp_path, names, 4, Silent())]
    assert found == list(range(50))
