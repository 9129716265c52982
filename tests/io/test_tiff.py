"""TIFF files as image sources: axes in any order, pixel sizes of every writer, windows, and damage."""

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from PIL import Image

from napari_sam.errors import FileFormatError
from napari_sam.io.open_image import open_image

RNG = np.random.default_rng(0)
WINDOWS = [((0, 50), (3, 40)), ((5, 33), (0, 60)), ((15, 16), (16, 17)), ((31, 50), (47, 60))]
KINDS: dict[str, dict[str, Any]] = {
    "mapped": {},
    "strips": {"compression": "zlib", "rowsperstrip": 7, "predictor": 2},
    "tiles": {"compression": "zlib", "tile": (16, 32)},
    "plain tiles": {"tile": (16, 16)},
    "ome": {"ome": True, "compression": "zlib", "tile": (32, 16)},
    "imagej": {"imagej": True},
    "bigtiff": {"bigtiff": True, "byteorder": ">", "compression": "zlib", "tile": (16, 16)},
}


def planes_last(array: NDArray[Any], axes: str) -> NDArray[Any]:
    """Order an array as stack axes, then rows, columns, and all channels as one."""
    stack = [i for i, letter in enumerate(axes) if letter not in "CSYX"]
    channels = [i for i, letter in enumerate(axes) if letter in "CS"]
    ordered = array.transpose([*stack, axes.index("Y"), axes.index("X"), *channels])
    joined = ordered.reshape(*ordered.shape[: len(stack) + 2], -1)
    return joined if channels else joined[..., 0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((50, 60), "YX"),
        ((5, 50, 60), "ZYX"),
        ((3, 50, 60), "TYX"),  # three planes are written as if they were red, green and blue
        ((2, 3, 50, 60), "TZYX"),
        ((2, 50, 60, 3), "ZYXS"),
        ((2, 4, 50, 60), "ZCYX"),
        ((2, 2, 3, 50, 60), "TZCYX"),
        ((2, 3, 50, 60, 3), "ZCYXS"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
def test_every_plane_and_window(tmp_path: Path, shape: tuple[int, ...], axes: str, kind: str) -> None:
    array = RNG.integers(0, 255, shape).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", array, metadata={"axes": axes}, **KINDS[kind])
    expected = planes_last(array, axes)
    with closing(open_image(tmp_path / "a.tif")) as source:
        assert (source.axes, source.shape, source.plane_hw) == (axes, shape, (50, 60))
        assert source.stack_axes == axes.translate({ord(c): None for c in "CSYX"})
        for index in np.ndindex(*source.stack_shape):
            assert_array_equal(source.read(index), expected[index])
            for rows, columns in WINDOWS:
                window = source.read(index, slice(*rows), slice(*columns))
                assert_array_equal(window, expected[index][slice(*rows), slice(*columns)])


@pytest.mark.parametrize("axes", ["TZCYX", "TCZYX", "ZTCYX", "CTZYX", "ZCTYX"])
def test_ome_tiff_with_axes_in_any_order_and_units(tmp_path: Path, axes: str) -> None:
    array = RNG.integers(0, 60_000, (2, 3, 4, 20, 30)).astype(np.uint16)
    metadata = {
        "axes": axes,
        "PhysicalSizeX": 0.25,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 500.0,
        "PhysicalSizeYUnit": "nm",
        "PhysicalSizeZ": 1.5,
        "TimeIncrement": 2.0,
        "TimeIncrementUnit": "min",
    }
    tifffile.imwrite(tmp_path / "a.ome.tif", array, metadata=metadata)
    with closing(open_image(tmp_path / "a.ome.tif")) as source:
        sizes = {"T": 120.0, "Z": 1.5, "C": 1.0, "Y": 0.5, "X": 0.25}
        assert source.scale == tuple(sizes[letter] for letter in axes)
        assert source.unit == "um"
        expected = planes_last(array, axes)
        for index in np.ndindex(*source.stack_shape):
            assert_array_equal(source.read(index), expected[index])


def test_the_full_resolution_of_a_pyramid(tmp_path: Path) -> None:
    image = RNG.integers(0, 255, (300, 400)).astype(np.uint8)
    options: dict[str, Any] = {"tile": (64, 64), "compression": "zlib"}
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as tiff:
        tiff.write(image, subifds=1, metadata={"axes": "YX"}, **options)
        tiff.write(image[::2, ::2], subfiletype=1, **options)
    with closing(open_image(tmp_path / "a.ome.tif")) as source:
        assert source.shape == (300, 400)
        assert_array_equal(source.read((), slice(100, 200), slice(7, 300)), image[100:200, 7:300])


@pytest.mark.parametrize(
    ("options", "scale", "unit"),
    [
        ({"imagej": True, "resolution": (4, 2), "metadata": {"spacing": 3.0, "unit": "um"}}, (3.0, 0.5, 0.25), "um"),
        ({"imagej": True, "resolution": (4, 2), "metadata": {"unit": "\\u00B5m"}}, (1.0, 0.5, 0.25), "um"),
        ({"imagej": True, "resolution": (4, 2), "metadata": {"unit": "pixel"}}, None, None),
        ({"imagej": True}, None, None),
        ({"resolution": (4e4, 2e4), "resolutionunit": "CENTIMETER"}, (1.0, 0.5, 0.25), "um"),
        ({"resolution": (25400, 25400), "resolutionunit": "INCH"}, (1.0, 1.0, 1.0), "um"),
        ({"resolution": (300, 300), "resolutionunit": "INCH"}, None, None),  # paper
        ({"metadata": {"scale": [3.0, 0.5, 0.25], "unit": "nm"}}, (3.0, 0.5, 0.25), "nm"),
        ({"metadata": {"scale": "wide"}}, None, None),
        ({"ome": True, "metadata": {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}}, (1.0, 0.5, 0.5), "um"),
        ({"ome": True}, None, None),
    ],
)
def test_pixel_size(tmp_path: Path, options: dict[str, Any], scale: tuple[float, ...] | None, unit: str | None) -> None:
    options = {"photometric": "minisblack"} | options | {"metadata": {"axes": "ZYX"} | options.get("metadata", {})}
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 20, 30), np.uint16), **options)
    with closing(open_image(tmp_path / "a.tif")) as source:
        assert (source.scale, source.unit) == (scale, unit)


def test_a_window_reads_its_tiles_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = RNG.integers(0, 255, (2048, 2048)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image, tile=(256, 256), compression="zlib")
    read: list[int] = []
    original = tifffile.FileHandle.read

    def counted(self: tifffile.FileHandle, size: int = -1) -> bytes:
        content = original(self, size)
        read.append(len(content))
        return content

    monkeypatch.setattr(tifffile.FileHandle, "read", counted)
    with closing(open_image(tmp_path / "a.tif")) as source:
        assert sum(read) < 10_000
        read.clear()
        assert_array_equal(source.read((), slice(300, 500), slice(1000, 1100)), image[300:500, 1000:1100])
    assert 0 < sum(read) <= 2 * 256 * 256 * 1.01  # two of 64 tiles, that do not compress


def test_a_sparse_tile_is_background(tmp_path: Path) -> None:
    image = RNG.integers(1, 255, (64, 64)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image, tile=(32, 32), compression="zlib")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        counts = list(tiff.pages.first.databytecounts)
        tiff.pages.first.tags["TileByteCounts"].overwrite([0, *counts[1:]])
    image[:32, :32] = 0
    with closing(open_image(tmp_path / "a.tif")) as source:
        assert_array_equal(source.read((), slice(0, 50), slice(0, 50)), image[:50, :50])


def test_a_series_of_several_files(tmp_path: Path) -> None:
    stack = RNG.integers(0, 255, (2, 20, 30)).astype(np.uint8)
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
        'DimensionOrder="XYZCT" Type="uint8" SizeX="30" SizeY="20" SizeZ="2" SizeC="1" SizeT="1" PhysicalSizeX="2" '
        'PhysicalSizeY="2"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{}</Pixels></Image></OME>'
    )
    data = '<TiffData FirstZ="{0}" IFD="0" PlaneCount="1"><UUID FileName="{0}.ome.tif">urn:uuid:{0}</UUID></TiffData>'
    for z in range(2):
        text = xml.format(data.format(0) + data.format(1)).replace("<OME ", f'<OME UUID="urn:uuid:{z}" ')
        tifffile.imwrite(tmp_path / f"{z}.ome.tif", stack[z], description=text, metadata=None, compression="zlib")
    with closing(open_image(tmp_path / "0.ome.tif")) as source:
        assert (source.axes, source.shape, source.scale) == ("ZYX", (2, 20, 30), (1.0, 2.0, 2.0))
        assert_array_equal(source.read((1,)), stack[1])
    (tmp_path / "1.ome.tif").unlink()
    with closing(open_image(tmp_path / "0.ome.tif")) as source:
        assert_array_equal(source.read((0,)), stack[0])
        with pytest.raises(FileFormatError, match="page 1 is missing"):
            source.read((1,))


@pytest.mark.parametrize(
    ("mode", "compression"),
    [("L", "tiff_lzw"), ("RGB", "tiff_lzw"), ("I;16", "tiff_lzw"), ("L", "jpeg"), ("RGB", "jpeg")],
)
def test_compressions_that_pillow_knows(tmp_path: Path, mode: str, compression: str) -> None:
    rows, columns = np.mgrid[:50, :60]
    ramps = [rows * 3 + columns + 10 * z for z in range(3)]
    pictures = [Image.fromarray(ramp.astype(np.uint16 if mode == "I;16" else np.uint8)) for ramp in ramps]
    pictures = [one.convert("RGB") if mode == "RGB" else one for one in pictures]
    pictures[0].save(tmp_path / "a.tif", save_all=True, append_images=pictures[1:], compression=compression)
    with closing(open_image(tmp_path / "a.tif")) as source:
        assert (source.stack_shape, source.plane_hw) == ((3,), (50, 60))
        for z, picture in enumerate(pictures):
            window = source.read((z,), slice(5, 40), slice(7, 60)).astype(int)
            assert np.abs(window - np.asarray(picture)[5:40, 7:60]).max() <= (0 if compression == "tiff_lzw" else 8)


def written(path: Path, kind: str) -> Path:
    stack = RNG.integers(0, 255, (6, 50, 60)).astype(np.uint8)
    if kind == "pages":
        with tifffile.TiffWriter(path) as tiff:
            for plane in stack:
                tiff.write(plane, contiguous=False, metadata=None, compression="zlib")
    else:
        tifffile.imwrite(path, stack, metadata={"axes": "ZYX"}, **KINDS[kind])
    return path


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.7, 0.9, 0.99])
@pytest.mark.parametrize("kind", [*KINDS, "pages"])
def test_what_was_cut_off_is_never_silently_missing(tmp_path: Path, kind: str, share: float) -> None:
    path = written(tmp_path / "a.tif", kind)
    whole = tifffile.imread(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    failed = 0
    try:
        with closing(open_image(path)) as source:
            assert source.stack_shape == (6,)
            for z in range(6):
                try:
                    assert_array_equal(source.read((z,)), whole[z])
                except FileFormatError as error:
                    assert str(path) in str(error)  # noqa: PT017
                    failed += 1
    except FileFormatError as error:
        assert str(path) in str(error)  # noqa: PT017
        failed += 1
    assert failed or share == 0.99, "something is gone"


def test_one_damaged_plane_leaves_the_others(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif", "tiles")
    whole = tifffile.imread(path)
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[2].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[offset : offset + 20] = b"x" * 20
    path.write_bytes(content)
    with closing(open_image(path)) as source:
        for z in (0, 1, 3, 4, 5):
            assert_array_equal(source.read((z,)), whole[z])
        with pytest.raises(FileFormatError, match=r"plane \(2,\) of .*a\.tif cannot be read: it is damaged"):
            source.read((2,))
        assert_array_equal(source.read((2,), slice(16, 50)), whole[2, 16:])  # tiles beyond the damage


def test_complex_numbers_are_no_image(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((20, 30), np.complex64))
    with pytest.raises(FileFormatError, match="complex64"):
        open_image(tmp_path / "a.tif")
