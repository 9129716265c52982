"""Which planes are likely to be shown next."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam.gui.view.image_view import ImageView

pytestmark = pytest.mark.gui


@pytest.fixture
def viewer(qtbot: Any) -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((5, 7, 20, 30), np.uint8))
    return viewer


def next_to(view: ImageView) -> list[tuple[int, ...]]:
    return [plane.index for plane in view.neighbours(view.plane())]


def test_at_first_along_the_last_axis_that_is_not_displayed(viewer: ViewerModel):
    viewer.dims.current_step = (2, 3, 0, 0)
    view = ImageView(viewer, viewer.layers[0])
    assert next_to(view) == [(2, 4), (2, 2)]
    view.close()


def test_then_along_the_axis_the_user_moves_along_and_that_way_first(viewer: ViewerModel):
    viewer.dims.current_step = (2, 3, 0, 0)
    view = ImageView(viewer, viewer.layers[0])
    view.plane()
    viewer.dims.set_current_step(0, 1)
    assert next_to(view) == [(0, 3), (2, 3)]
    viewer.dims.set_current_step(0, 0)
    assert next_to(view) == [(1, 3)], "there is nothing before the first"
    viewer.dims.set_current_step(1, 5)
    assert next_to(view) == [(0, 6), (0, 4)]
    view.close()


def test_other_axes_displayed_start_afresh(viewer: ViewerModel):
    viewer.dims.current_step = (2, 3, 4, 0)
    view = ImageView(viewer, viewer.layers[0])
    view.plane()
    viewer.dims.set_current_step(0, 3)
    view.plane()
    viewer.dims.order = (0, 2, 1, 3)
    assert next_to(view) == [(3, 5), (3, 3)]
    assert view.neighbours(view.plane())[0].axes == (1, 3)
    view.close()


def test_a_single_plane_has_none(qtbot: Any):
    viewer = ViewerModel()
    viewer.add_image(np.zeros((20, 30), np.uint8))
    view = ImageView(viewer, viewer.layers[0])
    assert next_to(view) == []
    view.close()
