from __future__ import annotations

from typing import Any

import dask.array
import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam.errors import PromptError
from napari_sam.gui.prompting import label_source
from napari_sam.gui.prompting.label_source import choose_label, mask_from_label
from napari_sam.gui.prompting.masks import MaskPrompt
from napari_sam.gui.view.planes import shown_plane


def labels_with(shape: tuple[int, ...], where: Any, value: int = 3) -> np.ndarray[Any, Any]:
    data = np.zeros(shape, np.uint16)
    data[where] = value
    return data


def taken(viewer: ViewerModel, label: int = 3, layer: int = 1) -> MaskPrompt:
    image = viewer.layers[0]
    return mask_from_label(viewer, image, shown_plane(viewer.dims, image), viewer.layers[layer], label)


def test_a_label_over_the_image_is_taken_pixel_by_pixel():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((40, 50)))
    mask = np.zeros((40, 50), bool)
    mask[5:9, 30:33] = mask[8, 28] = True
    viewer.add_labels(np.where(mask, 3, 0), name="cells")
    prompt = taken(viewer)
    assert prompt.top_left == (5, 28)
    np.testing.assert_array_equal(prompt.plane_mask.within((40, 50)), mask)
    assert prompt.source == "label 3 of 'cells'"
    assert prompt.object_id is None


def test_only_the_slice_shown_is_read():
    read = []

    def block(value: np.ndarray[Any, Any], block_info: Any = None) -> np.ndarray[Any, Any]:
        if block_info:
            read.append(block_info[0]["chunk-location"][0])
        return value

    stack = labels_with((6, 40, 50), np.s_[2, 5:9, 30:33])
    lazy = dask.array.from_array(stack, chunks=(1, 40, 50)).map_blocks(block, dtype=stack.dtype)
    viewer = ViewerModel()
    viewer.add_image(np.zeros((6, 40, 50)))
    viewer.add_labels(lazy)
    viewer.dims.set_point(0, 2)
    read.clear()
    assert taken(viewer).plane.index == (2,)
    assert set(read) == {2}


def test_a_label_that_is_not_on_the_slice_is_refused():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((6, 40, 50)))
    viewer.add_labels(labels_with((6, 40, 50), np.s_[2, 5:9, 30:33]), name="cells")
    viewer.dims.set_point(0, 3)
    with pytest.raises(PromptError, match="Label 3 of 'cells' is not on the slice shown"):
        taken(viewer)
    with pytest.raises(PromptError, match="background"):
        taken(viewer, label=0)


def test_layers_of_another_scale_and_place_are_brought_over():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((40, 60)), scale=(0.5, 0.5), translate=(10, 20))
    viewer.add_labels(labels_with((10, 10), np.s_[2:4, 3:5]), scale=(2, 2), translate=(8, 20))
    prompt = taken(viewer)
    # Rows 2 and 3 of 2 units each reach from 8 + 1.5 * 2 to 8 + 3.5 * 2, in halves from row 10.
    assert prompt.plane_mask.bounds == pytest.approx((2, 10, 9, 17), abs=1)
    assert prompt.mask.all()
    assert prompt.mask.size == 64


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
def test_a_turned_layer_is_brought_over_and_one_at_an_angle_is_not():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((40, 40)))
    viewer.add_labels(labels_with((40, 40), np.s_[0:9, 0:5]), rotate=90)
    prompt = taken(viewer)
    turned = viewer.layers[1]
    for row, column in np.argwhere(prompt.mask) + prompt.top_left:
        assert turned.get_value((row, column), world=True) == 3
    volume = viewer.add_image(np.zeros((8, 40, 40)))
    tilted = viewer.add_labels(labels_with((8, 40, 40), np.s_[:, 5:9, 5:9]), rotate=(20, 0, 0))
    with pytest.raises(PromptError, match="angle"):
        mask_from_label(viewer, volume, shown_plane(viewer.dims, volume), tilted, 3)


def test_a_flat_label_lies_on_every_slice_and_a_stack_over_a_flat_image_where_the_viewer_is():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((6, 40, 50)))
    viewer.add_labels(labels_with((40, 50), np.s_[5:9, 30:33]))
    viewer.dims.set_point(0, 4)
    assert taken(viewer).top_left == (5, 30)
    other = ViewerModel()
    other.add_image(np.zeros((40, 50)))
    other.add_labels(labels_with((6, 40, 50), np.s_[2, 5:9, 30:33]))
    other.dims.set_point(0, 2)
    assert taken(other).top_left == (5, 30)
    other.dims.set_point(0, 5)
    with pytest.raises(PromptError, match="not on the slice"):
        taken(other)


def test_along_other_axes_the_slice_is_the_one_shown():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((6, 40, 50)))
    viewer.add_labels(labels_with((6, 40, 50), np.s_[1:4, 7, 30:33]))
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_point(1, 7)
    prompt = taken(viewer)
    assert prompt.plane.axes == (0, 2)
    assert prompt.top_left == (1, 30)
    assert prompt.mask.shape == (3, 3)


def test_a_layer_that_does_not_reach_the_slice_is_refused():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((6, 40, 50)))
    viewer.add_labels(labels_with((2, 40, 50), np.s_[:, 5:9, 5:9]), name="cells")
    viewer.dims.set_point(0, 5)
    with pytest.raises(PromptError, match="'cells' does not reach"):
        taken(viewer)


def test_in_a_large_plane_the_object_is_searched_around_the_cursor(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(label_source, "PIXELS_AT_ONCE", 100)
    monkeypatch.setattr(label_source, "FIRST_WINDOW", 8)
    viewer = ViewerModel()
    viewer.add_image(np.zeros((60, 70)))
    viewer.add_labels(labels_with((60, 70), np.s_[10:31, 20:51]))
    viewer.cursor.position = (20, 30)
    prompt = taken(viewer)
    assert prompt.top_left == (10, 20)
    assert prompt.mask.shape == (21, 31)


def test_the_label_under_the_cursor_is_meant_topmost_layer_first_else_the_selected_one():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((40, 50)))
    lower = viewer.add_labels(labels_with((40, 50), np.s_[5:20, 5:20], 3))
    upper = viewer.add_labels(labels_with((40, 50), np.s_[10:20, 10:20], 8))
    viewer.cursor.position = (15, 15)
    assert choose_label(viewer, None, None) == (upper, 8)
    upper.visible = False
    assert choose_label(viewer, None, None) == (lower, 3)
    viewer.cursor.position = (35, 35)
    lower.selected_label = 5
    viewer.layers.selection.active = lower
    assert choose_label(viewer, None, None) == (lower, 5)
    assert choose_label(viewer, upper, 8) == (upper, 8)
    viewer.layers.selection.active = viewer.layers[0]
    with pytest.raises(PromptError, match="No label is meant"):
        choose_label(viewer, None, None)
