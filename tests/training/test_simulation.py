"""Simulated prompts: where the points fall and how the boxes move."""

import numpy as np
import pytest

from napari_sam.training.simulation import jitter_box, sample_error_point, sample_point


def test_box_noise_has_a_tenth_of_the_side_as_sd():
    rng = np.random.default_rng(0)
    boxes = np.array([jitter_box((0, 0, 100, 50), rng) for _ in range(4000)])
    sd = (boxes - np.array([0, 0, 100, 50])).std(axis=0)
    assert sd[[0, 2]] == pytest.approx(10, rel=0.1)
    assert sd[[1, 3]] == pytest.approx(5, rel=0.1)


def test_box_noise_is_at_most_twenty_pixels():
    rng = np.random.default_rng(0)
    boxes = np.array([jitter_box((0, 0, 1000, 1000), rng) for _ in range(500)])
    moved = np.abs(boxes - np.array([0, 0, 1000, 1000]))
    assert moved.max() == 20


def test_noisy_corners_stay_in_order():
    rng = np.random.default_rng(0)
    for _ in range(200):
        top, left, bottom, right = jitter_box((5, 5, 6, 6), rng)
        assert top <= bottom
        assert left <= right


def masks():
    truth = np.zeros((20, 20), bool)
    truth[5:15, 5:15] = True
    predicted = np.zeros_like(truth)
    predicted[5:15, 8:18] = True
    return predicted, truth


def test_error_points_are_errors_with_the_right_label_and_reach_all_of_them():
    predicted, truth = masks()
    rng = np.random.default_rng(0)
    drawn = [sample_error_point(predicted, truth, rng) for _ in range(600)]
    for (row, column), label in drawn:
        assert predicted[row, column] != truth[row, column]
        assert label == int(truth[row, column])
    assert {label for _, label in drawn} == {0, 1}
    assert len({point for point, _ in drawn}) == np.count_nonzero(predicted != truth)


def test_without_an_error_a_foreground_point_is_given():
    _, truth = masks()
    (row, column), label = sample_error_point(truth, truth, np.random.default_rng(0))
    assert label == 1
    assert truth[row, column]


def test_nothing_to_click_is_an_error():
    empty = np.zeros((4, 4), bool)
    with pytest.raises(ValueError, match="nothing to click"):
        sample_error_point(empty, empty, np.random.default_rng(0))
    with pytest.raises(ValueError, match="differ in shape"):
        sample_error_point(empty, np.zeros((5, 5), bool), np.random.default_rng(0))


def test_sampled_points_are_uniform_over_the_region():
    region = np.zeros((6, 6), bool)
    region[2, 1:5] = True
    rng = np.random.default_rng(0)
    columns = [sample_point(region, rng)[1] for _ in range(2000)]
    assert np.bincount(columns, minlength=6)[1:5] == pytest.approx(500, rel=0.2)
