"""What the model is asked about an object, step by step.

The first step settles what may be meant: three candidates for the first click, the box or the drawn mask. Every
further point refines the one that is shown: it is asked together with the points before it and the logits of the step
before, as in the model's training. The others stay as they were, to be refined when they are chosen; so a candidate
keeps its place while points are added, and a choice stays a choice. The result depends on the prompts and the choice
alone: undo, redo and coming back to a slice give the same masks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import ReferenceType, ref

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import Cancelled
from napari_sam.geometry.clicks import interior_point
from napari_sam.geometry.frame import ResizeFrame
from napari_sam.geometry.masks import PlaneMask, trimmed
from napari_sam.gui.compute.candidates import Candidates, PredictorLike
from napari_sam.gui.prompting.prompts import ObjectPrompts
from napari_sam.predict.mask_hint import mask_to_logits
from napari_sam.types import Prediction, Prompts

Logits = NDArray[np.float32]
# Objects decoded at once: each brings three masks of the window's size.
TOGETHER = 8


@dataclass(frozen=True, eq=False)
class Step:
    """The answer to one step, with masks no larger than what they hold.

    Attributes
    ----------
    logits : ndarray of float32, shape (M, h, w)
    scores : ndarray of float32, shape (M,)
    masks : tuple of PlaneMask or None
        In pixels of the window; None where there is nothing.
    """

    logits: Logits
    scores: NDArray[np.float32]
    masks: tuple[PlaneMask | None, ...]

    @property
    def nbytes(self) -> int:
        """Memory of the arrays in bytes."""
        return self.logits.nbytes + self.scores.nbytes + sum(one.mask.nbytes for one in self.masks if one is not None)


class Recent:
    """The steps asked last, so that a further point costs one step and not all of them.

    Parameters
    ----------
    max_bytes : int
        Memory for them.
    """

    def __init__(self, max_bytes: int = 2**25) -> None:
        self._max_bytes = max_bytes
        self._known: OrderedDict[Hashable, tuple[ReferenceType[Any], Step]] = OrderedDict()

    def get(self, embedding: Any, step: Hashable) -> Step | None:
        """Return the answer to a step, or None."""
        entry = self._known.get((id(embedding), step))
        # Another embedding may live where one that is gone had been.
        return entry[1] if entry is not None and entry[0]() is embedding else None

    def put(self, embedding: Any, step: Hashable, answer: Step) -> Step:
        """Keep the answer to a step."""
        self._known[id(embedding), step] = ref(embedding), answer
        self._known.move_to_end((id(embedding), step))
        total = sum(known.nbytes for _, known in self._known.values())
        while total > self._max_bytes and len(self._known) > 1:
            _, (_, forgotten) = self._known.popitem(last=False)
            total -= forgotten.nbytes
        return answer


def ask(
    predictor: PredictorLike,
    embedding: Any,
    objects: Sequence[ObjectPrompts],
    choice: int | None,
    cancelled: Callable[[], bool],
    *,
    several: bool = False,
    recent: Recent | None = None,
) -> tuple[Candidates, ...]:
    """Return the candidates of every object, in pixels of the window that was encoded.

    A single object gets three candidates; of several, each keeps the one that would be shown first, so that a further
    box does not change the masks of the others. An object that is opened for editing is its own only candidate.

    Parameters
    ----------
    predictor : PredictorLike
    embedding : object
        Embedding of the window.
    objects : sequence of ObjectPrompts
        In pixels of the window.
    choice : int or None
        Candidate the user chose, for the first object.
    cancelled : callable
        Asked between decodings; True stops.
    several : bool
        Whether there are more objects, in other windows.
    recent : Recent, optional
        Steps asked before.
    """
    dialogue = _Dialogue(predictor, embedding, cancelled, Recent() if recent is None else recent)
    alone = len(objects) == 1 and not several
    steps = [[] if one.is_fixed else _steps(one, embedding) for one in objects]
    dialogue.begin([one[0] for one, about in zip(steps, objects, strict=True) if one and _is_open(about)])
    answers = []
    for index, (one, asked) in enumerate(zip(objects, steps, strict=True)):
        chosen = choice if index == 0 else None
        found = Candidates(_itself(one, embedding), 0) if one.is_fixed else _candidates(dialogue, one, asked, chosen)
        answers.append(found if alone or chosen is not None else _only_first(found))
    return tuple(answers)


def _is_open(one: ObjectPrompts) -> bool:
    """Return whether several things may be meant: an object opened for editing is refined as it is."""
    return one.object_id is None or one.mask is None


def _candidates(dialogue: _Dialogue, one: ObjectPrompts, steps: Sequence[Prompts], choice: int | None) -> Candidates:
    begin = dialogue.first(steps[0], multimask=_is_open(one))
    first = int(np.argmax(begin.scores))
    shown = first if choice is None else choice % len(begin.scores)
    masks, scores, logits = list(begin.masks), begin.scores.copy(), begin.logits
    if len(steps) > 1:
        refined = dialogue.refine(begin, steps, shown)
        masks[shown], scores[shown] = refined.masks[0], refined.scores[0]
        logits = logits.copy()
        logits[shown] = refined.logits[0]
    whole = np.stack(
        [np.zeros(dialogue.shape_hw, bool) if mask is None else mask.within(dialogue.shape_hw) for mask in masks]
    )
    prediction = Prediction(whole, scores, logits)
    others = frozenset(range(len(masks))) - {shown} if len(steps) > 1 else frozenset[int]()
    return Candidates(_clicked_pieces(prediction, one) if one.clicked_only else prediction, first, unsettled=others)


class _Dialogue:
    """Asks the model about one window, and nothing twice that is remembered."""

    def __init__(self, predictor: PredictorLike, embedding: Any, cancelled: Callable[[], bool], recent: Recent) -> None:
        self._predictor = predictor
        self._embedding = embedding
        self._cancelled = cancelled
        self._recent = recent
        self._begun: dict[Hashable, Step] = {}
        frame: ResizeFrame = embedding.frame
        self.shape_hw = frame.original_hw

    def begin(self, prompts: Sequence[Prompts]) -> None:
        """Ask about the first steps of several objects, some at a time: each brings three masks of full size."""
        unknown = [one for one in prompts if self._recent.get(self._embedding, _key([one], 0)) is None]
        for start in range(0, len(unknown) if len(unknown) > 1 else 0, TOGETHER):
            part = unknown[start : start + TOGETHER]
            answers = self._predictor.predict_many(self._embedding, part, multimask=True, cancelled=self._cancelled)
            self._begun.update((_key([one], 0), _step(answer)) for one, answer in zip(part, answers, strict=True))

    def first(self, prompts: Prompts, multimask: bool) -> Step:
        """Return the answer to a first step."""
        key = _key([prompts], 0)
        known = self._begun.get(key) or self._recent.get(self._embedding, key)
        if known is not None:
            return self._recent.put(self._embedding, key, known)
        return self._ask(key, prompts, multimask)

    def refine(self, begin: Step, steps: Sequence[Prompts], index: int) -> Step:
        """Return the answer to the last step for one candidate of the first."""
        logits, done = begin.logits[index], 1
        for count in range(len(steps), 1, -1):
            known = self._recent.get(self._embedding, _key(steps[:count], index))
            if known is not None:
                logits, done = known.logits[0], count
                break
        answer = known
        for count in range(done + 1, len(steps) + 1):
            last = steps[count - 1]
            hint = Prompts(last.points_yx, last.labels, last.box_yxyx, logits)
            answer = self._ask(_key(steps[:count], index), hint, multimask=False)
            logits = answer.logits[0]
        return begin if answer is None else answer

    def _ask(self, key: Hashable, prompts: Prompts, multimask: bool) -> Step:
        if self._cancelled():
            raise Cancelled("Cancelled; the prompts are still there.")
        return self._recent.put(
            self._embedding, key, _step(self._predictor.predict(self._embedding, prompts, multimask=multimask))
        )


def _step(prediction: Prediction) -> Step:
    masks = tuple(trimmed(PlaneMask((0, 0), mask)) for mask in prediction.masks)
    return Step(prediction.logits, prediction.scores, masks)


def _steps(one: ObjectPrompts, embedding: Any) -> list[Prompts]:
    """Return the prompts of every step, each with those of the steps before."""
    points, labels, box = one.prompts.points_yx, one.prompts.labels, one.prompts.box_yxyx
    if points is None or labels is None:
        points, labels = np.empty((0, 2)), np.empty(0, np.int32)
    if one.mask is not None:
        return _steps_from_mask(one.mask, points, labels, box, embedding, is_open=_is_open(one))
    if box is None:
        # A negative point alone means nothing: a positive one comes first.
        order = np.argsort(labels != 1, kind="stable")[:1]
        rest = np.setdiff1d(np.arange(len(points)), order)
        points, labels = points[[*order, *rest]], labels[[*order, *rest]]
    return [
        Prompts(points[:count], labels[:count], box) for count in range(0 if box is not None else 1, len(points) + 1)
    ]


def _steps_from_mask(
    mask: PlaneMask,
    points: NDArray[np.float64],
    labels: NDArray[np.int32],
    box: NDArray[np.float64] | None,
    embedding: Any,
    is_open: bool,
) -> list[Prompts]:
    """Return the steps for a mask: logits alone say little to the model, an inner point makes them understood.

    An area that may mean several things is asked about first, then refined. An object opened for editing is asked
    about together with the first point.
    """
    frame: ResizeFrame = embedding.frame
    whole = mask.within(frame.original_hw)
    logits = mask_to_logits(whole, frame)
    inner = _inner_point(whole, points[labels == 0])
    if is_open:
        later = [Prompts(points[:count], labels[:count], box) for count in range(1, len(points) + 1)]
        return [Prompts(inner, None, box, logits), *later]
    points = np.concatenate([inner, points])
    labels = np.concatenate([np.ones(len(inner), np.int32), labels])
    begin = min(len(inner) + 1, len(points))
    return [
        Prompts(points[:count], labels[:count], box, logits if count == begin else None)
        for count in range(begin, len(points) + 1)
    ]


def _inner_point(whole: NDArray[np.bool_], negative_yx: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the pixel of a mask farthest from its border and from negative points, shape (1, 2), or (0, 2)."""
    free = whole.copy()
    free[tuple(np.round(negative_yx).astype(int).T)] = False
    return np.array([interior_point(free)], np.float64) if free.any() else np.empty((0, 2))


def _key(steps: Sequence[Prompts], index: int) -> Hashable:
    """Return what tells these steps from all others: how it began, with which candidate it went on, and the points."""
    begin, end = steps[0], steps[-1]
    parts = (begin.mask_logits, begin.box_yxyx, begin.points_yx, begin.labels, end.points_yx, end.labels)
    return len(steps), index, tuple(None if part is None else part.tobytes() for part in parts)


def _only_first(found: Candidates) -> Candidates:
    if len(found) == 1:
        return found
    shown, one = slice(found.first, found.first + 1), found.prediction
    return Candidates(Prediction(one.masks[shown].copy(), one.scores[shown], one.logits[shown]), 0, found.top_left)


def _itself(one: ObjectPrompts, embedding: Any) -> Prediction:
    """Return the mask of an object opened for editing as the only candidate."""
    if one.mask is None:
        raise ValueError("only an object with a mask is its own candidate")
    whole = one.mask.within(embedding.frame.original_hw)
    return Prediction(whole[None], np.ones(1, np.float32), np.zeros((1, 1, 1), np.float32))


def _clicked_pieces(prediction: Prediction, one: ObjectPrompts) -> Prediction:
    points, labels = one.prompts.points_yx, one.prompts.labels
    if points is None or labels is None or not (labels == 1).any():
        return prediction
    pixels = np.round(points[labels == 1]).astype(int)
    masks = np.stack([keep_pieces(mask, pixels) for mask in prediction.masks])
    return Prediction(masks, prediction.scores, prediction.logits)


def keep_pieces(mask: NDArray[np.bool_], pixels: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Return the connected pieces of a mask that hold one of some pixels; all of it where none does.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        Pixels that touch at a corner are connected.
    pixels : ndarray of int, shape (N, 2)
        (row, column), within the mask's array.
    """
    from scipy import ndimage

    if not mask[tuple(pixels.T)].any():
        return mask
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    numbers, count = ndimage.label(mask[window], structure=np.ones((3, 3)))
    if count == 1:
        return mask
    on_mask = pixels[mask[tuple(pixels.T)]] - (rows[0], columns[0])
    wanted = np.zeros(count + 1, bool)
    wanted[numbers[tuple(on_mask.T)]] = True
    kept = np.zeros_like(mask)
    kept[window] = wanted[numbers]
    return kept
