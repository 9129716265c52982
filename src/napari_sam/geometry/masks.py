"""Masks no larger than what they hold, and where they lie in their plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class PlaneMask:
    """A mask within a plane or a window of it.

    Attributes
    ----------
    top_left : tuple of int
        (row, column) of the first pixel; may be negative in a window that cuts the mask.
    mask : ndarray of bool, shape (h, w)
    """

    top_left: tuple[int, int]
    mask: NDArray[np.bool_]

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """First and last row and column, (top, left, bottom, right), of the rectangle."""
        (top, left), (height, width) = self.top_left, self.mask.shape
        return top, left, top + height - 1, left + width - 1

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.mask))

    def within(self, shape_hw: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the mask in an array of this shape, cut off where it sticks out."""
        whole = np.zeros(shape_hw, bool)
        (top, left), (height, width) = self.top_left, self.mask.shape
        rows = slice(max(top, 0), max(min(top + height, shape_hw[0]), 0))
        columns = slice(max(left, 0), max(min(left + width, shape_hw[1]), 0))
        if rows.start < rows.stop and columns.start < columns.stop:
            whole[rows, columns] = self.mask[
                rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ]
        return whole

    def holds(self, points_yx: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which points, shape (N, 2), lie on a pixel of the mask."""
        pixels = np.round(points_yx).astype(int).reshape(-1, 2) - self.top_left
        inside: NDArray[np.bool_] = np.all((pixels >= 0) & (pixels < self.mask.shape), axis=1)
        rows, columns = np.where(inside[:, None], pixels, 0).T
        return np.asarray(inside & self.mask[rows, columns])

    def shifted(self, rows: int, columns: int) -> PlaneMask:
        """Return the same mask this much farther down and right."""
        return PlaneMask((self.top_left[0] + rows, self.top_left[1] + columns), self.mask)

    def overlap(self, other: PlaneMask) -> int:
        """Return how many pixels lie on both."""
        ours = other.shifted(-self.top_left[0], -self.top_left[1]).within((self.mask.shape[0], self.mask.shape[1]))
        return int(np.count_nonzero(ours & self.mask))

    def iou(self, other: PlaneMask) -> float:
        """Return intersection over union; 0 where both are empty."""
        common = self.overlap(other)
        union = self.area + other.area - common
        return common / union if union else 0.0


def trimmed(mask: PlaneMask) -> PlaneMask | None:
    """Return the mask without empty rows and columns around it; None where all of it is empty."""
    rows, columns = np.flatnonzero(mask.mask.any(axis=1)), np.flatnonzero(mask.mask.any(axis=0))
    if len(rows) == 0:
        return None
    cut = mask.mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return PlaneMask((mask.top_left[0] + int(rows[0]), mask.top_left[1] + int(columns[0])), cut.copy())
