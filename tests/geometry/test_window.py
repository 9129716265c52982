"""Windows: they hold what they are made for, lie on a lattice, and never cut what a larger one would show whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.geometry.window import LARGEST_SIDE, Window, WindowPlan, extent_of, joined

lengths = st.integers(1, 20_000)
plans = st.builds(WindowPlan, st.tuples(lengths, lengths), st.sampled_from([256, 1000, 1024]))


@st.composite
def plans_with_rects(draw: st.DrawFn) -> tuple[WindowPlan, tuple[float, float, float, float]]:
    plan = draw(plans)
    edges = []
    for length in plan.shape_hw:
        extent = draw(st.integers(1, min(length, int(0.7 * plan.sides[-1]))))
        start = draw(st.integers(0, length - extent))
        edges.append((start, start + extent - 1))
    (top, bottom), (left, right) = edges
    return plan, (float(top), float(left), float(bottom), float(right))


@pytest.mark.parametrize(("shape", "whole"), [((1536, 200), True), ((1537, 200), False), ((64, 80), True)])
def test_planes_not_much_larger_than_the_model_are_shown_whole(shape: tuple[int, int], whole: bool) -> None:
    assert WindowPlan(shape, 1024).is_whole == whole


def test_the_ladder_goes_from_a_quarter_of_the_model_to_the_plane() -> None:
    assert WindowPlan((5000, 300), 1024).sides == (256, 512, 1024, 2048, 4096, 8192)
    assert WindowPlan((100_000, 100_000), 1024).sides[-1] == LARGEST_SIDE


@given(plans_with_rects())
def test_a_window_around_a_rectangle_holds_it_within_the_plane_and_cuts_nothing(case) -> None:
    plan, rect = case
    window = plan.around(rect)
    assert window.holds(rect)
    assert window.top >= 0
    assert window.left >= 0
    assert window.bottom <= plan.shape_hw[0]
    assert window.right <= plan.shape_hw[1]
    assert min(window.height, window.width) >= 1
    assert not plan.cuts(window, rect)
    assert window.step * plan.model_side <= max(window.side, plan.model_side)


@given(plans_with_rects(), st.floats(-0.1, 0.1), st.floats(-0.1, 0.1))
def test_there_are_few_windows_of_one_side(case, down: float, right: float) -> None:
    plan, (top, left, _, _) = case
    side = plan.sides[-1]
    first = plan.around((top, left, top, left), side)
    second = plan.around((top + down * side, left + right * side) * 2, side)
    spacing = side // 4
    assert first.top % spacing == 0
    assert first.left % spacing == 0
    assert abs(first.top - second.top) in (0, spacing)
    assert abs(first.left - second.left) in (0, spacing)


@given(plans_with_rects())
def test_larger_windows_end_at_the_plane_or_the_limit(case) -> None:
    plan, rect = case
    window, seen = plan.around(rect), 0
    while (larger := plan.larger(window, rect)) is not None:
        assert larger.side >= window.side
        window, seen = larger, seen + 1
        assert seen < 12
    assert window.side == max(plan.shape_hw) or window.side > LARGEST_SIDE / 2


@given(plans_with_rects())
def test_a_closer_window_shows_more_and_holds_the_object(case) -> None:
    plan, rect = case
    far = plan.around(rect, plan.sides[-1])
    closer = plan.closer(far, rect, 0.25)
    extent = max(rect[2] - rect[0], rect[3] - rect[1]) + 1
    if closer is None:
        assert extent >= 0.25 * plan.sides[-1] or len(plan.sides) == 1 or far.side <= plan.sides[0]
        return
    assert closer.side < plan.sides[-1]
    assert closer.holds(rect)
    assert not plan.cuts(closer, rect)
    assert extent > closer.side / 4 or closer.side <= plan.sides[0]


def test_only_borders_within_the_plane_cut() -> None:
    plan = WindowPlan((4000, 4000), 1024)
    window = Window(0, 1024, 1024, 1024)
    assert not plan.cuts(window, (0, 1100, 500, 1300))
    assert plan.cuts(window, (0, 1024, 500, 1300))
    assert plan.cuts(window, (10, 1100, 1023, 1300))
    assert plan.cuts(window, (10, 1100, 500, 2047))
    assert not plan.cuts(plan.whole, (0, 0, 3999, 3999))


def test_extents() -> None:
    mask = np.zeros((6, 7), bool)
    assert extent_of(mask) is None
    mask[2:4, 1:6] = True
    assert extent_of(mask, (10, 20)) == (12, 21, 13, 25)
    assert joined((1, 2, 3, 4), (0, 3, 2, 9)) == (0, 2, 3, 9)
