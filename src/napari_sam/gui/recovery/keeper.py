"""The journals of one widget: one for each objects layer that takes objects while the widget is open."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

import napari_sam
from napari_sam.gui.qt.connections import Connections
from napari_sam.gui.recovery import state as journal_state
from napari_sam.gui.recovery.folder import JournalFolder
from napari_sam.gui.recovery.identity import identity_of
from napari_sam.gui.recovery.journal import Journal
from napari_sam.gui.recovery.recorder import JOURNAL_KEY, LayerRecorder, Recorder

if TYPE_CHECKING:
    from napari.components import LayerList

    from napari_sam.gui.session import SegmentSession

HEARTBEAT_MS = 30_000


class Keeper:
    """Writes down what the sessions of one widget do.

    Parameters
    ----------
    layers : LayerList
        ``viewer.layers``.
    folder : JournalFolder
        Where journals lie.
    enabled : bool
        Whether journals are written.
    tell_trouble : callable
        Called with a message, from any thread.
    """

    def __init__(
        self, layers: LayerList, folder: JournalFolder, enabled: bool, tell_trouble: Callable[[str], None]
    ) -> None:
        self._layers = layers
        self._folder = folder
        self._enabled = enabled
        self._tell_trouble = tell_trouble
        self._session: SegmentSession | None = None
        self._layer_recorders: dict[str, LayerRecorder] = {}
        self._journals: dict[str, Journal] = {}
        self._connections = Connections()
        self._session_connections = Connections()
        self._heartbeat = QTimer()
        self._heartbeat.setInterval(HEARTBEAT_MS)
        self._heartbeat.timeout.connect(self._on_heartbeat)
        self.recorder: Recorder | None = None

    def open(self) -> None:
        """Start to watch the layer list."""
        self._connections.add(self._layers.events.removed, self._on_layer_removed)
        self._heartbeat.start()

    def begin(self, session: SegmentSession | None) -> None:
        """Follow another session, or none; the last one's layer is followed on, its prompts wait."""
        self._stop_recorder()
        self._session_connections.clear()
        self._session = session
        if session is not None:
            self._session_connections.add(session.tools.renewed, self._on_renewed)
            if self._enabled:
                self._start_recorder(session)

    def set_enabled(self, enabled: bool) -> None:
        """Switch writing on or off; off removes what this widget has written."""
        self._enabled = enabled
        if not enabled:
            self._end_journals(discard=True)
        elif self._session is not None and self.recorder is None:
            self._start_recorder(self._session)

    def shut(self) -> None:
        """Write what waits and end every journal; whatever holds objects is offered next time."""
        # A window that goes without being closed may take the timer before its owner is told.
        with suppress(RuntimeError):
            self._heartbeat.stop()
        self._connections.clear()
        self._session_connections.clear()
        self._session = None
        self._end_journals()

    def _start_recorder(self, session: SegmentSession) -> None:
        objects = session.tools.layers.objects
        known = str(objects.metadata.get(JOURNAL_KEY, ""))
        follower = self._layer_recorders.get(known)
        if follower is None or follower.layer is not objects:
            journal = self._new_journal(session, known if follower is None else "")
            follower = LayerRecorder(objects, journal)
            self._journals[journal.name] = journal
            self._layer_recorders[journal.name] = follower
        self.recorder = Recorder(session, follower)

    def _stop_recorder(self) -> None:
        if self.recorder is not None:
            self.recorder.close()
            self.recorder = None

    def _new_journal(self, session: SegmentSession, known: str) -> Journal:
        image = identity_of(session.image)
        dtype = session.tools.layers.objects.data.dtype
        header = journal_state.header(image, dtype, napari_sam.__version__, time.time())
        file = self._folder.named(known)
        try:
            if file is None or not file.acquire():
                file = self._folder.new()
        except OSError:  # it cannot be continued; whether a new one can be written will show
            file = self._folder.new()
        return Journal(file, header, self._tell_trouble)

    def _on_renewed(self) -> None:
        # Another layer takes the objects: it gets a journal of its own, and that of the last one keeps what it has.
        session, recorder = self._session, self.recorder
        if session is None or recorder is None or recorder.layer.layer is session.tools.layers.objects:
            return
        recorder.close(moved=True)
        self._start_recorder(session)
        if recorder.layer.layer not in self._layers:
            self._forget_layer(recorder.layer)

    def _on_layer_removed(self, event: Any) -> None:
        for follower in list(self._layer_recorders.values()):
            is_current = self.recorder is not None and self.recorder.layer is follower
            if follower.layer is event.value and not is_current:
                self._forget_layer(follower)

    def _forget_layer(self, follower: LayerRecorder) -> None:
        """Hold no layer that is gone; its journal is still there, in case that was a mistake."""
        follower.close()
        self._layer_recorders.pop(follower.journal.name, None)

    def _end_journals(self, discard: bool = False) -> None:
        self._stop_recorder()
        for follower in self._layer_recorders.values():
            follower.close()
            if discard:
                follower.layer.metadata.pop(JOURNAL_KEY, None)
        self._layer_recorders.clear()
        for journal in self._journals.values():
            journal.close(discard)
        self._journals.clear()

    def _on_heartbeat(self) -> None:
        # Tries again after trouble with the disk, and says "alive" where there are no file locks.
        for journal in self._journals.values():
            journal.sync()
