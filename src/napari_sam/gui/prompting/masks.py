"""Masks as prompts: part of a plane, and where it lies in it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_sam.gui.view.planes import Plane


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


@dataclass(frozen=True, eq=False)
class MaskPrompt:
    """An existing mask as prompt on one plane.

    Attributes
    ----------
    plane : Plane
        Plane it lies on.
    top_left : tuple of int
        (row, column) of the mask's first pixel in the plane.
    mask : ndarray of bool, shape (h, w)
        At least one pixel is set.
    object_id : int or None
        Id of the committed object that is being edited: it is shown as it is until another prompt is added, and the
        commit writes the same id again.
    source : str
        Where it comes from, for the status line, such as ``label 3 of 'cells'``.
    by_prompts : bool
        Whether the prompts that the object was made with are back: they alone are asked, as if it had never been
        committed. The mask itself counts when none of them is left.
    """

    plane: Plane
    top_left: tuple[int, int]
    mask: NDArray[np.bool_]
    object_id: int | None = None
    source: str = ""
    by_prompts: bool = False
    digest: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        packed = np.packbits(self.mask).tobytes()
        object.__setattr__(self, "digest", hashlib.blake2b(packed, digest_size=16).digest())

    @property
    def key(self) -> tuple[object, ...]:
        """Hashable value that is the same for equal masks only."""
        return self.plane, self.top_left, self.mask.shape, self.digest, self.object_id, self.by_prompts

    @property
    def plane_mask(self) -> PlaneMask:
        """The mask without its plane."""
        return PlaneMask(self.top_left, self.mask)
