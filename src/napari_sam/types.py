"""The values that cross every boundary of the package: prompts in, predictions out.

Arrays are numpy, coordinates are napari's (row, column); a suffix says so (``points_yx``, ``box_yxyx``). Pixel
centres have integer coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sam.errors import PromptError


@dataclass(frozen=True, eq=False)
class Prompts:
    """What the user says about one object.

    Parameters
    ----------
    points_yx : array-like, shape (N, 2), optional
        Clicked points in (row, column) pixel coordinates of the image.
    labels : array-like, shape (N,), optional
        1 for a positive point, 0 for a negative one. All positive when left out.
    box_yxyx : array-like, shape (4,), optional
        Box as (top, left, bottom, right). Swapped corners are put right.
    mask_logits : array-like, shape (h, w) or (1, h, w), optional
        Low-resolution logits of an earlier prediction, ``Prediction.logits[i]``.

    Raises
    ------
    PromptError
        If a length, a shape or a value cannot be right, or NaN/inf is found.
    """

    points_yx: NDArray[np.float64] | None = None
    labels: NDArray[np.int32] | None = None
    box_yxyx: NDArray[np.float64] | None = None
    mask_logits: NDArray[np.float32] | None = None

    def __init__(
        self,
        points_yx: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box_yxyx: ArrayLike | None = None,
        mask_logits: ArrayLike | None = None,
    ) -> None:
        points = _checked_points(points_yx)
        object.__setattr__(self, "points_yx", points)
        object.__setattr__(self, "labels", _checked_labels(labels, points))
        object.__setattr__(self, "box_yxyx", _checked_box(box_yxyx))
        object.__setattr__(self, "mask_logits", _checked_mask(mask_logits))

    @property
    def is_empty(self) -> bool:
        """Whether there is no point, no box and no mask."""
        return self.points_yx is None and self.box_yxyx is None and self.mask_logits is None


@dataclass(frozen=True, eq=False)
class Prediction:
    """Candidate masks for one prompt, in the decoder's own order (the best is not necessarily first).

    Attributes
    ----------
    masks : ndarray of bool, shape (M, H, W)
        Masks at the size of the image; M is 3 with ``multimask``, else 1.
    scores : ndarray of float32, shape (M,)
        Predicted IoU of each mask, as the decoder gives it (not clipped to [0, 1]).
    logits : ndarray of float32, shape (M, h, w)
        Low-resolution logits in the padded model frame, to be fed back as ``Prompts.mask_logits``.
    """

    masks: NDArray[np.bool_]
    scores: NDArray[np.float32]
    logits: NDArray[np.float32] = field(repr=False)

    @property
    def best(self) -> int:
        """Index of the mask with the highest score."""
        return int(np.argmax(self.scores))


class Rle(TypedDict):
    """Run-length encoding of one mask as in COCO and SA-1B files: compressed, column by column.

    ``size`` is [height, width]; pycocotools reads it as it is. See :mod:`napari_sam.geometry.rle`.
    """

    size: list[int]
    counts: str


@dataclass(frozen=True, eq=False)
class MaskRecord:
    """One mask of an automatic segmentation, with the fields of an SA-1B annotation: x before y, boxes XYWH.

    Attributes
    ----------
    rle : Rle
        The mask, at the size of the image (official name in a record: ``segmentation``).
    bbox : tuple of int
        Box (x, y, width, height). As in the official code the last row and column are not counted: width and height
        are one less than the number of columns and rows.
    area : int
        Pixels.
    predicted_iou : float
        The model's own estimate of the mask's quality.
    point_coords : tuple of (x, y)
        The point that made it, in pixels of the image.
    stability_score : float
        IoU of the masks at a raised and a lowered threshold.
    crop_box : tuple of int
        The crop of the image that the mask was made in (x, y, width, height).
    """

    rle: Rle = field(repr=False)
    bbox: tuple[int, int, int, int]
    area: int
    predicted_iou: float
    point_coords: tuple[tuple[float, float], ...]
    stability_score: float
    crop_box: tuple[int, int, int, int]


def _numeric(values: ArrayLike, what: str) -> NDArray[np.float64]:
    try:
        array = np.array(values, dtype=np.float64)  # a copy: prompts do not change with their source
    except (TypeError, ValueError) as error:
        raise PromptError(f"{what} must be numbers: {error}") from error
    if not np.isfinite(array).all():
        raise PromptError(f"{what} contains NaN or infinite values; every coordinate must be finite.")
    return array


def _checked_points(values: ArrayLike | None) -> NDArray[np.float64] | None:
    if values is None:
        return None
    points = _numeric(values, "points_yx")
    if points.size == 0:
        return None
    if points.ndim != 2 or points.shape[1] != 2:
        raise PromptError(f"points_yx must have shape (N, 2) as (row, column), got {points.shape}.")
    return points


def _checked_labels(values: ArrayLike | None, points: NDArray[np.float64] | None) -> NDArray[np.int32] | None:
    if points is None:
        if values is not None and np.size(values) > 0:
            raise PromptError(f"{np.size(values)} labels were given but no points_yx; every label belongs to a point.")
        return None
    if values is None:
        return np.ones(len(points), np.int32)
    labels = _numeric(values, "labels")
    if labels.shape != (len(points),):
        raise PromptError(
            f"labels must have one entry per point: {len(points)} points, labels of shape {labels.shape}."
        )
    if not np.isin(labels, (0, 1)).all():
        raise PromptError(f"labels must be 1 (positive) or 0 (negative), got {sorted(set(labels.tolist()))}.")
    return labels.astype(np.int32)


def _checked_box(values: ArrayLike | None) -> NDArray[np.float64] | None:
    if values is None:
        return None
    box = _numeric(values, "box_yxyx")
    if box.shape != (4,):
        raise PromptError(f"box_yxyx must have shape (4,) as (top, left, bottom, right), got {box.shape}.")
    corners = box.reshape(2, 2)
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)])


def _checked_mask(values: ArrayLike | None) -> NDArray[np.float32] | None:
    if values is None:
        return None
    mask = _numeric(values, "mask_logits").astype(np.float32)
    if mask.ndim == 3 and mask.shape[0] == 1:
        mask = mask[0]
    if mask.ndim != 2 or mask.size == 0:
        raise PromptError(
            f"mask_logits must be one mask's low-resolution logits, shape (h, w) or (1, h, w), got {mask.shape}."
        )
    return mask
