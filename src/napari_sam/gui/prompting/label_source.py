"""Objects of any Labels layer as mask prompts: found under the cursor, brought onto the shown plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pint
from napari.layers import Labels
from numpy.typing import NDArray

from napari_sam.errors import PromptError
from napari_sam.geometry.masks import PlaneMask, trimmed
from napari_sam.gui.layers import OBJECTS, role_of
from napari_sam.gui.prompting.masks import MaskPrompt
from napari_sam.gui.view.planes import Plane

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

# Planes up to this size are looked through at once; in larger ones the object is searched around the cursor.
PIXELS_AT_ONCE = 2**26
FIRST_WINDOW = 1024


@dataclass(frozen=True, eq=False)
class Cut:
    """Two axes of an array, read in windows.

    Attributes
    ----------
    array : array-like
        All of it.
    index : tuple of int or None
        Position along every axis, None for the two that are left.
    """

    array: Any
    index: tuple[int | None, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        rows, columns = (length for length, at in zip(self.array.shape, self.index, strict=True) if at is None)
        return int(rows), int(columns)

    def read(self, rows: slice, columns: slice) -> NDArray[Any]:
        """Return a window."""
        windows = iter((rows, columns))
        return np.asarray(self.array[tuple(next(windows) if at is None else at for at in self.index)])


@dataclass(frozen=True, eq=False)
class LabelPlane:
    """The plane of a Labels layer that lies where a plane of an image is shown.

    Attributes
    ----------
    data : Cut
        The labels, not read yet.
    matrix, offset : ndarray, shape (2, 2) and (2,)
        ``matrix @ (row, column) + offset`` goes from pixels of the image's plane to pixels of the labels.
    """

    data: Cut
    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]

    def mask(self, label: int, shape_hw: tuple[int, int], start_yx: NDArray[np.float64] | None) -> PlaneMask | None:
        """Return a label's pixels in the image's plane of this shape; None where it has none.

        ``start_yx`` is a pixel of the labels to begin with where the plane is too large to be read at once.
        """
        found = _find(self.data, label, start_yx)
        if found is None:
            return None
        whole = np.round(self.offset)
        if np.array_equal(self.matrix, np.eye(2)) and np.allclose(self.offset, whole, atol=1e-6):
            moved = found.shifted(-int(whole[0]), -int(whole[1]))
            return trimmed(_clipped(moved, shape_hw))
        return self._resampled(found, shape_hw)

    def _resampled(self, found: PlaneMask, shape_hw: tuple[int, int]) -> PlaneMask | None:
        top, left, bottom, right = found.bounds
        corners = np.array([[row, column] for row in (top - 0.5, bottom + 0.5) for column in (left - 0.5, right + 0.5)])
        there = (corners - self.offset) @ np.linalg.inv(self.matrix).T
        low = np.clip(np.floor(there.min(axis=0)), 0, shape_hw).astype(int)
        high = np.clip(np.ceil(there.max(axis=0)) + 1, 0, shape_hw).astype(int)
        if (high <= low).any():
            return None
        shape = int(high[0] - low[0]), int(high[1] - low[1])
        grid = np.moveaxis(np.indices(shape, np.float64), 0, -1).reshape(-1, 2) + low
        held = found.holds(grid @ self.matrix.T + self.offset).reshape(shape)
        return trimmed(PlaneMask((int(low[0]), int(low[1])), held))


def mask_from_label(viewer: ViewerModel, image: Image, plane: Plane, layer: Labels, label: int) -> MaskPrompt:
    """Return an object of a Labels layer as a mask prompt on the shown plane of an image.

    Raises
    ------
    PromptError
        If the layer has nothing there, lies at an angle, or the label is not on this plane.
    """
    if label == 0:
        raise PromptError("0 is the background: choose a label of 1 or more.")
    cut = label_plane(viewer, image, plane, layer)
    start = np.asarray(layer.world_to_data(viewer.cursor.position), np.float64)
    in_cut = start[[axis for axis, at in enumerate(cut.data.index) if at is None]]
    mask = cut.mask(label, plane.shape_hw, in_cut)
    if mask is None:
        raise PromptError(f"Label {label} of '{layer.name}' is not on the slice shown: go to a slice that has it.")
    return MaskPrompt(plane, mask.top_left, mask.mask, source=f"label {label} of '{layer.name}'")


def choose_label(viewer: ViewerModel, layer: Labels | None, label: int | None) -> tuple[Labels, int]:
    """Return which label is meant: the given one, else the one under the cursor, else the selected one.

    Raises
    ------
    PromptError
        If there is none.
    """
    candidates = [layer] if layer is not None else [one for one in reversed(viewer.layers) if _is_source(one)]
    if label is not None and candidates:
        active = viewer.layers.selection.active
        return (active if active in candidates else candidates[0]), label
    for one in candidates:
        under = one.get_value(viewer.cursor.position, world=True)
        if under is not None and int(under) > 0:
            return one, int(under)
    chosen = layer if layer is not None else viewer.layers.selection.active
    if isinstance(chosen, Labels) and chosen in candidates and chosen.selected_label > 0:
        return chosen, int(chosen.selected_label)
    raise PromptError("No label is meant: put the mouse over an object of a visible Labels layer, or select its layer.")


def label_plane(viewer: ViewerModel, image: Image, plane: Plane, layer: Labels) -> LabelPlane:
    """Return the part of a Labels layer where a plane of an image is shown.

    Raises
    ------
    PromptError
        If the layer has no plane there.
    """
    array = layer.data[0] if layer.multiscale else layer.data
    height, width = plane.shape_hw
    ends = _to_layer(viewer, image, layer, plane.to_data([[0, 0], [height, 0], [0, width]]))
    origin, down, right = ends[0], (ends[1] - ends[0]) / height, (ends[2] - ends[0]) / width
    reach = np.maximum(np.abs(down) * (height - 1), np.abs(right) * (width - 1))
    spanning = [axis for axis in range(layer.ndim) if reach[axis] >= 0.5]
    matrix = np.stack([down, right], axis=1)[spanning]
    if len(spanning) != 2 or abs(np.linalg.det(matrix)) < 1e-9:
        raise PromptError(f"'{layer.name}' lies at an angle to the slice shown: resample it first.")
    at = np.round(origin).astype(int)
    for axis in range(layer.ndim):
        if axis not in spanning and not 0 <= at[axis] < array.shape[axis]:
            raise PromptError(f"'{layer.name}' does not reach the slice shown: it has nothing at this position.")
    index = tuple(None if axis in spanning else int(at[axis]) for axis in range(layer.ndim))
    return LabelPlane(Cut(array, index), np.round(matrix, 9), origin[spanning])


def _is_source(layer: Any) -> bool:
    return isinstance(layer, Labels) and layer.visible and role_of(layer) in (None, OBJECTS)


def _to_layer(viewer: ViewerModel, image: Image, layer: Labels, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return data coordinates of a layer for data coordinates of an image; further axes are where the viewer is."""
    world = np.tile(np.asarray(viewer.dims.point, np.float64), (len(points), 1))
    world[:, -image.ndim :] = [image.data_to_world(point) for point in points]
    shared = min(image.ndim, layer.ndim)
    world[:, -shared:] *= _unit_factors(image.units[-shared:], layer.units[-shared:])
    return np.array([layer.world_to_data(row) for row in world], np.float64)


def _unit_factors(ours: Sequence[Any], theirs: Sequence[Any]) -> NDArray[np.float64]:
    registry = pint.get_application_registry()
    factors = []
    for mine, other in zip(ours, theirs, strict=True):
        (here, base), (there, other_base) = registry.get_base_units(mine), registry.get_base_units(other)
        # Pixels against micrometres say nothing: both are taken as they are, as napari draws them.
        factors.append(here / there if base == other_base else 1.0)
    return np.array(factors, np.float64)


def _find(data: Cut, label: int, start_yx: NDArray[np.float64] | None) -> PlaneMask | None:
    height, width = data.shape
    inside = start_yx is not None and bool(((start_yx >= 0) & (start_yx < data.shape)).all())
    if start_yx is None or not inside or height * width <= PIXELS_AT_ONCE:
        return trimmed(PlaneMask((0, 0), data.read(slice(0, height), slice(0, width)) == label))
    row, column = (int(at) for at in start_yx)
    half = FIRST_WINDOW // 2
    while True:
        top, left, bottom, right = max(row - half, 0), max(column - half, 0), row + half, column + half
        found = trimmed(PlaneMask((top, left), data.read(slice(top, bottom), slice(left, right)) == label))
        if found is None or _is_free(found, (top, left, bottom, right), data.shape):
            return found
        half *= 2


def _is_free(found: PlaneMask, window: tuple[int, int, int, int], shape_hw: tuple[int, int]) -> bool:
    """Return whether a mask stays clear of those borders of the window that are not borders of the plane."""
    top, left, bottom, right = found.bounds
    clear_above, clear_left = top > window[0] or window[0] == 0, left > window[1] or window[1] == 0
    clear_below = bottom < window[2] - 1 or window[2] >= shape_hw[0]
    return clear_above and clear_left and clear_below and (right < window[3] - 1 or window[3] >= shape_hw[1])


def _clipped(mask: PlaneMask, shape_hw: tuple[int, int]) -> PlaneMask:
    top, left, bottom, right = mask.bounds
    rows = slice(max(-top, 0), max(mask.mask.shape[0] - max(bottom - shape_hw[0] + 1, 0), 0))
    columns = slice(max(-left, 0), max(mask.mask.shape[1] - max(right - shape_hw[1] + 1, 0), 0))
    return PlaneMask((top + rows.start, left + columns.start), mask.mask[rows, columns])
