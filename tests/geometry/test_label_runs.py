"""Label pixels as runs: exact whatever is written in whatever order, and bounded whatever is read."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.geometry import label_runs
from napari_sam.geometry.label_runs import BlockGrid, LabelRuns, SparseLabels, flat_positions

SHAPES = st.lists(st.integers(1, 7), min_size=2, max_size=4).map(tuple)


@st.composite
def writes(draw: st.DrawFn) -> tuple[tuple[int, ...], list[tuple[list[int], list[int]]]]:
    shape = draw(SHAPES)
    size = int(np.prod(shape))
    one = st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, 70_000)), max_size=12)
    return shape, [([p for p, _ in pairs], [v for _, v in pairs]) for pairs in draw(st.lists(one, max_size=8))]


@settings(deadline=None, max_examples=150)
@given(writes(), st.integers(1, 20), st.integers(0, 4))
def test_what_was_written_is_what_is_read(case: Any, block_pixels: int, merge_above: int):
    shape, steps = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label_runs, "_BLOCK_PIXELS", block_pixels)
        patch.setattr(label_runs, "_MERGE_ABOVE", merge_above)
        expected, sparse = np.zeros(shape, np.int64), SparseLabels(shape)
        for positions, values in steps:
            for position, value in zip(positions, values, strict=True):
                expected.reshape(-1)[position] = value
            runs = LabelRuns.of_pixels(sparse.grid, positions, values)
            sparse.apply(LabelRuns.from_json(runs.to_json()))
        np.testing.assert_array_equal(whole(sparse), expected)
        assert sparse.ids() == set(np.unique(expected).tolist()) - {0}
        again = SparseLabels(shape)
        for key in sparse.written():
            again.set_block(key, LabelRuns.from_json(sparse.runs(key).to_json()))
        np.testing.assert_array_equal(whole(again), expected)


def whole(sparse: SparseLabels) -> np.ndarray[Any, Any]:
    array = np.zeros(sparse.grid.shape, np.int64)
    for slicer, block in sparse.blocks():
        array[slicer] = block
    return array


@settings(deadline=None, max_examples=60)
@given(SHAPES, st.integers(1, 20))
def test_blocks_tile_the_array(shape: tuple[int, ...], block_pixels: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label_runs, "_BLOCK_PIXELS", block_pixels)
        grid = BlockGrid(shape)
        seen = np.full(shape, -1)
        for key in range(grid.count):
            assert (seen[grid.slicer(key)] == -1).all()
            seen[grid.slicer(key)] = key
            assert seen[grid.slicer(key)].shape == grid.block_shape(key)
            assert grid.start(key) == int(np.flatnonzero(seen.reshape(-1) == key)[0])
        np.testing.assert_array_equal(seen.reshape(-1), grid.keys(np.arange(seen.size)))


def test_a_difference_makes_a_block_equal_zeros_included():
    rng = np.random.default_rng(0)
    sparse = SparseLabels((3, 20, 30))
    sparse.set_block(1, LabelRuns.of_block(rng.integers(0, 3, (20, 30)), sparse.grid.start(1)))
    wanted = rng.integers(0, 3, (20, 30))
    sparse.apply(sparse.difference(1, wanted))
    np.testing.assert_array_equal(sparse.block(1), wanted)
    assert len(sparse.difference(1, wanted)) == 0
    assert sparse.written() == (1,), "nothing is kept of blocks that are empty"


def test_values_beyond_the_type_widen_it_and_negative_ones_survive():
    sparse = SparseLabels((4, 4))
    for value, dtype in ((7, np.uint16), (70_000, np.uint32), (-3, np.int64)):
        sparse.apply(LabelRuns.of_pixels(sparse.grid, [value % 16], value))
        assert sparse.dtype == dtype
    assert sparse.ids() == {7, 70_000, -3}


def test_a_disk_of_pixels_is_small():
    rows, columns = np.nonzero(np.add.outer(np.arange(-40, 41) ** 2, np.arange(-40, 41) ** 2) <= 1600)
    positions = flat_positions((5, 2048, 2048), (np.full(len(rows), 3), rows + 900, columns + 900))
    runs = LabelRuns.of_pixels(BlockGrid((5, 2048, 2048)), positions, 7)
    assert len(runs) == 81
    assert len(runs.to_json()["data"]) < 300


def test_negative_indices_count_from_the_end():
    np.testing.assert_array_equal(flat_positions((3, 4), ([-1, 0], [-1, 1])), [11, 1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"runs": 5}, "bytes instead of"),
        ({"types": ["u1", "u1", "f8"]}, "not known"),
        ({"types": ["u1", "u1"]}, "not known"),
        ({"data": base64.b64encode(zlib.compress(bytes(10**7))).decode()}, "bytes instead of"),
        ({"runs": -1}, "not known"),
    ],
)
def test_damaged_runs_are_errors_and_fill_no_memory(change: dict[str, Any], message: str):
    entry = LabelRuns.of_pixels(BlockGrid((4, 4)), [1, 2, 9], [1, 1, 2]).to_json()
    with pytest.raises(ValueError, match=message):
        LabelRuns.from_json({**entry, **change})


def test_runs_outside_of_the_array_are_errors():
    runs = LabelRuns.of_pixels(BlockGrid((10, 10)), [99], 1)
    with pytest.raises(ValueError, match="outside"):
        SparseLabels((5, 5)).apply(runs)
    with pytest.raises(ValueError, match="outside"):
        SparseLabels((5, 5)).block(3)
    crossing = LabelRuns(*(np.array([value], np.int64) for value in (20, 10, 1)))
    with pytest.raises(ValueError, match="crosses"):
        SparseLabels((2, 5, 5)).apply(crossing)
