"""How the viewer shows one image layer: which plane, at which contrast; and when either changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_sam.errors import ImageError
from napari_sam.gui.qt.connections import Connections
from napari_sam.gui.qt.timers import Debounce
from napari_sam.gui.view.planes import Plane, full_data, plane_reader, shown_plane, spatial_shape

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
    """

    plane_changed = Signal()
    content_changed = Signal()
    reshaped = Signal()

    def __init__(self, viewer: ViewerModel, image: Image) -> None:
        self.image = image
        self._dims = viewer.dims
        self._version = 0
        self._shape = spatial_shape(image)
        self._slice_timer = Debounce(self.plane_changed.emit, SLICE_DELAY_MS)
        self._contrast_timer = Debounce(self.content_changed.emit, CONTRAST_DELAY_MS)
        self._shape_timer = Debounce(self.reshaped.emit, 0)
        self._connections = Connections()
        for name in ("point", "order", "ndisplay", "ndim"):
            self._connections.add(getattr(viewer.dims.events, name), self._slice_timer.request)
        self._connections.add(image.events.contrast_limits, self._on_contrast)
        self._connections.add(image.events.data, self._on_data)

    @property
    def token(self) -> Hashable:
        """What tells this content of this layer from every other."""
        return self.image.unique_id, self._version

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
        return shown_plane(self._dims, self.image)

    def reader(self, plane: Plane) -> Callable[[], NDArray[Any]]:
        """Return a function that reads one plane, for the background thread."""
        return plane_reader(self.image, plane)

    def limits(self) -> tuple[float, float] | None:
        """Return the values the model shall see as black and white: the layer's contrast limits.

        None, the image unchanged, for RGB and for 8-bit images at their full range.
        """
        low, high = (float(limit) for limit in self.image.contrast_limits)
        if self.image.rgb or (full_data(self.image).dtype == np.uint8 and (low, high) == (0.0, 255.0)):
            return None
        return low, high

    def close(self) -> None:
        """Stop watching."""
        self._connections.clear()
        self._slice_timer.stop()
        self._contrast_timer.stop()
        self._shape_timer.stop()

    def _on_contrast(self, event: object = None) -> None:
        self._contrast_timer.request()

    def _on_data(self, event: object = None) -> None:
        self._version += 1
        if spatial_shape(self.image) == self._shape:
            self._contrast_timer.request()
        else:
            self._shape_timer.request()
