"""A model that segments what is bright and connected to the prompts: every answer can be worked out by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.errors import Cancelled
from napari_sam.geometry.clicks import interior_point
from napari_sam.geometry.frame import ResizeFrame
from napari_sam.types import Prediction, Prompts

BRIGHT = 100
LIMITS = (0.0, 255.0)


@dataclass(frozen=True, eq=False)
class Seen:
    """The picture itself."""

    pixels: NDArray[Any]
    frame: ResizeFrame

    @property
    def image_hw(self) -> tuple[int, int]:
        return self.frame.original_hw

    @property
    def nbytes(self) -> int:
        return int(self.pixels.nbytes)


class BrightModel:
    """Answers with the bright piece in the middle of the prompts; the score is its brightness.

    Without a bright pixel there, the answer is empty. While ``gate`` is closed, encoding goes on and on.
    """

    def __init__(self, image_size: int = 64) -> None:
        self.image_size = image_size
        self.gate = threading.Event()
        self.gate.set()
        self.encoded: list[NDArray[Any]] = []
        self.limits: list[Any] = []
        self.asked: list[Prompts] = []

    def encode(
        self,
        image: Any,
        *,
        limits: Any = None,
        channels: Any = None,
        progress: Any = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Seen:
        while True:
            if cancelled is not None and cancelled():
                raise Cancelled("cancelled")
            if self.gate.wait(0.002):
                break
        pixels = np.asarray(image)
        self.encoded.append(pixels)
        self.limits.append(limits)
        return Seen(pixels, ResizeFrame((pixels.shape[0], pixels.shape[1]), self.image_size))

    def predict(self, embedding: Seen, prompts: Prompts, multimask: bool = True) -> Prediction:
        self.asked.append(prompts)
        numbers, _ = ndimage.label(embedding.pixels >= BRIGHT)
        number = numbers[_middle(prompts, embedding.frame)]
        mask = (numbers == number) & (number > 0)
        score = float(embedding.pixels[mask].mean()) / 255 if mask.any() else 0.0
        return Prediction(mask[None], np.array([score], np.float32), np.zeros((1, 1, 1), np.float32))

    def predict_many(
        self, embedding: Seen, prompts: Sequence[Prompts], multimask: bool = False, **callbacks: Any
    ) -> list[Prediction]:
        return [self.predict(embedding, one, multimask) for one in prompts]


def _middle(prompts: Prompts, frame: ResizeFrame) -> tuple[int, int]:
    """Return the pixel that is meant: the point, the middle of the box, or that of the mask."""
    if prompts.points_yx is not None:
        at = prompts.points_yx[0]
    elif prompts.box_yxyx is not None:
        at = prompts.box_yxyx.reshape(2, 2).mean(axis=0)
    else:
        assert prompts.mask_logits is not None
        most = prompts.mask_logits >= prompts.mask_logits.max()
        low_res = np.add(interior_point(most), 0.5) * 4 - 0.5
        at = frame.points_to_image(low_res[::-1])
    row, column = np.clip(np.round(at), 0, np.array(frame.original_hw) - 1).astype(int)
    return int(row), int(column)


def disk(shape: tuple[int, int], centre: Sequence[float], radius: float) -> NDArray[np.bool_]:
    """Return the pixels at most ``radius`` from ``centre``."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return np.asarray((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2)


def cone(radii: Sequence[float], shape: tuple[int, int] = (48, 48), drift: float = 0.0) -> NDArray[np.bool_]:
    """Return a stack of disks, one per radius; 0 leaves the plane empty."""
    planes = [disk(shape, (24 + drift * z, 24), r) if r else np.zeros(shape, bool) for z, r in enumerate(radii)]
    return np.stack(planes)


def picture(truth: NDArray[np.bool_], value: int = 250) -> NDArray[np.uint8]:
    """Return a dim image that is bright where the truth is."""
    return np.where(truth, value, 20).astype(np.uint8)
