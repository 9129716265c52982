"""Small holes and islands: the cut-out gives what the whole image would."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.automatic.regions import without_small_regions
from napari_sam.geometry.boxes import patch_box
from napari_sam.geometry.rle import counts_to_mask, mask_to_counts

Mask = NDArray[np.bool_]


def official(mask: Mask, min_area: int) -> Mask:
    """Do what ``postprocess_small_regions`` does, on the whole image."""
    for holes in (True, False):
        regions, count = ndimage.label(mask ^ holes, structure=np.ones((3, 3)))
        sizes = [int((regions == i + 1).sum()) for i in range(count)]
        small = [i + 1 for i, size in enumerate(sizes) if size < min_area]
        if not small:
            continue
        if holes:
            kept = [0, *small]
        else:
            kept = [i for i in range(1, count + 1) if i not in small] or [int(np.argmax(sizes)) + 1]
        mask = np.isin(regions, kept)
    return mask


def noise(hw: tuple[int, int], seed: int, share: float, smooth: float) -> Mask:
    values = np.random.default_rng(seed).random(hw)
    values = ndimage.gaussian_filter(values, smooth) if smooth else values
    mask: Mask = values > np.quantile(values, 1 - share)
    return mask


@settings(max_examples=300, deadline=None)
@given(
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
    st.integers(0, 10_000),
    st.floats(0, 1),
    st.sampled_from([0.0, 1.0, 2.0]),
    st.integers(1, 200),
)
def test_equal_to_the_whole_image(hw: tuple[int, int], seed: int, share: float, smooth: float, min_area: int) -> None:
    mask = noise(hw, seed, share, smooth)
    expected = official(mask, min_area)
    found = without_small_regions(mask_to_counts(mask), hw, min_area)
    if found is None:
        assert_array_equal(mask, expected)
    else:
        assert_array_equal(counts_to_mask(found[0], hw), expected)
        assert found[1] == patch_box(expected)


@pytest.mark.parametrize("border", [(0, 40), (19, 1), (0, 0)])
def test_background_cut_off_by_the_border_counts_whole(border: tuple[int, int]) -> None:
    mask = np.zeros((20, 60), np.bool_)
    mask[:, 40:42] = True  # 18 columns of background on its right, 40 on its left
    row, column = border
    mask[row, column] = True
    for min_area in (2, 359, 361, 799, 801):
        found = without_small_regions(mask_to_counts(mask), mask.shape, min_area)
        expected = official(mask, min_area)
        assert_array_equal(mask if found is None else counts_to_mask(found[0], mask.shape), expected)


def test_the_largest_island_stays() -> None:
    mask = np.zeros((9, 9), np.bool_)
    mask[1, 1:3] = mask[4, 4:8] = mask[7, 1] = True
    found = without_small_regions(mask_to_counts(mask), mask.shape, 10)
    assert found is not None
    assert found[1] == (4, 4, 7, 4)
    assert found[0][1::2].sum() == 4
