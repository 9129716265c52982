"""Autosave and recovery of one widget: a journal per image, and the banner that offers what others left behind."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from psygnal import Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_sam.errors import NapariSamError
from napari_sam.gui.panels.recovery_banner import RecoveryBanner
from napari_sam.gui.qt.mainthread import MainThread
from napari_sam.gui.recovery.folder import JournalFile, JournalFolder
from napari_sam.gui.recovery.identity import identity_of
from napari_sam.gui.recovery.journal import Journal
from napari_sam.gui.recovery.keeper import Keeper
from napari_sam.gui.recovery.offers import Offer, Unreadable, find_offers, save_objects
from napari_sam.gui.recovery.recorder import JOURNAL_KEY, Recorder
from napari_sam.gui.recovery.restore import Recovery, is_same, plan_recovery, recover

if TYPE_CHECKING:
    from napari.components import LayerList

    from napari_sam.gui.session import SegmentSession

T = TypeVar("T")


class Autosave:
    """Keeps the journals of one widget and offers those of sessions that are gone.

    Parameters
    ----------
    layers : LayerList
        ``viewer.layers``.
    banner : RecoveryBanner
        Where work to recover is offered.
    enabled : bool
        Whether journals are written.

    Attributes
    ----------
    notice, trouble : Signal(str)
        What the user should know, and what went wrong.
    """

    notice = Signal(str)
    trouble = Signal(str)

    def __init__(self, layers: LayerList, banner: RecoveryBanner, enabled: bool = True) -> None:
        self._layers = layers
        self._banner = banner
        self._folder = JournalFolder()
        self._keeper = Keeper(layers, self._folder, enabled, self._tell_trouble)
        self._session: SegmentSession | None = None
        self._offers: list[Offer] = []
        self._shown: Offer | None = None
        self._held: list[JournalFile] = []
        self._main: MainThread | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._running = 0
        banner.requested.connect(self._on_requested)

    @property
    def pending(self) -> bool:
        """Whether something that the user will see is still on its way."""
        return self._running > 0

    @property
    def recorder(self) -> Recorder | None:
        """Who writes the journal of the session; None where there is none."""
        return self._keeper.recorder

    def open(self) -> None:
        """Look for what others left behind."""
        self._main = MainThread()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="napari-sam-recovery")
        self._in_background(partial(find_offers, self._folder, self._names_in_viewer()), self._on_found)
        self._keeper.open()

    def begin(self, session: SegmentSession | None) -> None:
        """Follow another session, or none; the journal of the last one waits until the user comes back to it."""
        self._session = session
        self._keeper.begin(session)
        self._show_offer()

    def shut(self) -> None:
        """Write what waits and end every journal; whatever holds objects is offered next time."""
        self._session = None
        if self._executor is not None:
            self._executor.shutdown(wait=True)
        self._keeper.shut()
        if self._main is not None:
            self._main.close()
        for file in self._held:
            file.release()
        self._held.clear()
        self._offers.clear()
        self._running = 0

    def set_enabled(self, enabled: bool) -> None:
        """Switch autosave on or off; off removes what this widget has written."""
        self._keeper.set_enabled(enabled)

    def _tell_trouble(self, text: str) -> None:
        if self._main is not None:
            self._main.call(partial(self.trouble.emit, text))

    # -- offering ----------------------------------------------------------------------------------------------------

    def _on_found(self, found: list[Offer | Unreadable]) -> None:
        self._offers += [each for each in found if isinstance(each, Offer)]
        for each in found:
            if isinstance(each, Unreadable):
                self.trouble.emit(each.text)
        self._show_offer()

    def _show_offer(self) -> None:
        here = self._names_in_viewer()
        self._forget_saved()
        offers = [offer for offer in self._offers if offer.file.name not in here]
        image = None if self._session is None else identity_of(self._session.image)
        fitting = [offer for offer in offers if image is not None and offer.image.matches(image)]
        # Only what a crash interrupted is worth a word while another image is segmented.
        others = [offer for offer in offers if offer.crashed and offer not in fitting]
        self._shown = next(iter(fitting + others), None)
        if self._shown is None:
            self._banner.hide_question()
            return
        fits = bool(fitting)
        count = len(fitting if fits else others) - 1
        more = f" ({count} more after this one.)" if count else ""
        text = self._shown.question if fits else self._shown.hint
        self._banner.ask(text + more, can_recover=fits, can_save=not fits and self._shown.objects > 0)

    def _forget_saved(self) -> None:
        """Offer nothing that has been opened from a file: it was saved, and the session had ended as it should."""
        for offer in [offer for offer in self._offers if not offer.crashed]:
            if any(is_same(layer, offer) for layer in self._layers) and self._hold(offer):
                self._delete(offer)
                self._offers.remove(offer)

    def _names_in_viewer(self) -> set[str]:
        return {str(layer.metadata[JOURNAL_KEY]) for layer in self._layers if JOURNAL_KEY in layer.metadata}

    def _on_requested(self, wish: str) -> None:
        offer = self._shown
        if offer is None:
            return
        if wish == "later":
            self._drop(offer)
        elif wish == "discard":
            self._discard(offer)
        elif wish == "save":
            self._save(offer)
        elif self._take(offer):
            self._banner.set_enabled(False)
            self._in_background(partial(plan_recovery, offer), self._on_planned)

    def _take(self, offer: Offer) -> bool:
        taken = self._hold(offer)
        if not taken:
            self.notice.emit("Another window is working on this autosave, or it cannot be written.")
            self._drop(offer)
        return taken

    def _hold(self, offer: Offer) -> bool:
        try:
            return offer.file.acquire()
        except OSError:
            return False

    def _discard(self, offer: Offer) -> None:
        if self._take(offer):
            self._delete(offer)
            self._drop(offer)

    def _delete(self, offer: Offer) -> None:
        try:
            offer.file.delete()
        except OSError as error:
            self.trouble.emit(f"{offer.file.path} cannot be removed: {error.strerror or error}.")

    def _drop(self, offer: Offer) -> None:
        self._offers = [each for each in self._offers if each is not offer]
        self._show_offer()

    def _save(self, offer: Offer) -> None:
        path = ask_path(self._banner.native, f"{Path(offer.image.name).stem}_objects.tif")
        if path is not None:
            self._banner.set_enabled(False)
            self._in_background(partial(save_objects, offer, path), partial(self._on_saved, offer))

    def _on_saved(self, offer: Offer, path: Path) -> None:
        self.notice.emit(f"Saved {offer.amount} to {path}. The autosave is kept until you discard it.")
        self._show_offer()

    def _on_planned(self, recovery: Recovery) -> None:
        session, offer = self._session, recovery.offer
        if session is None or not offer.image.matches(identity_of(session.image)):
            self.notice.emit("Another image was chosen meanwhile: nothing was recovered.")
            offer.file.release()
            self._show_offer()
            return
        text, own = recover(session, self._layers, recovery)
        self.notice.emit(text)
        if own is not None:
            # Nothing else writes that layer down: its journal stays as it is, and is not offered while it is there.
            own.metadata[JOURNAL_KEY] = offer.file.name
            self._held.append(offer.file)
        elif self.recorder is None:
            offer.file.release()
        else:
            self._in_background(partial(_replace, offer.file, self.recorder.journal), _done)
        self._drop(offer)

    # -- background --------------------------------------------------------------------------------------------------

    def _in_background(self, work: Callable[[], T], then: Callable[[T], object]) -> None:
        if self._executor is None or self._main is None:
            return
        main = self._main
        self._running += 1
        future = self._executor.submit(work)
        future.add_done_callback(lambda done: main.call(partial(self._finish, done, then)))

    def _finish(self, future: Future[Any], then: Callable[[Any], object]) -> None:
        self._running -= 1
        error = future.exception()
        if error is None:
            then(future.result())
            return
        known = isinstance(error, NapariSamError)
        self.trouble.emit(str(error) if known else f"Recovery failed: {type(error).__name__}: {error}.")
        self._show_offer()


def _replace(old: JournalFile, new: Journal) -> None:
    """Remove a journal once another has everything, on the disk."""
    if new.flush():
        old.delete()
    else:
        old.release()


def _done(nothing: None) -> None:
    """There is nothing to tell."""


def ask_path(parent: QWidget, suggestion: str) -> Path | None:
    """Ask the user for the name of a TIFF file; None if they think better of it."""
    name, _ = QFileDialog.getSaveFileName(parent, "Save recovered objects", suggestion, "TIFF (*.tif *.tiff)")
    return Path(name) if name else None
