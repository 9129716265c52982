import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from napari_sam.geometry import overlaps
from napari_sam.geometry.overlaps import best_pairs, label_areas, overlap_counts

label_pairs = st.tuples(st.integers(1, 8), st.integers(1, 8)).flatmap(
    lambda hw: st.tuples(*[arrays(np.uint32, hw, elements=st.integers(0, 5))] * 2)
)


@given(label_pairs, st.integers(1, 40))
def test_overlaps_are_counted_in_bands_of_any_size(pair: tuple[np.ndarray, np.ndarray], band: int) -> None:
    first, second = pair
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlaps, "_BAND_PIXELS", band)
        ours, theirs, pixels = overlap_counts(first, second)
        areas = label_areas(first)
    expected = {
        (a, b): int(((first == a) & (second == b)).sum())
        for a in range(1, 6)
        for b in range(1, 6)
        if ((first == a) & (second == b)).any()
    }
    assert dict(zip(zip(ours.tolist(), theirs.tolist(), strict=True), pixels.tolist(), strict=True)) == expected
    assert areas.tolist() == [0] + [int((first == a).sum()) for a in range(1, int(first.max()) + 1)]


def test_labels_above_16_bits() -> None:
    first = np.array([[70_000, 2**32 - 1]], np.uint32)
    ours, theirs, pixels = overlap_counts(first, first[:, ::-1])
    assert ours.tolist() == [70_000, 2**32 - 1]
    assert theirs.tolist() == [2**32 - 1, 70_000]
    assert pixels.tolist() == [1, 1]


@given(
    arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.sampled_from([0, 0, 0.3, 0.5, 0.9]))
)
def test_pairs_are_one_to_one_and_have_the_largest_sum(table: np.ndarray) -> None:
    rows, columns = np.nonzero(table)
    chosen = best_pairs(rows, columns, table[rows, columns])
    assert len(set(rows[chosen])) == len(set(columns[chosen])) == len(chosen)
    best = table[linear_sum_assignment(table, maximize=True)].sum()
    assert table[rows[chosen], columns[chosen]].sum() == pytest.approx(best)
