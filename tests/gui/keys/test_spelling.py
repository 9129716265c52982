from __future__ import annotations

import pytest

from napari_sam.errors import KeyBindingError
from napari_sam.gui.keys.spelling import spelled, spelled_by_qt


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("g", "G"),
        ("shift+n", "Shift+N"),
        ("Ctrl+Shift+X", "Ctrl+Shift+X"),
        ("Del", "Delete"),
        ("Return", "Enter"),
        ("PgDown", "PageDown"),
        ("F5", "F5"),
        (";", ";"),
        ("", ""),
        ("  ", ""),
    ],
)
def test_keys_are_written_as_napari_does(key: str, expected: str):
    assert spelled(key) == expected


@pytest.mark.parametrize(
    "key", ["Shift", "Ctrl+Alt", "Ctrl+K, Ctrl+C", "Shift+8", "Shift+!", "é", "foo", "+", "Ctrl++"]
)
def test_what_cannot_be_bound_is_refused_with_its_name(key: str):
    with pytest.raises(KeyBindingError, match="cannot be used") as caught:
        spelled(key)
    assert key in str(caught.value)


def test_on_a_mac_the_command_key_keeps_its_place(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("napari_sam.gui.keys.spelling.sys.platform", "darwin")
    assert spelled_by_qt("Ctrl+O") == "Meta+O"
    assert spelled_by_qt("Meta+O") == "Ctrl+O"
    assert spelled_by_qt("Media Play") == "Media Play"
