"""How the dimensions of an array make planes: which stack them, which are rows, columns and channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from napari_sam.errors import FileFormatError

CHANNEL_AXES = "CS"
_FEW_CHANNELS = 4

Selection = tuple[int | slice, ...]


@dataclass(frozen=True)
class Layout:
    """Axes, lengths and pixel size of an image, without its pixels.

    Attributes
    ----------
    axes : str
        One letter per dimension: Y and X once each, C and S for channels, anything else stacks planes.
    shape : tuple of int
    scale : tuple of float, optional
        Size of a pixel along each dimension, 1 along channels.
    unit : str, optional
        Unit of the scale of Y and X.

    Raises
    ------
    FileFormatError
        If there is no Y or X, or the lengths do not fit.
    """

    axes: str
    shape: tuple[int, ...]
    scale: tuple[float, ...] | None = None
    unit: str | None = None

    def __post_init__(self) -> None:
        if self.axes.count("Y") != 1 or self.axes.count("X") != 1 or len(self.axes) != len(self.shape):
            raise FileFormatError(f"There is no image plane: the axes are {self.axes!r}, the shape {self.shape}.")
        if 0 in self.shape:
            raise FileFormatError(f"The image is empty: its shape is {self.shape}.")
        if self.scale is not None and len(self.scale) != len(self.shape):
            raise FileFormatError(f"The pixel size {self.scale} does not fit an image of shape {self.shape}.")

    @property
    def stack_dims(self) -> tuple[int, ...]:
        """Indices of the dimensions that stack planes."""
        return tuple(i for i, letter in enumerate(self.axes) if letter not in "YX" + CHANNEL_AXES)

    @property
    def stack_axes(self) -> str:
        """Letters of the dimensions that stack planes."""
        return "".join(self.axes[i] for i in self.stack_dims)

    @property
    def stack_shape(self) -> tuple[int, ...]:
        """Lengths of the dimensions that stack planes."""
        return tuple(self.shape[i] for i in self.stack_dims)

    @property
    def plane_hw(self) -> tuple[int, int]:
        """Height and width of a plane."""
        return self.shape[self.axes.index("Y")], self.shape[self.axes.index("X")]

    def select(self, plane: Sequence[int], rows: slice | None, columns: slice | None) -> Selection:
        """Return an index into the array for a plane, or a window of it: integers along the dimensions that stack.

        Raises
        ------
        FileFormatError
            If there is no such plane, or the window has no pixel.
        """
        lengths = self.stack_shape
        if len(plane) != len(lengths) or any(not 0 <= i < n for i, n in zip(plane, lengths, strict=True)):
            names = "".join(self.stack_axes)
            wanted = f"one index for each of {names} (lengths {list(lengths)})" if names else "no plane: there is one"
            raise FileFormatError(f"there is no plane {tuple(plane)}; choose {wanted}.")
        selection: list[int | slice] = [slice(0, n) for n in self.shape]
        for dim, index in zip(self.stack_dims, plane, strict=True):
            selection[dim] = int(index)
        for letter, window in (("Y", rows), ("X", columns)):
            dim = self.axes.index(letter)
            selection[dim] = _window(window, self.shape[dim])
        return tuple(selection)

    def arrange(self, block: NDArray[Any]) -> NDArray[Any]:
        """Order what :meth:`select` selected as (h, w) or (h, w, channels), in the byte order of this machine."""
        kept = [letter for i, letter in enumerate(self.axes) if i not in self.stack_dims]
        channels = [i for i, letter in enumerate(kept) if letter in CHANNEL_AXES]
        block = block.transpose([kept.index("Y"), kept.index("X"), *channels])
        count = math.prod(block.shape[2:])
        block = block.reshape(*block.shape[:2], count) if count > 1 else block.reshape(block.shape[:2])
        return block.astype(block.dtype.newbyteorder("="), copy=False)


def guess_axes(shape: Sequence[int]) -> str:
    """Name the dimensions of an array nobody described.

    The last ones of "TZYX"; where the last is short (up to 4) and the two before are not, it holds channels.

    Raises
    ------
    FileFormatError
        If there are fewer than two dimensions, or more than can be named.
    """
    colour = len(shape) > 2 and shape[-1] <= _FEW_CHANNELS < min(shape[-3:-1])
    spatial = len(shape) - colour
    names = "QPTZYX"
    if not 2 <= spatial <= len(names):
        raise FileFormatError(f"An array of shape {tuple(shape)} is not an image or a stack of images.")
    return names[-spatial:] + "S" * colour


def _window(window: slice | None, length: int) -> slice:
    start, stop, step = (window or slice(None)).indices(length)
    if step != 1 or stop <= start:
        raise FileFormatError(f"{window} is not a window of {length} pixels.")
    return slice(start, stop)
