"""Label pixels that one step changed: they can be written, taken back and written again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.gui.view.planes import Plane

if TYPE_CHECKING:
    from napari.layers import Labels


@dataclass(frozen=True, eq=False)
class LabelPatch:
    """Pixels of a label array that one step changed.

    Attributes
    ----------
    indices : tuple of ndarray of int32
        Position of every changed pixel, one array per axis.
    old, new : ndarray of uint32, shape (N,)
        Value of every pixel before and after; 0 is background.
    fresh : tuple of int
        Ids that no pixel of the layer had before.
    """

    indices: tuple[NDArray[np.int32], ...]
    old: NDArray[np.uint32]
    new: NDArray[np.uint32]
    fresh: tuple[int, ...] = ()

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of the objects that gain pixels."""
        return distinct(self.new)

    @property
    def nbytes(self) -> int:
        """Memory it takes; a constant array takes none."""
        arrays = (*self.indices, self.old, self.new)
        return sum(array.itemsize if array.strides == (0,) else int(array.nbytes) for array in arrays)


def distinct(values: NDArray[Any]) -> tuple[int, ...]:
    """Return the values other than 0, ascending; without sorting where they lie close together, as ids do."""
    if len(values) == 0:
        return ()
    low, high = int(values.min()), int(values.max())
    if low == high:
        return (low,) if low else ()
    if high - low <= 4 * len(values):
        seen = np.zeros(high - low + 1, bool)
        seen[values - values.dtype.type(low)] = True
        found = np.flatnonzero(seen) + low
    else:
        found = np.unique(values)
    return tuple(int(value) for value in found if value)


def window(plane: Plane, top_left: tuple[int, int], shape_hw: tuple[int, ...]) -> tuple[int | slice, ...]:
    """Return the index that cuts a rectangle of a plane out of an array of the image's shape."""
    index = list(plane.slicer)
    for axis, start, length in zip(plane.axes, top_left, shape_hw, strict=True):
        index[axis] = slice(start, start + length)
    return tuple(index)


def bounding_box(mask: NDArray[Any]) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return (row, column) of the first pixel and the shape of the smallest rectangle around what is not zero."""
    if mask.size == 0:
        return None
    # The maximum is several times faster than any(), which converts first.
    rows, columns = np.flatnonzero(mask.max(axis=1)), np.flatnonzero(mask.max(axis=0))
    if len(rows) == 0:
        return None
    top, left = int(rows[0]), int(columns[0])
    return (top, left), (int(rows[-1]) + 1 - top, int(columns[-1]) + 1 - left)


def plane_patch(
    plane: Plane,
    top_left: tuple[int, int],
    existing: NDArray[Any],
    target: NDArray[Any],
    fresh: Sequence[int] = (),
) -> LabelPatch | None:
    """Return the patch that makes a rectangle of a plane hold ``target``; None where it does already.

    Parameters
    ----------
    plane : Plane
        Where the rectangle lies in the image.
    top_left : tuple of int
        (row, column) of its first pixel.
    existing, target : ndarray of int, shape (h, w)
        What it holds and what it shall hold.
    fresh : sequence of int
        Ids that are new.
    """
    changed = existing != target
    rows, columns = np.nonzero(changed)
    if len(rows) == 0:
        return None
    old, new = existing[changed], target[changed]
    indices: list[NDArray[np.int32]] = [np.empty(0, np.int32)] * plane.ndim
    for axis, position in zip(plane.other_axes, plane.index, strict=True):
        indices[axis] = np.broadcast_to(np.int32(position), len(rows))
    for axis, start, values in zip(plane.axes, top_left, (rows, columns), strict=True):
        indices[axis] = (values + start).astype(np.int32)
    return LabelPatch(tuple(indices), _compact(old), _compact(new), tuple(fresh))


def joined_patches(patches: Sequence[LabelPatch]) -> LabelPatch | None:
    """Return one patch for the pixels of several that do not share any; None of none."""
    if len(patches) <= 1:
        return patches[0] if patches else None
    return LabelPatch(
        tuple(np.concatenate(axis) for axis in zip(*(patch.indices for patch in patches), strict=True)),
        _compact(np.concatenate([patch.old for patch in patches])),
        _compact(np.concatenate([patch.new for patch in patches])),
        tuple(new for patch in patches for new in patch.fresh),
    )


def apply_patch(layer: Labels, patch: LabelPatch) -> int:
    """Write a patch where the pixels still have their old value; return how many could not be written."""
    return _rewrite(layer, patch.indices, patch.old, patch.new)


def revert_patch(layer: Labels, patch: LabelPatch) -> int:
    """Take a patch back; pixels that were painted over by hand since then stay as they are, and are counted."""
    return _rewrite(layer, patch.indices, patch.new, patch.old)


def _compact(values: NDArray[Any]) -> NDArray[np.uint32]:
    if len(values) and (values == values[0]).all():
        return np.broadcast_to(values[0].astype(np.uint32), len(values))
    return values.astype(np.uint32)


def _rewrite(
    layer: Labels, indices: tuple[NDArray[np.int32], ...], expected: NDArray[np.uint32], value: NDArray[np.uint32]
) -> int:
    if not _fit(layer, indices):
        return len(expected)
    # data_setitem and not an assignment of .data: napari's own undo history of the layer stays consistent.
    current = np.asarray(layer.data[indices])
    untouched = current == expected.astype(current.dtype)
    missed = len(expected) - int(np.count_nonzero(untouched))
    if missed == len(expected):
        return missed
    if missed:
        indices, value = tuple(axis[untouched] for axis in indices), value[untouched]
    with layer.block_history():
        layer.data_setitem(indices, value.astype(current.dtype))
    return missed


def _fit(layer: Labels, indices: tuple[NDArray[np.int32], ...]) -> bool:
    """Return whether the pixels exist at all: the array may have been replaced by one of another shape."""
    shape = layer.data.shape
    return len(shape) == len(indices) and all(
        len(axis) == 0 or int(axis.max()) < length for axis, length in zip(indices, shape, strict=True)
    )
