"""Compare our records with the official ones."""

from collections.abc import Sequence
from typing import Any

from numpy.testing import assert_allclose

from napari_sam.geometry.rle import rle_to_mask
from napari_sam.types import MaskRecord


def assert_same_records(found: Sequence[MaskRecord], expected: Sequence[dict[str, Any]]) -> None:
    """Same number and order; scores to 1e-3, masks to an IoU of 0.99, points and crops exactly, boxes to a pixel."""
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        my_mask, their_mask = rle_to_mask(mine.rle), rle_to_mask(theirs["segmentation"])
        assert (my_mask & their_mask).sum() >= 0.99 * (my_mask | their_mask).sum()
        assert mine.area == my_mask.sum()
        assert abs(mine.area - theirs["area"]) <= 0.01 * theirs["area"]
        assert_allclose(mine.predicted_iou, theirs["predicted_iou"], rtol=0, atol=1e-3)
        assert_allclose(mine.stability_score, theirs["stability_score"], rtol=0, atol=1e-3)
        assert_allclose(mine.point_coords, theirs["point_coords"])
        assert list(mine.crop_box) == theirs["crop_box"]
        assert_allclose(mine.bbox, theirs["bbox"], atol=1)  # one pixel where rounding decides
        assert all(type(value) is int for value in (*mine.bbox, *mine.crop_box, mine.area))
