from __future__ import annotations

import numpy as np
import pytest

from napari_sam.automatic.config import StackConfig
from napari_sam.automatic.link_report import Gap, Split
from napari_sam.automatic.series import SeriesLinker, linked_dimension, plane_order
from napari_sam.errors import ParameterError


def test_planes_that_are_linked_follow_one_another() -> None:
    assert list(plane_order("TZ", (2, 2), "z")) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert list(plane_order("TZ", (2, 2), "t")) == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert list(plane_order("TZ", (2, 2), "none")) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert list(plane_order("ZTP", (2, 1, 2), "z")) == [(0, 0, 0), (1, 0, 0), (0, 0, 1), (1, 0, 1)]
    assert list(plane_order("", (), "z")) == [()]


def test_a_dimension_to_link_along() -> None:
    assert linked_dimension("TZ", "z") == 1
    assert linked_dimension("TZ", "none") is None
    assert linked_dimension("Q", "z") == linked_dimension("I", "t") == 0  # the pages of a plain TIFF file
    assert linked_dimension("", "z") is None


@pytest.mark.parametrize(
    ("axes", "link", "message"),
    [
        ("T", "z", "link is 'z', but the image has no dimension Z: its axes are TYX. Use link='t'"),
        ("Z", "t", "Use link='z'"),
        ("PQ", "t", "Use link='none'"),
    ],
)
def test_no_such_dimension(axes: str, link: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        linked_dimension(axes, link)


def labels(*columns: int) -> np.ndarray:
    """Object i + 1 is column i given."""
    plane = np.zeros((3, 10), np.uint32)
    for number, column in enumerate(columns, start=1):
        plane[:, column] = number
    return plane


def test_series_are_linked_each_for_itself_and_ids_unique_over_all() -> None:
    linker = SeriesLinker(StackConfig(link="z"), "TZ")
    assert linker.add((0, 0), labels(1, 5)) == []
    assert linker.add((0, 1), labels(5)) == []
    done = linker.add((1, 0), labels(5))
    assert [(plane, table.tolist()) for plane, table in done] == [((0, 0), [0, 1, 2]), ((0, 1), [0, 2])]
    assert linker.so_far.tolist() == [0, 3]
    assert linker.add((1, 1), labels(1, 5)) == []
    done = linker.finish()
    assert [(plane, table.tolist()) for plane, table in done] == [((1, 0), [0, 3]), ((1, 1), [0, 4, 3])]
    assert linker.last_id == 4
    assert linker.finish() == []


def test_without_linking_every_plane_is_complete_at_once() -> None:
    linker = SeriesLinker(StackConfig(), "Z")
    assert [(plane, table.tolist()) for plane, table in linker.add((0,), labels(1, 5))] == [((0,), [0, 1, 2])]
    assert [(plane, table.tolist()) for plane, table in linker.add((1,), labels(1))] == [((1,), [0, 3])]
    assert linker.finish() == []


def test_reports_name_planes_of_the_whole_stack() -> None:
    linker = SeriesLinker(StackConfig(link="t", link_iou=0.2), "TZ")
    wide = np.zeros((3, 10), np.uint32)
    wide[:, 2:6] = 1
    parts = wide.copy()
    parts[:, 4:6] = 2
    for plane, content in [((0, 0), labels(1)), ((1, 0), labels()), ((2, 0), labels(1))]:
        linker.add(plane, content)
    for plane, content in [((0, 1), wide), ((1, 1), parts), ((2, 1), parts)]:
        linker.add(plane, content)
    linker.finish()
    assert linker.report.gaps == (Gap(1, ((1, 0),)),)
    assert linker.report.splits == (Split((1, 1), 2, (2, 3)),)


def test_a_plane_that_failed_may_be_missing() -> None:
    linker = SeriesLinker(StackConfig(link="z"), "Z")
    linker.add((0,), labels(1))
    linker.add((2,), labels(1))
    assert [table.tolist() for _, table in linker.finish()] == [[0, 1], [0, 1]]
