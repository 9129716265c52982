"""Drawing the live proposal: only the rectangle that changes is written, and only that is drawn again.

A full refresh of a label layer slices the plane again, makes a thumbnail and hands the whole plane to OpenGL; with a
proposal per click, and per candidate looked at, that is most of what the window would be busy with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import ImageError

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_sam.gui.compute.candidates import Piece
    from napari_sam.gui.view.image_view import ImageView
    from napari_sam.gui.view.planes import Plane

Rectangle = tuple[int, int, int, int]
"""Top, left, bottom, right; the last two are one past the end."""


def write_proposal(layer: Labels, plane: Plane, piece: Piece | int, view: ImageView) -> None:
    """Show a proposal on its plane in place of all that is there; 0 clears it.

    The layer's own undo history is not involved. What the user painted into the proposal counts as there.

    Parameters
    ----------
    layer : Labels
        The proposal layer.
    plane : Plane
        Where the proposal belongs, shown or not.
    piece : Piece or int
        The proposal, or 0.
    view : ImageView
        What the viewer shows of the image.
    """
    present = np.asarray(layer.data[plane.slicer])
    rectangle = _around(_bounds(present), _bounds_of(piece))
    if rectangle is None:
        return
    top, left, bottom, right = rectangle
    wanted = np.zeros((bottom - top, right - left), layer.data.dtype)
    if not isinstance(piece, int) and piece.labels.size:
        (row, column), (height, width) = piece.top_left, piece.labels.shape
        wanted[row - top : row - top + height, column - left : column - left + width] = piece.labels
    if np.array_equal(present[top:bottom, left:right], wanted):
        return
    layer.data[within(plane, rectangle)] = wanted
    _redraw(layer, plane, rectangle, wanted, view)


def within(plane: Plane, rectangle: Rectangle) -> tuple[int | slice, ...]:
    """Return the index that cuts a rectangle of a plane out of an array of the image's shape."""
    top, left, bottom, right = rectangle
    where = list(plane.slicer)
    where[plane.axes[0]], where[plane.axes[1]] = slice(top, bottom), slice(left, right)
    return tuple(where)


def _redraw(layer: Labels, plane: Plane, rectangle: Rectangle, labels: NDArray[Any], view: ImageView) -> None:
    try:
        if view.plane() != plane:
            return  # read from the data when it is shown
    except ImageError:  # a volume, for example
        layer.refresh(extent=False)
        return
    if layer.visible and not view.is_transposed and _is_drawn_as_it_is(layer):
        # napari's own event for a part of a label layer that was painted. The layer's slice is a view of the data.
        layer.events.labels_update(data=labels, offset=rectangle[:2])
    else:
        layer.refresh(extent=False)


def _is_drawn_as_it_is(layer: Labels) -> bool:
    """Whether the layer hands its pixels to OpenGL unchanged, so that nobody keeps a changed copy of them."""
    return isinstance(layer.data, np.ndarray) and layer.data.dtype.itemsize <= 2 and layer.contour == 0


def _bounds_of(piece: Piece | int) -> Rectangle | None:
    if isinstance(piece, int) or piece.labels.size == 0:
        return None
    (top, left), (height, width) = piece.top_left, piece.labels.shape
    return top, left, top + height, left + width


def _bounds(labels: NDArray[Any]) -> Rectangle | None:
    """Return the rectangle of all that is not 0, or None."""
    rows = np.flatnonzero(labels.any(axis=1))
    if len(rows) == 0:
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(labels[top:bottom].any(axis=0))
    return top, int(columns[0]), bottom, int(columns[-1]) + 1


def _around(one: Rectangle | None, other: Rectangle | None) -> Rectangle | None:
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])
