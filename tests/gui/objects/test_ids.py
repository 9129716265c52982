from __future__ import annotations

from threading import Event
from time import sleep
from types import SimpleNamespace

import numpy as np
import pytest
import zarr
from napari.layers import Labels

from napari_sam.errors import PromptError
from napari_sam.gui.objects import scan
from napari_sam.gui.objects.ids import IdBook
from napari_sam.gui.objects.patches import LabelPatch, plane_patch
from napari_sam.gui.objects.scan import highest_value
from napari_sam.gui.objects.store import holds_ids, is_writable, make_room
from napari_sam.gui.view.planes import Plane

PLANE = Plane((0, 1), (), (4, 5))


def labels(highest: int = 0) -> Labels:
    data = np.zeros((4, 5), np.uint16)
    data[0, 0] = highest
    return Labels(data)


def patch(*ids: int, fresh: tuple[int, ...] = ()) -> LabelPatch:
    made = plane_patch(PLANE, (1, 0), np.zeros((1, len(ids)), int), np.array([ids]), fresh)
    assert made is not None
    return made


def test_the_next_id_follows_the_highest_one():
    assert IdBook().next_free(labels()) == 1
    assert IdBook().next_free(labels(6)) == 7


def test_the_layer_is_looked_through_once_only():
    book, layer = IdBook(), labels(6)
    assert book.next_free(layer) == 7
    layer.data[0, 1] = 40
    assert book.next_free(layer) == 7
    book.forget()
    assert book.next_free(layer) == 41


def test_an_id_taken_back_is_free_again():
    book, layer = IdBook(), labels(6)
    book.next_free(layer)
    step = patch(7, 8, fresh=(7, 8))
    book.written(step)
    assert book.next_free(layer) == 9
    book.taken_back(step)
    assert book.next_free(layer) == 7


def test_an_id_that_was_painted_since_is_not_free():
    book, layer = IdBook(), labels(6)
    book.next_free(layer)
    step = patch(7, fresh=(7,))
    book.written(step)
    book.painted([(None, None, np.uint16(7))])
    book.taken_back(step)
    assert book.next_free(layer) == 8


def test_taking_back_an_edit_of_the_highest_object_does_not_free_its_id():
    book, layer = IdBook(), labels(6)
    book.next_free(layer)
    step = patch(6)
    book.written(step)
    book.taken_back(step)
    assert book.next_free(layer) == 7


def test_painting_with_a_brush_counts():
    book, layer = IdBook(), labels()
    book.next_free(layer)
    book.painted([SimpleNamespace(new_value=12)])
    assert book.next_free(layer) == 13


def test_the_last_id_says_so():
    with pytest.raises(PromptError, match="highest there can be"):
        IdBook().next_free(Labels(np.array([[2**32 - 1]], np.uint32)))


def test_a_lazy_array_is_read_plane_by_plane_and_an_unwritten_one_not_at_all():
    store = zarr.create_array(
        zarr.storage.MemoryStore(), shape=(9, 4, 5), chunks=(1, 4, 5), dtype=np.uint16, fill_value=0
    )
    assert highest_value(store) == 0
    store[5, 2, 2] = 33
    assert highest_value(store) == 33


@pytest.mark.parametrize("in_zarr", [False, True])
def test_making_room_keeps_the_content_and_both_histories(in_zarr: bool):
    data: object = np.zeros((2, 4, 5), np.uint16)
    if in_zarr:
        data = zarr.create_array(
            zarr.storage.MemoryStore(), shape=(2, 4, 5), chunks=(1, 4, 5), dtype=np.uint16, fill_value=0
        )
    layer = Labels(data)
    layer.data_setitem(tuple(np.array([[0], [1], [1]])), 65535)
    assert make_room(layer, 65536)
    assert not make_room(layer, 65537)
    assert layer.data.dtype == np.uint32
    assert np.asarray(layer.data[0])[1, 1] == 65535
    layer.undo()
    assert not np.asarray(layer.data[0]).any()


def test_what_can_be_written_to():
    frozen = np.zeros(3, np.uint16)
    frozen.flags.writeable = False
    assert is_writable(np.zeros(3, np.uint16))
    assert not is_writable(frozen)
    import dask.array as da

    assert not is_writable(da.zeros((3, 3), dtype=np.uint16))
    store = zarr.storage.MemoryStore()
    assert is_writable(zarr.create_array(store, shape=(2, 2), dtype=np.uint16))
    assert not is_writable(zarr.open_array(store, mode="r"))


@pytest.mark.parametrize(
    ("dtype", "room"), [(np.uint8, False), (np.int8, False), (bool, False), (np.uint16, True), (np.int32, True)]
)
def test_which_types_hold_ids(dtype: type, room: bool):
    assert holds_ids(dtype) is room


def test_a_large_lazy_layer_is_looked_through_in_the_background(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scan, "LAZY_AT_ONCE", 0)
    store = zarr.create_array(
        zarr.storage.MemoryStore(), shape=(9, 4, 5), chunks=(1, 4, 5), dtype=np.uint16, fill_value=0
    )
    store[5, 2, 2] = 33
    gate = Event()
    monkeypatch.setattr(scan, "highest_value", lambda data, stopped: gate.wait(10) and highest_value(data, stopped))
    book, layer = IdBook(), Labels(store)
    book.begin(layer)
    assert book.pending
    with pytest.raises(PromptError, match="Still looking through"):
        book.next_free(layer)
    book.painted([(None, None, np.uint16(50))])
    gate.set()
    while book.pending:
        sleep(0.001)
    assert book.next_free(layer) == 51


def test_a_search_can_be_stopped():
    assert highest_value(zarr.ones(shape=(3, 2, 2), dtype=np.uint16), lambda: True) == 0
