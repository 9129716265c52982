"""Simulated annotators: the prompts a person would give, drawn from true masks.

SAM paper, appendix A "Training algorithm": a uniform foreground point or a noisy box first, then points from the error
region. Coordinates are (row, column) in pixels, napari's convention: a pixel's centre has integer coordinates.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sam.geometry.clicks import Click


def jitter_box(box_yxyx: ArrayLike, rng: np.random.Generator) -> NDArray[np.float64]:
    """Move each side of a box by noise of s.d. 10% of the box's side, at most 20 pixels.

    Parameters
    ----------
    box_yxyx : array-like, shape (4,)
        (top, left, bottom, right).
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (4,)
        The noisy box; corners stay in order.
    """
    box = np.asarray(box_yxyx, np.float64)
    sides = np.tile(box[2:] - box[:2], 2)
    noise = np.clip(rng.normal(0.0, 0.1 * np.maximum(sides, 0)), -20, 20)
    corners = (box + noise).reshape(2, 2)
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)])


def sample_point(region: NDArray[np.bool_], rng: np.random.Generator) -> tuple[int, int]:
    """Uniform random pixel (row, column) of a non-empty region."""
    flat = np.flatnonzero(region)
    row, column = np.unravel_index(flat[rng.integers(len(flat))], region.shape)
    return int(row), int(column)


def sample_error_point(predicted: ArrayLike, truth: ArrayLike, rng: np.random.Generator) -> Click:
    """Uniform random point of the error region: a missed pixel is positive, a wrong one negative.

    Where there is no error, a uniform foreground point of the truth (positive) is returned.

    Parameters
    ----------
    predicted, truth : array-like of bool, shape (H, W)
    rng : numpy.random.Generator

    Returns
    -------
    ((row, column), label) : label 1 for a false negative, 0 for a false positive

    Raises
    ------
    ValueError
        If the shapes differ, or there is neither an error nor any foreground.
    """
    predicted, truth = np.asarray(predicted, bool), np.asarray(truth, bool)
    if predicted.shape != truth.shape:
        raise ValueError(f"predicted {predicted.shape} and truth {truth.shape} differ in shape")
    error = predicted != truth
    region = error if error.any() else truth
    if not region.any():
        raise ValueError("nothing to click: the truth is empty and so is the prediction")
    row, column = sample_point(region, rng)
    return (row, column), int(truth[row, column])
