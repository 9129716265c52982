"""The embedding cache: bounded, whole entries only, and the same masks from disk as from memory."""

import json
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_sam.geometry.frame import ResizeFrame
from napari_sam.predict.cache import EmbeddingCache, default_folder
from napari_sam.predict.embedding import Embedding
from napari_sam.predict.fingerprint import embedding_key
from napari_sam.predict.loaded import LoadedModel
from napari_sam.predict.predictor import Predictor
from napari_sam.predict.preprocess import Preprocessing
from napari_sam.types import Prompts


def embedding(value: float = 1.0, high_res: int = 2) -> Embedding:
    features = np.full((4, 8, 8), value, np.float32)
    fine = tuple(np.full((2, 16 << i, 16 << i), value / 3, np.float32) for i in range(high_res))
    record = Preprocessing((0, 1, 2), ((0.0, 100.0),), "percentiles", ("a note",))
    return Embedding(features, fine, ResizeFrame((100, 70), 128), "model", record)


def key(number: int) -> str:
    return f"{number:064x}"


def entry(folder: Path, number: int = 1) -> Path:
    return folder / "00" / f"{key(number)}.zarr"


class TestMemory:
    def test_least_recently_used_goes_first(self) -> None:
        cache = EmbeddingCache(max_bytes=2 * embedding().nbytes)
        for number in (1, 2):
            cache.put(key(number), embedding())
        assert cache.get(key(1)) is not None
        cache.put(key(3), embedding())
        assert [cache.get(key(n)) is None for n in (1, 2, 3)] == [False, True, False]
        assert cache.nbytes == 2 * embedding().nbytes

    def test_too_large_alone_is_not_kept(self) -> None:
        cache = EmbeddingCache(max_bytes=100)
        assert cache.put(key(1), embedding()).features.shape == (4, 8, 8)
        assert (cache.get(key(1)), cache.nbytes, len(cache)) == (None, 0, 0)

    def test_putting_again_counts_once(self) -> None:
        cache = EmbeddingCache()
        for _ in range(3):
            cache.put(key(1), embedding())
        assert (len(cache), cache.nbytes) == (1, embedding().nbytes)
        cache.clear_memory()
        assert (len(cache), cache.nbytes) == (0, 0)

    def test_without_a_folder_nothing_is_rounded(self) -> None:
        cache = EmbeddingCache()
        original = embedding(0.1)
        assert cache.put(key(1), original) is original
        assert cache.get(key(1)) is original

    def test_many_threads(self) -> None:
        cache = EmbeddingCache(max_bytes=3 * embedding().nbytes)
        wrong = []

        def work(seed: int) -> None:
            rng = np.random.default_rng(seed)
            for number in rng.integers(0, 6, 200):
                found = cache.get(key(number))
                if found is None:
                    cache.put(key(number), embedding(float(number)))
                elif found.features[0, 0, 0] != number:
                    wrong.append(number)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert cache.nbytes <= 3 * embedding().nbytes


class TestDisk:
    @pytest.mark.parametrize("high_res", [0, 2])
    def test_everything_comes_back(self, tmp_path: Path, high_res: int) -> None:
        kept = EmbeddingCache(folder=tmp_path).put(key(1), embedding(0.1, high_res))
        found = EmbeddingCache(folder=tmp_path).get(key(1))
        assert found is not None
        for mine, theirs in zip((kept.features, *kept.high_res), (found.features, *found.high_res), strict=True):
            assert mine.dtype == theirs.dtype == np.float16
            assert_array_equal(mine, theirs)
        assert (found.frame, found.model_hash, found.preprocessing) == (kept.frame, "model", kept.preprocessing)
        assert found.notes == ("a note",)

    def test_nothing_is_made_before_the_first_write(self, tmp_path: Path) -> None:
        folder = tmp_path / "cache"
        assert EmbeddingCache(folder=folder).get(key(1)) is None
        assert not folder.exists()

    def test_only_whole_entries_lie_there(self, tmp_path: Path) -> None:
        EmbeddingCache(folder=tmp_path).put(key(1), embedding())
        assert [path.name for path in (tmp_path / "00").iterdir()] == [entry(tmp_path).name]

    @pytest.mark.parametrize(
        "damage", ["truncated", "missing chunk", "flipped", "foreign", "empty", "file", "version", "attributes"]
    )
    def test_a_damaged_entry_is_noted_and_replaced(self, tmp_path: Path, damage: str) -> None:
        EmbeddingCache(folder=tmp_path).put(key(1), embedding(0.3))
        _damage(entry(tmp_path), damage)
        messages: list[str] = []
        cache = EmbeddingCache(folder=tmp_path, on_message=messages.append)
        assert cache.get(key(1)) is None
        assert len(messages) == 1
        assert "is damaged" in messages[0]
        cache.put(key(1), embedding(0.3))
        if damage != "file":
            assert EmbeddingCache(folder=tmp_path, on_message=messages.append).get(key(1)) is not None
            assert len(messages) == 1

    def test_an_entry_under_another_name_is_refused(self, tmp_path: Path) -> None:
        EmbeddingCache(folder=tmp_path).put(key(1), embedding())
        shutil.copytree(entry(tmp_path, 1), entry(tmp_path, 2))
        assert EmbeddingCache(folder=tmp_path, on_message=lambda _: None).get(key(2)) is None

    def test_the_folder_is_bounded_and_the_newest_stays(self, tmp_path: Path) -> None:
        cache = EmbeddingCache(folder=tmp_path, max_disk_bytes=1)
        cache.put(key(1), embedding())
        cache.put(key(2), embedding())
        assert [entry(tmp_path, n).exists() for n in (1, 2)] == [False, True]

    def test_reading_keeps_an_entry_young(self, tmp_path: Path) -> None:
        cache = EmbeddingCache(folder=tmp_path)
        for number in (1, 2, 3):
            cache.put(key(number), embedding())
            os.utime(entry(tmp_path, number), (number, number))
        size = sum(path.stat().st_size for path in entry(tmp_path).rglob("*") if path.is_file())
        assert EmbeddingCache(folder=tmp_path).get(key(1)) is not None
        EmbeddingCache(folder=tmp_path, max_disk_bytes=int(3.5 * size)).put(key(4), embedding())
        assert [entry(tmp_path, n).exists() for n in (1, 2, 3, 4)] == [True, False, True, True]

    def test_leftovers_of_killed_runs_go_and_other_files_stay(self, tmp_path: Path) -> None:
        old, young = (tmp_path / "00" / f".{key(9)}.{c * 32}.tmp" for c in "ab")
        other = tmp_path / "00" / "notes.txt"
        for path in (old, young):
            path.mkdir(parents=True)
        other.write_text("mine")
        os.utime(old, (time.time() - 1e6,) * 2)
        os.utime(other, (1, 1))
        EmbeddingCache(folder=tmp_path, max_disk_bytes=1).put(key(1), embedding())
        assert (old.exists(), young.exists(), other.exists()) == (False, True, True)

    def test_an_unusable_folder_costs_only_the_disk_copy(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        messages: list[str] = []
        cache = EmbeddingCache(folder=tmp_path / "file", on_message=messages.append)
        cache.put(key(1), embedding())
        assert cache.get(key(1)) is not None
        assert len(messages) == 1
        assert "was not stored" in messages[0]

    def test_features_beyond_fp16_stay_exact_in_memory(self, tmp_path: Path) -> None:
        cache = EmbeddingCache(folder=tmp_path)
        assert cache.put(key(1), embedding(1e6)).features[0, 0, 0] == 1e6
        assert list(tmp_path.iterdir()) == []


def _damage(path: Path, kind: str) -> None:
    chunk = next(p for p in (path / "features" / "c").rglob("*") if p.is_file())
    metadata = path / "zarr.json"
    if kind == "truncated":
        chunk.write_bytes(chunk.read_bytes()[: chunk.stat().st_size // 2])
    elif kind == "missing chunk":
        chunk.unlink()
    elif kind == "flipped":
        content = bytearray(chunk.read_bytes())
        content[len(content) // 2] ^= 255
        chunk.write_bytes(bytes(content))
    elif kind == "foreign":
        metadata.write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    elif kind == "empty":
        metadata.write_text("")
    elif kind in ("version", "attributes"):
        content = json.loads(metadata.read_text())
        content["attributes"] |= {"version": 99} if kind == "version" else {"frame": None}
        metadata.write_text(json.dumps(content))
    else:
        shutil.rmtree(path)
        path.write_text("not a folder")


class TestWithPredictor:
    image = np.random.default_rng(0).integers(0, 255, (90, 120), np.uint8)

    def test_an_image_is_encoded_once(self, tiny_model: LoadedModel) -> None:
        predictor = Predictor(tiny_model, EmbeddingCache())
        first = predictor.encode(self.image)
        assert predictor.encode(self.image.copy()) is first
        assert predictor.encode(self.image, limits=(0, 100)) is not first
        assert predictor.encode(self.image + 1) is not first

    def test_masks_from_disk_equal_those_before(self, tiny_model: LoadedModel, tmp_path: Path) -> None:
        results = []
        for _ in range(2):
            predictor = Predictor(tiny_model, EmbeddingCache(folder=tmp_path))
            embedded = predictor.encode(self.image)
            results.append(predictor.predict(embedded, Prompts([[40, 50]])))
        assert_array_equal(results[0].logits, results[1].logits)
        exact = Predictor(tiny_model)
        unrounded = exact.predict(exact.encode(self.image), Prompts([[40, 50]]))
        agreement = (unrounded.masks == results[0].masks).mean()
        assert agreement > 0.995

    def test_models_do_not_share_entries(self, tiny_model: LoadedModel) -> None:
        other = LoadedModel(tiny_model.sam, "other", tiny_model.device, "fp32", "other-hash")
        faster = LoadedModel(tiny_model.sam, "tiny", tiny_model.device, "bf16", tiny_model.hash)
        keys = {embedding_key(model, "image", None, None) for model in (tiny_model, other, faster)}
        assert len(keys) == 3

    def test_key_depends_on_values_not_on_containers(self, tiny_model: LoadedModel) -> None:
        keys = {embedding_key(tiny_model, "image", limits, (0,)) for limits in ((0, 1), [0, 1], np.array([0, 1]))}
        assert len(keys) == 1


def test_default_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_SAM_CACHE", str(tmp_path))
    assert default_folder() == tmp_path / "embeddings"
    assert list(tmp_path.iterdir()) == []
