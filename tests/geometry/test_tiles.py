import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.geometry.tiles import Tile, cut_tiles

sides = st.integers(1, 60)


@given(sides, sides, st.integers(1, 70), st.integers(0, 20))
def test_cores_cover_the_plane_once_and_are_alike(height: int, width: int, size: int, halo: int) -> None:
    tiles = cut_tiles((height, width), size, halo)
    seen = np.zeros((height, width), int)
    for tile in tiles:
        seen[tile.core_rows, tile.core_columns] += 1
        core = seen[tile.core_rows, tile.core_columns].shape
        assert max(core) <= size
        assert tile.rows == slice(max(0, tile.core_rows.start - halo), min(height, tile.core_rows.stop + halo))
    assert (seen == 1).all()
    heights = {tile.core_rows.stop - tile.core_rows.start for tile in tiles}
    assert max(heights) - min(heights) <= 1


@given(sides, sides, st.integers(1, 70), st.integers(0, 20), st.data())
def test_what_is_no_larger_than_the_halo_is_whole_in_the_tile_that_owns_it(
    height: int, width: int, size: int, halo: int, data: st.DataObject
) -> None:
    top = data.draw(st.integers(0, height - 1))
    left = data.draw(st.integers(0, width - 1))
    bottom = data.draw(st.integers(top + 1, min(height, top + max(halo, 1))))
    right = data.draw(st.integers(left + 1, min(width, left + max(halo, 1))))
    centre = (top + bottom) / 2, (left + right) / 2
    owners = [tile for tile in cut_tiles((height, width), size, halo) if tile.owns(*centre)]
    assert len(owners) == 1
    assert owners[0].rows.start <= top
    assert bottom <= owners[0].rows.stop
    assert owners[0].columns.start <= left
    assert right <= owners[0].columns.stop


def test_objects_are_cut_by_tiles_and_not_by_the_plane() -> None:
    tile = Tile(slice(0, 10), slice(10, 20), slice(0, 14), slice(6, 24))
    hw = (40, 40)
    assert not tile.cuts((0, 8, 12, 22), hw, 1)
    assert tile.cuts((0, 6, 12, 22), hw, 1)
    assert tile.cuts((0, 8, 14, 22), hw, 1)
    assert tile.cuts((0, 8, 12, 22), hw, 3)
    assert not tile.cuts((0, 8, 14, 22), (14, 40), 1)


def test_what_two_tiles_see() -> None:
    first, second, third = cut_tiles((10, 30), 10, 3)
    assert first.shared_with(second) == (slice(0, 10), slice(7, 13))
    assert first.shared_with(third) is None
