"""The image that is segmented: the plane shown, what the model sees of it, and what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from napari_sam.errors import ImageError
from napari_sam.gui.automatic.export import limits_text
from napari_sam.gui.automatic.layer_source import layer_source
from napari_sam.gui.automatic.results import Results
from napari_sam.gui.qt.connections import Connections
from napari_sam.gui.view.image_view import ImageView
from napari_sam.gui.view.planes import Plane, axis_factors, spatial_shape

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_sam.io.source import ImageSource


class Subject:
    """One image layer, as long as it is the chosen one.

    Parameters
    ----------
    viewer : ViewerModel
    image : Image

    Attributes
    ----------
    looks_changed : Signal()
        Other contrast limits, or other values.
    plane_changed : Signal()
        The viewer shows another plane.
    reshaped : Signal()
        The image has another shape.
    data_changed : Signal()
        The image has other values.
    """

    looks_changed = Signal()
    plane_changed = Signal()
    reshaped = Signal()
    data_changed = Signal()

    def __init__(self, viewer: ViewerModel, image: Image) -> None:
        self.image = image
        self._version = self._run_version = 0
        self._viewer = viewer
        self._view = ImageView(viewer, image)
        self._connections = Connections()
        self._connections.add(self._view.content_changed, self.looks_changed.emit)
        self._connections.add(self._view.plane_changed, self.plane_changed.emit)
        self._connections.add(self._view.reshaped, self.reshaped.emit)
        self._connections.add(image.events.data, self._on_data)
        self.results = Results(viewer.layers, image, self.axes_yx())

    @property
    def pending(self) -> bool:
        """Whether something has not been announced yet."""
        return self._view.pending or self.results.pending

    @property
    def is_outdated(self) -> bool:
        """Whether the image had other values when it was segmented."""
        return self._version != self._run_version

    def note_run(self) -> None:
        """Remember that the image is segmented as it is now."""
        self._run_version = self._version

    def close(self) -> None:
        """Disconnect; the layers stay."""
        self._connections.clear()
        self._view.close()
        self.results.close()

    def plane(self) -> Plane:
        """Return the plane shown; raises ImageError where there is none."""
        return self._view.plane()

    def position(self) -> tuple[int, ...] | None:
        """Return which plane is shown, or None where there is none."""
        try:
            return self._view.plane().index
        except ImageError:
            return None

    def axes_yx(self) -> tuple[int, int]:
        """Return the axes that span the planes: the displayed ones, the last two while a volume is shown."""
        try:
            return self._view.plane().axes
        except ImageError:
            ndim = len(spatial_shape(self.image))
            return ndim - 2, ndim - 1

    def source(self, link: str) -> ImageSource:
        """Return the source of the planes; raises FileFormatError for what cannot be an image."""
        return layer_source(self.image, self.axes_yx(), link)

    def limits(self) -> str | None:
        """Return the contrast limits as the model is to see them."""
        return limits_text(self.image)

    def go_to(self, object_id: int) -> None:
        """Select an object of the result, show its plane and bring it to the middle."""
        results, layer = self.results, self.results.layer
        rows = np.flatnonzero(results.pieces.of_ids([object_id]))
        if layer is None or len(rows) == 0:
            return
        layer.selected_label = object_id
        piece = results.pieces.take(rows[np.argsort(-results.pieces.areas[rows], kind="stable")[:1]])
        plane = results.plane(tuple(piece.positions[0].tolist()))
        top, left, bottom, right = piece.boxes_yxyx[0].tolist()
        known = bottom > top
        centre = ((top + bottom - 1) / 2, (left + right - 1) / 2) if known else tuple(piece.points_yx[0])
        if not np.isfinite(centre).all():
            return
        position = plane.to_data([centre])[0]
        world = np.asarray(layer.data_to_world(position), np.float64) / axis_factors(self._viewer.dims, self.image)
        dims = self._viewer.dims
        first = dims.ndim - len(world)
        hidden = [axis for axis in plane.other_axes if axis + first not in dims.displayed]
        dims.set_point([axis + first for axis in hidden], [float(world[axis]) for axis in hidden])
        camera = self._viewer.scene.camera
        shown = [axis - first for axis in dims.displayed[-2:]]
        if all(axis >= 0 for axis in shown):
            camera.center = (*camera.center[:-2], *(float(world[axis]) for axis in shown))

    def _on_data(self, event: object = None) -> None:
        self._version += 1
        self.data_changed.emit()
