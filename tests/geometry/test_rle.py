"""Run lengths: both ways, equal to pycocotools, and damaged ones refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from pycocotools import mask as coco

from napari_sam.errors import FileFormatError
from napari_sam.geometry.rle import (
    compress,
    counts_area,
    counts_to_mask,
    counts_to_patch,
    decompress,
    mask_to_counts,
    patch_to_counts,
    rle_to_mask,
)

Mask = NDArray[np.bool_]
SIDES = st.tuples(st.integers(1, 40), st.integers(1, 40))
# pycocotools 2.0.11 and numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

MASKS = SIDES.flatmap(lambda hw: arrays(np.bool_, hw))


def blob(hw: tuple[int, int], seed: int) -> Mask:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: hw[0], : hw[1]]
    return np.asarray(np.hypot(y - rng.uniform(0, hw[0]), x - rng.uniform(0, hw[1])) < rng.uniform(0, max(hw)))


@given(MASKS)
def test_counts_and_back(mask: Mask) -> None:
    counts = mask_to_counts(mask)
    assert counts.dtype == np.uint32
    assert_array_equal(counts_to_mask(counts, mask.shape), mask)
    assert counts_area(counts) == mask.sum()


@given(MASKS)
def test_text_is_that_of_pycocotools_in_both_directions(mask: Mask) -> None:
    mine = compress(mask_to_counts(mask), mask.shape)
    theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert mine["counts"] == theirs["counts"].decode()
    assert mine["size"] == theirs["size"]
    assert_array_equal(coco.decode(mine), mask)
    assert_array_equal(rle_to_mask(theirs), mask)  # its counts are bytes


@settings(max_examples=30, deadline=None)
@given(st.tuples(st.integers(1, 3000), st.integers(1, 3000)), st.integers(0, 100))
def test_large_masks_with_long_runs(hw: tuple[int, int], seed: int) -> None:
    mask = blob(hw, seed)
    mine = compress(mask_to_counts(mask), hw)
    assert mine["counts"] == coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    assert_array_equal(rle_to_mask(mine), mask)


@given(MASKS, st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_a_patch_is_the_mask_around_it(patch: Mask, top: int, left: int, below: int, right: int) -> None:
    whole = np.pad(patch, ((top, below), (left, right)))
    assert_array_equal(patch_to_counts(patch, (top, left), whole.shape), mask_to_counts(whole))


@given(MASKS, st.data())
def test_a_window_of_the_counts(mask: Mask, data: st.DataObject) -> None:
    height, width = mask.shape
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    rows = slice(top, data.draw(st.integers(top + 1, height)))
    columns = slice(left, data.draw(st.integers(left + 1, width)))
    assert_array_equal(counts_to_patch(mask_to_counts(mask), mask.shape, rows, columns), mask[rows, columns])


def test_empty_full_and_one_pixel() -> None:
    assert_array_equal(mask_to_counts(np.zeros((3, 4))), [12])
    assert_array_equal(mask_to_counts(np.ones((3, 4), np.uint8)), [0, 12])
    one = np.zeros((3, 4), np.uint16)
    one[1, 2] = 300
    assert_array_equal(mask_to_counts(one), [7, 1, 4])


def test_runs_go_on_from_the_bottom_of_a_column_to_the_top_of_the_next() -> None:
    mask = np.array([[0, 1], [0, 1], [1, 0]])
    assert_array_equal(mask_to_counts(mask), [2, 3, 1])


def test_counts_as_a_list_are_fine_too() -> None:
    assert_array_equal(rle_to_mask({"size": [2, 2], "counts": [1, 2, 1]}), [[False, True], [True, False]])


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ({"size": [2, 2], "counts": ""}, "0 pixels, a mask of 2 x 2 has 4"),
        ({"size": [2, 2], "counts": "5"}, "5 pixels"),
        ({"size": [2, 2], "counts": "0T"}, "end within a number"),
        ({"size": [2, 2], "counts": "1 3"}, "' ' at character 1 cannot occur"),
        ({"size": [2, 2], "counts": "1\N{GREEK SMALL LETTER MU}3"}, "at character 1 cannot occur"),
        ({"size": [2, 2], "counts": "PPPPPPPPPPPP0"}, "character 0 is too long"),
        ({"size": [2, 2], "counts": "1O4"}, "negative length"),
        ({"size": [2, 2]}, "are a NoneType, not a text"),
        ({"size": [2, 2], "counts": 4}, "are a int, not a text"),
        ({"size": [2], "counts": "4"}, r"size of an encoded mask is \[2\]"),
        ({"size": [-2, -2], "counts": "4"}, "size of an encoded mask"),
        ({"size": "22", "counts": "4"}, "size of an encoded mask"),
        ({"counts": "4"}, "size of an encoded mask is None"),
    ],
)
def test_damaged_encodings_are_refused(rle: dict[str, object], message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        rle_to_mask(rle)


@given(st.text(max_size=30), st.integers(0, 5), st.integers(0, 5))
def test_any_text_is_a_mask_or_refused(text: str, height: int, width: int) -> None:
    try:
        mask = rle_to_mask({"size": [height, width], "counts": text})
    except FileFormatError:
        return
    assert mask.shape == (height, width)
    assert_array_equal(counts_to_mask(decompress({"size": [height, width], "counts": text}), mask.shape), mask)


def test_counts_that_do_not_fit_are_not_written() -> None:
    with pytest.raises(FileFormatError, match="are of 11 pixels, a mask of 3 x 4 has 12"):
        compress([11], (3, 4))


def test_only_two_dimensions() -> None:
    with pytest.raises(ValueError, match="two dimensions, not 3"):
        mask_to_counts(np.zeros((2, 2, 2)))
