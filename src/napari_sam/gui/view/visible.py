"""Which part of a plane is to be seen on the canvas."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.gui.view.planes import Plane, axis_factors, spatial_shape, world_point

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

Visible = tuple[int, int, int, int]
"""Top, left, bottom, right in pixels of the plane; bottom and right are one more than the last."""


def visible_part(viewer: ViewerModel, image: Image, plane: Plane) -> Visible | None:
    """Return the part of a plane that is on the canvas: the smallest upright rectangle of pixels around it.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer that shows the image.
    image : Image
        The image layer; it may be scaled, moved and rotated.
    plane : Plane
        The plane shown.

    Returns
    -------
    tuple of int, or None
        (top, left, bottom, right); None where there is no canvas, or nothing of the plane is on it.
    """
    if getattr(viewer, "window", None) is None or viewer.dims.ndisplay != 2:
        return None
    if viewer.dims.ndim < len(spatial_shape(image)):  # it was just removed
        return None
    corners = np.array([image.world_to_data(corner) for corner in _corners(viewer, image)])
    if not np.isfinite(corners).all():
        return None
    limit = np.asarray(plane.shape_hw)
    on_plane = corners[:, list(plane.axes)]
    low = np.clip(np.floor(on_plane.min(axis=0) + 0.5), 0, limit).astype(int)
    high = np.clip(np.ceil(on_plane.max(axis=0) + 0.5), 0, limit).astype(int)
    if (low >= high).any():
        return None
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _corners(viewer: ViewerModel, image: Image) -> list[Any]:
    """Return the four corners of the canvas as world positions along the image's axes, in the image's own units."""
    camera, size = viewer.scene.camera, np.asarray(viewer.canvas.size, np.float64)
    centre, half = np.asarray(camera.center[-2:], np.float64), size / 2 / camera.zoom
    point = world_point(viewer.dims, image)
    offset = viewer.dims.ndim - len(point)
    factors = axis_factors(viewer.dims, image)
    found = []
    for signs in itertools.product((-1, 1), repeat=2):
        corner = point.copy()
        for axis, at in zip(viewer.dims.displayed, centre + half * np.asarray(signs), strict=True):
            if axis >= offset:
                corner[axis - offset] = at * factors[axis - offset]
        found.append(corner)
    return found
