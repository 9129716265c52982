"""An image of any number of dimensions, read one plane (or a part of one) at a time."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray


class ImageSource(Protocol):
    """Where planes come from: a file, a folder of chunks, or an array (numpy, dask, zarr, memory-mapped).

    Axes are letters: Y and X, C or S for channels (S: the samples of an RGB picture), anything else (T, Z, P, Q ...)
    stacks planes. Nothing is read before :meth:`read`, and then only what is asked for, as far as the format allows.
    """

    @property
    def name(self) -> str:
        """A few words for messages: the path, or the name of the layer."""

    @property
    def axes(self) -> str:
        """Letter of each dimension, in the order of the file or array."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension."""

    @property
    def dtype(self) -> Any:
        """Numpy dtype of the values."""

    @property
    def scale(self) -> tuple[float, ...] | None:
        """Size of a pixel along each dimension (1 along channels), or None where nobody said."""

    @property
    def unit(self) -> str | None:
        """Unit of the scale of Y and X, such as "um"."""

    @property
    def stack_axes(self) -> str:
        """Letters of the dimensions that stack planes, in order: those of the labels are these and then "YX"."""

    @property
    def stack_shape(self) -> tuple[int, ...]:
        """Lengths of the dimensions that stack planes; () for a single plane."""

    @property
    def plane_hw(self) -> tuple[int, int]:
        """Height and width of a plane."""

    def read(self, plane: tuple[int, ...], rows: slice | None = None, columns: slice | None = None) -> NDArray[Any]:
        """Read a plane or a window of it.

        Parameters
        ----------
        plane : tuple of int
            An index for each of ``stack_axes``.
        rows, columns : slice, optional
            The window; everything when left out.

        Returns
        -------
        ndarray, shape (h, w) or (h, w, channels)

        Raises
        ------
        FileFormatError
            If the file is damaged there.
        """

    def close(self) -> None:
        """Close the file; an array has nothing to close."""
