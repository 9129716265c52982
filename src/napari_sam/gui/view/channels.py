"""Which layers the model is shown: one, or all that are visible in its place; and when that picture changes."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from psygnal import Signal

from napari_sam.gui.qt.connections import Connections
from napari_sam.gui.view.looks import PLACEMENT, visible_channels

if TYPE_CHECKING:
    from napari.components import LayerList

THIS_LAYER, VISIBLE_CHANNELS = "this layer", "visible channels"
CHANNELS = (THIS_LAYER, VISIBLE_CHANNELS)
_LOOK = ("visible", "contrast_limits", "gamma", "colormap", "opacity", "blending", "affine", *PLACEMENT)


class VisibleChannels:
    """Watches the image layers that lie where one image does, as long as they are all to be shown to the model.

    Parameters
    ----------
    layers : LayerList
        ``viewer.layers``.
    image : Image
        The image layer to segment.
    """

    changed = Signal()

    def __init__(self, layers: LayerList, image: Image) -> None:
        self._layers = layers
        self._image = image
        self._versions: dict[Hashable, int] = {}
        self._list_connections = Connections()
        self._layer_connections = Connections()

    @property
    def on(self) -> bool:
        """Whether the layers are watched."""
        return len(self._list_connections) > 0

    def shown(self) -> list[Image]:
        """Return the layers to draw, lowest first."""
        return visible_channels(self._layers, self._image)

    def version(self, layer: Image) -> int:
        """Return how often the data of a layer have been replaced."""
        return self._versions.get(layer.unique_id, 0)

    def start(self) -> None:
        """Watch the layers."""
        if self.on:
            return
        for name in ("inserted", "removed", "reordered"):
            self._list_connections.add(getattr(self._layers.events, name), self._on_list)
        self._follow()

    def stop(self) -> None:
        """Watch nothing any more."""
        self._list_connections.clear()
        self._layer_connections.clear()

    def _follow(self) -> None:
        self._layer_connections.clear()
        for layer in self._layers:
            if isinstance(layer, Image):
                for name in _LOOK:
                    self._layer_connections.add(getattr(layer.events, name), self._on_look)
                self._layer_connections.add(layer.events.data, self._on_data)

    def _on_list(self, event: object = None) -> None:
        self._follow()
        self.changed.emit()

    def _on_look(self, event: object = None) -> None:
        self.changed.emit()

    def _on_data(self, event: Any) -> None:
        layer = event.source
        self._versions[layer.unique_id] = self.version(layer) + 1
        self.changed.emit()
