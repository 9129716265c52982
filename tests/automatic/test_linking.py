"""Which objects of neighbouring planes are the same, worked out by hand and with made-up stacks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_sam.automatic.config import StackConfig
from napari_sam.automatic.link_report import Dropped, Gap, LinkReport, Merge, Split
from napari_sam.automatic.linking import Linked, StackLinker
from napari_sam.errors import ImageError

HW = (12, 40)

Box = tuple[int, int, int, int]


def plane(*boxes: Box | None) -> np.ndarray:
    """Object i + 1 is box i: top, left, bottom, right."""
    labels = np.zeros(HW, np.uint32)
    for number, box in enumerate(boxes, start=1):
        if box is not None:
            labels[box[0] : box[2], box[1] : box[3]] = number
    return labels


def link(*planes: np.ndarray, first_id: int = 1, **parameters: Any) -> Linked:
    linker = StackLinker(StackConfig(**{"link": "z", **parameters}), first_id)
    for labels in planes:
        linker.add(labels)
    return linker.finish()


def tables(linked: Linked) -> list[list[int]]:
    return [table.tolist() for table in linked.tables]


A, B = (2, 2, 10, 10), (2, 20, 10, 28)


def test_objects_that_stay_keep_their_ids_whatever_they_are_called() -> None:
    linked = link(plane(A, B), plane(B, A), plane(A, B))
    assert tables(linked) == [[0, 1, 2], [0, 2, 1], [0, 1, 2]]
    assert linked.last_id == 2
    assert linked.report == LinkReport()
    assert linked.tables[0].dtype == np.uint32


def test_an_object_that_moves_and_one_that_moves_too_far() -> None:
    near, far = (2, 5, 10, 13), (2, 9, 10, 17)  # 5 of 11 columns and 1 of 15 overlap
    assert tables(link(plane(A), plane(near))) == [[0, 1], [0, 1]]
    assert tables(link(plane(A), plane(far))) == [[0, 1], [0, 2]]
    assert tables(link(plane(A), plane(near), link_iou=0.5)) == [[0, 1], [0, 2]]


def test_a_row_of_neighbours_that_moves_keeps_all_its_partners() -> None:
    """Taking the best pairs first would give the second object of the first plane to the first of the second."""
    before = plane((2, 0, 10, 4), (2, 4, 10, 10))
    after = plane((2, 2, 10, 8), (2, 8, 10, 12))
    assert tables(link(before, after, link_iou=0.1)) == [[0, 1, 2], [0, 1, 2]]


@pytest.mark.parametrize(("gap", "expected"), [(0, [0, 2]), (1, [0, 1]), (2, [0, 1])])
def test_an_object_that_is_missing_on_one_plane(gap: int, expected: list[int]) -> None:
    linked = link(plane(A), plane(), plane(A), link_gap=gap)
    assert tables(linked) == [[0, 1], [0], expected]
    assert linked.report.gaps == ((Gap(1, ((1,),)),) if gap else ())


def test_an_object_that_is_missing_for_longer_than_allowed() -> None:
    assert tables(link(plane(A), plane(), plane(), plane(A), link_gap=1))[-1] == [0, 2]
    linked = link(plane(A), plane(), plane(), plane(A), link_gap=2)
    assert tables(linked)[-1] == [0, 1]
    assert linked.report.gaps == (Gap(1, ((1,), (2,))),)


def test_the_plane_before_counts_more_than_those_across_a_gap() -> None:
    """B's place is taken over by an object that stood there on the plane between."""
    other = (2, 21, 10, 29)
    linked = link(plane(B), plane(None, other), plane(B))
    assert tables(linked) == [[0, 1], [0, 0, 1], [0, 1]]
    small = (2, 20, 10, 22)  # too little of B to be B
    assert tables(link(plane(B), plane(small), plane(B, small))) == [[0, 1], [0, 2], [0, 1, 2]]


def test_an_object_that_splits_is_continued_by_the_part_that_fits_better() -> None:
    whole, large, small = (2, 2, 10, 22), (2, 2, 10, 14), (2, 15, 10, 22)
    linked = link(plane(whole), plane(small, large))
    assert tables(linked) == [[0, 1], [0, 2, 1]]
    assert linked.report.splits == (Split((1,), 1, (1, 2)),)
    assert linked.report.merges == ()


def test_objects_that_merge_become_the_one_that_fits_better() -> None:
    whole, large, small = (2, 2, 10, 22), (2, 2, 10, 14), (2, 15, 10, 22)
    linked = link(plane(small, large), plane(whole), plane(whole))
    assert tables(linked) == [[0, 1, 2], [0, 2], [0, 2]]
    assert linked.report.merges == (Merge((1,), (1, 2), 2),)
    assert linked.report.splits == ()


def test_a_division_into_parts_none_of_which_is_the_whole() -> None:
    quarters = [(2, left, 10, left + 4) for left in (2, 6, 10, 14)]
    linked = link(plane((2, 2, 10, 18)), plane(*quarters))
    assert tables(linked) == [[0, 1], [0, 2, 3, 4, 5]]
    assert linked.report.splits == (Split((1,), 1, (2, 3, 4, 5)),)


def test_objects_that_touch_stay_apart() -> None:
    left, right = (2, 2, 10, 10), (2, 10, 10, 18)
    linked = link(plane(left, right), plane(right, left), plane(left, right))
    assert tables(linked) == [[0, 1, 2], [0, 2, 1], [0, 1, 2]]
    assert linked.report == LinkReport()


def test_objects_that_are_one_for_a_single_plane_are_found_again() -> None:
    left, right = (2, 2, 10, 14), (2, 14, 10, 24)
    linked = link(plane(left, right), plane((2, 2, 10, 24)), plane(left, right))
    assert tables(linked) == [[0, 1, 2], [0, 1], [0, 1, 2]]
    assert linked.report.merges == (Merge((1,), (1, 2), 1),)
    assert linked.report.splits == (Split((2,), 1, (1, 2)),)
    assert linked.report.gaps == (Gap(2, ((1,),)),)


def test_small_and_short_objects_are_dropped_and_ids_stay_without_gaps() -> None:
    speck = (0, 30, 2, 32)
    linked = link(plane(speck, A), plane(A, None, B), plane(A, speck), min_volume=20, min_length=2)
    assert tables(linked) == [[0, 0, 1], [0, 1, 0, 0], [0, 1, 0]]
    assert linked.last_id == 1
    assert linked.report.dropped == (
        Dropped((0,), 1, 8, 2, "min_volume"),
        Dropped((1,), 3, 64, 1, "min_length"),
    )
    assert linked.report.gaps == ()  # that of the speck went with it


def test_splits_into_what_is_dropped_are_not_reported() -> None:
    whole, part = (2, 2, 10, 14), (2, 12, 10, 14)
    linked = link(plane(whole), plane((2, 2, 10, 12), part), plane((2, 2, 10, 12)), min_length=2)
    assert linked.report.splits == ()
    assert [one.label for one in linked.report.dropped] == [2]


def test_without_linking_ids_are_unique_and_nothing_is_dropped() -> None:
    linked = link(plane(A, B), plane(A), plane(B), link="none", min_volume=1000, min_length=3)
    assert tables(linked) == [[0, 1, 2], [0, 3], [0, 4]]
    assert linked.report == LinkReport()


def test_empty_planes_and_no_planes() -> None:
    assert link().tables == ()
    linked = link(plane(), plane(A), plane())
    assert tables(linked) == [[0], [0, 1], [0]]
    assert link(plane(), plane()).last_id == 0


def test_ids_begin_where_they_are_told_to() -> None:
    linked = link(plane(A), plane(A, B), first_id=1000)
    assert tables(linked) == [[0, 1000], [0, 1000, 1001]]
    assert linked.last_id == 1001


def test_ids_so_far_can_be_shown_while_planes_come() -> None:
    linker = StackLinker(StackConfig(link="z", min_length=2))
    assert linker.add(plane(A)).tolist() == [0, 1]
    assert linker.add(plane(None, B, A)).tolist() == [0, 0, 2, 1]
    assert tables(linker.finish()) == [[0, 1], [0, 0, 0, 1]]


def test_more_objects_than_labels_can_number() -> None:
    link(plane(A), first_id=2**32 - 1)
    with pytest.raises(ImageError, match=r"more than 4,294,967,295 objects.*fewer planes"):
        link(plane(A, B), first_id=2**32 - 1)


def test_planes_of_several_sizes() -> None:
    with pytest.raises(ImageError, match=r"after one of \(12, 40\) comes one of \(5, 5\)"):
        link(plane(A), np.zeros((5, 5), np.uint32))
    with pytest.raises(ImageError, match="whole numbers"):
        link(np.zeros((5, 5)))


def test_only_as_many_planes_are_kept_as_can_be_linked_to() -> None:
    linker = StackLinker(StackConfig(link="t", link_gap=2))
    for _ in range(6):
        linker.add(plane(A))
    assert [one.index for one in linker._recent] == [3, 4, 5]


label_planes = st.lists(arrays(np.uint8, (4, 6), elements=st.integers(0, 4)), min_size=1, max_size=6)


@settings(deadline=None)
@given(label_planes, st.integers(0, 3), st.sampled_from([0.0, 0.2, 0.5, 0.9]))
def test_ids_are_one_to_one_on_each_plane_and_links_overlap(planes: list[np.ndarray], gap: int, iou: float) -> None:
    linked = link(*planes, link_gap=gap, link_iou=iou)
    last: dict[int, tuple[int, np.ndarray]] = {}
    seen = set()
    for number, (labels, table) in enumerate(zip(planes, linked.tables, strict=True)):
        present = np.unique(labels[labels > 0])
        ids = table[present]
        assert len(set(ids)) == len(ids)
        assert 0 not in ids
        for label, one in zip(present, ids.tolist(), strict=True):
            mask = labels == label
            if one in last:
                before, other = last[one]
                assert number - before <= gap + 1
                assert (mask & other).sum() / (mask | other).sum() >= max(iou, 1e-9)
            last[one] = (number, mask)
            seen.add(one)
    assert seen == set(range(1, linked.last_id + 1))


@settings(deadline=None)
@given(label_planes, st.integers(0, 3), st.randoms(use_true_random=False))
def test_names_of_objects_on_planes_do_not_matter(planes: list[np.ndarray], gap: int, random: Any) -> None:
    """Renamed labels give the same stack, up to the names of its objects; ties are avoided by unequal areas."""
    config = {"link_gap": gap, "link_iou": 0.51}  # above one half there is one way to pair objects
    renamed = []
    for labels in planes:
        names = list(range(1, 5))
        random.shuffle(names)
        renamed.append(np.array([0, *names], np.uint8)[labels])
    ours, theirs = (
        np.stack([table[labels] for labels, table in zip(stack, link(*stack, **config).tables, strict=True)])
        for stack in (planes, renamed)
    )
    pairs = {(int(a), int(b)) for a, b in zip(ours.ravel(), theirs.ravel(), strict=True)}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
