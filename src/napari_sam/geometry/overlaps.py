"""Which objects of two label images overlap, by how much, and which of them belong together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

_BAND_PIXELS = 1 << 22


def overlap_counts(first: Any, second: Any) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Count the pixels that objects of two label images share.

    Parameters
    ----------
    first, second : array of integers, shape (H, W)
        0 is background. Numpy, or anything that can be sliced: read in bands of rows.

    Returns
    -------
    ids_first, ids_second, pixels : ndarray of int64, shape (N,)
        One entry for each pair of objects that overlap, ascending.
    """
    height, width = first.shape
    band = max(1, _BAND_PIXELS // max(width, 1))
    keys, counts = [], []
    for top in range(0, height, band):
        ours, theirs = np.asarray(first[top : top + band]), np.asarray(second[top : top + band])
        both = (ours != 0) & (theirs != 0)
        pairs = ours[both].astype(np.uint64) << np.uint64(32) | theirs[both].astype(np.uint64)
        found, pixels = np.unique(pairs, return_counts=True)
        keys.append(found)
        counts.append(pixels)
    if not keys:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)
    unique, inverse = np.unique(np.concatenate(keys), return_inverse=True)
    total = np.bincount(inverse, np.concatenate(counts), len(unique)).astype(np.int64)
    ids = (unique >> np.uint64(32)).astype(np.int64), (unique & np.uint64(0xFFFFFFFF)).astype(np.int64)
    return *ids, total


def label_areas(labels: Any) -> NDArray[np.int64]:
    """Count the pixels of each object of a label image.

    Parameters
    ----------
    labels : array of integers, shape (H, W)
        0 is background. Read in bands of rows.

    Returns
    -------
    ndarray of int64
        One entry for each number from 0 to the highest label; 0 for background.
    """
    band = max(1, _BAND_PIXELS // max(labels.shape[1], 1))
    areas = np.zeros(1, np.int64)
    for top in range(0, labels.shape[0], band):
        counts = np.bincount(np.asarray(labels[top : top + band]).reshape(-1), minlength=len(areas))
        counts[: len(areas)] += areas
        areas = counts
    areas[0] = 0
    return areas


def best_pairs(rows: NDArray[np.int64], columns: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Choose one-to-one pairs with the largest sum of scores.

    The optimal assignment (``scipy.optimize.linear_sum_assignment``) of each group of things that are connected by
    pairs at all: the result of a group does not depend on what is elsewhere.

    Parameters
    ----------
    rows, columns : ndarray of int64, shape (N,)
        The two things of each possible pair; no pair twice.
    scores : ndarray of float64, shape (N,)
        At least 0.

    Returns
    -------
    ndarray of int64
        Indices of the chosen pairs, ascending.
    """
    if len(rows) == 0:
        return np.zeros(0, np.int64)
    row_names, row = np.unique(rows, return_inverse=True)
    column_names, column = np.unique(columns, return_inverse=True)
    size = len(row_names) + len(column_names)
    graph = coo_matrix((np.ones(len(row), np.int8), (row, column + len(row_names))), shape=(size, size))
    groups = connected_components(graph, directed=False)[1][row]
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    chosen = [_assign(row, column, scores, members) for members in np.split(order, starts[1:])]
    return np.sort(np.concatenate(chosen))


def _assign(
    rows: NDArray[np.int64], columns: NDArray[np.int64], scores: NDArray[np.float64], members: NDArray[np.int64]
) -> NDArray[np.int64]:
    if len(members) == 1:
        return members
    row_names, row = np.unique(rows[members], return_inverse=True)
    column_names, column = np.unique(columns[members], return_inverse=True)
    table = np.full((len(row_names), len(column_names)), -1, np.int64)
    table[row, column] = members
    weights = np.zeros(table.shape)
    weights[row, column] = scores[members]
    pairs: NDArray[np.int64] = table[linear_sum_assignment(weights, maximize=True)]
    found: NDArray[np.int64] = pairs[pairs >= 0]
    return found
