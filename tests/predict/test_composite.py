"""Layers drawn over one another; that it is what napari draws is tested in tests/gui/view/test_looks.py."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_sam.errors import ImageError
from napari_sam.predict.composite import LUT_SIZE, LayerLook, composite

Array = np.ndarray[Any, Any]


def lut(*colour: float, alpha: float = 1.0) -> Array:
    """Black to a colour, nothing for NaN."""
    ramp = np.zeros((LUT_SIZE + 1, 4), np.float32)
    ramp[:-1, :3] = np.linspace(0, 1, LUT_SIZE)[:, None] * colour
    ramp[:-1, 3] = alpha
    return ramp


RED, GREEN, GREY = lut(1, 0, 0), lut(0, 1, 0), lut(1, 1, 1)


def test_two_channels_add_up_and_saturate():
    one = np.array([[0, 50, 100, 200]], np.uint16)
    picture = composite([one, one], [LayerLook((0, 100), RED), LayerLook((0, 200), lut(1, 1, 0))])
    assert_array_equal(picture[0], [[0, 0, 0], [191, 64, 0], [255, 128, 0], [255, 255, 0]])


def test_gamma_and_opacity():
    image = np.array([[0.0, 0.25, 1.0]])
    picture = composite([image], [LayerLook((0, 1), GREY, gamma=0.5, opacity=0.5)])
    assert np.abs(picture[0, :, 0].astype(int) - [0, 64, 128]).max() <= 1


def test_nan_shows_what_lies_below():
    below, above = np.full((1, 2), 1.0), np.array([[np.nan, 0.0]])
    looks = [LayerLook((0, 1), GREEN), LayerLook((0, 1), RED, blending="translucent")]
    assert_array_equal(composite([below, above], looks)[0], [[0, 255, 0], [0, 0, 0]])


@pytest.mark.parametrize(
    ("blending", "expected"),
    [
        ("additive", [128, 255, 0]),
        ("translucent", [128, 128, 0]),
        ("translucent_no_depth", [128, 128, 0]),
        ("opaque", [255, 0, 0]),
        ("minimum", [0, 0, 0]),
        ("multiplicative", [0, 0, 0]),
    ],
)
def test_blending(blending: str, expected: list[int]):
    one = np.ones((2, 2))
    looks = [LayerLook((0, 1), GREEN), LayerLook((0, 1), RED, opacity=0.5, blending=blending)]
    assert_array_equal(composite([one, one], looks)[1, 1], expected)


def test_a_colour_layer_takes_part_with_its_transparency():
    colours = np.zeros((1, 2, 4), np.uint8)
    colours[..., 2], colours[0, 0, 3] = 255, 255
    looks = [LayerLook((0, 1), RED), LayerLook((0, 255), None, blending="translucent")]
    assert_array_equal(composite([np.ones((1, 2)), colours], looks)[0], [[0, 0, 255], [255, 0, 0]])


def test_large_images_are_drawn_in_blocks_like_small_ones():
    image = np.random.default_rng(0).random((700, 400))
    looks = [LayerLook((0, 1), GREY)]
    assert_array_equal(composite([image], looks)[650:], composite([image[650:]], looks))
    assert_array_equal(composite([image], looks)[..., 0], composite([image], looks)[..., 2])


def test_the_key_follows_the_look_and_not_the_name():
    look = LayerLook((0, 1), RED, name="a")
    assert look.key == LayerLook((0, 1), RED.copy(), name="b").key
    others = [LayerLook((0, 2), RED), LayerLook((0, 1), GREEN), LayerLook((0, 1), RED, gamma=2), LayerLook((0, 1))]
    others += [LayerLook((0, 1), RED, opacity=0.5), LayerLook((0, 1), RED, blending="opaque")]
    assert look.key not in [other.key for other in others]


def test_sizes_must_agree():
    look = LayerLook((0, 1), RED)
    with pytest.raises(ImageError, match=r"one size.*\(2, 3\)"):
        composite([np.ones((2, 2)), np.ones((2, 3))], [look, look])
    with pytest.raises(ImageError, match="0 and 0"):
        composite([], [])
