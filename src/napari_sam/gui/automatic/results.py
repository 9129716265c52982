"""The labels layer that takes the objects of one image, its table, and what was done to them."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from napari.layers import Labels
from numpy.typing import NDArray
from psygnal import Signal

from napari_sam.gui.automatic.gradual import Gradually
from napari_sam.gui.automatic.linked import Relabelling
from napari_sam.gui.automatic.origin import Mark, Origin, mark_of
from napari_sam.gui.automatic.pieces import Pieces, Position
from napari_sam.gui.automatic.score_colors import colormap_for
from napari_sam.gui.automatic.steps import Shot, State, Step, Steps
from napari_sam.gui.layers import METADATA_KEY, adoptable, empty_labels, spatial_kwargs
from napari_sam.gui.objects.patches import apply_patch, plane_patch, window
from napari_sam.gui.objects.store import make_room
from napari_sam.gui.qt.connections import Connections
from napari_sam.gui.view.planes import Plane, spatial_shape

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Image

    from napari_sam.automatic.job import AutomaticJob
    from napari_sam.automatic.plane import PlaneResult

AUTOMATIC = "automatic"
# How often the table follows a stack that is being segmented.
ANNOUNCE_S = 1.0


class Results:
    """What was found in one image.

    Parameters
    ----------
    layers : LayerList
        ``viewer.layers``.
    image : Image
    axes_yx : (int, int)
        The axes that span a plane.

    Attributes
    ----------
    changed : Signal()
        Other objects, or another layer.
    picked : Signal(int)
        A label was selected in the viewer.
    notice : Signal(str)
    """

    changed = Signal()
    picked = Signal(int)
    notice = Signal(str)

    def __init__(self, layers: LayerList, image: Image, axes_yx: tuple[int, int]) -> None:
        self.image = image
        self.axes_yx = axes_yx
        self.layer: Labels | None = None
        self.steps = Steps()
        self.origin: Origin | None = None
        self.removed: frozenset[Mark] = frozenset()
        self.marks: Mapping[int, Mark] = {}
        self.color_by = ""
        self._layers = layers
        self._painted = self._writing = False
        self._announced = 0.0
        self._gradually = Gradually()
        self._connections = Connections()
        self._stacked = len(spatial_shape(image)) - 2
        self.pieces = Pieces.none(self._stacked)
        self.features = self.pieces.per_object()
        known = adoptable(layers, image, AUTOMATIC)
        if known is not None:
            self._take(known)

    @property
    def pending(self) -> bool:
        """Whether labels are still being rewritten."""
        return self._gradually.pending

    @property
    def stacked(self) -> bool:
        """Whether there may be more than one plane."""
        return self._stacked > 0

    @property
    def is_gone(self) -> bool:
        """Whether the layer was removed from the viewer."""
        return self.layer is not None and self.layer not in self._layers

    def close(self) -> None:
        """Let go of the layer, which stays."""
        self._gradually.stop()
        self._connections.clear()
        self.layer = None

    def prepare(self, fresh: bool) -> None:
        """Make ready for a run: a layer that was removed is forgotten, and with ``fresh`` one that holds objects is."""
        used = self.layer is not None and (len(self.pieces) > 0 or self._painted)
        if self.is_gone or (fresh and used):
            self.forget()

    def turn(self, axes_yx: tuple[int, int]) -> None:
        """Cut planes along other axes; a result along the old ones stays in the viewer, as the user's own."""
        if axes_yx != self.axes_yx:
            self.forget()
            self.axes_yx = axes_yx

    def forget(self) -> Labels | None:
        """Let go of the layer and return it; it stays in the viewer, and is no longer the widget's."""
        left, self.layer = self.layer, None
        self._gradually.stop()
        self._connections.clear()
        self.steps.clear()
        self._painted = False
        self.origin, self.removed, self.marks = None, frozenset(), {}
        self.pieces = Pieces.none(self._stacked)
        self.features = self.pieces.per_object()
        if left is not None:
            entry = dict(left.metadata.get(METADATA_KEY, {}))
            entry.pop("role", None)
            left.metadata[METADATA_KEY] = entry
        return left

    def plane(self, position: Position) -> Plane:
        """Return the plane at a position."""
        shape = spatial_shape(self.image)
        return Plane(self.axes_yx, tuple(position), (shape[self.axes_yx[0]], shape[self.axes_yx[1]]))

    # -- writing -----------------------------------------------------------------------------------------------------

    def begin_stack(self, job: AutomaticJob) -> None:
        """Note what makes the objects that will come, plane by plane."""
        self.steps.clear()
        self.origin = Origin(job, None)

    def add_plane(self, position: Position, labels: NDArray[Any], pieces: Pieces) -> None:
        """Write a plane of a stack that is being segmented; the table follows once a second."""
        self._write([Shot(position, (0, 0), labels)], pieces.highest)
        self.pieces = self.pieces.take(~self.pieces.on(position)).joined(pieces)
        if time.monotonic() - self._announced > ANNOUNCE_S:
            self.announce()

    def replace_plane(
        self,
        origin: Origin,
        result: PlaneResult,
        label: str,
        removed: frozenset[Mark],
        gesture: Hashable,
        keep_ids: bool = False,
    ) -> None:
        """Write a plane as one step that can be taken back.

        Parameters
        ----------
        origin : Origin
            The plane, and what made its objects.
        result : PlaneResult
            Where other planes have objects, its ids are raised above theirs.
        label : str
            What the user calls the step.
        removed : frozenset
            Marks of masks that the user has deleted, which are not in the result.
        gesture : hashable
            Steps of one gesture are taken back together.
        keep_ids : bool
            Whether ids stay as they are: those of other planes mean the same objects.
        """
        position = origin.position or ()
        others = self.pieces.take(~self.pieces.on(position))
        offset, labels = 0 if keep_ids else others.highest, result.labels
        if offset:
            labels = np.where(labels > 0, labels + np.uint32(offset), 0)
        pieces = others.joined(Pieces.of(result.rows, position, offset))
        marks = {row.id + offset: mark_of(record) for row, record in zip(result.rows, result.records, strict=True)}
        after = State((Shot(position, (0, 0), labels),), pieces, origin, removed, marks)
        self._do(label, after, gesture)

    def delete(self, ids: Iterable[int], verb: str = "delete") -> int:
        """Remove objects from all their planes, as one step; return how many there were."""
        chosen = self.pieces.of_ids(ids)
        layer = self.layer
        if layer is None or not chosen.any():
            return 0
        gone, kept = self.pieces.take(chosen), self.pieces.take(~chosen)
        shots = tuple(
            self._without(layer, position, gone.take(gone.on(position)))
            for position in map(tuple, np.unique(gone.positions, axis=0).tolist())
        )
        numbers = np.unique(gone.ids).tolist()
        marks = frozenset(self.marks[one] for one in numbers if one in self.marks)
        label = f"{verb} {len(numbers)} object{'' if len(numbers) == 1 else 's'}"
        self._do(label, State(shots, kept, self.origin, self.removed | marks, self.marks))
        return len(numbers)

    def undo(self) -> Step | None:
        """Take back the last step; return it, or None."""
        step = self.steps.undo() if self.layer is not None else None
        if step is not None:
            self._apply(step.before)
        return step

    def redo(self) -> Step | None:
        """Do again what was taken back; return it, or None."""
        step = self.steps.redo() if self.layer is not None else None
        if step is not None:
            self._apply(step.after)
        return step

    def relabel(self, change: Relabelling) -> None:
        """Give the objects of some planes their final ids, little by little."""
        rows = self.pieces.on_any(change.positions)
        self.pieces = self.pieces.take(~rows).joined(self.pieces.take(rows).relabelled(change.table))
        if self.layer is not None:
            self._gradually.run(self._relabelling(self.layer, change), self.announce)

    def announce(self) -> None:
        """Write the features of the layer, colour it, and say that there are other objects."""
        self._announced = time.monotonic()
        self.features = self.pieces.per_object()
        if self.layer is not None:
            self.layer.features = self.features
            self.recolor()
        self.changed.emit()

    def recolor(self, color_by: str | None = None) -> None:
        """Colour the labels by a column of the features, or each in its own colour."""
        before, self.color_by = self.color_by, self.color_by if color_by is None else color_by
        if self.layer is not None and (self.color_by or before):
            self.layer.colormap = colormap_for(self.features, self.color_by)

    def _writable(self) -> Labels:
        """Return the layer; it is made when the first objects come."""
        if self.layer is not None:
            return self.layer
        layer = Labels(empty_labels(self.image), name=AUTOMATIC, opacity=0.6, **spatial_kwargs(self.image))
        self._take(layer)
        self._layers.append(layer)
        return layer

    def _take(self, layer: Labels) -> None:
        self.layer = layer
        layer.metadata[METADATA_KEY] = {
            **layer.metadata.get(METADATA_KEY, {}),
            "role": AUTOMATIC,
            "image": str(self.image.unique_id),
        }
        known = Pieces.from_features(pd.DataFrame(layer.features), self._stacked)
        if known is not None and len(known):
            self.pieces, self.features = known, pd.DataFrame(layer.features)
        self._connections.add(layer.events.paint, self._on_painted)
        self._connections.add(layer.events.selected_label, self._on_selected)

    def _do(self, label: str, after: State, gesture: Hashable = None) -> None:
        layer = self._writable()
        before = tuple(Shot(one.position, one.top_left, np.array(layer.data[self._where(one)])) for one in after.shots)
        self.steps.push(Step(label, State(before, self.pieces, self.origin, self.removed, self.marks), after, gesture))
        self._apply(after)

    def _apply(self, state: State) -> None:
        self.pieces, self.origin, self.removed, self.marks = state.pieces, state.origin, state.removed, state.marks
        self._write(state.shots, self.pieces.highest)
        self.announce()

    def _write(self, shots: Iterable[Shot], highest: int) -> None:
        layer = self._writable()
        make_room(layer, highest)
        self._writing = True
        for shot in shots:
            where = self._where(shot)
            if self._painted:
                # napari's own history of the layer stays consistent.
                existing = np.asarray(layer.data[where])
                patch = plane_patch(self.plane(shot.position), shot.top_left, existing, shot.pixels)
                if patch is not None:
                    apply_patch(layer, patch)
            else:
                layer.data[where] = np.asarray(shot.pixels).astype(layer.data.dtype, copy=False)
        self._writing = False
        if not self._painted:
            layer.refresh(extent=False)

    def _where(self, shot: Shot) -> tuple[int | slice, ...]:
        height, width = np.shape(shot.pixels)
        return window(self.plane(shot.position), shot.top_left, (height, width))

    def _without(self, layer: Labels, position: Position, gone: Pieces) -> Shot:
        """Return the smallest rectangle of a plane around some objects, without them."""
        plane = self.plane(position)
        boxes = gone.boxes_yxyx
        known = bool((boxes[:, 2] > 0).all())  # of a layer that was saved nobody knows where they are
        top, left = boxes[:, :2].min(axis=0) if known else (0, 0)
        bottom, right = boxes[:, 2:].max(axis=0) if known else plane.shape_hw
        corner = int(top), int(left)
        pixels = np.array(layer.data[window(plane, corner, (int(bottom - top), int(right - left)))])
        pixels[np.isin(pixels, gone.ids)] = 0
        return Shot(position, corner, pixels)

    def _relabelling(self, layer: Labels, change: Relabelling) -> Iterator[None]:
        for position in change.positions:
            slicer = self.plane(position).slicer
            labels = np.asarray(layer.data[slicer])
            known = labels < len(change.table)  # what was painted by hand meanwhile stays
            layer.data[slicer] = np.where(known, change.table[np.where(known, labels, 0)], labels)
            yield
        layer.refresh(extent=False)

    def _on_painted(self, event: object = None) -> None:
        if not self._writing:
            self._painted = True

    def _on_selected(self, event: object = None) -> None:
        if self.layer is not None:
            self.picked.emit(int(self.layer.selected_label))
