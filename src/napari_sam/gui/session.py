"""Segmenting one image: its layers, its prompts, the answers to them, and the history of it all.

The session never computes: it hands jobs to ``submit`` and gets answers through ``on_answer``, both in the Qt thread.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_sam.errors import ImageError, PromptError
from napari_sam.gui.compute.answers import Answers
from napari_sam.gui.compute.candidates import Candidates
from napari_sam.gui.compute.engine import Answer, ModelChoice, SegmentJob
from napari_sam.gui.compute.thumbnails import CandidateView, views_of, why_no_choice
from napari_sam.gui.history import Edit, History
from napari_sam.gui.notices import NotesOnce
from napari_sam.gui.objects.commands import ObjectCommands
from napari_sam.gui.objects.editor import Scene
from napari_sam.gui.objects.plan import INSTANCE, CommitSettings
from napari_sam.gui.prompting.prompt_tools import PromptTools
from napari_sam.gui.prompting.prompts import PromptState, prompts_on
from napari_sam.gui.prompting.questions import Questions
from napari_sam.gui.proposal import write_proposal
from napari_sam.gui.qt.connections import Connections
from napari_sam.gui.view.image_view import ImageView
from napari_sam.gui.view.planes import Plane

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels

READY = "Ready: click an object, or draw a box around it."


class SegmentSession:
    """The state behind the Segment widget for one image layer.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer that shows the image.
    image : Image
        The image layer to segment.
    submit : callable
        Takes a job for the background thread.
    model : callable
        Returns the model the user has chosen.
    """

    message = Signal(str)
    notice = Signal(str)
    changed = Signal()

    def __init__(
        self,
        viewer: ViewerModel,
        image: Image,
        submit: Callable[[SegmentJob], None],
        model: Callable[[], ModelChoice],
    ) -> None:
        self._submit = submit
        self._model = model
        self._answers = Answers()
        self._questions = Questions()
        self._asked: SegmentJob | None = None
        self._prepared: Hashable = None
        self._failed: Hashable = None
        self._notes = NotesOnce()
        self._plane: Plane | None = None
        self._connections = Connections()
        self.history = History()
        self.tools = PromptTools(viewer, image)
        self.view = ImageView(viewer, image)
        self.objects = ObjectCommands(viewer.layers, self)
        self.editor = self.objects.editor
        self._cursor = viewer.cursor
        self._state = self.tools.read()
        self._connect()
        self.editor.prepare()

    def _connect(self) -> None:
        self._connections.add(self.tools.edited, self._on_edited)
        self._connections.add(self.changed, self._show_masks)
        self._connections.add(self.tools.notice, self._on_notice)
        self._connections.add(self.tools.objects_painted, self.editor.on_painted)
        self._connections.add(self.editor.notice, self._on_notice)
        self._connections.add(self.tools.renewed, self._on_renewed)
        self._connections.add(self.view.plane_changed, self.refresh)
        self._connections.add(self.view.content_changed, self.refresh)

    @property
    def image(self) -> Image:
        """The image layer."""
        return self.view.image

    @property
    def plane(self) -> Plane | None:
        """The plane shown, or None where nothing can be segmented."""
        return self._plane

    @property
    def state(self) -> PromptState:
        """Prompts and choices as recorded last."""
        return self._state

    @property
    def pending(self) -> bool:
        """Whether a timer of this session still has to fire."""
        return self.view.pending or self.tools.pending or self.editor.pending

    def close(self) -> None:
        """Disconnect from the layers and the viewer; the layers stay."""
        self._connections.clear()
        self.editor.close()
        self.tools.close()
        self.view.close()

    def refresh(self) -> None:
        """Ask for what the shown plane needs and does not have."""
        plane = self._look()
        if plane is None:
            return
        job = self._job(plane)
        if not job.prompts:
            self._clear_proposal(plane)
            self.changed.emit()
            if job.key in (self._prepared, self._failed):
                self.message.emit(self._questions.on(self._state, plane).note or READY)
                return
        elif self._answers.holds(job):
            self._show(plane)
            return
        asked = self._asked
        if asked is None or (asked.key, asked.fingerprint, asked.choice) != (job.key, job.fingerprint, job.choice):
            self._asked = job
            self._submit(job)

    def _look(self) -> Plane | None:
        """Return the plane shown right now; the slice may have changed a moment ago."""
        try:
            self._plane = self.view.plane()
        except ImageError as error:
            self._plane = None
            self.message.emit(str(error))
        return self._plane

    def forget_asked(self) -> None:
        """Let the next refresh ask again, after pending work was dropped."""
        self._asked = None

    def on_stopped(self, job: SegmentJob, failed: bool) -> None:
        """Note that a job gave no answer; a plane that failed is not prepared again unasked, only for a prompt."""
        if self._asked is job:
            self._asked = None
        if failed:
            self._failed = job.key

    def on_answer(self, job: SegmentJob, answer: Answer) -> None:
        """Show the answer to a job, unless the prompts or the image have changed since."""
        if self._asked is job:
            self._asked = None
        is_new = job.key != self._prepared
        self._prepared, self._failed = job.key, None
        if not self.wants(job):
            return
        for note in answer.notes if is_new else ():
            self._notes.tell(self.notice.emit, note)
        if not job.prompts:
            if job.plane == self._plane:
                self.message.emit(self._questions.on(self._state, job.plane).note or READY)
            return
        self._answers.add(job, answer)
        self._show(job.plane)

    def wants(self, job: SegmentJob) -> bool:
        """Return whether the prompts, the image and the model are still those of a job."""
        wanted = self._job(job.plane)
        return (wanted.key, wanted.fingerprint) == (job.key, job.fingerprint)

    def next_candidate(self, step: int = 1) -> None:
        """Show the next of the candidate masks, or with -1 the one before; after the last comes the first."""
        self._pick(lambda shown, count: (shown + step) % count)

    def pick_candidate(self, index: int) -> None:
        """Show one of the candidate masks, counted from 0."""
        self._pick(lambda shown, count: index if 0 <= index < count else shown)

    def _pick(self, wanted: Callable[[int, int], int]) -> None:
        plane = self._look()
        objects = None if plane is None else self._candidates(plane)
        if plane is None or objects is None or len(objects) > 1 or len(objects[0]) == 1:
            self.message.emit(why_no_choice(objects))
            return
        shown = objects[0].shown(self._state.choices.get(plane))
        choice = wanted(shown, len(objects[0]))
        if choice != shown:
            self._record("choose a candidate", self._state.with_choice(plane, choice))
            self._show(plane)
            if not self._is_up_to_date(plane):
                self.refresh()

    def candidate_views(self) -> tuple[list[CandidateView], int] | None:
        """Return the candidates on the shown plane as pictures, and which one is shown; None without a choice."""
        if self._plane is None:
            return None
        objects, choice = self._answers.objects(self._plane), self._state.choices.get(self._plane)
        return views_of(objects, self._answers.pieces(self._plane), choice)

    @property
    def clicked_pieces(self) -> bool:
        """Whether pieces of a mask that no positive point lies in are left out."""
        return self._questions.clicked_only

    @clicked_pieces.setter
    def clicked_pieces(self, value: bool) -> None:
        if self._questions.clicked_only != value:
            self._questions.clicked_only = value
            self._drop_stale()
            self.refresh()

    def commit(self, settings: CommitSettings | None = None) -> None:
        """Write the proposal of the shown plane into the objects layer and clear that plane's prompts."""
        self.objects.commit(settings)

    def scene(self, mode: str = INSTANCE) -> Scene | None:
        """Return what the user sees, for the commands on objects; None where nothing can be segmented."""
        plane = self._look()
        if plane is None:
            return None
        cursor, made, answered = tuple(self._cursor.position), self._answers.objects(plane), self._is_up_to_date(plane)
        return Scene(self._state, plane, cursor, mode, made, self._model().title, answered)

    def use_label(self, layer: Labels | None = None, label: int | None = None) -> None:
        """Take an object of a Labels layer as a mask prompt; without one, that under the cursor, else the selected."""
        plane = self._look()
        if plane is None:
            return
        try:
            mask = self.tools.mask_from(layer, label, plane)
        except PromptError as error:
            self.message.emit(str(error))
            return
        state = self._state.with_mask(plane, mask).with_choice(plane, None)
        if not state.same_prompts(self._state):
            self._record("use a label", state)
            self.refresh()

    def clear(self) -> None:
        """Remove the prompts of the shown plane."""
        plane = self._look()
        if plane is None:
            return
        state = self._state.without(plane)
        if not state.same_prompts(self._state):
            self._record("clear", state)
            self._restore(state)
        else:
            self.message.emit("Nothing to clear on this slice.")

    def undo(self) -> None:
        """Take back the last click, box, choice, clear, commit, edit, deletion or merge."""
        if self.history.undo(self._revert) is None:
            self.message.emit("Nothing to undo.")

    def redo(self) -> None:
        """Do again what was undone last."""
        if self.history.redo(self._apply) is None:
            self.message.emit("Nothing to redo.")

    def perform(self, edit: Edit) -> None:
        """Do a step that was planned elsewhere: write its pixels, record it, show its prompts."""
        self._apply(edit, lambda: self.history.push(edit))

    def _apply(self, edit: Edit, record: Callable[[], object] = lambda: None) -> None:
        missed = self.editor.apply(edit)
        record()
        self._restore(edit.after)
        self._tell_missed(missed)

    def _revert(self, edit: Edit) -> None:
        missed = self.editor.revert(edit)
        self._restore(edit.before)
        if edit.patch is not None:
            self.message.emit(f"Taken back: {edit.label}.")
        self._tell_missed(missed)

    def _tell_missed(self, pixels: int) -> None:
        if pixels:
            self.message.emit(f"{pixels} pixels were painted over by hand since then and stay as they are.")

    def _on_notice(self, text: str) -> None:
        self.notice.emit(text)

    def _on_edited(self, label: str) -> None:
        state = self.tools.read(self._state)
        if state.same_prompts(self._state):
            return
        for plane in self._state.choices:
            if not prompts_on(state, plane).objects:
                state = state.with_choice(plane, None)
        self._record(label, state)
        self._drop_stale()
        self.refresh()

    def _on_renewed(self) -> None:
        # A new proposal layer is empty, whatever had been shown in the old one.
        self._answers.clear()
        self.editor.prepare()
        self._on_edited("delete a layer")
        self.refresh()

    def _record(self, label: str, state: PromptState) -> None:
        self.history.push(Edit(label, self._state, state))
        self._state = state
        self.changed.emit()

    def _restore(self, state: PromptState) -> None:
        self._state = state
        self.tools.write(state)
        self._drop_stale()
        self.refresh()
        self.changed.emit()

    def _drop_stale(self) -> None:
        for plane in self._answers.outdated(self._fingerprint):
            if plane != self._plane:
                self._clear_proposal(plane)

    def _fingerprint(self, plane: Plane) -> Hashable:
        return self._questions.fingerprint(self._state, plane)

    def _job(self, plane: Plane) -> SegmentJob:
        return replace(
            self.job_on(plane),
            prompts=self._questions.on(self._state, plane).objects,
            choice=self._state.choices.get(plane),
            fingerprint=self._fingerprint(plane),
        )

    def job_on(self, plane: Plane) -> SegmentJob:
        """Return the job that prepares a plane, without prompts."""
        return SegmentJob(
            model=self._model(),
            image=self.view.token,
            plane=plane,
            limits=self.view.limits(),
            read=self.view.reader(plane),
            view_yx=self.view.visible(plane),
        )

    def base_job(self) -> SegmentJob | None:
        """Return the job that prepares the shown plane, without prompts; None where nothing can be segmented."""
        return None if self._plane is None else self.job_on(self._plane)

    def prepared_job(self) -> SegmentJob | None:
        """Return that job if it has been answered: clicks on the shown plane need no encoding."""
        job = self.base_job()
        return job if job is not None and job.key == self._prepared else None

    def has_prompts(self, plane: Plane) -> bool:
        """Return whether anything is drawn on a plane."""
        return not self._state.without(plane).same_prompts(self._state)

    def neighbours(self) -> list[SegmentJob]:
        """Return jobs that prepare what is likely to be needed next: what is in view, then the next planes."""
        shown = self.prepared_job()
        if shown is None:
            return []
        return [shown, *(self.job_on(plane) for plane in self.view.neighbours(shown.plane))]

    def _is_up_to_date(self, plane: Plane) -> bool:
        job = self._job(plane)
        return not job.prompts or self._answers.holds(job)

    def _candidates(self, plane: Plane) -> tuple[Candidates, ...] | None:
        return self._answers.objects(plane) if self._answers.matches(self._job(plane)) else None

    def _show(self, plane: Plane) -> None:
        objects = self._answers.objects(plane)
        if objects is None:
            return
        choice = self._state.choices.get(plane)
        piece = self._answers.pieces(plane)[objects[0].shown(choice)]
        write_proposal(self.tools.layers.proposal, plane, piece, self.view)
        if plane == self._plane:
            self.message.emit(self._questions.told(self._state, plane, objects))
        self.changed.emit()

    def _show_masks(self) -> None:
        self.tools.show_masks(self._state)

    def _clear_proposal(self, plane: Plane) -> None:
        self._answers.drop(plane)
        write_proposal(self.tools.layers.proposal, plane, 0, self.view)
