"""Writing labels and masks: dtype, shape, axes, scale, and whole files or none."""

import errno
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_array_equal

from napari_sam.errors import FileFormatError
from napari_sam.io.labels import write_label_planes, write_labels, write_masks
from napari_sam.io.open_image import open_image


@pytest.mark.parametrize(("highest", "dtype"), [(0, "u2"), (65_535, "u2"), (65_536, "u4"), (4_294_967_295, "u4")])
def test_ids_decide_the_dtype(tmp_path: Path, highest: int, dtype: str) -> None:
    labels = np.array([[0, highest], [1, 0]], np.int64)
    write_labels(tmp_path / "a.tif", labels)
    written = tifffile.imread(tmp_path / "a.tif")
    assert written.dtype == np.dtype(dtype)
    assert_array_equal(written, labels)


@pytest.mark.parametrize(
    ("shape", "axes"), [((4, 6), "YX"), ((1, 4, 6), "ZYX"), ((3, 4, 6), "ZYX"), ((2, 3, 4, 6), "TZYX")]
)
def test_shape_and_axes_are_kept(tmp_path: Path, shape: tuple[int, ...], axes: str) -> None:
    write_labels(tmp_path / "a.tif", np.ones(shape, np.uint8))
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.series[0].axes == axes
        assert tiff.asarray().shape == shape
        assert tiff.pages.first.compression == tifffile.COMPRESSION.ADOBE_DEFLATE


def test_scale_is_stored_for_others_to_read(tmp_path: Path) -> None:
    write_labels(tmp_path / "a.tif", np.ones((2, 4, 6), bool), axes="TYX", scale=(3.0, 0.5, 0.25), unit="um")
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.series[0].axes == "TYX"
        assert tiff.shaped_metadata[0]["scale"] == [3.0, 0.5, 0.25]
        assert tiff.pages.first.resolution == (40_000.0, 20_000.0)  # per centimetre, x before y
        assert tiff.pages.first.resolutionunit == tifffile.RESUNIT.CENTIMETER


@pytest.mark.parametrize("count", [1, 3])
def test_masks_are_a_stack_of_zeros_and_ones(tmp_path: Path, count: int) -> None:
    masks = np.random.default_rng(0).random((count, 8, 9)) > 0.5
    write_masks(tmp_path / "a.tif", masks, scale=(2.0, 2.0))
    written = tifffile.imread(tmp_path / "a.tif")
    assert written.dtype == np.uint8
    assert_array_equal(written, masks)


def test_bigtiff_only_where_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_labels(tmp_path / "small.tif", np.ones((4, 4), np.uint8))
    monkeypatch.setattr("napari_sam.io.labels._CLASSIC_LIMIT", 10)
    write_labels(tmp_path / "large.tif", np.ones((4, 4), np.uint8))
    kinds = []
    for name in ("small.tif", "large.tif"):
        with tifffile.TiffFile(tmp_path / name) as tiff:
            kinds.append(tiff.is_bigtiff)
    assert kinds == [False, True]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([[-1, 2]]), "between 0 and"),
        (np.array([[2**32, 2]]), "between 0 and"),
        (np.array([[0.5, 2]]), "whole numbers"),
        (np.zeros((0, 4), np.uint8), "not an image"),
        (np.zeros(4, np.uint8), "not an image"),
    ],
)
def test_what_cannot_be_labels(tmp_path: Path, labels: np.ndarray, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        write_labels(tmp_path / "a.tif", labels)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [{"axes": "YX"}, {"scale": (1.0, 1.0)}])
def test_axes_and_scale_must_fit(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(FileFormatError, match="do not fit"):
        write_labels(tmp_path / "a.tif", np.ones((2, 4, 6), np.uint8), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("masks", [np.ones((4, 4), bool), np.ones((0, 4, 4), bool), np.ones((1, 4, 4), float)])
def test_what_cannot_be_masks(tmp_path: Path, masks: np.ndarray) -> None:
    with pytest.raises(FileFormatError, match=r"\(M, H, W\)"):
        write_masks(tmp_path / "a.tif", masks)


def test_missing_folders_are_made(tmp_path: Path) -> None:
    write_labels(tmp_path / "new" / "deep" / "a.tif", np.ones((4, 4), np.uint8))
    assert (tmp_path / "new" / "deep" / "a.tif").is_file()


@pytest.mark.parametrize(
    ("code", "message"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "permission"), (errno.EIO, "error")],
)
def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, message: str
) -> None:
    path = write_labels(tmp_path / "a.tif", np.ones((4, 4), np.uint8))
    before = path.read_bytes()

    def fail(target: Path, *_: object, **__: object) -> None:
        Path(target).write_bytes(b"half a file")
        raise OSError(code, "error")

    monkeypatch.setattr(tifffile, "imwrite", fail)
    with pytest.raises(FileFormatError, match=message):
        write_labels(path, np.zeros((4, 4), np.uint8))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileFormatError, match="its folder is a file"):
        write_labels(tmp_path / "file" / "a.tif", np.ones((4, 4), np.uint8))


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.tif").mkdir()
    with pytest.raises(FileFormatError, match="folder of that name"):
        write_labels(tmp_path / "a.tif", np.ones((4, 4), np.uint8))
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.parametrize(("shape", "highest"), [((5, 7), 9), ((3, 5, 7), 9), ((2, 3, 5, 7), 70_000)])
def test_planes_one_by_one_give_the_same_file_as_the_whole(tmp_path: Path, shape: tuple[int, ...], highest: int):
    labels = np.random.default_rng(0).integers(0, highest + 1, shape)
    labels.reshape(-1)[0] = highest
    scale = [0.5] * len(shape)
    one = write_label_planes(tmp_path / "one.tif", labels.reshape(-1, *shape[-2:]), shape, highest, scale, "um")
    two = write_labels(tmp_path / "two.tif", labels, scale=scale, unit="um")
    for path in (one, two):
        with tifffile.TiffFile(path) as tiff:
            assert tiff.series[0].axes == "TZYX"[-len(shape) :]
            assert tiff.series[0].dtype == (np.uint16 if highest == 9 else np.uint32)
            np.testing.assert_array_equal(tiff.series[0].asarray(), labels)
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("axes", ["PYX", "QTYX", "ZTYX"])
def test_axes_of_planes_are_kept_for_every_reader(tmp_path: Path, axes: str):
    labels = np.random.default_rng(0).integers(0, 9, (3, 2, 5, 7)[-len(axes) :])
    scale, planes = (4.0, 3.0, 0.5, 0.25)[-len(axes) :], labels.reshape(-1, 5, 7)
    path = write_label_planes(tmp_path / "a.tif", planes, labels.shape, 8, scale, "nm", axes)
    with tifffile.TiffFile(path) as tiff:
        assert tiff.series[0].axes == axes
        np.testing.assert_array_equal(tiff.asarray(), labels)
    with closing(open_image(path)) as source:
        assert (source.axes, source.scale, source.unit) == (axes, scale, "nm")
        np.testing.assert_array_equal(source.read((1,) * (len(axes) - 2)), labels[(1,) * (len(axes) - 2)])
