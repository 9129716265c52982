"""Room for the pixels of a plane: in memory, or in a file where that is too small."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_sam.errors import OutOfMemoryError

_MEMORY_BYTES = 1 << 30
_BAND_PIXELS = 1 << 22


def canvas(hw: tuple[int, int], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array of zeros; from 1 GiB on one that is kept in a temporary file and paged in as it is used.

    Parameters
    ----------
    hw : (int, int)
    dtype : dtype

    Returns
    -------
    ndarray, shape (H, W)
        The file has no name, and goes with the array.

    Raises
    ------
    OutOfMemoryError
        If there is no room for the file in the folder for temporary files.
    """
    size = hw[0] * hw[1] * np.dtype(dtype).itemsize
    if size <= _MEMORY_BYTES:
        return np.zeros(hw, dtype)
    with tempfile.TemporaryFile() as file:
        try:
            _reserve(file.fileno(), size)
        except OSError as error:
            raise OutOfMemoryError(
                f"The labels of a plane of {hw[0]} x {hw[1]} pixels need {size >> 20:,} MiB in "
                f"{tempfile.gettempdir()}: {error.strerror}. Free some space, or set TMPDIR to a folder elsewhere."
            ) from error
        return np.memmap(file, dtype, "r+", shape=hw)


def bands(hw: tuple[int, ...]) -> Iterator[slice]:
    """Yield the rows of a plane in pieces of at most some four million pixels."""
    rows = max(1, _BAND_PIXELS // max(hw[1], 1))
    for top in range(0, hw[0], rows):
        yield slice(top, min(top + rows, hw[0]))


def _reserve(descriptor: int, size: int) -> None:
    """Make a file as long as it has to be, now: a full disk later would end the process, not raise an error."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.truncate(descriptor, size)
