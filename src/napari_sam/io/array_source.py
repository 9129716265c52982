"""Arrays as image sources: numpy, dask, zarr, memory-mapped, anything that can be sliced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import FileFormatError
from napari_sam.io.layout import Layout, Selection, guess_axes
from napari_sam.io.lazy_source import LazySource
from napari_sam.io.source import ImageSource


def array_source(
    array: Any,
    axes: str | None = None,
    name: str = "",
    scale: Sequence[float] | None = None,
    unit: str | None = None,
) -> ImageSource:
    """Make an image source of an array.

    Parameters
    ----------
    array : array-like
        Numpy, or anything lazy with ``shape``, ``dtype`` and slicing (dask, zarr, h5py): only what is asked for is
        loaded.
    axes : str, optional
        One letter per dimension. Left out: the last ones of "TZYX", where a short last dimension (up to 4) behind two
        longer ones holds channels.
    name : str
        For messages.
    scale : sequence of float, optional
        Size of a pixel along each dimension.
    unit : str, optional
        Unit of the scale of Y and X.

    Raises
    ------
    FileFormatError
        If the axes do not fit, or the array is empty or does not hold real numbers.
    """
    if not (hasattr(array, "shape") and hasattr(array, "dtype")):
        array = np.asarray(array)
    shape = tuple(int(n) for n in array.shape)
    name = name or "the array"
    try:
        letters = guess_axes(shape) if axes is None else axes.upper()
        layout = Layout(letters, shape, None if scale is None else tuple(float(step) for step in scale), unit)
    except FileFormatError as error:
        raise FileFormatError(f"{name}: {error}") from error
    return ArraySource(array, name, layout)


class ArraySource(LazySource):
    """An image source that slices an array; see :func:`array_source`."""

    def __init__(self, array: Any, name: str, layout: Layout) -> None:
        super().__init__(name, layout, array.dtype)
        self._array = array

    def _load(self, selection: Selection) -> NDArray[Any]:
        part = self._array[selection]
        if hasattr(part, "compute"):  # dask: one thread is enough for a plane, and does not compete with the model's
            part = part.compute(scheduler="synchronous")
        return np.array(part)

    def close(self) -> None:
        """Let go of the array."""
        self._array = np.zeros((0,) * len(self.shape), self.dtype)
