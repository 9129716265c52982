"""Reading image files: what scientists have on disk, damaged files included."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from PIL import Image

from napari_sam.errors import FileFormatError
from napari_sam.io.images import read_image

GREY = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30)
STACK = np.arange(5 * 20 * 30, dtype=np.uint16).reshape(5, 20, 30)
COLOUR = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, ">u2", np.int32, np.float32, np.float64, np.bool_])
def test_grey_tiff_keeps_its_values(tmp_path: Path, dtype: str) -> None:
    image = (GREY % 2).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", image)
    assert_array_equal(read_image(tmp_path / "a.tif"), image)


@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib"}, {"byteorder": ">"}, {"bigtiff": True}, {"tile": (16, 16)}]
)
def test_kinds_of_tiff(tmp_path: Path, options: dict[str, object]) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, **options)
    assert_array_equal(read_image(tmp_path / "a.tif"), GREY)


@pytest.mark.parametrize("options", [{}, {"photometric": "rgb", "compression": "zlib"}])
def test_colour_tiff(tmp_path: Path, options: dict[str, object]) -> None:
    tifffile.imwrite(tmp_path / "a.tif", COLOUR, **options)
    assert_array_equal(read_image(tmp_path / "a.tif"), COLOUR)


def test_planar_colour_becomes_channels_last(tmp_path: Path) -> None:
    planar = np.moveaxis(COLOUR, 2, 0)
    tifffile.imwrite(tmp_path / "a.tif", planar, photometric="rgb", planarconfig="separate")
    assert_array_equal(read_image(tmp_path / "a.tif"), COLOUR)


def test_float_colour_written_without_axes(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", COLOUR.astype(np.float32))
    assert read_image(tmp_path / "a.tif").shape == (20, 30, 3)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"imagej": True}, {"ome": True}])
def test_one_plane_of_a_stack(tmp_path: Path, options: dict[str, object]) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, metadata={"axes": "ZYX"}, **options)
    assert_array_equal(read_image(tmp_path / "a.tif", plane=3), STACK[3])


@pytest.mark.parametrize("options", [{"imagej": True}, {"ome": True}])
def test_channels_of_a_hyperstack_come_last(tmp_path: Path, options: dict[str, object]) -> None:
    stack = np.arange(2 * 3 * 4 * 20 * 30, dtype=np.uint16).reshape(2, 3, 4, 20, 30)
    tifffile.imwrite(tmp_path / "a.tif", stack, metadata={"axes": "TZCYX"}, **options)
    assert_array_equal(read_image(tmp_path / "a.tif", plane=(1, 2)), np.moveaxis(stack[1, 2], 0, -1))


def test_axes_of_length_one_need_no_choice(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY[None, None], metadata={"axes": "TZYX"})
    assert_array_equal(read_image(tmp_path / "a.tif"), GREY)


@pytest.mark.parametrize("plane", [None, 5, -1, (1, 2)])
def test_a_stack_asks_for_a_plane(tmp_path: Path, plane: object) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, metadata={"axes": "ZYX"})
    with pytest.raises(FileFormatError, match=r"axes ZYX .*Choose one index for each of Z \(lengths \[5\]\)"):
        read_image(tmp_path / "a.tif", plane)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mode", "shape"),
    [("L", (4, 6)), ("RGB", (4, 6, 3)), ("RGBA", (4, 6, 4)), ("P", (4, 6, 3)), ("LA", (4, 6, 4)), ("1", (4, 6))],
)
def test_kinds_of_png(tmp_path: Path, mode: str, shape: tuple[int, ...]) -> None:
    Image.new("RGB", (6, 4), "red").convert(mode).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").shape == shape


def test_png_of_sixteen_bits(tmp_path: Path) -> None:
    Image.fromarray(GREY * 100).save(tmp_path / "a.png")
    assert_array_equal(read_image(tmp_path / "a.png"), GREY * 100)


def test_jpeg_and_a_wrong_suffix(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 16, 3), 200, np.uint8)).save(tmp_path / "a.tif", format="JPEG")
    image = read_image(tmp_path / "a.tif")
    assert image.shape == (8, 16, 3)
    assert abs(int(image.mean()) - 200) <= 1


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (6, 4)).save(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg").shape == (4, 6, 3)


def _written(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / kind
    if kind.endswith("png"):
        Image.fromarray(COLOUR).save(path)
    elif kind.endswith("jpg"):
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    else:
        tifffile.imwrite(path, STACK[:1] if "plane" in kind else STACK, compression="zlib" if "zlib" in kind else None)
    return path


@pytest.mark.parametrize("kind", ["a.png", "a.jpg", "plane.tif", "plane-zlib.tif", "stack.tif", "stack-zlib.tif"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.6])
def test_a_truncated_file_is_an_error_that_names_it(tmp_path: Path, kind: str, share: float) -> None:
    path = _written(tmp_path, kind)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(FileFormatError, match=kind):
        read_image(path)


@pytest.mark.parametrize(
    "content", [b"hello world", b"\x89PNG\r\n\x1a\n", b"II*\0", b"II*\0\xff\xff\xff\xff", b"\xff\xd8\xff"]
)
def test_not_an_image(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(FileFormatError, match=r"a\.tif"):
        read_image(tmp_path / "a.tif")


def test_a_hyperstack_of_imagej_cut_off_behind_its_first_page(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        end = tiff.pages[1].dataoffsets[0] if len(tiff.pages) > 1 else tiff.pages.first.dataoffsets[0] + 1300
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[:end])
    with pytest.raises(FileFormatError, match=r"a\.tif"):
        read_image(tmp_path / "a.tif")


def test_an_unsupported_compression_says_what_is_missing(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        tiff.pages.first.tags["Compression"].overwrite(34712)  # JPEG 2000
    with pytest.raises(FileFormatError, match="pip install imagecodecs"):
        read_image(tmp_path / "a.tif")


def test_a_picture_beyond_pillows_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(FileFormatError, match="save it as TIFF"):
        read_image(tmp_path / "a.png")


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="does not exist"):
        read_image(tmp_path / "a.tif")
    with pytest.raises(FileFormatError, match="is a folder"):
        read_image(tmp_path)


def test_a_picture_has_one_plane(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "a.png")
    assert_array_equal(read_image(tmp_path / "a.png", plane=0), COLOUR)
    with pytest.raises(FileFormatError, match="single plane"):
        read_image(tmp_path / "a.png", plane=1)


def test_only_the_plane_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, metadata={"axes": "ZYX"}, compression="zlib")

    def whole(*_: object, **__: object) -> NDArray[np.uint16]:
        raise AssertionError("the whole stack was read")

    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", whole)
    assert_array_equal(read_image(tmp_path / "a.tif", plane=2), STACK[2])
