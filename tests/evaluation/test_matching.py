"""Matches of objects, against StarDist's own numbers and by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.errors import PairError
from napari_sam.evaluation.matching import MEASURES, Matching, match, matching, overlap
from napari_sam.evaluation.metrics import mean_by_image, pool, score_labels
from tests.evaluation.random_labels import random_pair

REFERENCE = json.loads((Path(__file__).parents[1] / "data/reference/stardist_matching.json").read_text())
THRESHOLDS = REFERENCE["thresholds"]
NAMES = ("tp", "fp", "fn", "n_true", "n_pred", *MEASURES)


def labels(*rows: str) -> np.ndarray:
    """A picture of digits: one object per digit, '.' is background."""
    return np.array([[0 if character == "." else int(character) for character in row] for row in rows])


def as_stardist(one: Matching) -> dict[str, float]:
    """StarDist gives 0 where nothing can be said."""
    return {name: 0 if math.isnan(getattr(one, name)) else getattr(one, name) for name in NAMES}


@pytest.mark.parametrize("seed", REFERENCE["seeds"])
def test_every_measure_is_stardists(seed: int) -> None:
    for ours, theirs in zip(matching(*random_pair(seed), THRESHOLDS), REFERENCE["images"][seed], strict=True):
        assert as_stardist(ours) == pytest.approx(theirs, abs=1e-6)


def test_sums_and_means_over_images_are_stardists() -> None:
    scores = [score_labels(*random_pair(seed), THRESHOLDS) for seed in REFERENCE["seeds"]]
    pooled = pool(scores)
    for index, theirs in enumerate(REFERENCE["pooled"]):
        assert as_stardist(pooled[index]) == pytest.approx(theirs, abs=1e-6)
        means = mean_by_image(scores, index)
        assert means == pytest.approx({name: REFERENCE["by_image"][index][name] for name in MEASURES}, abs=1e-6)


def test_by_hand() -> None:
    truth = labels("11..22", "11..22")
    predicted = labels("111.2.", "111.2.")
    one = matching(truth, predicted, [0.5])[0]
    assert (one.tp, one.fp, one.fn) == (2, 0, 0)  # IoU 4/6 and 2/4: the threshold itself is enough
    assert one.mean_matched_score == pytest.approx((4 / 6 + 2 / 4) / 2)
    strict = matching(truth, predicted, [0.6])[0]
    assert (strict.tp, strict.fp, strict.fn) == (1, 1, 1)
    assert strict.precision == strict.recall == strict.f1 == 0.5
    assert strict.accuracy == pytest.approx(1 / 3)
    assert strict.panoptic_quality == pytest.approx(4 / 6 / 2)
    assert strict.mean_true_score == pytest.approx(4 / 6 / 2)


def test_an_object_has_one_partner_only() -> None:
    truth, predicted = labels("111111"), labels("112233")
    assert [m.tp for m in matching(truth, predicted, [0.3])] == [1]
    # the pairs are chosen so that as many as possible match, not greedily the best one first
    truth, predicted = labels("1111222222"), labels("3333333444")
    assert overlap(truth, predicted).objects.iou.tolist() == pytest.approx([4 / 7, 3 / 10, 3 / 6])
    assert matching(truth, predicted, [0.3])[0].tp == 2


def test_nothing_there_and_nothing_found_says_nothing() -> None:
    empty = np.zeros((4, 5), int)
    one = matching(empty, empty)[0]
    assert (one.tp, one.fp, one.fn) == (0, 0, 0)
    assert all(math.isnan(getattr(one, name)) for name in MEASURES)
    missed = matching(labels("11"), labels(".."))[0]
    made_up = matching(labels(".."), labels("11"))[0]
    assert (missed.fn, made_up.fp) == (1, 1)
    assert missed.f1 == made_up.f1 == missed.precision == made_up.recall == 0
    assert matching(np.zeros((0, 5), int), np.zeros((0, 5), int))[0].n_true == 0


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_ids_do_not_matter_and_the_roles_can_be_exchanged(seed: int) -> None:
    truth, predicted = random_pair(seed)
    rng = np.random.default_rng(seed)
    renamed = np.concatenate([[0], rng.permutation(np.arange(1, 300))])
    expected = matching(truth, predicted, [0.3, 0.5, 0.8])
    for one, same in zip(expected, matching(renamed[truth], renamed[predicted], [0.3, 0.5, 0.8]), strict=True):
        assert (same.tp, same.fp, same.fn) == (one.tp, one.fp, one.fn)
        assert same.matched_iou == pytest.approx(one.matched_iou)
    for one, back in zip(expected, matching(predicted, truth, [0.3, 0.5, 0.8]), strict=True):
        assert (back.tp, back.fp, back.fn) == (one.tp, one.fn, one.fp)
        assert back.matched_iou == pytest.approx(one.matched_iou)


def test_large_ids_and_volumes() -> None:
    truth = np.zeros((3, 20, 30), np.uint32)
    truth[:, 2:9, 3:11] = 4_294_967_295
    predicted = np.zeros_like(truth)
    predicted[1:, 2:9, 3:11] = 4_000_000_000
    table = overlap(truth, predicted)
    assert table.objects.truth_ids.tolist() == [4_294_967_295]
    assert match(table.objects, 0.5).matched_iou == pytest.approx(2 / 3)


def test_thousands_of_objects_are_quick() -> None:
    ids = np.arange(1, 101 * 101).reshape(100, 102)[:, :100]
    truth = ids.repeat(8, axis=0).repeat(8, axis=1)
    predicted = np.roll(truth, 1, axis=1)
    one = matching(truth, predicted, [0.5])[0]
    assert one.n_true == 10_000
    assert one.tp > 9_000


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(PairError, match=r"shape \(2, 3\), the predicted ones \(3, 2\)"):
        overlap(np.zeros((2, 3), int), np.zeros((3, 2), int))
    with pytest.raises(PairError, match="predicted labels are of type float64"):
        overlap(np.zeros((2, 3), int), np.zeros((2, 3)))
    with pytest.raises(PairError, match="reach from -1 to 0"):
        overlap(np.array([[-1, 0]]), np.array([[0, 0]]))
    with pytest.raises(ValueError, match="above 0"):
        matching(np.zeros((2, 3), int), np.zeros((2, 3), int), [0])
    with pytest.raises(ValueError, match="do not add up"):
        Matching(0.5, 1, 0, 0, 0.7) + Matching(0.6, 1, 0, 0, 0.7)
