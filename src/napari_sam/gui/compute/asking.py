"""What the model is asked about an object, step by step.

The first step settles what may be meant: three candidates for the first click, the box or the drawn mask. Every
further point refines all three: it is asked together with the points before it and the candidate's logits of the step
before, as in the model's training. So a candidate keeps its place while points are added, and the one that was chosen
is the one that is refined. The result depends on the prompts alone: undo, redo and coming back to a slice give the
same masks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any
from weakref import ReferenceType, ref

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import Cancelled
from napari_sam.geometry.clicks import interior_point
from napari_sam.geometry.frame import ResizeFrame
from napari_sam.gui.compute.candidates import Candidates, PredictorLike
from napari_sam.gui.prompting.masks import PlaneMask
from napari_sam.gui.prompting.prompts import ObjectPrompts
from napari_sam.predict.mask_hint import mask_to_logits
from napari_sam.types import Prediction, Prompts

Logits = NDArray[np.float32]
# Objects decoded at once: each brings three masks of the window's size.
TOGETHER = 8


class Recent:
    """The logits of the steps asked last, so that a further point costs one step and not all of them.

    Parameters
    ----------
    limit : int
        Steps to keep; each takes less than a megabyte.
    """

    def __init__(self, limit: int = 32) -> None:
        self._limit = limit
        self._known: OrderedDict[Hashable, tuple[ReferenceType[Any], Logits, int]] = OrderedDict()

    def get(self, embedding: Any, step: Hashable) -> tuple[Logits, int] | None:
        """Return the logits of a step and the candidate to show first, or None."""
        entry = self._known.get((id(embedding), step))
        # Another embedding may live where one that is gone had been.
        return entry[1:] if entry is not None and entry[0]() is embedding else None

    def put(self, embedding: Any, step: Hashable, logits: Logits, first: int) -> None:
        """Keep the logits of a step."""
        self._known[id(embedding), step] = ref(embedding), logits, first
        self._known.move_to_end((id(embedding), step))
        while len(self._known) > self._limit:
            self._known.popitem(last=False)


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
    recent = Recent() if recent is None else recent
    steps = [[] if one.is_fixed else _steps(one, embedding) for one in objects]
    if len(objects) == 1 and not several:
        return (_ask_one(predictor, embedding, objects[0], steps[0], cancelled, recent),)
    answers: dict[int, Candidates] = {}
    plain = [index for index, one in enumerate(steps) if len(one) == 1 and _is_open(objects[index])]
    for start in range(0, len(plain), TOGETHER):
        indices = plain[start : start + TOGETHER]
        prompts = [steps[index][0] for index in indices]
        together = predictor.predict_many(embedding, prompts, multimask=True, cancelled=cancelled)
        for index, prediction in zip(indices, together, strict=True):
            answers[index] = _finished(prediction, prediction.best, objects[index], choice is not None)
    for index in set(range(len(objects))).difference(answers):
        found = _ask_one(predictor, embedding, objects[index], steps[index], cancelled, recent)
        answers[index] = found if choice is not None else _only_first(found)
    return tuple(answers[index] for index in range(len(objects)))


def _is_open(one: ObjectPrompts) -> bool:
    """Return whether several things may be meant: an object opened for editing is refined as it is."""
    return one.object_id is None or one.mask is None


def _ask_one(
    predictor: PredictorLike,
    embedding: Any,
    one: ObjectPrompts,
    steps: Sequence[Prompts],
    cancelled: Callable[[], bool],
    recent: Recent,
) -> Candidates:
    if one.is_fixed:
        return Candidates(_itself(one, embedding), 0)
    known, done = _remembered(recent, embedding, steps)
    prediction = None
    for index in range(done, len(steps)):
        if cancelled():
            raise Cancelled("Cancelled; the prompts are still there.")
        if known is None:
            prediction = predictor.predict(embedding, steps[0], multimask=_is_open(one))
            first = prediction.best
        else:
            hints = [_with_hint(steps[index], logits) for logits in known[0]]
            prediction = _joined(predictor.predict_many(embedding, hints, multimask=False, cancelled=cancelled))
            first = known[1]
        known = prediction.logits, first
        recent.put(embedding, _key(steps[: index + 1]), *known)
    if prediction is None or known is None:
        raise ValueError("an object without prompts cannot be asked about")
    return _finished(prediction, known[1], one, keep_all=True)


def _remembered(recent: Recent, embedding: Any, steps: Sequence[Prompts]) -> tuple[tuple[Logits, int] | None, int]:
    """Return the logits of the last step that is known, and how many are done; the last one is always asked."""
    for done in range(len(steps) - 1, 0, -1):
        known = recent.get(embedding, _key(steps[:done]))
        if known is not None:
            return known, done
    return None, 0


def _finished(prediction: Prediction, first: int, one: ObjectPrompts, keep_all: bool) -> Candidates:
    found = Candidates(_clicked_pieces(prediction, one) if one.clicked_only else prediction, first)
    return found if keep_all else _only_first(found)


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


def _key(steps: Sequence[Prompts]) -> Hashable:
    """Return what tells these steps from all others: how it began, and the points in their order."""
    begin, end = steps[0], steps[-1]
    parts = (begin.mask_logits, begin.box_yxyx, begin.points_yx, end.points_yx, end.labels)
    return len(steps), tuple(None if part is None else part.tobytes() for part in parts)


def _with_hint(prompts: Prompts, logits: Logits) -> Prompts:
    return Prompts(prompts.points_yx, prompts.labels, prompts.box_yxyx, logits)


def _joined(predictions: Sequence[Prediction]) -> Prediction:
    return Prediction(
        np.concatenate([one.masks for one in predictions]),
        np.concatenate([one.scores for one in predictions]),
        np.concatenate([one.logits for one in predictions]),
    )


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
