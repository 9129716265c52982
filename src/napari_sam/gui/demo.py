"""The first minute: napari with the coins and the Segment widget, ready for a click."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import napari

PLUGIN = "napari-sam-studio"
WIDGET = "Segment"


def show_demo() -> napari.Viewer:
    """Open a viewer with the coins sample and the Segment widget, without starting the event loop."""
    import napari

    viewer = napari.Viewer(title="napari: Segment Anything demo")
    viewer.open_sample(PLUGIN, "coins")
    viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    return viewer


def open_demo() -> None:
    """Open the demo and return when the user closes napari."""
    import napari

    show_demo()
    napari.run()
