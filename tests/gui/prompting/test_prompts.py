from __future__ import annotations

import numpy as np
import pytest

from napari_sam.gui.prompting.prompts import MaskPrompt, PromptState, prompts_on
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


def shapes(*drawn: tuple[str, object], points=(), labels=(), negative=()) -> PromptState:
    """A state with shapes of (kind, vertices in the plane); ``negative`` holds their indices."""
    corners = tuple(PLANE.to_data(np.asarray(vertices, float)) for _, vertices in drawn)
    names = tuple("negative" if index in negative else "positive" for index in range(len(drawn)))
    rows = np.array(points, float).reshape(-1, 3)
    return PromptState(rows, tuple(labels), corners, tuple(kind for kind, _ in drawn), shape_labels=names)


SQUARE = [[2, 2], [2, 12], [12, 12], [12, 2]]
TRIANGLE = [[2, 2], [2, 20], [18, 2]]


@pytest.mark.parametrize(("kind", "area"), [("ellipse", 81), ("polygon", 100)])
def test_areas_are_masks_with_their_box(kind: str, area: int):
    (one,) = prompts_on(shapes((kind, SQUARE)), PLANE).objects
    assert one.mask is not None
    assert one.mask.mask.sum() == area
    np.testing.assert_array_equal(one.prompts.box_yxyx, one.mask.bounds)
    assert not one.is_fixed


def test_a_turned_rectangle_is_its_bounding_box():
    (one,) = prompts_on(shapes(("rectangle", [[10, 5], [15, 10], [10, 15], [5, 10]])), PLANE).objects
    np.testing.assert_array_equal(one.prompts.box_yxyx, [5, 5, 15, 15])
    assert one.mask is None


def test_a_point_belongs_to_a_polygon_only_where_it_really_lies_in_it():
    in_box_only = [3, 16, 18]
    state = shapes(
        ("polygon", TRIANGLE), ("rectangle", SQUARE), points=[[3, 15, 3], in_box_only], labels=["positive", "negative"]
    )
    polygon, box = prompts_on(state, PLANE).objects
    np.testing.assert_array_equal(polygon.prompts.points_yx, [[15, 3]])
    np.testing.assert_array_equal(box.prompts.points_yx, [[16, 18]])


@pytest.mark.parametrize("kind", ["path", "line"])
def test_a_scribble_is_points_of_one_object(kind: str):
    (one,) = prompts_on(shapes((kind, [[3, 3], [3, 6]]), points=[[3, 9, 9]], labels=["negative"]), PLANE).objects
    np.testing.assert_array_equal(one.prompts.points_yx[0], [9, 9])
    assert one.prompts.labels[0] == 0
    assert len(one.prompts.points_yx) >= 3
    assert (one.prompts.labels[1:] == 1).all()
    assert one.prompts.box_yxyx is None


def test_a_negative_scribble_takes_away_and_a_negative_box_is_a_box():
    state = shapes(("path", [[3, 3], [3, 6]]), ("rectangle", SQUARE), negative=(0, 1))
    (one,) = prompts_on(state, PLANE).objects
    assert (one.prompts.labels == 0).all()
    np.testing.assert_array_equal(one.prompts.box_yxyx, [2, 2, 12, 12])
    alone = prompts_on(shapes(("path", [[3, 3], [3, 6]]), negative=(0,)), PLANE)
    assert alone.objects == ()
    assert "positive" in alone.note


def test_a_scribble_belongs_to_the_area_that_holds_most_of_it():
    state = shapes(
        ("rectangle", SQUARE), ("rectangle", [[14, 14], [14, 28], [19, 28], [19, 14]]), ("path", [[4, 4], [9, 11]])
    )
    first, second = prompts_on(state, PLANE).objects
    assert first.prompts.points_yx is not None
    assert second.prompts.points_yx is None


def test_shapes_outside_are_left_out_and_said():
    state = shapes(("polygon", [[30, 40], [30, 50], [40, 50]]), ("path", [[-9, -9], [-5, -5]]), ("ellipse", SQUARE))
    asked = prompts_on(state, PLANE)
    assert len(asked.objects) == 1
    assert "2 prompt(s) outside" in asked.note


def test_on_a_plane_along_other_axes_shapes_lie_right():
    plane = Plane((0, 2), (5,), (20, 30))
    corners = plane.to_data([[2, 4], [2, 14], [12, 14], [12, 4]])
    state = PromptState(np.empty((0, 3)), (), (corners,), ("polygon",))
    (one,) = prompts_on(state, plane).objects
    assert one.mask.top_left == (2, 4)
    assert prompts_on(state, Plane((1, 2), (5,), (20, 30))).objects == ()


def mask_state(object_id: int | None = None, drawn=(), **more: object) -> PromptState:
    return shapes(*drawn, **more).with_mask(PLANE, MaskPrompt(PLANE, (4, 5), np.ones((6, 7), bool), object_id))


def test_an_object_opened_for_editing_is_its_own_answer_until_something_is_added():
    (one,) = prompts_on(mask_state(7), PLANE).objects
    assert one.is_fixed
    assert one.object_id == 7
    (one,) = prompts_on(mask_state(7, points=[[3, 18, 28]], labels=["positive"]), PLANE).objects
    assert not one.is_fixed
    np.testing.assert_array_equal(one.prompts.points_yx, [[18, 28]])


def test_an_existing_label_is_asked_about_like_a_drawn_area():
    (one,) = prompts_on(mask_state(), PLANE).objects
    np.testing.assert_array_equal(one.prompts.box_yxyx, [4, 5, 9, 11])
    assert not one.is_fixed


def test_a_box_around_the_mask_is_its_box_and_another_one_another_object():
    around, away = [[2, 2], [2, 14], [12, 14], [12, 2]], [[14, 14], [14, 28], [19, 28], [19, 14]]
    state = mask_state(7, drawn=(("rectangle", around), ("rectangle", away)))
    edited, other = prompts_on(state, PLANE).objects
    np.testing.assert_array_equal(edited.prompts.box_yxyx, [2, 2, 12, 14])
    assert edited.object_id == 7
    assert other.object_id is None
    np.testing.assert_array_equal(other.prompts.box_yxyx, [14, 14, 19, 28])


def test_masks_count_in_comparisons_and_go_with_their_plane():
    state = mask_state(7)
    assert not state.same_prompts(shapes())
    assert state.fingerprint(PLANE) != shapes().fingerprint(PLANE)
    assert dict(state.without(PLANE).masks) == {}
    assert dict(state.without(Plane((1, 2), (4,), (20, 30))).masks) == dict(state.masks)


def test_prompts_move_into_a_window_as_a_whole():
    (one,) = prompts_on(mask_state(7, points=[[3, 8, 9]], labels=["positive"]), PLANE).objects
    moved = one.shifted(-4, -5)
    assert moved.mask.top_left == (0, 0)
    np.testing.assert_array_equal(moved.prompts.points_yx, [[4, 4]])
    assert moved.object_id == 7
    assert one.bounds == (4, 5, 9, 11)
