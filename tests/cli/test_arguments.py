"""Points and boxes from the command line."""

from __future__ import annotations

import pytest
import typer

from napari_sam.cli.arguments import build_prompts, parse_box, parse_limits, parse_point


def test_a_point_is_positive_unless_it_says_otherwise() -> None:
    assert parse_point("3,5.5") == (3.0, 5.5, 1)
    assert parse_point("3,5,0") == (3.0, 5.0, 0)
    assert parse_point("-3,5,1") == (-3.0, 5.0, 1)


@pytest.mark.parametrize("text", ["", "3", "3,", "3;5", "a,b", "3,5,1,1", "nan,5", "inf,0", "1,2,2", "1,2,0.5"])
def test_what_is_no_point_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        parse_point(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,4,5", "1,2,3,x", "1,2,3,nan"])
def test_what_is_no_box_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="Y0,X0,Y1,X1"):
        parse_box(text)


@pytest.mark.parametrize("text", ["5", "5,5", "6,5", "a,b"])
def test_limits_must_rise(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_limits(text)


def test_nothing_makes_no_prompt() -> None:
    assert build_prompts([], []) == []


def test_points_and_one_box_describe_one_object() -> None:
    (prompts,) = build_prompts([(1, 2, 1), (50, 60, 0)], [(0, 0, 10, 10)])
    assert prompts.points_yx is not None
    assert prompts.points_yx.tolist() == [[1, 2], [50, 60]]
    assert prompts.labels is not None
    assert prompts.labels.tolist() == [1, 0]
    assert prompts.box_yxyx is not None
    assert prompts.box_yxyx.tolist() == [0, 0, 10, 10]


def test_with_several_boxes_a_point_belongs_to_those_that_contain_it() -> None:
    boxes = [(0.0, 0.0, 10.0, 10.0), (15.0, 15.0, 5.0, 5.0), (30.0, 30.0, 40.0, 40.0)]  # the second has swapped corners
    first, second, third = build_prompts([(7, 7, 0), (1, 2, 1)], boxes)
    assert first.points_yx is not None
    assert first.points_yx.tolist() == [[7, 7], [1, 2]]
    assert second.points_yx is not None
    assert second.points_yx.tolist() == [[7, 7]]
    assert third.points_yx is None


def test_a_point_in_none_of_several_boxes_is_refused() -> None:
    with pytest.raises(typer.BadParameter, match="none of the 2 boxes"):
        build_prompts([(50, 50, 1)], [(0, 0, 10, 10), (20, 20, 30, 30)])
