from __future__ import annotations

import string
from collections.abc import Callable

import pytest
from napari.components import ViewerModel
from napari.settings import get_settings
from napari.utils.key_bindings import coerce_keybinding

from napari_sam.errors import KeyBindingError
from napari_sam.gui.keymap import KEYMAP, KeyBinder, KeyTable, key_of
from napari_sam.gui.keys.owners import napari_keys
from napari_sam.gui.keys.spelling import spelled


class Target:
    def __init__(self) -> None:
        self.called: list[str] = []

    def __getattr__(self, name: str) -> Callable[[], None]:
        return lambda: self.called.append(name)


@pytest.fixture
def table() -> KeyTable:
    return KeyTable()


@pytest.mark.gui
def test_no_default_key_is_one_of_naparis(make_napari_viewer: Callable[..., object]):
    # A viewer: napari binds much of its own, and its menus, only then.
    from napari_sam.gui.keys.owners import viewer_keys

    viewer = make_napari_viewer()
    window = viewer.window._qt_window  # type: ignore[attr-defined]
    taken = {**napari_keys(), **viewer_keys(viewer, window)}  # type: ignore[arg-type]
    assert {"Ctrl+O", "Ctrl+Z", "Ctrl+R", "A", "Shift+V", "Shift"} <= set(taken), "the check itself sees what is there"
    keys = [action.key for action in KEYMAP if action.key]
    assert {key: taken[key] for key in keys if key in taken} == {}
    assert len(set(keys)) == len(keys)


def test_the_defaults_are_written_as_napari_writes_them():
    assert [spelled(action.key) for action in KEYMAP] == [action.key for action in KEYMAP]


def test_naparis_keys_are_known_with_their_owner():
    taken = napari_keys()
    assert "labels" in taken["M"] or "new label" in taken["M"]
    assert "Labels" in taken["Ctrl+Z"]
    assert "undo" in taken["Ctrl+Z"]
    assert len([letter for letter in string.ascii_uppercase if letter in taken]) > 15


def test_a_shortcut_the_user_gave_napari_counts(monkeypatch: pytest.MonkeyPatch):
    shortcuts = get_settings().shortcuts.shortcuts
    monkeypatch.setitem(shortcuts, "napari:toggle_grid", [coerce_keybinding("G")])
    assert napari_keys()["G"] == "napari (toggle grid)"


def test_every_action_is_a_method_of_the_widget():
    from napari_sam.gui.segment_widget import SegmentWidget

    assert [action.method for action in KEYMAP if not callable(getattr(SegmentWidget, action.method, None))] == []
    assert len({action.method for action in KEYMAP}) == len(KEYMAP)


def test_keys_call_their_method_and_are_free_again_after_unbind():
    viewer, target = ViewerModel(), Target()
    binder = KeyBinder(viewer, target)
    assert binder.bind() == []
    viewer.keymap[coerce_keybinding("G")](viewer)
    assert target.called == ["commit"]
    binder.unbind()
    assert not viewer.keymap
    assert not binder.active


def test_a_key_of_somebody_else_is_left_alone():
    viewer = ViewerModel()

    def theirs(viewer: ViewerModel) -> None:
        pass

    viewer.bind_key("G", theirs)
    binder = KeyBinder(viewer, Target())
    assert binder.bind({"N": "napari"}) == ["G", "N"]
    assert viewer.keymap[coerce_keybinding("G")] is theirs
    assert coerce_keybinding("N") not in viewer.keymap
    binder.unbind()
    assert list(viewer.keymap.values()) == [theirs]


def test_a_key_somebody_took_over_meanwhile_stays_theirs():
    viewer = ViewerModel()
    binder = KeyBinder(viewer, Target())
    binder.bind()

    def theirs(viewer: ViewerModel) -> None:
        pass

    viewer.bind_key("G", theirs, overwrite=True)
    assert coerce_keybinding("G") not in binder.bound
    binder.unbind()
    assert list(viewer.keymap.values()) == [theirs]


def test_a_changed_key_replaces_the_default(table: KeyTable):
    table.change("commit", "shift+f5", {})
    assert table["commit"] == "Shift+F5"
    assert table.changes() == {"commit": "Shift+F5"}
    viewer, target = ViewerModel(), Target()
    KeyBinder(viewer, target, table).bind()
    viewer.keymap[coerce_keybinding("Shift+F5")](viewer)
    assert target.called == ["commit"]
    assert coerce_keybinding("G") not in viewer.keymap


def test_no_key_is_a_choice_too(table: KeyTable):
    table.change("commit", "", {})
    viewer = ViewerModel()
    KeyBinder(viewer, Target(), table).bind()
    assert coerce_keybinding("G") not in viewer.keymap
    assert KeyTable(table.changes())["commit"] == ""


def test_taken_keys_are_refused_with_who_has_them(table: KeyTable):
    with pytest.raises(KeyBindingError, match="P is taken by napari"):
        table.change("commit", "P", napari_keys())
    with pytest.raises(KeyBindingError, match="U is taken by 'Undo"):
        table.change("commit", "U", {})
    with pytest.raises(KeyBindingError, match="no action 'fly'"):
        table.change("fly", "F5", {})
    assert table.changes() == {}
    table.change("commit", "G", {})
    assert table.changes() == {}, "its own key is not taken"


def test_a_wish_goes_before_a_default_and_nonsense_is_reported():
    table = KeyTable({"commit": key_of("undo"), "redo": "Shift+1", "gone": "F5"})
    assert table["commit"] == "U"
    assert table["undo"] == ""
    assert table["redo"] == key_of("redo")
    assert len(table.problems) == 1


def test_the_same_key_twice_in_a_file_goes_to_the_first():
    table = KeyTable({"commit": "F5", "undo": "F5"})
    assert (table["commit"], table["undo"]) == ("F5", "")


def test_replacing_says_so_only_when_something_changes(table: KeyTable):
    seen: list[int] = []
    table.changed.connect(lambda: seen.append(1))
    table.replace({})
    assert not seen
    table.replace({"commit": "F5"})
    table.replace({})
    assert len(seen) == 2
    assert table.changes() == {}
