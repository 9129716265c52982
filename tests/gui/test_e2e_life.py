"""Waiting, cancelling, previews and several viewers, in real windows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_sam.gui.hover.layer import PREVIEW
from napari_sam.gui.layers import role_of
from tests.gui.fakes import FakePredictor
from tests.gui.hand import Hand

pytestmark = pytest.mark.gui


@pytest.fixture
def hand(open_window: Callable[..., Hand]) -> Hand:
    stack = np.random.default_rng(0).integers(0, 255, (3, 100, 120)).astype(np.uint8)
    return open_window(stack, contrast_limits=(0, 255))


def test_a_click_made_while_the_slice_is_encoded_is_answered(hand: Hand, fake: FakePredictor, qtbot: object):
    fake.gate.clear()
    hand.viewer.dims.set_current_step(0, 2)
    qtbot.waitUntil(lambda: len(fake.images) == 2, timeout=10_000)
    hand.click(2, 40, 60, wait=False)
    hand.click(2, 44, 60, wait=False)
    assert len(hand.layer("points").data) == 2, "the window is alive"
    assert not hand.labels("proposal").any()
    assert hand.widget["cancel"].enabled
    fake.gate.set()
    assert hand.widget.wait(20)
    assert hand.labels("proposal")[2, 40, 60] == 1
    assert len(fake.images) == 2, "encoded once"
    np.testing.assert_allclose(fake.asked[-1].points_yx, [(40, 60), (44, 60)], atol=1)


def test_cancel_in_the_middle_keeps_the_prompts_and_the_next_click_asks_again(
    hand: Hand, fake: FakePredictor, qtbot: object
):
    fake.gate.clear()
    hand.viewer.dims.set_current_step(0, 2)
    qtbot.waitUntil(lambda: len(fake.images) == 2, timeout=10_000)
    hand.click(2, 40, 60, wait=False)
    hand.press(Qt.Key.Key_Q)
    assert fake.cancellations == 1
    assert "Cancelled" in hand.status
    assert len(hand.layer("points").data) == 1
    assert not hand.widget["cancel"].enabled
    fake.gate.set()
    hand.click(2, 44, 60)
    assert len(hand.layer("points").data) == 2
    assert hand.labels("proposal")[2, 40, 60] == 1


def test_two_viewers_do_not_mix(open_window: Callable[..., Hand]):
    image = np.random.default_rng(0).integers(0, 255, (100, 120)).astype(np.uint8)
    one, other = (open_window(image, contrast_limits=(0, 255)) for _ in range(2))
    one.click(40, 60)
    other.click(70, 30)
    assert (one.labels("proposal")[40, 60], one.labels("proposal")[70, 30]) == (1, 0)
    assert (other.labels("proposal")[40, 60], other.labels("proposal")[70, 30]) == (0, 1)
    one.press(Qt.Key.Key_G)
    assert one.labels("objects")[40, 60] == 1
    assert not other.labels("objects").any()
    other.press(Qt.Key.Key_U)
    assert one.labels("objects")[40, 60] == 1
    assert not other.labels("proposal").any()


def test_moving_the_mouse_previews_what_a_click_would_give(hand: Hand, qtbot: object):
    def preview() -> np.ndarray:
        (layer,) = (layer for layer in hand.viewer.layers if role_of(layer) == PREVIEW)
        shown = np.argwhere(layer.data)
        return np.asarray(layer.data_to_world(shown.mean(axis=0)))[-2:] if len(shown) else np.zeros(2)

    hand.push("hover")
    for position in ((50, 70), (30, 40)):
        hand.move(1, position[0] - 3, position[1])
        hand.move(1, *position)
        qtbot.waitUntil(lambda at=position: np.allclose(preview(), at, atol=2), timeout=5000)
    assert len(hand.layer("points").data) == 0
    assert not hand.widget["undo"].enabled, "looking is no step"
    hand.click(1, 30, 40)
    assert hand.labels("proposal")[1, 30, 40] == 1
    hand.push("hover")
    assert not any(np.any(layer.data) for layer in hand.viewer.layers if role_of(layer) == PREVIEW)
