"""Whatever writes into a Labels layer ends up in the journal, pixel by pixel."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels

from napari_sam.gui.recovery import content
from napari_sam.gui.recovery.state import ImageIdentity, JournalState
from tests.gui.recovery.samples import IMAGE, a_header, whole


def followed(data: Any) -> tuple[Labels, JournalState]:
    """Return a layer and a journal that follows its paint events."""
    image: ImageIdentity = dataclasses.replace(IMAGE, shape=tuple(data.shape))
    layer, state = Labels(data), JournalState(a_header(image))

    def on_paint(event: Any) -> None:
        for entry in content.painted(tuple(event.value))(state):
            state.apply(entry)

    layer.events.paint.connect(on_paint)
    return layer, state


def write(state: JournalState, *makes: content.Make) -> int:
    count = 0
    for make in makes:
        for entry in make(state):
            state.apply(entry)
            count += 1
    return count


@pytest.mark.parametrize("shape", [(40, 50), (3, 40, 50), (2, 3, 20, 30)])
@pytest.mark.parametrize("edit_dimensions", [2, 3])
def test_brush_fill_and_scripts(shape: tuple[int, ...], edit_dimensions: int):
    if edit_dimensions > len(shape):
        pytest.skip("no third dimension to edit in")
    layer, state = followed(np.zeros(shape, np.uint16))
    layer.n_edit_dimensions = edit_dimensions
    at = tuple(length // 2 for length in shape)
    layer.brush_size = 7
    layer.paint(at, 3)
    layer.paint((*at[:-1], at[-1] + 2), 4)
    layer.fill(at, 8)
    with layer.block_history():
        layer.data_setitem(tuple(np.array([0, -1]) for _ in shape), 12)
        layer.data_setitem(tuple(np.array([0]) for _ in shape), [13])
    layer.preserve_labels = True
    layer.paint(at, 0)
    np.testing.assert_array_equal(whole(state), layer.data)
    assert layer.data.any()


def test_what_nobody_announces_is_found_by_comparison():
    layer, state = followed(np.zeros((3, 40, 50), np.uint16))
    layer.brush_size = 9
    for plane in range(3):
        layer.paint((plane, 20, 20), plane + 1)
    layer.undo()  # napari's own
    layer.data[1, 3, 4] = 77
    assert (whole(state) != layer.data).any()
    assert write(state, content.touched(layer.data, 8)) == 2
    np.testing.assert_array_equal(whole(state), layer.data)
    layer.data[0, 0] = 5
    assert write(state, content.shown(layer.data, (0,))) == 1
    np.testing.assert_array_equal(whole(state), layer.data)
    layer.data[2] = 1
    assert write(state, *content.everything(layer.data)) == 1, "only what differs is written"
    np.testing.assert_array_equal(whole(state), layer.data)
    assert write(state, *content.everything(layer.data)) == 0


def test_a_lazy_layer_is_followed_plane_by_plane():
    import zarr

    data = zarr.create_array(
        zarr.storage.MemoryStore(), shape=(4, 40, 50), chunks=(1, 40, 50), dtype=np.uint16, fill_value=0
    )
    layer, state = followed(data)
    layer.brush_size = 9
    layer.paint((2, 20, 20), 5)
    assert whole(state).any()
    np.testing.assert_array_equal(whole(state), data[:])


def test_what_is_too_large_to_be_copied_is_named():
    _, state = followed(np.zeros((4, 40, 50), np.uint16))
    assert write(state, content.reference("huge")) == 1
    assert write(state, content.reference("huge")) == 0
    assert state.reference == "huge"
