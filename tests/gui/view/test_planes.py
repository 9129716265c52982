from __future__ import annotations

import dask.array
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Image

from napari_sam.errors import ImageError
from napari_sam.gui.view.planes import Plane, shown_plane, spatial_shape
from napari_sam.gui.view.reading import plane_reader


def shown(
    data: np.ndarray, order: tuple[int, ...] | None = None, step: tuple[int, ...] | None = None, **kwargs: object
):
    viewer = ViewerModel()
    layer = viewer.add_image(data, **kwargs)
    if order is not None:
        viewer.dims.order = order
    if step is not None:
        viewer.dims.current_step = step
    return viewer, layer, shown_plane(viewer.dims, layer)


def test_a_flat_image_is_its_own_plane():
    _, _, plane = shown(np.zeros((5, 7)))
    assert plane == Plane((0, 1), (), (5, 7))
    assert plane.describe() == ""


def test_a_colour_image_has_no_colour_axis():
    _, layer, plane = shown(np.zeros((5, 7, 3), np.uint8), rgb=True)
    assert spatial_shape(layer) == (5, 7)
    assert plane.shape_hw == (5, 7)
    assert plane_reader(layer, plane)().shape == (5, 7, 3)


def test_the_slider_position_is_the_index_whatever_the_scale():
    _, layer, plane = shown(
        np.arange(4 * 5 * 6).reshape(4, 5, 6), step=(2, 0, 0), scale=(3.5, 0.2, 0.2), translate=(9, 1, 1)
    )
    assert plane.index == (2,)
    np.testing.assert_array_equal(plane_reader(layer, plane)(), np.asarray(layer.data)[2])


def test_layers_in_different_units_are_both_cut_where_they_are_shown():
    viewer = ViewerModel()
    data = np.arange(10)[:, None, None] * np.ones((1, 8, 8))
    micro = viewer.add_image(data, scale=(0.5, 0.1, 0.1), units=("um", "um", "um"))
    nano = viewer.add_image(data.copy(), scale=(500, 100, 100), units=("nm", "nm", "nm"))
    viewer.dims.set_current_step(0, 3)
    assert shown_plane(viewer.dims, micro).index == (3,)
    assert shown_plane(viewer.dims, nano).index == (3,)


def test_a_rolled_order_shows_another_pair_of_axes_in_data_order():
    data = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    _, layer, plane = shown(data, order=(1, 2, 0), step=(0, 3, 0))
    assert plane == Plane((0, 2), (3,), (4, 6))
    np.testing.assert_array_equal(plane_reader(layer, plane)(), data[:, 3])


def test_a_flat_image_among_stacks_uses_the_last_axes():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((3, 4, 5, 6)))
    flat = viewer.add_image(np.zeros((5, 6)))
    assert shown_plane(viewer.dims, flat) == Plane((0, 1), (), (5, 6))


def test_only_the_plane_of_a_lazy_image_is_read():
    read: list[tuple[int, ...]] = []

    def block(block_info: dict | None = None) -> np.ndarray:
        location = block_info[None]["chunk-location"]
        read.append(location)
        return np.full((1, 1, 8, 9), location[0] * 10 + location[1])

    data = dask.array.map_blocks(
        block, chunks=((1,) * 3, (1,) * 4, (8,), (9,)), dtype=int, meta=np.empty((0,) * 4, int)
    )
    plane = Plane((2, 3), (2, 1), (8, 9))
    layer = Image(data, contrast_limits=(0, 40))
    read.clear()
    assert (plane_reader(layer, plane)() == 21).all()
    assert read == [(2, 1, 0, 0)]


def test_multiscale_uses_the_full_resolution():
    levels = [np.ones((40, 60)), np.zeros((20, 30))]
    _, layer, plane = shown(levels, multiscale=True)
    assert plane.shape_hw == (40, 60)
    assert plane_reader(layer, plane)().all()


def test_a_volume_view_is_refused_with_a_way_out():
    viewer = ViewerModel(ndisplay=3)
    layer = viewer.add_image(np.zeros((3, 4, 5)))
    with pytest.raises(ImageError, match="switch to 2D"):
        shown_plane(viewer.dims, layer)


def test_a_position_outside_the_image_is_refused():
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((3, 4, 5)))
    viewer.add_image(np.zeros((9, 4, 5)))
    viewer.dims.current_step = (7, 0, 0)
    with pytest.raises(ImageError, match="outside"):
        shown_plane(viewer.dims, layer)


def test_a_stack_that_was_just_removed_is_refused():
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((3, 4, 5)))
    viewer.layers.clear()
    viewer.add_image(np.zeros((4, 5)))
    with pytest.raises(ImageError, match="not in the viewer"):
        shown_plane(viewer.dims, layer)


def test_describe_names_the_axes():
    plane = Plane((1, 3), (4, 2), (5, 6))
    assert plane.describe(("t", "z", "y", "x")) == "t=4, y=2"


@given(st.permutations(range(4)), st.lists(st.integers(0, 4), min_size=2, max_size=2), st.data())
def test_plane_and_data_coordinates_are_inverse(order: list[int], index: list[int], data: st.DataObject):
    rows, columns = sorted(order[:2])
    plane = Plane((rows, columns), tuple(index), (5, 5))
    points = data.draw(st.lists(st.tuples(st.floats(0, 4), st.floats(0, 4)), max_size=4))
    there = plane.to_data(np.array(points).reshape(-1, 2))
    assert plane.contains(there).all()
    np.testing.assert_array_equal(plane.to_plane(there), np.array(points).reshape(-1, 2))
    assert np.zeros((5,) * 4)[plane.slicer].shape == (5, 5)
