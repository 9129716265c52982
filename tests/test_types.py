"""Prompts refuse at once what can never be right, and normalise the rest."""

from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from napari_sam import NapariSamError, Prediction, Prompts
from napari_sam.errors import PromptError

coordinate = st.floats(-1e6, 1e6)


class TestPoints:
    def test_lists_become_arrays(self) -> None:
        prompts = Prompts([[1, 2], [3, 4]], [1, 0])
        assert prompts.points_yx is not None
        assert prompts.labels is not None
        assert_array_equal(prompts.points_yx, [[1.0, 2.0], [3.0, 4.0]])
        assert (prompts.points_yx.dtype, prompts.labels.dtype) == (np.float64, np.int32)

    def test_points_are_positive_unless_told(self) -> None:
        assert_array_equal(Prompts([[1, 2], [3, 4]]).labels, [1, 1])

    @pytest.mark.parametrize("labels", [[True, False], np.array([1.0, 0.0]), np.array([1, 0], np.uint8)])
    def test_labels_of_any_kind_of_number(self, labels: Any) -> None:
        assert_array_equal(Prompts([[1, 2], [3, 4]], labels).labels, [1, 0])

    @pytest.mark.parametrize("points", [None, [], np.zeros((0, 2))])
    def test_no_points(self, points: Any) -> None:
        assert Prompts(points).points_yx is None
        assert Prompts(points, []).labels is None

    @pytest.mark.parametrize(
        ("points", "labels", "message"),
        [
            ([1, 2], None, r"shape \(N, 2\)"),
            ([[1, 2, 3]], None, r"shape \(N, 2\)"),
            ([[1, np.nan]], None, "NaN or infinite"),
            ([[np.inf, 1]], None, "NaN or infinite"),
            ([["a", "b"]], None, "must be numbers"),
            ([[1, 2], [3]], None, "must be numbers"),
            ([[1, 2]], [1, 0], "one entry per point"),
            ([[1, 2], [3, 4]], [1], "one entry per point"),
            ([[1, 2]], [[1]], "one entry per point"),
            ([[1, 2]], [2], "1 .positive. or 0"),
            ([[1, 2]], [-1], "1 .positive. or 0"),
            ([[1, 2]], [0.5], "1 .positive. or 0"),
            ([[1, 2]], [np.nan], "NaN"),
            (None, [1], "no points_yx"),
        ],
    )
    def test_refused(self, points: Any, labels: Any, message: str) -> None:
        with pytest.raises(PromptError, match=message):
            Prompts(points, labels)


class TestBox:
    @given(st.tuples(coordinate, coordinate, coordinate, coordinate))
    def test_corners_are_put_right(self, box: tuple[float, ...]) -> None:
        found = Prompts(box_yxyx=box).box_yxyx
        assert found is not None
        assert (found[:2] <= found[2:]).all()
        assert sorted(found.tolist()) == sorted(box)

    @pytest.mark.parametrize("box", [[1, 2, 3], [[1, 2, 3, 4]], [1, 2, 3, np.nan], "abcd", []])
    def test_refused(self, box: Any) -> None:
        with pytest.raises(PromptError, match="box_yxyx"):
            Prompts(box_yxyx=box)


class TestMask:
    @pytest.mark.parametrize("shape", [(8, 8), (1, 8, 8)])
    def test_one_mask(self, shape: tuple[int, ...]) -> None:
        mask = Prompts(mask_logits=np.ones(shape)).mask_logits
        assert mask is not None
        assert (mask.shape, mask.dtype) == ((8, 8), np.float32)

    @pytest.mark.parametrize("shape", [(8,), (3, 8, 8), (0, 8), (1, 1, 8, 8)])
    def test_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(PromptError, match="mask_logits"):
            Prompts(mask_logits=np.ones(shape))

    def test_not_finite(self) -> None:
        with pytest.raises(PromptError, match="mask_logits"):
            Prompts(mask_logits=np.full((8, 8), np.nan))


def test_input_arrays_are_not_modified() -> None:
    points, box, mask = np.array([[5.0, 6.0]]), np.array([9.0, 8.0, 1.0, 2.0]), np.ones((8, 8), np.float32)
    copies = points.copy(), box.copy(), mask.copy()
    Prompts(points, [1], box, mask)
    for array, copy in zip((points, box, mask), copies, strict=True):
        assert_array_equal(array, copy)


def test_later_changes_of_the_source_do_not_matter() -> None:
    points, labels = np.array([[5.0, 6.0]]), np.array([1], np.int32)
    prompts = Prompts(points, labels)
    points[:], labels[:] = 0, 0
    assert_array_equal(prompts.points_yx, [[5.0, 6.0]])
    assert_array_equal(prompts.labels, [1])


def test_empty_is_known() -> None:
    assert Prompts().is_empty
    assert not Prompts([[1, 2]]).is_empty
    assert not Prompts(box_yxyx=[1, 2, 3, 4]).is_empty
    assert not Prompts(mask_logits=np.ones((8, 8))).is_empty


def test_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Prompts([[1, 2]]).labels = None  # type: ignore[misc]


def test_one_class_catches_every_error() -> None:
    with pytest.raises(NapariSamError):
        Prompts([[1, 2, 3]])


def test_best_is_the_highest_score() -> None:
    scores = np.array([0.2, 0.9, 0.5], np.float32)
    assert Prediction(np.zeros((3, 4, 4), bool), scores, np.zeros((3, 2, 2), np.float32)).best == 1
