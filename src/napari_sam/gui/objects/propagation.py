"""Takes an object through the stack in the background: a plane at a time is found, written and shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from napari_sam.automatic.walks import BOTH, PropagateConfig, Propagation, Step, Stop
from napari_sam.errors import Cancelled, NapariSamError, PromptError
from napari_sam.geometry.masks import PlaneMask
from napari_sam.gui.compute.jobs import WalkJob
from napari_sam.gui.history import Edit
from napari_sam.gui.objects import wording
from napari_sam.gui.objects.line import Known, Line, known_along, rewrite
from napari_sam.gui.objects.patches import LabelPatch
from napari_sam.gui.objects.plan import SEMANTIC, CommitSettings
from napari_sam.gui.objects.records import Key, ObjectRecord
from napari_sam.gui.prompting.prompts import PromptState
from napari_sam.gui.qt.connections import Connections

if TYPE_CHECKING:
    from napari_sam.gui.compute.background import Background
    from napari_sam.gui.objects.editor import Scene
    from napari_sam.gui.session import SegmentSession

# Where less than this share of what was found is free, it is most likely another object.
_LEAST_FREE = 0.5
_NUMBERS = count(1)


@dataclass(frozen=True, eq=False)
class Run:
    """One object on its way through the stack.

    Attributes
    ----------
    name : str
        What joins its steps in the history.
    object_id : int
    line : Line
        The planes.
    layer_id : str
        Which objects layer: its ``unique_id``.
    settings : CommitSettings
        How it is written.
    known : Known
        Where it was before.
    walks : Propagation
        Where it was found, and where to look next.
    model : str
        Which model finds it.
    written : list of int
        Where it was written.
    stops : dict of int to Stop
        Where it was not found, and why.
    """

    name: str
    object_id: int
    line: Line
    layer_id: str
    settings: CommitSettings
    known: Known
    walks: Propagation
    model: str
    written: list[int] = field(default_factory=list)
    stops: dict[int, Stop] = field(default_factory=dict)


class ObjectPropagation:
    """The runs of one session, one at a time.

    What the user commits, corrects or paints on a plane is kept, whatever comes after; what an earlier run found is
    found anew. A run is a single step of undo.

    Parameters
    ----------
    session : SegmentSession
    background : Background
        Where planes are looked at.

    Attributes
    ----------
    advanced : Signal(int, int)
        How many planes are behind us, and of how many.
    changed : Signal()
        A run has begun or ended, or the last of its work.
    """

    advanced = Signal(int, int)
    changed = Signal()

    def __init__(self, session: SegmentSession, background: Background) -> None:
        self._session = session
        self._background = background
        self._run: Run | None = None
        self._connections = Connections()
        self._connections.add(background.walked, self._on_walked)
        self._connections.add(background.given_up, self._on_given_up)

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._run is not None

    def close(self) -> None:
        """End without a word."""
        self._end()
        self._connections.clear()

    def start(
        self,
        object_id: int | None = None,
        direction: str = BOTH,
        axis: int | None = None,
        settings: CommitSettings | None = None,
        config: PropagateConfig | None = None,
    ) -> None:
        """Take an object of the shown plane through the stack; the user is told where there is nothing to be done.

        Parameters
        ----------
        object_id : int, optional
            Without it the object under the cursor, else the selected one.
        direction : {"both", "forward", "backward"}
        axis : int, optional
            Data axis to go along; the last one that is not displayed when left out.
        settings : CommitSettings, optional
            How it is written.
        config : PropagateConfig, optional
            When to stop.
        """
        self.stop()
        settings = settings or CommitSettings()
        self._session.tools.settle()
        scene = self._session.scene(settings.mode)
        if scene is None:
            return
        try:
            self._run = self._begin(scene, object_id, direction, axis, settings, config or PropagateConfig())
        except PromptError as error:
            self._session.message.emit(str(error))
            return
        self.changed.emit()
        self._next()

    def stop(self) -> None:
        """End the run; what was found stays."""
        run = self._end()
        if run is not None:
            self._session.message.emit(wording.stopped_walk_text(run.object_id, len(run.written)))

    # -- inside ------------------------------------------------------------------------------------------------------

    def _begin(
        self,
        scene: Scene,
        object_id: int | None,
        direction: str,
        axis: int | None,
        settings: CommitSettings,
        config: PropagateConfig,
    ) -> Run:
        editor = self._session.editor
        region = editor.meant(scene, object_id)
        line = _line_through(scene, axis, editor.objects().data.shape)
        if settings.mode == SEMANTIC:
            # The other pieces of the class are other things.
            known = Known({line.start: PlaneMask(region.top_left, region.mask)})
        else:
            edited = [plane for plane, mask in scene.state.masks.items() if mask.object_id == region.id]
            found = editor.everywhere(scene.plane, region.id).regions
            known = known_along(line, region.id, found, editor.records, edited)
        walks = Propagation(
            line.plane.shape_hw, line.length, known.given, config, line.start, direction, known.barriers
        )
        if not walks.planes:
            raise PromptError(wording.NOWHERE_TO_GO)
        editor.select(region.id)
        layer_id = str(editor.objects().unique_id)
        return Run(f"walk {next(_NUMBERS)}", region.id, line, layer_id, settings, known, walks, scene.model)

    def _next(self) -> None:
        run = self._run
        if run is None:
            return
        self.advanced.emit(*run.walks.progress)
        position = run.walks.position
        if position is None:
            self._finish(run)
            return
        plane = run.line.plane_at(position)
        labels = self._session.image.axis_labels
        self._session.message.emit(wording.walking_text(run.object_id, plane.describe(labels), *run.walks.progress))
        self._background.walk(WalkJob(self._session.job_on(plane), run.walks))

    def _on_walked(self, job: WalkJob, step: Step) -> None:
        run = self._run
        if run is None or job.walks is not run.walks:
            self.changed.emit()
            return
        if str(self._session.tools.layers.objects.unique_id) != run.layer_id:
            self._end()
            self._session.message.emit(wording.LAYER_GONE)
            return
        mask, why = self._write_found(run, step) if step.mask is not None else (None, step.stopped)
        if mask is None and why is not None:
            run.stops[step.position] = why
        else:
            run.stops.pop(step.position, None)
        run.walks.advance(mask)
        self._next()

    def _write_found(self, run: Run, step: Step) -> tuple[PlaneMask | None, Stop | None]:
        """Write what was found on a plane; return the pixels that the object got, or why it got none."""
        plane, old = run.line.plane_at(step.position), run.known.found.get(step.position)
        patch, written = rewrite(
            self._session.editor.objects(), plane, run.object_id, step.mask, old, run.settings.overlap
        )
        if written is None or step.mask is None or written.area < _LEAST_FREE * step.mask.area:
            return None, Stop.TAKEN
        self._perform(run, patch, new=[_record(run, step, written)])
        run.written.append(step.position)
        return written, None

    def _remove_stale(self, run: Run) -> int:
        """Remove what an earlier run found where this one found nothing; return on how many planes."""
        stale = sorted(set(run.known.found) & set(run.walks.planes) - set(run.written))
        for position in stale:
            plane, old = run.line.plane_at(position), run.known.found[position]
            patch, _ = rewrite(self._session.editor.objects(), plane, run.object_id, None, old, run.settings.overlap)
            self._perform(run, patch, dropped=[(run.object_id, plane)])
        return len(stale)

    def _perform(
        self, run: Run, patch: LabelPatch | None, new: Sequence[ObjectRecord] = (), dropped: Sequence[Key] = ()
    ) -> None:
        """Write one plane; the prompts stay as they are, also those that are being drawn."""
        session = self._session
        label, change = f"propagate object {run.object_id}", session.editor.records.change(new, dropped)
        edit = Edit(label, session.state, session.state, patch, change, run.layer_id, run.name)
        session.editor.apply(edit)
        session.history.push(edit)
        session.changed.emit()

    def _finish(self, run: Run) -> None:
        try:
            removed = self._remove_stale(run)
        except PromptError as error:
            self._end()
            self._session.message.emit(str(error))
            return
        self._end()
        labels = self._session.image.axis_labels
        places = {run.line.plane_at(at).describe(labels): why for at, why in sorted(run.stops.items())}
        self._session.message.emit(wording.walked_text(run.object_id, len(run.written), removed, places))

    def _end(self) -> Run | None:
        run, self._run = self._run, None
        if run is not None:
            self._session.history.join(run.name)
            self._session.changed.emit()
            self.changed.emit()
        return run

    def _on_given_up(self, job: object, error: BaseException) -> None:
        if not isinstance(job, WalkJob):
            return
        run = self._run
        if run is None or job.walks is not run.walks:
            self.changed.emit()
            return
        if isinstance(error, Cancelled):
            # Something came first that the user waits for.
            self._next()
            return
        self._end()
        known = isinstance(error, NapariSamError)
        text = str(error) if known else f"Unexpected {type(error).__name__}: {error}. The session goes on."
        self._session.notice.emit(f"{wording.stopped_walk_text(run.object_id, len(run.written))} {text}")


def _line_through(scene: Scene, axis: int | None, shape: tuple[int, ...]) -> Line:
    others = scene.plane.other_axes
    if not others:
        raise PromptError(wording.NO_STACK)
    chosen = others[-1] if axis is None else axis
    if chosen not in others:
        raise PromptError(f"Axis {chosen} is shown, or does not exist: go along {' or '.join(map(str, others))}.")
    return Line(scene.plane, chosen, int(shape[chosen]))


def _record(run: Run, step: Step, written: PlaneMask) -> ObjectRecord:
    plane, settings = run.line.plane_at(step.position), run.settings
    semantic = settings.mode == SEMANTIC
    return ObjectRecord(
        id=run.object_id,
        plane=plane,
        prompts=PromptState(points=np.empty((0, plane.ndim))),
        choice=None,
        score=step.score,
        model=run.model,
        class_id=run.object_id if semantic else None,
        class_name=settings.class_name if semantic and settings.class_id == run.object_id else "",
        top_left=written.top_left,
        shape_hw=(written.mask.shape[0], written.mask.shape[1]),
        packed=np.packbits(written.mask),
        as_proposed=False,
        propagated=True,
    )
