"""Pictures and stacks to segment: the same pixels every time, made or read plane by plane."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALL_CELL = 128  # one small object in each square of this many pixels
LIMITS = (300, 2000)

Position = tuple[int, int]


def plane(z: int, size: int) -> NDArray[np.uint16]:
    """Return one plane of bright discs on a noisy ground, shape (size, size); the small ones wander with ``z``.

    Two large discs lie in the upper half, small ones in rows in the lower half.
    """
    rng = np.random.default_rng(z)
    picture = np.tile(rng.integers(300, 420, (SMALL_CELL, size), np.uint16), (-(-size // SMALL_CELL), 1))[:size]
    for row, column in small_objects(z, size):
        _add_disc(picture, row, column, SMALL_CELL // 2)
    for row, column in large_objects(size):
        _add_disc(picture, row, column, size // 4)
    return picture


def small_objects(z: int, size: int) -> list[Position]:
    """Return the middles of the small objects, in an order that jumps about."""
    half = SMALL_CELL // 2
    shift = 8 * (z % 8)
    rows = range(size // 2 + half, size - half + 1, SMALL_CELL)
    columns = range(half + shift, size - half + 1, SMALL_CELL)
    found = [(row, column) for row in rows for column in columns]
    return [found[index] for index in np.random.default_rng(0).permutation(len(found))]


def large_objects(size: int) -> list[Position]:
    """Return the middles of the large objects."""
    return [(size // 4, size // 4), (size // 4, 3 * size // 4)]


def _add_disc(picture: NDArray[np.uint16], row: int, column: int, reach: int) -> None:
    """Add a disc of two thirds of ``reach``, with a soft edge."""
    rows, columns = np.ogrid[-reach:reach, -reach:reach]
    distance = np.hypot(rows, columns)
    disc = (1500 * np.clip((reach / 1.5 - distance) / 4, 0, 1)).astype(np.uint16)
    cut = picture[row - reach : row + reach, column - reach : column + reach]
    cut += disc[: cut.shape[0], : cut.shape[1]]


def dask_stack(planes: int, size: int) -> Any:
    """Return a lazy stack that makes a plane when it is asked for."""
    import dask.array as da

    def block(block_info: Any = None) -> NDArray[np.uint16]:
        z = block_info[None]["array-location"][0][0]
        return plane(int(z), size)[None]

    chunks = ((1,) * planes, (size,), (size,))
    return da.map_blocks(block, chunks=chunks, dtype=np.uint16, meta=np.empty((0, 0, 0), np.uint16))


def zarr_stack(folder: Path, planes: int, size: int, around: int) -> Any:
    """Return a stack on disk of which the planes next to ``around`` are written; the rest is fill value."""
    import zarr

    stack = zarr.create_array(
        str(folder / "stack.zarr"), shape=(planes, size, size), chunks=(1, 512, 512), dtype=np.uint16, fill_value=0
    )
    for z in range(max(around - 2, 0), min(around + 3, planes)):
        stack[z] = plane(z, size)
    return stack


class LazyStack:
    """A lazy stack that keeps nothing: of a dask array napari caches every plane it reads, up to a tenth of memory.

    Parameters
    ----------
    planes, size : int
        Its shape is (planes, size, size).
    """

    ndim = 3
    dtype = np.dtype(np.uint16)

    def __init__(self, planes: int, size: int) -> None:
        self.shape = (planes, size, size)

    def __getitem__(self, index: Any) -> NDArray[np.uint16]:
        first, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(first, slice):
            chosen = range(*first.indices(self.shape[0]))
            return np.stack([plane(z, self.shape[1])[tuple(rest)] for z in chosen])
        return plane(int(first), self.shape[1])[tuple(rest)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)
