"""What happens in the background thread: load the model, read the plane, encode it, ask for masks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from napari_sam.automatic.walks import Step
from napari_sam.errors import Cancelled
from napari_sam.geometry.window import Window
from napari_sam.gui.compute.asking import Recent, ask
from napari_sam.gui.compute.candidates import Candidates, PredictorLike, compose_all
from napari_sam.gui.compute.embeddings import Embeddings, Fraction, memory_for_embeddings
from napari_sam.gui.compute.hover import NOTHING, HoverAnswer, HoverJob, is_one_click, preview
from napari_sam.gui.compute.jobs import Answer, ModelChoice, PrefetchJob, Report, SegmentJob, WalkJob
from napari_sam.gui.compute.pictures import Pictures
from napari_sam.gui.compute.quiet_import import collector_at_rest, import_torch
from napari_sam.gui.compute.windows import WindowSearch, first_windows, hover_windows, plan_of, view_window
from napari_sam.gui.qt.worker import Token

__all__ = ["Answer", "Engine", "Factory", "ModelChoice", "PrefetchJob", "SegmentJob", "load_predictor"]

Factory = Callable[[ModelChoice, Report], PredictorLike]
AnyJob = SegmentJob | WalkJob | HoverJob | PrefetchJob
AnyAnswer = Answer | Step | HoverAnswer


class Engine:
    """The model in use and the embeddings of the planes seen last; used by one background thread at a time.

    Parameters
    ----------
    factory : callable
        Loads a predictor; is handed the chosen model and ``warn``.
    report : callable
        Told what is being done, in the background thread.
    warn : callable
        Told what went other than asked for (memory ran out, a precision is not used), in the background thread.
    max_bytes : int, optional
        Memory for embeddings.
    fraction : callable
        Told (done, total) while the model encodes, in the background thread.
    pictures : Pictures, optional
        Given what the model is shown.
    early : callable
        Handed a job and what was found so far, in the background thread; the answer follows after a closer look.
    """

    def __init__(
        self,
        factory: Factory,
        report: Report,
        warn: Report,
        max_bytes: int | None = None,
        fraction: Fraction = lambda done, total: None,
        pictures: Pictures | None = None,
        early: Callable[[SegmentJob, Answer], object] = lambda job, found: None,
    ) -> None:
        self._factory = factory
        self._early = early
        self._report = report
        self._warn = warn
        budget = memory_for_embeddings() if max_bytes is None else max_bytes
        self._embeddings = Embeddings(budget, report, fraction, Pictures() if pictures is None else pictures)
        self._recent = Recent()
        self._loaded: tuple[ModelChoice, PredictorLike] | None = None

    def run(self, job: AnyJob, token: Token) -> AnyAnswer:
        """Answer one job.

        Raises
        ------
        Cancelled
            If the token says so before the answer is complete.
        NapariSamError
            If the model, the image or the prompts cannot be used.
        """
        if isinstance(job, HoverJob):
            return self._hover(job, token)
        if isinstance(job, PrefetchJob):
            return self._prefetch(job, token)
        if isinstance(job, WalkJob):
            return self._walk(job, token)
        predictor = self._predictor(job.model)
        _stop_if(token.cancelled)
        if not plan_of(job, predictor).is_whole:
            return self._segment_in_windows(predictor, job, token)
        embedding = self._embeddings.get(predictor, job, None, token.cancelled).embedding
        _stop_if(token.superseded)
        start = time.perf_counter()
        objects = self._ask(predictor, embedding, job, token) if job.prompts else ()
        decode_s = time.perf_counter() - start if is_one_click(job) else None
        _stop_if(token.superseded)
        return Answer(objects, tuple(getattr(embedding, "notes", ())), compose_all(objects), decode_s)

    def _ask(self, predictor: PredictorLike, embedding: Any, job: SegmentJob, token: Token) -> tuple[Candidates, ...]:
        return ask(predictor, embedding, job.prompts, job.choice, token.superseded, recent=self._recent)

    def _segment_in_windows(self, predictor: PredictorLike, job: SegmentJob, token: Token) -> Answer:
        def unwanted(window: object) -> bool:
            successor = token.successor
            if successor is None or token.cancelled():
                return token.cancelled()
            # A click that begins in the same window probably goes the same way; any other need not wait.
            first = first_windows(successor, predictor) if isinstance(successor, SegmentJob) else set()
            return window not in first and not first & first_windows(job, predictor)

        def early(found: Candidates) -> None:
            # Of several objects the first alone would look like all there is.
            if len(job.prompts) == 1 and not token.superseded():
                self._early(job, Answer((found,), (), compose_all((found,))))

        search = WindowSearch(
            predictor, job, self._embeddings, unwanted, token.superseded, self._report, self._recent, early
        )
        if not job.prompts:
            window = view_window(job, plan_of(job, predictor))
            return Answer((), search.prepare(window) if window is not None else ())
        objects = tuple(search.find(one) for one in job.prompts)
        _stop_if(token.superseded)
        return Answer(objects, search.notes, compose_all(objects), search.decode_s)

    def _walk(self, job: WalkJob, token: Token) -> Step:
        predictor = self._predictor(job.base.model)

        def look(position: int, window: Window | None) -> tuple[Any, Window]:
            _stop_if(token.cancelled)
            placed = self._embeddings.get(predictor, job.base, window, token.cancelled, quiet=True)
            return placed.embedding, placed.window

        return job.walks.look(predictor, look)

    def _hover(self, job: HoverJob, token: Token) -> HoverAnswer:
        if self._loaded is None or self._loaded[0] != job.base.model:
            return NOTHING
        predictor = self._loaded[1]
        for window in hover_windows(job.base, job.point_yx, predictor):
            placed = self._embeddings.known(job.base, window)
            if placed is not None:
                top_left = (placed.window.top, placed.window.left)
                return preview(predictor, placed.embedding, job, top_left, token.superseded)
        return NOTHING

    def _prefetch(self, job: PrefetchJob, token: Token) -> Answer:
        loaded = self._loaded
        if loaded is None or loaded[0] != job.base.model or not self._embeddings.allow_prefetch:
            return Answer(())
        predictor, plan = loaded[1], plan_of(job.base, loaded[1])
        window = None if plan.is_whole else view_window(job.base, plan)

        def unwanted() -> bool:
            # A click that needs just this goes on with it; the preview gains from it, too.
            asked = token.successor
            elsewhere = isinstance(asked, SegmentJob) and window not in first_windows(asked, predictor)
            return token.cancelled() or (window is not None and elsewhere)

        if plan.is_whole or window is not None:
            self._embeddings.get(predictor, job.base, window, unwanted, quiet=True)
        return Answer(())

    def _predictor(self, choice: ModelChoice) -> PredictorLike:
        if self._loaded is None or self._loaded[0] != choice:
            self._report(f"Loading {choice.title} ...")
            # Dropped first: two large models at once may not fit.
            self._loaded = None
            self._embeddings.clear()
            self._loaded = (choice, self._factory(choice, self._warn))
        return self._loaded[1]


def load_predictor(choice: ModelChoice, on_message: Report) -> PredictorLike:
    """Load the real model; torch is imported here, in the background thread, and not before."""
    import_torch()
    with collector_at_rest():
        from napari_sam.predict.load import load_model
        from napari_sam.predict.predictor import Predictor

    name = choice.name if choice.checkpoint is None else None
    model = load_model(name, choice.checkpoint, choice.device, choice.precision, on_message=on_message)
    return Predictor(model, on_message=on_message)


def _stop_if(stopped: Callable[[], bool]) -> None:
    if stopped():
        raise Cancelled("Cancelled; the prompts are still there.")
