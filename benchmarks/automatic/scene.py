"""A scene that takes the place of what random weights answer: masks as a trained network gives them.

The masks of random weights are speckles that no filter keeps and no run-length code shortens. So the networks run and
are timed, and then their answer to a point is replaced, in the official code and in ours alike: 140 wobbly blobs, each
with three nested masks (the three scales of the real model), smooth logits limited to [-12, 12] with noise, predicted
IoUs between 0.76 and 1; a third of the masks have edges too soft for the stability filter. With the official default
thresholds about 30 % of the masks pass.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_LIMIT = 12.0
_SCALES = (1.0, 0.62, 0.36)  # whole, part, subpart
_SLOPE = (6.0, 0.8)  # logits per low-resolution pixel: sharp and soft edges
_SOFT = 0.32  # share of masks with soft edges
_CLEAR = 2.0  # a blob's logits are stored as far as this beyond its edge; further out they are the lower limit
_IOU = (0.76, 1.0)


class _Patch(NamedTuple):
    top: int
    left: int
    logits: Tensor  # (h, w)


class Scene:
    """What a network would answer to points on one picture.

    Parameters
    ----------
    side : int
        Low-resolution pixels along each side of the model's square.
    input_hw : (int, int)
        The part of that square that holds the picture, in the same pixels.
    count : int
        Number of blobs.
    """

    def __init__(self, side: int, input_hw: tuple[int, int], count: int = 140) -> None:
        rng = np.random.default_rng(0)
        self.side = side
        height, width = input_hw
        self._centres = rng.uniform((0, 0), (height, width), (count, 2))
        typical = 1.5 * math.sqrt(height * width / count)
        self._radii = typical * rng.lognormal(0.0, 0.45, count)
        self._wobble = rng.normal(0, 1, (count, 5, 2)) * 0.25 / np.arange(1, 6)[:, None]
        soft = rng.random((count, 3)) < _SOFT
        self._patches = [
            [self._patch(blob, scale, bool(soft[blob, i]), rng) for i, scale in enumerate(_SCALES)]
            for blob in range(count)
        ]

    def _distance(self, blob: int, y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance from a blob's centre as a part of its radius in that direction."""
        dy, dx = y - self._centres[blob, 0], x - self._centres[blob, 1]
        angle = np.arctan2(dy, dx)[..., None] * np.arange(1, 6)
        wobble = np.cos(angle) @ self._wobble[blob, :, 0] + np.sin(angle) @ self._wobble[blob, :, 1]
        distance: NDArray[np.float64] = np.hypot(dy, dx) / (self._radii[blob] * np.exp(0.5 * np.tanh(wobble)))
        return distance

    def _patch(self, blob: int, scale: float, soft: bool, rng: np.random.Generator) -> _Patch:
        slope = _SLOPE[soft]
        reach = self._radii[blob] * 1.7 * scale + (_LIMIT if soft else _CLEAR) / slope
        (top, left), (bottom, right) = (
            np.clip(np.round(self._centres[blob] + sign * reach), 0, self.side).astype(int) for sign in (-1, 1)
        )
        y, x = np.mgrid[top:bottom, left:right].astype(np.float64)
        inside = (scale - self._distance(blob, y, x)) * self._radii[blob] * slope
        noisy = np.clip(inside, -_LIMIT, _LIMIT) + rng.normal(0, 0.15, inside.shape)
        return _Patch(int(top), int(left), torch.from_numpy(noisy.astype(np.float32)))

    def ious(self, points_xy: Tensor) -> Tensor:
        """Predicted IoUs (n, 3) of points (n, 2) in low-resolution pixels; the same for the same point."""
        low, high = _IOU
        values = [np.random.default_rng([int(64 * value) for value in point]).random(3) for point in points_xy.tolist()]
        return torch.tensor(np.array(values).reshape(-1, 3) * (high - low) + low, dtype=torch.float32)

    def logits(self, points_xy: Tensor) -> Tensor:
        """Low-resolution logits (n, 3, side, side) of points (n, 2): those of the blob that a point is deepest in."""
        out = torch.full((len(points_xy), 3, self.side, self.side), -_LIMIT)
        for masks, (x, y) in zip(out, points_xy.tolist(), strict=True):
            for mask, (top, left, logits) in zip(masks, self._patches[self._blob(x, y)], strict=True):
                height, width = logits.shape
                mask[top : top + height, left : left + width] = logits
        return out

    def _blob(self, x: float, y: float) -> int:
        at = np.array(y), np.array(x)
        near = np.argsort(np.hypot(*(self._centres - (y, x)).T) / self._radii)[:4]
        return int(min(near, key=lambda blob: float(self._distance(int(blob), *at))))
