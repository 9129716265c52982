"""The panel with the image as the model sees it, in a viewer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_sam.gui.layers import role_of
from napari_sam.predict.preprocess import resized_rgb
from tests.gui.conftest import Bench
from tests.gui.fakes import FakePredictor

PIXELS = np.random.default_rng(0).integers(100, 900, (64, 80)).astype(np.uint16)
LIMITS = (100, 900)
HOT = PIXELS.copy()
HOT[5, 7] = 65535


def facts(bench: Bench) -> str:
    return str(bench.widget["model_facts"].value)


def warning(bench: Bench) -> str:
    text = str(bench.widget["warning"].value)
    assert bench.widget["warning_box"].native.isHidden() is not bool(text)
    return text


def pixmap_of(bench: Bench) -> Any:
    return bench.widget["model_picture"].native.pixmap()


def test_the_panel_tells_what_became_of_the_image(open_bench: Callable[..., Bench]):
    bench = open_bench(PIXELS, contrast_limits=(200, 700))
    assert "values 100 to 899, of which 200 to 700 shown as 0 to 255" in facts(bench)
    assert "64 x 80 pixels, resized to 819 x 1024" in facts(bench)
    assert facts(bench).endswith("grey")
    assert warning(bench) == ""
    assert not pixmap_of(bench).isNull()


def test_it_follows_contrast_and_slice(open_bench: Callable[..., Bench], fake: FakePredictor):
    stack = np.stack([PIXELS, PIXELS + 1000])
    bench = open_bench(stack, contrast_limits=(0, 2000))
    assert "values 100 to 899" in facts(bench)
    bench.viewer.dims.set_current_step(0, 1)
    assert bench.widget.wait(20)
    assert "values 1100 to 1899" in facts(bench)
    bench.viewer.layers[0].contrast_limits = (0, 1500)
    assert bench.widget.wait(20)
    assert "0 to 1500 shown" in facts(bench)
    bench.viewer.dims.set_current_step(0, 0)
    assert bench.widget.wait(20)
    assert "values 100 to 899" in facts(bench)
    assert len(fake.images) == 4


def test_a_hot_pixel_is_told_and_put_right_with_one_click(open_bench: Callable[..., Bench], fake: FakePredictor):
    bench = open_bench(HOT, contrast_limits=(100, 65535))
    assert "One single pixel stands out" in warning(bench)
    assert warning(bench).startswith("\N{WARNING SIGN}")
    bench.widget["set_contrast"].changed.emit(True)
    assert bench.widget.wait(20)
    low, high = bench.viewer.layers[0].contrast_limits
    assert 100 <= low < 110
    assert 890 < high < 910
    assert warning(bench) == ""
    assert fake.limits[-1] == (low, high), "the image was encoded with the new limits"
    assert len(fake.images) == 2


def test_a_constant_slice_has_no_button_that_would_not_help(open_bench: Callable[..., Bench]):
    bench = open_bench(np.full((20, 30), 7, np.uint16), contrast_limits=(0, 10))
    assert "one value, 7" in warning(bench)
    assert bench.widget["set_contrast"].native.isHidden()


def test_nan_is_told_on_the_slices_that_have_it(open_bench: Callable[..., Bench]):
    stack = np.stack([PIXELS.astype(np.float32)] * 3)
    stack[1, :3] = np.nan
    bench = open_bench(stack, contrast_limits=LIMITS)
    for index, expected in ((0, False), (1, True), (2, False), (1, True)):
        bench.viewer.dims.set_current_step(0, index)
        assert bench.widget.wait(20)
        assert ("240 pixels are NaN" in warning(bench)) is expected


def test_dragging_a_contrast_slider_encodes_once(bench: Bench, fake: FakePredictor, qtbot: Any):
    image = bench.viewer.layers[0]
    for high in range(254, 204, -1):
        image.contrast_limits = (0, high)
        qtbot.wait(1)
    assert bench.widget.wait(20)
    assert len(fake.images) == 2
    assert fake.limits == [None, (0, 205)]


def test_visible_channels_are_what_the_model_gets(open_bench: Callable[..., Bench], fake: FakePredictor, qtbot: Any):
    bench = open_bench(PIXELS, colormap="red", contrast_limits=LIMITS, blending="additive", name="nuclei")
    other = bench.viewer.add_image(
        PIXELS[::-1], colormap="green", contrast_limits=LIMITS, blending="additive", name="actin"
    )
    assert len(fake.images) == 1
    assert bench.widget["image"].value.name == "nuclei"
    bench.widget["channels"].value = "visible channels"
    assert bench.widget.wait(20)
    assert fake.images[-1].shape == (64, 80, 3)
    assert fake.limits[-1] is None
    expected, _, _ = resized_rgb(PIXELS[::-1], 80, LIMITS)
    assert np.abs(fake.images[-1][..., 1].astype(int) - expected[..., 1]).max() <= 1
    assert "composite of nuclei, actin" in facts(bench)
    bench.click(30, 40)
    assert bench.proposal[30, 40] == 1
    other.colormap = "blue"
    other.contrast_limits = (0, 900)
    assert bench.widget.wait(20)
    assert len(fake.images) == 3, "two changes, one encoding"
    other.visible = False
    assert bench.widget.wait(20)
    assert not fake.images[-1][..., 2].any()
    bench.viewer.layers.remove(other)
    assert bench.widget.wait(20)
    encoded = len(fake.images)
    bench.widget["channels"].value = "this layer"
    assert bench.widget.wait(20)
    assert facts(bench).endswith("grey")
    assert len(fake.images) == encoded, "it was encoded at the beginning"


def test_a_hot_pixel_in_one_channel_is_named_and_put_right_there(open_bench: Callable[..., Bench]):
    bench = open_bench(PIXELS, colormap="red", contrast_limits=LIMITS, name="nuclei")
    other = bench.viewer.add_image(HOT, colormap="green", contrast_limits=(100, 65535), blending="additive", name="hot")
    bench.widget["channels"].value = "visible channels"
    assert bench.widget.wait(20)
    assert "hot: One single pixel" in warning(bench)
    bench.widget.set_contrast()
    assert bench.widget.wait(20)
    assert other.contrast_limits[1] < 1000
    assert tuple(bench.viewer.layers[0].contrast_limits) == LIMITS
    assert warning(bench) == ""


@pytest.mark.parametrize("rgb", [False, True])
def test_opened_as_a_layer_it_lies_where_the_image_does(open_bench: Callable[..., Bench], rgb: bool):
    flat = np.stack([PIXELS // 4] * 3, axis=-1).astype(np.uint8) if rgb else PIXELS
    look = {"rgb": True} if rgb else {"contrast_limits": LIMITS}
    bench = open_bench(np.stack([flat] * 2), scale=(3, 0.5, 0.5), translate=(1, 2, 3), rotate=(0, 0, 10), **look)
    image, points = bench.viewer.layers[0], bench.layer("points")
    bench.viewer.dims.set_current_step(0, 1)
    assert bench.widget.wait(20)
    bench.widget.open_model_view()
    assert bench.widget.wait(20)
    (seen,) = [layer for layer in bench.viewer.layers if role_of(layer) == "seen"]
    expected, _, _ = resized_rgb(flat, 1024, None if rgb else LIMITS)
    np.testing.assert_array_equal(seen.data[0], expected)
    # Outer corners of the pixels, in world coordinates.
    for ours, theirs in (((0, -0.5, -0.5), (1, -0.5, -0.5)), ((0, 818.5, 1023.5), (1, 63.5, 79.5))):
        np.testing.assert_allclose(seen.data_to_world(ours), image.data_to_world(theirs), atol=1e-6)
    assert bench.viewer.layers.selection.active is points
    assert seen not in bench.widget["image"].choices


def test_another_image_begins_with_no_warning(open_bench: Callable[..., Bench]):
    bench = open_bench(HOT, contrast_limits=(100, 65535))
    assert warning(bench)
    bench.widget["image"].value = bench.viewer.add_image(PIXELS, contrast_limits=LIMITS)
    assert bench.widget.wait(20)
    assert warning(bench) == ""
    bench.widget.close()
    bench.viewer.layers[0].contrast_limits = (0, 5)
