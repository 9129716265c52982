"""Where an object is: on the shown plane, under the cursor, and on other planes, without reading a whole volume."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.gui.objects.patches import bounding_box, window
from napari_sam.gui.view.planes import Plane

if TYPE_CHECKING:
    from napari.layers import Labels

# Pixels looked through at most for one command: about a tenth of a second in memory, and of lazy chunks.
IN_MEMORY_PIXELS = 2**28
LAZY_PIXELS = 2**25
FIRST_WINDOW = 256


@dataclass(frozen=True, eq=False)
class Region:
    """The pixels of one object on one plane.

    Attributes
    ----------
    id : int
        Its label.
    plane : Plane
    top_left : tuple of int
        (row, column) of the first pixel of ``mask`` in the plane.
    mask : ndarray of bool, shape (h, w)
        Its pixels in the smallest rectangle around them.
    """

    id: int
    plane: Plane
    top_left: tuple[int, int]
    mask: NDArray[np.bool_]

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the rectangle, (row, column) in the plane."""
        (top, left), (height, width) = self.top_left, self.mask.shape
        return top + (height - 1) / 2, left + (width - 1) / 2


@dataclass(frozen=True, eq=False)
class Found:
    """An object on every plane it was found on.

    Attributes
    ----------
    regions : tuple of Region
        One per plane.
    everywhere : bool
        Whether all planes were looked at; else only those the object was known to be on, and their neighbours.
    """

    regions: tuple[Region, ...]
    everywhere: bool


def label_at(layer: Labels, plane: Plane, world: Sequence[float]) -> tuple[int, tuple[int, int]]:
    """Return the label under a position in world coordinates and its pixel (row, column); 0 outside the plane."""
    position = np.asarray(layer.world_to_data(world), np.float64)
    if position.shape != (plane.ndim,) or not np.isfinite(position).all():
        return 0, (0, 0)
    row, column = (round(float(position[axis])) for axis in plane.axes)
    if not (0 <= row < plane.shape_hw[0] and 0 <= column < plane.shape_hw[1]):
        return 0, (0, 0)
    pixel = layer.data[window(plane, (row, column), (1, 1))]
    return int(np.asarray(pixel).ravel()[0]), (row, column)


def region_of(layer: Labels, plane: Plane, label: int) -> Region | None:
    """Return all pixels of a label on a plane, or None where there is none."""
    if label > np.iinfo(layer.data.dtype).max:
        return None
    return _region(np.asarray(layer.data[plane.slicer]) == label, (0, 0), plane, label)


def piece_at(layer: Labels, plane: Plane, pixel: tuple[int, int]) -> Region | None:
    """Return the connected pixels of one label around a pixel of a plane; None on background.

    The window that is looked at grows until the piece fits into it.
    """
    from scipy import ndimage

    half = FIRST_WINDOW
    while True:
        top_left = tuple(max(at - half, 0) for at in pixel)
        bottom_right = tuple(min(at + half, length) for at, length in zip(pixel, plane.shape_hw, strict=True))
        shape = (bottom_right[0] - top_left[0], bottom_right[1] - top_left[1])
        cut = np.asarray(layer.data[window(plane, (top_left[0], top_left[1]), shape)])
        seed = (pixel[0] - top_left[0], pixel[1] - top_left[1])
        label = int(cut[seed])
        if label == 0:
            return None
        numbers, _ = ndimage.label(cut == label, structure=np.ones((3, 3)))
        region = _region(numbers == numbers[seed], (top_left[0], top_left[1]), plane, label)
        if region is None or _is_inside(region, top_left, bottom_right, plane.shape_hw):
            return region
        half *= 2


def find_everywhere(layer: Labels, shown: Plane, label: int, known: Iterable[Plane] = ()) -> Found:
    """Return an object on all its planes.

    Parameters
    ----------
    layer : Labels
        Where to look.
    shown : Plane
        A plane of the orientation wanted; looked at first.
    label : int
        Id of the object.
    known : iterable of Plane
        Planes it has been committed on.

    Returns
    -------
    Found
        Small arrays are looked through as a whole. In others the object is followed from plane to neighbouring plane,
        from the shown and the known ones, so that no volume is read.
    """
    data = layer.data
    if label > np.iinfo(data.dtype).max:
        return Found((), True)
    starts = [shown, *(plane for plane in known if plane.axes == shown.axes and plane.shape_hw == shown.shape_hw)]
    in_memory = isinstance(data, np.ndarray)
    if shown.ndim == 2 or (in_memory and data.size <= IN_MEMORY_PIXELS):
        planes: Iterator[Plane] = (replace(shown, index=index) for index in np.ndindex(*_other_shape(data, shown)))
        found = (region_of(layer, plane, label) for plane in planes)
        return Found(tuple(region for region in found if region is not None), True)
    return _followed(layer, starts, label, IN_MEMORY_PIXELS if in_memory else LAZY_PIXELS)


def _followed(layer: Labels, starts: Sequence[Plane], label: int, pixels: int) -> Found:
    lengths = _other_shape(layer.data, starts[0])
    left = max(pixels // (starts[0].shape_hw[0] * starts[0].shape_hw[1]), 3 * len(starts))
    waiting, seen = deque(starts), set(starts)
    regions: list[Region] = []
    while waiting and left > 0:
        plane = waiting.popleft()
        left -= 1
        region = region_of(layer, plane, label)
        if region is None:
            continue
        regions.append(region)
        for neighbour in _neighbours(plane, lengths):
            if neighbour not in seen:
                seen.add(neighbour)
                waiting.append(neighbour)
    return Found(tuple(regions), False)


def _neighbours(plane: Plane, lengths: Sequence[int]) -> Iterator[Plane]:
    for position, length in enumerate(lengths):
        for step in (-1, 1):
            at = plane.index[position] + step
            if 0 <= at < length:
                yield replace(plane, index=(*plane.index[:position], at, *plane.index[position + 1 :]))


def _other_shape(data: Any, plane: Plane) -> tuple[int, ...]:
    return tuple(int(data.shape[axis]) for axis in plane.other_axes)


def _region(mask: NDArray[np.bool_], offset: tuple[int, int], plane: Plane, label: int) -> Region | None:
    box = bounding_box(mask)
    if box is None:
        return None
    (top, left), (height, width) = box
    cut = mask[top : top + height, left : left + width].copy()
    return Region(label, plane, (offset[0] + top, offset[1] + left), cut)


def _is_inside(region: Region, top_left: Sequence[int], bottom_right: Sequence[int], shape_hw: tuple[int, int]) -> bool:
    for axis in range(2):
        first, last = region.top_left[axis], region.top_left[axis] + region.mask.shape[axis]
        if (first == top_left[axis] and first > 0) or (last == bottom_right[axis] and last < shape_hw[axis]):
            return False
    return True
