"""Grids of points and crops as the official code makes them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from napari_sam.geometry.grid import Crop, crop_boxes, layer_grids, point_grid


def test_points_are_the_middles_of_equal_parts_row_by_row() -> None:
    expected = [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]
    assert_allclose(point_grid(2), expected)
    assert_allclose(point_grid(1), [[0.5, 0.5]])


def test_grids_of_the_layers() -> None:
    assert [len(grid) for grid in layer_grids(32, 2, 2)] == [1024, 256, 64]
    assert [len(grid) for grid in layer_grids(2, 2, 3)] == [4, 1, 1]  # the official code divides by zero


def test_crops_of_an_image() -> None:
    # Overlap 512 / 1500 of 600 rows is 204: crops of (204 + 900) / 2 x (204 + 600) / 2.
    assert crop_boxes((600, 900), 1, 512 / 1500) == [
        Crop(0, 0, 900, 600, 0),
        Crop(0, 0, 552, 402, 1),
        Crop(0, 198, 552, 600, 1),
        Crop(348, 0, 900, 402, 1),
        Crop(348, 198, 900, 600, 1),
    ]


@given(st.tuples(st.integers(1, 300), st.integers(1, 300)), st.integers(0, 3), st.floats(0, 1))
def test_crops_cover_the_image_and_are_not_empty(hw: tuple[int, int], layers: int, ratio: float) -> None:
    crops = crop_boxes(hw, layers, ratio)
    for layer in range(layers + 1):
        seen = np.zeros(hw, np.bool_)
        for crop in crops:
            if crop.layer == layer:
                assert min(crop.hw) > 0
                seen[crop.y0 : crop.y1, crop.x0 : crop.x1] = True
        assert seen.all()


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_number_of_crops(layers: int) -> None:
    assert len(crop_boxes((480, 640), layers, 0.3)) == sum(4**layer for layer in range(layers + 1))
