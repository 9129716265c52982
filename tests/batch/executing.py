"""What tests of executors share: planes to do, and planes that end the process that does them."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_sam.automatic.job import AutomaticJob
from napari_sam.batch.tasks import Executor, PlaneTask, TaskOutcome

CHECKPOINT = Path(__file__).parent.parent / "data" / "reference" / "vit_small.safetensors"
VALUES = {
    "checkpoint": str(CHECKPOINT),
    "device": "cpu",
    "points_per_side": 3,
    "pred_iou_thresh": -100.0,
    "stability_score_thresh": 0.0,
    "background_fraction": 1.0,
}
JOB = AutomaticJob().with_values(VALUES)


class Deadly(tuple[int, ...]):
    """The index of a plane that ends whichever process reads it; with NAPARI_SAM_TEST_MARKER, only the first one."""

    def __len__(self) -> int:
        end_process()
        return tuple.__len__(self)


def end_process() -> None:
    """End this process as the kernel does when memory runs out, unless it is the one of the tests."""
    if multiprocessing.parent_process() is None:
        return
    marker = os.environ.get("NAPARI_SAM_TEST_MARKER")
    if marker is not None:
        try:
            Path(marker).touch(exist_ok=False)
        except FileExistsError:
            return
    os.kill(os.getpid(), signal.SIGKILL)


def write_stack(folder: Path, planes: int = 5) -> Path:
    """Write a stack of noisy discs."""
    rows, columns = np.mgrid[:48, :64]
    rng = np.random.default_rng(0)
    stack = rng.integers(0, 60, (planes, 48, 64)).astype(np.uint8)
    for plane in stack:
        row, column = rng.integers(10, 38, 2)
        plane[(rows - row) ** 2 + (columns - column) ** 2 < 80] += 150
    tifffile.imwrite(folder / "stack.tif", stack, metadata={"axes": "ZYX"}, compression="zlib")
    return folder / "stack.tif"


def tasks_of(source: Path, folder: Path, planes: int = 5, deadly: int | None = None) -> Iterator[PlaneTask]:
    """Make a task for every plane of a stack; one of them deadly."""
    for z in range(planes):
        index = Deadly((z,)) if z == deadly else (z,)
        yield PlaneTask(0, source, index, JOB, folder / f"{z}.npz")


def results(executor: Executor, source: Path, folder: Path, **options: Any) -> dict[int, TaskOutcome]:
    """Do every plane of a stack."""
    return {outcome.task.plane[0]: outcome for outcome in executor.run(tasks_of(source, folder, **options))}


def content(folder: Path) -> dict[str, list[bytes]]:
    """Return what was written, but for the times it took."""
    found = {}
    for path in sorted(folder.iterdir()):
        with np.load(path) as file:
            found[path.name] = [file[name].tobytes() for name in sorted(file.files) if name != "seconds"]
    return found
