"""The click protocol, on a segmenter whose answers are known."""

import numpy as np
import pytest

from napari_sam.errors import Cancelled
from napari_sam.evaluation.clicks import (
    ClicksConfig,
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


def test_cancel_stops_between_images():
    with pytest.raises(Cancelled, match="after 0 of 1"):
        evaluate_clicks(Learner(), [Pair()], ClicksConfig(), cancelled=lambda: True)
