"""What the network found for one image, before thresholds: kept, so that thresholds can change without asking again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Candidates:
    """Masks of one image as the columns of a table: row i of every array (and of ``rles``) is one mask.

    x before y, as in the official records.

    Attributes
    ----------
    image_hw : (int, int)
        Size of the image.
    rles : list of ndarray of uint32
        Run lengths of each mask at the size of the image, column by column, beginning with zeros.
    boxes_xyxy : ndarray of int64, shape (N, 4)
        First and last column and row of each mask in the image (inclusive); of an empty mask twice its crop's corner.
    areas : ndarray of int64, shape (N,)
    predicted_iou : ndarray of float32, shape (N,)
    stability_score : ndarray of float32, shape (N,)
        0 where a mask is empty at both cut-offs (official: NaN, which fails the same thresholds).
    points_xy : ndarray of float64, shape (N, 2)
        The point that made each mask, in the image.
    crops_xyxy : ndarray of int64, shape (N, 4)
        The crop each mask was made in.
    near_crop_edge : ndarray of bool, shape (N,)
        Whether the mask is cut by its crop: such masks never become records.
    iou_floor, stability_floor : float
        Masks at or below the first, or below the second, are not among these: no threshold brings them back.
    """

    image_hw: tuple[int, int]
    rles: list[NDArray[np.uint32]]
    boxes_xyxy: NDArray[np.int64]
    areas: NDArray[np.int64]
    predicted_iou: NDArray[np.float32]
    stability_score: NDArray[np.float32]
    points_xy: NDArray[np.float64]
    crops_xyxy: NDArray[np.int64]
    near_crop_edge: NDArray[np.bool_]
    iou_floor: float = float("-inf")
    stability_floor: float = 0.0

    def __len__(self) -> int:
        return len(self.rles)

    def take(self, rows: NDArray[Any]) -> Candidates:
        """Return some of the rows: indices, or a mask of bools."""
        indices = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        columns = {name: getattr(self, name)[indices] for name in _ARRAYS}
        return Candidates(
            self.image_hw,
            [self.rles[i] for i in indices],
            iou_floor=self.iou_floor,
            stability_floor=self.stability_floor,
            **columns,
        )

    @classmethod
    def join(cls, parts: Iterable[Candidates]) -> Candidates:
        """Put together batches of one image, in order; at least one.

        Raises
        ------
        ValueError
            If there is none, or they are of images of several sizes.
        """
        pieces = list(parts)
        if len({piece.image_hw for piece in pieces}) != 1:
            raise ValueError("only candidates of one image can be joined")
        columns = {name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in _ARRAYS}
        return cls(
            pieces[0].image_hw,
            [rle for piece in pieces for rle in piece.rles],
            iou_floor=max(piece.iou_floor for piece in pieces),
            stability_floor=max(piece.stability_floor for piece in pieces),
            **columns,
        )

    @classmethod
    def empty(cls, image_hw: tuple[int, int]) -> Candidates:
        """Return no candidates of an image."""
        none = np.zeros(0)
        return cls(
            image_hw,
            [],
            np.zeros((0, 4), np.int64),
            none.astype(np.int64),
            none.astype(np.float32),
            none.astype(np.float32),
            np.zeros((0, 2)),
            np.zeros((0, 4), np.int64),
            none.astype(np.bool_),
        )


_NOT_ROWS = ("image_hw", "rles", "iou_floor", "stability_floor")
_ARRAYS = tuple(one.name for one in fields(Candidates) if one.name not in _NOT_ROWS)
