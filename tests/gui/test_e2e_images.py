"""Images of every kind in a real window: a click lands on the pixel under the mouse, and the mask lies there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array
import numpy as np
import pytest
from qtpy.QtCore import Qt
from skimage.draw import ellipse

from tests.gui.fakes import FakePredictor
from tests.gui.hand import Hand, iou, trained_weights

pytestmark = pytest.mark.gui


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)


def test_slices_of_a_stack_keep_their_prompts_and_proposals(open_window: Callable[..., Hand]):
    hand = open_window(noise(6, 100, 120), scale=(3, 1, 1), contrast_limits=(0, 255))
    hand.slide(0, 2)
    hand.click(2, 40, 60)
    shown = hand.labels("proposal")[2].copy()
    assert shown[40, 60] == 1
    hand.slide(0, 4)
    assert not hand.labels("proposal")[4].any()
    hand.click(4, 70, 30)
    hand.slide(0, 2)
    np.testing.assert_array_equal(hand.labels("proposal")[2], shown)
    hand.press(Qt.Key.Key_G)
    assert hand.labels("objects")[2, 40, 60] == 1
    assert hand.labels("proposal")[4, 70, 30] == 1, "the other slice is as it was left"
    hand.slide(0, 4)
    hand.move(4, 70, 30)
    hand.press(Qt.Key.Key_G)
    assert hand.labels("objects")[4, 70, 30] == 2


def test_an_object_is_gone_on_with_on_the_next_slice(open_window: Callable[..., Hand]):
    hand = open_window(noise(4, 100, 120), contrast_limits=(0, 255))
    hand.slide(0, 1)
    hand.click(1, 40, 60)
    hand.press(Qt.Key.Key_G)
    hand.move(1, 40, 60)
    hand.press(Qt.Key.Key_C, Qt.KeyboardModifier.ShiftModifier)
    hand.slide(0, 2)
    hand.click(2, 42, 60)
    hand.press(Qt.Key.Key_G)
    assert (hand.labels("objects")[1, 40, 60], hand.labels("objects")[2, 42, 60]) == (1, 1)


def test_four_dimensions_that_are_lazy_and_shown_another_way_round(open_window: Callable[..., Hand]):
    read = []

    def plane(block_info: Any = None) -> np.ndarray:
        read.append(block_info[None]["chunk-location"][:2])
        return noise(1, 1, 90, 110)

    lazy = dask.array.map_blocks(plane, chunks=((1,) * 3, (1,) * 50, (90,), (110,)), dtype=np.uint8)
    hand = open_window(lazy, contrast_limits=(0, 255))
    hand.slide(0, 1)
    hand.slide(1, 33)
    read.clear()
    hand.click(1, 33, 50, 70)
    assert hand.labels("proposal")[1, 33, 50, 70] == 1
    assert set(read) <= {(1, 33)}, "only the slice that is shown is read"
    hand.press(Qt.Key.Key_G)
    assert hand.labels("objects")[1, 33, 50, 70] == 1
    hand.viewer.dims.order = (0, 2, 1, 3)
    hand.slide(2, 20)
    hand.settle()
    hand.click(1, 10, 20, 60)
    assert hand.labels("proposal")[1, 10, 20, 60] == 1
    np.testing.assert_allclose(hand.layer("points").data, [(1, 10, 20, 60)], atol=1)


def test_multiscale_and_colour(open_window: Callable[..., Hand], fake: FakePredictor):
    full = noise(400, 600, 3)
    hand = open_window([full, full[::2, ::2], full[::4, ::4]], multiscale=True, rgb=True)
    hand.click(200, 300)
    assert fake.images[-1].shape[-1] == 3
    assert hand.labels("proposal").shape == (400, 600)
    assert hand.labels("proposal")[200, 300] == 1


@pytest.mark.skipif(not trained_weights(), reason="only the trained weights give good masks")
@pytest.mark.parametrize(
    "place",
    [
        {"scale": (0.3, 0.3), "translate": (50, -20), "rotate": 30, "units": ("um", "um")},
        {"affine": np.array([[0, 2, 10], [-1.5, 0, 0], [0, 0, 1]])},
    ],
    ids=["scaled, moved and rotated, in micrometres", "an affine that mirrors and turns"],
)
def test_a_click_lands_right_wherever_the_image_lies(make_napari_viewer: Any, qtbot: Any, place: dict[str, Any]):
    from napari_sam.gui.segment_widget import SegmentWidget

    truth = np.zeros((220, 300), bool)
    truth[ellipse(80, 200, 30, 45, rotation=0.5)] = True
    other = np.zeros_like(truth)
    other[ellipse(160, 80, 35, 30)] = True
    smooth = np.where(truth | other, 170.0, 60.0) + np.random.default_rng(0).normal(0, 8, truth.shape)
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1100, 760)
    viewer.add_image(smooth.clip(0, 255).astype(np.uint8), contrast_limits=(0, 255), **place)
    widget = SegmentWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Segment")
    assert widget.wait(120)
    hand = Hand(viewer, widget, qtbot)
    hand.click(80, 200)
    np.testing.assert_allclose(hand.layer("points").data, [(80, 200)], atol=1)
    assert iou(hand.labels("proposal") > 0, truth) >= 0.8
    hand.press(Qt.Key.Key_K)
    hand.press(Qt.Key.Key_9)
    hand.drag((122, 46), (198, 114))
    assert iou(hand.labels("proposal") > 0, other) >= 0.8
