"""Boxes as (x0, y0, x1, y1): overlap, and the suppression of those that overlap a better one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def box_area(boxes_xyxy: ArrayLike) -> NDArray[np.float32]:
    """Return width times height of each box, shape (N,); as in torchvision, nothing is added for inclusive edges."""
    boxes = np.asarray(boxes_xyxy, np.float32)
    area: NDArray[np.float32] = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    return area


def box_iou(first_xyxy: ArrayLike, second_xyxy: ArrayLike) -> NDArray[np.float32]:
    """Return the overlap (intersection over union) of every box with every other.

    Parameters
    ----------
    first_xyxy : array-like, shape (N, 4)
    second_xyxy : array-like, shape (M, 4)

    Returns
    -------
    ndarray of float32, shape (N, M)
        NaN where both have no area.
    """
    first = np.asarray(first_xyxy, np.float32).reshape(-1, 1, 4)
    second = np.asarray(second_xyxy, np.float32).reshape(1, -1, 4)
    return _iou(first, second, box_area(first), box_area(second))


def nms(boxes_xyxy: ArrayLike, scores: ArrayLike, iou_thresh: float) -> NDArray[np.int64]:
    """Keep boxes from the best score down, dropping each that overlaps a kept one more than ``iou_thresh``.

    The result of ``torchvision.ops.nms`` in float32: an overlap equal to the threshold is kept, of equal scores the
    first wins, and boxes without area do not suppress each other (their overlap is 0/0).

    Parameters
    ----------
    boxes_xyxy : array-like, shape (N, 4)
    scores : array-like, shape (N,)
    iou_thresh : float

    Returns
    -------
    ndarray of int64
        Indices of the kept boxes, best score first.

    Notes
    -----
    The overlap of two boxes is at most that of their widths w1, w2, and an overlap above t of two intervals means that
    they start less than (1 - t) / t times the shorter one apart. So with the boxes sorted by their left edges a kept
    one is compared with a short stretch of the others only: 20,000 boxes take about a second.
    """
    boxes, values = np.asarray(boxes_xyxy, np.float32).reshape(-1, 4), np.asarray(scores)
    by_left = np.argsort(boxes[:, 0], kind="stable")
    boxes = np.ascontiguousarray(boxes[by_left])
    areas, left = box_area(boxes), np.ascontiguousarray(boxes[:, 0])
    first, stop = _near(boxes, left, iou_thresh)
    best_first = np.argsort(-values, kind="stable")
    places = np.empty(len(boxes), np.int64)
    places[by_left] = np.arange(len(boxes))
    dropped = np.zeros(len(boxes), np.bool_)
    kept, limit = [], np.float64(iou_thresh)  # compared in float64, as torchvision does
    for index, place in zip(best_first.tolist(), places[best_first].tolist(), strict=True):
        if dropped[place]:
            continue
        kept.append(index)
        near = slice(first[place], stop[place])
        dropped[near] |= _iou(boxes[place], boxes[near], areas[place], areas[near]) > limit
    return np.array(kept, np.int64)


def patch_box(patch: NDArray[np.bool_], corner_yx: tuple[int, int] = (0, 0)) -> tuple[int, int, int, int]:
    """Return the first and last column and row, (x0, y0, x1, y1), of a mask that begins at ``corner_yx``.

    All 0 for an empty mask, as in the official code.
    """
    rows, columns = np.flatnonzero(patch.any(axis=1)), np.flatnonzero(patch.any(axis=0))
    if len(rows) == 0:
        return 0, 0, 0, 0
    top, left = corner_yx
    return left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]), top + int(rows[-1])


def _near(
    boxes: NDArray[np.float32], left: NDArray[np.float32], iou_thresh: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of boxes sorted by their left edges: the stretch that can overlap each of them by more than the threshold."""
    if iou_thresh <= 0:
        return np.zeros(len(boxes), np.int64), np.full(len(boxes), len(boxes), np.int64)
    reach = (boxes[:, 2] - left).astype(np.float64) * ((1 - iou_thresh) / iou_thresh)
    reach = reach * (1 + 1e-5) + 1e-3  # rounding of the overlap in float32
    return np.searchsorted(left, left - reach, "left"), np.searchsorted(left, left + reach, "right")


def _iou(
    first: NDArray[np.float32], second: NDArray[np.float32], first_area: Any, second_area: NDArray[np.float32]
) -> NDArray[np.float32]:
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    sides = np.maximum(high - low, np.float32(0))
    shared = sides[..., 0] * sides[..., 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        overlap: NDArray[np.float32] = shared / (first_area + second_area - shared)
    return overlap
