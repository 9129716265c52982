"""Measures beside those of a matching, against scikit-image and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.metrics import adapted_rand_error as skimage_rand
from skimage.metrics import variation_of_information as skimage_information

from napari_sam.evaluation.matching import matching, overlap
from napari_sam.evaluation.metrics import (
    THRESHOLDS,
    adapted_rand_error,
    mean_known,
    score_labels,
    splits_and_merges,
    variation_of_information,
)
from tests.evaluation.random_labels import random_pair

WITH_OBJECTS = (0, 1, 2, 3, 4, 5, 7)  # nothing is predicted in the last


@pytest.mark.parametrize("seed", WITH_OBJECTS)
def test_rand_error_and_information_are_those_of_scikit_image(seed: int) -> None:
    truth, predicted = random_pair(seed)
    table = overlap(truth, predicted)
    assert adapted_rand_error(table) == pytest.approx(skimage_rand(truth, predicted)[0], abs=1e-9)
    theirs = skimage_information(truth, predicted, ignore_labels=(0,))
    assert variation_of_information(table) == pytest.approx(tuple(theirs), abs=1e-9)


def test_information_tells_splits_from_merges() -> None:
    whole = np.ones((4, 8), int)
    halves = np.repeat([[1, 1, 1, 1, 2, 2, 2, 2]], 4, axis=0)
    assert variation_of_information(overlap(whole, halves)) == pytest.approx((1, 0))
    assert variation_of_information(overlap(halves, whole)) == pytest.approx((0, 1))
    assert adapted_rand_error(overlap(whole, whole)) == 0


def test_msa_is_the_mean_accuracy_over_ten_thresholds() -> None:
    assert THRESHOLDS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
    truth = np.zeros((10, 40), int)
    truth[:, :10], truth[:, 20:30] = 1, 2
    predicted = np.zeros_like(truth)
    predicted[:, :10], predicted[:, 22:30] = 1, 2  # IoU 1 and 0.8: both match at seven thresholds
    assert score_labels(truth, predicted).msa == pytest.approx((7 * 1 + 3 * 1 / 3) / 10)
    assert score_labels(truth, predicted, [0.5]).msa == score_labels(truth, predicted).msa
    assert score_labels(truth, predicted, [0.5]).matchings == tuple(matching(truth, predicted, [0.5]))


def test_splits_and_merges() -> None:
    truth = np.zeros((10, 60), int)
    truth[:, :20], truth[:, 20:30], truth[:, 30:40], truth[:, 45:55] = 1, 2, 3, 4
    predicted = np.zeros_like(truth)
    predicted[:, :9], predicted[:, 9:19] = 5, 6  # 1 is split
    predicted[:, 20:40] = 7  # 2 and 3 are merged
    predicted[:, 47:60] = 8  # 4 is shifted: neither
    assert splits_and_merges(overlap(truth, predicted).objects) == (1, 1)
    assert splits_and_merges(overlap(predicted, truth).objects) == (1, 1)
    assert splits_and_merges(overlap(truth, truth).objects) == (0, 0)
    # a merge of many is one too, though none of them has an IoU worth naming
    stripes = np.repeat(np.arange(1, 21), 3)[None].repeat(10, axis=0)
    assert splits_and_merges(overlap(stripes, np.ones_like(stripes)).objects) == (0, 1)


def test_empty_images() -> None:
    empty = np.zeros((5, 5), int)
    nothing = score_labels(empty, empty)
    assert (nothing.splits, nothing.merges) == (0, 0)
    for value in (nothing.msa, nothing.adapted_rand_error, nothing.voi_split, nothing.voi_merge):
        assert math.isnan(value)
    assert score_labels(empty, empty + 1).msa == 0
    assert score_labels(empty + 1, empty).msa == 0
    assert mean_known([math.nan, 1, 2]) == 1.5
    assert math.isnan(mean_known([math.nan]))
