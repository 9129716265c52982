from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import points_in_poly

from napari_sam.geometry.masks import PlaneMask
from napari_sam.gui.prompting.masks import MaskPrompt
from napari_sam.gui.prompting.shapes import MOST_SCRIBBLE_POINTS, area_of, scribble_points
from napari_sam.gui.view.planes import Plane

SHAPE = (40, 60)


def drawn(kind: str, vertices: object) -> np.ndarray:
    found = area_of(kind, np.asarray(vertices, float), SHAPE)
    return np.zeros(SHAPE, bool) if found is None else found.within(SHAPE)


def test_an_ellipse_is_an_ellipse_and_not_its_box():
    mask = drawn("ellipse", [[5, 10], [5, 40], [25, 40], [25, 10]])
    rows, columns = np.indices(SHAPE)
    np.testing.assert_array_equal(mask, ((rows - 15) / 10) ** 2 + ((columns - 25) / 15) ** 2 <= 1)


def test_a_turned_ellipse_turns_its_mask():
    diamond = [[20, 10], [30, 20], [20, 30], [10, 20]]
    mask = drawn("ellipse", diamond)
    rows, columns = np.indices(SHAPE)
    np.testing.assert_array_equal(mask, (rows - 20) ** 2 + (columns - 20) ** 2 <= 50 + 1e-9)


@given(st.lists(st.tuples(st.floats(-20, 60), st.floats(-20, 80)), min_size=3, max_size=3))
def test_a_triangle_holds_the_pixels_whose_centres_it_holds(corners: list[tuple[float, float]]):
    vertices = np.array(corners)
    mask = drawn("polygon", vertices)
    centres = np.argwhere(np.ones(SHAPE, bool))
    inside = points_in_poly(centres, vertices).reshape(SHAPE)
    different = np.argwhere(mask != inside)
    edges = np.stack([vertices, np.roll(vertices, -1, axis=0)], axis=1)
    assert all(min(_distance(pixel, start, end) for start, end in edges) < 1e-6 for pixel in different)


def _distance(point: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    along = end - start
    share = np.clip(np.dot(point - start, along) / max(float(np.dot(along, along)), 1e-30), 0, 1)
    return float(np.linalg.norm(start + share * along - point))


def test_a_lasso_that_overlaps_itself_leaves_no_hole():
    turns = np.linspace(0, 4 * np.pi, 80)
    radius = np.linspace(12, 14, 80)
    mask = drawn("polygon", np.stack([20 + radius * np.sin(turns), 30 + radius * np.cos(turns)], axis=1))
    assert mask[20, 30]
    assert mask.sum() == pytest.approx(np.pi * 13**2, rel=0.15)


def test_what_sticks_out_is_cut_off_and_what_lies_outside_is_nothing():
    assert drawn("polygon", [[-10, -10], [-10, 5], [5, 5], [5, -10]]).sum() == 5 * 5
    assert area_of("polygon", np.array([[50.0, 0], [60, 0], [55, 9]]), SHAPE) is None
    assert area_of("ellipse", np.array([[3.2, 3.2], [3.2, 3.4], [3.4, 3.4], [3.4, 3.2]]), SHAPE) is None
    assert area_of("ellipse", np.array([[3.0, 3], [3, 9], [3, 9], [3, 3]]), SHAPE) is None


def test_scribbles_are_few_points_evenly_along_the_line():
    points = scribble_points(np.array([[0.0, 0], [0, 30], [30, 30]]), spacing=20)
    np.testing.assert_allclose(points, [[0, 0], [0, 20], [10, 30], [30, 30]])
    assert len(scribble_points(np.array([[0.0, 0], [0, 1000]]), spacing=1)) == MOST_SCRIBBLE_POINTS
    assert len(scribble_points(np.array([[4.0, 4], [4, 5]]), spacing=100)) == 2
    assert len(scribble_points(np.array([[4.0, 4], [4, 4]]), spacing=100)) == 1


def test_a_plane_mask_knows_its_pixels():
    mask = PlaneMask((-1, 2), np.array([[1, 1], [0, 1]], bool))
    assert mask.bounds == (-1, 2, 0, 3)
    np.testing.assert_array_equal(np.argwhere(mask.within((2, 4))), [[0, 3]])
    held = mask.holds(np.array([[0.2, 2.6], [0.2, 2.4], [-1, 2], [9, 9]]))
    assert held.tolist() == [True, False, True, False]
    assert mask.shifted(3, 4).top_left == (2, 6)


def test_mask_prompts_are_told_apart_by_their_pixels():
    plane = Plane((0, 1), (), SHAPE)
    masks = [
        MaskPrompt(plane, (1, 2), np.array([[True, False], [True, True]])),
        MaskPrompt(plane, (1, 2), np.array([[True, True], [False, True]])),
        MaskPrompt(plane, (1, 2), np.array([[True, False, True, True]])),
        MaskPrompt(plane, (1, 2), np.array([[True, False], [True, True]]), object_id=3),
    ]
    assert len({mask.key for mask in masks}) == 4
    assert MaskPrompt(plane, (1, 2), masks[0].mask.copy(), source="elsewhere").key == masks[0].key
