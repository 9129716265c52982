"""What the model is asked for a set of prompts, and how its answers become one proposal.

The result depends on the prompts alone, not on the order of events: undo, redo and coming back to a slice show the
same masks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_sam.geometry.frame import ResizeFrame
from napari_sam.gui.prompting.masks import PlaneMask
from napari_sam.gui.prompting.prompts import ObjectPrompts
from napari_sam.types import Prediction, Prompts


class PredictorLike(Protocol):
    """What the widget needs of :class:`napari_sam.predict.predictor.Predictor`."""

    @property
    def image_size(self) -> int:
        """Side of the model's square, in pixels."""

    def encode(
        self,
        image: NDArray[Any],
        *,
        limits: tuple[float, float] | None = None,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Any:
        """Return the embedding of an image, (H, W) or (H, W, C)."""

    def predict(self, embedding: Any, prompts: Prompts, multimask: bool = True) -> Prediction:
        """Return the masks for one object."""

    def predict_many(
        self,
        embedding: Any,
        prompts: Sequence[Prompts],
        multimask: bool = False,
        *,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[Prediction]:
        """Return the masks for several objects."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """The masks for one object and the one to show first.

    Attributes
    ----------
    prediction : Prediction
        Masks with the scores the model gives them.
    first : int
        Index of the mask shown until the user chooses another.
    top_left : tuple of int
        (row, column) in the plane of the masks' first pixel: they have the size of the window that was encoded.
    unsettled : frozenset of int
        Masks that another window would show better, should they be chosen: cut off at a border, or very small.
    """

    prediction: Prediction
    first: int
    top_left: tuple[int, int] = (0, 0)
    unsettled: frozenset[int] = frozenset()

    def __len__(self) -> int:
        """Return the number of masks."""
        return len(self.prediction.masks)

    def shown(self, choice: int | None) -> int:
        """Return the index of the mask that is shown for the user's choice, or without one."""
        return self.first if choice is None else choice % len(self)


def is_ambiguous(prompts: Prompts) -> bool:
    """Return whether the prompts leave open which of several nested things is meant: one point and nothing else."""
    return prompts.box_yxyx is None and prompts.points_yx is not None and len(prompts.points_yx) == 1


@dataclass(frozen=True, eq=False)
class Piece:
    """What the proposal layer shows on a plane: the rectangle that is not empty.

    Attributes
    ----------
    top_left : tuple of int
        (row, column) in the plane of the first pixel.
    labels : ndarray of uint16, shape (h, w)
        Object i has id i + 1; 0 is nothing. Shape (0, 0) where all is empty.
    """

    top_left: tuple[int, int]
    labels: NDArray[np.uint16]


def ask(
    predictor: PredictorLike,
    embedding: Any,
    objects: Sequence[ObjectPrompts],
    choice: int | None,
    cancelled: Callable[[], bool],
    *,
    several: bool = False,
) -> tuple[Candidates, ...]:
    """Return the candidates of every object, in pixels of the window that was encoded.

    A single object gets three candidates. Where its prompts are more than one point, the best candidate is fed back
    as a mask prompt, as in the model's training, and the decoder's output for several prompts takes its place.
    Several objects get one mask each.

    Parameters
    ----------
    predictor : PredictorLike
    embedding : object
        Embedding of the window.
    objects : sequence of ObjectPrompts
        In pixels of the window.
    choice : int or None
        Candidate the user chose.
    cancelled : callable
        Asked between decodings; True stops.
    several : bool
        Whether there are more objects, in other windows: a single one here gets one mask, too.
    """
    asked = [_with_mask(one, embedding) for one in objects]
    if several or len(objects) != 1:
        unknown = [prompts for one, prompts in zip(objects, asked, strict=True) if not one.is_fixed]
        answers = iter(predictor.predict_many(embedding, unknown, multimask=False, cancelled=cancelled))
        many = [_itself(one, embedding) if one.is_fixed else next(answers) for one in objects]
        return tuple(Candidates(prediction, prediction.best) for prediction in many)
    prompts = asked[0]
    if objects[0].is_fixed:
        return (Candidates(_itself(objects[0], embedding), 0),)
    first = predictor.predict(embedding, prompts, multimask=True)
    best = first.best
    if is_ambiguous(prompts):
        return (Candidates(first, best),)
    hint = Prompts(prompts.points_yx, prompts.labels, prompts.box_yxyx, first.logits[best])
    return (Candidates(_with(first, best, predictor.predict(embedding, hint, multimask=False)), best),)


def compose(objects: Sequence[Candidates], choice: int | None) -> Piece:
    """Return the proposal: object i has id i + 1; smaller objects lie on top of larger ones.

    Parameters
    ----------
    objects : sequence of Candidates
        At least one, each in a window of its own or all in the same.
    choice : int or None
        Mask the user chose, None for the one to show first.
    """
    masks = [candidates.prediction.masks[candidates.shown(choice)] for candidates in objects]
    corners = np.array([candidates.top_left for candidates in objects])
    top, left = (int(at) for at in corners.min(axis=0))
    bottom, right = (corners + [mask.shape for mask in masks]).max(axis=0)
    proposal = np.zeros((bottom - top, right - left), np.uint16)
    for index in sorted(range(len(masks)), key=lambda index: -int(masks[index].sum())):
        (row, column), (height, width) = corners[index] - (top, left), masks[index].shape
        proposal[row : row + height, column : column + width][masks[index]] = index + 1
    return _cropped(proposal, (top, left))


def compose_all(objects: Sequence[Candidates]) -> tuple[Piece, ...]:
    """Return the proposal for every choice; one where there is nothing to choose from, none without objects."""
    return tuple(compose(objects, choice) for choice in range(len(objects[0]))) if objects else ()


def describe(objects: Sequence[Candidates], choice: int | None) -> str:
    """Return a text for the status line, such as ``IoU 0.93, candidate 2 of 3``."""
    shown = [candidates.shown(choice) for candidates in objects]
    scores = [float(candidates.prediction.scores[index]) for candidates, index in zip(objects, shown, strict=True)]
    if len(objects) > 1:
        return f"{len(objects)} objects, IoU {min(scores):.2f} to {max(scores):.2f}"
    text = f"IoU {scores[0]:.2f}, candidate {shown[0] + 1} of {len(objects[0])}"
    is_empty = not objects[0].prediction.masks[shown[0]].any()
    return f"{text}: an empty mask, try another candidate or point" if is_empty else text


def _with(candidates: Prediction, index: int, refined: Prediction) -> Prediction:
    masks, scores, logits = candidates.masks.copy(), candidates.scores.copy(), candidates.logits.copy()
    masks[index], scores[index], logits[index] = refined.masks[0], refined.scores[0], refined.logits[0]
    return Prediction(masks, scores, logits)


def _with_mask(one: ObjectPrompts, embedding: Any) -> Prompts:
    if one.mask is None or one.is_fixed:
        return one.prompts
    from napari_sam.predict.mask_hint import mask_to_logits

    frame: ResizeFrame = embedding.frame
    logits = mask_to_logits(one.mask.within(frame.original_hw), frame)
    return Prompts(one.prompts.points_yx, one.prompts.labels, one.prompts.box_yxyx, logits)


def _itself(one: ObjectPrompts, embedding: Any) -> Prediction:
    """Return the mask of an object opened for editing as the only candidate."""
    mask = one.mask if one.mask is not None else PlaneMask((0, 0), np.zeros((0, 0), bool))
    whole = mask.within(embedding.frame.original_hw)
    return Prediction(whole[None], np.ones(1, np.float32), np.zeros((1, 1, 1), np.float32))


def _cropped(labels: NDArray[np.uint16], top_left: tuple[int, int]) -> Piece:
    rows, columns = np.flatnonzero(labels.any(axis=1)), np.flatnonzero(labels.any(axis=0))
    if len(rows) == 0:
        return Piece(top_left, np.zeros((0, 0), np.uint16))
    cut = labels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Piece((top_left[0] + int(rows[0]), top_left[1] + int(columns[0])), cut.copy())
