"""A segmenter that finds disks at once, on a grid, and can be told to be slow, to fail, or to run out of memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from napari_sam.automatic.candidates import Candidates
from napari_sam.automatic.job import AutomaticJob, ModelConfig
from napari_sam.automatic.plane import ObjectRow, PlaneResult, plane_result
from napari_sam.automatic.select import select
from napari_sam.errors import Cancelled
from napari_sam.geometry.rle import mask_to_counts
from napari_sam.gui.automatic.hints import PlaneHints
from napari_sam.gui.automatic.segmenter import Report, Watch, floor_of
from napari_sam.types import MaskRecord

RADIUS = 4


def disk_candidates(
    hw: tuple[int, int], points: list[tuple[int, int]], scores: list[float], floor: float, stability_floor: float
) -> Candidates:
    """Disks around (row, column) with their scores, as the network would give them."""
    rows, columns = np.indices(hw)
    masks = [(rows - y) ** 2 + (columns - x) ** 2 <= RADIUS**2 for y, x in points]
    boxes = [(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS) for y, x in points]
    count = len(points)
    return Candidates(
        hw,
        [mask_to_counts(mask) for mask in masks],
        np.array(boxes, np.int64).reshape(count, 4),
        np.array([mask.sum() for mask in masks], np.int64),
        np.array(scores, np.float32),
        np.full(count, 0.97, np.float32),
        np.array([(x, y) for y, x in points], float).reshape(count, 2),
        np.tile(np.array([0, 0, hw[1], hw[0]], np.int64), (count, 1)),
        np.zeros(count, bool),
        iou_floor=floor,
        stability_floor=stability_floor,
    )


class FakeSegmenter:
    """Finds a disk at every point of the grid; their scores rise from 0.75 to 1 in reading order.

    Attributes
    ----------
    seen : list
        (plane, image, job) of every question.
    gate : Event
        Nothing goes on while it is not set; cancelling is heard all the same.
    stop_after : int
        Batches (rows of the grid) before the gate is looked at.
    fail : Exception or None
        Raised after ``stop_after`` batches, or for planes in ``broken``.
    tiled : bool
        Whether planes are too large to keep their masks.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[tuple[int, ...], Any, AutomaticJob]] = []
        self.hints: list[tuple[tuple[int, ...], str, Any]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.stop_after = 0
        self.fail: Exception | None = None
        self.broken: set[tuple[int, ...]] = set()
        self.tiled = False
        self.cancellations = 0

    def keeps_candidates(self, source: Any, job: AutomaticJob) -> bool:
        return not self.tiled

    def candidates(self, source: Any, plane: tuple[int, ...], job: AutomaticJob, watch: Watch) -> Iterator[Candidates]:
        image = source.read(plane)
        self.seen.append((plane, image, job))
        hw = image.shape[:2]
        side = job.automatic.points_per_side
        axes = [np.linspace(0, length, side, endpoint=False) + length / side / 2 for length in hw]
        floor = floor_of(job.automatic.pred_iou_thresh)
        stability = floor_of(job.automatic.stability_score_thresh)
        for row in range(side):
            if row >= self.stop_after:
                self._wait(watch)
                if self.fail is not None and (not self.broken or plane in self.broken):
                    raise self.fail
            points = [(round(axes[0][row]), round(x)) for x in axes[1]]
            scores = [0.75 + 0.25 * (row * side + number + 1) / side**2 for number in range(side)]
            found = disk_candidates(hw, points, scores, floor, stability)
            yield found.take(found.predicted_iou > floor)
            watch.progress(row + 1, side)

    def asked(
        self, source: Any, plane: tuple[int, ...], job: AutomaticJob, hints: PlaneHints, watch: Watch
    ) -> Iterator[Candidates]:
        self.hints.append((plane, hints.kind, hints.values))
        points = [(round(row), round(column)) for row, column in hints.values[:, :2]]
        yield disk_candidates(source.plane_hw, points, [0.9] * len(points), 0.0, 0.0)

    def refined(
        self, source: Any, plane: tuple[int, ...], job: AutomaticJob, hints: PlaneHints, watch: Watch
    ) -> PlaneResult:
        self.hints.append((plane, hints.kind, hints.values))
        rows, records = [], []
        for number in (one for one in np.unique(hints.values).tolist() if one):
            found = np.argwhere(hints.values == number)
            (top, left), (bottom, right) = found.min(axis=0), found.max(axis=0) + 1
            rows.append(ObjectRow(number, len(found), 0.9, 0.9, (top, left), (top, left, bottom, right)))
            records.append(
                MaskRecord({"size": [0, 0], "counts": ""}, (0, 0, 0, 0), 1, 0.9, ((left, top),), 0.9, (0, 0, 0, 0))
            )
        return PlaneResult(hints.values.astype(np.uint32), tuple(rows), tuple(records))

    def plane(self, source: Any, plane: tuple[int, ...], job: AutomaticJob, watch: Watch) -> PlaneResult:
        parts = list(self.candidates(source, plane, job, watch))
        return plane_result(select(Candidates.join(parts), job.automatic), source.plane_hw, job)

    def _wait(self, watch: Watch) -> None:
        while True:
            if watch.cancelled():
                self.cancellations += 1
                raise Cancelled("Cancelled.")
            if self.gate.is_set():
                return
            time.sleep(0.002)


class FakeFactory:
    """Hands out one segmenter, and remembers which models were asked for."""

    def __init__(self, segmenter: FakeSegmenter) -> None:
        self.segmenter = segmenter
        self.asked: list[ModelConfig] = []
        self.fail: Exception | None = None

    def __call__(self, model: ModelConfig, on_message: Report) -> FakeSegmenter:
        self.asked.append(model)
        if self.fail is not None:
            raise self.fail
        return self.segmenter
