"""Small holes and islands of a mask, without looking at more of the image than the mask's box."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.geometry.boxes import patch_box
from napari_sam.geometry.rle import counts_to_mask, counts_to_patch, patch_to_counts

_EIGHT = np.ones((3, 3), np.bool_)

Cleaned = tuple[NDArray[np.uint32], tuple[int, int, int, int]]
"""Run lengths and box (x0, y0, x1, y1; inclusive) of a mask."""


def without_small_regions(counts: NDArray[np.uint32], hw: tuple[int, int], min_area: int) -> Cleaned | None:
    """Fill holes and then remove islands with fewer than ``min_area`` pixels.

    Regions are 8-connected. The largest island stays if all are small, and parts of the background cut off by the
    mask and the border of the image count as holes, as in the official code (``remove_small_regions``).

    Parameters
    ----------
    counts : ndarray of uint32
        Run lengths of the mask.
    hw : (int, int)
    min_area : int
        Pixels.

    Returns
    -------
    (counts, box), or None where nothing changed
    """
    patch, corner = _patch(counts, hw)
    if any(area < min_area for _, area in _outside(patch.shape, corner, hw)):
        # A strip of background beyond the mask's box may be filled itself.
        patch, corner = counts_to_mask(counts, hw), (0, 0)
    filled = _fill_holes(patch, corner, hw, min_area)
    kept = _drop_islands(patch if filled is None else filled, min_area)
    result = filled if kept is None else kept
    if result is None:
        return None
    return patch_to_counts(result, corner, hw), patch_box(result, corner)


def _patch(counts: NDArray[np.uint32], hw: tuple[int, int]) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """Cut out the mask with one more pixel on each side, where the image has one."""
    height, width = hw
    ends = np.cumsum(counts, dtype=np.int64)
    starts, stops = ends[:-1:2], ends[1::2]
    if len(starts) == 0:
        return np.zeros((min(1, height), min(1, width)), np.bool_), (0, 0)
    left, right = int(starts[0] // height), int((stops[-1] - 1) // height)
    columns = slice(max(0, left - 1), min(width, right + 2))
    inside = counts_to_patch(counts, hw, slice(0, height), columns)
    rows = np.flatnonzero(inside.any(axis=1))
    top, bottom = max(0, int(rows[0]) - 1), min(height, int(rows[-1]) + 2)
    return inside[top:bottom], (top, columns.start)


def _fill_holes(
    patch: NDArray[np.bool_], corner_yx: tuple[int, int], hw: tuple[int, int], min_area: int
) -> NDArray[np.bool_] | None:
    labels, count = ndimage.label(~patch, structure=_EIGHT)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    for (row, column), area in _outside(patch.shape, corner_yx, hw):
        sizes[labels[row, column]] += area
    small = sizes < min_area
    small[0] = False  # the mask itself
    return patch | small[labels] if small.any() else None


def _outside(
    shape: tuple[int, ...], corner_yx: tuple[int, int], hw: tuple[int, int]
) -> list[tuple[tuple[int, int], int]]:
    """Return, for each connected part of the image beyond a patch, a pixel of the patch's rim and its area.

    The rim where the patch ends before the image does is background.
    """
    (height, width), (top, left), (rows, columns) = hw, corner_yx, shape
    below, right = height - top - rows, width - left - columns
    if columns == width:  # above and below, apart
        return [((at, 0), lines * width) for at, lines in ((0, top), (-1, below)) if lines]
    if rows == height:  # left and right, apart
        return [((0, at), lines * height) for at, lines in ((0, left), (-1, right)) if lines]
    # One part, around a corner of the patch at least.
    at = (0 if top else -1, 0 if left else -1)
    return [(at, height * width - rows * columns)]


def _drop_islands(patch: NDArray[np.bool_], min_area: int) -> NDArray[np.bool_] | None:
    labels, count = ndimage.label(patch, structure=_EIGHT)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    if (sizes >= min_area).all():
        return None
    kept = np.concatenate([[False], sizes >= min_area])
    if not kept.any():
        kept[1 + int(np.argmax(sizes))] = True
    result: NDArray[np.bool_] = kept[labels]
    return result
