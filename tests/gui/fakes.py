"""A predictor that answers at once with disks and boxes, and can be told to be slow or to fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from napari_sam.errors import Cancelled
from napari_sam.geometry.frame import ResizeFrame
from napari_sam.gui.compute.engine import ModelChoice
from napari_sam.types import Prediction, Prompts

RADII = (5, 9, 13)
SCORES = (0.7, 0.9, 0.5)


class FakeEmbedding(np.ndarray[Any, Any]):
    """The image itself, with the frame of a model that works on 32 x 32 pixels."""

    @property
    def frame(self) -> ResizeFrame:
        return ResizeFrame((self.shape[0], self.shape[1]), 32)


class FakePredictor:
    """Masks are disks around the first positive point, or the box shrunk by 0, 1, 2 pixels; the second is the best.

    Where there is only a mask, its logits are enlarged.
    """

    image_size = 1024

    def __init__(self) -> None:
        self.images: list[np.ndarray[Any, Any]] = []
        self.limits: list[tuple[float, float] | None] = []
        self.asked: list[Prompts] = []
        self.threads: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.cancellations = 0
        self.fail: Exception | None = None

    def encode(
        self,
        image: Any,
        *,
        limits: Any = None,
        channels: Any = None,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Any:
        self.threads.add(threading.current_thread().name)
        if self.fail is not None:
            raise self.fail
        self.images.append(image)
        self.limits.append(limits)
        if progress is not None:
            progress(0, 2)
        while not self.gate.is_set():
            if cancelled is not None and cancelled():
                self.cancellations += 1
                raise Cancelled("cancelled")
            time.sleep(0.002)
        if progress is not None:
            progress(2, 2)
        return np.asarray(image).view(FakeEmbedding)

    def predict(self, embedding: Any, prompts: Prompts, multimask: bool = True) -> Prediction:
        self.asked.append(prompts)
        shape = embedding.shape[:2]
        indices = range(3) if multimask else [_refined(prompts)]
        masks = np.stack([_mask(prompts, shape, index) for index in indices])
        scores = np.array(SCORES if multimask else [0.8], np.float32)
        return Prediction(masks, scores, np.stack([np.full((8, 8), index, np.float32) for index in indices]))

    def predict_many(
        self, embedding: Any, prompts: Sequence[Prompts], multimask: bool = False, **callbacks: Any
    ) -> list[Prediction]:
        return [self.predict(embedding, one, multimask) for one in prompts]


def _refined(prompts: Prompts) -> int:
    """The candidate whose logits are fed back; the second where none is."""
    value = 1 if prompts.mask_logits is None else int(prompts.mask_logits.flat[0])
    return value if value in range(3) else 1


def _mask(prompts: Prompts, shape: tuple[int, int], index: int) -> np.ndarray[Any, Any]:
    rows, columns = np.indices(shape)
    if prompts.box_yxyx is not None:
        top, left, bottom, right = prompts.box_yxyx
        return (rows >= top + index) & (rows <= bottom - index) & (columns >= left + index) & (columns <= right - index)
    if prompts.points_yx is None:
        assert prompts.mask_logits is not None
        side = max(shape)
        nearest = prompts.mask_logits[rows * 8 // side, columns * 8 // side]
        return nearest > index - 1
    assert prompts.labels is not None
    row, column = prompts.points_yx[prompts.labels == 1][0]
    return (rows - row) ** 2 + (columns - column) ** 2 <= RADII[index] ** 2


class FakeZoo:
    """A predictor factory that remembers what it was asked for."""

    def __init__(self, predictor: FakePredictor) -> None:
        self.predictor = predictor
        self.choices: list[ModelChoice] = []
        self.fail: Exception | None = None

    def __call__(self, choice: ModelChoice, on_message: Callable[[str], None]) -> FakePredictor:
        self.choices.append(choice)
        if self.fail is not None:
            raise self.fail
        return self.predictor
