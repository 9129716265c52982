"""Sample data for File > Open Sample, all of it on this machine already: nothing is downloaded.

The pictures come with scikit-image (its wheel, not its download list); the stack is computed here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LayerData = tuple[NDArray[Any], dict[str, Any], str]


def coins() -> list[LayerData]:
    """Return Greek coins from Pompeii, (303, 384) uint8: clear objects on an uneven background."""
    from skimage import data

    return [_sample(data.coins(), "coins")]


def cell() -> list[LayerData]:
    """Return a cell in bright field, (660, 550) uint8."""
    from skimage import data

    return [_sample(data.cell(), "cell")]


def histology() -> list[LayerData]:
    """Return colon tissue, immunohistochemistry with haematoxylin, (512, 512, 3) uint8."""
    from skimage import data

    return [_sample(data.immunohistochemistry(), "histology", rgb=True)]


def gravel() -> list[LayerData]:
    """Return gravel seen from above, (512, 512) uint8: many touching grains."""
    from skimage import data

    return [_sample(data.gravel(), "gravel")]


def nuclei_stack() -> list[LayerData]:
    """Return a synthetic z-stack of nuclei, (24, 256, 256) uint16, 0.5 x 0.2 x 0.2 micrometres per voxel."""
    return [
        _sample(
            synthetic_nuclei(),
            "nuclei stack",
            scale=(0.5, 0.2, 0.2),
            units=("um", "um", "um"),
            axis_labels=("z", "y", "x"),
        )
    ]


def synthetic_nuclei(
    shape: tuple[int, int, int] = (24, 256, 256), count: int = 45, seed: int = 3
) -> NDArray[np.uint16]:
    """Return ellipsoidal, textured, blurred nuclei on a dim, noisy background.

    Parameters
    ----------
    shape : tuple of int
        Planes, rows, columns.
    count : int
        Number of nuclei; they may touch.
    seed : int
        Same seed, same stack.

    Returns
    -------
    ndarray of uint16, shape ``shape``
    """
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(length, dtype=np.float32) for length in shape], indexing="ij"))
    signal = np.full(shape, 260.0, np.float32)
    for _ in range(count):
        centre = rng.uniform((2, 8, 8), np.subtract(shape, (2, 8, 8)))
        radii = rng.uniform((3.0, 9.0, 9.0), (6.0, 17.0, 17.0))
        distance = np.sqrt((((grid.T - centre) / radii) ** 2).sum(axis=-1)).T
        inside = 1 / (1 + np.exp(np.clip((distance - 1) * 9, -30, 30)))
        waves = np.sin(grid[1] / rng.uniform(2, 4) + rng.uniform(0, 6)) * np.cos(grid[2] / rng.uniform(2, 4))
        signal = np.maximum(signal, rng.uniform(900, 2400) * inside * (1 + 0.15 * waves))
    return rng.poisson(signal).clip(0, 65535).astype(np.uint16)


def _sample(array: NDArray[Any], name: str, **kwargs: Any) -> LayerData:
    return array, {"name": name, **kwargs}, "image"
