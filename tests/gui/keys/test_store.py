from __future__ import annotations

from pathlib import Path

import pytest

from napari_sam.errors import KeyBindingError
from napari_sam.gui.keys.store import keys_file, load_keys, save_keys


def test_keys_come_back_as_they_were_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NAPARI_SAM_CONFIG", str(tmp_path / "new" / "folder"))
    assert load_keys() == {}
    save_keys({"commit": "Shift+C", "undo": ""})
    assert keys_file() == tmp_path / "new" / "folder" / "keys.json"
    assert load_keys() == {"commit": "Shift+C", "undo": ""}
    assert [path.name for path in keys_file().parent.iterdir()] == ["keys.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"keys": 3}', b"\xff\xfe\x00", b'{"other": {}}'])
def test_a_spoilt_file_is_an_error_that_names_it(content: bytes):
    keys_file().parent.mkdir(parents=True)
    keys_file().write_bytes(content)
    with pytest.raises(KeyBindingError, match=r"keys\.json cannot be read"):
        load_keys()


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("NAPARI_SAM_CONFIG", str(tmp_path / "file" / "sub"))
    with pytest.raises(KeyBindingError, match="cannot be kept"):
        save_keys({"commit": "Shift+C"})


def test_without_the_variable_it_is_the_users_own_folder(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NAPARI_SAM_CONFIG")
    assert keys_file().name == "keys.json"
    assert "napari-sam" in keys_file().parts[-2]
