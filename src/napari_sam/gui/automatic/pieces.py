"""What is known of the objects of a result: one line per object and plane, and one per object."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Position = tuple[int, ...]
SCORES = ("predicted_iou", "stability_score")
COLUMNS = ("index", "area", *SCORES, "row", "column", "plane", "planes")


@dataclass(frozen=True, eq=False)
class Pieces:
    """The pixels of each object on each plane, as the columns of a table.

    Attributes
    ----------
    ids : ndarray of int64, shape (N,)
    positions : ndarray of int64, shape (N, k)
        The plane: an index for each stacked axis; k is 0 for a single plane.
    areas : ndarray of int64, shape (N,)
    predicted_iou, stability_score : ndarray of float64, shape (N,)
    points_yx : ndarray of float64, shape (N, 2)
        The point that made it; NaN where there was none.
    boxes_yxyx : ndarray of int64, shape (N, 4)
        First row and column, and one more than the last.
    """

    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    areas: NDArray[np.int64]
    predicted_iou: NDArray[np.float64]
    stability_score: NDArray[np.float64]
    points_yx: NDArray[np.float64]
    boxes_yxyx: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def none(cls, stacked: int) -> Pieces:
        """Return no objects of an image with a number of stacked axes."""
        return cls.of([], (0,) * stacked)

    @classmethod
    def of(cls, rows: Iterable[Any], position: Position, offset: int = 0) -> Pieces:
        """Return the objects of one plane, from the rows of its result.

        Parameters
        ----------
        rows : iterable of ObjectRow
        position : tuple of int
        offset : int
            Added to the ids.
        """
        every = list(rows)
        count = len(every)

        def column(values: list[Any], dtype: Any, width: int = 0) -> NDArray[Any]:
            return np.asarray(values, dtype).reshape((count, width) if width else (count,))

        return cls(
            column([row.id for row in every], np.int64) + offset,
            np.tile(np.asarray(position, np.int64), (count, 1)).reshape(count, len(position)),
            column([row.area for row in every], np.int64),
            column([row.predicted_iou for row in every], np.float64),
            column([row.stability_score for row in every], np.float64),
            column([(np.nan, np.nan) if row.point is None else row.point for row in every], np.float64, 2),
            column([row.bbox for row in every], np.int64, 4),
        )

    @property
    def highest(self) -> int:
        """The highest id, 0 without objects."""
        return int(self.ids.max(initial=0))

    def take(self, rows: ArrayLike) -> Pieces:
        """Return some of the lines: indices, or a mask of bools."""
        chosen = np.asarray(rows)
        return Pieces(*(getattr(self, name)[chosen] for name in _FIELDS))

    def joined(self, other: Pieces) -> Pieces:
        """Return the lines of both."""
        return Pieces(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in _FIELDS))

    def on(self, position: Position) -> NDArray[np.bool_]:
        """Return which lines lie on a plane."""
        return np.asarray((self.positions == np.asarray(position, np.int64)).all(axis=1))

    def of_ids(self, ids: Iterable[int]) -> NDArray[np.bool_]:
        """Return which lines belong to some objects."""
        return np.isin(self.ids, np.fromiter(ids, np.int64))

    def on_any(self, positions: Iterable[Position]) -> NDArray[np.bool_]:
        """Return which lines lie on one of some planes."""
        wanted = set(positions)
        return np.fromiter((tuple(at) in wanted for at in self.positions.tolist()), np.bool_, len(self))

    def relabelled(self, table: NDArray[Any]) -> Pieces:
        """Return the lines with the ids ``table[id]``; what becomes 0 is left out."""
        ids = table[self.ids].astype(np.int64)
        return replace(self, ids=ids).take(ids > 0)

    def per_object(self) -> pd.DataFrame:
        """Return one line per object, as the features of a labels layer: the column ``index`` is the id.

        Area is the number of pixels on all planes, scores are means weighted by area; point and plane are those of
        the largest piece; ``planes`` is on how many planes it lies.
        """
        order = np.lexsort((-self.areas, self.ids))
        pieces = self.take(order)
        ids, first, planes = np.unique(pieces.ids, return_index=True, return_counts=True)
        largest = pieces.take(first)
        area = np.add.reduceat(pieces.areas, first) if len(ids) else pieces.areas
        weights = np.maximum(pieces.areas, 1)
        frame = {"index": ids, "area": area}
        for name in SCORES:
            frame[name] = _mean(getattr(pieces, name), weights, first)
        frame["row"], frame["column"] = largest.points_yx[:, 0], largest.points_yx[:, 1]
        frame["plane"] = _plane_column(largest.positions)
        frame["planes"] = planes
        return pd.DataFrame(frame)

    @classmethod
    def from_features(cls, features: pd.DataFrame, stacked: int) -> Pieces | None:
        """Return what can be told of objects from the features of a layer that was saved, or None if they do not fit.

        Where an object lies has to be looked for: boxes are empty.
        """
        if not set(COLUMNS) <= set(features.columns) or stacked > 1:
            return None
        count = len(features)
        planes = features["plane"].to_numpy(np.int64).reshape(count, 1)[:, :stacked]
        return cls(
            features["index"].to_numpy(np.int64),
            planes,
            features["area"].to_numpy(np.int64),
            features["predicted_iou"].to_numpy(np.float64),
            features["stability_score"].to_numpy(np.float64),
            features[["row", "column"]].to_numpy(np.float64),
            np.zeros((count, 4), np.int64),
        )


_FIELDS = ("ids", "positions", "areas", "predicted_iou", "stability_score", "points_yx", "boxes_yxyx")


def _mean(values: NDArray[Any], weights: NDArray[Any], first: NDArray[Any]) -> NDArray[np.float64]:
    if len(first) == 0:
        return np.zeros(0)
    known = np.isfinite(values)
    total = np.add.reduceat(np.where(known, values, 0) * weights, first)
    count = np.add.reduceat(np.where(known, weights, 0), first)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _plane_column(positions: NDArray[np.int64]) -> Any:
    if positions.shape[1] == 0:
        return np.zeros(len(positions), np.int64)
    if positions.shape[1] == 1:
        return positions[:, 0]
    return np.array([", ".join(map(str, position)) for position in positions.tolist()], object)
