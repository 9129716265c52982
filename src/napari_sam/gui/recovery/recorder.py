"""Tells journals what happens in layers and sessions. The only part that listens; it never waits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.gui.history import UNDO, Edit
from napari_sam.gui.layers import METADATA_KEY, SPARSE_ABOVE
from napari_sam.gui.prompting.prompts import PromptState
from napari_sam.gui.qt.connections import Connections
from napari_sam.gui.qt.timers import Debounce
from napari_sam.gui.recovery import content
from napari_sam.gui.recovery.codec import Json
from napari_sam.gui.recovery.journal import Journal
from napari_sam.gui.view.planes import Plane

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_sam.gui.session import SegmentSession

# Which journal an objects layer is written to, so that nobody offers to recover what is there to be seen.
JOURNAL_KEY = "napari_sam_journal"
COMPARE_DELAY_MS = 400
SYNC_DELAY_MS = 1000
RECENT_BLOCKS = 8


class LayerRecorder:
    """Follows the pixels of one objects layer, whoever writes them, until :meth:`close`.

    Parameters
    ----------
    layer : Labels
        The layer.
    journal : Journal
        Where to write.
    """

    def __init__(self, layer: Labels, journal: Journal) -> None:
        self.layer = layer
        self.journal = journal
        self.shown: Callable[[], Plane | None] = _nothing
        self._shape = tuple(layer.data.shape)
        self._compare = Debounce(self._on_quiet, COMPARE_DELAY_MS)
        self._sync = Debounce(self._on_sync, SYNC_DELAY_MS)
        self._connections = Connections()
        self._connections.add(layer.events.paint, self._on_paint)
        self._connections.add(layer.events.set_data, self._on_drawn)
        self._connections.add(layer.events.data, self._on_replaced)
        layer.metadata[JOURNAL_KEY] = journal.name
        self.write_everything()

    @property
    def pending(self) -> bool:
        """Whether a comparison with the layer still has to be done."""
        return self._compare.pending

    def close(self) -> None:
        """Listen no longer, after a last look at what was touched."""
        self._compare.stop()
        self._sync.stop()
        self._connections.clear()
        if self.journal.take_missed():
            self.write_everything()
        elif self._fits:
            self.journal.submit(content.touched(self.layer.data, RECENT_BLOCKS))

    def write_everything(self) -> None:
        """Compare the whole layer with the journal, when there is time."""
        data = self.layer.data
        if not self._fits:
            return
        self.journal.submit(content.notes(self._notes()))
        if _can_be_copied(data):
            self.journal.submit_idle(content.everything(data))
        elif getattr(data, "nchunks_initialized", None) != 0:
            self.journal.submit(content.reference(str(self.layer.name)))
        self._sync.request()

    def write_notes(self) -> None:
        """Write down what the layer says of its classes."""
        self.journal.submit(content.notes(self._notes()))

    def request_sync(self) -> None:
        """Have everything put on the disk a moment later."""
        self._sync.request()

    @property
    def _fits(self) -> bool:
        # The tool refuses to work with an array of another shape; so does its journal.
        return tuple(self.layer.data.shape) == self._shape

    def _on_paint(self, event: Any) -> None:
        if self._fits:
            self.journal.submit(content.painted(tuple(event.value)))
            self._sync.request()

    def _on_drawn(self, event: object) -> None:
        # napari's own undo of a layer says nothing but this.
        self._compare.request()

    def _on_replaced(self, event: object) -> None:
        self.write_everything()

    def _on_quiet(self) -> None:
        if not self._fits:
            return
        data, plane = self.layer.data, self.shown()
        self.journal.submit(content.touched(data, RECENT_BLOCKS))
        if plane is not None and plane.other_axes == tuple(range(plane.ndim - 2)):
            self.journal.submit(content.shown(data, plane.index))

    def _on_sync(self) -> None:
        if self.journal.take_missed():
            self.write_everything()
        self.journal.sync()

    def _notes(self) -> Json:
        entry = self.layer.metadata.get(METADATA_KEY)
        if not isinstance(entry, Mapping):
            return {}
        classes = {str(number): str(name) for number, name in dict(entry.get("classes", {})).items()}
        mode = entry.get("mode")
        return {"mode": None if mode is None else str(mode), "classes": classes} if mode or classes else {}


class Recorder:
    """Follows the prompts and the history of a session until :meth:`close`.

    Parameters
    ----------
    session : SegmentSession
        The session.
    layer : LayerRecorder
        Who follows its objects layer; both write the same journal.
    """

    def __init__(self, session: SegmentSession, layer: LayerRecorder) -> None:
        self.layer = layer
        self.journal = layer.journal
        self._session = session
        self._known: PromptState | None = None
        self._connections = Connections()
        self._connections.add(session.history.recorded, self._on_recorded)
        self._connections.add(session.changed, self._on_changed)
        layer.shown = self._shown
        self._write_prompts(session.state, "begin", "")
        self.journal.submit(content.records({record.key: record for record in session.editor.records}))

    @property
    def pending(self) -> bool:
        """Whether a comparison with the layer still has to be done."""
        return self.layer.pending

    def close(self, moved: bool = False) -> None:
        """Listen no longer; ``moved`` says that the prompts go on in another journal."""
        self._connections.clear()
        self.layer.shown = _nothing
        if moved:
            nothing = PromptState(points=np.empty((0, self._session.state.points.shape[1])))
            self._write_prompts(nothing, "moved", "")

    def _shown(self) -> Plane | None:
        return self._session.plane

    def _on_recorded(self, how: str, edit: Edit) -> None:
        self._write_prompts(edit.before if how == UNDO else edit.after, edit.label, how)
        mine = edit.layer_id in ("", str(self.layer.layer.unique_id))
        if edit.records is not None and mine:
            self.journal.submit(content.records(edit.records.before if how == UNDO else edit.records.after))
        if edit.patch is not None:
            self.layer.write_notes()
        self.layer.request_sync()

    def _on_changed(self) -> None:
        if self._session.state is not self._known:
            self._write_prompts(self._session.state, "change", "")

    def _write_prompts(self, state: PromptState, label: str, how: str) -> None:
        self._known = state
        self.journal.submit(content.prompts(state, label, how))


def _can_be_copied(data: Any) -> bool:
    if isinstance(data, np.ndarray):
        return True
    return hasattr(data, "nchunks_initialized") and math.prod(data.shape) * data.dtype.itemsize <= SPARSE_ABOVE


def _nothing() -> Plane | None:
    return None
