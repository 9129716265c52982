"""Drawn shapes as prompts: rectangles are boxes, areas are masks, lines are scribbles.

Everything here is in pixels of one plane, (row, column), pixel centres at integers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_sam.geometry.masks import PlaneMask, trimmed

RECTANGLE, ELLIPSE, POLYGON = "rectangle", "ellipse", "polygon"
AREAS = (ELLIPSE, POLYGON)
SCRIBBLES = ("path", "line")
# Measured on the validation images: three to five points along an object beat one click, more make it worse.
MOST_SCRIBBLE_POINTS = 5


def box_of(corners_yx: NDArray[np.float64], shape_hw: tuple[int, int]) -> NDArray[np.float64] | None:
    """Return the box (top, left, bottom, right) around some corners, cut at the border; None where nothing is left."""
    last = np.asarray(shape_hw, np.float64) - 1
    low, high = np.clip(corners_yx.min(axis=0), 0, last), np.clip(corners_yx.max(axis=0), 0, last)
    return np.concatenate([low, high]) if (high > low).all() else None


def area_of(kind: str, vertices_yx: NDArray[np.float64], shape_hw: tuple[int, int]) -> PlaneMask | None:
    """Return the pixels whose centres an ellipse or polygon holds; None where there are none in the plane.

    Parameters
    ----------
    kind : str
        "ellipse" or "polygon".
    vertices_yx : ndarray, shape (N, 2)
        Vertices of the polygon, or the four corners of the ellipse's bounding rectangle, which may be turned.
    shape_hw : tuple of int
        Height and width of the plane.
    """
    low = np.maximum(np.ceil(vertices_yx.min(axis=0)), 0).astype(int)
    high = np.minimum(np.floor(vertices_yx.max(axis=0)), np.asarray(shape_hw) - 1).astype(int)
    if (high < low).any():
        return None
    height, width = (int(side) for side in high - low + 1)
    fill = _ellipse if kind == ELLIPSE else _polygon
    return trimmed(PlaneMask((int(low[0]), int(low[1])), fill(vertices_yx - low, (height, width))))


def scribble_points(vertices_yx: NDArray[np.float64], spacing: float) -> NDArray[np.float64]:
    """Return points evenly along a path, its ends included: about one every ``spacing`` pixels, 2 to 5 of them."""
    steps = np.linalg.norm(np.diff(vertices_yx, axis=0), axis=1)
    at = np.concatenate([[0.0], np.cumsum(steps)])
    if at[-1] == 0:
        return vertices_yx[:1].copy()
    count = int(np.clip(round(at[-1] / spacing) + 1, 2, MOST_SCRIBBLE_POINTS))
    wanted = np.linspace(0.0, at[-1], count)
    return np.stack([np.interp(wanted, at, vertices_yx[:, axis]) for axis in (0, 1)], axis=1)


def _ellipse(corners: NDArray[np.float64], shape_hw: tuple[int, int]) -> NDArray[np.bool_]:
    centre = corners[:4].mean(axis=0)
    axes = np.stack([corners[1] - corners[0], corners[3] - corners[0]], axis=1) / 2
    if abs(np.linalg.det(axes)) < 1e-9:
        return np.zeros(shape_hw, bool)
    inverse = np.linalg.inv(axes)
    rows, columns = np.ogrid[: shape_hw[0], : shape_hw[1]]
    down, right = rows - centre[0], columns - centre[1]
    along, across = (inverse[axis, 0] * down + inverse[axis, 1] * right for axis in (0, 1))
    return np.asarray(along**2 + across**2 <= 1 + 1e-9)


def _polygon(vertices: NDArray[np.float64], shape_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill by winding number, so that a freehand outline that crosses itself leaves no hole."""
    height, width = shape_hw
    turns = np.zeros((height, width + 1), np.int16)
    for start, end in zip(vertices, np.roll(vertices, -1, axis=0), strict=True):
        direction = 1 if end[0] > start[0] else -1
        upper, lower = (start, end) if direction > 0 else (end, start)
        # Half-open: a vertex that lies exactly on a row counts for one of its two edges.
        rows = np.arange(max(int(np.ceil(upper[0])), 0), min(int(np.ceil(lower[0])), height))
        if len(rows):
            crossing = upper[1] + (rows - upper[0]) * (lower[1] - upper[1]) / (lower[0] - upper[0])
            np.add.at(turns, (rows, np.clip(np.ceil(crossing), 0, width).astype(int)), direction)
    return np.asarray(np.cumsum(turns, axis=1, dtype=np.int16)[:, :width] != 0)
