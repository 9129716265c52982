"""Which image layer is segmented: the active one at first, then the one the user picks, as long as it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox
from napari.layers import Image
from psygnal import Signal

from napari_sam.gui.qt.connections import Connections
from napari_sam.gui.qt.timers import Debounce
from napari_sam.gui.view.looks import OURS

if TYPE_CHECKING:
    from napari.components import LayerList


class ImageChoice:
    """Keeps a combo box and the image layers of a viewer in step.

    Parameters
    ----------
    layers : LayerList
        ``viewer.layers``.

    Attributes
    ----------
    chosen : Signal(Image or None)
        Emitted when another image, or none, is to be segmented; never from within an event of the layer list, whose
        layers may all be on their way out with the viewer.
    """

    chosen = Signal(object)

    def __init__(self, layers: LayerList) -> None:
        self._layers = layers
        self._combo: ComboBox | None = None
        self._current: Image | None = None
        self._connections = Connections()
        self._layers_changed = Debounce(self._follow, 0)

    @property
    def pending(self) -> bool:
        """Whether a change of the layer list has not been followed yet."""
        return self._layers_changed.pending

    def choices(self, widget: Any = None) -> list[tuple[str, Image]]:
        """Return (name, layer) of every image layer, for the combo box."""
        return [(layer.name, layer) for layer in self._images()]

    def open(self, combo: ComboBox) -> None:
        """Start to follow the layer list and the combo box."""
        self._combo = combo
        for name in ("inserted", "removed", "renamed"):
            self._connections.add(getattr(self._layers.events, name), self._layers_changed.request)
        self._connections.add(combo.changed, self._on_picked)
        self._follow()

    def close(self) -> None:
        """Follow nothing any more."""
        self._connections.clear()
        self._layers_changed.stop()
        self._current = None

    def _images(self) -> list[Image]:
        # Not the pictures of what the model sees, which are layers of ours.
        return [layer for layer in self._layers if isinstance(layer, Image) and OURS not in layer.metadata]

    def _default(self) -> Image | None:
        active, images = self._layers.selection.active, self._images()
        return next((layer for layer in images if layer is active), images[-1] if images else None)

    def _follow(self) -> None:
        image = self._current if self._current in self._images() else self._default()
        if self._combo is not None:
            with self._combo.changed.blocked():
                self._combo.reset_choices()
                self._combo.value = image
        self._choose(image)

    def _on_picked(self, image: Image | None) -> None:
        # napari resets the choices from within layer events; only a choice of the user's is followed at once.
        if image is not None and self._current in self._images():
            self._choose(image)
        else:
            self._layers_changed.request()

    def _choose(self, image: Image | None) -> None:
        if image is None or image is not self._current:
            self._current = image
            self.chosen.emit(image)
