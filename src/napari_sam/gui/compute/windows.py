"""Objects in planes far larger than the model's input: which window to look at, and when to look at another one.

The first window is about what the user sees, or has room around the box that was drawn. If the mask is cut off by a
border of the window, a larger one is looked at; if the object is small in it, a closer one. Every step is one
embedding, which is kept, and one question.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import Cancelled
from napari_sam.geometry.window import Rect, Window, WindowPlan, extent_of, joined
from napari_sam.gui.compute.asking import Recent, ask
from napari_sam.gui.compute.candidates import Candidates, PredictorLike
from napari_sam.gui.compute.embeddings import Embeddings, Placed
from napari_sam.gui.compute.hover import is_one_click
from napari_sam.gui.compute.jobs import Report, SegmentJob
from napari_sam.gui.prompting.prompts import ObjectPrompts
from napari_sam.types import Prediction, Prompts

VIEW_SHARE = 1.0
"""Side of the first window for clicks, as a share of the visible part of the plane."""

SMALL = 0.125
"""An object that takes less than this share of the window's side is looked at more closely."""

_MARGIN = 16  # clicks closer to the border than this part of the window's side are looked at in a window of their own

# A closer look shows the same object if most of the smaller mask lies in the larger, which is not much larger.
_AGREEMENT, _GROWTH = 0.7, 4


def plan_of(job: SegmentJob, predictor: PredictorLike) -> WindowPlan:
    """Return the windows of a job's plane for a model."""
    return WindowPlan(job.plane.shape_hw, predictor.image_size)


def view_window(job: SegmentJob, plan: WindowPlan) -> Window | None:
    """Return the window around what the user sees, or None without a canvas."""
    if job.view_yx is None:
        return None
    top, left, bottom, right = job.view_yx
    return plan.window_at(((top + bottom) / 2, (left + right) / 2), _view_side(job, plan))


def first_window(one: ObjectPrompts, job: SegmentJob, plan: WindowPlan) -> Window:
    """Return where to look for an object first."""
    if one.mask is not None or one.prompts.box_yxyx is not None:
        return plan.around(one.bounds)
    return _click_window(one.bounds, job, plan)


def first_windows(job: SegmentJob, predictor: PredictorLike) -> set[Window]:
    """Return where the objects of a job are looked for first."""
    plan = plan_of(job, predictor)
    return {first_window(one, job, plan) for one in job.prompts}


def hover_windows(job: SegmentJob, point_yx: tuple[float, float], predictor: PredictorLike) -> Iterator[Window | None]:
    """Yield the windows that may show what is under the mouse, the one a click would begin with first."""
    plan = plan_of(job, predictor)
    if plan.is_whole:
        yield None
        return
    rect = (point_yx[0], point_yx[1], point_yx[0], point_yx[1])
    yield _click_window(rect, job, plan)
    yield from (plan.around(rect, side) for side in plan.sides)


def _click_window(rect: Rect, job: SegmentJob, plan: WindowPlan) -> Window:
    """Return the window around what the user sees if the clicks lie well inside, else one around the clicks."""
    seen = view_window(job, plan)
    if seen is not None:
        room = seen.side / _MARGIN
        if not plan.cuts(seen, (rect[0] - room, rect[1] - room, rect[2] + room, rect[3] + room)):
            return seen
    return plan.around(rect, _view_side(job, plan))


def _view_side(job: SegmentJob, plan: WindowPlan) -> int:
    top, left, bottom, right = job.view_yx or (0, 0, plan.model_side, plan.model_side)
    return plan.side_for(VIEW_SHARE * max(bottom - top, right - left), 1.0)


class WindowSearch:
    """Looks for the objects of one job, each in windows of its own.

    Parameters
    ----------
    predictor : PredictorLike
    job : SegmentJob
    embeddings : Embeddings
    unwanted : callable
        Told a window; whether its embedding need not be computed any more.
    superseded : callable
        Whether the answer is not wanted any more.
    report : callable
        Told what is being done.
    recent : Recent
        What the model was asked before.
    early : callable
        Told what was found so far, before a closer look is taken.
    """

    def __init__(
        self,
        predictor: PredictorLike,
        job: SegmentJob,
        embeddings: Embeddings,
        unwanted: Callable[[Window], bool],
        superseded: Callable[[], bool],
        report: Report,
        recent: Recent,
        early: Callable[[Candidates], object] = lambda found: None,
    ) -> None:
        self._predictor = predictor
        self._job = job
        self._embeddings = embeddings
        self._unwanted = unwanted
        self._superseded = superseded
        self._report = report
        self._recent = recent
        self._early = early
        self._plan = plan_of(job, predictor)
        self._notes: dict[str, None] = {}
        self.decode_s: float | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What to tell the user about the image and the windows."""
        return tuple(self._notes)

    def prepare(self, window: Window) -> tuple[str, ...]:
        """Encode a window and return what to tell the user about it."""
        self._look(window)
        return self.notes

    def find(self, one: ObjectPrompts) -> Candidates:
        """Return the candidates for one object, with masks no larger than the object needs."""
        if one.is_fixed:
            return _itself(one)
        window = first_window(one, self._job, self._plan)
        # A choice was made when there was one object.
        choice = self._job.choice if one is self._job.prompts[0] else None
        while True:
            found = self._ask(window, one, choice)
            rect = _shown_extent(found, choice)
            if rect is None or not self._plan.cuts(window, rect):
                break
            larger = self._plan.larger(window, joined(rect, one.bounds))
            if larger is None:
                self._notes[f"The object is larger than {window.side} pixels and may be cut off at the border."] = None
                break
            self._report(f"The object is larger than the window: looking at {larger.side} x {larger.side} pixels ...")
            window = larger
        found = replace(found, unsettled=found.unsettled | self._unsettled(found, window))
        closer = None if rect is None else self._plan.closer(window, rect, SMALL)
        if rect is not None and closer is not None:
            self._early(_trimmed(found))
            found = self._sharpened(found, rect, closer, one)
        return _trimmed(found)

    def _unsettled(self, found: Candidates, window: Window) -> frozenset[int]:
        """Return the masks beside the shown one that would lead to another window if they were chosen."""
        others = {}
        for index, mask in enumerate(found.prediction.masks):
            rect = extent_of(mask, found.top_left)
            if rect is not None and index != found.shown(self._job.choice):
                others[index] = rect
        return frozenset(
            index
            for index, rect in others.items()
            if (self._plan.cuts(window, rect) and self._plan.larger(window, rect) is not None)
            or self._plan.closer(window, rect, SMALL) is not None
        )

    def _sharpened(self, found: Candidates, rect: Rect, closer: Window, one: ObjectPrompts) -> Candidates:
        """Return the candidates with the shown one as a closer window shows it, unless that shows something else."""
        self._report(f"The object is small: looking closer, at {closer.side} x {closer.side} pixels ...")
        prompts = _closer_prompts(one, rect, closer)
        if prompts is None:
            return found
        seen = self._ask(closer, prompts, None)
        shown = found.shown(self._job.choice)
        mask = seen.prediction.masks[seen.first]
        extent = extent_of(mask, seen.top_left)
        coarse = _cut(found.prediction.masks[shown], found.top_left, seen.top_left, mask.shape)
        if extent is None or self._plan.cuts(closer, extent) or not _agree(mask, coarse):
            return found
        return _replaced(found, shown, mask, seen)

    def _ask(self, window: Window, one: ObjectPrompts, choice: int | None) -> Candidates:
        placed = self._look(window)
        inside = _within(one, placed.window)
        several = len(self._job.prompts) > 1
        start = time.perf_counter()
        (found,) = ask(
            self._predictor,
            placed.embedding,
            (inside,),
            choice,
            self._superseded,
            several=several,
            recent=self._recent,
        )
        if self.decode_s is None and is_one_click(self._job):
            self.decode_s = time.perf_counter() - start
        if self._superseded():
            raise Cancelled("Cancelled; the prompts are still there.")
        height, width = (
            min(length, end - start)
            for length, end, start in zip(
                found.prediction.masks.shape[1:],
                self._plan.shape_hw,
                (placed.window.top, placed.window.left),
                strict=True,
            )
        )
        cut = replace(found.prediction, masks=found.prediction.masks[:, :height, :width])
        return replace(found, prediction=cut, top_left=(placed.window.top, placed.window.left))

    def _look(self, window: Window) -> Placed:
        placed = self._embeddings.get(self._predictor, self._job, window, lambda: self._unwanted(window))
        self._notes.update(dict.fromkeys(getattr(placed.embedding, "notes", ())))
        if self._superseded():
            raise Cancelled("Cancelled; the prompts are still there.")
        return placed


def _within(one: ObjectPrompts, window: Window) -> ObjectPrompts:
    """Return the prompts in pixels of a window; what lies outside it is left out."""
    moved = one.shifted(-window.top, -window.left)
    points, labels, box = moved.prompts.points_yx, moved.prompts.labels, moved.prompts.box_yxyx
    last = np.array([window.height - 1, window.width - 1], np.float64)
    if points is not None and labels is not None:
        inside = ((points >= -0.5 - window.step) & (points <= last + 0.5 + window.step)).all(axis=1)
        points, labels = np.clip(points[inside], 0, last), labels[inside]
    if box is not None:
        box = np.clip(box, 0, np.tile(last, 2))
    return replace(moved, prompts=Prompts(points, labels, box))


def _closer_prompts(one: ObjectPrompts, rect: Rect, closer: Window) -> ObjectPrompts | None:
    """Return the prompts with the box of the mask found so far; None where a positive point lies out of sight."""
    points, labels = one.prompts.points_yx, one.prompts.labels
    if points is not None and labels is not None:
        seen = np.array([closer.holds((row, column, row, column)) for row, column in points], bool)
        if (~seen & (labels == 1)).any():
            return None
    box = one.prompts.box_yxyx if one.prompts.box_yxyx is not None else np.array(rect)
    return replace(one, prompts=Prompts(points, labels, box))


def _shown_extent(found: Candidates, choice: int | None) -> Rect | None:
    return extent_of(found.prediction.masks[found.shown(choice)], found.top_left)


def _cut(
    mask: NDArray[np.bool_], at: tuple[int, int], top_left: tuple[int, int], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Return the part of a mask lying at ``at`` that falls into a rectangle of this shape at ``top_left``."""
    out = np.zeros(shape, bool)
    top, left = top_left[0] - at[0], top_left[1] - at[1]
    rows = slice(max(top, 0), min(top + shape[0], mask.shape[0]))
    columns = slice(max(left, 0), min(left + shape[1], mask.shape[1]))
    if rows.start < rows.stop and columns.start < columns.stop:
        out[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = mask[rows, columns]
    return out


def _agree(sharp: NDArray[np.bool_], coarse: NDArray[np.bool_]) -> bool:
    """Return whether two masks show the same object, one of them seen from so far away that it is a few dots."""
    smaller, larger = sorted((int(sharp.sum()), int(coarse.sum())))
    return smaller > 0 and larger <= _GROWTH * smaller and int((sharp & coarse).sum()) >= _AGREEMENT * smaller


def _replaced(found: Candidates, index: int, mask: NDArray[np.bool_], seen: Candidates) -> Candidates:
    """Return the candidates with one mask replaced by what a closer window shows."""
    masks, scores = found.prediction.masks.copy(), found.prediction.scores.copy()
    masks[index] = _cut(mask, seen.top_left, found.top_left, masks.shape[1:])
    scores[index] = seen.prediction.scores[seen.first]
    return replace(found, prediction=Prediction(masks, scores, found.prediction.logits))


def _trimmed(found: Candidates) -> Candidates:
    """Return the candidates without the empty margin around all masks: what is kept is as large as the object."""
    masks = found.prediction.masks
    rect = extent_of(np.asarray(masks.any(axis=0)))
    top, left, bottom, right = (0, 0, 0, 0) if rect is None else (int(edge) for edge in rect)
    cut = masks[:, top : bottom + 1, left : right + 1].copy()
    corner = (found.top_left[0] + top, found.top_left[1] + left)
    return replace(found, prediction=replace(found.prediction, masks=cut), top_left=corner)


def _itself(one: ObjectPrompts) -> Candidates:
    """Return the mask of an object opened for editing as its only candidate: nothing has to be looked at."""
    if one.mask is None:
        raise ValueError("only an object with a mask is its own candidate")
    prediction = Prediction(one.mask.mask[None], np.ones(1, np.float32), np.zeros((1, 1, 1), np.float32))
    return Candidates(prediction, 0, one.mask.top_left)
