"""The candidates of an object as small pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_sam.gui.compute.candidates import Candidates, Piece


@dataclass(frozen=True, eq=False)
class CandidateView:
    """One candidate as it is pictured.

    Attributes
    ----------
    score : float
        IoU with the true object that the model expects.
    picture : ndarray of bool, shape (S, S)
        The mask, small; all candidates at the same scale.
    """

    score: float
    picture: NDArray[np.bool_]


def views_of(
    objects: Sequence[Candidates] | None, pieces: Sequence[Piece], choice: int | None
) -> tuple[list[CandidateView], int] | None:
    """Return the candidates of a single object as pictures, and which one is shown; None without a choice."""
    if not objects or len(objects) > 1 or len(objects[0]) < 2:
        return None
    scores = objects[0].prediction.scores
    views = [CandidateView(float(score), picture) for score, picture in zip(scores, pictures(pieces), strict=True)]
    return views, objects[0].shown(choice)


def why_no_choice(objects: Sequence[Candidates] | None) -> str:
    """Return what to tell the user who wants another candidate where there is none."""
    if not objects:
        return "There is no mask to choose another candidate for yet."
    if len(objects) > 1:
        return "Several objects get one mask each: candidates are there for one object at a time."
    return "There is nothing to choose from: this object is refined as it is."


def pictures(pieces: Sequence[Piece], side: int = 64) -> list[NDArray[np.bool_]]:
    """Return small pictures, (side, side), of the proposals, all of the same square around the largest of them."""
    full = [(*piece.top_left, *np.add(piece.top_left, piece.labels.shape)) for piece in pieces if piece.labels.size]
    if not full:
        return [np.zeros((side, side), bool) for _ in pieces]
    rows = np.array(full)
    low, high = rows[:, :2].min(axis=0), rows[:, 2:].max(axis=0)
    length = 1.1 * float((high - low).max())
    at = ((np.arange(side) + 0.5) / side - 0.5) * length
    centre = (low + high - 1) / 2
    return [
        _sampled(piece, np.rint(centre[0] + at).astype(int), np.rint(centre[1] + at).astype(int)) for piece in pieces
    ]


def _sampled(piece: Piece, rows: NDArray[np.int_], columns: NDArray[np.int_]) -> NDArray[np.bool_]:
    rows, columns = rows - piece.top_left[0], columns - piece.top_left[1]
    picture = np.zeros((len(rows), len(columns)), bool)
    high, wide = ((at >= 0) & (at < side) for at, side in zip((rows, columns), piece.labels.shape, strict=True))
    picture[np.ix_(high, wide)] = piece.labels[np.ix_(rows[high], columns[wide])] > 0
    return picture
