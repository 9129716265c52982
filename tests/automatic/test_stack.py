"""segment_stack as scripts use it, with a generator that makes no mistakes; once with the model itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
import tifffile
import torch
import zarr

import napari_sam
from napari_sam.automatic import plane as plane_module
from napari_sam.automatic import stack as stack_module
from napari_sam.automatic.config import AutomaticConfig
from napari_sam.automatic.job import AutomaticJob
from napari_sam.automatic.plane import PlaneResult
from napari_sam.automatic.stack import segment_stack
from napari_sam.errors import Cancelled, FileFormatError, ParameterError
from napari_sam.io.array_source import array_source
from napari_sam.model.sam import Sam
from napari_sam.predict.loaded import LoadedModel
from napari_sam.predict.predictor import Predictor
from tests.automatic.perfect import PerfectGenerator
from tests.automatic.test_plane import CountingArray
from tests.predict.conftest import TINY

NOBODY: Any = object()  # asked nothing by the perfect generator


@pytest.fixture(autouse=True)
def generator(monkeypatch: pytest.MonkeyPatch) -> PerfectGenerator:
    perfect = PerfectGenerator()
    monkeypatch.setattr(plane_module, "AutomaticMaskGenerator", perfect)
    return perfect


def segment(stack: Any, job: Any = None, **options: Any) -> Any:
    return segment_stack(stack, job, predictor=NOBODY, **options)


def tower() -> np.ndarray:
    """Two columns through three planes; the second one is missing on the middle plane."""
    stack = np.zeros((3, 20, 30), np.uint8)
    stack[:, 2:8, 2:8] = 5
    stack[::2, 10:16, 20:26] = 7
    return stack


TOWER_ALONE = [[0, 1, 2], [0, 3], [0, 4, 5]]
TOWER_LINKED = [[0, 1, 2], [0, 1], [0, 1, 2]]


def ids(labels: Any) -> list[list[int]]:
    return [np.unique(np.asarray(plane)).tolist() for plane in labels]


def test_it_is_public() -> None:
    assert napari_sam.segment_stack is segment_stack


def test_ids_are_unique_over_the_stack() -> None:
    labels = segment(tower())
    assert ids(labels) == TOWER_ALONE
    assert labels.dtype == np.uint16
    np.testing.assert_array_equal(labels > 0, tower() > 0)


@pytest.mark.parametrize("link", ["z", "t"])
def test_objects_are_linked_along_the_first_dimension(link: str) -> None:
    labels = segment(tower(), {"link": link})
    assert ids(labels) == TOWER_LINKED
    assert ids(segment(tower(), {"link": link, "link_gap": 0})) == [[0, 1, 2], [0, 1], [0, 1, 3]]
    assert ids(segment(tower(), {"link": link, "min_length": 3})) == [[0, 1], [0, 1], [0, 1]]


def test_parameters_in_every_form() -> None:
    expected = segment(tower(), {"link": "z"})
    for job in ({"stack": {"link": "z"}}, AutomaticJob().with_values({"link": "z"})):
        np.testing.assert_array_equal(segment(tower(), job), expected)
    assert ids(segment(tower(), AutomaticConfig(points_per_side=4))) == TOWER_ALONE
    with pytest.raises(ParameterError, match="no parameter called 'lnk'"):
        segment(tower(), {"lnk": "z"})
    with pytest.raises(ParameterError, match="not 5"):
        segment(tower(), 5)


def test_a_single_plane_and_colours(generator: PerfectGenerator) -> None:
    assert segment(tower()[0], {"link": "z"}).shape == (20, 30)
    colours = np.repeat(tower()[..., None], 3, axis=-1)
    assert segment(colours).shape == (3, 20, 30)
    assert segment(colours[0]).shape == (20, 30)
    assert segment(np.moveaxis(colours, -1, 0), axes="CZYX").shape == (3, 20, 30)
    assert [seen["shape"] for seen in generator.seen[1:]] == [(20, 30, 3)] * 7


def test_four_dimensions_are_linked_within_each_series() -> None:
    film = np.stack([tower(), tower()[:, ::-1]])
    assert [ids(volume) for volume in segment(film, {"link": "z"})] == [
        [[0, 1, 2], [0, 1], [0, 1, 2]],
        [[0, 3, 4], [0, 4], [0, 3, 4]],
    ]
    along_t = segment(film, {"link": "t"})
    assert along_t.shape == film.shape
    assert len(np.unique(along_t)) - 1 == 2 * (2 + 1 + 2)  # nothing of the mirrored volume overlaps
    assert len(np.unique(segment(film, {"link": "t"}, axes="ZTYX"))) - 1 == 4


def test_lazy_stacks_are_read_plane_by_plane(tmp_path: Path) -> None:
    expected = segment(tower(), {"link": "z"})
    source = CountingArray(tower())
    np.testing.assert_array_equal(segment(source, {"link": "z"}), expected)
    assert source.read == [(20, 30)] * 3
    on_disk = zarr.open(str(tmp_path / "stack.zarr"), mode="w", shape=(3, 20, 30), chunks=(1, 20, 30), dtype="u1")
    on_disk[:] = tower()
    tifffile.imwrite(tmp_path / "stack.tif", tower(), photometric="minisblack", metadata={"axes": "ZYX"})
    mapped = tifffile.memmap(tmp_path / "stack.tif", mode="r")
    chunked = dask.array.from_array(tower(), chunks=(1, 10, 30))
    for stack in (on_disk, mapped, chunked, array_source(tower()), tmp_path / "stack.tif", str(tmp_path / "stack.tif")):
        np.testing.assert_array_equal(segment(stack, {"link": "z"}), expected)


def test_large_planes_are_read_tile_by_tile() -> None:
    stack = np.zeros((2, 200, 300), np.uint8)
    stack[:, 90:110, 90:210] = 3
    source = CountingArray(stack)
    labels = segment(source, {"tile_size": 100, "tile_halo": 20, "link": "z"})
    np.testing.assert_array_equal(labels, stack > 0)
    assert len(source.read) == 2 * 6
    assert max(source.read) <= (120, 140)


def test_labels_are_written_as_they_come(tmp_path: Path) -> None:
    expected = segment(tower(), {"link": "z"})
    for out in (
        np.full((3, 20, 30), 9, np.uint32),
        zarr.open(str(tmp_path / "out.zarr"), mode="w", shape=(3, 20, 30), chunks=(1, 8, 8), dtype="u2"),
        np.memmap(tmp_path / "out.dat", np.int64, "w+", shape=(3, 20, 30)),
    ):
        assert segment(tower(), {"link": "z"}, out=out) is out
        np.testing.assert_array_equal(out[:], expected)


def test_what_was_done_stays_when_cancelled(generator: PerfectGenerator) -> None:
    out = np.zeros((3, 20, 30), np.uint16)
    job = {"link": "z", "min_volume": 40}
    with pytest.raises(Cancelled):
        segment(tower(), job, out=out, cancelled=lambda: len(generator.seen) == 2)
    assert ids(out) == [[0, 1], [0, 1], [0]]


def test_what_was_done_stays_when_a_plane_cannot_be_read() -> None:
    class Damaged(CountingArray):
        def __getitem__(self, selection: Any) -> np.ndarray:
            if selection[0] == 1:
                raise OSError("a bad block")
            return super().__getitem__(selection)

    out = np.zeros((3, 20, 30), np.uint16)
    with pytest.raises(FileFormatError, match="a bad block"):
        segment(Damaged(tower()), out=out)
    assert ids(out) == [[0, 1, 2], [0], [0]]


def test_an_array_to_write_to_that_does_not_fit() -> None:
    with pytest.raises(ParameterError, match=r"shape \(3, 20, 30\), but is one of uint16 and \(3, 20, 31\)"):
        segment(tower(), out=np.zeros((3, 20, 31), np.uint16))
    with pytest.raises(ParameterError, match="float32"):
        segment(tower(), out=np.zeros((3, 20, 30), np.float32))
    many = np.arange(1, 401, dtype=np.uint16).reshape(1, 20, 20)
    with pytest.raises(ParameterError, match="use uint32"):
        segment(many, out=np.zeros((1, 20, 20), np.uint8))


def test_more_than_16_bits_of_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.arange(40_000, dtype=np.uint32).reshape(200, 200)
    monkeypatch.setattr(stack_module, "segment_plane", lambda *_, **__: PlaneResult(labels, (), ()))
    stack = np.zeros((3, 200, 200), np.uint8)
    found = segment(stack)
    assert found.dtype == np.uint32
    assert len(np.unique(found)) == found.max() + 1 == 3 * 39_999 + 1
    assert segment(stack[:1]).dtype == np.uint16
    assert segment(stack, {"link": "z"}).dtype == np.uint16


def test_a_dimension_to_link_along_that_is_not_there() -> None:
    with pytest.raises(ParameterError, match="no dimension T"):
        segment(tower(), {"link": "t"}, axes="ZYX")


def test_a_source_says_itself_what_its_dimensions_are() -> None:
    with pytest.raises(ParameterError, match=r"axes='ZYX' was given, but .* says itself"):
        segment(array_source(tower(), name="tower"), axes="ZYX")


def test_progress_is_told_in_hundredths_of_planes() -> None:
    told: list[tuple[int, int]] = []
    segment(tower(), progress=lambda done, total: told.append((done, total)))
    assert told == [(50, 300), (100, 300), (150, 300), (200, 300), (250, 300), (300, 300)]


def test_an_out_of_memory_plane_of_labels_is_read_back_in_whole_chunks(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("napari_sam.automatic.stack._BAND_PIXELS", 60)
    out = zarr.open(str(tmp_path / "out.zarr"), mode="w", shape=(3, 20, 30), chunks=(1, 8, 30), dtype="u4")
    np.testing.assert_array_equal(segment(tower(), out=out)[:], segment(tower()))


def test_with_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sam = Sam(TINY).eval()
    predictor = Predictor(LoadedModel(sam, "tiny", torch.device("cpu"), "fp32", "hash-of-tiny"))
    stack = np.random.default_rng(0).integers(0, 4000, (2, 60, 70)).astype(np.uint16)
    job = {"points_per_side": 3, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "background_fraction": 1.0}
    labels = segment_stack(stack, job, predictor=predictor)
    assert labels.shape == stack.shape
    assert labels.max() > 0
    first = segment_stack(stack[0], job, predictor=predictor)
    np.testing.assert_array_equal(first, labels[0])
    assert labels[1][labels[1] > 0].min() == first.max() + 1
