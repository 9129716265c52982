"""Fast mode: a point that lies well inside a good mask found before is not asked.

The grid is asked in rounds from coarse to fine, each as dense as all before it together. Before a round its points are
compared with the masks of the rounds before: neighbouring points in the middle of one object get the same masks, so one
of them is enough. Of the masks of a point only the smallest good one counts: inside a large one, a whole that is made
of parts, other points may still find other parts.

Which points are left out depends on the image, the grid, the model and the ``skip_`` parameters, but on no threshold
that is moved afterwards, and not on how many points are decoded at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_sam.automatic.candidates import Candidates
from napari_sam.automatic.config import AutomaticConfig
from napari_sam.automatic.decoding import Floors, Place
from napari_sam.geometry.rle import counts_contain
from napari_sam.model.common import Progress

Ask = Callable[[NDArray[np.int64], Floors, Progress | None], Iterator[Candidates]]
"""Asks some points of a grid (indices) and yields what was found, one piece per decoded batch."""


def coarse_to_fine(
    ask: Ask,
    grid: NDArray[np.float64],
    place: Place,
    config: AutomaticConfig,
    floors: Floors,
    progress: Progress | None = None,
) -> Iterator[Candidates]:
    """Ask the points of a grid that are not covered by then.

    Parameters
    ----------
    ask : callable
    grid : ndarray, shape (N, 2)
        x, y in [0, 1] of the picture that was encoded.
    place : Place
        Where that picture lies in the image.
    config : AutomaticConfig
    floors : Floors
        What a mask has to reach to be yielded.
    progress : callable, optional
        Told (done, total) points; those left out are done.

    Yields
    ------
    Candidates
    """
    cover = _Cover(grid, place, config)
    wide = Floors(
        min(floors.iou, config.skip_iou_thresh), min(floors.stability, config.skip_stability_thresh), floors.offset
    )
    done = 0
    for chosen in rounds(grid):
        told = None if progress is None else partial(_tell, progress, done, len(grid))
        for piece in ask(cover.uncovered(chosen), wide, told):
            cover.add(piece)
            yield piece if wide == floors else _above(piece, floors)
        done += len(chosen)
        if told is not None:
            told(len(chosen), 0)


def rounds(grid: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Divide a grid into rounds: every fourth point along each side, then four times as many as so far.

    Parameters
    ----------
    grid : ndarray, shape (N, 2)
        x, y in [0, 1]; for points that are no regular grid their place in one of as many points counts.

    Returns
    -------
    list of ndarray of int64
        Indices of the points of each round, in the order of the grid; together all of them.
    """
    column, row = np.floor(grid * _side(grid)).astype(np.int64).T - 2
    both = (row % 2 == 0) & (column % 2 == 0)
    number = np.where((row + column) % 2 == 0, 3, 4)
    number[both] = np.where((row + column)[both] % 4 == 0, 1, 2)
    number[(row % 4 == 0) & (column % 4 == 0)] = 0
    return [np.flatnonzero(number == one) for one in range(5) if (number == one).any()]


def _side(grid: NDArray[np.float64]) -> int:
    """Points per side of the regular grid of about as many points."""
    return max(1, round(math.sqrt(len(grid))))


class _Cover:
    """Which points of a grid lie well inside a good mask: they and eight points around them, a margin away."""

    def __init__(self, grid: NDArray[np.float64], place: Place, config: AutomaticConfig) -> None:
        x0, y0, x1, y1 = place.crop_xyxy
        size = np.array([x1 - x0, y1 - y0], np.float64)
        self._config = config
        self._hw = place.image_hw
        self._covered = np.zeros(len(grid), np.bool_)
        steps = np.array([(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)]) * config.skip_margin * size / _side(grid)
        around = grid[:, None] * size + (x0, y0) + steps
        # What sticks out of the picture counts as its edge.
        self._around = np.clip(np.floor(around), (x0, y0), (x1 - 1, y1 - 1)).astype(np.int64)  # (N, 9, 2)

    def uncovered(self, points: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of some points that are not covered."""
        return points[~self._covered[points]]

    def add(self, found: Candidates) -> None:
        """Let the smallest good mask of each point cover what lies well inside it."""
        good = found.predicted_iou > np.float32(self._config.skip_iou_thresh)
        good &= found.stability_score >= np.float32(self._config.skip_stability_thresh)
        rows = np.flatnonzero(good)
        rows = rows[np.argsort(found.areas[rows], kind="stable")]
        _, smallest = np.unique(found.points_xy[rows], axis=0, return_index=True)
        for row in rows[smallest].tolist():
            self._cover_with(found.rles[row], found.boxes_xyxy[row])

    def _cover_with(self, counts: NDArray[np.uint32], box_xyxy: NDArray[np.int64]) -> None:
        within = (self._around >= box_xyxy[:2]).all(axis=(1, 2)) & (self._around <= box_xyxy[2:]).all(axis=(1, 2))
        points = np.flatnonzero(within & ~self._covered)
        if len(points):
            columns, rows = self._around[points, :, 0], self._around[points, :, 1]
            self._covered[points] = counts_contain(counts, self._hw, rows, columns).all(axis=1)


def _above(found: Candidates, floors: Floors) -> Candidates:
    kept = (found.predicted_iou > np.float32(floors.iou)) & (found.stability_score >= np.float32(floors.stability))
    return replace(found.take(kept), iou_floor=floors.iou, stability_floor=floors.stability)


def _tell(progress: Progress, before: int, total: int, done: int, _: int) -> None:
    progress(before + done, total)
