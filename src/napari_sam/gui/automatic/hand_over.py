"""Hands labels over to the Segment widget of the same viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.gui.objects.adopt import claim

if TYPE_CHECKING:
    from napari.layers import Image, Labels

    from napari_sam.gui.segment_widget import SegmentWidget

PLUGIN, SEGMENT = "napari-sam-studio", "Segment"


def open_segment(viewer: Any) -> SegmentWidget | None:
    """Return the Segment widget of a viewer, opened if it is not there yet; None where there is no window."""
    from napari_sam.gui.segment_widget import SegmentWidget

    window = getattr(viewer, "window", None)
    if window is None:
        return None
    for widget in window.dock_widgets.values():
        if isinstance(widget, SegmentWidget):
            return widget
    dock, opened = window.add_plugin_dock_widget(PLUGIN, SEGMENT, tabify=True)
    dock.raise_()
    return opened if isinstance(opened, SegmentWidget) else None


def hand_over(viewer: Any, image: Image, layer: Labels) -> bool:
    """Let a labels layer take the objects of an image in the Segment widget; return whether that is open."""
    # Marked first: a widget that opens adopts the layer, instead of making an empty one.
    claim(layer, image)
    widget = open_segment(viewer)
    if widget is None:
        return False
    if widget["image"].value is not image:
        widget["image"].value = image
    widget.use_objects_layer(layer)
    return True
