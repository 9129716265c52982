import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_sam.geometry.rle import counts_to_mask, mask_to_counts
from napari_sam.geometry.runs import Runs

masks = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(lambda hw: arrays(np.bool_, hw))
pairs = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda hw: st.tuples(arrays(np.bool_, hw), arrays(np.bool_, hw))
)


def runs_of(mask: np.ndarray, corner_yx: tuple[int, int] = (0, 0)) -> Runs:
    return Runs.of_counts(mask_to_counts(mask), mask.shape[0], corner_yx)


def placed(mask: np.ndarray, corner_yx: tuple[int, int], hw: tuple[int, int]) -> np.ndarray:
    plane = np.zeros(hw, np.bool_)
    plane[corner_yx[0] : corner_yx[0] + mask.shape[0], corner_yx[1] : corner_yx[1] + mask.shape[1]] = mask
    return plane


@given(masks, st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_a_mask_is_moved_into_a_plane(mask: np.ndarray, top: int, left: int, below: int, right: int) -> None:
    hw = (mask.shape[0] + top + below, mask.shape[1] + left + right)
    plane = placed(mask, (top, left), hw)
    runs = runs_of(mask, (top, left))
    np.testing.assert_array_equal(runs.counts(hw), mask_to_counts(plane))
    assert runs.area == mask.sum()
    rows, columns = np.nonzero(plane)
    box = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1) if len(rows) else (0, 0, 0, 0)
    assert runs.box == box


@given(pairs)
def test_common_pixels_and_union(pair: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = pair
    ours, theirs = runs_of(first), runs_of(second)
    assert ours.shared(theirs) == theirs.shared(ours) == (first & second).sum()
    both = Runs.union([ours, theirs])
    np.testing.assert_array_equal(counts_to_mask(both.counts(first.shape), first.shape), first | second)


@given(masks, st.data())
def test_a_window_of_a_mask(mask: np.ndarray, data: st.DataObject) -> None:
    top, bottom = sorted(data.draw(st.integers(0, mask.shape[0])) for _ in range(2))
    left, right = sorted(data.draw(st.integers(0, mask.shape[1])) for _ in range(2))
    expected = np.zeros_like(mask)
    expected[top:bottom, left:right] = mask[top:bottom, left:right]
    found = runs_of(mask).within(slice(top, bottom), slice(left, right))
    np.testing.assert_array_equal(counts_to_mask(found.counts(mask.shape), mask.shape), expected)


def test_a_small_mask_in_an_enormous_plane() -> None:
    hw = (60_000, 70_000)
    runs = runs_of(np.ones((3, 2), np.bool_), (59_990, 69_990))
    assert runs.counts(hw).tolist() == [69_990 * 60_000 + 59_990, 3, 59_997, 3, 7 + 8 * 60_000]
    with pytest.raises(ValueError, match="too large"):
        runs.counts((70_000, 70_000))
