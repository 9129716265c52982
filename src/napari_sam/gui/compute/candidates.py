"""The masks a model proposes for every object, and how they become one proposal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

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


def compose(objects: Sequence[Candidates], choice: int | None) -> Piece:
    """Return the proposal: object i has id i + 1; smaller objects lie on top of larger ones.

    Parameters
    ----------
    objects : sequence of Candidates
        At least one, each in a window of its own or all in the same.
    choice : int or None
        Mask of the first object the user chose, None for the one to show first.
    """
    masks = [one.prediction.masks[index] for one, index in zip(objects, _shown(objects, choice), strict=True)]
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
    shown = _shown(objects, choice)
    scores = [float(candidates.prediction.scores[index]) for candidates, index in zip(objects, shown, strict=True)]
    if len(objects) > 1:
        return f"{len(objects)} objects, IoU {min(scores):.2f} to {max(scores):.2f}"
    text = f"IoU {scores[0]:.2f}, candidate {shown[0] + 1} of {len(objects[0])}"
    is_empty = not objects[0].prediction.masks[shown[0]].any()
    return f"{text}: an empty mask, try another candidate or point" if is_empty else text


def _shown(objects: Sequence[Candidates], choice: int | None) -> list[int]:
    """Return which mask of every object is shown: a choice was made when there was only one."""
    return [one.shown(choice if index == 0 else None) for index, one in enumerate(objects)]


def _cropped(labels: NDArray[np.uint16], top_left: tuple[int, int]) -> Piece:
    rows, columns = np.flatnonzero(labels.any(axis=1)), np.flatnonzero(labels.any(axis=0))
    if len(rows) == 0:
        return Piece(top_left, np.zeros((0, 0), np.uint16))
    cut = labels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Piece((top_left[0] + int(rows[0]), top_left[1] + int(columns[0])), cut.copy())
