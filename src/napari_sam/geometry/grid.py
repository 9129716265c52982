"""Where to ask: regular grids of points, and overlapping crops of an image (``segment_anything/utils/amg.py``)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Crop(NamedTuple):
    """Part of an image: columns ``x0`` to ``x1`` and rows ``y0`` to ``y1`` (exclusive) of zoom layer ``layer``."""

    x0: int
    y0: int
    x1: int
    y1: int
    layer: int

    @property
    def xyxy(self) -> tuple[int, int, int, int]:
        """First and last (exclusive) column and row: x0, y0, x1, y1."""
        return self.x0, self.y0, self.x1, self.y1

    @property
    def hw(self) -> tuple[int, int]:
        """Height and width."""
        return self.y1 - self.y0, self.x1 - self.x0


def point_grid(points_per_side: int) -> NDArray[np.float64]:
    """Return the middles of n x n equal parts of the unit square, row by row.

    Parameters
    ----------
    points_per_side : int

    Returns
    -------
    ndarray of float64, shape (n * n, 2)
        x, y in [0, 1].
    """
    offset = 1 / (2 * points_per_side)
    side = np.linspace(offset, 1 - offset, points_per_side)
    x, y = np.meshgrid(side, side)
    return np.stack([x, y], axis=-1).reshape(-1, 2)


def layer_grids(points_per_side: int, n_layers: int, downscale_factor: int) -> list[NDArray[np.float64]]:
    """Return the grid of the whole image and of the crops of each zoom layer.

    A layer's grid has ``downscale_factor`` times fewer points per side than the one before, but at least one (where
    the official code divides by zero).
    """
    return [point_grid(max(1, int(points_per_side / downscale_factor**layer))) for layer in range(n_layers + 1)]


def crop_boxes(hw: tuple[int, int], n_layers: int, overlap_ratio: float) -> list[Crop]:
    """Return the whole image, then 4, 16, ... overlapping crops of it.

    Parameters
    ----------
    hw : (int, int)
        Height and width of the image.
    n_layers : int
        Layer i has 2**i x 2**i crops.
    overlap_ratio : float
        Overlap of the crops of the first layer as a part of the image's shorter side; halved with each layer.

    Returns
    -------
    list of Crop
        Column after column. Crops of an image so small that nothing is left for them are missing.
    """
    height, width = hw
    crops = [Crop(0, 0, width, height, 0)]
    for layer in range(1, n_layers + 1):
        per_side = 2**layer
        overlap = int(overlap_ratio * min(hw) * (2 / per_side))
        crop_width, crop_height = (_crop_length(side, per_side, overlap) for side in (width, height))
        for i in range(per_side):
            for j in range(per_side):
                x0, y0 = (crop_width - overlap) * i, (crop_height - overlap) * j
                crop = Crop(x0, y0, min(x0 + crop_width, width), min(y0 + crop_height, height), layer)
                if min(crop.hw) > 0:
                    crops.append(crop)
    return crops


def _crop_length(side: int, per_side: int, overlap: int) -> int:
    return math.ceil((overlap * (per_side - 1) + side) / per_side)
