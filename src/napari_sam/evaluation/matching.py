"""Which found object is which true object: overlaps of two label images, and one-to-one matches from them.

Everything is computed from a sparse table of overlaps, so that thousands of objects and whole volumes are no problem.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from napari_sam.errors import PairError


@dataclass(frozen=True, eq=False)
class Overlap:
    """How many pixels each true label shares with each predicted one; label 0, the background, included.

    Attributes
    ----------
    truth, predicted : ndarray of int64, shape (K,)
        Labels of each pair that shares at least one pixel; every pair once, in ascending order.
    pixels : ndarray of int64, shape (K,)
        Pixels that each pair shares.
    """

    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    pixels: NDArray[np.int64]

    @cached_property
    def objects(self) -> ObjectOverlap:
        """The same without the background, objects counted from 0."""
        truth_ids, truth_areas = _areas(self.truth, self.pixels)
        predicted_ids, predicted_areas = _areas(self.predicted, self.pixels)
        both = (self.truth > 0) & (self.predicted > 0)
        return ObjectOverlap(
            truth_ids,
            predicted_ids,
            truth_areas,
            predicted_areas,
            np.searchsorted(truth_ids, self.truth[both]),
            np.searchsorted(predicted_ids, self.predicted[both]),
            self.pixels[both],
        )


@dataclass(frozen=True, eq=False)
class ObjectOverlap:
    """Overlaps of objects.

    Attributes
    ----------
    truth_ids, predicted_ids : ndarray of int64, shape (N,) and (M,)
        Labels of the objects, ascending.
    truth_areas, predicted_areas : ndarray of int64, shape (N,) and (M,)
        Their pixels.
    rows, columns, pixels : ndarray of int64, shape (K,)
        Every overlap: index of the true object, index of the predicted one, and the pixels they share.
    """

    truth_ids: NDArray[np.int64]
    predicted_ids: NDArray[np.int64]
    truth_areas: NDArray[np.int64]
    predicted_areas: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    pixels: NDArray[np.int64]

    @cached_property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of every overlap, shape (K,)."""
        union = self.truth_areas[self.rows] + self.predicted_areas[self.columns] - self.pixels
        return np.asarray(self.pixels / union)


def overlap(truth: ArrayLike, predicted: ArrayLike) -> Overlap:
    """Count the overlaps of two label images.

    Parameters
    ----------
    truth, predicted : array-like of integers, of one shape and any number of dimensions
        0 is background; ids need not be consecutive.

    Returns
    -------
    Overlap

    Raises
    ------
    PairError
        If the shapes differ, or labels are negative, not whole numbers, or above 4,294,967,295.
    """
    first, second = _checked(truth, "The true labels"), _checked(predicted, "The predicted labels")
    if first.shape != second.shape:
        raise PairError(
            f"The true labels have shape {first.shape}, the predicted ones {second.shape}: they are of different "
            "images, or one of them was cropped, scaled or transposed."
        )
    keys = (first.ravel().astype(np.uint64) << np.uint64(32)) | second.ravel().astype(np.uint64)
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if keys.size else np.zeros(0, np.int64)
    lengths = np.diff(np.append(starts, keys.size))
    pairs, inverse = np.unique(keys[starts], return_inverse=True)
    pixels = np.bincount(inverse, weights=lengths, minlength=len(pairs)).astype(np.int64)
    return Overlap((pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64), pixels)


@dataclass(frozen=True)
class Matching:
    """Objects found, missed and made up, at one threshold of the IoU; sums of several images add up with ``+``.

    The measures are those of StarDist's ``matching`` (Schmidt et al. 2018; Weigert et al. 2020), with the same names.
    They are NaN where there is neither a true nor a predicted object: nothing can be said then.

    Attributes
    ----------
    threshold : float
        Pairs with at least this IoU match.
    tp, fp, fn : int
        Matched pairs, predicted objects without a partner, true objects without a partner.
    matched_iou : float
        Sum of the IoU of all matched pairs.
    """

    threshold: float
    tp: int
    fp: int
    fn: int
    matched_iou: float

    def __add__(self, other: Matching) -> Matching:
        """Return the sums of two images or data sets at the same threshold."""
        if self.threshold != other.threshold:
            raise ValueError(f"matches at {self.threshold} and at {other.threshold} do not add up")
        return Matching(
            self.threshold,
            self.tp + other.tp,
            self.fp + other.fp,
            self.fn + other.fn,
            self.matched_iou + other.matched_iou,
        )

    @property
    def n_true(self) -> int:
        """True objects."""
        return self.tp + self.fn

    @property
    def n_pred(self) -> int:
        """Predicted objects."""
        return self.tp + self.fp

    @property
    def precision(self) -> float:
        """TP / (TP + FP); 0 where nothing was predicted."""
        return self._ratio(self.tp, self.n_pred)

    @property
    def recall(self) -> float:
        """TP / (TP + FN); 0 where there is nothing to find."""
        return self._ratio(self.tp, self.n_true)

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN)."""
        return self._ratio(2 * self.tp, self.n_true + self.n_pred)

    @property
    def accuracy(self) -> float:
        """TP / (TP + FP + FN): "average precision" (AP) of the 2018 Data Science Bowl, StarDist and Cellpose."""
        return self._ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def mean_matched_score(self) -> float:
        """Mean IoU of the matched pairs: segmentation quality of Kirillov et al. 2019."""
        return self._ratio(self.matched_iou, self.tp)

    @property
    def mean_true_score(self) -> float:
        """Mean IoU over all true objects, 0 for those not found."""
        return self._ratio(self.matched_iou, self.n_true)

    @property
    def panoptic_quality(self) -> float:
        """Sum of matched IoU / (TP + FP/2 + FN/2): equation 1 of Kirillov et al. 2019, *Panoptic Segmentation*."""
        return self._ratio(2 * self.matched_iou, self.n_true + self.n_pred)

    def _ratio(self, above: float, below: float) -> float:
        if self.n_true + self.n_pred == 0:
            return math.nan
        return above / below if below else 0.0


MEASURES = ("precision", "recall", "f1", "accuracy", "mean_matched_score", "mean_true_score", "panoptic_quality")
"""Names of the measures of a :class:`Matching`."""


def match(objects: ObjectOverlap, threshold: float) -> Matching:
    """Match objects one to one, as many as possible, and of equally many the pairs with the highest IoU.

    Above an IoU of 0.5 an object has at most one possible partner. Where there is a choice, it is the optimal
    assignment of StarDist's ``matching`` (``stardist/matching.py``).

    Parameters
    ----------
    objects : ObjectOverlap
        ``overlap(truth, predicted).objects``.
    threshold : float
        Least IoU of a match, above 0 and at most 1.

    Returns
    -------
    Matching

    Raises
    ------
    ValueError
        If the threshold is not above 0 and at most 1.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"an IoU threshold lies above 0 and at most at 1, got {threshold}")
    close = objects.iou >= threshold
    rows, columns = objects.rows[close], objects.columns[close]
    if len(np.unique(rows)) == len(rows) and len(np.unique(columns)) == len(columns):
        matched = objects.iou[close]
    else:
        matched = _assign(objects, threshold)
    return Matching(
        threshold,
        len(matched),
        len(objects.predicted_ids) - len(matched),
        len(objects.truth_ids) - len(matched),
        float(matched.sum()),
    )


def matching(truth: ArrayLike, predicted: ArrayLike, thresholds: Sequence[float] = (0.5,)) -> list[Matching]:
    """Match the objects of two label images at several thresholds; see :func:`overlap` and :func:`match`."""
    objects = overlap(truth, predicted).objects
    return [match(objects, threshold) for threshold in thresholds]


def _assign(objects: ObjectOverlap, threshold: float) -> NDArray[np.float64]:
    """IoU of the matches of an optimal assignment."""
    scores = np.zeros((len(objects.truth_ids), len(objects.predicted_ids)))
    scores[objects.rows, objects.columns] = objects.iou
    # A match counts more than all IoU together.
    costs = -(scores >= threshold).astype(np.float64) - scores / (2 * min(scores.shape))
    rows, columns = linear_sum_assignment(costs)
    chosen = scores[rows, columns]
    return np.asarray(chosen[chosen >= threshold])


def _areas(labels: NDArray[np.int64], pixels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    ids, inverse = np.unique(labels, return_inverse=True)
    areas = np.bincount(inverse, weights=pixels, minlength=len(ids)).astype(np.int64)
    return ids[ids > 0], areas[ids > 0]


def _checked(labels: ArrayLike, what: str) -> NDArray[np.integer]:
    array = np.asarray(labels)
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    if array.dtype.kind not in "ui":
        raise PairError(f"{what} are of type {array.dtype}, but must be whole numbers.")
    lowest, highest = (int(array.min()), int(array.max())) if array.size else (0, 0)
    if lowest < 0 or highest > np.iinfo(np.uint32).max:
        raise PairError(f"{what} must lie between 0 and 4,294,967,295, but reach from {lowest} to {highest}.")
    return array
