"""Runs and the trying out of thresholds for one image at a time: what is asked, and where the answers go."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_sam.automatic.candidates import Candidates
from napari_sam.automatic.job import AutomaticJob
from napari_sam.errors import NapariSamError
from napari_sam.gui.automatic.hints import layer_hints
from napari_sam.gui.automatic.linked import Relabelling
from napari_sam.gui.automatic.live import FilterJob, Live
from napari_sam.gui.automatic.origin import Origin
from napari_sam.gui.automatic.pace import Pace
from napari_sam.gui.automatic.parameters import live_values
from napari_sam.gui.automatic.pieces import Pieces, Position
from napari_sam.gui.automatic.runs import Outcome, RunJob, Runs
from napari_sam.gui.automatic.segmenter import SegmenterFactory
from napari_sam.gui.automatic.subject import Subject

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_sam.automatic.plane import PlaneResult

# Changes of one control that follow each other as fast are taken back together.
GESTURE_S = 2.0
TELL_EVERY_S = 0.5
NOTHING = "Nothing was found: lower the thresholds, or use more points."


class Conductor:
    """Starts runs, writes what they find into the result of their image, and says how it goes.

    Parameters
    ----------
    factory : callable
        Loads the model, in the background thread.
    wanted : callable
        Returns the parameters as the controls show them.

    Attributes
    ----------
    told : Signal(str)
        For the status line.
    failed : Signal(str)
        What went wrong, to be shown in a notification as well.
    warned : Signal(str)
    advanced : Signal(float)
        Which part of the run is done, 0 to 1.
    ended : Signal(bool)
        A run is over; whether it went on to its end.
    """

    told = Signal(str)
    failed = Signal(str)
    warned = Signal(str)
    advanced = Signal(float)
    ended = Signal(bool)

    def __init__(self, factory: SegmenterFactory, wanted: Callable[[], AutomaticJob]) -> None:
        self._wanted = wanted
        self._run: tuple[RunJob, Subject] | None = None
        self._subject: Subject | None = None
        self._outcome = Outcome()
        self._pace = Pace()
        self._told_at = 0.0
        self._changed: tuple[str, float, int] = ("", 0.0, 0)
        self._runs, self._live = Runs(factory), Live()
        for signal, slot in (
            (self._runs.reported, self.told.emit),
            (self._runs.warned, self.warned.emit),
            (self._runs.advanced, self._on_advanced),
            (self._runs.found, self._on_found),
            (self._runs.single_done, self._on_single_done),
            (self._runs.plane_done, self._on_plane_done),
            (self._runs.relinked, self._on_relinked),
            (self._runs.ended, self._on_ended),
            (self._live.answered, self._on_answered),
            (self._live.failed, self._on_failed),
        ):
            signal.connect(slot)

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._run is not None

    @property
    def pending(self) -> bool:
        """Whether a run is under way, or an answer on its way."""
        return self.running or self._runs.pending or self._live.pending

    def run_plane(self, subject: Subject, job: AutomaticJob, about: Layer | None = None) -> None:
        """Segment the plane that is shown; raises NapariSamError where it cannot be begun.

        Parameters
        ----------
        subject : Subject
        job : AutomaticJob
        about : Layer, optional
            Knows where objects are; a grid of points is asked about otherwise.
        """
        plane = subject.plane()
        hints = None if about is None else layer_hints(about, subject.image, plane.axes)
        subject.results.turn(plane.axes)
        self._start(subject, RunJob(subject.source(job.stack.link), (plane.index,), job, True, hints))

    def run_stack(self, subject: Subject, job: AutomaticJob, about: Layer | None = None) -> None:
        """Segment all planes; the rest is as in :meth:`run_plane`."""
        from napari_sam.automatic.series import plane_order  # brings scipy, which opening the widget can do without

        hints = None if about is None else layer_hints(about, subject.image, subject.axes_yx())
        subject.results.turn(subject.axes_yx())
        source = subject.source(job.stack.link)
        positions = tuple(plane_order(source.stack_axes, source.stack_shape, job.stack.link))
        single = len(positions) == 1
        self._start(subject, RunJob(source, positions, job, single, hints))
        if not single:
            subject.results.begin_stack(job)

    def refilter(self, subject: Subject, job: AutomaticJob, name: str) -> None:
        """Try other thresholds on the masks that are there; nothing happens where there are none."""
        origin = subject.results.origin
        if self.running or origin is None or origin.candidates is None or subject.results.layer is None:
            return
        changed = origin.job.with_values(live_values(job))
        if changed != origin.job or self._live.pending:
            self._ask(subject, replace(origin, job=changed), f"change {name}", self._gesture(name), True)

    def cancel(self) -> None:
        """Stop the run within a batch; what was found stays."""
        self._runs.cancel()

    def leave(self) -> None:
        """Let go of the image: nothing more is written to its result."""
        self._runs.cancel()
        self._live.cancel()
        self._run = self._subject = None

    def close(self) -> None:
        """Stop, say nothing more and let the threads end."""
        self.leave()
        self._runs.close()
        self._live.close()

    def _start(self, subject: Subject, job: RunJob) -> None:
        self._run, self._subject = (job, subject), subject
        self._outcome, self._pace = Outcome(), Pace()
        subject.note_run()
        subject.results.prepare(fresh=not job.single)
        self._runs.start(job)

    def _gesture(self, name: str) -> Hashable:
        before, at, number = self._changed
        now = time.monotonic()
        number += name != before or now - at > GESTURE_S
        self._changed = (name, now, number)
        return name, number

    def _ask(self, subject: Subject, origin: Origin, label: str, gesture: Hashable, last: bool) -> None:
        self._subject = subject
        removed = subject.results.removed if not self.running else frozenset()
        self._live.ask(FilterJob(origin, removed, label, gesture, last))

    def _is_wanted(self, job: RunJob) -> Subject | None:
        """Return the image of a run that still has a result to write to; cancels it otherwise."""
        if self._run is None or self._run[0] is not job:
            return None
        subject = self._run[1]
        if subject.results.is_gone:
            self.failed.emit("The layer with the result was removed: the run is cancelled.")
            self._runs.cancel()
            self._run = None
            subject.results.forget()
            self.ended.emit(False)
            return None
        return subject

    # -- answers -----------------------------------------------------------------------------------------------------

    def _on_advanced(self, part: float) -> None:
        if self._run is None:
            return
        self._pace.advance(part)
        self.advanced.emit(part)
        now = time.monotonic()
        if now - self._told_at > TELL_EVERY_S:
            self._told_at = now
            job = self._run[0]
            count = len(job.positions)
            number = min(int(part * count) + 1, count)
            where = "Segmenting" if job.single else f"Plane {number} of {count}"
            self.told.emit(", ".join(filter(None, [where, self._pace.left])))

    def _on_found(self, job: RunJob, candidates: Candidates) -> None:
        subject = self._is_wanted(job)
        if subject is not None and not self._live.pending:
            self._ask(subject, self._origin(job, candidates), "segment", id(job), False)

    def _on_single_done(self, job: RunJob, result: PlaneResult) -> None:
        subject = self._is_wanted(job)
        if subject is not None:
            origin = Origin(job.job, job.positions[0])
            subject.results.replace_plane(origin, result, "segment", frozenset(), id(job), job.keeps_ids)

    def _on_plane_done(self, job: RunJob, position: Position, labels: Any, pieces: Pieces) -> None:
        subject = self._is_wanted(job)
        if subject is not None:
            subject.results.add_plane(position, labels, pieces)

    def _on_relinked(self, change: Relabelling) -> None:
        if self._run is not None:
            self._run[1].results.relabel(change)

    def _on_ended(self, job: RunJob, outcome: Outcome) -> None:
        subject = self._is_wanted(job)
        if subject is None:
            return
        self._outcome = outcome
        if outcome.candidates is not None:
            self._ask(subject, self._origin(job, outcome.candidates), "segment", id(job), True)
            return
        subject.results.announce()
        self._end(subject, len(subject.results.features))

    def _on_answered(self, asked: FilterJob, result: PlaneResult) -> None:
        subject = self._subject
        if subject is None or subject.results.is_gone:
            if asked.last and self._run is not None:
                self._is_wanted(self._run[0])
            return
        subject.results.replace_plane(asked.origin, result, asked.label, asked.removed, asked.gesture)
        if asked.last and self._run is not None:
            self._end(subject, len(result.rows))
        elif asked.last:
            self.told.emit(f"{_objects(len(result.rows))}.")

    def _on_failed(self, asked: FilterJob, error: BaseException) -> None:
        self.failed.emit(said(error))
        if asked.last and self._run is not None:
            self._run = None
            self.ended.emit(False)

    def _origin(self, job: RunJob, candidates: Candidates) -> Origin:
        # Thresholds that were moved meanwhile count at once.
        return Origin(job.job.with_values(live_values(self._wanted())), job.positions[0], candidates)

    def _end(self, subject: Subject, count: int) -> None:
        run, outcome = self._run, self._outcome
        self._run = None
        if run is None:
            return
        if outcome.broken:
            _, problem = outcome.broken[0]
            more = f" ({len(outcome.broken)} of {len(run[0].positions)} planes)" if len(outcome.broken) > 1 else ""
            self.failed.emit(f"A plane could not be segmented{more}: {problem}")
        found = _objects(count)
        if outcome.cancelled:
            self.told.emit(f"Cancelled; what was found so far stays: {found}.")
        elif outcome.error is not None:
            self.failed.emit(f"{said(outcome.error)} What was found so far stays: {found}.")
        else:
            events = f" ({outcome.events})" if outcome.events else ""
            self.told.emit(f"{found}{events}." if count or events else NOTHING)
        self.ended.emit(outcome.error is None)


def said(error: BaseException) -> str:
    """Return what to tell the user of an error."""
    known = isinstance(error, NapariSamError)
    return str(error) if known else f"Unexpected {type(error).__name__}: {error}."


def _objects(count: int) -> str:
    return f"{count} object{'' if count == 1 else 's'}"
