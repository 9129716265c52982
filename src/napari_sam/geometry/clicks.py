"""Where a careful person clicks: deterministic simulated clicks for training and evaluation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Click = tuple[tuple[int, int], int]
"""((row, column), label): label 1 positive, 0 negative."""


def interior_point(region: NDArray[np.bool_]) -> tuple[int, int]:
    """Pixel (row, column) of a region that is farthest from its border."""
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    if len(rows) == 0:
        raise ValueError("an empty region has no interior point")
    cut = region[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    distance = ndimage.distance_transform_edt(np.pad(cut, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(distance)), cut.shape)
    return int(rows[0] + row), int(columns[0] + column)


def largest_error_click(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> Click:
    """Click in the middle of the largest error component.

    The customary simulated click of interactive segmentation (e.g. RITM, Sofiiuk et al. 2021). Where there is no
    error, the middle of the truth is clicked.

    Parameters
    ----------
    predicted, truth : ndarray of bool, shape (H, W)
        The truth is not empty.

    Returns
    -------
    ((row, column), label)
        Label 1 where the truth was missed, 0 where the prediction was wrong.
    """
    best: NDArray[np.bool_] | None = None
    best_size = 0
    for wrong in (truth & ~predicted, predicted & ~truth):
        components, count = ndimage.label(wrong, structure=np.ones((3, 3)))
        if count:
            sizes = np.bincount(components.ravel())[1:]
            if sizes.max() > best_size:
                best_size, best = int(sizes.max()), components == 1 + int(sizes.argmax())
    row, column = interior_point(truth if best is None else best)
    return (row, column), int(truth[row, column])


def mask_to_box(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Tight box (top, left, bottom, right) of a mask, inclusive pixel coordinates.

    Raises
    ------
    ValueError
        If the mask is empty.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        raise ValueError("an empty mask has no box")
    return np.array([rows[0], columns[0], rows[-1], columns[-1]], np.float64)
