"""What happens to objects once they are committed, by keys over the object and by the buttons, in a real window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from qtpy.QtCore import Qt

from tests.gui.hand import SHIFT, Hand

pytestmark = pytest.mark.gui
ONE, OTHER = (40, 40), (80, 110)


@pytest.fixture
def hand(open_window: Callable[..., Hand]) -> Hand:
    """A window with two committed objects, both disks."""
    image = np.random.default_rng(0).integers(0, 255, (120, 160)).astype(np.uint8)
    hand = open_window(image, contrast_limits=(0, 255))
    for position in (ONE, OTHER):
        hand.click(*position)
        hand.press(Qt.Key.Key_G)
    assert (hand.labels("objects")[ONE], hand.labels("objects")[OTHER]) == (1, 2)
    return hand


def test_an_object_is_opened_by_key_changed_and_keeps_its_id(hand: Hand):
    committed = hand.labels("objects").copy()
    hand.move(*ONE)
    hand.press(Qt.Key.Key_E, SHIFT)
    assert "object 1" in hand.status
    assert len(hand.layer("points").data) == 1, "the click it was made with is back"
    hand.press(Qt.Key.Key_N)
    hand.press(Qt.Key.Key_G)
    changed = hand.labels("objects").copy()
    assert changed[ONE] == 1
    assert (changed == 1).sum() > (committed == 1).sum(), "the larger candidate"
    np.testing.assert_array_equal(changed == 2, committed == 2)
    for _ in range(3):
        hand.press(Qt.Key.Key_U)
    np.testing.assert_array_equal(hand.labels("objects"), committed)
    for _ in range(3):
        hand.press(Qt.Key.Key_J)
    np.testing.assert_array_equal(hand.labels("objects"), changed)


def test_an_object_is_deleted_by_key_and_comes_back(hand: Hand):
    committed = hand.labels("objects").copy()
    hand.move(*OTHER)
    hand.press(Qt.Key.Key_D, SHIFT)
    assert set(np.unique(hand.labels("objects"))) == {0, 1}
    hand.push("undo")
    np.testing.assert_array_equal(hand.labels("objects"), committed)
    hand.push("redo")
    assert set(np.unique(hand.labels("objects"))) == {0, 1}


def test_the_object_under_the_cursor_joins_the_selected_one(hand: Hand):
    committed = hand.labels("objects").copy()
    hand.layer("objects").selected_label = 1
    hand.move(*OTHER)
    hand.press(Qt.Key.Key_M, SHIFT)
    np.testing.assert_array_equal(hand.labels("objects") == 1, committed > 0)
    hand.press(Qt.Key.Key_U)
    np.testing.assert_array_equal(hand.labels("objects"), committed)


def test_the_same_thing_twice_is_refused_unless_it_shall_overwrite(hand: Hand):
    committed = hand.labels("objects").copy()
    hand.click(*ONE)
    hand.press(Qt.Key.Key_G)
    np.testing.assert_array_equal(hand.labels("objects"), committed)
    assert "object 1" in hand.status
    assert len(hand.layer("points").data) == 1, "nothing is lost"
    hand.widget["overlap"].value = "replace"
    hand.push("commit")
    assert hand.labels("objects")[ONE] == 3


def test_objects_of_a_class_share_its_number(hand: Hand):
    hand.widget["mode"].value = "semantic"
    hand.widget["class_id"].value = 9
    for position in ((20, 110), (90, 40)):
        hand.click(*position)
        hand.press(Qt.Key.Key_G)
    objects = hand.labels("objects")
    assert objects[20, 110] == objects[90, 40] == 9
    hand.move(90, 40)
    hand.press(Qt.Key.Key_D, SHIFT)
    objects = hand.labels("objects")
    assert (objects[20, 110], objects[90, 40]) == (9, 0), "only the piece under the cursor"


def test_everything_but_the_prompt_works_without_the_mouse(hand: Hand, qtbot: object):
    hand.click(60, 75)
    body = hand.widget["image"].native
    body.setFocus()
    names = {
        name: hand.widget[name].native for name in ("next_candidate", "commit", "undo", "redo", "clear", "overlap")
    }
    reached = set()
    for _ in range(60):
        qtbot.keyClick(hand.viewer.window._qt_window.focusWidget() or body, Qt.Key.Key_Tab)
        focus = hand.viewer.window._qt_window.focusWidget()
        reached |= {name for name, native in names.items() if focus is native or native.isAncestorOf(focus)}
    assert set(names) - reached <= {"redo"}, "redo is disabled: there is nothing to do again"
    hand.widget["commit"].native.setFocus()
    qtbot.keyClick(hand.widget["commit"].native, Qt.Key.Key_Space)
    assert hand.widget.wait(60)
    assert hand.labels("objects")[60, 75] == 3
    hand.widget["undo"].native.setFocus()
    qtbot.keyClick(hand.widget["undo"].native, Qt.Key.Key_U)
    assert hand.widget.wait(60)
    assert hand.labels("objects")[60, 75] == 0, "the keys work with the focus on a button of the widget, too"
