"""Tells the journal what happens in one session. The only part that listens to layers; it never waits."""

from __future__ import annotations

import math
from collections.abc import Mapping
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

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_sam.gui.session import SegmentSession

# Which journal an objects layer is written to, so that nobody offers to recover what is there to be seen.
JOURNAL_KEY = "napari_sam_journal"
COMPARE_DELAY_MS = 400
SYNC_DELAY_MS = 1000
RECENT_BLOCKS = 8


class Recorder:
    """Follows a session until :meth:`close`.

    Parameters
    ----------
    session : SegmentSession
        The session.
    journal : Journal
        Where to write.
    """

    def __init__(self, session: SegmentSession, journal: Journal) -> None:
        self.journal = journal
        self._session = session
        self._connections = Connections()
        self._layer_connections = Connections()
        self._known: PromptState | None = None
        self._compare = Debounce(self._on_quiet, COMPARE_DELAY_MS)
        self._sync = Debounce(self._on_sync, SYNC_DELAY_MS)
        self._connections.add(session.history.recorded, self._on_recorded)
        self._connections.add(session.changed, self._on_changed)
        self._connections.add(session.tools.renewed, self._on_renewed)
        self._attach()
        self._write_everything()

    @property
    def pending(self) -> bool:
        """Whether a comparison with the layer still has to be done."""
        return self._compare.pending

    def close(self) -> None:
        """Listen no longer, after a last look at what was touched."""
        self._compare.stop()
        self._sync.stop()
        self._connections.clear()
        self._layer_connections.clear()
        if self.journal.take_missed():
            self._write_everything()
        else:
            self.journal.submit(content.touched(self._objects.data, RECENT_BLOCKS))

    # -- what is listened to -----------------------------------------------------------------------------------------

    def _attach(self) -> None:
        self._objects: Labels = self._session.tools.layers.objects
        self._objects.metadata[JOURNAL_KEY] = self.journal.name
        self._layer_connections.add(self._objects.events.paint, self._on_paint)
        self._layer_connections.add(self._objects.events.set_data, self._on_drawn)
        self._layer_connections.add(self._objects.events.data, self._on_replaced)

    def _on_recorded(self, how: str, edit: Edit) -> None:
        self._write_prompts(edit.before if how == UNDO else edit.after, edit.label, how)
        if edit.records is not None:
            self.journal.submit(content.records(edit.records.before if how == UNDO else edit.records.after))
        if edit.patch is not None:
            self.journal.submit(content.notes(self._notes()))
        self._sync.request()

    def _on_changed(self) -> None:
        if self._session.state is not self._known:
            self._write_prompts(self._session.state, "change", "")

    def _on_paint(self, event: Any) -> None:
        self.journal.submit(content.painted(tuple(event.value)))
        self._sync.request()

    def _on_drawn(self, event: object) -> None:
        # napari's own undo of a layer says nothing but this.
        self._compare.request()

    def _on_replaced(self, event: object) -> None:
        self._compare_everything()

    def _on_renewed(self) -> None:
        if self._objects is not self._session.tools.layers.objects:
            self._layer_connections.clear()
            self._attach()
            self._compare_everything()

    def _on_quiet(self) -> None:
        data, plane = self._objects.data, self._session.plane
        self.journal.submit(content.touched(data, RECENT_BLOCKS))
        if plane is not None and plane.other_axes == tuple(range(plane.ndim - 2)):
            self.journal.submit(content.shown(data, plane.index))

    def _on_sync(self) -> None:
        if self.journal.take_missed():
            self._write_everything()
        self.journal.sync()

    # -- what is written ---------------------------------------------------------------------------------------------

    def _write_everything(self) -> None:
        self._write_prompts(self._session.state, "begin", "")
        self.journal.submit(content.records({record.key: record for record in self._session.editor.records}))
        self.journal.submit(content.notes(self._notes()))
        self._compare_everything()

    def _write_prompts(self, state: PromptState, label: str, how: str) -> None:
        self._known = state
        self.journal.submit(content.prompts(state, label, how))

    def _compare_everything(self) -> None:
        data = self._objects.data
        if _can_be_copied(data):
            self.journal.submit_idle(content.everything(data))
        elif getattr(data, "nchunks_initialized", None) != 0:
            self.journal.submit(content.reference(str(self._objects.name)))
        self._sync.request()

    def _notes(self) -> Json:
        entry = self._objects.metadata.get(METADATA_KEY)
        if not isinstance(entry, Mapping):
            return {}
        classes = {str(number): str(name) for number, name in dict(entry.get("classes", {})).items()}
        mode = entry.get("mode")
        return {"mode": None if mode is None else str(mode), "classes": classes} if mode or classes else {}


def _can_be_copied(data: Any) -> bool:
    if isinstance(data, np.ndarray):
        return True
    return hasattr(data, "nchunks_initialized") and math.prod(data.shape) * data.dtype.itemsize <= SPARSE_ABOVE
