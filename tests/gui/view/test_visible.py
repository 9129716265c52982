"""What is on the canvas, against the canvas itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam.gui.view.planes import shown_plane
from napari_sam.gui.view.visible import visible_part

pytestmark = pytest.mark.gui

PLACES: list[dict[str, Any]] = [
    {},
    {"scale": (0.5, 2.0), "translate": (100, -300)},
    {"rotate": 30},
    {"affine": [[0, 2, 5], [1, 0, 9], [0, 0, 1]]},
    {"scale": (0.25, 0.25), "units": ("um", "um")},
]


def seen_by_the_canvas(viewer: Any, layer: Any) -> np.ndarray[Any, Any]:
    """Return the corners of the canvas in the layer's pixels, from the scene graph."""
    canvas = viewer.window._qt_viewer.canvas
    width, height = canvas._scene_canvas.size
    transform = canvas.view.scene.transform
    corners = [transform.imap([x, y])[:2][::-1] for x in (0, width) for y in (0, height)]
    world = np.tile(np.asarray(viewer.dims.point, float), (4, 1))
    world[:, list(viewer.dims.displayed)] = corners
    return np.array([layer.world_to_data(corner) for corner in world])


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_it_is_what_the_canvas_shows(make_napari_viewer: Any, qtbot: Any, place: dict[str, Any], order: Any):
    viewer = make_napari_viewer(show=True)
    layer = viewer.add_image(np.zeros((3000, 4000), np.uint8), contrast_limits=(0, 1), **place)
    viewer.dims.order = order
    qtbot.wait(50)
    viewer.reset_view()
    viewer.scene.camera.zoom *= 6
    qtbot.wait(50)
    corners = seen_by_the_canvas(viewer, layer)
    expected = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    expected = np.clip(expected, 0, np.tile(layer.data.shape, 2))
    found = visible_part(viewer, layer, shown_plane(viewer.dims, layer))
    np.testing.assert_allclose(found, expected, atol=3)


def test_stacks_and_nothing_to_see(make_napari_viewer: Any):
    viewer = make_napari_viewer()
    layer = viewer.add_image(np.zeros((4, 500, 600), np.uint8), scale=(3, 1, 1))
    plane = shown_plane(viewer.dims, layer)
    viewer.reset_view()
    assert visible_part(viewer, layer, plane) == (0, 0, 500, 600)
    viewer.scene.camera.center = (0, 90_000, 90_000)
    assert visible_part(viewer, layer, plane) is None


def test_without_a_window_nothing_is_known():
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((50, 60), np.uint8))
    assert visible_part(viewer, layer, shown_plane(viewer.dims, layer)) is None
