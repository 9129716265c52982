"""What all image sources have in common: axes, windows, errors that name the file and the plane."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import FileFormatError
from napari_sam.io.damage import reading
from napari_sam.io.layout import Layout, Selection


class LazySource(ABC):
    """Base of every :class:`~napari_sam.io.source.ImageSource`: formats add how a part of the array is loaded.

    Parameters
    ----------
    name : str
        For messages: the path, or the name of a layer.
    layout : Layout
    dtype : dtype
    """

    def __init__(self, name: str, layout: Layout, dtype: Any) -> None:
        self.name = name
        self.layout = layout
        self.dtype = np.dtype(dtype).newbyteorder("=")
        if self.dtype.kind not in "buif":
            raise FileFormatError(f"{name} holds values of type {self.dtype}; an image has real numbers.")

    @property
    def axes(self) -> str:
        """Letter of each dimension."""
        return self.layout.axes

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension."""
        return self.layout.shape

    @property
    def scale(self) -> tuple[float, ...] | None:
        """Size of a pixel along each dimension, or None."""
        return self.layout.scale

    @property
    def unit(self) -> str | None:
        """Unit of the scale of Y and X, or None."""
        return self.layout.unit

    @property
    def stack_axes(self) -> str:
        """Letters of the dimensions that stack planes."""
        return self.layout.stack_axes

    @property
    def stack_shape(self) -> tuple[int, ...]:
        """Lengths of the dimensions that stack planes."""
        return self.layout.stack_shape

    @property
    def plane_hw(self) -> tuple[int, int]:
        """Height and width of a plane."""
        return self.layout.plane_hw

    def read(self, plane: tuple[int, ...], rows: slice | None = None, columns: slice | None = None) -> NDArray[Any]:
        """Read a plane or a window of it; see :meth:`napari_sam.io.source.ImageSource.read`."""
        try:
            selection = self.layout.select(plane, rows, columns)
        except FileFormatError as error:
            raise FileFormatError(f"{self.name}: {error}") from error
        with reading(self.name, f"plane {tuple(plane)}" if plane else ""):
            return self.layout.arrange(self._load(selection))

    @abstractmethod
    def close(self) -> None:
        """Close the file; nothing can be read any more."""

    @abstractmethod
    def _load(self, selection: Selection) -> NDArray[Any]:
        """Load a part of the array, without the dimensions that are selected by an integer."""
