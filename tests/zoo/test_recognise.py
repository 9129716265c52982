"""Architectures from the shapes of tensors."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.errors import CheckpointError
from napari_sam.model.config import CONFIGS, SAM_VIT_B, SamConfig, TinyViTConfig, ViTConfig
from napari_sam.model.sam import Sam
from napari_sam.zoo.recognise import architecture_name, recognise
from tests.zoo.models import SMALL_LITE, SMALL_TINY_VIT, SMALL_VIT


def _shapes(config: SamConfig) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return Sam(config).state_dict()


@pytest.mark.parametrize("name", CONFIGS)
def test_every_published_architecture_is_recognised(name: str) -> None:
    found = recognise(_shapes(CONFIGS[name]))
    assert found == CONFIGS[name]
    assert architecture_name(found) == name


@pytest.mark.parametrize("config", [SMALL_VIT, SMALL_TINY_VIT, SMALL_LITE])
def test_small_ones_are_recognised(config: SamConfig) -> None:
    assert recognise(_shapes(config)) == config


@st.composite
def _vit_configs(draw: st.DrawFn) -> SamConfig:
    heads, head_dim = draw(st.integers(1, 4)), draw(st.sampled_from([2, 4, 6]))
    grid, depth = draw(st.integers(2, 8)), draw(st.integers(1, 5))
    window = draw(st.integers(1, 12).filter(lambda side: side != grid))
    everywhere = tuple(range(depth))
    global_blocks = tuple(sorted(draw(st.sets(st.sampled_from(everywhere)))))
    if global_blocks == everywhere:
        window = ViTConfig().window_size  # in no tensor then, and in no computation
    encoder = ViTConfig(
        heads * head_dim, depth, heads, global_blocks, window, mlp_ratio=draw(st.sampled_from([1.0, 4.0]))
    )
    return replace(
        SMALL_VIT,
        encoder=encoder,
        img_size=16 * grid,
        prompt_embed_dim=draw(st.sampled_from([16, 32, 48])),
        transformer_depth=draw(st.integers(1, 3)),
        iou_head_depth=draw(st.integers(1, 3)),
        num_multimask_outputs=draw(st.integers(1, 4)),
    )


@settings(deadline=None, max_examples=30)
@given(_vit_configs())
def test_any_vit_is_recognised(config: SamConfig) -> None:
    found = recognise(_shapes(config))
    if config.iou_head_depth == 1:  # the hidden width is in no tensor then
        found = replace(found, iou_head_hidden_dim=config.iou_head_hidden_dim)
    assert found == config


def test_a_window_as_large_as_the_grid_is_taken_as_global() -> None:
    """224 pixels: grid and window are 14, all tables 27 long. One window without padding is global attention."""
    encoder = ViTConfig(32, 3, 2, (1,), 14)
    config = replace(SMALL_VIT, encoder=encoder, img_size=224)
    found = recognise(_shapes(config))
    assert found.encoder == replace(encoder, global_attn_indexes=(0, 1, 2))
    torch.manual_seed(0)
    theirs, ours = Sam(config).eval(), Sam(found).eval()
    for tensor in theirs.state_dict().values():
        tensor.copy_(torch.rand_like(tensor) * 0.2 - 0.1)
    ours.load_state_dict(theirs.state_dict())
    pixels = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(ours.encode(pixels).embedding, theirs.encode(pixels).embedding)


def test_position_tables_for_another_image_size_are_an_error() -> None:
    state = _shapes(SMALL_VIT)
    state["image_encoder.blocks.1.attn.rel_pos_h"] = torch.empty(127, 16, device="meta")
    with pytest.raises(CheckpointError, match=r"lengths 5, 127.*grid of 4 x 4 \(length 7\)"):
        recognise(state)


def test_other_patches_are_an_error() -> None:
    state = _shapes(SMALL_VIT)
    state["image_encoder.patch_embed.proj.weight"] = torch.empty(32, 3, 8, 8, device="meta")
    with pytest.raises(CheckpointError, match="patches are 8 pixels wide"):
        recognise(state)


@pytest.mark.parametrize("shape", [(), (0, 3), (5,)])
def test_tensors_of_impossible_shapes_are_an_error(shape: tuple[int, ...]) -> None:
    state = _shapes(SMALL_VIT)
    state["image_encoder.pos_embed"] = torch.empty(shape, device="meta")
    with pytest.raises(CheckpointError, match=r"image_encoder\.pos_embed has the shape"):
        recognise(state)


def test_names_of_architectures() -> None:
    assert architecture_name(SMALL_VIT) == "custom vit (depth 3, width 32, image 64, embedding 32)"
    assert architecture_name(SMALL_TINY_VIT) == "custom tiny vit (depths 1/1/2/1, widths 8/16/16/32, embedding 32)"
    assert architecture_name(SMALL_LITE) == "custom efficientnet lite (embedding 32)"
    wider = replace(SAM_VIT_B, encoder=replace(SAM_VIT_B.encoder, embed_dim=960))  # type: ignore[type-var]
    assert architecture_name(wider) == "custom vit (depth 12, width 960)"


def test_names_do_not_depend_on_what_no_tensor_shows() -> None:
    assert architecture_name(replace(SAM_VIT_B, pixel_mean=(0.0, 0.0, 0.0))) == "vit_b"
    for classes in (0, 10, 1000):
        assert architecture_name(SamConfig(TinyViTConfig(num_classes=classes))) == "vit_t"
