"""ResizeFrame: the official sizes, an exact way there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from napari_sam.geometry.frame import ResizeFrame

sides = st.integers(1, 30_000)
frames = st.builds(ResizeFrame, st.tuples(sides, sides), st.sampled_from([256, 1024]))


@pytest.mark.parametrize(
    ("original", "resized"),
    [((1024, 1024), (1024, 1024)), ((1200, 1800), (683, 1024)), ((303, 384), (808, 1024)), ((400, 200), (1024, 512))],
)
def test_sizes_are_those_of_resize_longest_side(original: tuple[int, int], resized: tuple[int, int]) -> None:
    assert ResizeFrame(original).input_hw == resized


def test_a_sliver_keeps_one_pixel() -> None:
    assert ResizeFrame((5, 20_000)).input_hw == (1, 1024)  # the official code computes 0 rows


def test_rows_and_columns_are_scaled_separately() -> None:
    frame = ResizeFrame((1200, 1801))  # 682.29 rows, rounded to 682
    assert frame.scale_yx == (682 / 1200, 1024 / 1801)


def test_points_become_xy() -> None:
    assert_array_equal(ResizeFrame((512, 512)).points_to_model(np.array([[10.0, 20.0]])), [[40.0, 20.0]])


def test_boxes_become_xyxy() -> None:
    assert_array_equal(ResizeFrame((512, 512)).boxes_to_model(np.array([1.0, 2.0, 3.0, 4.0])), [4.0, 2.0, 8.0, 6.0])


@given(frames)
def test_longest_side_fills_the_square_and_nothing_exceeds_it(frame: ResizeFrame) -> None:
    assert max(frame.input_hw) == frame.img_size
    assert min(frame.input_hw) >= 1


@given(frames, st.lists(st.tuples(st.floats(-0.5, 3e4), st.floats(-0.5, 3e4)), min_size=1, max_size=5))
def test_points_come_back(frame: ResizeFrame, points: list[tuple[float, float]]) -> None:
    there = frame.points_to_model(np.array(points))
    assert_allclose(frame.points_to_image(there), points, atol=1e-8)


@given(frames, st.floats(0, 1), st.floats(0, 1))
def test_a_point_of_the_image_lies_in_the_resized_image(frame: ResizeFrame, down: float, right: float) -> None:
    point = np.array([down, right]) * np.array(frame.original_hw)
    x, y = frame.points_to_model(point)
    assert -1e-9 <= y <= frame.input_hw[0] + 1e-9
    assert -1e-9 <= x <= frame.input_hw[1] + 1e-9


@given(frames, st.lists(st.floats(0, 1e4), min_size=4, max_size=4))
def test_box_corners_move_like_points(frame: ResizeFrame, box: list[float]) -> None:
    corners = frame.points_to_model(np.array(box).reshape(2, 2))
    assert_array_equal(frame.boxes_to_model(np.array(box)), corners.ravel())


@given(frames)
def test_logits_cover_the_resized_image(frame: ResizeFrame) -> None:
    size = frame.img_size // 4
    for logits, pixels in zip(frame.logits_hw(size), frame.input_hw, strict=True):
        assert 4 * (logits - 1) < pixels <= 4 * logits


def test_contains_counts_whole_pixels() -> None:
    frame = ResizeFrame((10, 20))
    points = np.array([[-0.5, -0.5], [9.5, 19.5], [9.6, 0.0], [0.0, 19.6], [-0.6, 0.0]])
    assert_array_equal(frame.contains(points), [True, True, False, False, False])


@pytest.mark.parametrize("shape", [(0, 5), (5, 0)])
def test_an_empty_image_has_no_frame(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1 pixel"):
        ResizeFrame(shape)
