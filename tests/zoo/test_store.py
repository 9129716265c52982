"""Where models are looked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from napari_sam.errors import Cancelled, CheckpointError, ModelError
from napari_sam.zoo.cards import CARDS, get_card
from napari_sam.zoo.checkpoints import save_checkpoint
from napari_sam.zoo.download import download
from napari_sam.zoo.hashing import file_digest
from napari_sam.zoo.store import cache_dir, find_model, models_dir, require_model
from napari_sam.zoo.verify import verify_model
from tests.zoo.hostile_server import Server
from tests.zoo.models import SMALL_LITE, make


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_SAM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    return path


def test_the_cache_is_where_the_environment_says(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_dir() == cache
    assert not cache.exists(), "asking makes no folder"
    monkeypatch.setenv("NAPARI_SAM_CACHE", "~/somewhere")
    assert cache_dir() == Path.home() / "somewhere"
    monkeypatch.delenv("NAPARI_SAM_CACHE")
    assert "napari-sam" in str(cache_dir())


def test_the_bundled_model_is_always_found(cache: Path) -> None:
    path = find_model("sam_lite")
    assert path is not None
    assert path.name == "sam_lite.safetensors"
    assert require_model("sam-lite") == path
    assert download("sam_lite") == path


def test_the_offline_folders_come_before_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_model("vit_b") is None
    cached = _file(models_dir() / "sam_vit_b_01ec64.pth")
    assert find_model("vit_b") == cached
    folders = [tmp_path / "first", tmp_path / "second"]
    monkeypatch.setenv("NAPARI_SAM_MODELS", os.pathsep.join(str(folder) for folder in folders))
    assert find_model("vit_b") == cached
    second = _file(folders[1] / "sam_vit_b_01ec64.pth")
    assert find_model("vit_b") == second
    assert find_model("sam_vit_b") == second
    first = _file(folders[0] / "sam_vit_b_01ec64.pth")
    assert find_model("vit_b") == first


@pytest.mark.parametrize("filename", ["vit_b_lm.pt", "vit_b_lm.safetensors", "vit_b_lm.pth", "vit_b_lm"])
def test_a_file_may_also_be_named_as_the_model(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filename: str
) -> None:
    monkeypatch.setenv("NAPARI_SAM_MODELS", str(tmp_path / "offline"))
    path = _file(tmp_path / "offline" / filename)
    assert find_model("vit_b_lm") == path
    assert find_model("vit_b") is None


def test_a_missing_model_says_how_to_get_it(cache: Path) -> None:
    with pytest.raises(ModelError) as caught:
        require_model("mobile_sam")
    card = get_card("vit_t")
    for part in ("napari-sam models download vit_t", str(card.url), card.filename, "NAPARI_SAM_MODELS", "41 MB"):
        assert part in str(caught.value)


def test_unknown_names_are_errors_everywhere(cache: Path) -> None:
    for function in (find_model, require_model, verify_model):
        with pytest.raises(ModelError, match="no model named"):
            function("vit_q")


def test_an_unfinished_download_is_not_found(cache: Path) -> None:
    _file(models_dir() / "mobile_sam.pt.part")
    assert find_model("vit_t") is None


def test_the_bundled_model_verifies_by_reading_it(cache: Path) -> None:
    found = verify_model("sam_lite")
    assert (found.name, found.method, found.digest) == ("sam_lite", "read", None)


def test_a_damaged_replacement_of_the_bundled_model_is_found(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_SAM_MODELS", str(tmp_path))
    path = save_checkpoint(make(SMALL_LITE), tmp_path / "sam_lite.safetensors")
    assert verify_model("sam_lite").path == path
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="the file is truncated"):
        verify_model("sam_lite")


def test_another_file_than_the_published_one_is_found(cache: Path) -> None:
    path = _file(models_dir() / "mobile_sam.pt")
    seen: list[tuple[int, int]] = []
    with pytest.raises(CheckpointError) as caught:
        verify_model("vit_t", lambda done, total: seen.append((done, total)))
    for part in (str(path), str(CARDS["vit_t"].sha256), "7 bytes", "napari-sam models download vit_t"):
        assert part in str(caught.value)
    assert seen == [(7, 7)]


def test_a_model_of_any_card_is_downloaded_found_and_verified(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_sam.zoo.cards.CARDS", {"tester": server.card()})
    assert find_model("tester") is None
    path = download("tester")
    assert find_model("tester") == path
    found = verify_model("Tester")
    assert (found.path, found.method, found.digest) == (path, "sha256", server.card().sha256)


def test_an_installation_without_the_bundled_model_says_so(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_sam.zoo.store.resources.files", lambda package: tmp_path)
    with pytest.raises(ModelError, match="install napari-sam-studio again"):
        require_model("sam_lite")


def test_checking_can_be_cancelled(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        file_digest(_file(tmp_path / "file"), "sha256", cancelled=lambda: True)


def test_known_checksums(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert file_digest(path, "md5") == "900150983cd24fb0d6963f7d28e17f72"
    assert file_digest(path, "sha256") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_digest(path, "xxh128") == "06b05ab6733a618578af5f94892f3950"
