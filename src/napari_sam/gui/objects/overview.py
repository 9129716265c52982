"""Keeps the objects panel in step with what the viewer shows of the objects layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_sam.gui.objects.adopt import candidates
from napari_sam.gui.objects.census import Census
from napari_sam.gui.objects.classes import class_names
from napari_sam.gui.objects.find import region_of
from napari_sam.gui.panels.object_table import ObjectRow
from napari_sam.gui.qt.connections import Connections
from napari_sam.gui.qt.timers import Debounce
from napari_sam.gui.view.planes import Plane

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_sam.gui.panels.objects_panel import ObjectsPanel
    from napari_sam.gui.session import SegmentSession


class Overview:
    """Fills the table and the summary, and follows the user's choice of object and layer.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer with the layers.
    session : SegmentSession
        The session on the image.
    panel : ObjectsPanel
        The panel to fill.
    """

    def __init__(self, viewer: ViewerModel, session: SegmentSession, panel: ObjectsPanel) -> None:
        self._viewer = viewer
        self._session = session
        self._panel = panel
        self._areas: Mapping[int, int] = {}
        self._census = Census(self._where)
        self._layers_changed = Debounce(self._show_layers, 0)
        self._connections = Connections()
        self._layer_connections = Connections()
        self._connections.add(self._census.counted, self._on_counted)
        self._connections.add(session.changed, self._show)
        self._connections.add(session.tools.renewed, self._attach)
        self._connections.add(panel.chosen, self.show_object)
        self._connections.add(panel.layer_requested, self._on_layer_requested)
        self._connections.add(panel.mode.changed, self._on_mode)
        for name in ("inserted", "removed"):
            self._connections.add(getattr(viewer.layers.events, name), self._layers_changed.request)
        self._attach()

    @property
    def pending(self) -> bool:
        """Whether the objects are still being counted."""
        return self._census.pending or self._layers_changed.pending

    def close(self) -> None:
        """Disconnect, and empty the panel."""
        self._census.stop()
        self._layers_changed.stop()
        self._connections.clear()
        self._layer_connections.clear()
        self._panel.show_objects("", (), _no_color)
        self._panel.show_layers((), "")

    def show_object(self, object_id: int) -> None:
        """Select an object of the shown plane and bring it to the middle of the canvas."""
        at = self._where()
        if at is None:
            return
        layer, plane = at
        layer.selected_label = object_id
        region = region_of(layer, plane, object_id)
        if region is None:
            return
        world = np.asarray(layer.data_to_world(plane.to_data([region.centre])[0]), np.float64)
        shown = [axis - self._viewer.dims.ndim for axis in self._viewer.dims.displayed]
        camera = self._viewer.scene.camera
        camera.center = (*camera.center[:-2], *(float(world[axis]) for axis in shown[-2:]))

    def _where(self) -> tuple[Labels, Plane] | None:
        plane, layer = self._session.plane, self._session.tools.layers.objects
        if plane is None or tuple(layer.data.shape) != tuple(self._session.tools.layers.proposal.data.shape):
            return None
        return layer, plane

    def _attach(self) -> None:
        self._layer_connections.clear()
        layer = self._session.tools.layers.objects
        # Painting, undo and redo of napari's, another slice: whatever is drawn anew is counted anew.
        for name in ("set_data", "labels_update", "paint", "data"):
            self._layer_connections.add(getattr(layer.events, name), self._census.request)
        self._layer_connections.add(layer.events.selected_label, self._on_selected)
        self._layer_connections.add(layer.events.name, self._layers_changed.request)
        self._layer_connections.add(layer.events.features, self._show_classes)
        self._show_layers()
        self._show_classes()
        self._on_selected()
        self._census.request()

    def _on_counted(self, areas: Mapping[int, int]) -> None:
        self._areas = areas
        self._show()

    def _show(self) -> None:
        at = self._where()
        if at is None:
            self._panel.show_objects("", (), _no_color)
            return
        layer, plane = at
        names, records = class_names(layer), self._session.editor.records
        rows = []
        for label, area in self._areas.items():
            record = records.get(label, plane)
            score = "" if record is None or record.score is None else f"IoU {record.score:.2f}"
            rows.append(ObjectRow(label, names.get(label, score), area))
        self._panel.show_objects(self._summary(plane), rows, layer.get_color)

    def _summary(self, plane: Plane) -> str:
        mask = self._session.state.masks.get(plane)
        if mask is not None and mask.object_id is not None:
            return f"Editing object {mask.object_id}"
        count = len(self._areas)
        where = " on this slice" if plane.other_axes else ""
        last = self._session.editor.last
        text = f"{count} object{'' if count == 1 else 's'}{where}"
        return f"{text}, last {last[-1]}" if last else text

    def _on_selected(self, event: object = None) -> None:
        self._panel.table.select(int(self._session.tools.layers.objects.selected_label))

    def _show_classes(self, event: object = None) -> None:
        self._panel.show_classes(class_names(self._session.tools.layers.objects))

    def _show_layers(self) -> None:
        offered = [(layer.name, str(layer.unique_id)) for layer in candidates(self._viewer.layers, self._session.image)]
        self._panel.show_layers(offered, str(self._session.tools.layers.objects.unique_id))

    def _on_layer_requested(self, layer_id: str) -> None:
        layer = self._session.objects.find_labels(layer_id) if layer_id else None
        if layer_id and layer is None:
            self._show_layers()
            return
        self._session.objects.use_layer(layer)
        self._show_layers()

    def _on_mode(self, mode: str) -> None:
        self._session.editor.check_mode(mode)


def _no_color(object_id: int) -> Any:
    return None
