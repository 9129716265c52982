"""What the model is handed of the layers, and when it is handed anew."""

from __future__ import annotations

from typing import Any

import dask.array
import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam.geometry.window import Window
from napari_sam.gui.view.channels import THIS_LAYER, VISIBLE_CHANNELS
from napari_sam.gui.view.image_view import ImageView

RNG = np.random.default_rng(1)
STACK = RNG.integers(0, 1000, (4, 20, 30)).astype(np.uint16)


class Counted:
    def __init__(self, view: ImageView) -> None:
        self.changes = 0
        view.content_changed.connect(self.count)

    def count(self) -> None:
        self.changes += 1


@pytest.fixture
def two_channels(qtbot: Any) -> Any:
    viewer = ViewerModel()
    red = viewer.add_image(STACK, colormap="red", blending="additive", contrast_limits=(0, 1000), name="nuclei")
    green = viewer.add_image(STACK[::-1], colormap="green", blending="additive", contrast_limits=(0, 500), name="actin")
    viewer.dims.set_current_step(0, 1)
    view = ImageView(viewer, red)
    view.channels = VISIBLE_CHANNELS
    yield viewer, red, green, view
    view.close()


def read(view: ImageView) -> np.ndarray[Any, Any]:
    return np.asarray(view.reader(view.plane())())


def test_one_layer_is_read_as_it_is_and_with_its_limits(qtbot: Any):
    viewer = ViewerModel()
    image = viewer.add_image(STACK, contrast_limits=(10, 700), colormap="magenta")
    view = ImageView(viewer, image)
    assert view.channels == THIS_LAYER
    assert view.limits() == (10, 700)
    np.testing.assert_array_equal(read(view), STACK[view.plane().index[0]])
    before = view.token
    image.colormap = "green"
    assert view.token == before
    view.close()


def test_gamma_is_part_of_what_the_model_sees(qtbot: Any):
    viewer = ViewerModel()
    image = viewer.add_image(STACK[0], contrast_limits=(0, 1000))
    view = ImageView(viewer, image)
    counted, before = Counted(view), view.token
    image.gamma = 0.5
    qtbot.waitUntil(lambda: counted.changes == 1, timeout=2000)
    assert view.limits() is None
    assert view.token != before
    np.testing.assert_allclose(read(view)[..., 0], 255 * np.sqrt(STACK[0] / 1000), atol=1)
    image.gamma = 1
    assert view.token == before
    view.close()


def test_colour_follows_the_limits_too_but_8_bit_passes_unchanged(qtbot: Any):
    viewer = ViewerModel()
    photo = viewer.add_image(np.zeros((9, 9, 3), np.uint8), rgb=True)
    floats = viewer.add_image(np.zeros((9, 9, 3), np.float32), rgb=True, contrast_limits=(0, 200))
    assert ImageView(viewer, photo).limits() is None
    assert ImageView(viewer, floats).limits() == (0, 200)


def test_visible_channels_are_drawn_on_the_same_plane(two_channels: Any):
    _, red, green, view = two_channels
    assert view.limits() is None
    assert view.layers() == [red, green]
    picture = read(view)
    np.testing.assert_allclose(picture[..., 0], np.rint(STACK[1] * 0.255), atol=1)
    np.testing.assert_allclose(picture[..., 1], np.clip(STACK[2] * 0.51, 0, 255), atol=1)
    assert not picture[..., 2].any()


def test_windows_are_cut_out_of_the_same_picture(two_channels: Any):
    *_, view = two_channels
    reader = view.reader(view.plane())
    reading = reader.window(Window(4, 8, 10, 12))
    np.testing.assert_array_equal(reading.pixels, read(view)[4:14, 8:20])
    assert len(reader.reports) == 2


def test_only_the_plane_of_lazy_channels_is_read(qtbot: Any):
    read_planes: list[int] = []

    def block(block_info: Any = None) -> np.ndarray[Any, Any]:
        read_planes.append(block_info[None]["chunk-location"][0])
        return np.ones((1, 20, 30), np.uint16)

    lazy = dask.array.map_blocks(block, chunks=((1,) * 4, (20,), (30,)), dtype=np.uint16)
    viewer = ViewerModel()
    first = viewer.add_image(lazy, contrast_limits=(0, 2), colormap="red")
    viewer.add_image(lazy + 0, contrast_limits=(0, 2), colormap="green", blending="additive")
    viewer.dims.set_current_step(0, 2)
    view = ImageView(viewer, first)
    view.channels = VISIBLE_CHANNELS
    reader = view.reader(view.plane())
    read_planes.clear()
    reader()
    assert set(read_planes) == {2}
    view.close()


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("visible", False),
        ("contrast_limits", (0, 50)),
        ("colormap", "blue"),
        ("gamma", 0.7),
        ("opacity", 0.5),
        ("blending", "translucent"),
        ("translate", (0, 1, 1)),
        ("data", STACK + 1),
    ],
)
def test_whatever_changes_the_picture_is_announced_once(two_channels: Any, qtbot: Any, attribute: str, value: Any):
    _, _, green, view = two_channels
    counted, before = Counted(view), view.token
    setattr(green, attribute, value)
    assert view.pending
    qtbot.waitUntil(lambda: not view.pending, timeout=2000)
    assert counted.changes == 1
    assert view.token != before


def test_layers_come_and_go(two_channels: Any, qtbot: Any):
    viewer, red, green, view = two_channels
    counted = Counted(view)
    blue = viewer.add_image(STACK, colormap="blue", blending="additive")
    assert view.layers() == [red, green, blue]
    green.name = "renamed"
    viewer.layers.remove(green)
    qtbot.waitUntil(lambda: counted.changes == 1, timeout=2000)
    assert view.layers() == [red, blue]
    green.opacity = 0.3
    assert not view.pending, "a layer that is gone does not count"


def test_nothing_is_watched_when_one_layer_is_enough(two_channels: Any):
    _, red, green, view = two_channels
    view.channels = THIS_LAYER
    green.contrast_limits = (0, 20)
    red.colormap = "blue"
    assert not view.pending
    assert view.layers() == [red]


def test_a_contrast_slider_that_is_dragged_is_announced_once(qtbot: Any):
    viewer = ViewerModel()
    image = viewer.add_image(STACK[0], contrast_limits=(0, 1000))
    view = ImageView(viewer, image)
    counted = Counted(view)
    for high in range(999, 949, -1):
        image.contrast_limits = (0, high)
        qtbot.wait(2)
    qtbot.waitUntil(lambda: not view.pending, timeout=2000)
    assert counted.changes == 1
    view.close()
    image.contrast_limits = (0, 5)
    assert not view.pending
