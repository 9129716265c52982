"""Planes whole and in tiles, with a generator that makes no mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import measure

from napari_sam.automatic import plane as plane_module
from napari_sam.automatic.config import TileConfig
from napari_sam.automatic.job import AutomaticJob
from napari_sam.automatic.plane import segment_plane
from napari_sam.automatic.stitch import pieces_of, stitch
from napari_sam.automatic.tiling import plane_tiles
from napari_sam.errors import Cancelled, ImageError, ParameterError
from napari_sam.geometry.rle import rle_to_mask
from napari_sam.geometry.tiles import cut_tiles
from napari_sam.io.array_source import array_source
from napari_sam.predict.preprocess import to_uint8_rgb
from tests.automatic.perfect import PerfectGenerator, numbered


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> PerfectGenerator:
    perfect = PerfectGenerator()
    monkeypatch.setattr(plane_module, "AutomaticMaskGenerator", perfect)
    return perfect


def segment(image: np.ndarray, axes: str | None = None, **parameters: Any) -> plane_module.PlaneResult:
    job = AutomaticJob().with_values(parameters)
    return segment_plane(None, array_source(image, axes), (), job)


def blobs(rng: np.random.Generator, hw: tuple[int, int], count: int, largest: int) -> np.ndarray:
    """Pieces of ellipses that lie over one another: connected, touching, of many shapes."""
    rows, columns = np.mgrid[: hw[0], : hw[1]]
    labels = np.zeros(hw, np.uint16)
    for number in range(1, count + 1):
        y, x = rng.uniform(0, hw[0]), rng.uniform(0, hw[1])
        a, b = rng.uniform(1, largest / 2, 2)
        labels[((rows - y) / a) ** 2 + ((columns - x) / b) ** 2 <= 1] = number
    return measure.label(labels, connectivity=1).astype(np.uint16)


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(20, 90), st.integers(20, 90)),
    st.integers(9, 70),
    st.integers(4, 40),
    st.integers(0, 20),
    st.integers(4, 120),
)
def test_tiles_of_any_size_give_the_same_masks(
    seed: int, hw: tuple[int, int], size: int, halo: int, count: int, largest: int
) -> None:
    """Objects of any size: those larger than the halo are joined from pieces."""
    image = blobs(np.random.default_rng(seed), hw, count, largest)
    tiles = cut_tiles(hw, size, halo)
    pieces = []
    for number, tile in enumerate(tiles):
        records = PerfectGenerator().generate(image[tile.rows, tile.columns])
        pieces += pieces_of(records, tiles, number, hw)
    found = stitch(pieces, tiles, hw)
    expected = {(image == value).tobytes() for value in np.unique(image[image > 0])}
    masks = [rle_to_mask(record.rle) for record in found]
    assert {mask.tobytes() for mask in masks} == expected
    assert len(found) == len(expected)
    for record, mask in zip(found, masks, strict=True):
        rows, columns = np.nonzero(mask)
        (x, y), *_ = record.point_coords
        assert record.area == len(rows)
        assert record.bbox == (columns.min(), rows.min(), np.ptp(columns), np.ptp(rows))
        assert mask[int(y), int(x)]
        left, top, width, height = record.crop_box
        assert left <= x < left + width
        assert top <= y < top + height


def test_labels_rows_and_records_of_a_plane(generator: PerfectGenerator) -> None:
    image = np.zeros((30, 40), np.uint8)
    image[20:25, 2:8] = 3
    image[4:10, 30:36] = 9
    found = segment(image)
    np.testing.assert_array_equal(found.labels, numbered(image))
    assert found.labels.dtype == np.uint32
    first, second = found.rows
    assert (first.id, first.area, first.bbox, first.point) == (1, 36, (4, 30, 10, 36), (4.0, 30.0))
    assert (second.id, second.area, second.bbox) == (2, 30, (20, 2, 25, 8))
    assert first.predicted_iou == 0.9
    assert first.stability_score == 0.95
    assert [record.area for record in found.records] == [36, 30]
    assert generator.seen == [{"shape": (30, 40), "limits": None, "channels": None}]


def test_a_plane_without_objects(generator: PerfectGenerator) -> None:
    for size in (0, 64):
        found = segment(np.zeros((100, 90), np.uint8), tile_size=size)
        assert found.labels.shape == (100, 90)
        assert not found.labels.any()
        assert found.rows == found.records == ()


def test_channels_and_limits_of_the_job_reach_the_model(generator: PerfectGenerator) -> None:
    segment(np.zeros((30, 40, 3), np.uint16), "YXS", channels="2,0,1", limits="5,70")
    assert generator.seen == [{"shape": (30, 40, 3), "limits": ((5.0, 70.0),), "channels": (2, 0, 1)}]


def test_a_large_plane_gives_the_same_labels_as_a_small_one(generator: PerfectGenerator) -> None:
    image = blobs(np.random.default_rng(3), (230, 310), 60, 50)
    whole = segment(image)
    assert len(generator.seen) == 1
    tiled = segment(image, tile_size=100, tile_halo=50)
    assert len(generator.seen) == 1 + 3 * 4
    np.testing.assert_array_equal(tiled.labels, whole.labels)
    np.testing.assert_array_equal(whole.labels, numbered(image))
    assert [row.area for row in tiled.rows] == [row.area for row in whole.rows]
    assert [row.bbox for row in tiled.rows] == [row.bbox for row in whole.rows]
    assert [record.rle for record in tiled.records] == [record.rle for record in whole.records]


def test_areas_borders_and_background_are_those_of_the_plane(generator: PerfectGenerator) -> None:
    image = np.ones((200, 200), np.uint8)  # 1: the background, whole in no tile, more than half of each
    image[90:110, 60:140] = 2  # 1600 pixels; no tile of 64 has more than 64 columns of it in its core
    image[60:70, 60:70] = 3  # ends where a core ends
    image[0:20, 90:110] = 4  # at the border of the plane
    tiles = {"tile_size": 64, "tile_halo": 16}
    found = segment(image, **tiles)
    assert [row.area for row in found.rows] == [400, 100, 1600]
    assert [row.area for row in segment(image, **tiles, drop_border=True).rows] == [100, 1600]
    assert [row.area for row in segment(image, **tiles, min_area=1600).rows] == [1600]
    assert [row.area for row in segment(image, **tiles, max_area=400).rows] == [400, 100]
    kept = segment(image, **tiles, background_fraction=1.0)
    assert max(row.area for row in kept.rows) == (image == 1).sum()


class CountingArray:
    """A lazy array that notes which part is read."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.shape, self.dtype = array.shape, array.dtype
        self.read: list[tuple[int, ...]] = []

    def __getitem__(self, selection: Any) -> np.ndarray:
        part = np.asarray(self.array[selection])
        self.read.append(part.shape)
        return part


def test_one_tile_is_read_at_a_time(generator: PerfectGenerator) -> None:
    image = np.zeros((700, 900), np.uint8)
    source = CountingArray(image)
    segment(source, tile_size=128, tile_halo=16)
    assert len(source.read) == 6 * 8
    assert max(height for height, _ in source.read) <= 128 + 2 * 16
    assert max(width for _, width in source.read) <= 128 + 2 * 16
    assert [seen["shape"] for seen in generator.seen] == source.read


def test_planes_are_cut_only_if_they_are_large() -> None:
    config = TileConfig()
    assert len(plane_tiles((4096, 4096), config)) == 1
    tiles = plane_tiles((4097, 50), config)
    assert [tile.hw for tile in tiles] == [(1621, 50), (1366 + 512, 50), (1622, 50)]
    assert len(plane_tiles((50_000, 50_000), config)) == 25**2
    assert len(plane_tiles((300, 200), TileConfig(tile_size=300))) == 1
    assert len(plane_tiles((301, 200), TileConfig(tile_size=300))) == 2


def test_a_plane_beyond_what_run_lengths_count() -> None:
    with pytest.raises(ImageError, match=r"70000 x 70000 pixels is too large.*lower resolution"):
        plane_tiles((70_000, 70_000), TileConfig())


def test_tiles_too_small_to_see_anything() -> None:
    with pytest.raises(ParameterError, match="tile_size is 20, but must be 0 or at least 64"):
        TileConfig(tile_size=20)


def test_all_tiles_are_shown_with_the_contrast_of_the_plane(generator: PerfectGenerator) -> None:
    image = np.random.default_rng(0).normal(1000, 100, (200, 260)).astype(np.uint16)
    image[:100] += 3000
    generator.blind = True
    segment(image, tile_size=64)
    expected = to_uint8_rgb(image)[1].limits
    assert {seen["limits"] for seen in generator.seen} == {expected}


def test_8_bit_planes_are_shown_as_they_are(generator: PerfectGenerator) -> None:
    segment(np.zeros((200, 200), np.uint8), tile_size=64)
    assert {seen["limits"] for seen in generator.seen} == {None}


def test_progress_goes_up_to_the_end(generator: PerfectGenerator) -> None:
    told = []
    image = np.zeros((200, 200), np.uint8)
    job = AutomaticJob().with_values({"tile_size": 100})
    segment_plane(None, array_source(image), (), job, progress=lambda done, total: told.append((done, total)))
    assert told == [(50, 400), (100, 400), (150, 400), (200, 400), (250, 400), (300, 400), (350, 400), (400, 400)]


def test_cancelling_stops_at_the_next_tile(generator: PerfectGenerator) -> None:
    source = CountingArray(np.zeros((200, 200), np.uint8))
    job = AutomaticJob().with_values({"tile_size": 100})
    with pytest.raises(Cancelled):
        segment_plane(None, array_source(source), (), job, cancelled=lambda: len(generator.seen) == 2)
    assert len(source.read) == 3


def test_parts_where_nothing_was_recorded_are_left_out(generator: PerfectGenerator) -> None:
    image = np.full((200, 300), np.nan, np.float32)
    image[:, :100] = 0
    image[50:60, 50:60] = 5
    found = segment(image, tile_size=100, tile_halo=10)
    assert [row.area for row in found.rows] == [100]
    assert len(generator.seen) == 4  # of six tiles, two of which see a little of the left part
    with pytest.raises(ImageError, match="no finite value"):
        segment(np.full((200, 300), np.nan, np.float32), tile_size=100)


@pytest.mark.parametrize("kind", ["zarr", "dask", "memory map"])
def test_a_plane_of_50000_pixels_a_side_is_begun_at_once(
    kind: str, generator: PerfectGenerator, tmp_path: Path
) -> None:
    """5 GB, none of which is read but the tiles looked at."""
    hw = (50_000, 50_000)
    image: Any = {
        "zarr": lambda: zarr.create_array(tmp_path / "a.zarr", shape=hw, chunks=(1000, 1000), dtype="u2"),
        "dask": lambda: dask.array.zeros(hw, chunks=1000, dtype=np.uint16),
        "memory map": lambda: np.memmap(tmp_path / "a.dat", np.uint16, "w+", shape=hw),  # a sparse file
    }[kind]()
    job = AutomaticJob().with_values({"limits": "0,100"})
    with pytest.raises(Cancelled):
        segment_plane(None, array_source(image), (), job, cancelled=lambda: len(generator.seen) == 2)
    assert [seen["shape"] for seen in generator.seen] == [(2256, 2256), (2256, 2512)]
