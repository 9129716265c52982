"""Pictures, arrays and .npy files as image sources, and what no format has."""

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from napari_sam.errors import FileFormatError
from napari_sam.io.array_source import array_source
from napari_sam.io.open_image import open_image

STACK = np.arange(2 * 3 * 20 * 30, dtype=np.uint16).reshape(2, 3, 20, 30)


@pytest.mark.parametrize(
    ("mode", "axes", "dtype"),
    [
        ("L", "YX", "u1"),
        ("RGB", "YXS", "u1"),
        ("P", "YXS", "u1"),
        ("LA", "YXS", "u1"),
        ("1", "YX", "?"),
        ("I;16", "YX", "u2"),
    ],
)
def test_a_picture_says_what_it_is_before_it_is_decoded(tmp_path: Path, mode: str, axes: str, dtype: str) -> None:
    picture = Image.fromarray(STACK[0, 0]) if mode == "I;16" else Image.new("RGB", (30, 20), "red").convert(mode)
    picture.save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    with closing(open_image(tmp_path / "a.png")) as source:
        assert (source.axes, source.plane_hw, source.dtype) == (axes, (20, 30), np.dtype(dtype))
        whole = source.read(())
        assert whole.shape == source.shape
        assert_array_equal(source.read((), slice(3, 9), slice(10, 30)), whole[3:9, 10:])
    (tmp_path / "a.png").write_bytes(content[:-30])
    with closing(open_image(tmp_path / "a.png")) as source, pytest.raises(FileFormatError, match=r"a\.png cannot be"):
        source.read(())


def test_orientation_tags_are_left_alone(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg", exif=exif)
    with closing(open_image(tmp_path / "a.jpg")) as source:
        assert source.plane_hw == (20, 30)


def test_npy_is_mapped_and_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", STACK)
    with closing(open_image(tmp_path / "a.npy")) as source:
        assert (source.axes, source.name) == ("TZYX", str(tmp_path / "a.npy"))
        assert_array_equal(source.read((1, 2)), STACK[1, 2])
    np.save(tmp_path / "b.npy", np.array([{}], dtype=object))
    with pytest.raises(FileFormatError, match=r"b\.npy"):
        open_image(tmp_path / "b.npy")


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((20, 30), "YX"), ((5, 20, 30), "ZYX"), ((20, 30, 3), "YXS"), ((5, 20, 30, 4), "ZYXS"), ((2, 3, 20, 30), "TZYX")],
)
def test_arrays_nobody_described(shape: tuple[int, ...], axes: str) -> None:
    assert array_source(np.zeros(shape)).axes == axes


def test_an_array_with_axes_in_an_unusual_order() -> None:
    source = array_source(STACK.transpose(3, 0, 2, 1), "XTYC", scale=(0.25, 2.0, 0.5, 1.0), unit="um")
    assert (source.stack_axes, source.stack_shape, source.plane_hw) == ("T", (2,), (20, 30))
    assert_array_equal(source.read((1,), slice(2, 5), slice(0, 30)), np.moveaxis(STACK[1], 0, -1)[2:5])


class Counting:
    """An array that remembers what was asked of it."""

    def __init__(self, array: Any) -> None:
        self.array, self.shape, self.dtype, self.asked = array, array.shape, array.dtype, []

    def __getitem__(self, selection: Any) -> Any:
        self.asked.append(selection)
        return self.array[selection]


def test_only_what_is_asked_for_is_sliced() -> None:
    lazy = Counting(STACK)
    source = array_source(lazy, "TCYX")
    assert lazy.asked == []
    source.read((1,), slice(5, 9))
    assert lazy.asked == [(1, slice(0, 3), slice(5, 9), slice(0, 30))]


def test_dask_is_computed() -> None:
    import dask.array

    source = array_source(dask.array.from_array(STACK, chunks=(1, 1, 10, 10)))
    assert_array_equal(source.read((1, 2)), STACK[1, 2])


@pytest.mark.parametrize(
    ("shape", "axes", "message"),
    [
        ((3,), None, "not an image"),
        ((0, 20, 30), None, "empty"),
        ((20, 30), "ZY", "no image plane"),
        ((20, 30), "ZYX", "plane"),
    ],
)
def test_what_is_no_image(shape: tuple[int, ...], axes: str | None, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        array_source(np.zeros(shape), axes, name="layer A")


@pytest.mark.parametrize(
    ("plane", "rows", "message"),
    [
        ((2, 0), None, "no plane"),
        ((0,), None, r"TZ \(lengths \[2, 3\]\)"),
        ((-1, 0), None, "no plane"),
        ((0, 0), slice(5, 5), "window"),
    ],
)
def test_planes_and_windows_that_are_not_there(plane: tuple[int, ...], rows: slice | None, message: str) -> None:
    with pytest.raises(FileFormatError, match=f"layer A: .*{message}"):
        array_source(STACK, name="layer A").read(plane, rows)


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.tif").write_bytes(b"II*\0")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(FileFormatError, match="permission"):
        open_image(tmp_path / "a.tif")
