"""The click protocol, on a segmenter whose answers are known."""

import numpy as np
import pytest

from napari_sam.errors import Cancelled, PairError
from napari_sam.evaluation.clicks import (
    ClicksConfig,
    ObjectScore,
    choose_objects,
    evaluate_clicks,
    iou,
    mean_over_sources,
    summarise,
)


def labels():
    image = np.zeros((40, 60), np.int32)
    image[5:15, 5:15] = 1
    image[20:36, 30:50] = 2
    image[0, 0] = 3  # too small to count
    return image


class Pair:
    source, name = "toy", "one"

    def load(self):
        return np.zeros((40, 60, 3), np.uint8), labels()


class Learner:
    """Knows the labels; a click reveals as many rows of its object as clicks were made, a box all of it."""

    def start(self, image):
        self.started = image.shape

    def from_clicks(self, points_yx, label_lists):
        self.points, self.labels = points_yx, label_lists
        return [self._rows(p[0], len(p)) for p in points_yx]

    def _rows(self, point, count):
        whole = labels() == labels()[point]
        rows = np.flatnonzero(whole.any(axis=1))[:count]
        mask = np.zeros_like(whole)
        mask[rows] = whole[rows]
        return mask

    def from_boxes(self, boxes):
        masks = []
        for top, left, bottom, right in np.array(boxes, int):
            mask = np.zeros((40, 60), bool)
            mask[top : bottom + 1, left : right + 1] = True
            masks.append(mask)
        return masks


def test_ious_rise_with_the_clicks_and_the_box_is_perfect():
    scores = evaluate_clicks(Learner(), [Pair()], ClicksConfig(clicks=3))
    assert [s.object_id for s in scores] == [1, 2]
    assert scores[0].clicks == pytest.approx((0.1, 0.2, 0.3))
    assert scores[1].clicks == pytest.approx((1 / 16, 2 / 16, 3 / 16))
    assert [s.box for s in scores] == [1, 1]


def test_later_clicks_are_positive_where_the_object_was_missed():
    learner = Learner()
    evaluate_clicks(learner, [Pair()], ClicksConfig(clicks=3))
    assert learner.started == (40, 60, 3)
    assert learner.labels == [[1, 1, 1], [1, 1, 1]]
    for points, value in zip(learner.points, (1, 2), strict=True):
        assert {int(labels()[p]) for p in points} == {value}
        assert len(set(points)) == 3


def test_objects_are_chosen_alike_for_every_segmenter_and_small_ones_left_out():
    assert choose_objects(labels(), ClicksConfig()) == [1, 2]
    one = choose_objects(labels(), ClicksConfig(max_objects=1))
    assert one == choose_objects(labels(), ClicksConfig(max_objects=1))
    assert len(one) == 1


def test_every_source_counts_the_same_in_the_mean():
    scores = evaluate_clicks(Learner(), [Pair()], ClicksConfig(clicks=1))
    summary = summarise(scores)
    assert summary["toy"]["objects"] == 2
    assert summary["toy"]["clicks_1"] == pytest.approx((0.1 + 1 / 16) / 2)
    summary["photos"] = {"objects": 1000, "clicks_1": 0.0, "box": 0.0}
    assert mean_over_sources(summary)["box"] == pytest.approx(0.5)
    assert mean_over_sources(summary, frozenset({"photos"}))["box"] == 1


def test_empty_masks_have_no_overlap():
    empty = np.zeros((3, 3), bool)
    assert iou(empty, empty) == 0


def test_number_of_clicks_to_reach_an_iou_is_counted_and_capped():
    ious = {"a": (0.5, 0.79, 0.8), "b": (0.9, 0.7, 0.7), "c": (0.1, 0.2, 0.3)}
    scores = [ObjectScore("toy", name, 1, clicks, 0.5) for name, clicks in ious.items()]
    figures = summarise(scores)["toy"]
    assert figures["noc_80"] == pytest.approx((3 + 1 + 3) / 3)
    assert figures["noc_90"] == pytest.approx((3 + 1 + 3) / 3)
    assert (figures["nof_80"], figures["nof_85"], figures["nof_90"]) == (1, 2, 2)


def test_a_bad_pair_is_named_and_the_rest_goes_on():
    class Broken(Pair):
        name = "broken"

        def load(self):
            raise PairError("no labels")

    failures, done = [], []
    scores = evaluate_clicks(
        Learner(),
        [Broken(), Pair()],
        ClicksConfig(clicks=1),
        on_failure=lambda pair, error: failures.append((pair.name, str(error))),
        progress=lambda *counts: done.append(counts),
    )
    assert failures == [("broken", "no labels")]
    assert done == [(1, 2), (2, 2)]
    assert len(scores) == 2
    with pytest.raises(PairError):
        evaluate_clicks(Learner(), [Broken()], ClicksConfig())


def test_all_objects_can_be_asked_for_and_ids_be_large():
    many = np.repeat(np.arange(1, 31) * 100_000_000, 20).reshape(30, 20)
    assert len(choose_objects(many, ClicksConfig(max_objects=0))) == 30


def test_cancel_stops_between_images():
    with pytest.raises(Cancelled, match="after 0 of 1"):
        evaluate_clicks(Learner(), [Pair()], ClicksConfig(), cancelled=lambda: True)
