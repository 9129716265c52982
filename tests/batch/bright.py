"""An executor that needs no model: every connected bright region of a plane is an object."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.automatic.plane import ObjectRow, PlaneResult
from napari_sam.batch.results import write_result
from napari_sam.batch.tasks import PlaneProgress, PlaneTask, TaskOutcome
from napari_sam.errors import Cancelled
from napari_sam.geometry.rle import compress, mask_to_counts
from napari_sam.io.open_image import open_image
from napari_sam.types import MaskRecord

MODEL = {"name": "bright", "hash": "0123", "device": "cpu", "precision": "fp32"}


def regions(plane: NDArray[np.generic]) -> PlaneResult:
    """Label what is brighter than 128."""
    labels, count = ndimage.label(np.asarray(plane) > 128)
    rows, records = [], []
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        mask = labels == number
        top, left = box[0].start, box[1].start
        bounds = (top, left, box[0].stop, box[1].stop)
        rows.append(ObjectRow(number, int(mask.sum()), 0.9 + number / 100, 0.95, (top + 0.5, left + 0.5), bounds))
        record = MaskRecord(
            rle=compress(mask_to_counts(mask), mask.shape),
            bbox=(left, top, bounds[3] - left - 1, bounds[2] - top - 1),
            area=int(mask.sum()),
            predicted_iou=0.9 + number / 100,
            point_coords=((left + 0.5, top + 0.5),),
            stability_score=0.95,
            crop_box=(0, 0, mask.shape[1], mask.shape[0]),
        )
        records.append(record)
    assert len(rows) == count
    return PlaneResult(labels.astype(np.uint32), tuple(rows), tuple(records))


@dataclass
class Bright:
    """Does tasks at once; remembers them.

    Parameters
    ----------
    failing : planes that fail, as (name of the file, plane)
    stop_after : int
        Cancels after so many tasks.
    backwards : bool
        Does the last task first.
    before_each : callable
        Called before a task is done.
    """

    failing: Collection[tuple[str, tuple[int, ...]]] = ()
    stop_after: int | None = None
    backwards: bool = False
    before_each: Callable[[PlaneTask], None] = lambda task: None
    done: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)

    def run(
        self,
        tasks: Iterable[PlaneTask],
        *,
        progress: PlaneProgress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Generator[TaskOutcome, None, None]:
        for task in list(tasks)[::-1] if self.backwards else tasks:
            if self.stop_after is not None and len(self.done) >= self.stop_after:
                raise Cancelled("Cancelled.")
            self.before_each(task)
            named = (task.source.name, task.plane)
            self.done.append(named)
            if progress is not None:
                progress(task, 1, 2)
            if named in self.failing:
                yield TaskOutcome(task, 0.1, f"{task.source}: plane {task.plane} is damaged.")
                continue
            source = open_image(task.source)
            result = regions(source.read(task.plane))
            source.close()
            write_result(task.result, result, task.with_records, 0.25)
            yield TaskOutcome(task, 0.25)


def contents(folder: Path) -> dict[str, bytes]:
    """Return what a folder holds, hidden files and the report apart: it tells times."""
    return {
        os.fspath(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith("run.json") and ".napari-sam-auto" not in str(path)
    }
