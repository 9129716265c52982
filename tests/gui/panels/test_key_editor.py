from __future__ import annotations

from typing import Any

import pytest
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QKeySequenceEdit, QToolButton

from napari_sam.errors import KeyBindingError
from napari_sam.gui.keymap import KEYMAP
from napari_sam.gui.keys.store import keys_file, load_keys
from tests.gui.conftest import Bench

pytestmark = pytest.mark.gui


def bound(bench: Bench) -> set[str]:
    return {str(key) for key in bench.viewer.keymap}


def edit_of(bench: Bench, method: str) -> QKeySequenceEdit:
    return bench.widget.native.findChild(QKeySequenceEdit, f"key_{method}")


def press(qtbot: Any, bench: Bench, method: str, key: Any, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
    edit = edit_of(bench, method)
    qtbot.keyClick(edit, key, modifier)
    qtbot.waitUntil(lambda: edit.keySequence().count() <= 1, timeout=3000)
    bench.widget.wait(5)


def test_every_action_has_a_line_with_its_key(bench: Bench):
    assert {action.method: edit_of(bench, action.method).keySequence().toString() for action in KEYMAP} == {
        action.method: action.key for action in KEYMAP
    }
    assert all(edit_of(bench, action.method).accessibleName() for action in KEYMAP)


def test_pressing_a_free_key_changes_it_at_once_and_for_good(qtbot: Any, bench: Bench, open_bench: Any):
    press(qtbot, bench, "commit", Qt.Key.Key_F5)
    assert "F5" in bound(bench)
    assert "G" not in bound(bench)
    assert bench.widget["commit"].text == "Commit (F5)"
    assert "Key F5" in bench.widget["commit"].tooltip
    assert load_keys() == {"commit": "F5"}
    bench.viewer.window.remove_dock_widget(bench.widget.native)
    again = open_bench(viewer=bench.viewer)
    assert again.widget["commit"].text == "Commit (F5)"
    assert "F5" in bound(again)


def test_the_new_key_does_what_the_old_one_did(qtbot: Any, bench: Bench):
    bench.click(30, 40)
    press(qtbot, bench, "commit", Qt.Key.Key_E, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier)
    bench.viewer.keymap[coerce_keybinding("Ctrl+Alt+E")](bench.viewer)
    assert bench.objects[30, 40] == 1


def test_a_taken_key_is_refused_with_its_owner(qtbot: Any, bench: Bench):
    press(qtbot, bench, "commit", Qt.Key.Key_P)
    assert "P is taken by napari" in bench.widget["keys_message"].value
    assert edit_of(bench, "commit").keySequence().toString() == "G"
    assert {"G"} <= bound(bench)
    press(qtbot, bench, "commit", Qt.Key.Key_U)
    assert "U is taken by 'Undo" in bench.widget["keys_message"].value
    press(qtbot, bench, "commit", Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier)
    assert "menu entry 'Open" in bench.widget["keys_message"].value
    assert not keys_file().exists()
    press(qtbot, bench, "commit", Qt.Key.Key_F5)
    assert "taken" not in bench.widget["keys_message"].value


def test_keys_of_other_plugins_and_of_layers_are_refused(bench: Bench):
    bench.viewer.bind_key("F6", lambda viewer: None)
    bench.viewer.layers[0].bind_key("F7", lambda layer: None)
    with pytest.raises(KeyBindingError, match="another plugin or script"):
        bench.widget.set_key("commit", "F6")
    with pytest.raises(KeyBindingError, match=f"layer '{bench.viewer.layers[0].name}'"):
        bench.widget.set_key("commit", "F7")


def test_no_key_by_backspace_and_by_button_and_back_to_the_defaults(qtbot: Any, bench: Bench):
    press(qtbot, bench, "commit", Qt.Key.Key_Backspace)
    assert bench.widget["commit"].text == "Commit"
    bench.widget.native.findChild(QToolButton, "no_key_undo").click()
    assert bench.widget["undo"].text == "Undo"
    assert not {"G", "U"} & bound(bench)
    assert load_keys() == {"commit": "", "undo": ""}
    bench.widget["reset_keys"].changed.emit(True)
    assert {"G", "U"} <= bound(bench)
    assert bench.widget["commit"].text == "Commit (G)"
    assert load_keys() == {}


def test_a_spoilt_file_gives_the_defaults_and_a_message(open_bench: Any, image: Any, monkeypatch: pytest.MonkeyPatch):
    told: list[str] = []
    monkeypatch.setattr("napari_sam.gui.segment_widget.show_info", told.append)
    keys_file().parent.mkdir(parents=True)
    keys_file().write_text("{spoilt")
    bench = open_bench(image)
    assert bench.widget["commit"].text == "Commit (G)"
    assert [text for text in told if "keys.json cannot be read" in text] == told[:1]
    bench.widget.set_key("commit", "F5")
    assert load_keys() == {"commit": "F5"}


def test_a_key_that_napari_takes_meanwhile_is_given_up_with_a_message(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    from napari.settings import get_settings

    told: list[str] = []
    bench.widget._keys.notice.connect(told.append)
    settings = get_settings().shortcuts
    before = dict(settings.shortcuts)
    try:
        settings.shortcuts = {**before, "napari:toggle_grid": [coerce_keybinding("G")]}
        assert "G" not in bound(bench)
        assert len(told) == 1
        assert "G" in told[0]
    finally:
        settings.shortcuts = before
    assert "G" in bound(bench)
    assert len(told) == 1


def test_two_widgets_do_not_undo_each_others_keys(make_napari_viewer: Any, open_bench: Any, image: Any):
    first = open_bench(image, viewer=make_napari_viewer())
    second = open_bench(image, viewer=make_napari_viewer())
    first.widget.set_key("commit", "F5")
    second.widget.set_key("undo", "F6")
    assert load_keys() == {"commit": "F5", "undo": "F6"}
    assert second.widget["commit"].text == "Commit (F5)"
    with pytest.raises(KeyBindingError, match="F6 is taken by 'Undo"):
        first.widget.set_key("redo", "F6")
