"""Model files, from path to network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_sam.errors import CheckpointError
from napari_sam.model.config import SAM_LITE
from napari_sam.zoo.checkpoints import load_checkpoint, read_checkpoint, save_checkpoint, weights_hash
from napari_sam.zoo.store import find_model
from tests.zoo.models import SMALL, SMALL_LITE, SMALL_VIT, make, same_weights

Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def _weights() -> Weights:
    return make(SMALL_VIT).state_dict()


@pytest.fixture
def weights(_weights: Weights) -> Weights:
    return dict(_weights)


@pytest.mark.parametrize("kind", SMALL)
def test_our_own_file_comes_back_as_it_was(kind: str, tmp_path: Path) -> None:
    sam = make(SMALL[kind])
    path = save_checkpoint(sam, tmp_path / "new folder" / "model.safetensors", {"steps": "12"})
    checkpoint = read_checkpoint(path)
    assert checkpoint.config == SMALL[kind]
    assert checkpoint.format == "napari-sam"
    assert checkpoint.metadata == {"format": "napari-sam", "steps": "12"}
    loaded = load_checkpoint(path)
    assert same_weights(loaded.state_dict(), sam.state_dict())
    assert loaded.config == sam.config
    assert not loaded.training
    assert [p.name for p in path.parent.iterdir()] == ["model.safetensors"], "no temporary file is left"


@pytest.mark.parametrize("kind", SMALL)
def test_weights_alone_are_recognised(kind: str, tmp_path: Path) -> None:
    sam = make(SMALL[kind])
    torch.save(sam.state_dict(), tmp_path / "model.pth")
    checkpoint = read_checkpoint(tmp_path / "model.pth")
    assert checkpoint.config == SMALL[kind]
    assert checkpoint.format == "official"
    assert same_weights(load_checkpoint(tmp_path / "model.pth").state_dict(), sam.state_dict())


def test_a_loaded_model_computes_what_the_saved_one_does(tmp_path: Path) -> None:
    sam = make(SMALL_VIT)
    save_checkpoint(sam, tmp_path / "model.safetensors")
    loaded = load_checkpoint(tmp_path / "model.safetensors")
    image = torch.arange(3 * 64 * 48, dtype=torch.float32).reshape(3, 64, 48) % 256
    with torch.inference_mode():
        expected = sam.encode(sam.preprocess(image)).embedding
        found = loaded.encode(loaded.preprocess(image)).embedding
    assert torch.equal(found, expected)
    assert torch.equal(loaded.pixel_mean, sam.pixel_mean), "buffers that no file holds are real, too"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_files_load_as_fp32(dtype: torch.dtype, tmp_path: Path) -> None:
    sam = make(SMALL_LITE)
    path = save_checkpoint(sam, tmp_path / "model.safetensors", dtype=dtype)
    stored = load_file(path)
    assert {tensor.dtype for tensor in stored.values()} == {dtype}
    loaded = load_checkpoint(path).state_dict()
    assert {tensor.dtype for tensor in loaded.values()} == {torch.float32}
    assert same_weights(loaded, {name: tensor.float() for name, tensor in stored.items()})


def test_a_loaded_model_does_not_depend_on_its_file_any_more(tmp_path: Path, weights: Weights) -> None:
    paths = [tmp_path / "a.pt", save_checkpoint(make(SMALL_VIT), tmp_path / "a.safetensors")]
    torch.save(weights, paths[0])
    for path in paths:
        loaded = load_checkpoint(path)
        with path.open("r+b") as file:  # in place, as a careless copy would
            file.write(b"\0" * path.stat().st_size)
        assert same_weights(loaded.state_dict(), weights)


def test_the_bundled_model_is_there_and_loads() -> None:
    path = find_model("sam_lite")
    assert path is not None
    checkpoint = read_checkpoint(path)
    assert checkpoint.config.encoder == SAM_LITE.encoder
    assert not load_checkpoint(path).training
    assert path.stat().st_size <= 25e6


def test_missing_tensors_are_named(tmp_path: Path, weights: Weights) -> None:
    del weights["mask_decoder.iou_token.weight"], weights["image_encoder.blocks.1.attn.proj.bias"]
    torch.save(weights, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=r"2 tensors are missing \(image_encoder\.blocks\.1.*iou_token") as caught:
        read_checkpoint(tmp_path / "model.pth")
    assert str(tmp_path / "model.pth") in str(caught.value)
    assert "custom vit (depth 3, width 32, image 64" in str(caught.value)


def test_a_missing_block_is_named(tmp_path: Path, weights: Weights) -> None:
    torch.save({k: v for k, v in weights.items() if ".blocks.1." not in k}, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=r"of the layers image_encoder\.blocks\.N there are only 0, 2"):
        read_checkpoint(tmp_path / "model.pth")


def test_unexpected_tensors_are_counted_and_the_first_named(tmp_path: Path, weights: Weights) -> None:
    extra = {f"mask_decoder.novel.{i}": torch.zeros(1) for i in range(20)}
    torch.save({**weights, **extra}, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=r"20 are unexpected \(mask_decoder\.novel\.0, .*, \.\.\.\)"):
        read_checkpoint(tmp_path / "model.pth")


def test_wrong_shapes_are_named(tmp_path: Path, weights: Weights) -> None:
    torch.save({**weights, "mask_decoder.iou_token.weight": torch.zeros(1, 7)}, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=r"iou_token\.weight \(1, 7\) instead of \(1, 32\)"):
        read_checkpoint(tmp_path / "model.pth")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, weights: Weights, value: float) -> None:
    broken = weights["image_encoder.pos_embed"].clone()
    broken[0, 1, 2, 3] = value
    torch.save({**weights, "image_encoder.pos_embed": broken}, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=r"1 of 512 values of image_encoder\.pos_embed are NaN or infinite"):
        load_checkpoint(tmp_path / "model.pth")


def test_quantised_weights_are_refused(tmp_path: Path, weights: Weights) -> None:
    name = "image_encoder.pos_embed"
    save_file({**weights, name: weights[name].to(torch.int8)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"pos_embed is stored as int8"):
        read_checkpoint(tmp_path / "model.safetensors")


@pytest.mark.parametrize("config", ["{", "{}", '{"encoder": {"kind": "of the future"}}', "[]"])
def test_an_unusable_configuration_in_our_own_header_is_an_error(tmp_path: Path, weights: Weights, config: str) -> None:
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "napari-sam", "config": config})
    with pytest.raises(CheckpointError, match="newer napari-sam-studio"):
        read_checkpoint(tmp_path / "model.safetensors")


def test_a_configuration_that_does_not_fit_its_tensors_is_an_error(tmp_path: Path, weights: Weights) -> None:
    header = {"format": "napari-sam", "config": json.dumps(SAM_LITE.to_dict())}
    save_file(weights, tmp_path / "model.safetensors", metadata=header)
    with pytest.raises(CheckpointError, match="it looks like sam_lite, but"):
        read_checkpoint(tmp_path / "model.safetensors")


def test_sizes_that_make_no_network_are_an_error(tmp_path: Path, weights: Weights) -> None:
    impossible = {**SMALL_VIT.to_dict(), "transformer_heads": 5}
    header = {"format": "napari-sam", "config": json.dumps(impossible)}
    save_file(weights, tmp_path / "model.safetensors", metadata=header)
    with pytest.raises(CheckpointError, match="no network can be built"):
        read_checkpoint(tmp_path / "model.safetensors")


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match="cannot be written"):
        save_checkpoint(make(SMALL_VIT), tmp_path / "file" / "model.safetensors")


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"an older file")
    save_checkpoint(make(SMALL_VIT), path)
    assert read_checkpoint(path).config == SMALL_VIT


def test_the_hash_depends_on_values_only(weights: Weights) -> None:
    reordered = dict(reversed(weights.items()))
    halves = {name: tensor.half() for name, tensor in weights.items()}
    strided = {n: t.t().contiguous().t() if t.ndim == 2 else t for n, t in weights.items()}
    digest = weights_hash(weights)
    assert len(digest) == 32
    assert weights_hash(reordered) == weights_hash(strided) == digest
    assert weights_hash(halves) == weights_hash({name: tensor.float() for name, tensor in halves.items()}) != digest


def test_the_hash_sees_one_changed_value_a_renamed_tensor_and_the_configuration(weights: Weights) -> None:
    name = "mask_decoder.iou_token.weight"
    changed = weights[name].clone()
    changed[0, 3] += 1e-6
    renamed = {key.replace("iou_token", "other"): tensor for key, tensor in weights.items()}
    digests = [weights_hash(w) for w in (weights, {**weights, name: changed}, renamed)]
    digests += [weights_hash(weights, config) for config in (SMALL_VIT, SAM_LITE)]
    assert len(set(digests)) == 5
