"""The Segment widget: click a thing, get its mask. It wires controls, session and background thread together."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error, show_info, show_warning

from napari_sam.errors import KeyBindingError, NapariSamError
from napari_sam.gui.commands import SegmentCommands
from napari_sam.gui.compute.background import Background
from napari_sam.gui.compute.engine import Answer, Factory, ModelChoice, SegmentJob, load_predictor
from napari_sam.gui.compute.prefetch import Prefetcher
from napari_sam.gui.controls import Controls
from napari_sam.gui.early import EarlyMask
from napari_sam.gui.keys.shortcuts import Shortcuts
from napari_sam.gui.layers import leave_layers
from napari_sam.gui.notices import Notices
from napari_sam.gui.objects.overview import Overview
from napari_sam.gui.objects.propagation import ObjectPropagation
from napari_sam.gui.qt.lifecycle import Lifecycle
from napari_sam.gui.recovery.autosave import Autosave
from napari_sam.gui.session import SegmentSession
from napari_sam.gui.view.image_choice import ImageChoice
from napari_sam.gui.vision import Vision

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image

NO_IMAGE = "Open an image (File > Open Sample has some), then click an object in it."


class SegmentWidget(SegmentCommands):
    """Points and boxes drawn in napari drive Segment Anything, live.

    Everything the buttons do can be scripted: ``commit()``, ``undo()``, ``redo()``, ``clear()``,
    ``next_candidate()``, ``cancel()`` and ``wait()``; prompts are what the layers with the roles ``points`` and
    ``boxes`` hold.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer to work in.
    predictor_factory : callable, optional
        Loads the predictor for a :class:`napari_sam.gui.compute.engine.ModelChoice`; called in the background thread.
    """

    def __init__(self, viewer: napari.viewer.Viewer, predictor_factory: Factory = load_predictor) -> None:
        # napari hands plugins a proxy whose attributes are never identical objects; layers are held by reference here.
        self._viewer = getattr(viewer, "__wrapped__", viewer)
        self._factory = predictor_factory
        self._images = ImageChoice(self._viewer.layers)
        self._controls = Controls(self._images.choices)
        self._session = None
        self._propagation = None
        self._early = EarlyMask()
        self._is_open = False
        self._in_sight = False
        self._notices = Notices()
        self._vision = Vision(self._viewer, self._controls.model_view, self._controls.hover)
        self._autosave = Autosave(self._viewer.layers, self._controls.recovery_banner, self._controls.autosave.value)
        super().__init__(widgets=self._controls.layout(), labels=False, name="Segment")
        self._keys = Shortcuts(self._viewer, self, self.native.window)
        self._prepare_native()
        self._open()

    def close(self) -> None:
        """Disconnect from the viewer and end the background thread; the layers stay."""
        self._shut()
        super().close()

    # -- opening and closing -----------------------------------------------------------------------------------------

    def _prepare_native(self) -> None:
        self._controls.prepare_native(self.native, list(self))
        for button in self._controls.buttons():
            button.changed.connect(partial(self._on_button, button.name))
        self._controls.candidates.picked.connect(self.pick_candidate)
        objects = self._controls.objects
        objects.edit_requested.connect(self.edit_object)
        objects.delete_requested.connect(self.delete_object)
        objects.merge_requested.connect(self.merge_objects)
        objects.continue_requested.connect(self.continue_object)
        objects.propagate_requested.connect(self.propagate_object)
        self._images.chosen.connect(self._on_image_chosen)
        for control in self._controls.model_controls():
            control.changed.connect(self._on_model_chosen)
        self._controls.prompt.changed.connect(self._on_prompt_chosen)
        self._controls.clicked_pieces.changed.connect(self._on_clicked_pieces)
        self._keys.changed.connect(self._show_keys)
        self._keys.notice.connect(self._inform)
        self._controls.keys.asked.connect(self._on_key_asked)
        self._controls.keys.reset_asked.connect(self._keys.reset)
        self._show_keys()
        self._controls.autosave.changed.connect(self._autosave.set_enabled)
        self._autosave.notice.connect(self._inform)
        self._vision.notice.connect(self._inform)
        self._autosave.trouble.connect(self._alert)
        self._lifecycle = Lifecycle(self.native)
        self._lifecycle.docked.connect(self._open)
        self._lifecycle.undocked.connect(self._shut)
        self._lifecycle.switched.connect(self._on_switched)
        self._lifecycle.window_closing.connect(self.cancel)
        self._lifecycle.window_closed.connect(self._vision.forsake)
        self._lifecycle.window_closed.connect(self._shut)

    def _open(self) -> None:
        if self._is_open:
            return
        self._is_open = True
        self._background = Background(self._factory)
        self._background.progressed.connect(self._controls.show_status)
        self._background.advanced.connect(self._controls.busy.advance)
        self._background.warned.connect(self._alert)
        self._background.answered.connect(self._on_answered)
        self._background.found.connect(self._on_found)
        self._background.failed.connect(self._on_failed)
        self._background.cancelled.connect(self._on_cancelled)
        self._prefetcher = Prefetcher(self._background, self._neighbours)
        self._on_switched(True)
        self._autosave.open()
        self._images.open(self._controls.image)

    def _shut(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        self._images.close()
        self._keys.switch(False)
        self._autosave.shut()
        self._end_session()
        self._prefetcher.close()
        self._background.close()
        self._controls.busy.close()
        self._lifecycle.stop()

    def _end_session(self) -> None:
        if self._propagation is not None:
            self._propagation.close()
            self._propagation = None
        if self._session is not None:
            self._overview.close()
            self._vision.end()
            self._session.close()
            self._session = None

    def _leave_session(self) -> None:
        left = self._session
        self._autosave.begin(None)
        self._end_session()
        self._background.cancel()
        if left is not None:
            leave_layers(self._viewer.layers, left.image, left.tools.layers)

    def _on_switched(self, on: bool) -> None:
        self._in_sight = on
        self._keys.switch(on and self._is_open and self._session is not None)

    # -- image and layers --------------------------------------------------------------------------------------------

    def _on_reshaped(self) -> None:
        if self._session is not None:
            self._on_image_chosen(self._session.image)

    def _on_image_chosen(self, image: Image | None) -> None:
        self._leave_session()
        if image is None:
            self._controls.show_status(NO_IMAGE)
            self._update_buttons()
            self._on_switched(self._in_sight)
            return
        session = SegmentSession(self._viewer, image, self._submit, self._model_choice)
        self._session = session
        self._on_switched(self._in_sight)
        self._overview = Overview(self._viewer, session, self._controls.objects)
        self._begin_propagation(session)
        session.clicked_pieces = self._controls.clicked_pieces.value
        session.message.connect(self._controls.show_status)
        session.notice.connect(self._inform)
        session.changed.connect(self._update_buttons)
        session.view.reshaped.connect(self._on_reshaped)
        session.view.moved.connect(self._prefetcher.request)
        session.tools.polarity_changed.connect(self._show_polarity)
        self._vision.begin(session, self._background)
        self._show_polarity()
        self._update_buttons()
        session.refresh()
        self._autosave.begin(session)

    def _begin_propagation(self, session: SegmentSession) -> None:
        self._propagation = ObjectPropagation(session, self._background)
        self._propagation.changed.connect(self._show_busy)
        self._propagation.advanced.connect(self._controls.busy.advance)
        session.view.plane_changed.connect(self._show_axes)
        self._show_axes()

    def _show_busy(self) -> None:
        running = self._propagation is not None and self._propagation.running
        self._controls.show_busy(running or self._background.busy)

    def _show_axes(self) -> None:
        if self._session is not None:
            axes = self._session.view.other_axes()
            self._controls.stack.show_axes(axes)
            self._controls.objects.propagate_object.visible = bool(axes)

    # -- model and background work -----------------------------------------------------------------------------------

    def _model_choice(self) -> ModelChoice:
        controls = self._controls
        file = controls.checkpoint.value
        return ModelChoice(
            controls.model.value,
            file if isinstance(file, Path) else None,
            controls.device.value,
            controls.precision.value,
        )

    def _on_model_chosen(self, value: object) -> None:
        if self._session is not None:
            self._session.refresh()

    def _submit(self, job: SegmentJob) -> None:
        self._background.submit(job)
        self._show_busy()

    def _neighbours(self) -> list[SegmentJob]:
        if self._session is None or not self._controls.prefetch.value:
            return []
        return self._session.neighbours()

    def _on_answered(self, job: SegmentJob, answer: Answer) -> None:
        if self._session is not None:
            self._session.on_answer(job, answer)
        self._show_busy()

    def _on_found(self, job: SegmentJob, found: Answer) -> None:
        if self._session is not None:
            self._early.show(self._session, job, found)

    def _on_failed(self, job: SegmentJob, error: BaseException) -> None:
        if self._session is not None:
            self._session.on_stopped(job, failed=True)
            self._early.end(self._session, job)
        known = isinstance(error, NapariSamError)
        text = str(error) if known else f"Unexpected {type(error).__name__}: {error}. The session goes on."
        self._controls.show_status(text)
        self._notices.tell(show_error, text)
        self._show_busy()

    def _on_cancelled(self, job: SegmentJob) -> None:
        if self._session is not None:
            self._session.on_stopped(job, failed=False)
            self._early.end(self._session, job)
        self._show_busy()

    # -- controls ----------------------------------------------------------------------------------------------------

    def _on_button(self, method: str, value: object = None) -> None:
        getattr(self, method)()

    def _on_prompt_chosen(self, label: str) -> None:
        if self._session is not None and self._session.tools.polarity.label != label:
            self._session.tools.polarity.label = label

    def _on_clicked_pieces(self, value: bool) -> None:
        if self._session is not None:
            self._session.clicked_pieces = value

    def _show_polarity(self) -> None:
        if self._session is not None:
            self._controls.prompt.value = self._session.tools.polarity.label

    def _inform(self, text: str) -> None:
        self._notices.tell(show_info, text)

    def _alert(self, text: str) -> None:
        self._notices.tell(show_warning, text)

    def _show_keys(self) -> None:
        self._controls.show_keys(self._keys.table.__getitem__)

    def _on_key_asked(self, method: str, key: str) -> None:
        try:
            self._keys.change(method, key)
        except KeyBindingError as error:
            self._controls.keys.say(str(error))
            self._show_keys()
        else:
            self._controls.keys.say()

    def _update_buttons(self) -> None:
        history = None if self._session is None else self._session.history
        self._controls.undo.enabled = history is not None and history.can_undo
        self._controls.redo.enabled = history is not None and history.can_redo
        if history is not None:
            self._controls.show_steps(history.undo_label, history.redo_label)
        views = None if self._session is None else self._session.candidate_views()
        if views is None:
            self._controls.candidates.clear()
        else:
            self._controls.candidates.show(*views)
