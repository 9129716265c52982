"""Small images with bright squares, and a way to run them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from napari_sam.automatic.job import AutomaticJob
from napari_sam.batch.events import Event
from napari_sam.batch.request import BatchRequest
from napari_sam.batch.runner import run_batch
from tests.batch.bright import MODEL, Bright


def squares(*corners: tuple[int, int], side: int = 4, shape: tuple[int, int] = (20, 24)) -> NDArray[np.uint8]:
    """Draw bright squares at top left corners."""
    plane = np.zeros(shape, np.uint8)
    for top, left in corners:
        plane[top : top + side, left : left + side] = 200
    return plane


@pytest.fixture
def stack() -> NDArray[np.uint8]:
    """Three planes: one square that stays, one that ends, one that comes; all where none was before."""
    return np.stack([squares((2, 2), (10, 10)), squares((2, 3), (10, 10)), squares((2, 3), (14, 18))])


@pytest.fixture
def folder(tmp_path: Path, stack: NDArray[np.uint8]) -> Path:
    """A folder with a single plane, and a stack with a pixel size."""
    folder = tmp_path / "in"
    folder.mkdir()
    tifffile.imwrite(folder / "flat.tif", squares((1, 1), (10, 3), (12, 15)))
    tifffile.imwrite(
        folder / "stack.tif",
        stack,
        imagej=True,
        resolution=(2, 4),  # pixels per micrometre: 0.5 um across, 0.25 um down
        metadata={"axes": "ZYX", "spacing": 1.5, "unit": "um"},
    )
    return folder


class Batch:
    """Runs a request; remembers what was told."""

    def __init__(self, inputs: list[Path], output: Path) -> None:
        self.request = BatchRequest(tuple(inputs), output, AutomaticJob())
        self.events: list[Event] = []
        self.executor = Bright()

    def __call__(self, executor: Bright | None = None, **changes: Any) -> dict[str, Any]:
        values = {name: changes.pop(name) for name in list(changes) if not hasattr(self.request, name)}
        job = self.request.job.with_values(values)
        self.executor = executor or Bright()
        self.events = []
        return run_batch(
            replace(self.request, **{"job": job, **changes}), self.executor, MODEL, on_event=self.events.append
        )


@pytest.fixture
def batch(folder: Path, tmp_path: Path) -> Batch:
    """Both images into a folder."""
    return Batch([folder / "flat.tif", folder / "stack.tif"], tmp_path / "out")
