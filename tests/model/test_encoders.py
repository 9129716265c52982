"""Image encoders: keys, numbers, sizes, training."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from napari_sam.model import efficientnet_lite, vit
from napari_sam.model import tiny_vit as tiny_vit_module
from napari_sam.model.config import CONFIGS, MOBILE_SAM, EfficientNetLiteConfig, SamConfig, TinyViTConfig, ViTConfig
from napari_sam.model.sam import Sam
from napari_sam.model.tiny_vit import Conv2dBN, TinyViT
from napari_sam.predict.preprocess import resized_rgb
from tests.model.conftest import REFERENCE, Reference
from tests.model.seeded import seeded_state

TINY = TinyViTConfig((16, 32, 40, 64), (1, 1, 1, 1), (2, 2, 5, 4), (7, 7, 14, 7), num_classes=3)
VIT = ViTConfig(32, 3, 4, (1,), window_size=5)


def keys(config: SamConfig) -> list[str]:
    with torch.device("meta"):
        state = Sam(config).state_dict()
    return [f"{name} {list(tensor.shape)}" for name, tensor in state.items()]


def tiny_vit(img_size: int = 64) -> TinyViT:
    encoder = TinyViT(TINY, img_size, 8)
    encoder.load_state_dict(seeded_state(encoder.state_dict(), 3))
    return encoder.eval()


def test_keys_of_vit_b_are_the_official_ones() -> None:
    official = (REFERENCE / "keys_vit_b.txt").read_text().splitlines()
    assert sorted(keys(CONFIGS["vit_b"])) == sorted(official)


def test_keys_of_mobile_sam_are_the_official_ones() -> None:
    with np.load(REFERENCE / "tiny_vit.npz") as stored:
        official = stored["keys"].tolist()
    assert len(official) == 439
    assert sorted(keys(CONFIGS["vit_t"])) == sorted(official)


@pytest.mark.parametrize(("name", "count", "parameters"), [("vit_l", 482, 312.34e6), ("vit_h", 594, 641.09e6)])
def test_size_of_the_large_models(name: str, count: int, parameters: float) -> None:
    with torch.device("meta"):
        sam = Sam(CONFIGS[name])
    assert len(sam.state_dict()) == count
    assert sum(p.numel() for p in sam.parameters()) == pytest.approx(parameters, abs=5e3)


def test_embedding_of_mobile_sam(reference: Reference) -> None:
    sam = Sam(MOBILE_SAM).eval()
    sam.load_state_dict(seeded_state(sam.state_dict(), 7))
    resized, _, _ = resized_rgb(reference["coffee.image"], 1024)
    with torch.inference_mode(), np.load(REFERENCE / "tiny_vit.npz") as stored:
        ours = sam.encode(sam.preprocess(torch.from_numpy(resized).permute(2, 0, 1))).embedding
        np.testing.assert_allclose(ours[0, :, ::4, ::4].numpy(), stored["embedding"], rtol=0, atol=2e-5)
        assert float(ours.std()) == pytest.approx(float(stored["std"]), rel=1e-5)


def test_trained_attention_biases_are_used_when_loaded_after_eval() -> None:
    pixels = torch.from_numpy(seeded_pixels(64))
    encoder = tiny_vit()
    with torch.inference_mode():
        before = encoder(pixels)
        state = encoder.state_dict()
        state["layers.1.blocks.0.attn.attention_biases"] = torch.full((2, 49), 1.0).tril() * 5
        encoder.load_state_dict(state)  # no eval() afterwards
        after = encoder(pixels)
        fresh = TinyViT(TINY, 64, 8)
        fresh.load_state_dict(state)
        torch.testing.assert_close(fresh.eval()(pixels), after, rtol=0, atol=0)
    assert (before - after).abs().max() > 1e-3


def test_folded_batch_norm_equals_batch_norm() -> None:
    layer = Conv2dBN(6, 8, 3, stride=2)
    layer.load_state_dict(seeded_state(layer.state_dict(), 1))
    x = torch.from_numpy(seeded_pixels(9, 6))
    layer.eval()
    folded = layer(x)
    plain = nn.Sequential(layer.c, layer.bn)(x)
    torch.testing.assert_close(folded, plain, rtol=0, atol=1e-6)
    layer.train()
    assert not torch.allclose(layer(x), plain)  # batch statistics, as training needs them


def test_tiny_vit_without_classifier() -> None:
    names = TinyViT(replace(TINY, num_classes=0), 64, 8).state_dict()
    assert not [name for name in names if "head" in name]


@pytest.mark.parametrize("size", [32, 112, 160])
def test_tiny_vit_of_other_sizes(size: int) -> None:
    with torch.inference_mode():
        assert tiny_vit(size)(torch.from_numpy(seeded_pixels(size))).shape == (1, 8, size // 16, size // 16)


@pytest.mark.parametrize("activations", [1, 5000, 100_000])
def test_tiny_vit_in_strips_equals_tiny_vit_in_one_piece(activations: int, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = tiny_vit(80)
    pixels = torch.from_numpy(seeded_pixels(80)).repeat(2, 1, 1, 1)
    whole = encoder(pixels).detach()
    monkeypatch.setattr(tiny_vit_module, "_STRIP_ACTIVATIONS", activations)
    with torch.inference_mode():
        torch.testing.assert_close(encoder(pixels), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("activations", [1, 20_000, 1 << 30])
@pytest.mark.parametrize("size", [64, 96])
def test_sam_lite_in_strips_equals_sam_lite_in_one_piece(
    size: int, activations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = efficientnet_lite.EfficientNetLiteEncoder(8, (6, 4)).eval()
    encoder.load_state_dict(seeded_state(encoder.state_dict(), 9))
    pixels = torch.from_numpy(seeded_pixels(size)).repeat(2, 1, 1, 1)
    with torch.enable_grad():
        features = encoder(pixels)
    whole = [feature.detach() for feature in (features.embedding, *features.high_res)]
    monkeypatch.setattr(efficientnet_lite, "_STRIP_ACTIVATIONS", activations)
    with torch.inference_mode():
        strips = encoder(pixels)
    for ours, expected in zip((strips.embedding, *strips.high_res), whole, strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5 * float(expected.std()))


@pytest.mark.parametrize("size", [32, 80, 112])
def test_vit_in_tiles_equals_vit_in_one_piece(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = vit.ImageEncoderViT(VIT, size, 8).eval()
    encoder.load_state_dict(seeded_state(encoder.state_dict(), 5))
    pixels = torch.from_numpy(seeded_pixels(size)).repeat(2, 1, 1, 1)
    with torch.enable_grad():
        whole = encoder(pixels).detach()
    assert whole.shape == (2, 8, size // 16, size // 16)
    for scores in (1, 300, 4 * 25 * 25 * 3):  # one query, some, several windows
        monkeypatch.setattr(vit, "_TILE_SCORES", scores)
        monkeypatch.setattr(vit, "_TILE_ACTIVATIONS", 10 * scores)
        with torch.inference_mode():
            torch.testing.assert_close(encoder(pixels), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("encoder", [vit.ImageEncoderViT(VIT, 80, 8), TinyViT(TINY, 80, 8)], ids=["vit", "tiny_vit"])
def test_encoders_train(encoder: nn.Module) -> None:
    encoder.load_state_dict(seeded_state(encoder.state_dict(), 5))
    encoder.train()(torch.from_numpy(seeded_pixels(80))).square().mean().backward()
    without = {name for name, p in encoder.named_parameters() if p.grad is None or not p.grad.any()}
    assert {name for name in without if "head" not in name} == set()


@pytest.mark.parametrize("encoder", [vit.ImageEncoderViT(VIT, 80, 8), TinyViT(TINY, 80, 8)], ids=["vit", "tiny_vit"])
@pytest.mark.parametrize("autocast", [True, False])
def test_bf16_is_close(encoder: nn.Module, autocast: bool) -> None:
    encoder.load_state_dict(seeded_state(encoder.state_dict(), 5))
    encoder.eval()
    pixels = torch.from_numpy(seeded_pixels(80))
    with torch.inference_mode():
        exact = encoder.float()(pixels)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            rounded = (encoder if autocast else encoder.bfloat16())(pixels)
    error = (rounded.float() - exact).square().mean().sqrt() / exact.std()
    assert 0 < float(error) < 0.05
    encoder.float()


def test_wrong_pixel_size_is_refused() -> None:
    with pytest.raises(ValueError, match="takes 64 x 64 pixels"):
        tiny_vit()(torch.zeros(1, 3, 64, 32))
    with pytest.raises(ValueError, match="takes 64 x 64 pixels"):
        vit.ImageEncoderViT(VIT, 64, 8)(torch.zeros(1, 3, 32, 64))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="32 channels cannot be divided into 5 heads"):
        vit.ImageEncoderViT(replace(VIT, num_heads=5), 64, 8)


def seeded_pixels(size: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(1, channels, size, size)).astype(np.float32)


ENCODERS = {"vit": (VIT, 4), "tiny_vit": (TINY, 5), "efficientnet_lite": (EfficientNetLiteConfig(), 17)}


@pytest.mark.parametrize("name", ENCODERS)
class TestProgress:
    """Every encoder tells how far it is between its blocks, and can be stopped there."""

    def encoder(self, name: str) -> tuple[Sam, int, torch.Tensor]:
        config, total = ENCODERS[name]
        sam = Sam(SamConfig(config, img_size=64, prompt_embed_dim=32, transformer_heads=4)).eval()
        sam.load_state_dict(seeded_state(sam.state_dict(), 5))
        pixels = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 3, 64, 64)).astype(np.float32))
        return sam, total, pixels

    def test_it_counts_up_to_the_total_and_changes_no_number(self, name: str) -> None:
        sam, total, pixels = self.encoder(name)
        told: list[tuple[int, int]] = []
        with torch.inference_mode():
            silent = sam.encode(pixels)
            counted = sam.encode(pixels, lambda done, total: told.append((done, total)))
        assert told == [(done, total) for done in range(total + 1)]
        assert torch.equal(silent.embedding, counted.embedding)
        assert all(torch.equal(a, b) for a, b in zip(silent.high_res, counted.high_res, strict=True))

    def test_no_block_runs_after_a_stop(self, name: str) -> None:
        sam, _, pixels = self.encoder(name)
        blocks = [module for key, module in sam.image_encoder.named_modules() if re.fullmatch(r".*blocks\.\d+", key)]
        ran: list[nn.Module] = []
        for block in blocks:
            block.register_forward_hook(lambda module, *others: ran.append(module))

        def stop(done: int, total: int) -> None:
            if done == 2:
                raise InterruptedError

        with torch.inference_mode(), pytest.raises(InterruptedError):
            sam.encode(pixels, stop)
        assert ran == blocks[:2]
