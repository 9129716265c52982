"""How the viewer shows one image layer: which plane, at which contrast; and when either changes."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from napari_sam.errors import ImageError
from napari_sam.gui.qt.connections import Connections
from napari_sam.gui.qt.timers import Debounce
from napari_sam.gui.view.channels import THIS_LAYER, VISIBLE_CHANNELS, VisibleChannels
from napari_sam.gui.view.drawn import Channel, DrawnReader
from napari_sam.gui.view.looks import grey_look_of, limits_of, look_of
from napari_sam.gui.view.planes import Plane, full_data, shown_plane, spatial_shape
from napari_sam.gui.view.reading import PlaneReader, plane_reader
from napari_sam.gui.view.visible import Visible, visible_part

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

# Long enough not to encode every slice a slider passes, short enough not to be felt.
SLICE_DELAY_MS = 60
CONTRAST_DELAY_MS = 300


class ImageView:
    """Watches what the viewer shows of one image.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer that shows the image.
    image : Image
        The image layer.

    Attributes
    ----------
    moved : Signal()
        Another part of the plane is on the canvas.
    """

    plane_changed = Signal()
    content_changed = Signal()
    reshaped = Signal()
    moved = Signal()

    def __init__(self, viewer: ViewerModel, image: Image) -> None:
        self.image = image
        self._viewer = viewer
        self._dims = viewer.dims
        self._version = 0
        self._last: Plane | None = None
        self._moved = (0, 1)
        self._shape = spatial_shape(image)
        self._slice_timer = Debounce(self.plane_changed.emit, SLICE_DELAY_MS)
        self._contrast_timer = Debounce(self.content_changed.emit, CONTRAST_DELAY_MS)
        self._shape_timer = Debounce(self.reshaped.emit, 0)
        self._connections = Connections()
        for name in ("point", "order", "ndisplay", "ndim"):
            self._connections.add(getattr(viewer.dims.events, name), self._slice_timer.request)
        for name in ("contrast_limits", "gamma"):
            self._connections.add(getattr(image.events, name), self._on_contrast)
        self._connections.add(image.events.data, self._on_data)
        for name in ("center", "zoom"):
            self._connections.add(getattr(viewer.scene.camera.events, name), self._on_camera)
        self._channels = VisibleChannels(viewer.layers, image)
        self._connections.add(self._channels.changed, self._on_contrast)

    @property
    def token(self) -> Hashable:
        """What tells this content of this layer, and all that ``limits`` leaves open, from every other."""
        if self._channels.on:
            return tuple((layer.unique_id, self._version_of(layer), look_of(layer).key) for layer in self.layers())
        own = self.image.unique_id, self._version
        return (own, grey_look_of(self.image).key) if self._is_drawn else own

    @property
    def channels(self) -> str:
        """Whether the model is shown "this layer" or all "visible channels"."""
        return VISIBLE_CHANNELS if self._channels.on else THIS_LAYER

    @channels.setter
    def channels(self, choice: str) -> None:
        if choice == self.channels:
            return
        if choice == VISIBLE_CHANNELS:
            self._channels.start()
        else:
            self._channels.stop()
        self.content_changed.emit()

    def layers(self) -> list[Image]:
        """Return the image layers the model is shown, lowest first."""
        return self._channels.shown() if self._channels.on else [self.image]

    @property
    def pending(self) -> bool:
        """Whether a change has not been announced yet."""
        return self._slice_timer.pending or self._contrast_timer.pending or self._shape_timer.pending

    def plane(self) -> Plane:
        """Return the plane shown; raises ImageError as :func:`napari_sam.gui.view.planes.shown_plane`."""
        if spatial_shape(self.image) != self._shape:
            raise ImageError(
                f"'{self.image.name}' has another shape now: {self._shape} became {spatial_shape(self.image)}."
            )
        plane = shown_plane(self._dims, self.image)
        self._note_move(plane)
        return plane

    @property
    def is_transposed(self) -> bool:
        """Whether the viewer shows columns downwards and rows across."""
        first, second = self._dims.order[-2:]
        return bool(first > second)

    def other_axes(self) -> list[tuple[str, int]]:
        """Return name and number of the data axes that are not displayed, the last first."""
        ndim = len(self._shape)
        shown = {axis - self._dims.ndim + ndim for axis in self._dims.order[-2:]}
        return [(str(self.image.axis_labels[axis]), axis) for axis in reversed(range(ndim)) if axis not in shown]

    def reader(self, plane: Plane) -> PlaneReader | DrawnReader:
        """Return what reads one plane, for the background thread."""
        if not self._is_drawn:
            return plane_reader(self.image, plane)
        look = look_of if self._channels.on else grey_look_of
        return DrawnReader(
            [Channel(layer.unique_id, plane_reader(layer, plane), look(layer)) for layer in self.layers()]
        )

    def visible(self, plane: Plane) -> Visible | None:
        """Return the part of a plane that is on the canvas, (top, left, bottom, right), or None without a canvas."""
        return visible_part(self._viewer, self.image, plane)

    def limits(self) -> tuple[float, float] | None:
        """Return the values the model shall see as black and white: the layer's contrast limits.

        None, the image unchanged, for 8-bit images at their full range, and where what is read is drawn already.
        """
        limits = limits_of(self.image)
        if self._is_drawn or (full_data(self.image).dtype == np.uint8 and limits == (0.0, 255.0)):
            return None
        return limits

    @property
    def _is_drawn(self) -> bool:
        # Several layers, and a gamma, are more than limits can say.
        return self._channels.on or float(self.image.gamma) != 1.0

    def _version_of(self, layer: Image) -> int:
        return self._version if layer is self.image else self._channels.version(layer)

    def neighbours(self, plane: Plane) -> tuple[Plane, ...]:
        """Return the planes before and after one along the axis the user last moved along, in that direction first.

        As long as nobody has moved, that is the last axis that is not displayed.
        """
        if not plane.index:
            return ()
        position, step = self._moved if self._moved[0] < len(plane.index) else (len(plane.index) - 1, 1)
        length = self._shape[plane.other_axes[position]]
        at = plane.index[position]
        return tuple(
            replace(plane, index=(*plane.index[:position], near, *plane.index[position + 1 :]))
            for near in (at + step, at - step)
            if 0 <= near < length
        )

    def close(self) -> None:
        """Stop watching."""
        self._connections.clear()
        self._channels.stop()
        self._slice_timer.stop()
        self._contrast_timer.stop()
        self._shape_timer.stop()

    def _note_move(self, plane: Plane) -> None:
        before, self._last = self._last, plane
        if before is None or before.axes != plane.axes:
            self._moved = (len(plane.index) - 1, 1)
            return
        changed = [at for at, (old, new) in enumerate(zip(before.index, plane.index, strict=True)) if old != new]
        if len(changed) == 1:
            (position,) = changed
            self._moved = (position, 1 if plane.index[position] > before.index[position] else -1)

    def _on_camera(self, event: object = None) -> None:
        self.moved.emit()

    def _on_contrast(self, event: object = None) -> None:
        self._contrast_timer.request()

    def _on_data(self, event: object = None) -> None:
        self._version += 1
        if spatial_shape(self.image) == self._shape:
            self._contrast_timer.request()
        else:
            self._shape_timer.request()
