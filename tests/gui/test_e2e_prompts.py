"""Every way to prompt, with the mouse and the keys, in a real window; the predictor answers with disks and boxes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from qtpy.QtCore import Qt

from tests.gui.fakes import RADII, FakePredictor
from tests.gui.hand import CONTROL, SHIFT, Hand

pytestmark = pytest.mark.gui
AT = (40, 60)


@pytest.fixture
def hand(open_window: Callable[..., Hand]) -> Hand:
    image = np.random.default_rng(0).integers(0, 255, (120, 160)).astype(np.uint8)
    return open_window(image, contrast_limits=(0, 255))


def disk(centre: tuple[float, float], radius: int) -> np.ndarray:
    rows, columns = np.indices((120, 160))
    return (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2


def radius(mask: np.ndarray) -> int:
    """Return the radius of the disk that is closest in area."""
    area = np.count_nonzero(mask)
    return min(RADII, key=lambda radius: abs(np.pi * radius**2 - area))


def test_click_negative_click_undo_redo_and_clear(hand: Hand):
    hand.click(*AT)
    points = hand.layer("points")
    np.testing.assert_allclose(points.data, [AT], atol=0.6)
    np.testing.assert_array_equal(hand.labels("proposal") > 0, disk(tuple(points.data[0]), RADII[1]))

    hand.click(20, 20, modifier=CONTROL)
    hand.click(30, 30)
    assert list(points.features["prompt"]) == ["positive", "negative", "positive"], "Control counts for one click"
    assert [str(symbol) for symbol in points.symbol] == ["disc", "x", "disc"]
    hand.press(Qt.Key.Key_W)
    hand.click(90, 90)
    hand.click(95, 90)
    assert list(points.features["prompt"])[3:] == ["negative", "negative"], "W stays"
    assert hand.widget["prompt"].value == "negative"

    for left in (4, 3, 2, 1, 0):
        hand.press(Qt.Key.Key_U)
        assert len(points.data) == left
    assert not hand.labels("proposal").any()
    for left in (1, 2, 3, 4, 5):
        hand.press(Qt.Key.Key_J)
        assert len(points.data) == left
    assert list(points.features["prompt"]) == ["positive", "negative", "positive", "negative", "negative"]
    hand.press(Qt.Key.Key_K)
    assert len(points.data) == 0
    hand.press(Qt.Key.Key_U)
    assert len(points.data) == 5


def test_a_box_is_dragged_and_a_point_in_it_refines_it(hand: Hand, fake: FakePredictor):
    hand.press(Qt.Key.Key_9)
    hand.drag((20, 30), (60, 90))
    np.testing.assert_allclose(fake.asked[-1].box_yxyx, (20, 30, 60, 90), atol=1)
    hand.push("use_points")
    hand.click(40, 60)
    assert fake.asked[-1].box_yxyx is not None
    np.testing.assert_allclose(fake.asked[-1].points_yx, [(40, 60)], atol=0.6)
    hand.press(Qt.Key.Key_U)
    hand.press(Qt.Key.Key_U)
    assert len(hand.layer("boxes").data) == 0, "a drag is one step"
    assert not hand.labels("proposal").any()


def test_a_lasso_is_one_prompt_and_one_step(hand: Hand, fake: FakePredictor):
    hand.press(Qt.Key.Key_0)
    turn = np.linspace(0, 2 * np.pi, 20)
    hand.drag(*np.stack([60 + 25 * np.sin(turn), 80 + 30 * np.cos(turn)], axis=1), steps=3)
    boxes = hand.layer("boxes")
    assert list(boxes.shape_type) == ["polygon"]
    asked = fake.asked[-1]
    assert asked.mask_logits is not None
    assert asked.box_yxyx is not None
    np.testing.assert_allclose(asked.box_yxyx, (35, 50, 85, 110), atol=2)
    assert hand.labels("proposal")[60, 80] == 1
    hand.press(Qt.Key.Key_U)
    assert len(boxes.data) == 0
    assert not hand.labels("proposal").any()
    hand.press(Qt.Key.Key_J)
    assert len(boxes.data) == 1
    assert hand.labels("proposal")[60, 80] == 1


def test_a_polygon_is_clicked_corner_by_corner_and_ended_by_a_double_click(hand: Hand, fake: FakePredictor):
    hand.press(Qt.Key.Key_G, SHIFT)
    for corner in ((20, 30), (20, 90), (70, 100)):
        hand.click(*corner, wait=False)
        hand.move(corner[0] + 4, corner[1] + 4)
    hand.click(75, 35, wait=False)
    hand.double_click(75, 35)
    boxes = hand.layer("boxes")
    assert list(boxes.shape_type) == ["polygon"]
    assert fake.asked[-1].mask_logits is not None
    np.testing.assert_allclose(fake.asked[-1].box_yxyx, (20, 30, 75, 100), atol=2)
    hand.press(Qt.Key.Key_U)
    assert len(boxes.data) == 0, "a polygon is one step"


def test_an_ellipse_and_a_scribble(hand: Hand, fake: FakePredictor):
    hand.press(Qt.Key.Key_O, SHIFT)
    hand.drag((20, 30), (60, 90))
    assert list(hand.layer("boxes").shape_type) == ["ellipse"]
    assert fake.asked[-1].mask_logits is not None
    hand.press(Qt.Key.Key_K)
    asked = len(fake.asked)
    hand.push("use_scribble")
    hand.drag((30, 30), (60, 60), (60, 100))
    assert len(fake.asked) > asked
    points = fake.asked[-1].points_yx
    assert points is not None
    assert 3 <= len(points) <= 8
    assert len(hand.layer("boxes").data) == 1
    hand.press(Qt.Key.Key_U)
    assert len(hand.layer("boxes").data) == 0


def test_an_existing_label_under_the_mouse_becomes_a_prompt(hand: Hand, fake: FakePredictor):
    labels = np.zeros((120, 160), np.uint8)
    labels[50:70, 80:110] = 7
    hand.viewer.add_labels(labels, name="from elsewhere")
    hand.viewer.layers.selection.active = hand.layer("points")
    hand.move(60, 90)
    hand.press(Qt.Key.Key_U, SHIFT)
    assert fake.asked[-1].mask_logits is not None
    hand.press(Qt.Key.Key_U)
    assert not hand.labels("proposal").any()
    np.testing.assert_array_equal(hand.viewer.layers["from elsewhere"].data, labels)


def test_candidates_by_key_and_by_the_pictures_buttons(hand: Hand):
    hand.click(*AT)
    assert radius(hand.labels("proposal")) == RADII[1], "the best score first"
    hand.press(Qt.Key.Key_N)
    assert radius(hand.labels("proposal")) == RADII[2]
    hand.press(Qt.Key.Key_N)
    assert radius(hand.labels("proposal")) == RADII[0]
    hand.press(Qt.Key.Key_N, SHIFT)
    assert radius(hand.labels("proposal")) == RADII[2]
    hand.push("candidate_1")
    assert radius(hand.labels("proposal")) == RADII[0]
    assert "candidate 1 of 3" in hand.status
    hand.push("candidate_2")
    hand.press(Qt.Key.Key_U)
    assert radius(hand.labels("proposal")) == RADII[0], "a choice is a step"
    hand.press(Qt.Key.Key_G)
    assert radius(hand.labels("objects")) == RADII[0]
    assert hand.labels("objects")[AT] == 1
    hand.press(Qt.Key.Key_U)
    assert radius(hand.labels("proposal")) == RADII[0], "the choice is remembered"


def test_the_pointer_and_pan_stay_napari_s(hand: Hand):
    """A drag on the points layer pans, and adds no point."""
    centre = hand.viewer.scene.camera.center
    hand.drag((40, 60), (60, 100))
    assert len(hand.layer("points").data) == 0
    assert not hand.labels("proposal").any()
    assert hand.viewer.scene.camera.center != centre
