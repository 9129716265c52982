"""The Automatic widget: segment everything. It wires controls, image, result and background threads together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from napari.utils.notifications import show_error, show_warning

from napari_sam.automatic.job import AutomaticJob
from napari_sam.automatic.presets import apply_preset
from napari_sam.errors import NapariSamError, ParameterError
from napari_sam.gui.automatic.commands import AutomaticCommands
from napari_sam.gui.automatic.conductor import Conductor
from napari_sam.gui.automatic.controls import SELECTED_LAYERS, THIS_PLANE, THIS_STACK, Controls
from napari_sam.gui.automatic.export import command_line
from napari_sam.gui.automatic.hand_over import hand_over
from napari_sam.gui.automatic.hints import GRID, hint_choices
from napari_sam.gui.automatic.parameters import LIVE, flat, live_values, needs_model
from napari_sam.gui.automatic.preset_choice import CUSTOM, preset_of
from napari_sam.gui.automatic.score_colors import COLOR_BY
from napari_sam.gui.automatic.segmenter import SegmenterFactory, load_segmenter
from napari_sam.gui.automatic.steps import Step
from napari_sam.gui.automatic.subject import Subject
from napari_sam.gui.notices import Notices
from napari_sam.gui.qt.lifecycle import Lifecycle
from napari_sam.gui.view.image_choice import ImageChoice
from napari_sam.gui.view.looks import OURS

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

NO_IMAGE = "Open an image (File > Open Sample has some), then press Run."
READY = "Ready: press Run."


class AutomaticWidget(AutomaticCommands):
    """Segments everything in an image, plane or stack, and lets the user try thresholds on what was found.

    Everything the buttons do can be scripted: ``run()``, ``cancel()``, ``wait()``, ``undo()``, ``export_job()``; every
    parameter has a control of its own name, as in ``widget["pred_iou_thresh"].value = 0.9``.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer to work in.
    segmenter_factory : callable, optional
        Loads the model for a :class:`napari_sam.automatic.job.ModelConfig`; called in the background thread.
    """

    def __init__(self, viewer: napari.viewer.Viewer, segmenter_factory: SegmenterFactory = load_segmenter) -> None:
        # napari hands plugins a proxy whose attributes are never identical objects; layers are held by reference here.
        self._viewer = getattr(viewer, "__wrapped__", viewer)
        self._factory = segmenter_factory
        self._images = ImageChoice(self._viewer.layers)
        self._subject = None
        self._controls = Controls(self._images.choices, self._sources)
        self._is_open = False
        self._queue: list[Image] = []
        self._notices = Notices()
        self._last_job = AutomaticJob()
        layout = self._controls.layout()
        super().__init__(widgets=layout, labels=False, name="Automatic")
        self._controls.prepare_native(self.native, layout)
        self._prepare()
        self._open()

    def close(self) -> None:
        """Disconnect from the viewer and end the background threads; the layers stay."""
        self._shut()
        super().close()

    @property
    def pending(self) -> bool:
        """Whether a run, or what comes of it, is still under way."""
        if not self._is_open:
            return False
        waiting = self._subject is not None and self._subject.pending
        return waiting or bool(self._queue) or self._images.pending or self._conductor.pending

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._is_open and self._conductor.running

    # -- commands ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Segment everything in the plane, the stack or the selected layers, in the background."""
        if not self._is_open or self.running:
            return
        if self._controls.scope.value == SELECTED_LAYERS:
            chosen = [one for one in self._viewer.layers if one in self._viewer.layers.selection]
            self._queue = [one for one in chosen if isinstance(one, Image) and OURS not in one.metadata]
            if not self._queue:
                self._controls.show_status("Select image layers in the layer list first.")
            self._next()
        elif self._subject is not None:
            self._begin(self._controls.scope.value)

    def apply(self) -> None:
        """Try the thresholds the controls show on the masks that were found; changes of a control do so at once."""
        self._on_parameters("")

    def cancel(self) -> None:
        """Stop the run; what was found so far stays."""
        if self._is_open:
            self._queue = []
            self._conductor.cancel()

    def send_to_segment(self) -> None:
        """Hand the labels over to the Segment widget, which opens if it is not there."""
        if self._subject is None or self._conductor.running:
            return
        layer = self._subject.results.forget()
        self._show_result()
        if layer is None:
            self._controls.show_status("There is nothing to hand over yet: press Run.")
            return
        layer.name = "objects"
        opened = hand_over(self._viewer, self._subject.image, layer)
        where = "the Segment widget has them now" if opened else "the Segment widget will take them"
        self._controls.show_status(f"Handed over as '{layer.name}': {where}. The next run makes a new layer.")

    # -- opening and closing -----------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        controls = self._controls
        for button in controls.buttons():
            button.changed.connect(partial(self._on_button, button.name))
        controls.form.changed.connect(self._on_parameters)
        controls.preset.changed.connect(self._on_preset)
        for control in (controls.scope, controls.source):
            control.changed.connect(self._show_state)
        controls.results.chosen.connect(self.show_object)
        controls.results.color_by.changed.connect(self._on_color_by)
        self._images.chosen.connect(self._on_image_chosen)
        self._lifecycle = Lifecycle(self.native)
        self._lifecycle.docked.connect(self._open)
        self._lifecycle.undocked.connect(self._shut)
        self._lifecycle.window_closing.connect(self.cancel)
        self._lifecycle.window_closed.connect(self._shut)

    def _open(self) -> None:
        if self._is_open:
            return
        self._is_open = True
        self._conductor = Conductor(self._factory, self._wanted)
        self._conductor.told.connect(self._controls.show_status)
        self._conductor.failed.connect(self._complain)
        self._conductor.warned.connect(self._warn)
        self._conductor.advanced.connect(self._on_advanced)
        self._conductor.ended.connect(self._on_ended)
        self._images.open(self._controls.image)

    def _shut(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        self._queue = []
        self._images.close()
        self._conductor.close()
        self._leave()
        self._controls.busy.close()
        self._lifecycle.stop()

    def _leave(self) -> None:
        if self._subject is not None:
            self._subject.close()
            self._subject = None

    # -- image and result --------------------------------------------------------------------------------------------

    def _on_image_chosen(self, image: Image | None) -> None:
        interrupted = self._conductor.running
        self._conductor.leave()
        if interrupted:
            self._on_ended(False)
            self._notices.tell(show_warning, "The image has gone or changed: the run is cancelled, its result stays.")
        self._leave()
        if image is None:
            self._controls.show_status(NO_IMAGE)
        else:
            self._subject = subject = Subject(self._viewer, image)
            subject.looks_changed.connect(self._follow_looks)
            subject.plane_changed.connect(self._show_state)
            subject.reshaped.connect(self._on_reshaped)
            subject.data_changed.connect(self._on_data_changed)
            subject.results.changed.connect(self._show_result)
            subject.results.picked.connect(self._on_picked)
            subject.results.recolor(COLOR_BY[self._controls.results.color_by.value])
            self._follow_looks()
            self._controls.show_status(READY)
        self._controls.source.reset_choices()
        self._show_result()

    def _on_reshaped(self) -> None:
        if self._subject is not None:
            self._on_image_chosen(self._subject.image)

    def _on_data_changed(self) -> None:
        if self._conductor.running:
            self._complain("The image was replaced: the run is cancelled. What was found so far stays; run again.")
            self.cancel()
        self._show_state()

    def _follow_looks(self) -> None:
        if self._subject is None:
            return
        limits = self._subject.limits()
        if limits != self._controls.form.values()["limits"]:
            self._controls.form.set_values({"limits": limits})
        if float(self._subject.image.gamma) != 1.0:
            self._warn("The gamma of the layer is not used: what the model sees are the contrast limits alone.")
        self._show_state()

    def _show_result(self) -> None:
        results = None if self._subject is None else self._subject.results
        panel = self._controls.results
        if results is None or results.layer is None:
            panel.show(panel.nothing, False, lambda object_id: None)
            panel.show_steps("", "")
        else:
            panel.show(results.features, results.stacked, results.layer.get_color)
            panel.show_steps(results.steps.undo_label, results.steps.redo_label)
        self._show_state()

    def _on_picked(self, label: int) -> None:
        self._controls.results.table.select([label])

    def _on_color_by(self, choice: str) -> None:
        if self._subject is not None:
            self._subject.results.recolor(COLOR_BY[choice])
            self._show_result()

    # -- runs --------------------------------------------------------------------------------------------------------

    def _begin(self, scope: str) -> None:
        subject = self._subject
        if subject is None:
            return
        try:
            if scope == THIS_PLANE:
                self._conductor.run_plane(subject, self.job, self._about())
            else:
                self._conductor.run_stack(subject, self.job, self._about())
        except NapariSamError as error:
            self._complain(str(error))
            self._queue = []
        self._controls.show_running(self._conductor.running)
        self._show_state()

    def _sources(self, widget: object = None) -> list[tuple[str, Any]]:
        """Return what can be asked about."""
        subject = self._subject
        if subject is None:
            return hint_choices(self._viewer.layers, None, None)
        return hint_choices(self._viewer.layers, subject.image, subject.results.layer)

    def _about(self) -> Layer | None:
        chosen = self._controls.source.value
        return None if chosen == GRID else chosen

    def _next(self) -> None:
        while self._queue:
            image = self._queue.pop(0)
            if image in self._viewer.layers:
                self._controls.image.value = image
                self._begin(THIS_STACK)
                return

    def _on_advanced(self, part: float) -> None:
        self._controls.busy.advance(round(1000 * part), 1000)

    def _on_ended(self, complete: bool) -> None:
        self._controls.show_running(False)
        if not complete:
            self._queue = []
        self._show_result()
        self._next()

    # -- parameters --------------------------------------------------------------------------------------------------

    def _wanted(self) -> AutomaticJob:
        return self.job

    def _on_preset(self, name: str) -> None:
        if name != CUSTOM and self._valid() is not None:
            self.use_job(apply_preset(self.job, name))

    def _on_parameters(self, name: str) -> None:
        job = self._valid()
        if job is None:
            return
        if name == "model":  # thresholds that suited the model before become those that suit this one
            job = self._last_job.with_values({"model": job.model.model})
            self._controls.form.set_values(flat(job))
        self._last_job = job
        preset = preset_of(job)
        with self._controls.preset.changed.blocked():
            self._controls.preset.value = preset
        if self._subject is not None and (name in LIVE or name in ("", "model")):
            self._conductor.refilter(self._subject, job, name.replace("_", " ") or "parameters")
        self._show_state()

    def _valid(self) -> AutomaticJob | None:
        try:
            return self.job
        except ParameterError as error:
            self._controls.show_status(str(error))
            return None

    def _show_state(self, event: object = None) -> None:
        """Say whether the result is that of the parameters, and how the command line gives it."""
        subject, controls = self._subject, self._controls
        one_plane = controls.scope.value == THIS_PLANE
        controls.show_note(self._outdated(subject))
        controls.results.show_summary(*self._counts(subject))
        position = subject.position() if subject is not None and one_plane else None
        about_grid = controls.source.value == GRID
        line = command_line(None if subject is None else subject.image, position)
        controls.job_hint.value = line if about_grid else f"Only with the point grid: {line}"

    def _counts(self, subject: Subject | None) -> tuple[int, int | None]:
        if subject is None:
            return 0, None
        origin = subject.results.origin
        masks = None if origin is None or origin.candidates is None else len(origin.candidates)
        return len(subject.results.features), masks

    def _outdated(self, subject: Subject | None) -> str:
        """Return which parameters have changed since the run so that it has to be done again."""
        origin = None if subject is None else subject.results.origin
        job = self._valid() if origin is not None else None
        if subject is None or origin is None or job is None or self._conductor.running:
            return ""
        names = needs_model(origin.job, job, origin.position is not None)
        if origin.candidates is None:
            now, then = live_values(job), live_values(origin.job)
            names += [name for name in now if now[name] != then[name]]
        else:
            names += origin.missing(job)
        if names:
            return f"Run again for: {', '.join(name.replace('_', ' ') for name in names)}."
        return "The image has changed: run again." if subject.is_outdated else ""

    # -- messages ----------------------------------------------------------------------------------------------------

    def _on_button(self, method: str, value: object = None) -> None:
        getattr(self, method)()

    def _after_step(self, step: Step | None, done: str, nothing: str) -> None:
        if step is None or self._subject is None:
            self._controls.show_status(nothing)
            return
        origin = self._subject.results.origin
        if origin is not None:
            self._controls.form.set_values(live_values(origin.job))
        self._controls.show_status(f"{done}: {step.label}.")
        self._show_result()

    def _complain(self, text: str) -> None:
        self._controls.show_status(text)
        self._notices.tell(show_error, text)

    def _warn(self, text: str) -> None:
        self._notices.tell(show_warning, text)
