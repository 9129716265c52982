"""From an image's (row, column) pixels to the square the model sees, and back.

The model's square holds the image resized so that its longest side is ``img_size`` and padded at the bottom and right
(``segment_anything/utils/transforms.py``, ``ResizeLongestSide``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ResizeFrame:
    """One image's place in the model's square.

    Parameters
    ----------
    original_hw : tuple of int
        Height and width of the image, in pixels; both at least 1.
    img_size : int
        Side of the model's square, in pixels.

    Raises
    ------
    ValueError
        If a side is smaller than 1.
    """

    original_hw: tuple[int, int]
    img_size: int = 1024

    def __post_init__(self) -> None:
        if min(self.original_hw) < 1 or self.img_size < 1:
            raise ValueError(f"sides must be at least 1 pixel, got {self.original_hw} and img_size {self.img_size}")

    @property
    def input_hw(self) -> tuple[int, int]:
        """Height and width of the resized image.

        Each side is ``int(side * scale + 0.5)`` as in the official code, but never 0, which that code reaches for
        images more than 2 * img_size times longer than wide.
        """
        height, width = self.original_hw
        scale = self.img_size * 1.0 / max(height, width)
        return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))

    @property
    def scale_yx(self) -> tuple[float, float]:
        """Model pixels per image pixel along rows and columns; slightly different, as both sizes are rounded."""
        return self.input_hw[0] / self.original_hw[0], self.input_hw[1] / self.original_hw[1]

    def points_to_model(self, points_yx: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map image points to the model's frame.

        Parameters
        ----------
        points_yx : ndarray, shape (..., 2)
            (row, column) in image pixels.

        Returns
        -------
        ndarray of float64, shape (..., 2)
            (x, y) in pixels of the resized image.
        """
        points: NDArray[np.float64] = np.asarray(points_yx, np.float64)[..., ::-1] * np.array(self.scale_yx[::-1])
        return points

    def points_to_image(self, points_xy: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map model points (x, y) back to image points (row, column); the inverse of :meth:`points_to_model`."""
        points: NDArray[np.float64] = np.asarray(points_xy, np.float64) / np.array(self.scale_yx[::-1])
        return points[..., ::-1]

    def boxes_to_model(self, boxes_yxyx: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map image boxes (top, left, bottom, right) to model boxes (x0, y0, x1, y1).

        Parameters
        ----------
        boxes_yxyx : ndarray, shape (..., 4)

        Returns
        -------
        ndarray of float64, shape (..., 4)
        """
        boxes = np.asarray(boxes_yxyx, np.float64)
        return self.points_to_model(boxes.reshape(*boxes.shape[:-1], 2, 2)).reshape(boxes.shape)

    def logits_hw(self, logits_size: int) -> tuple[int, int]:
        """Part of the square low-resolution logits that the image covers, rounded up to whole pixels.

        Parameters
        ----------
        logits_size : int
            Side of the logits.
        """
        height, width = self.input_hw
        return -(-height * logits_size // self.img_size), -(-width * logits_size // self.img_size)

    def contains(self, points_yx: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Whether image points lie on a pixel: within [-0.5, height - 0.5] x [-0.5, width - 0.5].

        Parameters
        ----------
        points_yx : ndarray, shape (..., 2)

        Returns
        -------
        ndarray of bool, shape (...)
        """
        points = np.asarray(points_yx, np.float64)
        upper = np.array(self.original_hw) - 0.5
        return np.asarray(((points >= -0.5) & (points <= upper)).all(axis=-1))
