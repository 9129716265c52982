"""OME-Zarr as image source and as labels: read back by the ome-zarr package, and the other way round."""

import errno
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from napari_sam.errors import FileFormatError
from napari_sam.io.ome_zarr import write_label_zarr
from napari_sam.io.open_image import open_image

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 60_000, (2, 3, 4, 50, 60)).astype(np.uint16)


def write_ome(path: Path, image: NDArray[Any], axes: str, version: str) -> Path:
    """Write an image with the ome-zarr package."""
    from ome_zarr import format as formats
    from ome_zarr.writer import write_image

    fmt = {"0.4": formats.FormatV04(), "0.5": formats.FormatV05()}[version]
    steps = {"t": 500.0, "c": 1.0, "z": 2000.0, "y": 500.0, "x": 250.0}
    units = {"t": "millisecond", "z": "nanometer", "y": "nanometer", "x": "nanometer"}
    names = list(axes.lower())
    write_image(
        image,
        zarr.create_group(path, zarr_format=2 if version == "0.4" else 3),
        axes=names,
        scale={name: steps[name] for name in names},
        axes_units={name: units[name] for name in names if name in units},
        fmt=fmt,
        scale_factors=[2, 4],
        storage_options={"chunks": (1,) * (len(axes) - 2) + (25, 25)},
    )
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(("axes", "shape"), [("TCZYX", IMAGE.shape), ("ZYX", (4, 50, 60)), ("YX", (50, 60))])
def test_what_ome_zarr_writes(tmp_path: Path, axes: str, shape: tuple[int, ...], version: str) -> None:
    image = IMAGE.reshape(-1)[: np.prod(shape)].reshape(shape)
    path = write_ome(tmp_path / "a.zarr", image, axes, version)
    with closing(open_image(path)) as source:
        sizes = {"T": 0.5, "C": 1.0, "Z": 2000.0, "Y": 500.0, "X": 250.0}
        assert (source.axes, source.shape, source.dtype) == (axes, shape, image.dtype)
        assert source.scale == tuple(sizes[letter] for letter in axes)
        assert source.unit == "nm"
        planes = np.moveaxis(image, 1, -1) if "C" in axes else image
        for index in np.ndindex(*source.stack_shape):
            assert_array_equal(source.read(index), planes[index])
            assert_array_equal(source.read(index, slice(20, 31), slice(3, 60)), planes[index][20:31, 3:60])


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_plain_array_and_a_group_of_one(tmp_path: Path, zarr_format: int) -> None:
    for path, name in ((tmp_path / "array.zarr", None), (tmp_path / "group.zarr", "raw")):
        zarr.save_array(path / name if name else path, IMAGE[0, 0], zarr_format=zarr_format)
        if name:
            zarr.open_group(path, mode="a", zarr_format=zarr_format)
        with closing(open_image(path)) as source:
            assert (source.axes, source.stack_shape, source.scale) == ("ZYX", (4,), None)
            assert_array_equal(source.read((2,)), IMAGE[0, 0, 2])


def test_names_of_dimensions_are_axes(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "a.zarr", shape=(3, 5, 6), dtype="u1", dimension_names=("time", "y", "x"))
    array[:] = 7
    with closing(open_image(tmp_path / "a.zarr")) as source:
        assert source.axes == "TYX"


def test_the_first_image_of_bioformats2raw(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "a.zarr", zarr_format=2, attributes={"bioformats2raw.layout": 3})
    write_ome(tmp_path / "a.zarr" / "0", IMAGE[0, 0], "ZYX", "0.4")
    with closing(open_image(tmp_path / "a.zarr")) as source:
        assert_array_equal(source.read((3,)), IMAGE[0, 0, 3])


def test_scales_of_a_level_and_of_the_whole_multiply(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "a.zarr", IMAGE[0, 0], "ZYX", "0.4")
    attributes = json.loads((path / ".zattrs").read_text())
    attributes["multiscales"][0]["coordinateTransformations"] = [{"type": "scale", "scale": [1.0, 1.0, 3.0]}]
    (path / ".zattrs").write_text(json.dumps(attributes))
    with closing(open_image(path)) as source:
        assert source.scale == (2000.0, 500.0, 750.0)


@pytest.mark.parametrize("content", ["", "{", '{"zarr_format": 9, "node_type": "group"}', '{"zarr_format": 3}'])
def test_damaged_metadata(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_text(content)
    with pytest.raises(FileFormatError, match=r"a\.zarr"):
        open_image(tmp_path / "a.zarr")


def test_a_damaged_chunk_is_told_at_its_plane(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "a.zarr", IMAGE[0, 0], "ZYX", "0.5")
    chunk = path / "s0" / "c" / "2" / "1" / "0"
    chunk.write_bytes(chunk.read_bytes()[:20])
    with closing(open_image(path)) as source:
        assert_array_equal(source.read((1,)), IMAGE[0, 0, 1])
        assert_array_equal(source.read((2,), slice(0, 25)), IMAGE[0, 0, 2, :25])
        with pytest.raises(FileFormatError, match=r"plane \(2,\) of .*a\.zarr cannot be read"):
            source.read((2,))


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({}, "holds no array"),
        ({"plate": {}}, "is a plate"),
        ({"ome": {"multiscales": [{"datasets": [{"path": "0"}]}]}}, "does not hold it"),
        ({"ome": {"multiscales": [{}]}}, "cannot be read"),
        ({"ome": {"multiscales": "no"}}, "cannot be read"),
    ],
)
def test_a_group_without_an_image(tmp_path: Path, attributes: dict[str, Any], message: str) -> None:
    zarr.create_group(tmp_path / "a.zarr", attributes=attributes)
    with pytest.raises(FileFormatError, match=message):
        open_image(tmp_path / "a.zarr")


LABELS = RNG.integers(0, 70_000, (2, 3, 1100, 1300)).astype(np.uint32)
SCALE = (2.0, 3.0, 0.5, 0.25)


def planes_of(labels: NDArray[Any]) -> Iterator[NDArray[Any]]:
    return iter(labels.reshape(-1, *labels.shape[-2:]))


def test_labels_are_read_by_ome_zarr_and_napari(tmp_path: Path) -> None:
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Label, Multiscales, Reader

    path = write_label_zarr(tmp_path / "a.zarr", planes_of(LABELS), LABELS.shape, 70_000, SCALE, "um", "TZYX")
    (node,) = Reader(parse_url(path))()
    assert {type(one) for one in node.specs} >= {Label, Multiscales}
    assert [(axis["name"], axis.get("unit")) for axis in node.metadata["axes"]] == [
        ("t", None),
        ("z", "micrometer"),
        ("y", "micrometer"),
        ("x", "micrometer"),
    ]
    scales = [one[0]["scale"] for one in node.metadata["coordinateTransformations"]]
    assert scales == [[2.0, 3.0, 0.5, 0.25], [2.0, 3.0, 1.0, 0.5]]
    assert [level.shape for level in node.data] == [(2, 3, 1100, 1300), (2, 3, 550, 650)]
    assert_array_equal(node.data[0], LABELS)
    assert_array_equal(node.data[1], LABELS[..., ::2, ::2])

    from napari_builtins.io import napari_get_reader

    read = napari_get_reader(str(path))
    assert read is not None
    ((levels, *_),) = read(str(path))
    assert [level.shape for level in levels] == [(2, 3, 1100, 1300), (2, 3, 550, 650)]
    assert_array_equal(levels[0][1, 2], LABELS[1, 2])


def test_labels_come_back_here(tmp_path: Path) -> None:
    labels = LABELS[0, :, :40, :50] % 300
    path = write_label_zarr(tmp_path / "a.zarr", planes_of(labels), labels.shape, 299, SCALE[1:], "nm", "PYX")
    with closing(open_image(path)) as source:
        assert (source.axes, source.scale, source.unit, source.dtype) == ("PYX", SCALE[1:], "nm", np.uint16)
        assert_array_equal(source.read((1,)), labels[1])


@pytest.mark.parametrize(
    ("shape", "options"),
    [((3, 40, 50), {"axes": "YX"}), ((3, 40, 50), {"scale": (1.0,)}), ((4, 40, 50), {}), ((2, 40, 50), {})],
)
def test_what_does_not_fit_leaves_nothing(tmp_path: Path, shape: tuple[int, ...], options: dict[str, Any]) -> None:
    with pytest.raises(FileFormatError, match="was not written"):
        write_label_zarr(tmp_path / "a.zarr", planes_of(LABELS[0, :, :40, :50]), shape, 9, **options)
    assert list(tmp_path.iterdir()) == []


def test_earlier_labels_are_replaced_and_other_folders_are_not(tmp_path: Path) -> None:
    labels = LABELS[0, :, :40, :50] % 300
    for part in (labels[:2], labels):
        write_label_zarr(tmp_path / "a.zarr", planes_of(part), part.shape, 299)
    with closing(open_image(tmp_path / "a.zarr")) as source:
        assert source.shape == (3, 40, 50)
    assert [one.name for one in tmp_path.iterdir()] == ["a.zarr"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(FileFormatError, match="not a zarr folder"):
        write_label_zarr(tmp_path / "mine", planes_of(labels), labels.shape, 299)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "all of it"


def test_a_failure_in_the_middle_leaves_the_earlier_labels(tmp_path: Path) -> None:
    labels = LABELS[0, :, :40, :50] % 300
    path = write_label_zarr(tmp_path / "a.zarr", planes_of(labels), labels.shape, 299)

    def failing() -> Iterator[NDArray[Any]]:
        yield labels[0]
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(FileFormatError, match="the disk is full"):
        write_label_zarr(path, failing(), labels.shape, 299)
    assert [one.name for one in tmp_path.iterdir()] == ["a.zarr"]
    with closing(open_image(path)) as source:
        assert_array_equal(source.read((2,)), labels[2])
