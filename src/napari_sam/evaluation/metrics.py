"""Measures of instance segmentation beside those of a matching: mSA, splits and merges, Rand error, information."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sam.evaluation.matching import MEASURES, Matching, ObjectOverlap, Overlap, match, overlap

THRESHOLDS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
"""0.5, 0.55 ... 0.95: the thresholds of the 2018 Data Science Bowl and of COCO."""

OWN_MEASURES = ("msa", "splits", "merges", "adapted_rand_error", "voi_split", "voi_merge")
"""Names of the measures of an image that do not depend on a threshold."""


@dataclass(frozen=True)
class InstanceScores:
    """How well the objects of one image were found.

    Attributes
    ----------
    matchings : tuple of Matching
        One for each threshold.
    msa : float
        Mean segmentation accuracy: mean of TP / (TP + FP + FN) over the thresholds 0.5, 0.55 ... 0.95, whatever
        thresholds ``matchings`` has. NaN where there is no object at all.
    splits, merges : int
        See :func:`splits_and_merges`.
    adapted_rand_error : float
        See :func:`adapted_rand_error`.
    voi_split, voi_merge : float
        See :func:`variation_of_information`.
    """

    matchings: tuple[Matching, ...]
    msa: float
    splits: int
    merges: int
    adapted_rand_error: float
    voi_split: float
    voi_merge: float


def score_labels(truth: ArrayLike, predicted: ArrayLike, thresholds: Sequence[float] = THRESHOLDS) -> InstanceScores:
    """Compare two label images.

    Parameters
    ----------
    truth, predicted : array-like of integers, of one shape and any number of dimensions
        0 is background; ids need not be consecutive.
    thresholds : sequence of float
        Least IoU of a match, one or several.

    Returns
    -------
    InstanceScores

    Raises
    ------
    PairError
        If the shapes differ, or these are not labels.
    """
    table = overlap(truth, predicted)
    splits, merges = splits_and_merges(table.objects)
    return InstanceScores(
        tuple(match(table.objects, threshold) for threshold in thresholds),
        mean_segmentation_accuracy(table.objects),
        splits,
        merges,
        adapted_rand_error(table),
        *variation_of_information(table),
    )


def mean_segmentation_accuracy(objects: ObjectOverlap) -> float:
    """Mean of TP / (TP + FP + FN) over :data:`THRESHOLDS` (2018 Data Science Bowl, Caicedo et al. 2019).

    NaN where there is neither a true nor a predicted object.
    """
    return float(np.mean([match(objects, threshold).accuracy for threshold in THRESHOLDS]))


def splits_and_merges(objects: ObjectOverlap) -> tuple[int, int]:
    """Count true objects that were split and predicted objects that merge several.

    A predicted object merges where it covers more than half of each of two or more true objects: the "needs splitting"
    of Matula et al. 2015 (*Cell tracking accuracy measurement based on comparison of acyclic oriented graphs*,
    PLoS ONE 10(12), section on detection), as the Cell Tracking Challenge counts. A true object is split where more
    than half of each of two or more predicted objects lies in it: the same with the roles exchanged.

    Returns
    -------
    splits, merges : int
    """
    covered = objects.pixels > 0.5 * objects.truth_areas[objects.rows]
    inside = objects.pixels > 0.5 * objects.predicted_areas[objects.columns]
    merges = np.bincount(objects.columns[covered], minlength=1)
    splits = np.bincount(objects.rows[inside], minlength=1)
    return int(np.count_nonzero(splits > 1)), int(np.count_nonzero(merges > 1))


def adapted_rand_error(table: Overlap) -> float:
    """One minus the F-score of pairs of pixels that both images put into one object.

    Arganda-Carreras et al. 2015 (*Crowdsourcing the creation of image segmentation algorithms for connectomics*,
    Frontiers in Neuroanatomy 9:142); ``skimage.metrics.adapted_rand_error`` with its defaults: pixels that are
    background in the truth do not count. NaN where no true object has two pixels and no predicted one has.
    """
    pixels, truth, predicted = _foreground(table)
    together = _pairs(pixels)
    total = _pairs(_sums(truth, pixels)) + _pairs(_sums(predicted, pixels))
    return 1 - 2 * together / total if total else math.nan


def variation_of_information(table: Overlap) -> tuple[float, float]:
    """Bits missing to know one segmentation from the other: H(predicted | truth), high where objects are split.

    And H(truth | predicted), high where they are merged. Meila 2007 (*Comparing clusterings*, Journal of Multivariate
    Analysis 98); ``skimage.metrics.variation_of_information`` with ``ignore_labels=(0,)``: pixels that are background
    in the truth do not count. NaN where all are.

    Returns
    -------
    voi_split, voi_merge : float
    """
    pixels, truth, predicted = _foreground(table)
    if pixels.sum() == 0:
        return math.nan, math.nan
    joint = _entropy(pixels)
    return (
        max(joint - _entropy(_sums(truth, pixels)), 0.0),
        max(joint - _entropy(_sums(predicted, pixels)), 0.0),
    )


def pool(scores: Iterable[InstanceScores]) -> tuple[Matching, ...]:
    """Add up the objects of several images, threshold by threshold: every object counts the same."""
    totals: tuple[Matching, ...] = ()
    for one in scores:
        totals = one.matchings if not totals else tuple(a + b for a, b in zip(totals, one.matchings, strict=True))
    return totals


def mean_by_image(scores: Sequence[InstanceScores], index: int) -> dict[str, float]:
    """Mean of every measure of a matching over images, at the threshold number ``index``.

    Every image counts the same; images without a true and a predicted object do not count. NaN where none counts.
    """
    matchings = [one.matchings[index] for one in scores]
    return {name: mean_known([getattr(one, name) for one in matchings]) for name in MEASURES}


def mean_known(values: Iterable[float]) -> float:
    """Mean of the values that are not NaN; NaN where there is none."""
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def _foreground(table: Overlap) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    inside = table.truth > 0
    return table.pixels[inside].astype(np.float64), table.truth[inside], table.predicted[inside]


def _sums(labels: NDArray[np.int64], pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse = np.unique(labels, return_inverse=True)
    return np.bincount(inverse, weights=pixels).astype(np.float64)


def _pairs(counts: NDArray[np.float64]) -> float:
    """Count ordered pairs of two pixels of one group."""
    return float((counts * (counts - 1)).sum())


def _entropy(counts: NDArray[np.float64]) -> float:
    parts = counts[counts > 0] / counts.sum()
    return float(-(parts * np.log2(parts)).sum())
