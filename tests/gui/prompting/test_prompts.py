from __future__ import annotations

import numpy as np
import pytest

from napari_sam.gui.prompting.prompts import PromptState, prompts_on
from napari_sam.gui.view.planes import Plane

PLANE = Plane((1, 2), (3,), (20, 30))


def state(points=(), labels=(), boxes=()) -> PromptState:
    corners = tuple(
        np.array([[3, top, left], [3, top, right], [3, bottom, right], [3, bottom, left]], float)
        for top, left, bottom, right in boxes
    )
    return PromptState(np.array(points, float).reshape(-1, 3), tuple(labels), corners, ("rectangle",) * len(corners))


def test_points_without_a_box_are_one_object():
    asked = prompts_on(state([[3, 4, 5], [3, 6, 7]], ["positive", "negative"]), PLANE)
    prompts = asked.objects[0].prompts
    np.testing.assert_array_equal(prompts.points_yx, [[4, 5], [6, 7]])
    np.testing.assert_array_equal(prompts.labels, [1, 0])
    assert prompts.box_yxyx is None


def test_prompts_of_other_planes_do_not_count():
    other = np.array([[1, 2, 2], [1, 2, 9], [1, 9, 9], [1, 9, 2]], float)
    mixed = PromptState(np.array([[2.0, 4, 5]]), ("positive",), (other,), ("rectangle",))
    assert prompts_on(mixed, PLANE).objects == ()


def test_every_box_is_an_object_and_points_go_to_the_box_around_them():
    asked = prompts_on(
        state([[3, 5, 5], [3, 15, 25]], ["positive", "negative"], [(2, 2, 9, 9), (12, 20, 18, 28)]), PLANE
    )
    first, second = (one.prompts for one in asked.objects)
    np.testing.assert_array_equal(first.points_yx, [[5, 5]])
    np.testing.assert_array_equal(second.points_yx, [[15, 25]])
    np.testing.assert_array_equal(second.labels, [0])
    np.testing.assert_array_equal(first.box_yxyx, [2, 2, 9, 9])


def test_a_point_in_no_box_goes_to_the_last_box():
    asked = prompts_on(state([[3, 0, 0]], ["positive"], [(2, 2, 9, 9), (12, 20, 18, 28)]), PLANE)
    assert asked.objects[0].prompts.points_yx is None
    np.testing.assert_array_equal(asked.objects[1].prompts.points_yx, [[0, 0]])


def test_negative_points_alone_ask_for_more():
    asked = prompts_on(state([[3, 4, 5]], ["negative"]), PLANE)
    assert asked.objects == ()
    assert "positive point" in asked.note


def test_a_click_on_the_edge_of_the_border_pixel_is_that_pixel():
    prompts = prompts_on(state([[3, -0.4, 29.4]], ["positive"]), PLANE).objects[0].prompts
    np.testing.assert_array_equal(prompts.points_yx, [[0, 29]])


@pytest.mark.parametrize("point", [[3, -0.6, 5], [3, 19.6, 5], [3, 5, 31]])
def test_points_outside_the_image_are_left_out_and_said(point: list[float]):
    asked = prompts_on(state([point, [3, 5, 5]], ["positive", "positive"]), PLANE)
    assert len(asked.objects[0].prompts.points_yx) == 1
    assert "1 prompt(s) outside" in asked.note


def test_boxes_are_cut_at_the_border_and_dropped_outside():
    asked = prompts_on(state(boxes=[(-5, 10, 8, 40), (30, 30, 40, 40)]), PLANE)
    prompts = asked.objects[0].prompts
    np.testing.assert_array_equal(prompts.box_yxyx, [0, 10, 8, 29])
    assert "outside" in asked.note


def test_without_removes_one_plane_and_its_choice_only():
    both = state([[3, 4, 5], [2, 6, 7]], ["positive", "negative"], [(1, 1, 5, 5)]).with_choice(PLANE, 2)
    left = both.without(PLANE)
    np.testing.assert_array_equal(left.points, [[2, 6, 7]])
    assert left.labels == ("negative",)
    assert left.boxes == ()
    assert dict(left.choices) == {}
    assert dict(both.choices) == {PLANE: 2}


def test_the_fingerprint_sees_points_labels_and_boxes_of_its_plane():
    base = state([[3, 4, 5], [2, 6, 7]], ["positive", "positive"])
    assert base.fingerprint(PLANE) == state([[3, 4, 5]], ["positive"]).fingerprint(PLANE)
    changed = [
        state([[3, 4, 6]], ["positive"]),
        state([[3, 4, 5]], ["negative"]),
        state([[3, 4, 5]], ["positive"], [(1, 1, 5, 5)]),
    ]
    assert len({base.fingerprint(PLANE), *(one.fingerprint(PLANE) for one in changed)}) == 4
