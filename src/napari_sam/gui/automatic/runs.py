"""Runs in the background: what is asked of the thread, what it answers, and its reports in the Qt thread."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_sam.automatic.candidates import Candidates
from napari_sam.automatic.job import AutomaticJob, ModelConfig
from napari_sam.errors import Cancelled, FileFormatError, ImageError
from napari_sam.gui.automatic.hints import LABELS, LayerHints
from napari_sam.gui.automatic.linked import Linking, Relabelling
from napari_sam.gui.automatic.live import FilterJob, filtered
from napari_sam.gui.automatic.origin import Origin
from napari_sam.gui.automatic.pieces import Pieces
from napari_sam.gui.automatic.segmenter import Report, Segmenter, SegmenterFactory, Watch
from napari_sam.gui.qt.mainthread import MainThread
from napari_sam.gui.qt.worker import LatestWins, Token

if TYPE_CHECKING:
    from napari_sam.automatic.plane import PlaneResult
    from napari_sam.io.source import ImageSource

# Often enough to see something happen, seldom enough not to slow it down.
PREVIEW_S = 1.0
BROKEN = (ImageError, FileFormatError, OSError)


@dataclass(frozen=True, eq=False)
class RunJob:
    """One request: one plane with its candidates, or some planes one after the other.

    Attributes
    ----------
    source : ImageSource
    positions : tuple of tuple of int
        The planes, in order.
    job : AutomaticJob
    single : bool
        Whether it is about one plane, whose candidates are wanted.
    hints : LayerHints or None
        What to ask about instead of a grid.
    """

    source: ImageSource = field(repr=False)
    positions: tuple[tuple[int, ...], ...]
    job: AutomaticJob
    single: bool
    hints: LayerHints | None = None

    @property
    def keeps_ids(self) -> bool:
        """Whether objects have the numbers of the labels that were asked about."""
        return self.hints is not None and self.hints.kind == LABELS

    @property
    def key(self) -> Hashable:
        """Every run has its own computation."""
        return id(self)


@dataclass(frozen=True, eq=False)
class Outcome:
    """How a run ended; what was found before an error or a cancellation counts.

    Attributes
    ----------
    candidates : Candidates or None
        Of a single plane, all that was found.
    done : int
        Number of finished planes.
    broken : tuple of (position, message)
        Planes that could not be read or used.
    error : BaseException or None
        What ended the run early.
    events : str
        What linking found, in words.
    """

    candidates: Candidates | None = None
    done: int = 0
    broken: tuple[tuple[tuple[int, ...], str], ...] = ()
    error: BaseException | None = None
    events: str = ""

    @property
    def cancelled(self) -> bool:
        """Whether the user has stopped it."""
        return isinstance(self.error, Cancelled)


@dataclass
class _Progress:
    """What a run has found so far: it counts, whatever ends the run."""

    parts: list[Candidates] = field(default_factory=list)
    done: int = 0
    broken: list[tuple[tuple[int, ...], str]] = field(default_factory=list)
    linking: Linking | None = None

    def outcome(self, error: BaseException | None) -> Outcome:
        candidates = Candidates.join(self.parts) if self.parts else None
        events = "" if self.linking is None else self.linking.told
        return Outcome(candidates, self.done, tuple(self.broken), error, events)


class Runs:
    """The thread that computes, one run at a time; every signal is emitted in the Qt thread.

    Parameters
    ----------
    factory : callable
        Loads the model, in the thread.

    Attributes
    ----------
    reported : Signal(str)
        What is being done.
    warned : Signal(str)
        What went other than asked for.
    advanced : Signal(float)
        Which part of the run is done, 0 to 1.
    found : Signal(RunJob, Candidates)
        The candidates of a single plane so far.
    single_done : Signal(RunJob, PlaneResult)
        The objects of a single plane whose masks are not kept.
    plane_done : Signal(RunJob, tuple, ndarray, Pieces)
        The labels of a finished plane, with the ids of the stack so far, and its objects.
    relinked : Signal(Relabelling)
        Objects that turned out to be too small or too short are dropped.
    ended : Signal(RunJob, Outcome)
    """

    reported = Signal(str)
    warned = Signal(str)
    advanced = Signal(float)
    found = Signal(object, object)
    single_done = Signal(object, object)
    plane_done = Signal(object, object, object, object)
    relinked = Signal(object)
    ended = Signal(object, object)

    def __init__(self, factory: SegmenterFactory) -> None:
        self._factory = factory
        self._mainthread = MainThread()
        self._loaded: tuple[ModelConfig, Segmenter] | None = None
        self._progress = _Progress()
        self._worker: LatestWins[RunJob, _Progress] = LatestWins(self._run, self._deliver, "napari-sam-auto")

    @property
    def busy(self) -> bool:
        """Whether a run is under way."""
        return self._worker.busy

    @property
    def pending(self) -> bool:
        """Whether a run is under way, or a report on its way."""
        return self._worker.busy or self._mainthread.pending

    def start(self, job: RunJob) -> None:
        """Begin a run."""
        self._worker.submit(job)

    def cancel(self) -> None:
        """Stop the run within a batch."""
        self._worker.cancel()

    def close(self) -> None:
        """Stop, report nothing more and let the thread end."""
        self._mainthread.close()
        self._worker.close()

    def _emit(self, signal: Any, *values: object) -> None:
        self._mainthread.call(partial(signal.emit, *values))

    def _run(self, job: RunJob, token: Token) -> _Progress:
        self._progress = progress = _Progress()
        segmenter = self._segmenter(job.job.model, partial(self._emit, self.warned))
        self._emit(self.reported, "Segmenting ...")
        if job.single and _keeps_masks(segmenter, job):
            self._one_plane(segmenter, job, token, progress)
        elif job.single:
            result = _objects(segmenter, job, job.positions[0], self._watch(job, 0, token))
            self._emit(self.single_done, job, result)
            progress.done = 1
        else:
            self._planes(segmenter, job, token, progress)
        return progress

    def _segmenter(self, model: ModelConfig, warn: Report) -> Segmenter:
        wanted = loaded_part(model)
        if self._loaded is None or self._loaded[0] != wanted:
            self._emit(self.reported, f"Loading {model.checkpoint or model.model} ...")
            self._loaded = None  # two large models at once may not fit
            self._loaded = (wanted, self._factory(model, warn))
        return self._loaded[1]

    def _one_plane(self, segmenter: Segmenter, job: RunJob, token: Token, progress: _Progress) -> None:
        shown = time.monotonic()
        for part in _masks(segmenter, job, job.positions[0], self._watch(job, 0, token)):
            progress.parts.append(part)
            if time.monotonic() - shown > PREVIEW_S:
                shown = time.monotonic()
                self._emit(self.found, job, Candidates.join(progress.parts))
        progress.done = 1

    def _planes(self, segmenter: Segmenter, job: RunJob, token: Token, progress: _Progress) -> None:
        progress.linking = linking = Linking(job.source, job.job.stack, self._relink)
        try:
            for number, position in enumerate(job.positions):
                try:
                    result = _objects(segmenter, job, position, self._watch(job, number, token))
                except BROKEN as error:
                    progress.broken.append((position, str(error)))
                    linking.skip(position)
                    continue
                if job.keeps_ids:
                    labels, pieces = result.labels, Pieces.of(result.rows, position)
                else:
                    labels, pieces = linking.add(position, result)
                self._emit(self.plane_done, job, position, labels, pieces)
                progress.done += 1
        finally:
            # Cancelled, or out of memory: the rules of linking hold for the planes that are done.
            linking.finish()

    def _relink(self, tables: Relabelling) -> None:
        self._emit(self.relinked, tables)

    def _watch(self, job: RunJob, number: int, token: Token) -> Watch:
        def progress(done: int, total: int) -> None:
            self._emit(self.advanced, (number + done / max(total, 1)) / len(job.positions))

        return Watch(progress, token.cancelled)

    def _deliver(self, job: RunJob, future: Future[_Progress]) -> None:
        self._emit(self.ended, job, self._progress.outcome(future.exception()))


def loaded_part(model: ModelConfig) -> ModelConfig:
    """Return what of a model's parameters asks for loading: not what of an image it is shown."""
    return ModelConfig(model.model, model.checkpoint, model.device, model.precision)


def _masks(segmenter: Segmenter, job: RunJob, position: tuple[int, ...], watch: Watch) -> Iterator[Candidates]:
    if job.hints is None:
        return segmenter.candidates(job.source, position, job.job, watch)
    return segmenter.asked(job.source, position, job.job, job.hints.on(position), watch)


def _keeps_masks(segmenter: Segmenter, job: RunJob) -> bool:
    return segmenter.keeps_candidates(job.source, job.job) if job.hints is None else not job.keeps_ids


def _objects(segmenter: Segmenter, job: RunJob, position: tuple[int, ...], watch: Watch) -> PlaneResult:
    if job.hints is None:
        return segmenter.plane(job.source, position, job.job, watch)
    if job.keeps_ids:
        return segmenter.refined(job.source, position, job.job, job.hints.on(position), watch)
    found = Candidates.join([Candidates.empty(job.source.plane_hw), *_masks(segmenter, job, position, watch)])
    return filtered(FilterJob(Origin(job.job, position, found)))
