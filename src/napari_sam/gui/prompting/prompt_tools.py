"""The layers of one image as tools: what the user edits in them, and what happens when one is deleted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_sam.gui.layers import (
    SPATIAL,
    SYMBOLS,
    copy_placement,
    empty_labels,
    ensure_layers,
    restyle_points,
    restyle_shapes,
    role_of,
    write_prompts,
)
from napari_sam.gui.objects.adopt import claim, release
from napari_sam.gui.objects.store import is_writable
from napari_sam.gui.prompting.label_source import choose_label, mask_from_label
from napari_sam.gui.prompting.masks import MaskPrompt
from napari_sam.gui.prompting.outline import MaskOutline
from napari_sam.gui.prompting.polarity import Polarity
from napari_sam.gui.prompting.prompts import FEATURE, PromptState, read_state
from napari_sam.gui.qt.connections import Connections
from napari_sam.gui.qt.timers import Debounce
from napari_sam.gui.view.planes import spatial_shape

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels

    from napari_sam.gui.view.planes import Plane

# Shapes and Points announce a change before and after it; only what is done counts.
DONE = ("added", "removed", "changed")


class PromptTools:
    """Owns the layers of one image and reports edits of the prompts.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer the layers are added to.
    image : Image
        Image layer they belong to.
    """

    edited = Signal(str)
    notice = Signal(str)
    objects_painted = Signal(object)
    polarity_changed = Signal()
    renewed = Signal()

    def __init__(self, viewer: ViewerModel, image: Image) -> None:
        self._viewer = viewer
        self._image = image
        self._writing = False
        self._layer_connections = Connections()
        self._connections = Connections()
        self._recreate = Debounce(self._recreate_missing, 0)
        self._deselect = Debounce(self._deselect_points, 0)
        self._renew = Debounce(self._renew_proposal, 0)
        self.layers, _ = ensure_layers(viewer.layers, image)
        self.polarity = Polarity(self.layers.points, self.layers.boxes)
        self._outline = MaskOutline(viewer, image)
        self._attach()
        self._connections.add(viewer.layers.events.removed, self._on_layer_removed)
        for name in SPATIAL:
            self._connections.add(getattr(image.events, name), self._on_image_moved)
        self.use_points()

    @property
    def pending(self) -> bool:
        """Whether something that was put off still has to be done."""
        return self._recreate.pending or self._deselect.pending or self._renew.pending

    def read(self, known: PromptState | None = None) -> PromptState:
        """Return a snapshot of the prompt layers with the choices and masks of a known state."""
        return read_state(self.layers.points, self.layers.boxes, known)

    def write(self, state: PromptState) -> None:
        """Make the prompt layers hold ``state``, without reporting it as an edit."""
        label = self.polarity.label
        with self._silent():
            write_prompts(self.layers, state)
            self.polarity.label = label

    def show_masks(self, state: PromptState) -> None:
        """Draw the outlines of the mask prompts, which no prompt layer holds."""
        self._outline.show(state.masks.values())

    def mask_from(self, layer: Labels | None, label: int | None, plane: Plane) -> MaskPrompt:
        """Return an object of a Labels layer as a prompt; raises PromptError where there is none on the plane."""
        chosen, number = choose_label(self._viewer, layer, label)
        return mask_from_label(self._viewer, self._image, plane, chosen, number)

    def use_points(self) -> None:
        """Make the points layer active, ready for clicks."""
        self._viewer.layers.selection.active = self.layers.points
        self.layers.points.mode = "add"

    def use_shapes(self, mode: str = "add_rectangle") -> None:
        """Make the boxes layer active, ready for shapes of one kind; ``mode`` is napari's."""
        self._viewer.layers.selection.active = self.layers.boxes
        self.layers.boxes.mode = mode

    def use_objects(self, layer: Labels) -> None:
        """Let another layer of the viewer take the objects; the one that did becomes the user's own."""
        if layer is self.layers.objects:
            return
        self._detach()
        release(self.layers.objects)
        claim(layer, self._image)
        self.layers.objects = layer
        self.polarity = Polarity(self.layers.points, self.layers.boxes)
        self._attach()
        self.renewed.emit()

    def settle(self) -> None:
        """Make the layers that are missing or do not fit now, before something is written to them."""
        if self._recreate.pending:
            self._recreate.stop()
            self._recreate_missing()

    def close(self) -> None:
        """Disconnect from the layers, which stay."""
        self._recreate.stop()
        self._deselect.stop()
        self._renew.stop()
        self._connections.clear()
        self._detach()
        self._outline.close()

    def _attach(self) -> None:
        points, boxes, objects = self.layers.points, self.layers.boxes, self.layers.objects
        self._layer_connections.add(points.events.data, self._on_points)
        self._layer_connections.add(points.events.features, self._on_points)
        self._layer_connections.add(points.events.feature_defaults, self._on_feature_defaults)
        self._layer_connections.add(boxes.events.data, self._on_boxes)
        self._layer_connections.add(objects.events.paint, self._on_paint)
        self._layer_connections.add(objects.events.data, self._on_objects_replaced)
        self._layer_connections.add(self.layers.proposal.events.data, self._on_proposal_replaced)

    def _detach(self) -> None:
        self._layer_connections.clear()
        self.polarity.detach()

    @contextmanager
    def _silent(self) -> Iterator[None]:
        self._writing = True
        try:
            yield
        finally:
            self._writing = False

    def _on_points(self, event: Any) -> None:
        if self._writing or not _is_done(event):
            return
        points = self.layers.points
        with self._silent():
            names = points.features[FEATURE].astype(str)
            if [SYMBOLS.get(name) for name in names] != [str(symbol) for symbol in points.symbol]:
                restyle_points(points)
        if str(points.mode) == "add":
            self._deselect.request()
        self.edited.emit("point")

    def _deselect_points(self) -> None:
        # napari selects a new point right after announcing it: the highlight hides its colour, and the next point
        # would be of its category, modifier or not.
        self.layers.points.selected_data = set()
        self.polarity.restore()

    def _on_feature_defaults(self, event: Any) -> None:
        self.polarity_changed.emit()

    def _on_boxes(self, event: Any) -> None:
        if self._writing or not _is_done(event):
            return
        with self._silent():
            restyle_shapes(self.layers.boxes)
        self.edited.emit("box")

    def _on_paint(self, event: Any) -> None:
        self.objects_painted.emit(event.value)

    def _on_objects_replaced(self, event: Any) -> None:
        self.objects_painted.emit(None)
        # It may have another shape, or an array that cannot be written to.
        self._recreate.request()

    def _on_proposal_replaced(self, event: Any) -> None:
        proposal = self.layers.proposal
        if tuple(proposal.data.shape) != spatial_shape(self._image) or not is_writable(proposal.data):
            self._renew.request()

    def _renew_proposal(self) -> None:
        # Somebody has put another array in its place: of another shape, or one that cannot be written to.
        if self._image in self._viewer.layers:
            self.layers.proposal.data = empty_labels(self._image)
            self.renewed.emit()

    def _on_layer_removed(self, event: Any) -> None:
        if role_of(event.value) is not None and any(event.value is layer for layer in self.layers.all()):
            # Not now: the whole viewer may be closing, or the image going with it.
            self._recreate.request()

    def _recreate_missing(self) -> None:
        if self._image not in self._viewer.layers:
            return
        self._detach()
        before = self.layers.objects
        self.layers, created = ensure_layers(self._viewer.layers, self._image, self.layers)
        if before is not self.layers.objects:
            release(before)
        self.polarity = Polarity(self.layers.points, self.layers.boxes)
        self._attach()
        if not created:
            return
        self.use_points()
        lost = ""
        if "objects" in created:
            unfit = f" '{before.name}' no longer fits the image, or cannot be written to, and is left as it is."
            lost = unfit if before in self._viewer.layers else " The committed objects went with it."
        self.notice.emit(f"Made a new layer for: {', '.join(created)}. The Segment widget needs it.{lost}")
        self.renewed.emit()

    def _on_image_moved(self, event: Any) -> None:
        for layer in self.layers.all():
            copy_placement(self._image, layer)
        self._outline.follow()


def _is_done(event: Any) -> bool:
    action = getattr(event, "action", None)
    return action is None or str(getattr(action, "value", action)).lower() in DONE
