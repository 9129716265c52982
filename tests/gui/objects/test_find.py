from __future__ import annotations

import numpy as np
import pytest
import zarr
from napari.layers import Labels

from napari_sam.gui.objects import find
from napari_sam.gui.objects.census import count_labels
from napari_sam.gui.objects.find import find_everywhere, label_at, piece_at, region_of
from napari_sam.gui.view.planes import Plane

PLANE = Plane((1, 2), (3,), (40, 50))


def stack() -> np.ndarray:
    data = np.zeros((20, 40, 50), np.uint16)
    for z in range(2, 6):
        data[z, 10 : 12 + z, 5:9] = 4
    data[15, 0, 0] = 4
    data[3, 30:33, 40:45] = 6
    return data


def lazy() -> zarr.Array:
    store = zarr.create_array(
        zarr.storage.MemoryStore(), shape=(20, 40, 50), chunks=(1, 40, 50), dtype=np.uint16, fill_value=0
    )
    store[:] = stack()
    return store


def test_the_label_under_a_position_follows_the_layers_transform():
    layer = Labels(stack(), scale=(1, 2, 2), translate=(0, 100, 0))
    assert label_at(layer, PLANE, (3, 100 + 2 * 31, 2 * 42)) == (6, (31, 42))
    assert label_at(layer, PLANE, (3, 100, 0)) == (0, (0, 0))
    assert label_at(layer, PLANE, (3, 0, 0))[0] == 0


def test_the_region_of_a_label_is_cut_to_its_rectangle():
    region = region_of(Labels(stack()), PLANE, 4)
    assert region is not None
    assert region.top_left == (10, 5)
    assert region.mask.shape == (5, 4)
    assert region.mask.all()
    assert region.centre == (12, 6.5)
    assert region_of(Labels(stack()), PLANE, 5) is None
    assert region_of(Labels(stack()), PLANE, 70000) is None


def test_a_piece_is_what_is_connected(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(find, "FIRST_WINDOW", 3)
    data = np.zeros((1, 40, 50), np.uint16)
    data[0, 5, 2:48] = data[0, 5:39, 47] = 2
    data[0, 20:22, 20:22] = 2
    plane = Plane((1, 2), (0,), (40, 50))
    piece = piece_at(Labels(data), plane, (5, 3))
    assert piece is not None
    assert (piece.top_left, piece.mask.shape, int(piece.mask.sum())) == ((5, 2), (34, 46), 79)
    small = piece_at(Labels(data), plane, (20, 20))
    assert small is not None
    assert small.mask.shape == (2, 2)
    assert piece_at(Labels(data), plane, (0, 0)) is None


def test_in_memory_every_plane_is_looked_at():
    found = find_everywhere(Labels(stack()), PLANE, 4)
    assert [region.plane.index for region in found.regions] == [(2,), (3,), (4,), (5,), (15,)]
    assert found.everywhere


def test_a_lazy_volume_is_followed_from_plane_to_plane(monkeypatch: pytest.MonkeyPatch):
    looked_at: list[Plane] = []
    original = region_of
    monkeypatch.setattr(
        find, "region_of", lambda layer, plane, label: looked_at.append(plane) or original(layer, plane, label)
    )
    found = find_everywhere(Labels(lazy()), PLANE, 4)
    assert sorted(region.plane.index[0] for region in found.regions) == [2, 3, 4, 5]
    assert not found.everywhere
    assert len(looked_at) == 6


def test_known_planes_are_starting_points_too():
    found = find_everywhere(Labels(lazy()), PLANE, 4, [Plane((1, 2), (15,), (40, 50))])
    assert sorted(region.plane.index[0] for region in found.regions) == [2, 3, 4, 5, 15]


def test_the_search_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(find, "LAZY_PIXELS", 0)
    assert len(find_everywhere(Labels(lazy()), PLANE, 4).regions) <= 3


@pytest.mark.parametrize("offset", [0, 2**31])
def test_counting_labels(offset: int):
    labels = np.array([[0, 1, 1], [5, 0, 5]], np.uint32)
    labels[labels > 0] += offset
    assert count_labels(labels) == {1 + offset: 2, 5 + offset: 2}
    assert count_labels(np.zeros((2, 2), np.uint16)) == {}
    assert count_labels(np.array([[-3, 2]], np.int32)) == {2: 1}
