"""The composite is what napari draws, and made of the layers that lie where the image does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam.gui.view.looks import grey_look_of, look_of, visible_channels
from napari_sam.predict.composite import composite

RNG = np.random.default_rng(0)
SIDE = 96
RAMP = np.linspace(0, 4000, SIDE * SIDE).reshape(SIDE, SIDE).astype(np.uint16)
NOISE = (RNG.random((SIDE, SIDE)) * 1000).astype(np.float32)
COLOUR = RNG.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
HOLES = np.where(RNG.random((SIDE, SIDE)) < 0.1, np.nan, NOISE)


STACKS: dict[str, list[tuple[np.ndarray[Any, Any], dict[str, Any]]]] = {
    "colormap": [(RAMP, {"colormap": "viridis"})],
    "two channels": [
        (RAMP, {"colormap": "green", "blending": "additive"}),
        (NOISE, {"colormap": "magenta", "blending": "additive", "contrast_limits": (100, 500)}),
    ],
    "gamma and opacity": [
        (RAMP, {"colormap": "red", "blending": "additive", "gamma": 0.5, "opacity": 0.6}),
        (NOISE, {"colormap": "turbo", "blending": "additive", "gamma": 2}),
    ],
    "inverted on white": [(RAMP, {"colormap": "I Purple", "blending": "minimum"}), (NOISE, {"blending": "minimum"})],
    "translucent": [(RAMP, {"colormap": "green"}), (HOLES, {"blending": "translucent_no_depth", "opacity": 0.7})],
    "multiplied": [(RAMP, {}), (NOISE, {"blending": "multiplicative", "colormap": "cyan"})],
    "colour below": [(COLOUR, {"rgb": True}), (RAMP, {"colormap": "blue", "blending": "additive"})],
}


@pytest.fixture
def viewer(make_napari_viewer: Any) -> Any:
    return make_napari_viewer(show=True)


def test_the_composite_is_what_napari_draws(viewer: Any):
    for name, layers in STACKS.items():
        viewer.layers.clear()
        for data, look in layers:
            viewer.add_image(data, interpolation2d="nearest", **look)
        drawn = viewer.export_figure(flash=False)[..., :3].astype(int)
        ours = composite([layer.data for layer in viewer.layers], [look_of(layer) for layer in viewer.layers])
        assert drawn.shape == ours.shape
        assert np.abs(drawn - ours).max() <= 2, name


def test_only_visible_layers_in_the_same_place_belong_together():
    viewer = ViewerModel()
    place = {"scale": (0.5, 0.5), "translate": (3, 4)}
    image = viewer.add_image(RAMP, **place)
    other = viewer.add_image(NOISE, **place)
    viewer.add_image(NOISE, scale=(0.5, 0.6), translate=(3, 4))
    viewer.add_image(NOISE, scale=(0.5, 0.5))
    viewer.add_image(NOISE[:50], **place)
    viewer.add_image(NOISE, rotate=20, **place)
    viewer.add_image(NOISE, metadata={"napari_sam": {"role": "seen"}}, **place)
    viewer.add_labels(RAMP, **place)
    assert visible_channels(viewer.layers, image) == [image, other]
    viewer.layers.move(1, 0)
    assert visible_channels(viewer.layers, image) == [other, image]
    image.visible = False
    assert visible_channels(viewer.layers, image) == [other]
    other.visible = False
    assert visible_channels(viewer.layers, image) == [image], "there is always something to look at"


def test_alone_a_layer_is_grey_whatever_its_colormap():
    layer = ViewerModel().add_image(RAMP, colormap="magenta", gamma=0.5)
    picture = composite([RAMP], [grey_look_of(layer)])
    assert (np.ptp(picture, axis=2) == 0).all()
    np.testing.assert_allclose(picture[..., 0], 255 * np.sqrt(RAMP / 4000), atol=1)
