"""Records of two tiles of a plane: which are the same object, and which count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_sam.automatic.stitch import pieces_of, stitch
from napari_sam.geometry.rle import compress, rle_to_mask
from napari_sam.geometry.tiles import cut_tiles
from napari_sam.types import MaskRecord
from tests.automatic.perfect import record_of

HW = (40, 120)
LEFT, RIGHT = cut_tiles(HW, 60, 20)  # cores end and begin at column 60; both see columns 40 to 80


def box(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros(HW, np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def records(left: list[np.ndarray], right: list[np.ndarray]) -> list[MaskRecord]:
    tiles = [LEFT, RIGHT]
    pieces = []
    for number, masks in enumerate((left, right)):
        tile = tiles[number]
        seen = [mask[tile.rows, tile.columns] for mask in masks]
        found = [record_of(mask, 0.9 - 0.1 * number) for mask in seen if mask.any()]
        pieces += pieces_of(found, tiles, number, HW)
    return stitch(pieces, tiles, HW)


def boxes(found: list[MaskRecord]) -> list[tuple[int, int, int, int]]:
    """Top, left, bottom, right of masks that are boxes, sorted."""
    result = []
    for record in found:
        mask = rle_to_mask(record.rle)
        rows, columns = np.nonzero(mask)
        corners = (int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)
        assert (mask == box(*corners)).all()
        result.append(corners)
    return sorted(result)


def test_nothing_at_all() -> None:
    assert records([], []) == []


def test_an_object_that_both_see_comes_from_the_tile_that_owns_its_centre() -> None:
    found = records([box(10, 55, 20, 68)], [box(10, 54, 20, 68)])
    assert boxes(found) == [(10, 54, 20, 68)]
    assert found[0].predicted_iou == 0.8
    assert found[0].point_coords == ((54.0, 10.0),)
    assert found[0].crop_box == (40, 0, 80, 40)


def test_an_object_whose_centre_each_tile_leaves_to_the_other_is_not_lost() -> None:
    assert boxes(records([box(10, 53, 20, 69)], [box(10, 52, 20, 67)])) == [(10, 53, 20, 69)]


def test_an_object_whose_centre_both_tiles_own_comes_once() -> None:
    assert boxes(records([box(10, 52, 20, 66)], [box(10, 54, 20, 68)])) == [(10, 52, 20, 66)]


def test_the_piece_of_an_object_that_the_other_sees_whole_is_left_out() -> None:
    assert boxes(records([box(10, 70, 20, 80)], [box(10, 70, 20, 95)])) == [(10, 70, 20, 95)]


def test_an_object_larger_than_the_halo_is_joined() -> None:
    (found,) = records([box(5, 10, 35, 80)], [box(6, 40, 35, 110)])
    assert (rle_to_mask(found.rle) == box(5, 10, 35, 80) | box(6, 40, 35, 110)).all()
    assert found.predicted_iou == 0.8  # the lower one
    assert found.point_coords == ((10.0, 5.0),)  # of the larger piece
    assert found.crop_box == (0, 0, 120, 40)


def test_a_part_and_the_whole_stay_two() -> None:
    whole, part = box(5, 50, 35, 75), box(5, 50, 27, 75)
    assert boxes(records([whole, part], [part, whole])) == sorted(boxes(records([whole, part], [])))


def test_neighbours_that_touch_stay_two() -> None:
    first, second = box(5, 45, 20, 75), box(20, 45, 35, 75)
    assert boxes(records([first, second], [second, first])) == [(5, 45, 20, 75), (20, 45, 35, 75)]


def test_what_only_the_other_tile_found_counts_where_the_place_is_free() -> None:
    small = box(10, 65, 16, 71)
    assert boxes(records([small], [])) == [(10, 65, 16, 71)]
    assert boxes(records([small], [box(5, 62, 35, 100)])) == [(5, 62, 35, 100)]


def test_a_piece_that_only_the_other_tile_found_does_not_count() -> None:
    assert records([box(10, 65, 16, 80)], []) == []


def test_a_cut_object_that_the_other_tile_missed_is_kept_by_its_owner() -> None:
    assert boxes(records([box(10, 20, 16, 80)], [])) == [(10, 20, 16, 80)]


def test_empty_masks_are_no_objects() -> None:
    one = record_of(box(0, 0, 1, 1)[LEFT.rows, LEFT.columns])
    nothing = replace(one, rle=compress(np.array([40 * 80]), (40, 80)), area=0)
    assert len(pieces_of([nothing, one], [LEFT, RIGHT], 0, HW)) == 1
