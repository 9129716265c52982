"""Deterministic simulated clicks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sam.geometry.clicks import interior_point, largest_error_click, mask_to_box


def test_the_interior_point_of_a_rectangle_is_its_middle():
    region = np.zeros((30, 30), bool)
    region[4:15, 6:17] = True
    assert interior_point(region) == (9, 11)


@given(hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))).filter(np.any))
def test_the_interior_point_lies_inside_any_region(region):
    assert region[interior_point(region)]


def test_the_larger_error_is_clicked():
    truth = np.zeros((40, 40), bool)
    truth[5:15, 5:15] = True
    missed_much = np.zeros_like(truth)
    missed_much[5:15, 5:8] = True
    point, label = largest_error_click(missed_much, truth)
    assert label == 1
    assert truth[point]
    too_much = truth.copy()
    too_much[20:38, 20:38] = True
    point, label = largest_error_click(too_much, truth)
    assert label == 0
    assert too_much[point]
    assert not truth[point]


def test_a_perfect_mask_is_clicked_in_its_middle():
    truth = np.zeros((20, 20), bool)
    truth[3:8, 3:8] = True
    assert largest_error_click(truth, truth) == ((5, 5), 1)


def test_box_of_a_mask_is_inclusive():
    mask = np.zeros((10, 10), bool)
    mask[2:5, 3:9] = True
    assert mask_to_box(mask).tolist() == [2, 3, 4, 8]
    with pytest.raises(ValueError, match="empty"):
        mask_to_box(np.zeros((3, 3), bool))
