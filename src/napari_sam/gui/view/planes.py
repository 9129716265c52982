"""Which two-dimensional plane of an image the viewer shows, and the way between its pixels and the layer's data.

A plane is cut out of the full-resolution data in the order of the data's own axes, whatever way round the viewer
displays them: transposing the display needs no new embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pint
from numpy.typing import ArrayLike, NDArray

from napari_sam.errors import ImageError

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image


@dataclass(frozen=True)
class Plane:
    """One displayed plane of an n-dimensional image.

    Attributes
    ----------
    axes : tuple of int
        The two data axes that span the plane, ascending: rows, columns.
    index : tuple of int
        Position along each of the other axes, in axis order.
    shape_hw : tuple of int
        Height and width in pixels.
    """

    axes: tuple[int, int]
    index: tuple[int, ...]
    shape_hw: tuple[int, int]

    @property
    def ndim(self) -> int:
        """Number of axes of the image this plane is cut from."""
        return len(self.index) + 2

    @property
    def other_axes(self) -> tuple[int, ...]:
        """The axes that do not lie in the plane, ascending."""
        return tuple(axis for axis in range(self.ndim) if axis not in self.axes)

    @property
    def slicer(self) -> tuple[int | slice, ...]:
        """Index that cuts the plane out of an array of the image's shape."""
        selection: list[int | slice] = [slice(None)] * self.ndim
        for axis, position in zip(self.other_axes, self.index, strict=True):
            selection[axis] = position
        return tuple(selection)

    def contains(self, coordinates: ArrayLike) -> NDArray[np.bool_]:
        """Return which data coordinates, shape (N, ndim), lie on this plane."""
        rows = np.asarray(coordinates, np.float64).reshape(-1, self.ndim)
        return np.asarray((np.round(rows[:, list(self.other_axes)]) == np.asarray(self.index)).all(axis=1))

    def to_plane(self, coordinates: ArrayLike) -> NDArray[np.float64]:
        """Return (row, column) within the plane, shape (N, 2), of data coordinates, shape (N, ndim)."""
        return np.asarray(coordinates, np.float64).reshape(-1, self.ndim)[:, list(self.axes)]

    def to_data(self, points_yx: ArrayLike) -> NDArray[np.float64]:
        """Return data coordinates, shape (N, ndim), of (row, column) within the plane, shape (N, 2)."""
        rows = np.asarray(points_yx, np.float64).reshape(-1, 2)
        data = np.empty((len(rows), self.ndim))
        data[:, list(self.axes)] = rows
        data[:, list(self.other_axes)] = self.index
        return data

    def describe(self, axis_labels: Sequence[str] = ()) -> str:
        """Return a short text for the status line, such as ``z=3``; empty for a two-dimensional image."""
        names = list(axis_labels) if len(axis_labels) == self.ndim else [str(axis) for axis in range(self.ndim)]
        return ", ".join(f"{names[axis]}={at}" for axis, at in zip(self.other_axes, self.index, strict=True))


def full_data(image: Image) -> Any:
    """Return the full-resolution array of an image layer: level 0 of a multiscale one, lazy arrays untouched."""
    return image.data[0] if image.multiscale else image.data


def spatial_shape(image: Image) -> tuple[int, ...]:
    """Return the full-resolution shape of an image layer without the colour axis."""
    shape = tuple(int(length) for length in full_data(image).shape)
    return shape[:-1] if image.rgb else shape


def shown_plane(dims: Dims, image: Image) -> Plane:
    """Return the plane of ``image`` that the viewer shows.

    Parameters
    ----------
    dims : Dims
        ``viewer.dims``; the position is taken from its world point, the axes from its order.
    image : Image
        Image layer, of any number of dimensions from 2.

    Raises
    ------
    ImageError
        If the viewer shows volumes, or a position outside the image, or has fewer axes than the image, which then has
        just been removed; or if the image has fewer than 2 axes.
    """
    shape = spatial_shape(image)
    if dims.ndim < len(shape):
        raise ImageError(f"'{image.name}' is not in the viewer any more.")
    if len(shape) < 2:
        raise ImageError(f"'{image.name}' has {len(shape)} axis; segmenting needs at least two.")
    if dims.ndisplay != 2:
        raise ImageError("The viewer shows a volume: switch to 2D (the cube button below the layer list) to segment.")
    offset = dims.ndim - len(shape)
    order = [axis - offset for axis in dims.order if axis >= offset]
    rows, columns = sorted(order[-2:])
    at = np.round(np.asarray(image.world_to_data(world_point(dims, image)), np.float64))
    others = [axis for axis in range(len(shape)) if axis not in (rows, columns)]
    for axis in others:
        if not 0 <= at[axis] < shape[axis]:
            raise ImageError(
                f"The viewer shows position {at[axis]:.0f} of axis {image.axis_labels[axis]}, outside '{image.name}' "
                f"(0 to {shape[axis] - 1}): move the slider back into the image."
            )
    return Plane((rows, columns), tuple(int(at[axis]) for axis in others), (shape[rows], shape[columns]))


def world_point(dims: Dims, image: Image) -> NDArray[np.float64]:
    """Return the viewer's position along the image's axes in the image's own units; layers may differ in theirs."""
    return np.asarray(dims.point, np.float64)[-len(spatial_shape(image)) :] * axis_factors(dims, image)


def axis_factors(dims: Dims, image: Image) -> NDArray[np.float64]:
    """Return, for each axis of the image, how many of its own units one unit of the viewer is."""
    ndim = len(spatial_shape(image))
    if dims.units is None or len(dims.units) < ndim:
        return np.ones(ndim)
    registry = pint.get_application_registry()
    ours, theirs = image.units, dims.units[-ndim:]
    factors = [registry.get_base_units(a)[0] / registry.get_base_units(b)[0] for a, b in zip(theirs, ours, strict=True)]
    return np.asarray(factors, np.float64)
